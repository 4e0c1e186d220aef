// The registers of ed25519_device; REGISTERS.md describes them.
//
// Latency: a write takes effect in the next cycle, a read is combinational. Stall: none. Input range: any address; one without a
// register reads as UnmappedValue.

module device_registers
  import device_pkg::*;
  import device_registers_pkg::*;
#(
  parameter int unsigned Engines      = 1,
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16,
  parameter int unsigned Fetchers     = 1,
  parameter bit          MemoryPort   = 1'b1,
  parameter int unsigned HotKeys      = 0
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        write_i,
  input  logic [7:0]  waddr_i,
  input  logic [31:0] wdata_i,
  input  logic [7:0]  raddr_i,
  output logic [31:0] rdata_o,

  output logic        enable_o,
  output logic        abort_o,
  output logic [31:0] watchdog_o,
  input  logic        busy_i,
  input  logic        aborting_i,
  input  logic        due_i,             // answers of the memory are due
  input  logic        watchdog_fired_i,
  input  logic        read_error_i,
  input  logic        write_error_i,
  input  logic        timeout_i,
  input  logic        bus_word_i,        // a word came through the memory port

  output logic        host_o,            // the queue is in host memory
  output logic [3:0]  submit_bits_o,     // log2 of the slots
  output logic [3:0]  complete_bits_o,   // log2 of the completions
  output logic [63:8] submit_base_o,
  output logic [63:4] complete_base_o,
  output logic [31:0] timeout_o,

  output logic [15:0] submit_tail_o,
  input  logic [15:0] submit_taken_i,    // slots that were taken, with this cycle's
  input  logic [15:0] submit_head_i,
  output logic [15:0] complete_head_o,
  input  logic [15:0] complete_made_i,   // completions on their way or written: the host may see them before the answer of the bus
  input  logic [15:0] complete_tail_i,

  output logic [31:0] hot_entry_o,
  output logic        hot_command_o,     // a command for the entry
  input  logic [2:0]  hot_state_i,
  input  logic        hot_error_i,
  input  logic        hot_ended_i,       // a verdict came from a table

  input  logic        ended_i,
  input  verdict_e    ended_verdict_i,
  input  logic        product_i
);

  localparam int unsigned ErrorBits = 7;

  typedef struct packed {
    logic [3:0] complete_bits;
    logic [3:0] submit_bits;
    logic       host;
  } queue_t;

  logic                 enable_q;
  logic [31:0]          watchdog_q, timeout_q;
  logic [ErrorBits-1:0] error_q;
  logic [15:0]          tail_q, head_q;
  queue_t               queue_q, queue;
  logic [63:8]          submit_base_q;
  logic [63:4]          complete_base_q;
  logic [31:0]          hot_entry_q;

  // Memory that is not chosen has its own sizes.
  assign host_o          = queue_q.host;
  assign submit_bits_o   = queue_q.host ? queue_q.submit_bits : 4'(SlotBits);
  assign complete_bits_o = queue_q.host ? queue_q.complete_bits : 4'(CompletionBits);
  assign submit_base_o   = submit_base_q;
  assign complete_base_o = complete_base_q;
  assign timeout_o       = timeout_q;

  logic configure, locked, bad_queue, bad_configure, bad_tail, bad_head;
  assign configure = write_i && waddr_i inside {RegWatchdog, RegQueue, RegSubmitBaseLow, RegSubmitBaseHigh, RegCompleteBaseLow,
                                                RegCompleteBaseHigh, RegMemoryTimeout};
  assign locked    = enable_q || busy_i;
  assign queue     = '{complete_bits: wdata_i[19:16], submit_bits: wdata_i[11:8], host: wdata_i[0]};
  assign bad_queue = waddr_i == RegQueue && (queue.complete_bits == '0 || queue.submit_bits == '0 || wdata_i[31:20] != '0 ||
                                             wdata_i[15:12] != '0 || wdata_i[7:1] != '0 || (queue.host && !MemoryPort));
  assign bad_configure = configure && (locked || bad_queue);
  // A doorbell neither claims more slots than there are nor takes back one that was taken.
  assign bad_tail = write_i && waddr_i == RegSubmitTail &&
                    (wdata_i[15:0] - submit_head_i > 16'd1 << submit_bits_o ||
                     wdata_i[15:0] - submit_head_i < submit_taken_i - submit_head_i);
  assign bad_head = write_i && waddr_i == RegCompleteHead && complete_made_i - wdata_i[15:0] > complete_made_i - head_q;

  assign enable_o        = enable_q;
  assign abort_o         = write_i && waddr_i == RegControl && wdata_i[1];
  assign watchdog_o      = watchdog_q;
  assign hot_entry_o     = hot_entry_q;
  assign hot_command_o   = write_i && waddr_i == RegHotCommand;
  assign submit_tail_o   = tail_q;
  assign complete_head_o = head_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      enable_q        <= 1'b0;
      watchdog_q      <= '0;
      timeout_q       <= MemoryTimeoutReset;
      error_q         <= '0;
      tail_q          <= '0;
      head_q          <= '0;
      queue_q         <= '{complete_bits: 4'(CompletionBits), submit_bits: 4'(SlotBits), host: 1'b0};
      submit_base_q   <= '0;
      complete_base_q <= '0;
      hot_entry_q     <= '0;
    end else begin
      if (write_i) begin
        unique case (waddr_i)
          RegControl:      enable_q <= wdata_i[0];
          RegHotEntry:     hot_entry_q <= wdata_i;
          RegSubmitTail:   if (!bad_tail) tail_q <= wdata_i[15:0];
          RegCompleteHead: if (!bad_head) head_q <= wdata_i[15:0];
          default: ;
        endcase
      end
      if (configure && !bad_configure) begin
        unique case (waddr_i)
          RegWatchdog:         watchdog_q             <= wdata_i;
          RegQueue:            queue_q                <= queue;
          RegSubmitBaseLow:    submit_base_q[31:8]    <= wdata_i[31:8];
          RegSubmitBaseHigh:   submit_base_q[63:32]   <= wdata_i;
          RegCompleteBaseLow:  complete_base_q[31:4]  <= wdata_i[31:4];
          RegCompleteBaseHigh: complete_base_q[63:32] <= wdata_i;
          default:             timeout_q              <= wdata_i;
        endcase
      end
      error_q <= (error_q & ~((write_i && waddr_i == RegError) ? wdata_i[ErrorBits-1:0] : '0))
               | {hot_error_i, timeout_i, write_error_i, read_error_i, bad_tail || bad_head, watchdog_fired_i, bad_configure};
    end
  end

  // ---- Counters, and their copies of the same moment.

  logic [3:0][31:0] verdicts_q, verdicts_copy_q;
  logic [31:0]      cycles_q, cycles_copy_q, products_q, products_copy_q, words_q, words_copy_q, hot_q, hot_copy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {verdicts_q, verdicts_copy_q} <= '0;
      {cycles_q, cycles_copy_q, products_q, products_copy_q, words_q, words_copy_q, hot_q, hot_copy_q} <= '0;
    end else begin
      cycles_q   <= cycles_q + 1'b1;
      products_q <= products_q + 32'(product_i);
      words_q    <= words_q + 32'(bus_word_i);
      hot_q      <= hot_q + 32'(hot_ended_i);
      if (ended_i) verdicts_q[ended_verdict_i] <= verdicts_q[ended_verdict_i] + 1'b1;
      if (write_i && waddr_i == RegSnapshot) begin
        verdicts_copy_q <= verdicts_q;
        cycles_copy_q   <= cycles_q;
        products_copy_q <= products_q;
        words_copy_q    <= words_q;
        hot_copy_q      <= hot_q;
      end
    end
  end

  always_comb begin
    unique case (raddr_i)
      RegMagic:          rdata_o = MagicValue;
      RegVersion:        rdata_o = VersionValue;
      RegCapabilities:   rdata_o = {8'(TagBits), 8'(Contexts), 8'(RowsParallel), 8'(Engines)};
      RegQueueSizes:     rdata_o = {16'd1 << complete_bits_o, 16'd1 << submit_bits_o};
      RegControl:        rdata_o = {31'd0, enable_q};
      RegStatus:         rdata_o = {29'd0, due_i, aborting_i, busy_i};
      RegError:          rdata_o = {25'd0, error_q};
      RegWatchdog:       rdata_o = watchdog_q;
      RegSubmitTail:     rdata_o = {16'd0, tail_q};
      RegSubmitHead:     rdata_o = {16'd0, submit_head_i};
      RegCompleteHead:   rdata_o = {16'd0, head_q};
      RegCompleteTail:   rdata_o = {16'd0, complete_tail_i};
      RegCountCycles:    rdata_o = cycles_copy_q;
      RegCountValid:     rdata_o = verdicts_copy_q[VerdictValid];
      RegCountInvalid:   rdata_o = verdicts_copy_q[VerdictInvalid];
      RegCountMalformed: rdata_o = verdicts_copy_q[VerdictMalformed];
      RegCountAborted:   rdata_o = verdicts_copy_q[VerdictAborted];
      RegCountProducts:  rdata_o = products_copy_q;
      RegFeatures:       rdata_o = {16'(HotKeys), 8'(Fetchers), 7'd0, MemoryPort};
      RegMessageBytesMax: rdata_o = MemoryPort ? MessageBytesMax : InlineBytesMax;
      RegQueue:          rdata_o = {12'd0, queue_q.complete_bits, 4'd0, queue_q.submit_bits, 7'd0, queue_q.host};
      RegSubmitBaseLow:  rdata_o = {submit_base_q[31:8], 8'd0};
      RegSubmitBaseHigh: rdata_o = submit_base_q[63:32];
      RegCompleteBaseLow: rdata_o = {complete_base_q[31:4], 4'd0};
      RegCompleteBaseHigh: rdata_o = complete_base_q[63:32];
      RegMemoryTimeout:  rdata_o = timeout_q;
      RegCountMemoryWords: rdata_o = words_copy_q;
      RegHotEntry:       rdata_o = hot_entry_q;
      RegHotState:       rdata_o = {29'd0, hot_state_i};
      RegCountHot:       rdata_o = hot_copy_q;
      default:           rdata_o = UnmappedValue;
    endcase
  end

endmodule
