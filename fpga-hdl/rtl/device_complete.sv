// Requests in flight, and exactly one completion for each of them: a result, a malformed slot, an abort.
//
// Latency: none from a result to its completion. Rate: one completion in a cycle. Stall: results wait by ready and valid, completions for
// device_store; there is always a place among the completions, since `room_o` holds requests back. Input range: tags of requests
// that have begun.

module device_complete
  import device_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        abort_i,        // aborts all that is in flight
  input  logic [31:0] watchdog_i,     // cycles, 0 never
  output logic        watchdog_o,     // the watchdog aborts
  output logic        clear_o,        // an abort goes on: engines and fetch forget

  output logic        tag_valid_o,
  input  logic        tag_take_i,
  output tag_t        tag_o,
  output logic        room_o,
  output logic        busy_o,

  input  logic        begin_valid_i,
  input  tag_t        begin_tag_i,
  input  logic [63:0] begin_cookie_i,
  input  logic        begin_plain_i,

  input  logic        result_valid_i,
  output logic        result_ready_o,
  input  result_t     result_i,

  input  logic [15:0] submit_head_i,
  input  logic [3:0]  size_bits_i,    // log2 of the completions of the queue
  input  logic [15:0] consumed_i,     // completions that the host took, free running
  input  logic        written_i,      // one more completion that the host can see
  output logic [15:0] written_o,      // completions that the host can see, free running

  output logic        valid_o,        // a completion
  input  logic        ready_i,
  output logic [15:0] index_o,        // free running
  output logic [63:0] cookie_o,
  output completion_t completion_o,

  output logic        ended_o,        // one cycle for each completion
  output verdict_e    ended_verdict_o,
  output logic        ended_hot_o     // the verdict came from a table
);

  localparam int unsigned Tags = 2 ** TagBits;

  // ---- What is in flight.

  logic [Tags-1:0]  busy_q;    // taken and not completed
  logic [Tags-1:0]  begun_q;   // the cookie is known
  logic [63:0]      cookie_q [Tags];
  logic             plain_q [Tags];
  logic [31:0]      start_q [Tags];
  logic [31:0]      now_q;
  logic [TagBits:0] flying_q;
  logic [15:0]      made_q;     // completions that were made, free running
  logic [15:0]      written_q;  // those that were written: consumed <= written <= made

  assign busy_o    = flying_q != '0 || made_q != written_q;
  assign written_o = written_q;
  assign room_o    = 16'(flying_q) + (made_q - consumed_i) < 16'd1 << size_bits_i;

  // ---- An abort looks at one tag after the other.

  typedef enum logic [1:0] {
    StRun,
    StAbort,
    StFree    // all tags are back
  } state_e;
  state_e state_q;
  tag_t   scan_q;
  logic   late;

  // The watchdog looks at one tag in a cycle, so that it is late by at most Tags cycles.
  assign late       = watchdog_i != '0 && busy_q[scan_q] && begun_q[scan_q] && now_q - start_q[scan_q] > watchdog_i;
  assign watchdog_o = state_q == StRun && late;
  assign clear_o    = state_q != StRun;

  logic done, aborting;
  assign aborting = state_q == StAbort && busy_q[scan_q] && begun_q[scan_q];
  assign valid_o  = aborting || (state_q == StRun && result_valid_i);
  assign done     = valid_o && ready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StRun;
      scan_q  <= '0;
    end else begin
      unique case (state_q)
        StRun: begin
          scan_q <= scan_q + 1'b1;
          if (abort_i || watchdog_o) begin
            state_q <= StAbort;
            scan_q  <= '0;
          end
        end
        // A request whose cookie is still being read is waited for.
        StAbort: if (!busy_q[scan_q]) begin
          scan_q <= scan_q + 1'b1;
          if (&scan_q) state_q <= StFree;
        end
        default: state_q <= StRun;
      endcase
    end
  end

  // ---- The completion.

  tag_t        tag;
  logic [31:0] age;
  verdict_e    verdict;

  assign tag = aborting ? scan_q : result_i.tag;
  assign age = now_q - start_q[tag];

  // `verify` does not look at small orders.
  logic accepted;
  assign accepted = result_i.reason.equal && (plain_q[tag] || (!result_i.reason.key_small && !result_i.reason.r_small));

  always_comb begin
    if (aborting || result_i.aborted) verdict = VerdictAborted;
    else if (result_i.malformed)      verdict = VerdictMalformed;
    else if (accepted)                verdict = VerdictValid;
    else                              verdict = VerdictInvalid;
  end

  // The phase is 1 in the first round of the queue.
  assign index_o      = made_q;
  assign cookie_o     = cookie_q[tag];
  assign completion_o = '{
    phase:       {7'd0, !made_q[size_bits_i]},
    zero:        '0,
    cycles:      (age > 32'h0000ffff) ? 16'hffff : age[15:0],
    submit_head: submit_head_i,
    reason:      aborting ? '0 : 8'(result_i.reason),
    verdict:     8'(verdict)
  };

  assign result_ready_o  = state_q == StRun && ready_i;
  assign ended_o         = done;
  assign ended_verdict_o = verdict;
  assign ended_hot_o     = done && !aborting && result_i.hot;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      made_q    <= '0;
      written_q <= '0;
      busy_q    <= '0;
      begun_q   <= '0;
      flying_q  <= '0;
      now_q     <= '0;
    end else begin
      now_q <= now_q + 1'b1;
      if (done)      made_q    <= made_q + 1'b1;
      if (written_i) written_q <= written_q + 1'b1;
      if (tag_take_i)    {busy_q[tag_o], begun_q[tag_o]} <= 2'b10;
      if (begin_valid_i) begun_q[begin_tag_i] <= 1'b1;
      if (done)          busy_q[tag] <= 1'b0;
      flying_q <= flying_q + (TagBits + 1)'(tag_take_i) - (TagBits + 1)'(done);
    end
  end

  always_ff @(posedge clk_i) begin
    if (begin_valid_i) begin
      cookie_q[begin_tag_i] <= begin_cookie_i;
      plain_q[begin_tag_i]  <= begin_plain_i;
    end
    if (tag_take_i) start_q[tag_o] <= now_q;
  end

  prim_ids #(.Bits(TagBits)) u_tags (
    .clk_i,
    .rst_ni,
    .clear_i(state_q == StFree),
    .valid_o(tag_valid_o),
    .take_i(tag_take_i),
    .id_o(tag_o),
    .back_i(done && state_q == StRun),
    .back_id_i(tag)
  );

endmodule
