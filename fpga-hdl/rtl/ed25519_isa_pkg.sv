// The instruction of ed25519_engine and what it exchanges with the store of jobs. paxon-fpga-gen writes words in this layout.

package ed25519_isa_pkg;

  localparam int unsigned PcBits = 9;
  localparam int unsigned RegBits = 5;
  localparam int unsigned JobBits = 5;
  localparam int unsigned Jobs = 2 ** JobBits;

  typedef logic [PcBits-1:0]  pc_t;
  typedef logic [RegBits-1:0] reg_t;
  typedef logic [JobBits-1:0] job_id_t;

  typedef enum logic [3:0] {
    SeqNext         = 4'd0,
    SeqJump         = 4'd1,
    SeqIfZero       = 4'd2,
    SeqIfNotZero    = 4'd3,
    SeqIfNoDigit    = 4'd4,   // one position down when taken
    SeqIfNoKeyDigit = 4'd5,
    SeqIfNoBaseDigit = 4'd6,  // one position down when taken
    SeqLoop         = 4'd7,   // one position down
    SeqIfEnd        = 4'd8,
    SeqSetCount     = 4'd9,
    SeqCountDown    = 4'd10,
    SeqCall         = 4'd11,
    SeqReturn       = 4'd12,
    SeqWait         = 4'd13,
    SeqFail         = 4'd14,
    SeqDone         = 4'd15
  } seq_e;

  typedef enum logic [1:0] {
    FromM = 2'd0, FromA = 2'd1, FromRom = 2'd2
  } product_source_e;

  typedef enum logic [1:0] {
    IndexNone = 2'd0, IndexKey = 2'd1, IndexBase = 2'd2
  } index_e;

  typedef enum logic [1:0] {
    FlipNever = 2'd0, FlipKey = 2'd1, FlipBase = 2'd2, FlipSign = 2'd3
  } flip_e;

  typedef enum logic [1:0] {
    SumM = 2'd0, SumA = 2'd1, SumInput = 2'd2, SumZero = 2'd3
  } sum_source_e;

  typedef struct packed {
    logic            valid;
    reg_t            to;
    logic            a_from_sums;
    reg_t            a;
    product_source_e b_source;
    index_e          b_index;
    logic [7:0]      b;
  } product_t;

  typedef struct packed {
    logic                  valid;
    reg_t                  to;
    fe25519_pkg::add_op_e  op;
    flip_e                 flip;
    sum_source_e           a_source;
    reg_t                  a;
    logic                  b_zero;
    reg_t                  b;
    logic                  set_zero;
    logic                  set_odd;
  } sum_t;

  typedef struct packed {
    seq_e     seq;
    pc_t      target;
    product_t product;
    sum_t     sum;
  } instr_t;

  // The digits of both scalars at one position: magnitude 2 * index + 1.
  typedef struct packed {
    logic       key_nonzero;
    logic       key_negative;
    logic [2:0] key_index;
    logic       base_nonzero;
    logic       base_negative;
    logic [5:0] base_index;
  } digits_t;

  // What a context has to know about its job.
  typedef struct packed {
    job_id_t    id;
    logic [7:0] top;         // the highest position with a digit
    logic       key_sign;    // of the x of the key's encoding
    logic       r_sign;      // of the x of R's encoding
    logic       r_canonical; // the y of R's encoding is below p
  } job_t;

  // An instruction with the digits put in: what the sequencer gives to the datapath.
  typedef struct packed {
    logic [3:0]           slot;  // whose registers
    job_id_t              job;
    logic                 product_valid;
    reg_t                 product_to;
    logic                 product_a_from_sums;
    reg_t                 product_a;
    product_source_e      product_b_source;
    logic [7:0]           product_b;
    logic                 sum_valid;
    reg_t                 sum_to;
    fe25519_pkg::add_op_e sum_op;
    sum_source_e          sum_a_source;
    reg_t                 sum_a;
    logic                 sum_b_zero;
    reg_t                 sum_b;
    logic                 set_zero;
    logic                 set_odd;
  } issue_t;

  // What a sum has to say to its context.
  typedef struct packed {
    logic [3:0] slot;
    logic       set_zero;
    logic       set_odd;
    logic       zero;
    logic       odd;
  } flags_t;

  // Words of a job that a sum can read.
  localparam reg_t InputKey = 5'd0;
  localparam reg_t InputR   = 5'd1;
  localparam reg_t InputOne = 5'd2;

  // What is known of a signature, beside the verdict. `verify_strict` accepts when `equal` alone is set, `verify` when
  // `equal` is set and `key_undecodable` and `s_out_of_range` are not.
  typedef struct packed {
    logic r_small;
    logic key_small;
    logic s_out_of_range;
    logic key_undecodable;
    logic equal;
  } reason_t;

endpackage
