// A memory with one write and one read port, for block RAM.
//
// Latency: the word of `raddr_i` stands at `rdata_o` two cycles later; a word is readable from the cycle after its write.
// Rate: one read and one write in a cycle; a read of the address being written gives either word. Stall: none.

module prim_ram_1r1w #(
  parameter int unsigned Width = 255,
  parameter int unsigned Depth = 512,
  localparam int unsigned AddrBits = $clog2(Depth)
) (
  input  logic                clk_i,
  input  logic                we_i,
  input  logic [AddrBits-1:0] waddr_i,
  input  logic [Width-1:0]    wdata_i,
  input  logic [AddrBits-1:0] raddr_i,
  output logic [Width-1:0]    rdata_o
);

  logic [Width-1:0] mem [Depth];
  logic [Width-1:0] read_q, rdata_q;

  always_ff @(posedge clk_i) begin
    if (we_i) mem[waddr_i] <= wdata_i;
    read_q  <= mem[raddr_i];
    rdata_q <= read_q;
  end

  assign rdata_o = rdata_q;

endmodule
