// The datapath of fe25519_mul for synthesis: RowsParallel rows of 15 DSP multipliers.
//
// Latency, rate and ranges: see fe25519_mul. Operands are taken at `valid_i`, need not stay.
//
// Row i multiplies 24 bits of a by b * 2^(24 i) mod p, cut into 15 limbs of 17 bits. So limb j of every row has the same
// weight 2^(17 j), and a column of rows is summed by the DSPs' own cascade or accumulator.

module fe25519_mul_tiles
  import fe25519_pkg::*;
#(
  parameter int unsigned RowsParallel = 11
) (
  input  logic clk_i,
  input  logic rst_ni,

  input  logic valid_i,
  input  fe_t  a_i,
  input  fe_t  b_i,

  output fe_t  r_o
);

  localparam int unsigned Interval = mul_interval(RowsParallel);
  localparam int unsigned RowsPadded = Interval * RowsParallel;
  localparam int unsigned Chain = (Interval == 1) ? ChainRows : 1;
  localparam int unsigned Chains = (RowsParallel + Chain - 1) / Chain;
  localparam int unsigned LastSum = (Interval == 1) ? Chain - 1 : Interval - 1;
  localparam int unsigned StepBits = (Interval == 1) ? 1 : $clog2(Interval);

  typedef logic [StepBits-1:0] step_t;

  // ---- Stages 1 and 2: operands, and 19 b.

  fe_t a1_q, b1_q, a2_q, b2_q;
  logic [259:0] b19_q;
  logic valid1_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid1_q <= 1'b0;
    else         valid1_q <= valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      a1_q <= a_i;
      b1_q <= b_i;
    end
    if (valid1_q) begin
      a2_q  <= a1_q;
      b2_q  <= b1_q;
      b19_q <= 260'(b1_q) + {4'd0, b1_q, 1'b0} + {1'b0, b1_q, 4'd0};
    end
  end

  step_t step_q;
  if (Interval == 1) begin : gen_single_step
    assign step_q = 1'b0;
  end else begin : gen_steps
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni)                                step_q <= '0;
      else if (valid1_q)                          step_q <= '0;
      else if (step_q != step_t'(Interval - 1))   step_q <= step_q + 1'b1;
    end
  end

  // ---- The rows of b.

  logic [Limbs-1:0][LimbBits:0] limb [RowsPadded];  // signed: the lowest one of a row may be negative
  logic [RowBits-1:0]           digit [RowsPadded];
  logic [Limbs-1:0][RowBits+4:0] carry_in;           // what is left over from building the rows, by column
  logic [Rows-1:0][RowBits+4:0]  carry_of_row;

  // Column into which row i carries; 15 stands for 2^255 = 19 times column 0.
  function automatic int unsigned carry_column(int unsigned i);
    return (RowBits * i + 4) / LimbBits + 1;
  endfunction

  for (genvar i = 0; i < int'(RowsPadded); i++) begin : gen_row
    if (i < int'(Rows)) begin : gen_digit
      localparam int unsigned Low = RowBits * i;
      localparam int unsigned Width = (Low + RowBits > FeBits) ? FeBits - Low : RowBits;
      assign digit[i] = RowBits'(a2_q[Low+:Width]);
    end else begin : gen_no_digit
      assign digit[i] = '0;
    end

    if (i == 0) begin : gen_plain
      for (genvar j = 0; j < int'(Limbs); j++) begin : gen_limb
        assign limb[i][j] = {1'b0, b2_q[LimbBits*j+:LimbBits]};
      end
      assign carry_of_row[i] = '0;
    end else if (i < int'(Rows)) begin : gen_rotated
      localparam int unsigned Shift = RowBits * i;      // bits that wrapped around
      localparam int unsigned Cut = FeBits - Shift;     // where b is cut
      localparam int unsigned First = Shift / LimbBits; // first limb with a bit of b itself
      localparam int unsigned Carry = carry_column(i);
      localparam int unsigned SumBits = LimbBits * (Carry - First);

      // 19 (b >> Cut) = (19 b >> Cut) - excess, where excess < 19 is found from five bits of each.
      logic [Shift+4:0]   wrapped;
      logic [4:0]         excess;
      logic [FeBits-1:0]  direct;
      logic [SumBits:0]   sum;
      assign wrapped = b19_q[259:Cut];
      assign excess  = b19_q[Cut+:5] - 5'd19 * b2_q[Cut+:5];
      assign direct  = {b2_q[Cut-1:0], {Shift{1'b0}}};
      logic unused_direct;
      assign unused_direct = ^direct;
      assign sum     = (SumBits + 1)'(direct[LimbBits*First+:SumBits])
                     + (SumBits + 1)'(wrapped[Shift+4:LimbBits*First]);

      for (genvar j = 0; j < int'(Limbs); j++) begin : gen_limb
        if (j == 0) begin : gen_lowest
          assign limb[i][j] = {1'b0, wrapped[LimbBits-1:0]} - 18'(excess);
        end else if (j < int'(First)) begin : gen_wrapped
          assign limb[i][j] = {1'b0, wrapped[LimbBits*j+:LimbBits]};
        end else if (j < int'(Carry)) begin : gen_both
          assign limb[i][j] = {1'b0, sum[LimbBits*(j-First)+:LimbBits]};
        end else begin : gen_direct
          assign limb[i][j] = {1'b0, direct[LimbBits*j+:LimbBits]};
        end
      end

      if (Carry == Limbs) begin : gen_carry_around
        assign carry_of_row[i] = sum[SumBits] ? 29'd19 * 29'(digit[i]) : '0;
      end else begin : gen_carry
        assign carry_of_row[i] = sum[SumBits] ? 29'(digit[i]) : '0;
      end
    end else begin : gen_empty
      assign limb[i] = '0;
    end
  end

  // The rows carry into different columns, so that a column takes at most one carry.
  always_comb begin
    carry_in = '0;
    for (int unsigned i = 1; i < Rows; i++) carry_in[carry_column(i) % Limbs] |= carry_of_row[i];
  end

  // ---- Stages 3 to 4 + Chain (or Interval): the DSPs.

  logic signed [47:0] column [Chains][Limbs];

  // The first step when it stands in front of the accumulators, and what they then start from.
  logic first3_q, first4_q;
  logic [Limbs-1:0][RowBits+4:0] carry3_q, carry4_q;
  always_ff @(posedge clk_i) begin
    first3_q <= step_q == '0;
    first4_q <= first3_q;
    carry3_q <= carry_in;
    carry4_q <= carry3_q;
  end
  logic unused_first;
  assign unused_first = first4_q;

  for (genvar r = 0; r < int'(RowsParallel); r++) begin : gen_dsp_row
    localparam int unsigned Position = r % Chain;

    logic [RowBits-1:0]           digit_now;
    logic [Limbs-1:0][LimbBits:0] limb_now;
    always_comb begin
      digit_now = '0;
      limb_now  = '0;
      for (int unsigned s = 0; s < Interval; s++) begin
        if (step_q == step_t'(s)) begin
          digit_now = digit[s*RowsParallel+r];
          limb_now  = limb[s*RowsParallel+r];
        end
      end
    end

    // A row further down its cascade starts as many cycles later.
    logic [RowBits-1:0]           digit_late [Position+1];
    logic [Limbs-1:0][LimbBits:0] limb_late [Position+1];
    always_ff @(posedge clk_i) begin
      digit_late[0] <= digit_now;
      limb_late[0]  <= limb_now;
      for (int unsigned k = 1; k <= Position; k++) begin
        digit_late[k] <= digit_late[k-1];
        limb_late[k]  <= limb_late[k-1];
      end
    end

    for (genvar j = 0; j < int'(Limbs); j++) begin : gen_dsp
      logic signed [42:0] m_q;
      logic signed [47:0] p_q;
      logic signed [47:0] addend;
      if (Position != 0) begin : gen_cascade
        assign addend = gen_dsp_row[r-1].gen_dsp[j].p_q;
      end else if (Interval == 1) begin : gen_head
        assign addend = (r == 0) ? 48'(carry4_q[j]) : '0;
      end else begin : gen_accumulate
        assign addend = !first4_q ? p_q : (r == 0) ? 48'(carry4_q[j]) : '0;
      end
      always_ff @(posedge clk_i) begin
        m_q <= $signed({1'b0, digit_late[Position]}) * $signed(limb_late[Position][j]);
        p_q <= 48'(m_q) + addend;
      end
      if (r % Chain == Chain - 1 || r == int'(RowsParallel) - 1) begin : gen_tail
        if (Interval == 1) begin : gen_align
          // A short cascade waits for the long ones.
          localparam int unsigned Wait = LastSum - Position;
          if (Wait == 0) begin : gen_now
            assign column[r/Chain][j] = p_q;
          end else begin : gen_wait
            logic signed [47:0] wait_q [Wait];
            always_ff @(posedge clk_i) begin
              wait_q[0] <= p_q;
              for (int unsigned k = 1; k < Wait; k++) wait_q[k] <= wait_q[k-1];
            end
            assign column[r/Chain][j] = wait_q[Wait-1];
          end
        end else begin : gen_done
          assign column[r/Chain][j] = p_q;
        end
      end
    end
  end

  // ---- The sum of the chains. A multiple of p keeps column 0 from being negative: 2^15 p, with 2^33 moved down to it.

  localparam logic [269:0] BiasTotal = {FieldPrime, 15'd0} - 270'(34'h2_0000_0000);

  logic [45:0] total_q [Limbs];
  for (genvar j = 0; j < int'(Limbs); j++) begin : gen_total
    localparam logic [45:0] Bias = (j == int'(Limbs) - 1) ? 46'(BiasTotal[269:LimbBits*j]) :
                                   (j == 0) ? 46'(BiasTotal[LimbBits-1:0]) + 46'h2_0000_0000 :
                                   46'(BiasTotal[LimbBits*j+:LimbBits]);
    logic signed [47:0] sum;
    always_comb begin
      sum = 48'(Bias);
      for (int unsigned c = 0; c < Chains; c++) sum = sum + column[c][j];
    end
    always_ff @(posedge clk_i) total_q[j] <= sum[45:0];
  end

  // ---- Columns overlap: three numbers without overlap, and 19 times what is above 2^255.

  fe_t low, middle, high;
  logic [29:0] above;
  always_comb begin
    low    = '0;
    middle = '0;
    high   = '0;
    for (int unsigned j = 0; j < Limbs; j++) low[LimbBits*j+:LimbBits] = total_q[j][LimbBits-1:0];
    for (int unsigned j = 0; j + 1 < Limbs; j++) middle[LimbBits*(j+1)+:LimbBits] = total_q[j][2*LimbBits-1:LimbBits];
    for (int unsigned j = 0; j + 2 < Limbs; j++) high[LimbBits*(j+2)+:12] = total_q[j][45:2*LimbBits];
  end
  assign above = 30'(total_q[Limbs-1][45:LimbBits]) + 30'(total_q[Limbs-2][45:2*LimbBits]);

  fe_t           save_q;
  logic [255:0]  carry_q;
  logic [34:0]   fold_q;
  always_ff @(posedge clk_i) begin
    save_q  <= low ^ middle ^ high;
    carry_q <= {(low & middle) | (low & high) | (middle & high), 1'b0};
    fold_q  <= 35'd19 * 35'(above);
  end

  // ---- One addition in two halves, then the last fold, which also takes p off.

  localparam int unsigned Half = 128;

  logic [Half+1:0]        sum_low_q;
  logic [FeBits-Half-1:0] save_high_q;
  logic [255-Half:0]      carry_high_q;
  logic [FeBits+1:0]      sum_q;
  always_ff @(posedge clk_i) begin
    sum_low_q    <= (Half + 2)'(save_q[Half-1:0]) + (Half + 2)'(carry_q[Half-1:0]) + (Half + 2)'(fold_q);
    save_high_q  <= save_q[FeBits-1:Half];
    carry_high_q <= carry_q[255:Half];
    sum_q[Half-1:0] <= sum_low_q[Half-1:0];
    sum_q[FeBits+1:Half] <= 129'(save_high_q) + 129'(carry_high_q) + 129'(sum_low_q[Half+1:Half]);
  end

  logic [6:0]   overflow19;
  logic [255:0] kept, reduced;
  assign overflow19 = 7'd19 * 7'(sum_q[FeBits+1:FeBits]);
  assign kept       = 256'(sum_q[FeBits-1:0]) + 256'(overflow19);
  assign reduced    = 256'(sum_q[FeBits-1:0]) + 256'(overflow19) + 256'd19;

  always_ff @(posedge clk_i) r_o <= reduced[255] ? reduced[254:0] : kept[254:0];

  // Bits that no row looks at: 19 b below the last cut, and the sum where a carry is impossible.
  logic unused_bits;
  assign unused_bits = ^{b19_q[14:0], kept[255]};

endmodule
