// The verifier as a device: AXI4-Lite for registers and the device's own queue, an AXI4 port for queues and messages in host memory,
// `Fetchers` units that read and hash, `Engines` engines.
//
// Latency and rate: those of device_fetch and of the engines. Stall: a slot waits until a completion has room for its answer.
// Input range: any transfer; see REGISTERS.md for the map. The AXI4 port has 64 bits of data, bursts of type INCR and of at most 16 beats
// of 8 bytes that cross no multiple of 128 bytes, reads with the number of the fetch unit as ID, writes of one whole beat with one ID.

module ed25519_device
  import device_pkg::*;
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned Engines      = 1,
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16,
  parameter int unsigned Fetchers     = 1,
  parameter bit          MemoryPort   = 1'b1,
  parameter int unsigned HotKeys      = 0,
  parameter bit          Tiled        = 1'b0,
  localparam int unsigned UnitBits = (Fetchers == 1) ? 1 : $clog2(Fetchers)
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        awvalid_i,
  output logic        awready_o,
  input  logic [17:0] awaddr_i,
  input  logic        wvalid_i,
  output logic        wready_o,
  input  logic [31:0] wdata_i,
  input  logic [3:0]  wstrb_i,
  output logic        bvalid_o,
  input  logic        bready_i,
  output logic [1:0]  bresp_o,
  input  logic        arvalid_i,
  output logic        arready_o,
  input  logic [17:0] araddr_i,
  output logic        rvalid_o,
  input  logic        rready_i,
  output logic [31:0] rdata_o,
  output logic [1:0]  rresp_o,

  output logic                m_arvalid_o,
  input  logic                m_arready_i,
  output logic [UnitBits-1:0] m_arid_o,
  output logic [63:0]         m_araddr_o,
  output logic [7:0]          m_arlen_o,
  output logic [2:0]          m_arsize_o,
  output logic [1:0]          m_arburst_o,
  input  logic                m_rvalid_i,
  output logic                m_rready_o,
  input  logic [UnitBits-1:0] m_rid_i,
  input  logic [63:0]         m_rdata_i,
  input  logic [1:0]          m_rresp_i,
  input  logic                m_rlast_i,
  output logic                m_awvalid_o,
  input  logic                m_awready_i,
  output logic [63:0]         m_awaddr_o,
  output logic [7:0]          m_awlen_o,
  output logic [2:0]          m_awsize_o,
  output logic [1:0]          m_awburst_o,
  output logic                m_wvalid_o,
  input  logic                m_wready_i,
  output logic [63:0]         m_wdata_o,
  output logic [7:0]          m_wstrb_o,
  output logic                m_wlast_o,
  input  logic                m_bvalid_i,
  output logic                m_bready_o,
  input  logic [1:0]          m_bresp_i
);

  localparam logic [2:0] AxiSizeEight = 3'd3;
  localparam logic [1:0] AxiBurstIncr = 2'd1;
  assign m_arsize_o  = AxiSizeEight;
  assign m_arburst_o = AxiBurstIncr;
  assign m_awlen_o   = 8'd0;
  assign m_awsize_o  = AxiSizeEight;
  assign m_awburst_o = AxiBurstIncr;
  assign m_wstrb_o   = 8'hff;
  assign m_wlast_o   = 1'b1;

  // ---- The bus: 0x00000 registers, 0x10000 slots, 0x20000 completions, 0x30000 the table of a hot key.

  localparam int unsigned SlotAddrBits = SlotBits + 8;
  localparam int unsigned CompletionAddrBits = CompletionBits + 4;

  logic        write;
  logic [17:0] waddr, raddr;
  logic [31:0] wdata, rdata, register_data;
  logic        unused_align;
  assign unused_align = ^{waddr[1:0], raddr[1:0]};

  device_axi #(
    .AddrBits(18),
    .ReadLatency(2)
  ) u_axi (
    .clk_i,
    .rst_ni,
    .awvalid_i,
    .awready_o,
    .awaddr_i,
    .wvalid_i,
    .wready_o,
    .wdata_i,
    .wstrb_i,
    .bvalid_o,
    .bready_i,
    .bresp_o,
    .arvalid_i,
    .arready_o,
    .araddr_i,
    .rvalid_o,
    .rready_i,
    .rdata_o,
    .rresp_o,
    .write_o(write),
    .waddr_o(waddr),
    .wdata_o(wdata),
    .raddr_o(raddr),
    .rdata_i(rdata)
  );

  logic write_register, write_slot, write_hot;
  assign write_hot      = write && waddr[17:16] == 2'b11;
  assign write_register = write && waddr[17:8] == '0;
  assign write_slot     = write && waddr[17:SlotAddrBits] == {2'b01, {(16 - SlotAddrBits){1'b0}}};

  // ---- Slots: two halves of a word, each written on its own.

  logic [SlotBits+4:0] slot_raddr;
  logic [63:0]         slot_rdata;
  for (genvar half = 0; half < 2; half++) begin : gen_slots
    prim_ram_1r1w #(.Width(32), .Depth(2 ** (SlotBits + 5))) u_slots (
      .clk_i,
      .we_i(write_slot && waddr[2] == 1'(half)),
      .waddr_i(waddr[SlotAddrBits-1:3]),
      .wdata_i(wdata),
      .raddr_i(slot_raddr),
      .rdata_o(slot_rdata[32*half+:32])
    );
  end

  // ---- Completions.

  logic                    completion_we;
  logic [CompletionBits:0] completion_waddr;
  logic [63:0]             completion_wdata, completion_rdata;
  prim_ram_1r1w #(.Width(64), .Depth(2 ** (CompletionBits + 1))) u_completions (
    .clk_i,
    .we_i(completion_we),
    .waddr_i(completion_waddr),
    .wdata_i(completion_wdata),
    .raddr_i(raddr[CompletionAddrBits-1:3]),
    .rdata_o(completion_rdata)
  );

  logic read_completion;
  assign read_completion = raddr[17:CompletionAddrBits] == {2'b10, {(16 - CompletionAddrBits){1'b0}}};
  assign rdata = !read_completion ? register_data : raddr[2] ? completion_rdata[63:32] : completion_rdata[31:0];

  // ---- Registers.

  logic        enable, abort, busy, clear, watchdog_fired, ended;
  logic [31:0] watchdog;
  logic [15:0] submit_tail, submit_next, submit_taken, submit_head, complete_head, complete_tail, completion_index;
  logic        host;
  logic [3:0]  submit_bits, complete_bits;
  logic [63:8] submit_base;
  logic [63:4] complete_base;
  logic [31:0] memory_timeout;
  logic        bus_beat, stray, write_error, write_timeout, write_due;
  logic [Fetchers-1:0] read_error, read_timeout, read_due;
  verdict_e    ended_verdict;
  logic [31:0]  hot_select, hot_data;
  logic         write_hot_command, hot_write, hot_open, hot_error, hot_ended;
  hot_command_e hot_command;
  hot_entry_t   hot_entry;
  logic [Engines-1:0] hot_valid, hot_busy, engine_hot;
  logic [Engines-1:0] multiplying;
  logic        unused_multiplying;
  assign unused_multiplying = ^multiplying;

  device_registers #(
    .Engines(Engines),
    .RowsParallel(RowsParallel),
    .Contexts(Contexts),
    .Fetchers(Fetchers),
    .MemoryPort(MemoryPort),
    .HotKeys(HotKeys)
  ) u_registers (
    .clk_i,
    .rst_ni,
    .write_i(write_register),
    .waddr_i({waddr[7:2], 2'b00}),
    .wdata_i(wdata),
    .raddr_i((raddr[17:8] == '0) ? {raddr[7:2], 2'b00} : 8'hfc),
    .rdata_o(register_data),
    .enable_o(enable),
    .abort_o(abort),
    .watchdog_o(watchdog),
    .busy_i(busy),
    .aborting_i(clear),
    .due_i(write_due || read_due != '0),
    .watchdog_fired_i(watchdog_fired),
    .read_error_i(stray || read_error != '0),
    .write_error_i(write_error),
    .timeout_i(write_timeout || read_timeout != '0),
    .bus_word_i(bus_beat),
    .host_o(host),
    .submit_bits_o(submit_bits),
    .complete_bits_o(complete_bits),
    .submit_base_o(submit_base),
    .complete_base_o(complete_base),
    .timeout_o(memory_timeout),
    .submit_tail_o(submit_tail),
    .submit_taken_i(submit_taken),
    .submit_head_i(submit_head),
    .complete_head_o(complete_head),
    .complete_made_i(completion_index),
    .complete_tail_i(complete_tail),
    .hot_entry_o(hot_select),
    .hot_command_o(write_hot_command),
    .hot_state_i({hot_open, hot_busy != '0, hot_valid == '1}),
    .hot_error_i(hot_error),
    .hot_ended_i(hot_ended),
    .ended_i(ended),
    .ended_verdict_i(ended_verdict),
    .product_i(multiplying[0])
  );

  device_hot_keys #(.HotKeys(HotKeys)) u_hot_keys (
    .clk_i,
    .rst_ni,
    .command_i(write_hot_command),
    .word_i(write_hot),
    .place_i(waddr[15:2]),
    .wdata_i(wdata),
    .entry_i(hot_select),
    .valid_i(hot_valid != '0),
    .busy_i(hot_busy != '0),
    .command_o(hot_command),
    .entry_o(hot_entry),
    .write_o(hot_write),
    .data_o(hot_data),
    .open_o(hot_open),
    .error_o(hot_error)
  );

  // ---- Slots to fetch units.

  typedef struct packed {
    tag_t         tag;
    logic [255:0] key, r, s;
    logic [511:0] digest;
  } job_t;

  logic                tag_valid, tag_take, room;
  tag_t                tag;
  logic [Fetchers-1:0] unit_idle, unit_take, unit_ended, unit_begin, unit_begin_ready, unit_plain;
  logic [Fetchers-1:0] unit_failed, unit_failed_ready, unit_malformed, unit_job, unit_job_ready;
  logic [15:0]         unit_ended_slot [Fetchers];
  logic [63:0]         unit_cookie [Fetchers];
  job_t                job [Fetchers];

  device_dispatch #(.Fetchers(Fetchers), .WindowBits(SlotBits)) u_dispatch (
    .clk_i,
    .rst_ni,
    .enable_i(enable && !clear),
    .tail_i(submit_tail),
    .next_o(submit_next),
    .taken_o(submit_taken),
    .head_o(submit_head),
    .room_i(room),
    .tag_valid_i(tag_valid),
    .tag_take_o(tag_take),
    .idle_i(unit_idle),
    .take_o(unit_take),
    .ended_i(unit_ended),
    .ended_slot_i(unit_ended_slot)
  );

  // ---- Fetch units: from a slot to a signature.

  logic [Fetchers-1:0] burst_valid, burst_ready, burst_local, beat, beat_last, beat_error;
  logic [63:3]         burst_address [Fetchers];
  burst_words_t        burst_words [Fetchers];
  logic [63:0]         beat_data [Fetchers];

  for (genvar f = 0; f < int'(Fetchers); f++) begin : gen_fetch
    device_fetch #(.MemoryPort(MemoryPort)) u_fetch (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .host_i(host),
      .base_i(submit_base),
      .mask_i((16'd1 << submit_bits) - 1'b1),
      .timeout_i(memory_timeout),
      .idle_o(unit_idle[f]),
      .take_i(unit_take[f]),
      .slot_i(submit_next),
      .tag_i(tag),
      .ended_o(unit_ended[f]),
      .ended_slot_o(unit_ended_slot[f]),
      .due_o(read_due[f]),
      .begin_valid_o(unit_begin[f]),
      .begin_ready_i(unit_begin_ready[f]),
      .begin_cookie_o(unit_cookie[f]),
      .begin_plain_o(unit_plain[f]),
      .failed_valid_o(unit_failed[f]),
      .failed_ready_i(unit_failed_ready[f]),
      .failed_malformed_o(unit_malformed[f]),
      .valid_o(unit_job[f]),
      .ready_i(unit_job_ready[f]),
      .tag_o(job[f].tag),
      .key_o(job[f].key),
      .r_o(job[f].r),
      .s_o(job[f].s),
      .digest_o(job[f].digest),
      .burst_valid_o(burst_valid[f]),
      .burst_ready_i(burst_ready[f]),
      .burst_local_o(burst_local[f]),
      .burst_address_o(burst_address[f]),
      .burst_words_o(burst_words[f]),
      .beat_i(beat[f]),
      .beat_data_i(beat_data[f]),
      .beat_last_i(beat_last[f]),
      .beat_error_i(beat_error[f]),
      .read_error_o(read_error[f]),
      .read_timeout_o(read_timeout[f])
    );
  end

  device_memory_read #(.Fetchers(Fetchers)) u_memory_read (
    .clk_i,
    .rst_ni,
    .burst_valid_i(burst_valid),
    .burst_ready_o(burst_ready),
    .burst_local_i(burst_local),
    .burst_address_i(burst_address),
    .burst_words_i(burst_words),
    .beat_o(beat),
    .beat_data_o(beat_data),
    .beat_last_o(beat_last),
    .beat_error_o(beat_error),
    .bus_beat_o(bus_beat),
    .stray_o(stray),
    .slot_raddr_o(slot_raddr),
    .slot_rdata_i(slot_rdata),
    .arvalid_o(m_arvalid_o),
    .arready_i(m_arready_i),
    .arid_o(m_arid_o),
    .araddr_o(m_araddr_o),
    .arlen_o(m_arlen_o),
    .rvalid_i(m_rvalid_i),
    .rready_o(m_rready_o),
    .rid_i(m_rid_i),
    .rdata_i(m_rdata_i),
    .rresp_i(m_rresp_i),
    .rlast_i(m_rlast_i)
  );

  // ---- What the units know of their requests: one in a cycle.

  logic                begin_valid;
  logic [UnitBits-1:0] begin_unit;
  prim_arbiter #(.Requests(Fetchers)) u_begins (
    .clk_i,
    .rst_ni,
    .request_i(unit_begin),
    .used_i(1'b1),
    .valid_o(begin_valid),
    .grant_o(begin_unit)
  );

  // ---- The engines: a signature goes to one that has room, results come from all and from requests that failed.

  localparam int unsigned EngineBits = (Engines == 1) ? 1 : $clog2(Engines);
  localparam int unsigned Sources = Engines + Fetchers;
  localparam int unsigned SourceBits = $clog2(Sources);

  logic [Engines-1:0]     engine_ready;
  logic [EngineBits-1:0]  engine_grant;
  logic [UnitBits-1:0]    job_unit;
  logic                   job_valid, job_ready;
  logic [Sources-1:0]     result_valid;
  result_t                result [Sources];
  logic                   result_any, result_ready;
  logic [SourceBits-1:0]  result_grant;

  prim_arbiter #(.Requests(Fetchers)) u_jobs (
    .clk_i,
    .rst_ni,
    .request_i(unit_job),
    .used_i(job_ready),
    .valid_o(job_valid),
    .grant_o(job_unit)
  );
  prim_arbiter #(.Requests(Engines)) u_engines (
    .clk_i,
    .rst_ni,
    .request_i(engine_ready),
    .used_i(job_valid),
    .valid_o(job_ready),
    .grant_o(engine_grant)
  );
  prim_arbiter #(.Requests(Sources)) u_results (
    .clk_i,
    .rst_ni,
    .request_i(result_valid),
    .used_i(result_ready),
    .valid_o(result_any),
    .grant_o(result_grant)
  );

  for (genvar e = 0; e < int'(Engines); e++) begin : gen_engine
    ed25519_verify_core #(
      .RowsParallel(RowsParallel),
      .Contexts(Contexts),
      .Tiled(Tiled),
      .TagBits(TagBits),
      .HotKeys(HotKeys)
    ) u_core (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .valid_i(job_valid && engine_grant == EngineBits'(e)),
      .ready_o(engine_ready[e]),
      .tag_i(job[job_unit].tag),
      .key_i(job[job_unit].key),
      .r_i(job[job_unit].r),
      .s_i(job[job_unit].s),
      .digest_i(job[job_unit].digest),
      .valid_o(result_valid[e]),
      .ready_i(result_ready && result_grant == SourceBits'(e)),
      .tag_o(result[e].tag),
      .reason_o(result[e].reason),
      .hot_o(engine_hot[e]),
      .hot_command_i(hot_command),
      .hot_entry_i(hot_entry),
      .hot_write_i(hot_write),
      .hot_data_i(hot_data),
      .hot_valid_o(hot_valid[e]),
      .hot_busy_o(hot_busy[e]),
      .multiplying_o(multiplying[e])
    );
    assign result[e].hot       = engine_hot[e];
    assign result[e].malformed = 1'b0;
    assign result[e].aborted   = 1'b0;
  end

  for (genvar f = 0; f < int'(Fetchers); f++) begin : gen_unit
    assign unit_begin_ready[f]     = begin_unit == UnitBits'(f);
    assign unit_job_ready[f]       = job_ready && job_unit == UnitBits'(f);
    assign unit_failed_ready[f]    = result_ready && result_grant == SourceBits'(Engines + f);
    assign result_valid[Engines+f] = unit_failed[f];
    assign result[Engines+f] = '{tag: job[f].tag, malformed: unit_malformed[f], aborted: !unit_malformed[f], hot: 1'b0,
                                 reason: '0};
  end

  // ---- Completions.

  logic        completion_valid, completion_ready, completion_written;
  logic [63:0] completion_cookie;
  completion_t completion;

  device_complete u_complete (
    .clk_i,
    .rst_ni,
    .abort_i(abort),
    .watchdog_i(watchdog),
    .watchdog_o(watchdog_fired),
    .clear_o(clear),
    .tag_valid_o(tag_valid),
    .tag_take_i(tag_take),
    .tag_o(tag),
    .room_o(room),
    .busy_o(busy),
    .begin_valid_i(begin_valid),
    .begin_tag_i(job[begin_unit].tag),
    .begin_cookie_i(unit_cookie[begin_unit]),
    .begin_plain_i(unit_plain[begin_unit]),
    .result_valid_i(result_any),
    .result_ready_o(result_ready),
    .result_i(result[result_grant]),
    .submit_head_i(submit_head),
    .size_bits_i(complete_bits),
    .consumed_i(complete_head),
    .written_i(completion_written),
    .written_o(complete_tail),
    .valid_o(completion_valid),
    .ready_i(completion_ready),
    .index_o(completion_index),
    .cookie_o(completion_cookie),
    .completion_o(completion),
    .ended_o(ended),
    .ended_verdict_o(ended_verdict),
    .ended_hot_o(hot_ended)
  );

  device_store u_store (
    .clk_i,
    .rst_ni,
    .host_i(host),
    .base_i(complete_base),
    .mask_i((16'd1 << complete_bits) - 1'b1),
    .timeout_i(memory_timeout),
    .valid_i(completion_valid),
    .ready_o(completion_ready),
    .index_i(completion_index),
    .cookie_i(completion_cookie),
    .completion_i(completion),
    .written_o(completion_written),
    .due_o(write_due),
    .we_o(completion_we),
    .waddr_o(completion_waddr),
    .wdata_o(completion_wdata),
    .awvalid_o(m_awvalid_o),
    .awready_i(m_awready_i),
    .awaddr_o(m_awaddr_o),
    .wvalid_o(m_wvalid_o),
    .wready_i(m_wready_i),
    .m_wdata_o(m_wdata_o),
    .bvalid_i(m_bvalid_i),
    .bready_o(m_bready_o),
    .bresp_i(m_bresp_i),
    .error_o(write_error),
    .timeout_o(write_timeout)
  );

endmodule
