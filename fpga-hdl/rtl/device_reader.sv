// Reads a run of 64-bit words for one fetch unit, as bursts of at most 16 words that end at multiples of 128 bytes.
//
// Latency: that of the memory and one cycle. Rate: one word in a cycle; bursts are asked for ahead while their words have a place.
// Stall: words wait to be taken; a burst is asked for only when all its words have a place, so that beats never wait. Input range: any
// answer of the memory, late, in pieces, wrong or none. After an error or a time-out `failed_o` stands and no word comes; then
// `clear_i` has to follow. A new run waits until every beat that is due has come.

module device_reader
  import device_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,         // forgets the run; beats that are due are dropped
  input  logic [31:0]  timeout_i,

  input  logic         start_i,         // only when `idle_o`
  input  logic         start_local_i,   // from the device's own memory
  input  logic [63:3]  start_address_i,
  input  run_words_t   start_words_i,   // at least 1
  output logic         idle_o,          // a run may start
  output logic         due_o,           // beats are due

  output logic         word_valid_o,
  input  logic         word_ready_i,
  output logic [63:0]  word_o,
  output logic         failed_o,        // no more words come

  output logic         burst_valid_o,
  input  logic         burst_ready_i,
  output logic         burst_local_o,
  output logic [63:3]  burst_address_o,
  output burst_words_t burst_words_o,

  input  logic         beat_i,
  input  logic [63:0]  beat_data_i,
  input  logic         beat_last_i,
  input  logic         beat_error_i,

  output logic         error_o,         // one cycle for each wrong beat
  output logic         timeout_o        // one cycle when the memory has not answered for too long
);

  localparam int unsigned Places = 32;
  localparam int unsigned PlaceBits = $clog2(Places);

  logic         local_q, failed_q;
  logic [63:3]  address_q;   // of the next burst
  run_words_t   ask_q;       // words that are still to be asked for
  logic [6:3]   arrive_q;    // the place of the next beat in its 128 bytes
  run_words_t   arrive_left_q;
  logic [PlaceBits:0] due_q;   // beats that were asked for and have not come
  logic [PlaceBits:0] held_q;  // those of the run, and words in the queue: at most Places
  logic [31:0]  waited_q;

  logic start, burst, pop, wrong, keep, expected_last;
  burst_words_t to_boundary;

  assign to_boundary     = 5'd16 - {1'b0, address_q[6:3]};
  assign burst_words_o   = (ask_q < run_words_t'(to_boundary)) ? ask_q[4:0] : to_boundary;
  assign burst_valid_o   = ask_q != '0 && !failed_q && held_q + (PlaceBits + 1)'(burst_words_o) <= (PlaceBits + 1)'(Places);
  assign burst_local_o   = local_q;
  assign burst_address_o = address_q;

  assign idle_o    = ask_q == '0 && held_q == '0 && due_q == '0 && !failed_q;
  assign due_o     = due_q != '0;
  assign failed_o  = failed_q;
  assign start     = start_i && idle_o;
  assign burst     = burst_valid_o && burst_ready_i;
  assign pop       = word_valid_o && word_ready_i;

  assign expected_last = &arrive_q || arrive_left_q == run_words_t'(1);
  assign wrong         = beat_i && (beat_error_i || beat_last_i != expected_last || due_q == '0);
  assign error_o       = wrong;
  // Beats of a run that was forgotten have no place in `held_q`.
  assign keep          = beat_i && !wrong && !failed_q && held_q != '0;

  logic waiting;
  assign waiting   = (burst_valid_o || (due_q != '0 && held_q != '0 && !failed_q)) && !beat_i && !burst;
  assign timeout_o = waiting && waited_q + 1'b1 == timeout_i;

  logic unused_ready;
  prim_fifo #(.Width(64), .Depth(Places)) u_words (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(keep),
    .ready_o(unused_ready),
    .data_i(beat_data_i),
    .valid_o(word_valid_o),
    .ready_i(word_ready_i),
    .data_o(word_o)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ask_q    <= '0;
      due_q    <= '0;
      held_q   <= '0;
      waited_q <= '0;
      failed_q <= 1'b0;
    end else begin
      due_q    <= due_q + (burst ? (PlaceBits + 1)'(burst_words_o) : '0) - (PlaceBits + 1)'(beat_i && due_q != '0);
      waited_q <= waiting ? waited_q + 1'b1 : '0;
      if (clear_i) begin
        ask_q    <= '0;
        held_q   <= '0;
        failed_q <= 1'b0;
      end else begin
        if (start)      ask_q <= start_words_i;
        else if (burst) ask_q <= ask_q - run_words_t'(burst_words_o);
        held_q <= held_q + (burst ? (PlaceBits + 1)'(burst_words_o) : '0) - (PlaceBits + 1)'(pop);
        if ((wrong && held_q != '0) || timeout_o) failed_q <= 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (start) begin
      local_q       <= start_local_i;
      address_q     <= start_address_i;
      arrive_q      <= start_address_i[6:3];
      arrive_left_q <= start_words_i;
    end else begin
      if (burst) address_q <= address_q + 61'(burst_words_o);
      if (beat_i) begin
        arrive_q      <= arrive_q + 1'b1;
        arrive_left_q <= arrive_left_q - 1'b1;
      end
    end
  end

endmodule
