// One engine with everything that a signature needs around it, but for the hash of the message. Signatures of registered keys take a
// shorter way to the same verdict.
//
// Latency: about 1,330 cycles and 2,150 slots of a context for a lone signature. Rate: that of the engine. Stall: `ready_o` falls when all jobs are taken;
// a result is held until it is taken. Input range: any.
// Exactly one result comes for every request that was taken, unless `clear_i` forgets all of them. Results may overtake each other.

module ed25519_verify_core
  import fe25519_pkg::*;
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16,
  parameter bit          Tiled        = 1'b0,
  parameter int unsigned TagBits      = 16,
  parameter int unsigned HotKeys      = 0    // combs in memory, 0 to 128
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               clear_i,

  input  logic               valid_i,
  output logic               ready_o,
  input  logic [TagBits-1:0] tag_i,
  input  logic [255:0]       key_i,     // byte 0 lowest, as s and R
  input  logic [255:0]       r_i,
  input  logic [255:0]       s_i,
  input  logic [511:0]       digest_i,  // SHA-512 of R, key and message; byte 0 lowest

  output logic               valid_o,
  input  logic               ready_i,
  output logic [TagBits-1:0] tag_o,
  output reason_t            reason_o,
  output logic               hot_o,     // the result came from a comb

  // The combs of registered keys; see ed25519_key_tables.
  input  hot_command_e       hot_command_i,
  input  hot_entry_t         hot_entry_i,
  input  logic               hot_write_i,
  input  logic [31:0]        hot_data_i,
  output logic               hot_valid_o,
  output logic               hot_busy_o,

  output logic               multiplying_o
);

  // ---- Free jobs: a job is free again when its result was taken.

  logic    free_valid, free_take;
  job_id_t free_id, freed_id;

  prim_ids #(.Bits(JobBits)) u_free (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_o(free_valid),
    .take_i(free_take),
    .id_o(free_id),
    .back_i(valid_o && ready_i),
    .back_id_i(freed_id)
  );

  // ---- Preparation and engine.

  logic       prepare_ready, facts_valid, job_valid, job_refused, to_engine, engine_ready, refuse_ready;
  job_id_t    facts_id;
  reason_t    facts;
  job_t       job;
  job_id_t    digit_job, input_job, done_id;
  logic [7:0] digit_at;
  digits_t    digit;
  logic       input_is_r, done_valid, done_equal, done_decoded;
  fe_t        input_word;

  logic       found;
  hot_entry_t found_entry, comb_entry;
  comb_at_t   comb_at;
  fe_t        comb_word;

  assign ready_o   = prepare_ready && free_valid;
  assign free_take = valid_i && ready_o;
  assign to_engine = job_valid && !job_refused;

  ed25519_prepare u_prepare (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(valid_i && free_valid),
    .ready_o(prepare_ready),
    .key_i,
    .r_i,
    .s_i,
    .digest_i,
    .id_i(free_id),
    .hot_i(found),
    .hot_entry_i(found_entry),
    .facts_valid_o(facts_valid),
    .facts_id_o(facts_id),
    .facts_o(facts),
    .job_valid_o(job_valid),
    .job_ready_i(job_refused ? refuse_ready : engine_ready),
    .job_o(job),
    .job_refused_o(job_refused),
    .digit_job_i(digit_job),
    .digit_at_i(digit_at),
    .digit_o(digit),
    .input_job_i(input_job),
    .input_is_r_i(input_is_r),
    .input_o(input_word)
  );

  ed25519_engine #(
    .RowsParallel(RowsParallel),
    .Contexts(Contexts),
    .Tiled(Tiled),
    .Combs(HotKeys != 0)
  ) u_engine (
    .clk_i,
    .rst_ni,
    .clear_i,
    .job_valid_i(to_engine),
    .job_ready_o(engine_ready),
    .job_i(job),
    .digit_job_o(digit_job),
    .digit_at_o(digit_at),
    .digit_i(digit),
    .input_job_o(input_job),
    .input_is_r_o(input_is_r),
    .input_i(input_word),
    .comb_entry_o(comb_entry),
    .comb_at_o(comb_at),
    .comb_i(comb_word),
    .done_valid_o(done_valid),
    .done_id_o(done_id),
    .done_equal_o(done_equal),
    .done_decoded_o(done_decoded),
    .multiplying_o
  );

  // ---- Results: the engine's come first, a refusal waits for a cycle without one.

  assign refuse_ready = !done_valid;

  logic    end_valid, end_equal, end_undecodable;
  job_id_t end_id;
  assign end_valid       = done_valid || (job_valid && job_refused);
  assign end_id          = done_valid ? done_id : job.id;
  assign end_equal       = done_valid && done_equal;
  assign end_undecodable = done_valid && !done_decoded;

  // ---- The combs: a signature uses one from when its key is found to its end.

  if (HotKeys == 0) begin : gen_no_combs
    assign found       = 1'b0;
    assign found_entry = '0;
    assign comb_word   = '0;
    assign {hot_o, hot_valid_o, hot_busy_o} = '0;
    logic unused_hot;
    assign unused_hot = ^{hot_command_i, hot_entry_i, hot_write_i, hot_data_i, comb_entry, comb_at};
  end else begin : gen_combs
    typedef struct packed {
      logic       hot;
      hot_entry_t entry;
    } use_t;
    use_t use_q [Jobs];
    use_t ended, resulting;
    always_ff @(posedge clk_i) if (job_valid) use_q[job.id] <= '{hot: job.hot, entry: job.entry};
    assign ended     = done_valid ? use_q[done_id] : '{hot: job.hot, entry: job.entry};
    assign resulting = use_q[freed_id];
    assign hot_o     = resulting.hot && !reason_o.s_out_of_range;

    ed25519_key_tables #(.Keys(HotKeys)) u_key_tables (
      .clk_i,
      .rst_ni,
      .clear_i,
      .command_i(hot_command_i),
      .command_entry_i(hot_entry_i),
      .write_i(hot_write_i),
      .wdata_i(hot_data_i),
      .valid_o(hot_valid_o),
      .busy_o(hot_busy_o),
      .find_i(free_take),
      .key_i,
      .found_o(found),
      .found_entry_o(found_entry),
      .end_i(end_valid && ended.hot),
      .end_entry_i(ended.entry),
      .comb_entry_i(comb_entry),
      .comb_at_i(comb_at),
      .comb_o(comb_word)
    );
    logic unused_entry;
    assign unused_entry = ^resulting.entry;
  end

  // There are as many entries as jobs: the queue is never full.
  logic unused_result_ready;
  logic result_equal, result_undecodable;
  prim_fifo #(.Width(JobBits + 2), .Depth(Jobs)) u_results (
    .clk_i,
    .rst_ni,
    .clear_i,
    .valid_i(end_valid && !clear_i),
    .ready_o(unused_result_ready),
    .data_i({end_id, end_equal, end_undecodable}),
    .valid_o,
    .ready_i,
    .data_o({freed_id, result_equal, result_undecodable})
  );

  logic [TagBits-1:0] tag_q [Jobs];
  reason_t            facts_q [Jobs];
  always_ff @(posedge clk_i) begin
    if (free_take)   tag_q[free_id]    <= tag_i;
    if (facts_valid) facts_q[facts_id] <= facts;
  end
  assign tag_o = tag_q[freed_id];
  always_comb begin
    reason_o                 = facts_q[freed_id];
    reason_o.equal           = result_equal;
    reason_o.key_undecodable = result_undecodable;
  end

endmodule
