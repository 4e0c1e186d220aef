// AXI4-Lite (32 bits) in front of a plain bus of one write or one read at a time.
//
// Latency: a write is on the bus in the cycle in which address and data are both there; a read is answered ReadLatency + 1 cycles
// after its address. Rate: one transfer each way at a time. Stall: responses are held until they are taken. Input range: any address;
// a write of less than four bytes does nothing and is answered with SLVERR.

module device_axi #(
  parameter int unsigned AddrBits = 18,
  parameter int unsigned ReadLatency = 2
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic                awvalid_i,
  output logic                awready_o,
  input  logic [AddrBits-1:0] awaddr_i,
  input  logic                wvalid_i,
  output logic                wready_o,
  input  logic [31:0]         wdata_i,
  input  logic [3:0]          wstrb_i,
  output logic                bvalid_o,
  input  logic                bready_i,
  output logic [1:0]          bresp_o,
  input  logic                arvalid_i,
  output logic                arready_o,
  input  logic [AddrBits-1:0] araddr_i,
  output logic                rvalid_o,
  input  logic                rready_i,
  output logic [31:0]         rdata_o,
  output logic [1:0]          rresp_o,

  output logic                write_o,
  output logic [AddrBits-1:0] waddr_o,
  output logic [31:0]         wdata_o,
  output logic [AddrBits-1:0] raddr_o,  // held until the answer
  input  logic [31:0]         rdata_i
);

  localparam logic [1:0] RespOkay = 2'b00;
  localparam logic [1:0] RespSlaveError = 2'b10;

  // ---- Writes.

  logic bvalid_q, berror_q, both;
  assign both      = awvalid_i && wvalid_i && !bvalid_q;
  assign awready_o = both;
  assign wready_o  = both;
  assign write_o   = both && &wstrb_i;
  assign waddr_o   = awaddr_i;
  assign wdata_o   = wdata_i;
  assign bvalid_o  = bvalid_q;
  assign bresp_o   = berror_q ? RespSlaveError : RespOkay;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      bvalid_q <= 1'b0;
      berror_q <= 1'b0;
    end else if (both) begin
      bvalid_q <= 1'b1;
      berror_q <= !(&wstrb_i);
    end else if (bready_i) begin
      bvalid_q <= 1'b0;
    end
  end

  // ---- Reads: the address is held while the answer is on its way.

  localparam int unsigned WaitBits = $clog2(ReadLatency + 1);
  logic [AddrBits-1:0] raddr_q;
  logic [WaitBits-1:0] wait_q;
  logic                reading_q, rvalid_q;
  logic [31:0]         rdata_q;

  assign arready_o = !reading_q && !rvalid_q;
  assign raddr_o   = raddr_q;
  assign rvalid_o  = rvalid_q;
  assign rdata_o   = rdata_q;
  assign rresp_o   = RespOkay;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      reading_q <= 1'b0;
      rvalid_q  <= 1'b0;
      wait_q    <= '0;
    end else if (arvalid_i && arready_o) begin
      reading_q <= 1'b1;
      wait_q    <= WaitBits'(ReadLatency);
    end else if (reading_q) begin
      wait_q    <= wait_q - 1'b1;
      reading_q <= wait_q != '0;
      rvalid_q  <= wait_q == '0;
    end else if (rready_i) begin
      rvalid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (arvalid_i && arready_o) raddr_q <= araddr_i;
    if (reading_q)              rdata_q <= rdata_i;
  end

endmodule
