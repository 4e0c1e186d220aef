// A SHA-512 digest, taken as a number of 512 bits, modulo the group order (RFC 8032 section 5.1.7).
//
// Latency: 261 cycles. Rate: one in 262 cycles. Stall: the result is held until it is taken.
// Input range: any number of 512 bits. Output range: [0, l).

module sc25519_reduce
  import sc25519_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,

  input  logic         valid_i,
  output logic         ready_o,
  input  logic [511:0] wide_i,

  output logic         valid_o,
  input  logic         ready_i,
  output sc_t          scalar_o
);

  // The highest 252 bits are below the order as they are; every other bit is one step.
  localparam int unsigned Steps = 512 - (ScBits - 1);

  logic [Steps-1:0] rest_q;
  sc_t              sum_q;
  logic [8:0]       left_q;
  logic             busy_q;

  assign ready_o  = !busy_q;
  assign valid_o  = busy_q && left_q == '0;
  assign scalar_o = sum_q;

  logic [ScBits:0] doubled, less;
  assign doubled = {sum_q, rest_q[Steps-1]};
  assign less    = doubled - {1'b0, GroupOrder};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      left_q <= '0;
    end else if (clear_i) begin
      busy_q <= 1'b0;
      left_q <= '0;
    end else if (!busy_q) begin
      busy_q <= valid_i;
      left_q <= 9'(Steps);
    end else if (left_q != '0) begin
      left_q <= left_q - 1'b1;
    end else if (ready_i) begin
      busy_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!busy_q) begin
      sum_q  <= {1'b0, wide_i[511:Steps]};
      rest_q <= wide_i[Steps-1:0];
    end else if (left_q != '0) begin
      sum_q  <= less[ScBits] ? doubled[ScBits-1:0] : less[ScBits-1:0];
      rest_q <= rest_q << 1;
    end
  end

endmodule
