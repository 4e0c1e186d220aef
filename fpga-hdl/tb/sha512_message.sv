// sha512_pad in front of sha512_core: a message in, its digest out.

module sha512_message (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,

  input  logic         valid_i,
  output logic         ready_o,
  input  logic [63:0]  data_i,
  input  logic [3:0]   bytes_i,
  input  logic         last_i,

  output logic         digest_valid_o,
  input  logic         digest_ready_i,
  output logic [511:0] digest_o
);

  logic        word_valid, word_ready, word_first, word_last;
  logic [63:0] word;

  sha512_pad u_pad (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i,
    .ready_o,
    .data_i,
    .bytes_i,
    .last_i,
    .word_valid_o(word_valid),
    .word_ready_i(word_ready),
    .word_o(word),
    .word_first_o(word_first),
    .word_last_o(word_last)
  );

  sha512_core u_core (
    .clk_i,
    .rst_ni,
    .clear_i,
    .word_valid_i(word_valid),
    .word_ready_o(word_ready),
    .word_i(word),
    .word_first_i(word_first),
    .word_last_i(word_last),
    .digest_valid_o,
    .digest_ready_i,
    .digest_o
  );

endmodule
