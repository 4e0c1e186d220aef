// device_dispatch, the queue's pointers: every slot is taken once, in order, and is free again only after its unit ended it.

module device_dispatch_properties (
  input logic        clk_i,
  input logic        enable_i,
  input logic        ring_i,
  input logic [15:0] ring_tail_i,
  input logic        room_i,
  input logic        tag_valid_i,
  input logic [1:0]  idle_i,
  input logic [1:0]  end_i
);

  localparam int unsigned WindowBits = 2;
  localparam int unsigned Window = 4;
  localparam int unsigned Slots = 8;  // of the queue

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic [15:0] tail_q = '0;
  logic [15:0] next, taken, head;
  logic        tag_take;
  logic [1:0]  take;

  // The units: each works on one slot.
  logic [1:0]  busy_q = '0;
  logic [15:0] slot_q [2];
  logic [1:0]  ended;
  assign ended = busy_q & end_i;

  device_dispatch #(.Fetchers(2), .WindowBits(WindowBits)) u_dispatch (
    .clk_i,
    .rst_ni(reset_q),
    .enable_i,
    .tail_i(tail_q),
    .next_o(next),
    .taken_o(taken),
    .head_o(head),
    .room_i,
    .tag_valid_i,
    .tag_take_o(tag_take),
    .idle_i(idle_i & ~busy_q),
    .take_o(take),
    .ended_i(ended),
    .ended_slot_i(slot_q)
  );

  always_ff @(posedge clk_i) begin
    if (reset_q) begin
      // The doorbell as device_registers lets it through.
      if (ring_i && ring_tail_i - head <= 16'(Slots) && ring_tail_i - head >= taken - head) tail_q <= ring_tail_i;
      for (int unsigned f = 0; f < 2; f++) begin
        if (ended[f]) busy_q[f] <= 1'b0;
        if (take[f]) begin
          busy_q[f] <= 1'b1;
          slot_q[f] <= next;
        end
      end
    end
  end

  // How often slot `head + k` of the window is with a unit or done.
  logic [Window-1:0][1:0] known;
  always_comb begin
    for (int unsigned k = 0; k < Window; k++) begin
      known[k] = 2'(u_dispatch.done_q[2'(head + 16'(k))]);
      for (int unsigned f = 0; f < 2; f++) if (busy_q[f] && slot_q[f] == head + 16'(k)) known[k]++;
    end
  end

  always_comb begin
    if (reset_q) begin
      assert (next - head <= 16'(Window));
      assert (next - head <= tail_q - head && tail_q - head <= 16'(Slots));
      // A taken slot is there, was not taken before, and goes to one unit, which is idle.
      assert (tag_take == (take != '0) && take != 2'b11 && (take & busy_q) == '0);
      if (tag_take) assert (next != tail_q && enable_i && room_i && tag_valid_i);
      // A slot between head and next is with one unit or done, others are not: none is lost, none is free too early.
      for (int unsigned k = 0; k < Window; k++) assert (known[k] == 2'(16'(k) < next - head));
      for (int unsigned f = 0; f < 2; f++) if (busy_q[f]) assert (slot_q[f] - head < next - head);
    end
  end

endmodule
