// The verifier as a device behind AXI4-Lite: registers, submission slots and completions in its own memory, `Engines` engines.
//
// Latency and rate: those of device_fetch and of the engines. Stall: a slot waits until a completion has room for its answer.
// Input range: any transfer; see REGISTERS.md for the map.

module ed25519_device
  import device_pkg::*;
#(
  parameter int unsigned Engines      = 1,
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16,
  parameter bit          Tiled        = 1'b0
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
  output logic [1:0]  rresp_o
);

  // ---- The bus: 0x00000 registers, 0x10000 slots, 0x20000 completions.

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

  logic write_register, write_slot;
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
  logic [15:0] submit_tail, submit_head, complete_head, complete_tail;
  verdict_e    ended_verdict;
  logic [Engines-1:0] multiplying;
  logic        unused_multiplying;
  assign unused_multiplying = ^multiplying;

  device_registers #(
    .Engines(Engines),
    .RowsParallel(RowsParallel),
    .Contexts(Contexts)
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
    .watchdog_fired_i(watchdog_fired),
    .submit_tail_o(submit_tail),
    .submit_head_i(submit_head),
    .complete_head_o(complete_head),
    .complete_tail_i(complete_tail),
    .ended_i(ended),
    .ended_verdict_i(ended_verdict),
    .product_i(multiplying[0])
  );

  // ---- From a slot to a signature.

  logic         tag_valid, tag_take, room, begin_valid, begin_plain, malformed_valid, malformed_ready;
  tag_t         tag, begin_tag, malformed_tag, job_tag;
  logic [63:0]  begin_cookie;
  logic         job_valid, job_ready;
  logic [255:0] job_key, job_r, job_s;
  logic [511:0] job_digest;

  device_fetch u_fetch (
    .clk_i,
    .rst_ni,
    .clear_i(clear),
    .enable_i(enable),
    .tail_i(submit_tail),
    .head_o(submit_head),
    .room_i(room),
    .raddr_o(slot_raddr),
    .rdata_i(slot_rdata),
    .tag_valid_i(tag_valid),
    .tag_take_o(tag_take),
    .tag_i(tag),
    .begin_valid_o(begin_valid),
    .begin_tag_o(begin_tag),
    .begin_cookie_o(begin_cookie),
    .begin_plain_o(begin_plain),
    .malformed_valid_o(malformed_valid),
    .malformed_ready_i(malformed_ready),
    .malformed_tag_o(malformed_tag),
    .valid_o(job_valid),
    .ready_i(job_ready),
    .tag_o(job_tag),
    .key_o(job_key),
    .r_o(job_r),
    .s_o(job_s),
    .digest_o(job_digest)
  );

  // ---- The engines: a signature goes to one that has room, results come from all and from malformed slots.

  localparam int unsigned EngineBits = (Engines == 1) ? 1 : $clog2(Engines);
  localparam int unsigned SourceBits = $clog2(Engines + 1);

  logic [Engines-1:0]     engine_ready;
  logic [EngineBits-1:0]  engine_grant;
  logic [Engines:0]       result_valid;
  result_t                result [Engines+1];
  logic                   result_any, result_ready;
  logic [SourceBits-1:0]  result_grant;

  prim_arbiter #(.Requests(Engines)) u_engines (
    .clk_i,
    .rst_ni,
    .request_i(engine_ready),
    .used_i(job_valid),
    .valid_o(job_ready),
    .grant_o(engine_grant)
  );
  prim_arbiter #(.Requests(Engines + 1)) u_results (
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
      .TagBits(TagBits)
    ) u_core (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .valid_i(job_valid && engine_grant == EngineBits'(e)),
      .ready_o(engine_ready[e]),
      .tag_i(job_tag),
      .key_i(job_key),
      .r_i(job_r),
      .s_i(job_s),
      .digest_i(job_digest),
      .valid_o(result_valid[e]),
      .ready_i(result_ready && result_grant == SourceBits'(e)),
      .tag_o(result[e].tag),
      .reason_o(result[e].reason),
      .multiplying_o(multiplying[e])
    );
    assign result[e].malformed = 1'b0;
  end

  assign result_valid[Engines] = malformed_valid;
  assign result[Engines]       = '{tag: malformed_tag, malformed: 1'b1, reason: '0};
  assign malformed_ready       = result_ready && result_grant == SourceBits'(Engines);

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
    .begin_tag_i(begin_tag),
    .begin_cookie_i(begin_cookie),
    .begin_plain_i(begin_plain),
    .result_valid_i(result_any),
    .result_ready_o(result_ready),
    .result_i(result[result_grant]),
    .submit_head_i(submit_head),
    .consumed_i(complete_head),
    .written_o(complete_tail),
    .we_o(completion_we),
    .waddr_o(completion_waddr),
    .wdata_o(completion_wdata),
    .ended_o(ended),
    .ended_verdict_o(ended_verdict)
  );

endmodule
