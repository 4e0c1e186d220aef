// The combs of registered public keys, and which signature may use which.
//
// A host writes the comb of an entry word by word and then commits it; only then is it valid. From then on a signature whose 32 bytes
// of key are exactly those of a valid entry uses its comb. HotEvict makes an entry invalid for signatures to come, HotBegin does too
// and opens the entry for writing, unless a running signature uses it: then nothing is open. HotCommit makes the open entry
// valid if all its words came and none more. So a comb that is written in part, or under a signature, is never used.
//
// Latency: `found_o` stands Keys + 3 cycles after `find_i` at the latest and stays until the next; a word of a comb comes two cycles
// after its address. Rate: one word of 32 bits, one word of a comb in a cycle. Stall: none. Input range: any; a command for an
// entry that does not exist is ignored.

module ed25519_key_tables
  import fe25519_pkg::*;
  import ed25519_isa_pkg::*;
#(
  parameter int unsigned Keys = 4
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,      // no signature is running any more; combs stay

  input  hot_command_e command_i,    // for entry command_entry_i, one cycle
  input  hot_entry_t   command_entry_i,
  input  logic         write_i,      // the next 32 bits of the open entry, lowest first
  input  logic [31:0]  wdata_i,
  output logic         valid_o,      // of command_entry_i of the cycle before
  output logic         busy_o,

  input  logic         find_i,
  input  logic [255:0] key_i,
  output logic         found_o,      // and the signature counts as a user of the entry
  output hot_entry_t   found_entry_o,
  input  logic         end_i,        // a user of this entry has ended
  input  hot_entry_t   end_entry_i,

  input  hot_entry_t   comb_entry_i,
  input  comb_at_t     comb_at_i,
  output fe_t          comb_o
);

  if (Keys < 1 || Keys > 2 ** HotBits) begin : gen_bad_keys
    $error("ed25519_key_tables: Keys is 1 to 128");
  end

  localparam int unsigned EntryBits = (Keys == 1) ? 1 : $clog2(Keys);
  typedef logic [EntryBits-1:0] entry_t;
  typedef logic [JobBits:0] users_t;

  // ---- What is known of the entries.

  logic   [Keys-1:0] valid_q;
  users_t [Keys-1:0] users_q;  // signatures that were found and have not ended

  logic   open_q;    // an entry is being written
  entry_t open_entry_q;
  logic   complete;  // it has all its words

  logic   known, evicting, beginning, committing;
  entry_t command_entry;
  logic   matched;   // a signature is found to have the key of this entry
  entry_t matched_entry;
  assign known         = {1'b0, command_entry_i} < (HotBits + 1)'(Keys) && command_i != HotNone;
  assign command_entry = command_entry_i[EntryBits-1:0];
  assign evicting      = known && command_i inside {HotEvict, HotBegin};
  assign beginning     = known && command_i == HotBegin;
  assign committing    = known && command_i == HotCommit && open_q && open_entry_q == command_entry && complete;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (known) begin
      if (evicting)   valid_q[command_entry] <= 1'b0;
      if (committing) valid_q[command_entry] <= 1'b1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      users_q <= '0;
    end else if (clear_i) begin
      users_q <= '0;
    end else begin
      for (int unsigned e = 0; e < Keys; e++) begin
        users_q[e] <= users_q[e] + users_t'(matched && matched_entry == entry_t'(e))
                                 - users_t'(end_i && end_entry_i == hot_entry_t'(e));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid_o <= {1'b0, command_entry_i} < (HotBits + 1)'(Keys) && valid_q[command_entry];
    busy_o  <= {1'b0, command_entry_i} < (HotBits + 1)'(Keys) && users_q[command_entry] != '0;
  end

  // ---- The entry that is written: elements of eight words, three for each entry of the comb, three of the start, the key.

  typedef enum logic [1:0] {
    PartComb,
    PartStart,
    PartKey,
    PartEnd
  } part_e;
  typedef struct packed {
    logic [CombBits-3:0] entry;
    logic [1:0]          column;
  } place_t;

  part_e        part_q;
  place_t       place_q;
  logic [2:0]   word_q;
  logic [255:0] element_q;
  assign complete = part_q == PartEnd;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      open_q <= 1'b0;
    end else if (beginning) begin
      open_q <= users_q[command_entry] == '0;
    end else if (known && open_entry_q == command_entry) begin
      open_q <= 1'b0;
    end else if (write_i && complete) begin
      open_q <= 1'b0;
    end
  end

  logic whole;  // this word completes an element
  assign whole = open_q && write_i && (&word_q);

  always_ff @(posedge clk_i) begin
    if (beginning) begin
      open_entry_q <= command_entry;
      part_q       <= PartComb;
      place_q      <= '0;
      word_q       <= '0;
    end else if (open_q && write_i) begin
      word_q    <= word_q + 1'b1;
      element_q <= {wdata_i, element_q[255:32]};
      if (whole) begin
        unique case (part_q)
          PartComb: begin
            place_q.column <= (place_q.column == 2'd2) ? 2'd0 : place_q.column + 1'b1;
            if (place_q.column == 2'd2) place_q.entry <= place_q.entry + 1'b1;
            if (place_q.column == 2'd2 && (&place_q.entry)) begin
              place_q.column <= 2'd3;
              part_q         <= PartStart;
            end
          end
          PartStart: begin
            place_q.entry <= place_q.entry + 1'b1;
            if (place_q.entry[1:0] == 2'd2) part_q <= PartKey;
          end
          default: part_q <= PartEnd;
        endcase
      end
    end
  end

  // The element is stored one cycle after its last word.
  logic   store_q, store_key_q;
  place_t store_at_q;
  entry_t store_entry_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) {store_q, store_key_q} <= '0;
    else         {store_q, store_key_q} <= {whole && (part_q inside {PartComb, PartStart}), whole && part_q == PartKey};
  end
  always_ff @(posedge clk_i) begin
    store_at_q    <= place_q;
    store_entry_q <= open_entry_q;
  end

  prim_ram_1r1w #(.Width(FeBits), .Depth(Keys * 2 ** CombBits)) u_combs (
    .clk_i,
    .we_i(store_q),
    .waddr_i(($clog2(Keys) + CombBits)'({store_entry_q, store_at_q})),
    .wdata_i(element_q[FeBits-1:0]),
    .raddr_i(($clog2(Keys) + CombBits)'({comb_entry_i, comb_at_i})),
    .rdata_o(comb_o)
  );

  logic [255:0] keys_q [Keys];
  always_ff @(posedge clk_i) if (store_key_q) keys_q[store_entry_q] <= element_q;

  // ---- The search: one key in a cycle, compared in the next.

  logic         searching_q, compare_q, found_q;
  entry_t       search_q, compare_entry_q;
  logic [255:0] wanted_q, key_q;
  hot_entry_t   found_entry_q;

  // An entry that is evicted in this very cycle is not used any more.
  assign matched_entry = compare_entry_q;
  assign matched       = compare_q && !found_q && !find_i && valid_q[compare_entry_q] && key_q == wanted_q &&
                         !(evicting && command_entry == compare_entry_q);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {searching_q, compare_q, found_q} <= '0;
    end else if (clear_i) begin
      {searching_q, compare_q, found_q} <= '0;
    end else if (find_i) begin
      {searching_q, compare_q, found_q} <= 3'b100;
    end else begin
      if (search_q == entry_t'(Keys - 1)) searching_q <= 1'b0;
      compare_q <= searching_q;
      if (matched) found_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (find_i) begin
      search_q <= '0;
      wanted_q <= key_i;
    end else begin
      search_q <= search_q + 1'b1;
    end
    compare_entry_q <= search_q;
    key_q           <= keys_q[search_q];
    if (matched) found_entry_q <= hot_entry_t'(matched_entry);
  end

  assign found_o       = found_q;
  assign found_entry_o = found_entry_q;

endmodule
