// r = a * b mod p.
//
// Latency: mul_latency(RowsParallel) cycles. Rate: one product in mul_interval(RowsParallel) cycles; a `valid_i` that
// comes sooner is the caller's error. Stall: none, a result appears once and is not held.
// Input range: canonical, [0, p). Output range: canonical.
//
// `Tiled` selects the DSP tiles that synthesis uses; without it the product is written as an arithmetic expression,
// which simulates faster. Both have the same timing and the same result on every input.

module fe25519_mul
  import fe25519_pkg::*;
#(
  parameter int unsigned RowsParallel = 11,
  parameter bit          Tiled        = 1'b0
) (
  input  logic clk_i,
  input  logic rst_ni,

  input  logic valid_i,
  input  fe_t  a_i,
  input  fe_t  b_i,

  output logic valid_o,
  output fe_t  r_o
);

  if (RowsParallel != 1 && RowsParallel != 2 && RowsParallel != 4 && RowsParallel != 11) begin : gen_bad_rows
    $error("fe25519_mul: RowsParallel is 1, 2, 4 or 11");
  end

  localparam int unsigned Latency = mul_latency(RowsParallel);

  logic [Latency-1:0] valid_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else         valid_q <= {valid_q[Latency-2:0], valid_i};
  end

  assign valid_o = valid_q[Latency-1];

  if (Tiled) begin : gen_tiles
    fe25519_mul_tiles #(
      .RowsParallel(RowsParallel)
    ) u_tiles (
      .clk_i,
      .rst_ni,
      .valid_i,
      .a_i,
      .b_i,
      .r_o
    );
  end else begin : gen_behaviour
    // Folds twice by 2^255 = 19, then takes p off once.
    function automatic fe_t multiply(fe_t a, fe_t b);
      logic [509:0] product;
      logic [259:0] folded;
      logic [255:0] again;
      logic [255:0] less;
      product = 510'(a) * 510'(b);
      folded  = 260'(product[254:0]) + 260'd19 * 260'(product[509:255]);
      again   = 256'(folded[254:0]) + 256'd19 * 256'(folded[259:255]);
      less    = again + 256'd19;
      return less[255] ? less[254:0] : again[254:0];
    endfunction

    // A ring instead of a shift register: one element moves in a cycle.
    fe_t delay_q [Latency];
    logic [$clog2(Latency)-1:0] at_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)                                at_q <= '0;
      else if (at_q == $bits(at_q)'(Latency - 2)) at_q <= '0;
      else                                        at_q <= at_q + 1'b1;
    end

    fe_t r_q;
    always_ff @(posedge clk_i) begin
      if (valid_i) delay_q[at_q] <= multiply(a_i, b_i);
      r_q <= delay_q[at_q];
    end
    assign r_o = r_q;
  end

endmodule
