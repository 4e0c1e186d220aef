// The registers of ed25519_device; REGISTERS.md describes them.
//
// Latency: a write takes effect in the next cycle, a read is combinational. Stall: none. Input range: any address; one without a
// register reads as UnmappedWord.

module device_registers
  import device_pkg::*;
  import device_registers_pkg::*;
#(
  parameter int unsigned Engines      = 1,
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16
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
  input  logic        watchdog_fired_i,

  output logic [15:0] submit_tail_o,
  input  logic [15:0] submit_head_i,
  output logic [15:0] complete_head_o,
  input  logic [15:0] complete_tail_i,

  input  logic        ended_i,
  input  verdict_e    ended_verdict_i,
  input  logic        product_i
);

  localparam logic [31:0] Magic = 32'h5058_5646;
  localparam logic [31:0] UnmappedWord = 32'hdead_beef;

  logic        enable_q;
  logic [31:0] watchdog_q;
  logic [2:0]  error_q;
  logic [15:0] tail_q, head_q;

  logic bad_configure, bad_tail, bad_head;
  assign bad_configure = write_i && waddr_i == RegWatchdog && enable_q;
  assign bad_tail = write_i && waddr_i == RegSubmitTail && wdata_i[15:0] - submit_head_i > 16'(2 ** SlotBits);
  assign bad_head = write_i && waddr_i == RegCompleteHead && complete_tail_i - wdata_i[15:0] > complete_tail_i - head_q;

  assign enable_o        = enable_q;
  assign abort_o         = write_i && waddr_i == RegControl && wdata_i[1];
  assign watchdog_o      = watchdog_q;
  assign submit_tail_o   = tail_q;
  assign complete_head_o = head_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      enable_q   <= 1'b0;
      watchdog_q <= '0;
      error_q    <= '0;
      tail_q     <= '0;
      head_q     <= '0;
    end else begin
      if (write_i) begin
        unique case (waddr_i)
          RegControl:      enable_q <= wdata_i[0];
          RegWatchdog:     if (!bad_configure) watchdog_q <= wdata_i;
          RegSubmitTail:   if (!bad_tail) tail_q <= wdata_i[15:0];
          RegCompleteHead: if (!bad_head) head_q <= wdata_i[15:0];
          default: ;
        endcase
      end
      error_q <= (error_q & ~((write_i && waddr_i == RegError) ? wdata_i[2:0] : 3'd0))
               | {bad_tail || bad_head, watchdog_fired_i, bad_configure};
    end
  end

  // ---- Counters, and their copies of the same moment.

  logic [3:0][31:0] verdicts_q, verdicts_copy_q;
  logic [31:0]      cycles_q, cycles_copy_q, products_q, products_copy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {verdicts_q, verdicts_copy_q} <= '0;
      {cycles_q, cycles_copy_q, products_q, products_copy_q} <= '0;
    end else begin
      cycles_q   <= cycles_q + 1'b1;
      products_q <= products_q + 32'(product_i);
      if (ended_i) verdicts_q[ended_verdict_i] <= verdicts_q[ended_verdict_i] + 1'b1;
      if (write_i && waddr_i == RegSnapshot) begin
        verdicts_copy_q <= verdicts_q;
        cycles_copy_q   <= cycles_q;
        products_copy_q <= products_q;
      end
    end
  end

  always_comb begin
    unique case (raddr_i)
      RegMagic:          rdata_o = Magic;
      RegVersion:        rdata_o = 32'd1;
      RegCapabilities:   rdata_o = {8'(TagBits), 8'(Contexts), 8'(RowsParallel), 8'(Engines)};
      RegQueueSizes:     rdata_o = {16'(CompletionsMax), 16'(2 ** SlotBits)};
      RegControl:        rdata_o = {31'd0, enable_q};
      RegStatus:         rdata_o = {30'd0, aborting_i, busy_i};
      RegError:          rdata_o = {29'd0, error_q};
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
      default:           rdata_o = UnmappedWord;
    endcase
  end

endmodule
