// prim_fifo: entries come out once, in order, unchanged; it takes as many as it has places.

module prim_fifo_properties (
  input logic       clk_i,
  input logic       clear_i,
  input logic       valid_i,
  input logic       data_i,
  input logic       ready_i
);

  localparam int unsigned Depth = 4;

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic       ready, valid;
  logic       data;
  prim_fifo #(.Width(1), .Depth(Depth)) u_fifo (
    .clk_i,
    .rst_ni(reset_q),
    .clear_i,
    .valid_i,
    .ready_o(ready),
    .data_i,
    .valid_o(valid),
    .ready_i,
    .data_o(data)
  );

  // A queue of the plainest kind: the oldest entry at 0, everything moves up.
  logic       entry_q [Depth];
  logic [2:0] count_q = '0;
  logic       in, out;
  assign in  = valid_i && ready;
  assign out = valid && ready_i;

  always_ff @(posedge clk_i) begin
    if (!reset_q || clear_i) begin
      count_q <= '0;
    end else begin
      count_q <= count_q + 3'(in) - 3'(out);
      if (out) for (int unsigned k = 0; k + 1 < Depth; k++) entry_q[k] <= entry_q[k+1];
      if (in) entry_q[2'(count_q - 3'(out))] <= data_i;
    end
  end

  always_comb begin
    if (reset_q) begin
      assert (valid == (count_q != 0));
      assert (ready == (count_q != 3'(Depth)));
      if (valid) assert (data == entry_q[0]);

      // What holds between the two queues, for the induction.
      assert (count_q == u_fifo.write_q - u_fifo.read_q && count_q <= 3'(Depth));
      for (int unsigned k = 0; k < Depth; k++) begin
        if (3'(k) < count_q) assert (entry_q[k] == u_fifo.mem[2'(u_fifo.read_q + 3'(k))]);
      end
    end
  end

endmodule
