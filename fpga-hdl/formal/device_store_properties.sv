// device_store into host memory: no phase is sent before the answer to its cookie, a completion counts as written when the answer to its
// phase has come, and none is forgotten; the bus keeps what it is offered until it is taken.
//
// Which completion is whose follows from the order of prim_fifo, which is proven there.

module device_store_properties
  import device_pkg::*;
(
  input logic        clk_i,
  input logic        valid_i,
  input logic [15:0] index_i,
  input logic [63:0] cookie_i,
  input completion_t completion_i,
  input logic        awready_i,
  input logic        wready_i,
  input logic        b_i,
  input logic [1:0]  bresp_i
);

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic        ready, written, due, unused_we, awvalid, wvalid, unused_bready, unused_error, unused_timeout;
  logic [CompletionBits:0] unused_waddr;
  logic [63:0] unused_wdata, awaddr, wdata;

  logic bvalid;
  assign bvalid = b_i && u_store.due_valid;

  device_store #(.Pending(2)) u_store (
    .clk_i,
    .rst_ni(reset_q),
    .host_i(1'b1),
    .base_i('0),
    .mask_i('1),
    .timeout_i('0),
    .valid_i,
    .ready_o(ready),
    .index_i,
    .cookie_i,
    .completion_i,
    .written_o(written),
    .due_o(due),
    .we_o(unused_we),
    .waddr_o(unused_waddr),
    .wdata_o(unused_wdata),
    .awvalid_o(awvalid),
    .awready_i,
    .awaddr_o(awaddr),
    .wvalid_o(wvalid),
    .wready_i,
    .m_wdata_o(wdata),
    .bvalid_i(bvalid),
    .bready_o(unused_bready),
    .bresp_i,
    .error_o(unused_error),
    .timeout_o(unused_timeout)
  );

  logic [7:0] made_q = '0, cookies_seen_q = '0, phases_sent_q = '0, written_q = '0;
  always_ff @(posedge clk_i) begin
    if (reset_q) begin
      made_q         <= made_q + 8'(valid_i && ready);
      cookies_seen_q <= cookies_seen_q + 8'(bvalid && !u_store.due_phase);
      phases_sent_q  <= phases_sent_q + 8'(u_store.take_phase);
      written_q      <= written_q + 8'(written);
    end
  end

  logic        awvalid_q = 1'b0, wvalid_q = 1'b0;
  logic [63:0] awaddr_q, wdata_q;
  always_ff @(posedge clk_i) begin
    awvalid_q <= reset_q && awvalid && !awready_i;
    wvalid_q  <= reset_q && wvalid && !wready_i;
    awaddr_q  <= awaddr;
    wdata_q   <= wdata;
  end

  // Words that wait for their cookies, and writes whose answer is due, by kind.
  logic [7:0] pending, answers, phases, cookies;
  assign pending = 8'(2'(u_store.u_pending.write_q - u_store.u_pending.read_q));
  assign answers = 8'(3'(u_store.u_due.write_q - u_store.u_due.read_q));
  assign cookies = answers - phases;
  always_comb begin
    phases = '0;
    for (int unsigned k = 0; k < 4; k++) begin
      if (8'(k) < answers) phases += 8'(u_store.u_due.mem[2'(u_store.u_due.read_q + 3'(k))]);
    end
  end

  always_comb begin
    if (reset_q) begin
      // The phases that were sent have cookies that were acknowledged.
      assert (cookies_seen_q - phases_sent_q <= 8'd2);
      if (u_store.take_phase) assert (cookies_seen_q != phases_sent_q);
      // What was made is written, or its answer is due, or it waits.
      assert (made_q - written_q == pending + phases);
      if (written_q != made_q) assert (due);
      if (awvalid_q) assert (awvalid && awaddr == awaddr_q);
      if (wvalid_q) assert (wvalid && wdata == wdata_q);

      // For the induction.
      assert (pending <= 8'd2 && answers <= 8'd4);
      assert (cookies_seen_q - phases_sent_q == 8'(u_store.visible_q));
      assert (pending == 8'(u_store.visible_q) + cookies);
    end
  end

endmodule
