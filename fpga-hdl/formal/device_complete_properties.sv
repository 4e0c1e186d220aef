// device_complete: every request that was taken has exactly one completion, with its own cookie, in a place that the host has consumed.
//
// With 4 tags instead of 128: `run` writes the package for that.

module device_complete_properties
  import device_pkg::*;
(
  input logic        clk_i,
  input logic        abort_i,
  input logic [31:0] watchdog_i,
  input logic        take_i,
  input logic        begin_i,
  input tag_t        begin_tag_i,
  input logic        result_i,
  input result_t     result_of_i,
  input logic        ready_i,
  input logic        consume_i
);

  localparam int unsigned Tags = 2 ** TagBits;
  localparam int unsigned Places = 4;

  logic reset_q = 1'b0;
  always_ff @(posedge clk_i) reset_q <= 1'b1;

  logic        clear, tag_valid, room, busy, valid, take, begins, done;
  logic        unused_watchdog, unused_result, unused_ended, unused_hot;
  tag_t        tag, done_tag;
  logic [15:0] index, consumed_q = '0;
  logic [63:0] cookie;
  completion_t completion;
  verdict_e    unused_verdict;
  logic [15:0] unused_written;

  // The requests: taken, and begun as their cookie is known. A cookie ends in its tag.
  logic [Tags-1:0] open_q = '0;
  logic [Tags-1:0] begun_q = '0;
  assign take     = take_i && tag_valid && room && !clear;
  assign begins   = begin_i && open_q[begin_tag_i] && !begun_q[begin_tag_i];
  assign done     = valid && ready_i;
  assign done_tag = cookie[TagBits-1:0];

  device_complete u_complete (
    .clk_i,
    .rst_ni(reset_q),
    .abort_i,
    .watchdog_i,
    .watchdog_o(unused_watchdog),
    .clear_o(clear),
    .tag_valid_o(tag_valid),
    .tag_take_i(take),
    .tag_o(tag),
    .room_o(room),
    .busy_o(busy),
    .begin_valid_i(begins),
    .begin_tag_i,
    .begin_cookie_i(64'(begin_tag_i)),
    .begin_plain_i(1'b0),
    .result_valid_i(result_i && begun_q[result_of_i.tag]),
    .result_ready_o(unused_result),
    .result_i(result_of_i),
    .submit_head_i('0),
    .size_bits_i(4'd2),
    .consumed_i(consumed_q),
    .written_i(1'b0),
    .written_o(unused_written),
    .valid_o(valid),
    .ready_i,
    .index_o(index),
    .cookie_o(cookie),
    .completion_o(completion),
    .ended_o(unused_ended),
    .ended_verdict_o(unused_verdict),
    .ended_hot_o(unused_hot)
  );

  always_ff @(posedge clk_i) begin
    if (reset_q) begin
      if (consume_i && consumed_q != index) consumed_q <= consumed_q + 1'b1;
      if (done)   {open_q[done_tag], begun_q[done_tag]} <= 2'b00;
      if (take)   {open_q[tag], begun_q[tag]} <= 2'b10;
      if (begins) begun_q[begin_tag_i] <= 1'b1;
    end
  end

  // Where each tag is: at most at one of these places.
  logic [TagBits:0]            queued, fresh;
  logic [Tags-1:0][TagBits:0]  places;
  assign queued = u_complete.u_tags.u_used.write_q - u_complete.u_tags.u_used.read_q;
  assign fresh  = u_complete.u_tags.fresh_q;
  always_comb begin
    for (int unsigned id = 0; id < Tags; id++) begin
      places[id] = (TagBits + 1)'(open_q[id]) + (TagBits + 1)'((TagBits + 1)'(id) >= fresh);
      for (int unsigned k = 0; k < Tags; k++) begin
        if ((TagBits + 1)'(k) < queued && u_complete.u_tags.u_used.mem[TagBits'(u_complete.u_tags.u_used.read_q + (TagBits + 1)'(k))] == TagBits'(id))
          places[id]++;
      end
    end
  end
  logic [TagBits:0] open_count;
  always_comb begin
    open_count = '0;
    for (int unsigned id = 0; id < Tags; id++) open_count += (TagBits + 1)'(open_q[id]);
  end

  logic aborting, freeing;
  assign aborting = u_complete.state_q == 2'd1;
  assign freeing  = u_complete.state_q == 2'd2;

  always_comb begin
    if (reset_q) begin
      // A completion is that of an open request whose cookie is known: never a second one.
      if (done) assert (open_q[done_tag] && begun_q[done_tag]);
      // A tag that is handed out is not open.
      if (take) assert (!open_q[tag]);
      // A completion never overwrites one that was not consumed.
      assert (index - consumed_q <= 16'(Places) && 16'(open_count) + (index - consumed_q) <= 16'(Places));
      if (done) assert (index - consumed_q < 16'(Places));
      assert (completion.phase[0] == !index[2]);
      // A request is open until its completion, and an abort ends when none is open.
      assert (open_q == u_complete.busy_q);
      if (freeing) assert (open_q == '0);
      if (open_q != '0) assert (busy);

      // For the induction.
      assert (u_complete.state_q != 2'd3);
      assert ((u_complete.begun_q & open_q) == begun_q && (begun_q & ~open_q) == '0);
      assert (u_complete.flying_q == open_count && queued <= (TagBits + 1)'(Tags) && fresh <= (TagBits + 1)'(Tags));
      for (int unsigned id = 0; id < Tags; id++) begin
        assert (places[id] <= (TagBits + 1)'(1));
        if (begun_q[id]) assert (u_complete.cookie_q[id] == 64'(id));
        if (aborting && TagBits'(id) < u_complete.scan_q) assert (!open_q[id]);
      end
    end
  end

endmodule
