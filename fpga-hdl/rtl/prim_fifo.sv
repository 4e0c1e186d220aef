// A queue of `Depth` entries.
//
// Latency: one cycle from the write to `valid_o`. Rate: one in and one out in a cycle. Stall: both sides by ready and valid;
// an offered entry stays until it is taken.

module prim_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 32,
  localparam int unsigned AddrBits = $clog2(Depth)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             clear_i,

  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,

  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  if (Depth < 2 || Depth != 2 ** AddrBits) begin : gen_bad_depth
    $error("prim_fifo: Depth is a power of two, at least 2");
  end

  // Free running, so that equal is empty and a difference of Depth is full.
  logic [AddrBits:0] write_q, read_q;
  logic [Width-1:0]  mem [Depth];

  assign ready_o = (write_q - read_q) != (AddrBits + 1)'(Depth);
  assign valid_o = write_q != read_q;
  assign data_o  = mem[read_q[AddrBits-1:0]];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {write_q, read_q} <= '0;
    end else if (clear_i) begin
      {write_q, read_q} <= '0;
    end else begin
      if (valid_i && ready_o) write_q <= write_q + 1'b1;
      if (valid_o && ready_i) read_q <= read_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) if (valid_i && ready_o) mem[write_q[AddrBits-1:0]] <= data_i;

endmodule
