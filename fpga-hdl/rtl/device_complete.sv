// Requests in flight, and exactly one completion for each of them: a result, a malformed slot, an abort.
//
// Latency: two cycles from a result to its completion. Rate: one completion in two cycles. Stall: results wait by ready and valid; there
// is always a place among the completions, since `room_o` holds requests back. Input range: tags of requests that have begun.

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
  input  logic [15:0] consumed_i,     // completions that the host took, free running
  output logic [15:0] written_o,      // completions that were written, free running
  output logic        we_o,
  output logic [CompletionBits:0] waddr_o,
  output logic [63:0] wdata_o,

  output logic        ended_o,        // one cycle for each completion
  output verdict_e    ended_verdict_o
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
  logic [15:0]      written_q;

  assign busy_o    = flying_q != '0;
  assign written_o = written_q;
  assign room_o    = 16'(flying_q) + (written_q - consumed_i) < 16'(CompletionsMax);

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

  logic second_q;  // the second word of a completion is written
  logic writing, aborting;
  assign aborting = state_q == StAbort && busy_q[scan_q] && begun_q[scan_q];
  assign writing  = !second_q && (aborting || (state_q == StRun && result_valid_i));

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
        StAbort: if (!second_q && !busy_q[scan_q]) begin
          scan_q <= scan_q + 1'b1;
          if (&scan_q) state_q <= StFree;
        end
        default: state_q <= StRun;
      endcase
    end
  end

  // ---- The completion.

  tag_t        tag, tag_q;
  logic [31:0] age;
  completion_t completion_d, completion_q;
  verdict_e    verdict;

  assign tag = aborting ? scan_q : result_i.tag;
  assign age = now_q - start_q[tag];

  // `verify` does not look at small orders.
  logic accepted;
  assign accepted = result_i.reason.equal && (plain_q[tag] || (!result_i.reason.key_small && !result_i.reason.r_small));

  always_comb begin
    if (aborting)                verdict = VerdictAborted;
    else if (result_i.malformed) verdict = VerdictMalformed;
    else if (accepted)           verdict = VerdictValid;
    else                         verdict = VerdictInvalid;
  end

  assign completion_d = '{
    phase:       {7'd0, !written_q[CompletionBits]},
    zero:        '0,
    cycles:      (age > 32'h0000ffff) ? 16'hffff : age[15:0],
    submit_head: submit_head_i,
    reason:      aborting ? '0 : 8'(result_i.reason),
    verdict:     8'(verdict)
  };

  assign result_ready_o  = writing && !aborting;
  assign ended_o         = writing;
  assign ended_verdict_o = verdict;

  // The cookie goes first: the phase in the second word says that both are there.
  assign we_o    = writing || second_q;
  assign waddr_o = {written_q[CompletionBits-1:0], second_q};
  assign wdata_o = second_q ? completion_q : cookie_q[tag];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      second_q  <= 1'b0;
      written_q <= '0;
      busy_q    <= '0;
      begun_q   <= '0;
      flying_q  <= '0;
      now_q     <= '0;
    end else begin
      now_q    <= now_q + 1'b1;
      second_q <= writing;
      if (second_q) written_q <= written_q + 1'b1;
      if (tag_take_i)    {busy_q[tag_o], begun_q[tag_o]} <= 2'b10;
      if (begin_valid_i) begun_q[begin_tag_i] <= 1'b1;
      if (second_q)      busy_q[tag_q] <= 1'b0;
      flying_q <= flying_q + (TagBits + 1)'(tag_take_i) - (TagBits + 1)'(second_q);
    end
  end

  always_ff @(posedge clk_i) begin
    if (writing) begin
      tag_q        <= tag;
      completion_q <= completion_d;
    end
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
    .back_i(second_q && state_q == StRun),
    .back_id_i(tag_q)
  );

endmodule
