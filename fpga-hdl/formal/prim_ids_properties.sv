// prim_ids: no number is handed out again before it came back, and a number is there whenever one is not out.

module prim_ids_properties (
  input logic       clk_i,
  input logic       clear_i,
  input logic       take_i,
  input logic       back_i,
  input logic [1:0] back_id_i
);

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic       valid, take, back;
  logic [1:0] id;
  logic [3:0] out_q = '0;

  // The caller's side: only what is offered is taken, only what is out comes back.
  assign take = take_i && valid;
  assign back = back_i && out_q[back_id_i];

  prim_ids #(.Bits(2)) u_ids (
    .clk_i,
    .rst_ni(reset_q),
    .clear_i,
    .valid_o(valid),
    .take_i(take),
    .id_o(id),
    .back_i(back),
    .back_id_i
  );

  always_ff @(posedge clk_i) begin
    if (!reset_q || clear_i) begin
      out_q <= '0;
    end else begin
      if (back) out_q[back_id_i] <= 1'b0;
      if (take) out_q[id] <= 1'b1;
    end
  end

  // Where each number is, for the induction: never handed out, back in the queue, or out.
  logic [2:0] queued;
  logic [3:0][2:0] places;
  assign queued = u_ids.u_used.write_q - u_ids.u_used.read_q;
  always_comb begin
    places = '0;
    for (int unsigned id = 0; id < 4; id++) begin
      places[id] = 3'(out_q[id]) + 3'(3'(id) >= u_ids.fresh_q);
      for (int unsigned k = 0; k < 4; k++) begin
        if (3'(k) < queued && u_ids.u_used.mem[2'(u_ids.u_used.read_q + 3'(k))] == 2'(id)) places[id]++;
      end
    end
  end

  always_comb begin
    if (reset_q) begin
      assert (queued <= 3'd4 && u_ids.fresh_q <= 3'd4);
      for (int unsigned id = 0; id < 4; id++) assert (places[id] == 3'd1);
      if (valid) assert (!out_q[id]);
      assert (valid == (out_q != '1));
    end
  end

endmodule
