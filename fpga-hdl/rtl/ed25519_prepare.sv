// From the parts of a signature to a job of an engine: h mod l, half-size scalars, their digits, and what the encodings say.
//
// Latency: about 1,330 cycles, at most 1,750; 310 for a hot key. Rate: one job in at most 832 cycles, 410 in the mean, 262 for
// hot keys. Stall: waits while all jobs are taken; a prepared job is held.
// Input range: any. A scalar s that is not below the group order is not given to the engine but ends at once.

module ed25519_prepare
  import fe25519_pkg::*;
  import sc25519_pkg::*;
  import ed25519_isa_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,

  input  logic         valid_i,
  output logic         ready_o,
  input  logic [255:0] key_i,     // byte 0 lowest, as s and R
  input  logic [255:0] r_i,
  input  logic [255:0] s_i,
  input  logic [511:0] digest_i,  // SHA-512 of R, key and message; byte 0 lowest
  input  job_id_t      id_i,      // a free job; taken with `ready_o`

  // Whether the key has a comb; known within 200 cycles from when the job was taken, until the next one is.
  input  logic         hot_i,
  input  hot_entry_t   hot_entry_i,

  output logic         facts_valid_o, // what is known of job `facts_id_o` before it runs
  output job_id_t      facts_id_o,
  output reason_t      facts_o,

  output logic         job_valid_o,
  input  logic         job_ready_i,
  output job_t         job_o,
  output logic         job_refused_o, // s is out of range: not for an engine

  input  job_id_t      digit_job_i,
  input  logic [7:0]   digit_at_i,
  output digits_t      digit_o,
  input  job_id_t      input_job_i,
  input  logic         input_is_r_i,
  output fe_t          input_o
);

  // ---- The facts, one cycle after the job is taken.

  logic key_small, r_small, r_canonical, in_range;
  logic unused_key_canonical, unused_in_range;
  ed25519_encoding u_key (
    .point_i(key_i),
    .canonical_o(unused_key_canonical),
    .small_o(key_small),
    .scalar_i(256'd0),
    .in_range_o(unused_in_range)
  );
  ed25519_encoding u_r (
    .point_i(r_i),
    .canonical_o(r_canonical),
    .small_o(r_small),
    .scalar_i(s_i),
    .in_range_o(in_range)
  );

  logic taking;
  assign taking = valid_i && ready_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) facts_valid_o <= 1'b0;
    else         facts_valid_o <= taking && !clear_i;
  end
  always_ff @(posedge clk_i) begin
    facts_id_o <= id_i;
    facts_o    <= '{r_small: r_small, key_small: key_small, s_out_of_range: !in_range, key_undecodable: 1'b0, equal: 1'b0};
  end

  // ---- The words that the engine reads; each write takes one cycle of two.

  logic second_q;
  job_id_t second_id_q;
  fe_t second_word_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) second_q <= 1'b0;
    else         second_q <= taking;
  end
  always_ff @(posedge clk_i) begin
    second_id_q   <= id_i;
    second_word_q <= r_i[FeBits-1:0];
  end
  prim_ram_1r1w #(.Width(FeBits), .Depth(2 * Jobs)) u_words (
    .clk_i,
    .we_i(taking || second_q),
    .waddr_i(second_q ? {second_id_q, 1'b1} : {id_i, 1'b0}),
    .wdata_i(second_q ? second_word_q : key_i[FeBits-1:0]),
    .raddr_i({input_job_i, input_is_r_i}),
    .rdata_o(input_o)
  );

  // ---- First stage: h mod l.

  logic  reduce_valid, reduce_ready, reduced_valid, reduced_ready;
  sc_t   h;
  job_t  first_q;
  sc_t   first_s_q;
  logic  first_refused_q;

  assign reduce_valid = valid_i && !second_q;
  assign ready_o      = reduce_ready && !second_q;

  sc25519_reduce u_reduce (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(reduce_valid),
    .ready_o(reduce_ready),
    .wide_i(digest_i),
    .valid_o(reduced_valid),
    .ready_i(reduced_ready),
    .scalar_o(h)
  );

  always_ff @(posedge clk_i) begin
    if (taking) begin
      first_q <= '{id: id_i, top: 8'd0, key_sign: key_i[255], r_sign: r_i[255], r_canonical: r_canonical, hot: 1'b0,
                   entry: '0};
      first_s_q       <= s_i[ScBits-1:0];
      first_refused_q <= !in_range;
    end
  end

  // ---- Second and third stage: half-size scalars; for a comb h and s as they are.

  logic  halved_valid, halved_ready, halved_refused, v_negative;
  job_t  reduced_job, halved_job;
  sc_t   u, w;
  half_t v;

  always_comb begin
    reduced_job       = first_q;
    reduced_job.hot   = hot_i;
    reduced_job.entry = hot_entry_i;
  end

  sc25519_half_size #(.PayloadBits($bits(job_t) + 1)) u_half_size (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(reduced_valid),
    .ready_o(reduced_ready),
    .payload_i({reduced_job, first_refused_q}),
    .whole_i(hot_i),
    .h_i(h),
    .s_i(first_s_q),
    .valid_o(halved_valid),
    .ready_i(halved_ready),
    .payload_o({halved_job, halved_refused}),
    .u_o(u),
    .v_o(v),
    .v_negative_o(v_negative),
    .w_o(w)
  );

  // ---- Fourth stage: the digits.

  typedef enum logic [1:0] {
    StIdle,
    StDigits,
    StOffer
  } state_e;
  state_e     state_q;
  job_t       job_q;
  logic       refused_q, v_negative_q;
  logic [7:0] at_q;
  digits_t    digits, window_digits;
  logic       load, step, u_digit_negative;
  logic [7:0] last_at;
  sc_t        u_rest, w_rest;

  comb_digits_t comb_digits;

  assign load         = state_q == StIdle && halved_valid;
  assign halved_ready = state_q == StIdle;

  // For windows every position is a bit; for combs four positions, one a table, are a column, and columns are a bit apart.
  assign step    = state_q == StDigits && (!job_q.hot || (&at_q[CombTableBits-1:0]));
  assign last_at = job_q.hot ? 8'(CombPositions - 1) : 8'(DigitPositions - 1);
  assign digits  = job_q.hot ? digits_t'(comb_digits) : window_digits;

  // The highest tooth is the sign of the digit and turns the others around.
  function automatic logic [7:0] comb_digit(sc_t rest, logic [CombTableBits-1:0] table_at);
    logic [255:0] wide;
    logic [63:0]  part;
    logic [7:0]   teeth;
    wide = 256'(rest);
    part = wide[64*table_at+:64];
    for (int unsigned tooth = 0; tooth < 8; tooth++) teeth[tooth] = part[8*tooth];
    return {!teeth[7], teeth[6:0] ^ {7{!teeth[7]}}};
  endfunction

  assign {comb_digits.key_negative, comb_digits.key_index}   = comb_digit(u_rest, at_q[CombTableBits-1:0]);
  assign {comb_digits.base_negative, comb_digits.base_index} = comb_digit(w_rest, at_q[CombTableBits-1:0]);

  sc25519_wnaf #(.Width(PointWindow)) u_key_digits (
    .clk_i,
    .load_i(load),
    .scalar_i(u),
    .step_i(step),
    .nonzero_o(window_digits.key.nonzero),
    .negative_o(u_digit_negative),
    .index_o(window_digits.key.index),
    .rest_o(u_rest)
  );
  assign window_digits.key.negative = u_digit_negative ^ v_negative_q;

  half_t unused_v_rest;
  sc25519_wnaf #(.Width(PointWindow), .Bits(HalfCofactorBits)) u_r_digits (
    .clk_i,
    .load_i(load),
    .scalar_i(v),
    .step_i(step),
    .nonzero_o(window_digits.r.nonzero),
    .negative_o(window_digits.r.negative),
    .index_o(window_digits.r.index),
    .rest_o(unused_v_rest)
  );

  // The teeth of a comb are 8 bits apart and are read from 8 columns, so that nothing has to pass between the halves.
  sc25519_wnaf #(.Width(BaseWindow), .Bits(BaseHalfBits)) u_low_digits (
    .clk_i,
    .load_i(load),
    .scalar_i(w[BaseHalfBits-1:0]),
    .step_i(step),
    .nonzero_o(window_digits.low.nonzero),
    .negative_o(window_digits.low.negative),
    .index_o(window_digits.low.index),
    .rest_o(w_rest[BaseHalfBits-1:0])
  );
  sc25519_wnaf #(.Width(BaseWindow), .Bits(ScBits - BaseHalfBits)) u_high_digits (
    .clk_i,
    .load_i(load),
    .scalar_i(w[ScBits-1:BaseHalfBits]),
    .step_i(step),
    .nonzero_o(window_digits.high.nonzero),
    .negative_o(window_digits.high.negative),
    .index_o(window_digits.high.index),
    .rest_o(w_rest[ScBits-1:BaseHalfBits])
  );
  prim_ram_1r1w #(.Width($bits(digits_t)), .Depth(Jobs * DigitPositions)) u_digits (
    .clk_i,
    .we_i(state_q == StDigits),
    .waddr_i({job_q.id, at_q}),
    .wdata_i(digits),
    .raddr_i({digit_job_i, digit_at_i}),
    .rdata_o(digit_o)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else if (clear_i) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:   if (halved_valid) state_q <= halved_refused ? StOffer : StDigits;
        StDigits: if (at_q == last_at) state_q <= StOffer;
        default:  if (job_ready_i) state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (load) begin
      job_q        <= halved_job;
      refused_q    <= halved_refused;
      v_negative_q <= v_negative;
      at_q         <= '0;
    end else if (state_q == StDigits) begin
      at_q <= at_q + 1'b1;
      if (job_q.hot || digits.key.nonzero || digits.r.nonzero || digits.low.nonzero || digits.high.nonzero) job_q.top <= at_q;
    end
  end

  assign job_valid_o   = state_q == StOffer;
  assign job_o         = job_q;
  assign job_refused_o = refused_q;

endmodule
