// The registers of all contexts, the multiplier and the add lane of ed25519_engine.
//
// Products land in bank M, sums in bank A. A bank is copied for every port that reads it, so that each cycle reads four
// operands and writes two results. The copy of bank A that feeds the second operand of products has the pool behind the
// registers: the points of jobs that have left their contexts, written by sums. Latency: a sum is readable AddLatency + 3 cycles after its issue, a product
// mul_latency(RowsParallel) + 3. Rate: one issue in mul_interval(RowsParallel) cycles. Stall: none.

module ed25519_datapath
  import fe25519_pkg::*;
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned RowsParallel = 11,
  parameter int unsigned Contexts     = 16,
  parameter bit          Tiled        = 1'b0,
  parameter bit          Combs        = 1'b0
) (
  input  logic    clk_i,
  input  logic    rst_ni,

  input  issue_t  issue_i,
  output logic    flags_valid_o,
  output flags_t  flags_o,

  output job_id_t input_job_o,
  output logic    input_is_r_o,
  input  fe_t     input_i,        // two cycles after its address

  output hot_entry_t comb_entry_o,
  output comb_at_t   comb_at_o,
  input  fe_t        comb_i,      // two cycles after its address

  output logic    multiplying_o   // a product starts in this cycle
);

  localparam int unsigned ContextBits = $clog2(Contexts);
  localparam int unsigned AddressBits = ContextBits + RegBits;
  localparam int unsigned ReadLatency = 2;
  typedef logic [AddressBits-1:0] address_t;

  function automatic address_t address(logic [3:0] slot, reg_t register);
    return AddressBits'({slot, register});
  endfunction

  // Registers in the lower half, the pool in the upper.
  localparam int unsigned PoolBits = JobBits + 2;
  localparam int unsigned SideBits = (AddressBits > PoolBits) ? AddressBits : PoolBits;
  typedef logic [SideBits:0] pool_address_t;

  function automatic pool_address_t pool_address(job_id_t owner, logic [1:0] word);
    return {1'b1, SideBits'({owner, word})};
  endfunction

  // ---- The banks.

  logic          m_we, a_we, a_to_pool;
  address_t      m_to, a_to;
  pool_address_t a_to_any;
  fe_t      m_result, a_result;
  fe_t      ma_m, ma_a, mb_m, mb_a, sa_m, sa_a, sb_m, mb_rom;

  address_t      ma_at, mb_at, sa_at, sb_at;
  pool_address_t mb_any_at;
  assign mb_any_at = issue_i.product_b_pool ? {1'b1, SideBits'(issue_i.product_b[PoolBits-1:0])} : {1'b0, SideBits'(mb_at)};
  assign ma_at = address(issue_i.slot, issue_i.product_a);
  assign mb_at = address(issue_i.slot, issue_i.product_b[RegBits-1:0]);
  assign sa_at = address(issue_i.slot, issue_i.sum_a);
  assign sb_at = address(issue_i.slot, issue_i.sum_b);

  localparam int unsigned Depth = 2 ** AddressBits;
  localparam int unsigned DepthWithPool = 2 ** (SideBits + 1);
  logic a_we_register;
  assign a_we_register = a_we && !a_to_pool;
  `define COPY(name, depth, we, to, result, at, data) \
    prim_ram_1r1w #(.Width(FeBits), .Depth(depth)) name ( \
      .clk_i, .we_i(we), .waddr_i(to), .wdata_i(result), .raddr_i(at), .rdata_o(data) \
    );
  `COPY(u_product_a_m, Depth, m_we, m_to, m_result, ma_at, ma_m)
  `COPY(u_product_a_a, Depth, a_we_register, a_to, a_result, ma_at, ma_a)
  `COPY(u_product_b_m, Depth, m_we, m_to, m_result, mb_at, mb_m)
  `COPY(u_product_b_a, DepthWithPool, a_we, a_to_any, a_result, mb_any_at, mb_a)
  `COPY(u_sum_a_m,     Depth, m_we, m_to, m_result, sa_at, sa_m)
  `COPY(u_sum_a_a,     Depth, a_we_register, a_to, a_result, sa_at, sa_a)
  `COPY(u_sum_b_m,     Depth, m_we, m_to, m_result, sb_at, sb_m)
  `undef COPY

  if (Combs) begin : gen_comb_rom
    ed25519_comb_rom u_rom (
      .clk_i,
      .addr_i(issue_i.comb_at),
      .word_o(mb_rom)
    );
  end else begin : gen_base_rom
    ed25519_base_rom u_rom (
      .clk_i,
      .addr_i(issue_i.product_b),
      .word_o(mb_rom)
    );
  end
  assign comb_entry_o = issue_i.comb_entry;
  assign comb_at_o    = issue_i.comb_at;

  assign input_job_o  = issue_i.input_job;
  assign input_is_r_o = issue_i.sum_a[0];

  // ---- Operands.

  logic [1:0]      valid_q, sum_valid_q;
  logic            a_from_sums, sum_b_zero, one;
  product_source_e b_source;
  sum_source_e     sum_a_source;
  add_op_e         sum_op;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q     <= '0;
      sum_valid_q <= '0;
    end else begin
      valid_q     <= {valid_q[0], issue_i.product_valid};
      sum_valid_q <= {sum_valid_q[0], issue_i.sum_valid};
    end
  end

  logic [8:0] select;
  prim_delay #(.Width(9), .Cycles(ReadLatency)) u_select (
    .clk_i,
    .data_i({issue_i.product_a_from_sums, issue_i.product_b_source, issue_i.sum_a_source, issue_i.sum_op,
             issue_i.sum_b_zero, issue_i.sum_a == InputOne}),
    .data_o(select)
  );
  assign a_from_sums  = select[8];
  assign b_source     = product_source_e'(select[7:6]);
  assign sum_a_source = sum_source_e'(select[5:4]);
  assign sum_op       = add_op_e'(select[3:2]);
  assign sum_b_zero   = select[1];
  assign one          = select[0];

  fe_t product_a, product_b, sum_a, sum_b;
  assign product_a = a_from_sums ? ma_a : ma_m;
  always_comb begin
    unique case (b_source)
      FromA:    product_b = mb_a;
      FromRom:  product_b = mb_rom;
      FromComb: product_b = comb_i;
      default:  product_b = mb_m;
    endcase
    unique case (sum_a_source)
      SumM:     sum_a = sa_m;
      SumA:     sum_a = sa_a;
      SumInput: sum_a = one ? fe_t'(1) : input_i;
      default:  sum_a = '0;
    endcase
  end
  assign sum_b = sum_b_zero ? '0 : sb_m;

  // ---- The units, and where their results go.

  fe25519_mul #(
    .RowsParallel(RowsParallel),
    .Tiled(Tiled)
  ) u_mul (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q[1]),
    .a_i(product_a),
    .b_i(product_b),
    .valid_o(m_we),
    .r_o(m_result)
  );
  prim_delay #(.Width(AddressBits), .Cycles(ReadLatency + mul_latency(RowsParallel))) u_product_to (
    .clk_i,
    .data_i(address(issue_i.slot, issue_i.product_to)),
    .data_o(m_to)
  );

  logic zero, odd;
  fe25519_addsub u_add (
    .clk_i,
    .rst_ni,
    .valid_i(sum_valid_q[1]),
    .op_i(sum_op),
    .a_i(sum_a),
    .b_i(sum_b),
    .valid_o(a_we),
    .r_o(a_result),
    .zero_o(zero),
    .odd_o(odd)
  );

  logic [3:0] sum_slot;
  job_id_t    sum_job;
  reg_t       sum_to;
  logic       set_zero, set_odd;
  prim_delay #(.Width(4 + JobBits + RegBits + 3), .Cycles(ReadLatency + AddLatency)) u_sum_to (
    .clk_i,
    .data_i({issue_i.slot, issue_i.job, issue_i.sum_to_pool, issue_i.sum_to, issue_i.set_zero, issue_i.set_odd}),
    .data_o({sum_slot, sum_job, a_to_pool, sum_to, set_zero, set_odd})
  );
  assign a_to     = address(sum_slot, sum_to);
  assign a_to_any = a_to_pool ? pool_address(sum_job, sum_to[1:0]) : {1'b0, SideBits'(a_to)};

  assign flags_valid_o = a_we;
  assign flags_o = '{slot: sum_slot, set_zero: set_zero, set_odd: set_odd, zero: zero, odd: odd};
  assign multiplying_o = valid_q[1];

endmodule
