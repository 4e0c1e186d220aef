// Holds a value back by a number of cycles. Nothing is reset.

module prim_delay #(
  parameter int unsigned Width = 1,
  parameter int unsigned Cycles = 1
) (
  input  logic             clk_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  logic [Cycles-1:0][Width-1:0] data_q;

  if (Cycles == 1) begin : gen_one
    always_ff @(posedge clk_i) data_q[0] <= data_i;
  end else begin : gen_more
    always_ff @(posedge clk_i) data_q <= {data_q[Cycles-2:0], data_i};
  end

  assign data_o = data_q[Cycles-1];

endmodule
