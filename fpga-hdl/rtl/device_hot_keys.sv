// Lets only what is in order through to the key tables of the engines, so that all of them hold the same tables at all times.
//
// An entry is begun when no engine uses it or its key any more, its words come in the order of their addresses, and it is committed when
// it is complete. Everything else is ignored and flagged. Latency: one cycle. Rate: one write in a cycle. Stall: none. Input range: any.

module device_hot_keys
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned HotKeys = 0
) (
  input  logic         clk_i,
  input  logic         rst_ni,

  input  logic         command_i,        // the command in `wdata_i`
  input  logic         word_i,           // the word in `wdata_i` for place `place_i` of the table
  input  logic [13:0]  place_i,
  input  logic [31:0]  wdata_i,
  input  logic [31:0]  entry_i,          // the entry that commands are for, held since two cycles
  input  logic         valid_i,          // every engine uses it
  input  logic         busy_i,           // signatures that use it are in an engine

  output hot_command_e command_o,
  output hot_entry_t   entry_o,
  output logic         write_o,
  output logic [31:0]  data_o,
  output logic         open_o,           // the entry is being written
  output logic         error_o           // one cycle for each write that was ignored
);

  // 512 entries of three elements, three of the start, the key; 32 bytes each.
  localparam logic [13:0] TableWords = 14'd12320;

  logic         open_q;
  hot_entry_t   open_entry_q;
  logic [13:0]  words_q;
  hot_command_e command, command_q;
  logic         here, word, ignored, write_q, error_q;
  logic [31:0]  data_q;

  if (HotKeys == 0) begin : gen_none
    logic unused_entry;
    assign unused_entry = ^entry_i;
    assign here         = 1'b0;
  end else begin : gen_here
    assign here = entry_i < 32'(HotKeys);
  end
  assign word = word_i && open_q && place_i == words_q && words_q != TableWords;

  always_comb begin
    command = HotNone;
    if (command_i && here) begin
      unique case (wdata_i)
        32'd1:   command = HotEvict;
        32'd2:   if (!valid_i && !busy_i) command = HotBegin;
        32'd3:   if (open_q && open_entry_q == entry_i[HotBits-1:0] && words_q == TableWords) command = HotCommit;
        default: ;
      endcase
    end
  end
  assign ignored = (command_i && command == HotNone) || (word_i && !word);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      open_q    <= 1'b0;
      command_q <= HotNone;
      write_q   <= 1'b0;
      error_q   <= 1'b0;
    end else begin
      command_q <= command;
      write_q   <= word;
      error_q   <= ignored;
      // A word out of order spoils the table.
      if (command == HotBegin)                                                                  open_q <= 1'b1;
      else if (command == HotCommit || (word_i && !word))                                       open_q <= 1'b0;
      else if (command == HotEvict && open_entry_q == entry_i[HotBits-1:0])                     open_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    data_q <= wdata_i;
    if (command == HotBegin) begin
      open_entry_q <= entry_i[HotBits-1:0];
      words_q      <= '0;
    end else if (word) begin
      words_q <= words_q + 1'b1;
    end
  end

  assign command_o = command_q;
  assign entry_o   = entry_i[HotBits-1:0];
  assign write_o   = write_q;
  assign data_o    = data_q;
  assign open_o    = open_q && open_entry_q == entry_i[HotBits-1:0] && here;
  assign error_o   = error_q;

endmodule
