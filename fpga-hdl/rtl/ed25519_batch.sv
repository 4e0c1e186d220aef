// The jobs that have left their contexts and wait for an inversion, which up to `Size` of them share (Montgomery's trick).
//
// One batch runs at a time, in the context that started it. It takes the oldest members, counts up through them (prefix
// products), and down again (results). Latency: a joined job counts one cycle later; `member_o` is that of `at_o` two cycles after a
// step. Rate: one join and one step in a cycle. Stall: none, there is a place for every job.

module ed25519_batch
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned Size = 16
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       clear_i,

  input  logic       end_i,    // a job ended without joining
  input  logic       join_i,
  input  member_t    member_i,

  output logic       some_o,   // a batch can start: no other runs
  output logic       due_o,    // and would be full, or its oldest member has seen as many ends
  input  logic       start_i,
  input  logic       up_i,
  input  logic       down_i,   // at the first member: the batch ends
  output logic       first_o,
  output logic       last_o,
  output member_at_t at_o,
  output member_t    member_o
);

  if (Size < 1 || Size > 2 ** MemberBits) begin : gen_bad_size
    $error("ed25519_batch: Size is 1 to 16");
  end

  // Free running: the difference is the number of members that wait or are in the batch.
  typedef logic [JobBits:0] count_t;
  count_t     write_q, read_q, count;
  logic       running_q;
  member_at_t at_q, top_q;  // the highest member of the batch

  count_t     ends_q;         // of jobs without a batch, since there is a member that waits; at most Size

  assign count   = write_q - read_q;
  assign some_o  = !running_q && count != '0;
  assign due_o   = !running_q && (count >= count_t'(Size) || count != '0 && ends_q == count_t'(Size));
  assign first_o = at_q == '0;
  assign last_o  = at_q == top_q;
  assign at_o    = at_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {write_q, read_q} <= '0;
      running_q         <= 1'b0;
    end else if (clear_i) begin
      {write_q, read_q} <= '0;
      running_q         <= 1'b0;
    end else begin
      if (join_i) write_q <= write_q + 1'b1;
      if (start_i) begin
        running_q <= 1'b1;
      end else if (down_i && first_o) begin
        running_q <= 1'b0;
        read_q    <= read_q + count_t'(top_q) + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i || (!running_q && count == '0)) ends_q <= '0;
    else if (end_i && ends_q != count_t'(Size)) ends_q <= ends_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      at_q  <= '0;
      top_q <= (count >= count_t'(Size)) ? member_at_t'(Size - 1) : member_at_t'(count - 1'b1);
    end else if (up_i) begin
      at_q <= at_q + 1'b1;
    end else if (down_i) begin
      at_q <= at_q - 1'b1;
    end
  end

  member_t members_q [Jobs];
  member_t member_q;
  always_ff @(posedge clk_i) begin
    if (join_i) members_q[write_q[JobBits-1:0]] <= member_i;
    member_q <= members_q[read_q[JobBits-1:0] + JobBits'(at_q)];
  end
  assign member_o = member_q;

endmodule
