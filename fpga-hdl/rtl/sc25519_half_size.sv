// Half-size scalars of a signature (DESIGN.md): from h and s to u = ±v h mod 8 l and w = v s mod l.
//
// Latency: at most 1,230 cycles, 808 in the mean, 9 for whole scalars. Rate: one in at most 831 cycles; the product of one
// signature and the division of the next overlap. Stall: the result is held until it is taken. Input range: h below the group order. For an s that is not
// below it w means nothing.

module sc25519_half_size
  import sc25519_pkg::*;
#(
  parameter int unsigned PayloadBits = 8
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   clear_i,

  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [PayloadBits-1:0] payload_i,  // goes along
  input  logic                   whole_i,    // u = h, v = 1, w = s instead
  input  sc_t                    h_i,
  input  sc_t                    s_i,

  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [PayloadBits-1:0] payload_o,
  output sc_t                    u_o,
  output half_t                  v_o,
  output logic                   v_negative_o,
  output sc_t                    w_o
);

  logic                   halved_valid, halved_ready, v_negative, whole_q;
  logic [PayloadBits-1:0] payload_q;
  sc_t                    s_q, u;
  half_t                  v;

  sc25519_halve u_halve (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i,
    .ready_o,
    .whole_i,
    .scalar_i(h_i),
    .valid_o(halved_valid),
    .ready_i(halved_ready),
    .u_o(u),
    .v_o(v),
    .v_negative_o(v_negative)
  );
  always_ff @(posedge clk_i) begin
    if (valid_i && ready_o) begin
      payload_q <= payload_i;
      s_q       <= s_i;
      whole_q   <= whole_i;
    end
    if (halved_valid && halved_ready) begin
      payload_o    <= payload_q;
      u_o          <= u;
      v_o          <= v;
      v_negative_o <= v_negative;
    end
  end

  sc25519_mul u_mul (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(halved_valid),
    .ready_o(halved_ready),
    .one_i(whole_q),
    .number_i(v),
    .scalar_i(s_q),
    .valid_o,
    .ready_i,
    .product_o(w_o)
  );

endmodule
