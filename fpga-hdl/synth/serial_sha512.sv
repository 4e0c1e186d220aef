// sha512_core between a serial input and one output, so that it can be placed on a part with few pins.
//
// For the clock of the core alone: the chain of the word and the sum of bits are short paths. Input range: any bits.

module serial_sha512 (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic serial_i,
  input  logic valid_i,
  output logic parity_o
);

  logic [65:0]  word_q;  // the word, and whether it is the first or the last one
  logic         valid_q, unused_ready, digest_valid;
  logic [511:0] digest, digest_q;
  logic [31:0]  parity_q;

  always_ff @(posedge clk_i) begin
    word_q  <= {word_q[64:0], serial_i};
    valid_q <= valid_i;
    if (digest_valid) digest_q <= digest;
    // In two steps, so that the sum of bits is not what limits the clock.
    for (int unsigned k = 0; k < 32; k++) parity_q[k] <= ^digest_q[16*k+:16];
    parity_o <= ^parity_q;
  end

  sha512_core u_core (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .word_valid_i(valid_q),
    .word_ready_o(unused_ready),
    .word_i(word_q[63:0]),
    .word_first_i(word_q[64]),
    .word_last_i(word_q[65]),
    .digest_valid_o(digest_valid),
    .digest_ready_i(1'b1),
    .digest_o(digest)
  );

endmodule
