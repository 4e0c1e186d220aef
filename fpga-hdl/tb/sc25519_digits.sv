// sc25519_wnaf in both widths that the verifier uses.

module sc25519_digits
  import sc25519_pkg::*;
(
  input  logic       clk_i,
  input  logic       rst_ni,

  input  logic       load_i,
  input  sc_t        scalar_i,
  input  logic       step_i,

  output logic       point_nonzero_o,
  output logic       point_negative_o,
  output logic [1:0] point_index_o,
  output logic       base_nonzero_o,
  output logic       base_negative_o,
  output logic [5:0] base_index_o
);

  logic unused_reset, unused_rest;
  sc_t  point_rest, base_rest;
  assign unused_reset = rst_ni;
  assign unused_rest  = ^{point_rest, base_rest};

  sc25519_wnaf #(.Width(PointWindow)) u_point (
    .clk_i,
    .load_i,
    .scalar_i,
    .step_i,
    .nonzero_o(point_nonzero_o),
    .negative_o(point_negative_o),
    .index_o(point_index_o),
    .rest_o(point_rest)
  );

  sc25519_wnaf #(.Width(BaseWindow)) u_base (
    .clk_i,
    .load_i,
    .scalar_i,
    .step_i,
    .nonzero_o(base_nonzero_o),
    .negative_o(base_negative_o),
    .index_o(base_index_o),
    .rest_o(base_rest)
  );

endmodule
