// fe25519_mul between a serial input and one output, so that it can be placed on a part with few pins.
//
// For the clock of the multiplier alone: the chain of operands and the sum of bits are short paths. Input range: any bits; what comes out
// is the parity of a product of whatever stood in the chain.

module serial_mul
  import fe25519_pkg::*;
#(
  parameter int unsigned RowsParallel = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic serial_i,
  input  logic valid_i,
  output logic parity_o
);

  logic [2*FeBits-1:0] operands_q;
  fe_t  product, product_q;
  logic valid, valid_q;
  logic [14:0] parity_q;

  always_ff @(posedge clk_i) begin
    operands_q <= {operands_q[2*FeBits-2:0], serial_i};
    valid_q    <= valid_i;
    if (valid) product_q <= product;
    // In two steps, so that the sum of bits is not what limits the clock.
    for (int unsigned k = 0; k < 15; k++) parity_q[k] <= ^product_q[17*k+:17];
    parity_o <= ^parity_q;
  end

  fe25519_mul #(
    .RowsParallel(RowsParallel),
    .Tiled(1'b1)
  ) u_mul (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q),
    .a_i(operands_q[FeBits-1:0]),
    .b_i(operands_q[2*FeBits-1:FeBits]),
    .valid_o(valid),
    .r_o(product)
  );

endmodule
