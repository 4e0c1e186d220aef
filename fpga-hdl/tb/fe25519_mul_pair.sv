// The two forms of fe25519_mul side by side on the same operands, and what the package says about their timing.

module fe25519_mul_pair
  import fe25519_pkg::*;
#(
  parameter int unsigned RowsParallel = 11
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        valid_i,
  input  fe_t         a_i,
  input  fe_t         b_i,

  output logic        valid_o,
  output fe_t         r_o,
  output logic        tiled_valid_o,
  output fe_t         tiled_r_o,

  output logic [31:0] interval_o,
  output logic [31:0] latency_o
);

  assign interval_o = mul_interval(RowsParallel);
  assign latency_o  = mul_latency(RowsParallel);

  fe25519_mul #(
    .RowsParallel(RowsParallel),
    .Tiled(1'b0)
  ) u_behaviour (
    .clk_i,
    .rst_ni,
    .valid_i,
    .a_i,
    .b_i,
    .valid_o,
    .r_o
  );

  fe25519_mul #(
    .RowsParallel(RowsParallel),
    .Tiled(1'b1)
  ) u_tiles (
    .clk_i,
    .rst_ni,
    .valid_i,
    .a_i,
    .b_i,
    .valid_o(tiled_valid_o),
    .r_o(tiled_r_o)
  );

endmodule
