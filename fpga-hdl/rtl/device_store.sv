// Writes completions: into the device's own memory, or through the AXI4 port into host memory.
//
// Latency: two cycles in the device; two round trips of the bus in host memory. Rate: a completion in two cycles; in host memory up to
// `Pending` of them are under way. Stall: ready and valid. Input range: any answer of the bus; an error is flagged and the completion goes on;
// without answers nothing moves, which is flagged each `timeout_i` cycles, and goes on when they come.
// The cookie is written first. The word with the phase follows when the answer says that the cookie is there, so that no host sees a
// phase before its cookie, whatever the bus reorders. Writes have one ID: their answers come in order.

module device_store
  import device_pkg::*;
#(
  parameter int unsigned Pending = 16
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        host_i,        // into host memory
  input  logic [63:4] base_i,
  input  logic [15:0] mask_i,        // completions of the queue in host memory, less one
  input  logic [31:0] timeout_i,

  input  logic        valid_i,
  output logic        ready_o,
  input  logic [15:0] index_i,       // free running
  input  logic [63:0] cookie_i,
  input  completion_t completion_i,
  output logic        written_o,     // one cycle for each completion that the host can see, in order
  output logic        due_o,         // answers of the bus are due

  output logic        we_o,
  output logic [CompletionBits:0] waddr_o,
  output logic [63:0] wdata_o,

  output logic        awvalid_o,
  input  logic        awready_i,
  output logic [63:0] awaddr_o,
  output logic        wvalid_o,
  input  logic        wready_i,
  output logic [63:0] m_wdata_o,
  input  logic        bvalid_i,
  output logic        bready_o,
  input  logic [1:0]  bresp_i,

  output logic        error_o,
  output logic        timeout_o
);

  // ---- In the device.

  logic second_q;  // the word with the phase is written in this cycle
  logic first;
  logic [63:0] word_q;
  logic [CompletionBits-1:0] index_q;
  assign first   = valid_i && !host_i && !second_q;
  assign we_o    = first || second_q;
  assign waddr_o = second_q ? {index_q, 1'b1} : {index_i[CompletionBits-1:0], 1'b0};
  assign wdata_o = second_q ? word_q : cookie_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) second_q <= 1'b0;
    else         second_q <= first;
  end
  always_ff @(posedge clk_i) begin
    if (first) begin
      word_q  <= completion_i;
      index_q <= index_i[CompletionBits-1:0];
    end
  end

  // ---- In host memory: words with a phase that wait for their cookies.

  logic        pending_ready, pending_valid, take_cookie, take_phase;
  logic [63:4] pending_address;
  logic [63:0] pending_word;
  logic [63:4] address;
  logic [15:0] place;
  assign place   = index_i & mask_i;
  assign address = base_i + 60'(place);
  prim_fifo #(.Width(124), .Depth(Pending)) u_pending (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(take_cookie),
    .ready_o(pending_ready),
    .data_i({address, completion_i}),
    .valid_o(pending_valid),
    .ready_i(take_phase),
    .data_o({pending_address, pending_word})
  );

  // Writes whose answer is due: whether it is the word with the phase.
  logic due_ready, due_valid, due_phase, answered;
  prim_fifo #(.Width(1), .Depth(2 * Pending)) u_due (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(take_cookie || take_phase),
    .ready_o(due_ready),
    .data_i(take_phase),
    .valid_o(due_valid),
    .ready_i(bvalid_i),
    .data_o(due_phase)
  );

  localparam int unsigned CountBits = $clog2(Pending) + 1;
  logic [CountBits-1:0] visible_q;  // cookies that are there and whose phase was not sent: at most Pending
  logic                 awvalid_q, wvalid_q, open;
  logic [63:3]          awaddr_q;
  logic [63:0]          wdata_q;

  assign open        = (!awvalid_q || awready_i) && (!wvalid_q || wready_i) && due_ready;
  assign take_phase  = open && visible_q != '0 && pending_valid;
  assign take_cookie = open && !take_phase && host_i && valid_i && pending_ready;
  assign answered    = bvalid_i && due_valid;
  assign ready_o     = host_i ? take_cookie : first;
  assign written_o   = second_q || (answered && due_phase);
  assign due_o       = due_valid || pending_valid;

  assign awvalid_o = awvalid_q;
  assign awaddr_o  = {awaddr_q, 3'd0};
  assign wvalid_o  = wvalid_q;
  assign m_wdata_o = wdata_q;
  assign bready_o  = 1'b1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      awvalid_q <= 1'b0;
      wvalid_q  <= 1'b0;
      visible_q <= '0;
    end else begin
      if (take_cookie || take_phase) {awvalid_q, wvalid_q} <= 2'b11;
      else begin
        if (awready_i) awvalid_q <= 1'b0;
        if (wready_i)  wvalid_q  <= 1'b0;
      end
      visible_q <= visible_q + CountBits'(answered && !due_phase) - CountBits'(take_phase);
    end
  end

  always_ff @(posedge clk_i) begin
    if (take_phase) begin
      awaddr_q <= {pending_address, 1'b1};
      wdata_q  <= pending_word;
    end else if (take_cookie) begin
      awaddr_q <= {address, 1'b0};
      wdata_q  <= cookie_i;
    end
  end

  // ---- Answers.

  logic [31:0] waited_q;
  logic        waiting;
  assign waiting   = due_valid && !bvalid_i;
  assign timeout_o = waiting && waited_q + 1'b1 == timeout_i;
  // An answer that is not due is one of the wrong ones.
  assign error_o   = bvalid_i && (!due_valid || bresp_i != 2'b00);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) waited_q <= '0;
    else         waited_q <= (waiting && !timeout_o) ? waited_q + 1'b1 : '0;
  end

endmodule
