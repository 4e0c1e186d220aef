// r = a + b, a - b or b - a mod p.
//
// Latency: AddLatency cycles. Rate: one in every cycle. Stall: none, a result appears once and is not held.
// Input range: a in [0, 2^255), b canonical; when a is not canonical, b must be 0 and the operation a + b. So adding zero
// reduces a number from outside. Output range: canonical.

module fe25519_addsub
  import fe25519_pkg::*;
(
  input  logic    clk_i,
  input  logic    rst_ni,

  input  logic    valid_i,
  input  add_op_e op_i,
  input  fe_t     a_i,
  input  fe_t     b_i,

  output logic    valid_o,
  output fe_t     r_o,
  output logic    zero_o,  // r is 0
  output logic    odd_o    // r is odd: the sign of RFC 8032 section 5.1.2
);

  logic [AddLatency-1:0] valid_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[AddLatency-2:0], valid_i};
  end
  assign valid_o = valid_q[AddLatency-1];

  fe_t          x_q, y_q;
  logic         minus1_q, minus2_q;
  logic [255:0] sum_q;

  always_ff @(posedge clk_i) begin
    x_q      <= (op_i == AddRminus) ? b_i : a_i;
    y_q      <= (op_i == AddRminus) ? a_i : b_i;
    minus1_q <= op_i != AddPlus;
    minus2_q <= minus1_q;
    sum_q    <= minus1_q ? 256'(x_q) - 256'(y_q) : 256'(x_q) + 256'(y_q);
  end

  // A sum of p or more loses p (adding 19 overflows 2^255), a negative difference gains it.
  logic [255:0] other;
  logic         take_other;
  assign other      = minus2_q ? sum_q - 256'd19 : sum_q + 256'd19;
  assign take_other = minus2_q ? sum_q[255] : other[255];

  fe_t r_q;
  always_ff @(posedge clk_i) r_q <= take_other ? other[254:0] : sum_q[254:0];

  assign r_o    = r_q;
  assign zero_o = r_q == '0;
  assign odd_o  = r_q[0];

endmodule
