// The barrel engine: one multiplier and one add lane, kept busy by `Contexts` verifications that take turns.
//
// A slot lasts mul_interval(RowsParallel) cycles and executes one instruction of one context: a product, a sum, a step of the
// program. The contexts take turns, and a context's results are in its registers when its turn comes again, so that nothing
// ever waits for an operand. Each context runs the program on its own, from a job to its verdict, or for a hot job to its point; one
// context inverts and compares for a batch of these.
//
// Latency and rate: about 2,150 slots a job; a context has one slot in every Contexts.
// Stall: a context without a job repeats its first instruction; `done_valid_o` is high for one cycle and cannot be held back.
// A hot job takes about 530 slots, its part of a shared inversion included. Input range: any encodings; digits as ed25519_prepare makes them.

module ed25519_engine
  import fe25519_pkg::*;
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16,
  parameter bit          Tiled        = 1'b0,
  parameter bit          Combs        = 1'b0   // jobs may be `hot`
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       clear_i,       // every context forgets its job

  input  logic       job_valid_i,
  output logic       job_ready_o,
  input  job_t       job_i,

  // The store of jobs answers both reads two cycles later.
  output job_id_t    digit_job_o,
  output logic [7:0] digit_at_o,
  input  digits_t    digit_i,
  output job_id_t    input_job_o,
  output logic       input_is_r_o,
  input  fe_t        input_i,

  // So does the memory of combs.
  output hot_entry_t comb_entry_o,
  output comb_at_t   comb_at_o,
  input  fe_t        comb_i,

  output logic       done_valid_o,
  output job_id_t    done_id_o,
  output logic       done_equal_o,   // the encoding of s B - h A is that of R
  output logic       done_decoded_o, // the key is a point

  output logic       multiplying_o   // a product starts in this cycle
);

  localparam int unsigned Interval = mul_interval(RowsParallel);
  // From an issue to the next one that can read its product: two cycles to read, one to write.
  localparam int unsigned ProductTurn = mul_latency(RowsParallel) + 3;
  // From an issue to the decoding that can see its flags, two cycles before the next issue.
  localparam int unsigned FlagsTurn = AddLatency + 6;
  localparam int unsigned Turn = Contexts * Interval;

  if (Contexts < 2 || Contexts > 16 || Contexts != 2 ** $clog2(Contexts)) begin : gen_bad_contexts
    $error("ed25519_engine: Contexts is 2, 4, 8 or 16");
  end
  if (Turn < ProductTurn || Turn < FlagsTurn) begin : gen_short_turn
    $error("ed25519_engine: a context's turn comes again before its results are written");
  end

  issue_t issue;
  logic   flags_valid;
  flags_t flags;

  ed25519_sequencer #(
    .Interval(Interval),
    .Contexts(Contexts)
  ) u_sequencer (
    .clk_i,
    .rst_ni,
    .clear_i,
    .job_valid_i,
    .job_ready_o,
    .job_i,
    .digit_job_o,
    .digit_at_o,
    .digit_i,
    .issue_o(issue),
    .flags_valid_i(flags_valid),
    .flags_i(flags),
    .done_valid_o,
    .done_id_o,
    .done_equal_o,
    .done_decoded_o
  );

  ed25519_datapath #(
    .RowsParallel(RowsParallel),
    .Contexts(Contexts),
    .Tiled(Tiled),
    .Combs(Combs)
  ) u_datapath (
    .clk_i,
    .rst_ni,
    .issue_i(issue),
    .flags_valid_o(flags_valid),
    .flags_o(flags),
    .input_job_o,
    .input_is_r_o,
    .input_i,
    .comb_entry_o,
    .comb_at_o,
    .comb_i,
    .multiplying_o
  );

endmodule
