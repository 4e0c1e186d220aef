// Hands out numbers and takes them back: every number is out at most once.
//
// Latency: a number that comes back can go out two cycles later. Rate: one out and one back in a cycle. Stall: `valid_o` falls when
// all are out; a number can always come back.

module prim_ids #(
  parameter int unsigned Bits = 5
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            clear_i,  // all numbers are back

  output logic            valid_o,
  input  logic            take_i,
  output logic [Bits-1:0] id_o,

  input  logic            back_i,
  input  logic [Bits-1:0] back_id_i
);

  // Numbers that were never out come first.
  logic [Bits:0]   fresh_q;
  logic            fresh, used_valid, unused_ready;
  logic [Bits-1:0] used_id;

  assign fresh   = !fresh_q[Bits];
  assign valid_o = fresh || used_valid;
  assign id_o    = fresh ? fresh_q[Bits-1:0] : used_id;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)              fresh_q <= '0;
    else if (clear_i)         fresh_q <= '0;
    else if (fresh && take_i) fresh_q <= fresh_q + 1'b1;
  end

  prim_fifo #(.Width(Bits), .Depth(2 ** Bits)) u_used (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(back_i),
    .ready_o(unused_ready),
    .data_i(back_id_i),
    .valid_o(used_valid),
    .ready_i(take_i && !fresh),
    .data_o(used_id)
  );

endmodule
