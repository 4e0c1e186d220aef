// The compression of SHA-512 (FIPS 180-4 section 6.4), one round in a cycle.
//
// Takes padded blocks as 16 words of 64 bits. Rate: one block in 81 cycles when words come without pause. Latency: 82 cycles
// from the first word of the last block to `digest_valid_o`. Stall: waits for words; a digest is held until it is taken, and
// no word of the next message is taken before. Input range: any; `word_first_i` marks the first word of a message,
// `word_last_i` the 16th word of its last block.

module sha512_core
  import sha512_pkg::*;
  import sha512_constants_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,       // forgets everything, as a reset does

  input  logic         word_valid_i,
  output logic         word_ready_o,
  input  logic [63:0]  word_i,
  input  logic         word_first_i,
  input  logic         word_last_i,

  output logic         digest_valid_o,
  input  logic         digest_ready_i,
  output logic [511:0] digest_o       // the first byte of the digest is the highest
);

  // Expansion: makes W + K of round `at_q`, one cycle ahead of the round.
  logic [6:0]        at_q;
  logic [15:0][63:0] window_q;  // the last 16 words, the oldest at 0
  logic [63:0]       wk_q;
  logic              wk_valid_q, wk_final_q, wk_last_q;

  // Compression.
  hash_t state_q;  // a to h
  hash_t hash_q;   // H(i)
  logic  finish_q, finish_last_q;

  logic digest_valid_q;
  assign digest_valid_o = digest_valid_q;
  assign digest_o       = hash_q;

  logic expanding, taking, blocked;
  // A first word overwrites the hash, so that the one before has to be gone.
  assign blocked      = wk_valid_q && wk_final_q
                      || word_first_i && at_q == '0 && (finish_q || digest_valid_q);
  assign word_ready_o = at_q < 7'd16 && !blocked;
  assign taking       = word_valid_i && word_ready_o;
  assign expanding    = taking || at_q >= 7'd16;

  logic [63:0] word;
  assign word = (at_q < 7'd16) ? word_i
              : small_sigma1(window_q[14]) + window_q[9] + small_sigma0(window_q[1]) + window_q[0];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {wk_valid_q, wk_final_q, wk_last_q, finish_q, finish_last_q, digest_valid_q} <= '0;
      at_q <= '0;
    end else if (clear_i) begin
      {wk_valid_q, wk_final_q, wk_last_q, finish_q, finish_last_q, digest_valid_q} <= '0;
      at_q <= '0;
    end else begin
      wk_valid_q <= expanding;
      wk_final_q <= at_q == 7'd79;
      if (taking && at_q == 7'd15) wk_last_q <= word_last_i;
      if (expanding) at_q <= (at_q == 7'd79) ? '0 : at_q + 1'b1;
      finish_q      <= wk_valid_q && wk_final_q;
      finish_last_q <= wk_last_q;
      if (finish_q && finish_last_q) digest_valid_q <= 1'b1;
      else if (digest_ready_i)       digest_valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (expanding) begin
      window_q <= {word, window_q[15:1]};
      wk_q     <= word + RoundConstant[at_q];
    end
  end

  hash_t start;  // the hash that the next block works on
  always_comb begin
    start = hash_q;
    for (int unsigned k = 0; k < 8; k++) if (finish_q) start[k] = hash_q[k] + state_q[k];
    if (taking && at_q == '0 && word_first_i) start = InitialHash;
  end

  always_ff @(posedge clk_i) begin
    if (finish_q || (taking && at_q == '0)) begin
      hash_q  <= start;
      state_q <= start;
    end else if (wk_valid_q) begin
      state_q <= compress(state_q, wk_q);
    end
  end

endmodule
