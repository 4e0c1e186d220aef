// The program of ed25519_engine: whose turn it is, what the context does, where it goes on.
//
// Latency: an instruction is issued three cycles after its slot begins. Rate: one slot in Interval cycles. Stall: none; a context
// without a job repeats the instruction that waits for one. A hot job that ends joins a batch, which one context inverts and reports.

module ed25519_sequencer
  import ed25519_isa_pkg::*;
  import ed25519_ucode_pkg::*;
#(
  parameter int unsigned Interval = 1,
  parameter int unsigned Contexts = 16
) (
  input  logic    clk_i,
  input  logic    rst_ni,
  input  logic    clear_i,

  input  logic    job_valid_i,
  output logic    job_ready_o,
  input  job_t    job_i,

  output job_id_t    digit_job_o,
  output logic [7:0] digit_at_o,
  input  digits_t    digit_i,       // two cycles after its address

  output issue_t  issue_o,
  input  logic    flags_valid_i,
  input  flags_t  flags_i,

  output logic    done_valid_o,
  output job_id_t done_id_o,
  output logic    done_equal_o,
  output logic    done_decoded_o
);

  localparam int unsigned ContextBits = $clog2(Contexts);
  typedef logic [ContextBits-1:0] context_t;

  // ---- The turns.

  logic     slot0;  // a slot begins
  context_t context0_q, context1_q, context2_q;
  logic     valid1_q, valid2_q;

  if (Interval == 1) begin : gen_every_cycle
    assign slot0 = 1'b1;
  end else begin : gen_every_interval
    logic [$clog2(Interval)-1:0] phase_q;
    assign slot0 = phase_q == '0;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)    phase_q <= '0;
      else if (slot0) phase_q <= ($clog2(Interval))'(Interval - 1);
      else            phase_q <= phase_q - 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {context0_q, context1_q, context2_q} <= '0;
      {valid1_q, valid2_q} <= '0;
    end else begin
      if (slot0) context0_q <= context0_q + 1'b1;
      context1_q <= context0_q;
      context2_q <= context1_q;
      valid1_q   <= slot0 && !clear_i;
      valid2_q   <= valid1_q && !clear_i;
    end
  end

  // ---- The state of the contexts.

  pc_t        pc_q [Contexts];
  pc_t        return_q [Contexts];
  job_t       job_q [Contexts];
  logic [7:0] at_q [Contexts];     // position of the scalars
  logic       end_q [Contexts];    // the last position is done
  logic [3:0] used_q [Contexts];   // digits of the position that are done with
  logic [7:0] count_q [Contexts];
  logic       zero_q [Contexts];
  logic       odd_q [Contexts];

  always_ff @(posedge clk_i) begin
    if (flags_valid_i && flags_i.set_zero) zero_q[flags_i.slot[ContextBits-1:0]] <= flags_i.zero;
    if (flags_valid_i && flags_i.set_odd)  odd_q[flags_i.slot[ContextBits-1:0]]  <= flags_i.odd;
  end
  if (ContextBits < 4) begin : gen_few_contexts
    logic unused_slot;
    assign unused_slot = ^flags_i.slot[3:ContextBits];
  end

  // ---- Fetch: the instruction and the digits take two cycles.

  instr_t instr1_q, instr2_q;
  always_ff @(posedge clk_i) begin
    instr1_q <= Program[pc_q[context0_q]];
    instr2_q <= instr1_q;
  end
  assign digit_job_o = job_q[context0_q].id;
  assign digit_at_o  = at_q[context0_q];

  // ---- Decode: the next step of the program.

  job_t job2;
  logic unused_top;
  assign unused_top = ^job2.top;
  pc_t  pc2, pc_d;
  logic taken, down;

  // Without a new job a context inverts for the jobs that wait, however few they are; with one it does so only for a full batch.
  // So a lone signature waits for no other, and after `Contexts` ends at the latest the oldest that waits is in a batch.
  logic       go, inverting, batch_some, batch_due, batch_first, batch_last;
  member_at_t batch_at;
  member_t    member;
  assign go        = valid2_q && !clear_i;
  assign inverting = batch_due || (batch_some && !job_valid_i);

  assign job2 = job_q[context2_q];
  assign pc2  = pc_q[context2_q];

  // The digit at hand is the lowest of the pending ones: of the key, of R, of the low and the high half for the base point.
  logic [3:0]   pending, at_hand;
  logic         at_hand_is_base, at_hand_negative;
  comb_digits_t comb_digits;
  assign pending          = {digit_i.high.nonzero, digit_i.low.nonzero, digit_i.r.nonzero, digit_i.key.nonzero} & ~used_q[context2_q];
  assign at_hand          = pending & -pending;
  assign at_hand_is_base  = pending[1:0] == '0;
  assign at_hand_negative = |(at_hand & {digit_i.high.negative, digit_i.low.negative, digit_i.r.negative, digit_i.key.negative});
  assign comb_digits      = digit_i[CombDigitsBits-1:0];

  always_comb begin
    unique case (instr2_q.seq)
      SeqJump, SeqCall, SeqLoop: taken = 1'b1;
      SeqIfZero:                 taken = zero_q[context2_q];
      SeqIfNotZero:              taken = !zero_q[context2_q];
      SeqIfNoDigit:              taken = pending == '0;
      SeqIfBaseDigit:            taken = at_hand_is_base;
      SeqIfNoMore:               taken = pending == at_hand;
      SeqIfEnd:                  taken = end_q[context2_q];
      SeqCountDown:              taken = count_q[context2_q] != 8'd1;
      SeqIfHot:                  taken = job2.hot;
      SeqIfColumn:               taken = at_q[context2_q][CombTableBits-1:0] == '0;
      SeqBatchUp:                taken = !batch_last;
      SeqReport:                 taken = !batch_first;
      default:                   taken = 1'b0;
    endcase
  end

  always_comb begin
    unique case (instr2_q.seq)
      SeqReturn: pc_d = return_q[context2_q];
      SeqWait:   pc_d = inverting ? instr2_q.target : job_valid_i ? pc2 + 1'b1 : pc2;
      SeqJoin, SeqDone: pc_d = '0;
      SeqReport: pc_d = taken ? instr2_q.target : '0;
      default:   pc_d = taken ? instr2_q.target : pc2 + 1'b1;
    endcase
  end

  assign down = taken && (instr2_q.seq inside {SeqIfNoDigit, SeqIfNoMore, SeqLoop, SeqIfColumn});

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      for (int unsigned c = 0; c < Contexts; c++) pc_q[c] <= '0;
    end else if (clear_i) begin
      for (int unsigned c = 0; c < Contexts; c++) pc_q[c] <= '0;
    end else if (valid2_q) begin
      pc_q[context2_q] <= pc_d;
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid2_q) begin
      if (instr2_q.seq == SeqCall) return_q[context2_q] <= pc2 + 1'b1;
      if (instr2_q.seq == SeqSetCount)       count_q[context2_q] <= instr2_q.target[7:0];
      else if (instr2_q.seq == SeqCountDown) count_q[context2_q] <= count_q[context2_q] - 1'b1;
      if (instr2_q.seq == SeqWait) begin
        job_q[context2_q] <= job_i;
        at_q[context2_q]  <= job_i.top;
        end_q[context2_q] <= 1'b0;
      end else if (down) begin
        at_q[context2_q]  <= at_q[context2_q] - 1'b1;
        end_q[context2_q] <= at_q[context2_q] == '0;
      end
      if (instr2_q.seq == SeqWait || down)  used_q[context2_q] <= '0;
      else if (instr2_q.seq == SeqIfNoMore) used_q[context2_q] <= used_q[context2_q] | at_hand;
    end
  end

  // ---- The ends of jobs: through a batch or at once.

  member_t own, ending;
  assign own    = '{id: job2.id, r_sign: job2.r_sign, r_canonical: job2.r_canonical, ended: join_t'(instr2_q.target[1:0])};
  assign ending = (instr2_q.seq == SeqDone) ? own : member;

  ed25519_batch #(.Size(Contexts)) u_batch (
    .clk_i,
    .rst_ni,
    .clear_i,
    .end_i(go && instr2_q.seq == SeqDone),
    .join_i(go && instr2_q.seq == SeqJoin),
    .member_i(own),
    .some_o(batch_some),
    .due_o(batch_due),
    .start_i(go && instr2_q.seq == SeqWait && inverting),
    .up_i(go && instr2_q.seq == SeqBatchUp && taken),
    .down_i(go && instr2_q.seq == SeqReport),
    .first_o(batch_first),
    .last_o(batch_last),
    .at_o(batch_at),
    .member_o(member)
  );

  assign job_ready_o    = go && instr2_q.seq == SeqWait && !inverting;
  assign done_valid_o   = go && (instr2_q.seq inside {SeqReport, SeqDone});
  assign done_id_o      = ending.id;
  assign done_decoded_o = ending.ended.decoded;
  assign done_equal_o   = ending.ended.comparable && zero_q[context2_q] && odd_q[context2_q] == ending.r_sign &&
                          ending.r_canonical;

  // ---- Issue: the digits choose the entries of the tables and the sense of the sums.

  product_t product;
  sum_t     sum;
  assign product = instr2_q.product;
  assign sum     = instr2_q.sum;

  // Y + X and Y - X of an entry change places for a negative digit.
  logic [8:0] product_b;
  always_comb begin
    unique case (product.b_index)
      IndexPoint: begin
        product_b = {5'd0, !at_hand[0], at_hand[0] ? digit_i.key.index : digit_i.r.index,
                     product.b[0] ^ (product.b_source == FromA && at_hand_negative)};
      end
      IndexBase: begin
        product_b = {at_hand[3], at_hand[3] ? digit_i.high.index : digit_i.low.index, product.b[1],
                     product.b[0] ^ (!product.b[1] && at_hand_negative)};
      end
      IndexPool: product_b = {1'b0, member.id, product.b[1:0]};
      default:   product_b = {1'b0, product.b};
    endcase
  end

  // The same in a comb. Elsewhere the fourth words are meant.
  logic     comb_negative;
  comb_at_t comb_at;
  assign comb_negative = (product.b_source == FromComb) ? comb_digits.key_negative : comb_digits.base_negative;
  always_comb begin
    if (product.b_index == IndexComb) begin
      comb_at = {at_q[context2_q][CombTableBits-1:0],
                 (product.b_source == FromComb) ? comb_digits.key_index : comb_digits.base_index,
                 product.b[1], product.b[0] ^ (!product.b[1] && comb_negative)};
    end else begin
      comb_at = {product_b, 2'd3};
    end
  end

  logic flip;
  always_comb begin
    unique case (sum.flip)
      FlipDigit:    flip = at_hand_negative;
      FlipKeySign:  flip = odd_q[context2_q] == job2.key_sign;
      FlipRSign:    flip = odd_q[context2_q] == job2.r_sign;
      FlipKeyComb:  flip = comb_digits.key_negative;
      FlipBaseComb: flip = comb_digits.base_negative;
      default:      flip = 1'b0;
    endcase
  end

  fe25519_pkg::add_op_e turned;
  assign turned = (sum.op == fe25519_pkg::AddPlus) ? fe25519_pkg::AddMinus : fe25519_pkg::AddPlus;

  issue_t issue_d, issue_q;
  assign issue_d = '{
    slot:                4'(context2_q),
    job:                 job2.id,
    input_job:           (sum.a == InputMemberR) ? member.id : job2.id,
    product_valid:       go && product.valid,
    product_to:          product.to_member ? reg_t'(batch_at) : product.to,
    product_a_from_sums: product.a_from_sums,
    product_a:           product.a_below ? reg_t'(batch_at) - 1'b1 : product.a,
    product_b_source:    product.b_source,
    product_b_pool:      product.b_index == IndexPool,
    product_b:           product_b,
    comb_entry:          job2.entry,
    comb_at:             comb_at,
    sum_valid:           go && sum.valid,
    sum_to_pool:         sum.to_pool,
    sum_to:              sum.to,
    sum_op:              flip ? turned : sum.op,
    sum_a_source:        sum.a_source,
    sum_a:               sum.a,
    sum_b_zero:          sum.b_zero,
    sum_b:               sum.b,
    set_zero:            sum.set_zero,
    set_odd:             sum.set_odd
  };
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) issue_q <= '0;
    else         issue_q <= issue_d;
  end
  assign issue_o = issue_q;

endmodule
