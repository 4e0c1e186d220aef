// The product of a scalar and a number of half size, modulo the group order.
//
// The sum stays in [-l, l): doubled, it moves by l towards zero; a set bit adds the scalar, or the scalar less l when the sum is not
// negative. So one adder does both.
//
// Latency: 2 * HalfCofactorBits + 2 cycles. Rate: one in latency + 1 cycles. Stall: the result is held until it is taken.
// Input range: any number, a scalar below the group order. Output range: [0, l).

module sc25519_mul
  import sc25519_pkg::*;
(
  input  logic  clk_i,
  input  logic  rst_ni,
  input  logic  clear_i,

  input  logic  valid_i,
  output logic  ready_o,
  input  half_t number_i,
  input  sc_t   scalar_i,

  output logic  valid_o,
  input  logic  ready_i,
  output sc_t   product_o
);

  typedef logic [ScBits:0] signed_t;  // two's complement
  localparam signed_t Order = {1'b0, GroupOrder};

  typedef enum logic [2:0] {
    StIdle,
    StLess,   // the scalar less l
    StDouble,
    StAdd,
    StLast,   // l more for a negative sum
    StDone
  } state_e;
  state_e state_q;

  signed_t    sum_q, scalar_q, less_q;
  half_t      rest_q;
  logic [7:0] left_q;

  // ---- The adder.

  logic    negative;
  signed_t augend, addend, total;
  assign negative = sum_q[ScBits];
  assign augend   = (state_q == StDouble) ? sum_q << 1 : sum_q;
  always_comb begin
    unique case (state_q)
      StLess:   addend = -Order;
      StDouble: addend = negative ? Order : -Order;
      StAdd:    addend = !rest_q[HalfCofactorBits-1] ? '0 : negative ? scalar_q : less_q;
      default:  addend = negative ? Order : '0;
    endcase
  end
  assign total = augend + addend;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else if (clear_i) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:   if (valid_i) state_q <= StLess;
        StLess:   state_q <= StDouble;
        StDouble: state_q <= StAdd;
        StAdd:    state_q <= (left_q == 8'd1) ? StLast : StDouble;
        StLast:   state_q <= StDone;
        default:  if (ready_i) state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      StIdle: begin
        sum_q    <= {1'b0, scalar_i};
        scalar_q <= {1'b0, scalar_i};
        rest_q   <= number_i;
        left_q   <= 8'(HalfCofactorBits);
      end
      StLess: begin
        less_q <= total;
        sum_q  <= '0;
      end
      StAdd: begin
        sum_q  <= total;
        rest_q <= rest_q << 1;
        left_q <= left_q - 1'b1;
      end
      StDouble, StLast: sum_q <= total;
      default: ;
    endcase
  end

  assign ready_o   = state_q == StIdle;
  assign valid_o   = state_q == StDone;
  assign product_o = sum_q[ScBits-1:0];

endmodule
