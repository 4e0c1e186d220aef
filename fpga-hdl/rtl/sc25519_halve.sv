// A scalar as a quotient of two numbers of half its size: u = ±v h mod 8 l with u >= 0 and v > 0 odd (DESIGN.md, half-size scalars).
//
// Euclid's algorithm on 8 l and h, quotients by shift and subtraction; it stops when the remainder is below 2^HalfBits. Then the
// cofactor is at most 2^128, and odd in two of three cases. Otherwise the remainder before has an odd cofactor: it is taken when
// it is hardly longer, or when the next cofactor would not fit; else one more division makes the cofactor odd.
//
// Latency: at most 830 cycles (DESIGN.md), 408 in the mean. Rate: one in latency + 1 cycles. Stall: the result is held until it is
// taken. Input range: below the group order. Output range: u <= h, v < 2^HalfCofactorBits; both are below 2^(HalfBits + 4) for
// nearly all scalars.

module sc25519_halve
  import sc25519_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,

  input  logic         valid_i,
  output logic         ready_o,
  input  logic         whole_i,     // u = h and v = 1 instead
  input  sc_t          scalar_i,

  output logic         valid_o,
  input  logic         ready_i,
  output sc_t          u_o,
  output half_t        v_o,
  output logic         v_negative_o
);

  // 8 l has 256 bits; the divisor is shifted until it exceeds the remainder.
  localparam int unsigned RemainderBits = ScBits + 3;
  typedef logic [RemainderBits:0] shifted_t;
  localparam shifted_t Modulus = shifted_t'({GroupOrder, 3'b000});

  typedef enum logic [1:0] {
    StIdle,
    StUp,   // the divisor moves up until it exceeds the dividend
    StDown, // and down again, taken off where it fits; then the two change places
    StDone
  } state_e;
  state_e state_q;

  // Dividend and divisor, and their cofactors; the divisor and its cofactor are shifted up by `shift_q`.
  shifted_t   dividend_q, divisor_q;
  half_t      cofactor0_q, cofactor1_q;
  logic       negative_q;  // the sign of the divisor's cofactor; the dividend's has the other one
  logic [7:0] shift_q;
  logic       whole_q;

  logic [RemainderBits+1:0] difference;
  logic  fits, aligned;
  half_t sum;
  assign difference = {1'b0, dividend_q} - {1'b0, divisor_q};
  assign fits       = !difference[RemainderBits+1];
  assign aligned    = shift_q == '0;
  assign sum        = cofactor0_q + cofactor1_q;

  // ---- When to stop: looked at before the divisor moves.

  logic short_enough, stop_divisor, stop_dividend;
  assign short_enough  = divisor_q[RemainderBits:HalfBits] == '0;
  assign stop_divisor  = aligned && (whole_q || short_enough && cofactor1_q[0]);
  // The cofactor of the next remainder is at most that of the divisor, shifted until it exceeds the dividend.
  assign stop_dividend = aligned && short_enough && dividend_q[RemainderBits:HalfBits+2] == '0
                         || fits && cofactor1_q[HalfCofactorBits-1];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else if (clear_i) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:  if (valid_i) state_q <= StDown;
        StUp:    if (stop_divisor || stop_dividend) state_q <= StDone;
                 else if (!fits) state_q <= StDown;
        StDown:  if (aligned) state_q <= StUp;
        default: if (ready_i) state_q <= StIdle;
      endcase
    end
  end

  // ---- Where the numbers go. The result becomes the divisor.

  typedef enum logic [1:0] {
    MoveUp,
    MoveDown,
    TakeDifference,
    TakeDividend
  } move_e;
  move_e move;
  logic  swap, moves;
  assign swap  = state_q == StDown && aligned;
  assign moves = state_q == StUp && !stop_divisor || state_q == StDown;
  always_comb begin
    if (swap)                                 move = fits ? TakeDifference : TakeDividend;
    else if (state_q == StUp && stop_dividend) move = TakeDividend;
    else                                      move = (state_q == StUp && fits) ? MoveUp : MoveDown;
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle) begin
      // As if h had been the dividend of the division before: it exchanges with 8 l.
      divisor_q   <= Modulus;
      cofactor1_q <= '0;
    end else if (moves) begin
      unique case (move)
        MoveUp: begin
          divisor_q   <= divisor_q << 1;
          cofactor1_q <= cofactor1_q << 1;
        end
        MoveDown: begin
          divisor_q   <= divisor_q >> 1;
          cofactor1_q <= cofactor1_q >> 1;
        end
        TakeDifference: begin
          divisor_q   <= difference[RemainderBits:0];
          cofactor1_q <= sum;
        end
        default: begin
          divisor_q   <= dividend_q;
          cofactor1_q <= cofactor0_q;
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle) begin
      cofactor0_q <= half_t'(1);
    end else if (state_q == StDown && (swap || fits)) begin
      cofactor0_q <= swap ? cofactor1_q : sum;
    end
    if (state_q == StIdle || state_q == StDown && (swap || fits)) begin
      unique case ({state_q == StIdle, swap})
        2'b10:   dividend_q <= shifted_t'(scalar_i);
        2'b01:   dividend_q <= divisor_q;
        default: dividend_q <= difference[RemainderBits:0];
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle) begin
      negative_q <= 1'b1;
      whole_q    <= whole_i;
      shift_q    <= '0;
    end else begin
      if (swap || state_q == StUp && stop_dividend && !stop_divisor) negative_q <= !negative_q;
      if (moves && move == MoveUp)   shift_q <= shift_q + 1'b1;
      if (moves && move == MoveDown) shift_q <= shift_q - 1'b1;
    end
  end

  assign ready_o      = state_q == StIdle;
  assign valid_o      = state_q == StDone;
  assign u_o          = divisor_q[ScBits-1:0];
  assign v_o          = cofactor1_q;
  assign v_negative_o = negative_q;

endmodule
