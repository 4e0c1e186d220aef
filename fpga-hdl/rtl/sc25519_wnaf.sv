// Recodes a scalar into a width-w non-adjacent form: odd digits of less than 2^(w-1) in magnitude, at most one in any w
// positions (Handbook of Elliptic and Hyperelliptic Curve Cryptography, algorithm 9.35).
//
// Latency: the digit of position 0 stands at the outputs one cycle after `load_i`. Rate: one position for every `step_i`.
// Stall: by withholding `step_i`. Input range: any number of `Bits` bits; position `Bits` is the last that can hold a digit.

module sc25519_wnaf
  import sc25519_pkg::*;
#(
  parameter int unsigned Width = 4,
  parameter int unsigned Bits  = ScBits
) (
  input  logic             clk_i,

  input  logic             load_i,
  input  logic [Bits-1:0]  scalar_i,
  input  logic             step_i,

  output logic             nonzero_o,
  output logic             negative_o,
  output logic [Width-3:0] index_o,    // the digit's magnitude is 2 * index + 1
  output logic [Bits-1:0]  rest_o      // the scalar's bits from this position up
);

  if (Width < 3 || Width > 8) begin : gen_bad_width
    $error("sc25519_wnaf: Width is 3 to 8");
  end

  logic [Bits-1:0]          rest_q;
  logic                     carry_q;
  logic [$clog2(Width)-1:0] skip_q;

  assign rest_o = rest_q;

  logic [Width-1:0] value, magnitude;
  assign value      = rest_q[Width-1:0] + Width'(carry_q);
  assign nonzero_o  = skip_q == '0 && value[0];
  assign negative_o = value[Width-1];
  assign magnitude  = negative_o ? -value : value;
  assign index_o    = magnitude[Width-2:1];

  logic unused_magnitude;
  assign unused_magnitude = ^{magnitude[Width-1], magnitude[0]};

  always_ff @(posedge clk_i) begin
    if (load_i) begin
      rest_q  <= scalar_i;
      carry_q <= 1'b0;
      skip_q  <= '0;
    end else if (step_i) begin
      rest_q <= rest_q >> 1;
      if (nonzero_o) begin
        carry_q <= negative_o;
        skip_q  <= ($clog2(Width))'(Width - 1);
      end else if (skip_q != '0) begin
        skip_q <= skip_q - 1'b1;
      end
    end
  end

endmodule
