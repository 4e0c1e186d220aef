// The instruction of ed25519_engine and what it exchanges with the store of jobs. paxon-fpga-gen writes words in this layout.

package ed25519_isa_pkg;

  localparam int unsigned PcBits = 9;
  localparam int unsigned RegBits = 5;
  // A job is free again when its result was taken: those in the contexts, those before them and a batch behind them.
  localparam int unsigned JobBits = 6;
  localparam int unsigned Jobs = 2 ** JobBits;

  typedef logic [PcBits-1:0]  pc_t;
  typedef logic [RegBits-1:0] reg_t;
  typedef logic [JobBits-1:0] job_id_t;

  typedef enum logic [4:0] {
    SeqNext          = 5'd0,
    SeqJump          = 5'd1,
    SeqIfZero        = 5'd2,
    SeqIfNotZero     = 5'd3,
    SeqIfNoDigit     = 5'd4,   // one position down when taken
    SeqIfBaseDigit   = 5'd5,   // the digit at hand is one of the base point
    SeqIfNoMore      = 5'd6,   // the digit at hand is done with; one position down when taken
    SeqLoop          = 5'd7,   // one position down
    SeqIfEnd         = 5'd8,
    SeqSetCount      = 5'd9,
    SeqCountDown     = 5'd10,
    SeqCall          = 5'd11,
    SeqReturn        = 5'd12,
    SeqWait          = 5'd13,  // takes a job, or starts a batch and goes to the target
    SeqJoin          = 5'd14,  // the job waits for a batch; the target says how it ended, as join_t
    SeqBatchUp       = 5'd15,  // the next member and the target, unless it was the last
    SeqReport        = 5'd16,  // the member's result; the one below and the target, or the batch ends
    SeqIfHot         = 5'd17,  // the job's key has a comb
    SeqIfColumn      = 5'd18,  // the position is that of a comb's first table; one position down when taken
    SeqDone          = 5'd19   // the job ends at once; the target says how, as join_t
  } seq_e;

  // How a job ended: two bits of the target of SeqJoin and SeqDone.
  typedef struct packed {
    logic decoded;     // the key is a point
    logic comparable;  // the flags decide: of the last sums, or of those of the batch
  } join_t;

  typedef enum logic [1:0] {
    FromM = 2'd0, FromA = 2'd1, FromRom = 2'd2, FromComb = 2'd3
  } product_source_e;

  typedef enum logic [2:0] {
    IndexNone = 3'd0, IndexPoint = 3'd1, IndexBase = 3'd2, IndexPool = 3'd3, IndexComb = 3'd4
  } index_e;

  typedef enum logic [2:0] {
    FlipNever = 3'd0, FlipDigit = 3'd1, FlipKeySign = 3'd2, FlipRSign = 3'd3, FlipKeyComb = 3'd4, FlipBaseComb = 3'd5
  } flip_e;

  typedef enum logic [1:0] {
    SumM = 2'd0, SumA = 2'd1, SumInput = 2'd2, SumZero = 2'd3
  } sum_source_e;

  typedef struct packed {
    logic            valid;
    logic            to_member;  // to the register of the batch's member
    reg_t            to;
    logic            a_from_sums;
    logic            a_below;    // from the register of the member before
    reg_t            a;
    product_source_e b_source;
    index_e          b_index;
    logic [7:0]      b;
  } product_t;

  typedef struct packed {
    logic                  valid;
    logic                  to_pool;  // to the job's words in the pool
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

  // A digit of a point that a signature brings, and of the base point: magnitude 2 * index + 1.
  typedef struct packed {
    logic       nonzero;
    logic       negative;
    logic [1:0] index;
  } point_digit_t;
  typedef struct packed {
    logic       nonzero;
    logic       negative;
    logic [5:0] index;
  } base_digit_t;

  // The digits of all scalars at one position. They are used from the last one to the first.
  typedef struct packed {
    base_digit_t  high;  // of 2^BaseHalfBits B
    base_digit_t  low;   // of B
    point_digit_t r;     // of -R
    point_digit_t key;   // of -A
  } digits_t;

  // The digits of combs, where position 4 c + t stands for column c of table t: entries of that table.
  typedef struct packed {
    logic       key_negative;
    logic [6:0] key_index;
    logic       base_negative;
    logic [6:0] base_index;
  } comb_digits_t;
  localparam int unsigned CombDigitsBits = $bits(comb_digits_t);

  // A comb: tables of 128 entries of three words, and a fourth word that others use (see paxon-fpga-gen).
  localparam int unsigned CombTableBits = 2;
  localparam int unsigned CombIndexBits = 7;
  localparam int unsigned CombBits = CombTableBits + CombIndexBits + 2;
  localparam int unsigned CombPositions = 32;
  typedef logic [CombBits-1:0] comb_at_t;

  // Keys whose combs are in memory.
  localparam int unsigned HotBits = 7;
  typedef logic [HotBits-1:0] hot_entry_t;

  // What a host does with an entry of the memory of combs; see ed25519_key_tables.
  typedef enum logic [1:0] {
    HotNone   = 2'd0,
    HotEvict  = 2'd1,
    HotBegin  = 2'd2,
    HotCommit = 2'd3
  } hot_command_e;

  // What a context has to know about its job.
  typedef struct packed {
    job_id_t    id;
    logic [7:0] top;         // the highest position with a digit
    logic       key_sign;    // of the x of the key's encoding
    logic       r_sign;      // of the x of R's encoding
    logic       r_canonical; // the y of R's encoding is below p
    logic       hot;         // the digits are for combs
    hot_entry_t entry;       // the key's comb
  } job_t;

  // A job that has ended, in a batch with its point in the pool.
  typedef struct packed {
    job_id_t id;
    logic    r_sign;
    logic    r_canonical;
    join_t   ended;
  } member_t;

  // Members of a batch, counted from 0; as many as there are contexts, 16 at most.
  localparam int unsigned MemberBits = 4;
  typedef logic [MemberBits-1:0] member_at_t;

  // An instruction with the digits put in: what the sequencer gives to the datapath.
  typedef struct packed {
    logic [3:0]           slot;  // whose registers
    job_id_t              job;       // whose words in the pool are written
    job_id_t              input_job; // whose words are read
    logic                 product_valid;
    reg_t                 product_to;
    logic                 product_a_from_sums;
    reg_t                 product_a;
    product_source_e      product_b_source;
    logic                 product_b_pool;
    logic [8:0]           product_b;
    hot_entry_t           comb_entry;
    comb_at_t             comb_at;     // in a comb or in the base point's memory
    logic                 sum_valid;
    logic                 sum_to_pool;
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

  // Words of a job that a sum can read; R is that of the batch's member.
  localparam reg_t InputKey = 5'd0;
  localparam reg_t InputMemberR = 5'd1;
  localparam reg_t InputOne = 5'd2;
  localparam reg_t InputR   = 5'd3;

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
