// prim_arbiter: grants a request if there is one, and each one that waits within as many used grants as there are requests.

module prim_arbiter_properties (
  input logic       clk_i,
  input logic [2:0] request_i,
  input logic       used_i
);

  localparam int unsigned Requests = 3;

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic       valid;
  logic [1:0] grant;
  prim_arbiter #(.Requests(Requests)) u_arbiter (
    .clk_i,
    .rst_ni(reset_q),
    .request_i,
    .used_i,
    .valid_o(valid),
    .grant_o(grant)
  );

  // Used grants that others got since request 1 began to wait.
  logic [2:0] passed_q = '0;
  always_ff @(posedge clk_i) begin
    if (!reset_q || !request_i[1] || (used_i && valid && grant == 2'd1)) passed_q <= '0;
    else if (used_i && valid)                                           passed_q <= passed_q + 1'b1;
  end

  always_comb begin
    if (reset_q) begin
      assert (valid == (request_i != '0));
      if (valid) assert (grant < 2'(Requests) && request_i[grant]);
      assert (passed_q < 3'(Requests));
    end
  end

endmodule
