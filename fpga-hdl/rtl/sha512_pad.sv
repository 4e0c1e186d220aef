// Pads a message for sha512_core (FIPS 180-4 section 5.1.2).
//
// Latency: none, words pass through. Rate: one word in a cycle; between the last word of a message and the first of the next
// the padding takes 2 to 18 cycles. Stall: on both sides, by ready and valid.
// Input range: words of 8 bytes, the first byte highest; the last word of a message has 0 to 8 bytes, and a message has less
// than 2^32 bytes.

module sha512_pad (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        clear_i,

  input  logic        valid_i,
  output logic        ready_o,
  input  logic [63:0] data_i,
  input  logic [3:0]  bytes_i,  // of the last word; other words are full
  input  logic        last_i,

  output logic        word_valid_o,
  input  logic        word_ready_i,
  output logic [63:0] word_o,
  output logic        word_first_o,
  output logic        word_last_o
);

  typedef enum logic [2:0] {
    StData,    // words of the message
    StMark,    // a word of its own for the bit that ends the message
    StZero,    // zeros up to the length
    StLengthHigh,
    StLengthLow
  } state_e;

  state_e      state_q, state_d;
  logic [3:0]  at_q;      // word of the block
  logic        first_q;
  logic [31:0] length_q;  // bytes of the message so far

  logic [63:0] ended;  // the last word with the bit that ends the message
  always_comb begin
    ended = '0;
    for (int unsigned k = 0; k < 8; k++) begin
      if (4'(k) < bytes_i)       ended[63-8*k-:8] = data_i[63-8*k-:8];
      else if (4'(k) == bytes_i) ended[63-8*k-:8] = 8'h80;
    end
  end

  logic move;
  assign move         = word_valid_o && word_ready_i;
  assign word_valid_o = (state_q == StData) ? valid_i : 1'b1;
  assign ready_o      = (state_q == StData) && word_ready_i;
  assign word_first_o = first_q;
  assign word_last_o  = state_q == StLengthLow;

  always_comb begin
    unique case (state_q)
      StData:      word_o = last_i ? ended : data_i;
      StMark:      word_o = {1'b1, 63'd0};
      StLengthLow: word_o = {29'd0, length_q, 3'd0};
      default:     word_o = '0;
    endcase
  end

  state_e after_mark;
  assign after_mark = (at_q == 4'd13) ? StLengthHigh : StZero;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StData:       if (last_i) state_d = bytes_i[3] ? StMark : after_mark;
      StMark:       state_d = after_mark;
      StZero:       state_d = after_mark;
      StLengthHigh: state_d = StLengthLow;
      default:      state_d = StData;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q  <= StData;
      at_q     <= '0;
      first_q  <= 1'b1;
      length_q <= '0;
    end else if (clear_i) begin
      state_q  <= StData;
      at_q     <= '0;
      first_q  <= 1'b1;
      length_q <= '0;
    end else if (move) begin
      state_q <= state_d;
      at_q    <= at_q + 1'b1;
      first_q <= state_q == StLengthLow;
      if (state_q == StData)           length_q <= length_q + (last_i ? 32'(bytes_i) : 32'd8);
      else if (state_q == StLengthLow) length_q <= '0;
    end
  end

endmodule
