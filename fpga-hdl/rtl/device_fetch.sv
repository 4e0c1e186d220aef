// Reads a submission slot, hashes its message and hands the signature to the engines.
//
// Latency: about 110 cycles for messages of up to 47 bytes from the device's own slots, 200 for 128 bytes; in host memory two of its round
// trips more. Rate: one slot at a time. Stall: the signature waits for an engine. Input range: any bytes; what is no request is reported as
// malformed, what the memory does not give as aborted.
// `clear_i` forgets the request, but not before its cookie is known or has failed to come, since its completion needs it.

module device_fetch
  import device_pkg::*;
#(
  parameter bit MemoryPort = 1'b1   // messages may lie in host memory
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,

  input  logic         host_i,        // slots are in host memory, from `base_i`
  input  logic [63:8]  base_i,
  input  logic [15:0]  mask_i,        // slots of the queue, less one
  input  logic [31:0]  timeout_i,

  output logic         idle_o,
  input  logic         take_i,        // this slot and tag; only when idle
  input  logic [15:0]  slot_i,        // free running
  input  tag_t         tag_i,
  output logic         ended_o,       // the slot is not needed any more, for one cycle
  output logic [15:0]  ended_slot_o,
  output logic         due_o,         // answers of the memory are due

  output logic         begin_valid_o, // what is known of request `tag_o`
  input  logic         begin_ready_i,
  output logic [63:0]  begin_cookie_o,
  output logic         begin_plain_o, // the rule is `verify`, not `verify_strict`

  output logic         failed_valid_o,
  input  logic         failed_ready_i,
  output logic         failed_malformed_o,  // or aborted

  output logic         valid_o,
  input  logic         ready_i,
  output tag_t         tag_o,
  output logic [255:0] key_o,
  output logic [255:0] r_o,
  output logic [255:0] s_o,
  output logic [511:0] digest_o,

  output logic         burst_valid_o,
  input  logic         burst_ready_i,
  output logic         burst_local_o,
  output logic [63:3]  burst_address_o,
  output burst_words_t burst_words_o,
  input  logic         beat_i,
  input  logic [63:0]  beat_data_i,
  input  logic         beat_last_i,
  input  logic         beat_error_i,
  output logic         read_error_o,
  output logic         read_timeout_o
);

  typedef enum logic [3:0] {
    StIdle,
    StSlot,       // asks for the header and the three strings
    StHeader,
    StBegin,
    StMessage,    // asks for the message
    StStrings,    // R and the key into the hash
    StWords,      // the message into the hash
    StDigest,
    StFailed
  } state_e;

  state_e           state_q;
  logic [15:0]      slot_q;
  tag_t             tag_q;
  logic             failed_q;     // the memory did not give what was asked for
  logic             cookie_known_q;
  logic [3:0]       at_q;         // word of the header, or of the strings in the hash
  slot_header_t     header_q;
  logic [63:0]      cookie_q, address_q;
  logic [3:0][63:0] r_q, s_q, key_q;
  logic [31:0]      left_q;       // bytes of the message that are not hashed yet

  // ---- The reader.

  logic        start, start_local, reader_idle, reader_clear, word_valid, word_ready, reader_failed;
  logic [63:3] slot_address, start_address;
  run_words_t  start_words, message_words;
  logic [63:0] word;
  logic        inline_message;

  logic [15:0] slot_place;
  assign slot_place     = slot_q & mask_i;
  assign slot_address   = host_i ? {base_i + 56'(slot_place), 5'd0} : 61'({slot_q[SlotBits-1:0], 5'd0});
  assign inline_message = header_q.message_bytes <= InlineBytesMax;
  assign message_words  = run_words_t'((header_q.message_bytes + 32'd7) >> 3);
  assign start          = state_q inside {StSlot, StMessage};
  assign start_local    = !host_i && (state_q == StSlot || inline_message);
  assign start_address  = (state_q == StSlot) ? slot_address
                        : inline_message      ? {slot_address[63:8], 5'd16}
                        :                       address_q[63:3];
  assign start_words    = (state_q == StSlot) ? run_words_t'(16) : message_words;

  device_reader u_reader (
    .clk_i,
    .rst_ni,
    .clear_i(reader_clear),
    .timeout_i,
    .start_i(start),
    .start_local_i(start_local),
    .start_address_i(start_address),
    .start_words_i(start_words),
    .idle_o(reader_idle),
    .due_o,
    .word_valid_o(word_valid),
    .word_ready_i(word_ready),
    .word_o(word),
    .failed_o(reader_failed),
    .burst_valid_o,
    .burst_ready_i,
    .burst_local_o,
    .burst_address_o,
    .burst_words_o,
    .beat_i,
    .beat_data_i,
    .beat_last_i,
    .beat_error_i,
    .error_o(read_error_o),
    .timeout_o(read_timeout_o)
  );

  // ---- The hash.

  logic         hash_valid, hash_ready, hash_last, hash_clear, digest_valid;
  logic [63:0]  hash_word;
  logic [3:0]   hash_bytes;
  logic         block_valid, block_ready, block_first, block_last;
  logic [63:0]  block;
  logic [511:0] digest;

  sha512_pad u_pad (
    .clk_i,
    .rst_ni,
    .clear_i(hash_clear),
    .valid_i(hash_valid),
    .ready_o(hash_ready),
    .data_i(swap(hash_word)),
    .bytes_i(hash_bytes),
    .last_i(hash_last),
    .word_valid_o(block_valid),
    .word_ready_i(block_ready),
    .word_o(block),
    .word_first_o(block_first),
    .word_last_o(block_last)
  );
  sha512_core u_hash (
    .clk_i,
    .rst_ni,
    .clear_i(hash_clear),
    .word_valid_i(block_valid),
    .word_ready_o(block_ready),
    .word_i(block),
    .word_first_i(block_first),
    .word_last_i(block_last),
    .digest_valid_o(digest_valid),
    .digest_ready_i(valid_o && ready_i),
    .digest_o(digest)
  );

  function automatic logic [63:0] swap(logic [63:0] bytes);
    return {<<8{bytes}};
  endfunction

  assign hash_clear = clear_i || state_q == StFailed;
  assign hash_valid = state_q == StStrings || (state_q == StWords && word_valid);
  assign hash_word  = (state_q == StWords) ? word : at_q[2] ? key_q[at_q[1:0]] : r_q[at_q[1:0]];
  assign hash_last  = (state_q == StWords) ? left_q <= 32'd8 : at_q == 4'd7 && left_q == '0;
  assign hash_bytes = (state_q == StWords && left_q < 32'd8) ? left_q[3:0] : 4'd8;
  assign word_ready = state_q == StHeader || (state_q == StWords && hash_ready);

  assign valid_o  = state_q == StDigest && digest_valid;
  assign digest_o = {<<8{digest}};
  assign tag_o    = tag_q;
  assign key_o    = key_q;
  assign r_o      = r_q;
  assign s_o      = s_q;

  // ---- What a request has to be.

  logic        well_formed, unused_carry;
  logic [64:0] message_end;
  assign message_end  = {1'b0, address_q} + 65'(header_q.message_bytes);
  assign unused_carry = ^message_end[63:0];
  assign well_formed  = header_q.opcode == OpcodeVerify && header_q.flags == '0 &&
                        header_q.ruleset inside {RulesetStrict, RulesetPlain} &&
                        (inline_message || (MemoryPort && header_q.message_bytes <= MessageBytesMax &&
                                            address_q[2:0] == '0 && !message_end[64]));

  assign idle_o             = state_q == StIdle && reader_idle && !clear_i;
  assign begin_valid_o      = state_q == StBegin;
  assign begin_cookie_o     = cookie_known_q ? cookie_q : '1;
  assign begin_plain_o      = header_q.ruleset == RulesetPlain;
  assign failed_valid_o     = state_q == StFailed;
  assign failed_malformed_o = !failed_q;

  logic forgotten, broken;
  // The slot is completed as aborted, which takes its cookie: a read is not cut short.
  assign forgotten    = clear_i && !(state_q inside {StIdle, StSlot, StHeader, StBegin});
  assign broken       = reader_failed && !word_valid && state_q inside {StHeader, StWords};
  assign ended_o      = forgotten || (valid_o && ready_i) || (failed_valid_o && failed_ready_i);
  assign ended_slot_o = slot_q;
  assign reader_clear = ended_o || broken;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else if (ended_o) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:    if (take_i) state_q <= StSlot;
        StSlot:    state_q <= StHeader;
        StHeader:  if (broken || (word_valid && at_q == 4'd15)) state_q <= StBegin;
        StBegin:   if (begin_ready_i) begin
          if (failed_q || !well_formed)             state_q <= StFailed;
          else if (header_q.message_bytes == '0)    state_q <= StStrings;
          else                                      state_q <= StMessage;
        end
        StMessage: if (reader_idle) state_q <= StStrings;
        StStrings: if (hash_ready && at_q == 4'd7) state_q <= (left_q == '0) ? StDigest : StWords;
        StWords: begin
          if (broken)                                    state_q <= StFailed;
          else if (word_valid && hash_ready && hash_last) state_q <= StDigest;
        end
        default: ;  // until `ended_o`
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      StIdle: begin
        slot_q         <= slot_i;
        tag_q          <= tag_i;
        at_q           <= '0;
        failed_q       <= 1'b0;
        cookie_known_q <= 1'b0;
      end
      StHeader: begin
        if (broken) failed_q <= 1'b1;
        if (word_valid) begin
          at_q <= at_q + 1'b1;
          unique case (at_q[3:2])
            2'd0: begin
              if (at_q[1:0] == 2'd0) header_q  <= word;
              if (at_q[1:0] == 2'd1) cookie_q  <= word;
              if (at_q[1:0] == 2'd1) cookie_known_q <= 1'b1;
              if (at_q[1:0] == 2'd2) address_q <= word;
            end
            2'd1: r_q[at_q[1:0]]   <= word;
            2'd2: s_q[at_q[1:0]]   <= word;
            2'd3: key_q[at_q[1:0]] <= word;
          endcase
        end
      end
      StBegin, StMessage: begin
        at_q   <= '0;
        left_q <= header_q.message_bytes;
      end
      StStrings: if (hash_ready) at_q <= at_q + 1'b1;
      StWords: begin
        if (broken) failed_q <= 1'b1;
        if (word_valid && hash_ready) left_q <= left_q - 32'd8;
      end
      default: ;
    endcase
  end

endmodule
