// Reads submission slots, hashes their messages and hands signatures to the engines.
//
// Latency: about 100 cycles for messages of up to 47 bytes, 185 for the longest. Rate: one slot at a time. Stall: a slot is read
// only when `tag_valid_i` and `room_i` are high; the signature waits for an engine. Input range: any bytes; what is no request is
// reported as malformed.

module device_fetch
  import device_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,

  input  logic         enable_i,
  input  logic [15:0]  tail_i,        // slots that were filled, free running
  output logic [15:0]  head_o,        // slots that were read, free running
  input  logic         room_i,        // a completion has its place

  output logic [SlotBits+4:0] raddr_o,
  input  logic [63:0]  rdata_i,       // two cycles after its address

  input  logic         tag_valid_i,
  output logic         tag_take_o,
  input  tag_t         tag_i,
  output logic         begin_valid_o, // what is known of request `begin_tag_o`
  output tag_t         begin_tag_o,
  output logic [63:0]  begin_cookie_o,
  output logic         begin_plain_o, // the rule is `verify`, not `verify_strict`

  output logic         malformed_valid_o,
  input  logic         malformed_ready_i,
  output tag_t         malformed_tag_o,

  output logic         valid_o,
  input  logic         ready_i,
  output tag_t         tag_o,
  output logic [255:0] key_o,
  output logic [255:0] r_o,
  output logic [255:0] s_o,
  output logic [511:0] digest_o
);

  typedef enum logic [2:0] {
    StIdle,
    StRead,       // the header and the three strings
    StCheck,
    StStrings,    // R and the key into the hash
    StAddress,    // a word of the message: two cycles for its read
    StWord,
    StDigest,
    StMalformed
  } state_e;

  state_e      state_q;
  logic [15:0] head_q;
  logic [4:0]  at_q;       // word of the slot whose address is out, or that is hashed
  logic [1:0]  wait_q;
  tag_t        tag_q;
  slot_header_t     header_q;
  logic [63:0]      cookie_q;
  logic [3:0][63:0] r_q, s_q, key_q;

  // ---- The hash.

  logic        hash_valid, hash_ready, hash_last, digest_valid;
  logic [63:0] hash_word;
  logic [3:0]  hash_bytes;
  logic        word_valid, word_ready, word_first, word_last;
  logic [63:0] word;
  logic [511:0] digest;

  sha512_pad u_pad (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(hash_valid),
    .ready_o(hash_ready),
    .data_i(swap(hash_word)),
    .bytes_i(hash_bytes),
    .last_i(hash_last),
    .word_valid_o(word_valid),
    .word_ready_i(word_ready),
    .word_o(word),
    .word_first_o(word_first),
    .word_last_o(word_last)
  );
  sha512_core u_hash (
    .clk_i,
    .rst_ni,
    .clear_i,
    .word_valid_i(word_valid),
    .word_ready_o(word_ready),
    .word_i(word),
    .word_first_i(word_first),
    .word_last_i(word_last),
    .digest_valid_o(digest_valid),
    .digest_ready_i(valid_o && ready_i),
    .digest_o(digest)
  );

  function automatic logic [63:0] swap(logic [63:0] bytes);
    return {<<8{bytes}};
  endfunction

  assign valid_o  = state_q == StDigest && digest_valid;
  assign digest_o = {<<8{digest}};
  assign tag_o    = tag_q;
  assign key_o    = key_q;
  assign r_o      = r_q;
  assign s_o      = s_q;

  // ---- The words of the slot.

  logic [31:0] left_q;  // bytes of the message that are not hashed yet
  logic        well_formed;
  assign well_formed = header_q.opcode == OpcodeVerify && header_q.flags == '0 &&
                       header_q.ruleset inside {RulesetStrict, RulesetPlain} &&
                       header_q.message_bytes <= MessageBytesMax;

  assign raddr_o    = {head_q[SlotBits-1:0], at_q};
  assign head_o     = head_q;
  assign tag_take_o = state_q == StIdle && enable_i && !clear_i && head_q != tail_i && tag_valid_i && room_i;

  assign hash_valid = state_q inside {StStrings, StWord};
  assign hash_word  = (state_q == StWord) ? rdata_i : at_q[2] ? key_q[at_q[1:0]] : r_q[at_q[1:0]];
  assign hash_last  = (state_q == StWord) ? left_q <= 32'd8 : at_q == 5'd7 && left_q == '0;
  assign hash_bytes = (state_q == StWord && left_q < 32'd8) ? left_q[3:0] : 4'd8;

  assign begin_valid_o  = state_q == StCheck;
  assign begin_tag_o    = tag_q;
  assign begin_cookie_o = cookie_q;
  assign begin_plain_o  = header_q.ruleset == RulesetPlain;

  assign malformed_valid_o = state_q == StMalformed;
  assign malformed_tag_o   = tag_q;

  logic ended;  // this cycle is the last of the slot
  assign ended = (valid_o && ready_i) || (malformed_valid_o && malformed_ready_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      head_q  <= '0;
    end else if (clear_i && !(state_q inside {StRead, StCheck})) begin
      // The slot is completed as aborted, which takes its cookie: a read is not cut short.
      if (state_q != StIdle) head_q <= head_q + 1'b1;
      state_q <= StIdle;
    end else begin
      if (ended) head_q <= head_q + 1'b1;
      unique case (state_q)
        StIdle:    if (tag_take_o) state_q <= StRead;
        StRead:    if (wait_q == 2'd2) state_q <= StCheck;
        StCheck:   state_q <= well_formed ? StStrings : StMalformed;
        StStrings: if (hash_ready && at_q == 5'd7) state_q <= (left_q == '0) ? StDigest : StAddress;
        StAddress: if (wait_q == 2'd1) state_q <= StWord;
        StWord:    if (hash_ready) state_q <= hash_last ? StDigest : StAddress;
        default:   if (ended) state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      StIdle: begin
        tag_q  <= tag_i;
        at_q   <= '0;
        wait_q <= '0;
      end
      StRead: begin
        // Addresses 0 to 15, then two cycles until the last word is there.
        if (at_q != 5'd15) at_q <= at_q + 1'b1;
        else               wait_q <= wait_q + 1'b1;
      end
      StCheck: begin
        at_q   <= '0;
        left_q <= header_q.message_bytes;
      end
      StStrings: begin
        wait_q <= '0;
        if (hash_ready) at_q <= (at_q == 5'd7) ? 5'd16 : at_q + 1'b1;
      end
      StAddress: wait_q <= wait_q + 1'b1;
      StWord: begin
        wait_q <= '0;
        if (hash_ready) begin
          at_q   <= at_q + 1'b1;
          left_q <= left_q - 32'd8;
        end
      end
      default: ;
    endcase
  end

  // The word that arrives now; its address went out two cycles ago.
  logic [4:0] arrived1_q, arrived2_q;
  always_ff @(posedge clk_i) begin
    arrived1_q <= at_q;
    arrived2_q <= arrived1_q;
    if (state_q == StRead) begin
      unique case (arrived2_q[4:2])
        3'd0: begin
          if (arrived2_q[1:0] == 2'd0) header_q <= rdata_i;
          if (arrived2_q[1:0] == 2'd1) cookie_q <= rdata_i;
        end
        3'd1:    r_q[arrived2_q[1:0]]   <= rdata_i;
        3'd2:    s_q[arrived2_q[1:0]]   <= rdata_i;
        3'd3:    key_q[arrived2_q[1:0]] <= rdata_i;
        default: ;
      endcase
    end
  end

endmodule
