// Gives the slots of the queue, in order, to fetch units that are idle, each with a tag; and says which slots are free again.
//
// Latency: none. Rate: one slot in a cycle, and one slot freed. Stall: a slot waits for a fetch unit, a tag and the place of its
// completion; at most `Window` slots are open at once. Input range: a unit ends only slots that it was given, each once.

module device_dispatch
  import device_pkg::*;
#(
  parameter int unsigned Fetchers   = 1,
  parameter int unsigned WindowBits = 6,
  localparam int unsigned Window = 2 ** WindowBits,
  localparam int unsigned UnitBits = (Fetchers == 1) ? 1 : $clog2(Fetchers)
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic                enable_i,     // slots may be taken
  input  logic [15:0]         tail_i,       // slots that were filled, free running
  output logic [15:0]         next_o,       // slots that were taken
  output logic [15:0]         taken_o,      // the same, with the one that is taken in this cycle
  output logic [15:0]         head_o,       // slots that are free again
  input  logic                room_i,       // a completion has its place
  input  logic                tag_valid_i,
  output logic                tag_take_o,

  input  logic [Fetchers-1:0] idle_i,
  output logic [Fetchers-1:0] take_o,       // this unit takes slot `next_o` and the tag
  input  logic [Fetchers-1:0] ended_i,      // this unit does not need its slot any more
  input  logic [15:0]         ended_slot_i [Fetchers]
);

  // Invariant: head <= next <= tail as free-running numbers, next - head <= Window. A bit of `done_q` belongs to a slot in
  // [head, next) that has ended; all other bits are 0.
  logic [15:0]       next_q, head_q;
  logic [Window-1:0] done_q, done_d;
  logic              free;  // the oldest slot has ended

  logic                any;
  logic [UnitBits-1:0] unit;
  prim_arbiter #(.Requests(Fetchers)) u_units (
    .clk_i,
    .rst_ni,
    .request_i(idle_i),
    .used_i(tag_take_o),
    .valid_o(any),
    .grant_o(unit)
  );

  assign next_o     = next_q;
  assign taken_o    = next_q + 16'(tag_take_o);
  assign head_o     = head_q;
  assign tag_take_o = enable_i && next_q != tail_i && next_q - head_q != 16'(Window) && any && tag_valid_i && room_i;
  assign free       = done_q[head_q[WindowBits-1:0]];
  for (genvar f = 0; f < int'(Fetchers); f++) begin : gen_take
    assign take_o[f] = tag_take_o && unit == UnitBits'(f);
  end

  always_comb begin
    done_d = done_q;
    if (free) done_d[head_q[WindowBits-1:0]] = 1'b0;
    for (int unsigned f = 0; f < Fetchers; f++) begin
      if (ended_i[f]) done_d[ended_slot_i[f][WindowBits-1:0]] = 1'b1;
    end
  end

  logic unused_slot;
  always_comb begin
    unused_slot = 1'b0;
    for (int unsigned f = 0; f < Fetchers; f++) unused_slot ^= ^ended_slot_i[f][15:WindowBits];
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      next_q <= '0;
      head_q <= '0;
      done_q <= '0;
    end else begin
      next_q <= taken_o;
      head_q <= head_q + 16'(free);
      done_q <= done_d;
    end
  end

endmodule
