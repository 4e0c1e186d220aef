// prim_arbiter: grants a request if there is one, and each one that waits within as many used grants as there are requests.

module prim_arbiter_properties (
  input logic       clk_i,
  input logic [4:0] request_i,
  input logic       used_i
);

  localparam int unsigned Requests = 5;

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic       valid;
  logic [2:0] grant;
  prim_arbiter #(.Requests(Requests)) u_arbiter (
    .clk_i,
    .rst_ni(reset_q),
    .request_i,
    .used_i,
    .valid_o(valid),
    .grant_o(grant)
  );

  // Any one of them, always the same.
  logic [2:0] who_q;
  always_ff @(posedge clk_i) who_q <= who_q;

  // Used grants that others got since `who_q` began to wait.
  logic [3:0] passed_q = '0;
  always_ff @(posedge clk_i) begin
    if (!reset_q || !request_i[who_q] || (used_i && valid && grant == who_q)) passed_q <= '0;
    else if (used_i && valid)                                               passed_q <= passed_q + 1'b1;
  end

  // Those that may still come first.
  logic [3:0] ahead;
  assign ahead = (who_q >= u_arbiter.first_q) ? 4'(who_q) - 4'(u_arbiter.first_q)
                : 4'(who_q) + 4'(Requests) - 4'(u_arbiter.first_q);

  always_comb begin
    if (reset_q && who_q < 3'(Requests)) begin
      assert (valid == (request_i != '0));
      if (valid) assert (grant < 3'(Requests) && request_i[grant]);
      assert (passed_q < 4'(Requests));
      // For the induction.
      assert (u_arbiter.first_q < 3'(Requests));
      assert (passed_q + ahead < 4'(Requests));
    end
  end

endmodule
