// The queue's formats: 256-byte slots in, 16-byte completions out. Words are 64 bits, little-endian. The same in the device's own
// memory, whose sizes stand here, and in host memory, whose sizes are configured.

package device_pkg;

  localparam int unsigned SlotBits = 6;        // log2 of the submission slots
  localparam int unsigned CompletionBits = 7;  // log2 of the completions
  localparam int unsigned TagBits = 7;         // log2 of the requests in flight

  typedef logic [TagBits-1:0] tag_t;

  // Word 0 of a slot. Word 1 is the cookie, word 2 the address of a message that is too long for the slot; R, S and the key stand in
  // words 4 to 15, a short message from word 16 on.
  typedef struct packed {
    logic [31:0] message_bytes;
    logic [15:0] flags;
    logic [7:0]  ruleset;
    logic [7:0]  opcode;
  } slot_header_t;

  localparam logic [7:0]  OpcodeVerify = 8'd1;
  localparam logic [7:0]  RulesetStrict = 8'd0;
  localparam logic [7:0]  RulesetPlain = 8'd1;
  localparam logic [31:0] InlineBytesMax = 32'd128;
  // A fetch unit is taken for 81 cycles each 128 bytes: for the longest message about 41,600.
  localparam logic [31:0] MessageBytesMax = 32'd65536;

  // Words of a run that a fetch unit reads, at most MessageBytesMax / 8; words of a burst, at most 16.
  typedef logic [13:0] run_words_t;
  typedef logic [4:0]  burst_words_t;

  typedef enum logic [1:0] {
    VerdictInvalid   = 2'd0,
    VerdictValid     = 2'd1,
    VerdictMalformed = 2'd2,
    VerdictAborted   = 2'd3
  } verdict_e;

  // Word 1 of a completion; word 0 is the cookie.
  typedef struct packed {
    logic [7:0]  phase;   // bit 0 changes with every round of the queue, 1 in the first
    logic [7:0]  zero;
    logic [15:0] cycles;  // from the read of the slot, 65,535 for more
    logic [15:0] submit_head;
    logic [7:0]  reason;
    logic [7:0]  verdict;
  } completion_t;

  // How a request ended.
  typedef struct packed {
    tag_t                     tag;
    logic                     malformed;
    logic                     aborted;   // the memory failed
    logic                     hot;       // from a table of its key
    ed25519_isa_pkg::reason_t reason;
  } result_t;

endpackage
