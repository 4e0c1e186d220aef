// The product of a scalar and a number of half size, modulo the group order.
//
// The sum stays in [-l, l). Three steps for a bit, highest first: twice the sum and l towards zero; the scalar, if the bit is set; l
// less, if that is not negative. So there is one adder, with l, -l, the scalar or 0 at its second input.
//
// Latency: 3 * HalfCofactorBits + 2 cycles. Rate: one in latency + 1 cycles. Stall: the result is held until it is taken.
// Input range: any number, a scalar below the group order. Output range: [0, l).

module sc25519_mul
  import sc25519_pkg::*;
(
  input  logic  clk_i,
  input  logic  rst_ni,
  input  logic  clear_i,

  input  logic  valid_i,
  output logic  ready_o,
  input  logic  one_i,      // the number is 1: done after 5 cycles
  input  half_t number_i,
  input  sc_t   scalar_i,

  output logic  valid_o,
  input  logic  ready_i,
  output sc_t   product_o
);

  typedef logic [ScBits+1:0] signed_t;  // two's complement, [-2 l, 2 l)
  localparam signed_t Order = {2'b00, GroupOrder};

  typedef enum logic [2:0] {
    StIdle,
    StDouble,
    StAdd,
    StLess,
    StLast,   // l more for a negative sum
    StDone
  } state_e;
  state_e state_q;

  signed_t    sum_q;
  sc_t        scalar_q;
  half_t      rest_q;
  logic [7:0] left_q;

  // ---- The adder.

  typedef enum logic [1:0] {
    AddNothing,
    AddOrder,
    SubOrder,
    AddScalar
  } addend_e;
  addend_e addend;
  logic    negative;
  assign negative = sum_q[ScBits+1];
  always_comb begin
    unique case (state_q)
      StDouble: addend = negative ? AddOrder : SubOrder;
      StAdd:    addend = rest_q[HalfCofactorBits-1] ? AddScalar : AddNothing;
      StLess:   addend = negative ? AddNothing : SubOrder;
      default:  addend = negative ? AddOrder : AddNothing;
    endcase
  end

  signed_t augend, number, total;
  assign augend = (state_q == StDouble) ? sum_q << 1 : sum_q;
  always_comb begin
    unique case (addend)
      AddOrder:  number = Order;
      SubOrder:  number = -Order;
      AddScalar: number = {2'b00, scalar_q};
      default:   number = '0;
    endcase
  end
  assign total = augend + number;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else if (clear_i) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:   if (valid_i) state_q <= StDouble;
        StDouble: state_q <= StAdd;
        StAdd:    state_q <= StLess;
        StLess:   state_q <= (left_q == 8'd1) ? StLast : StDouble;
        StLast:   state_q <= StDone;
        default:  if (ready_i) state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle)      sum_q <= '0;
    else if (state_q != StDone) sum_q <= total;
    if (state_q == StIdle) begin
      scalar_q <= scalar_i;
      rest_q   <= {number_i[HalfCofactorBits-1] || one_i, number_i[HalfCofactorBits-2:0]};
      left_q   <= one_i ? 8'd1 : 8'(HalfCofactorBits);
    end else if (state_q == StLess) begin
      rest_q <= rest_q << 1;
      left_q <= left_q - 1'b1;
    end
  end

  assign ready_o   = state_q == StIdle;
  assign valid_o   = state_q == StDone;
  assign product_o = sum_q[ScBits-1:0];

endmodule
