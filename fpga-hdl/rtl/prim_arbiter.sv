// Grants one of the requests, fairly: a request is granted after at most Requests - 1 others.
//
// Latency: none. Rate: one grant in a cycle. Stall: the grant moves on only when it was used.

module prim_arbiter #(
  parameter int unsigned Requests = 2,
  localparam int unsigned Bits = (Requests == 1) ? 1 : $clog2(Requests)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [Requests-1:0] request_i,
  input  logic                used_i,    // the grant was used in this cycle
  output logic                valid_o,
  output logic [Bits-1:0]     grant_o
);

  logic [Bits-1:0] first_q;  // who comes first now

  // The highest of two candidates in this order: the lowest request, then the lowest from `first_q` on.
  always_comb begin
    grant_o = '0;
    for (int unsigned k = Requests; k > 0; k--) if (request_i[k-1]) grant_o = Bits'(k - 1);
    for (int unsigned k = Requests; k > 0; k--) begin
      if (request_i[k-1] && Bits'(k - 1) >= first_q) grant_o = Bits'(k - 1);
    end
  end
  assign valid_o = request_i != '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)                first_q <= '0;
    else if (valid_o && used_i) first_q <= (grant_o == Bits'(Requests - 1)) ? '0 : grant_o + 1'b1;
  end

endmodule
