// The field of Curve25519, GF(2^255 - 19), and the timing of the units that compute in it (RFC 8032 section 5.1).
//
// A field element is always canonical, in [0, p): every unit takes and gives canonical values only.

package fe25519_pkg;

  localparam int unsigned FeBits = 255;
  typedef logic [FeBits-1:0] fe_t;

  // p = 2^255 - 19.
  localparam fe_t FieldPrime = 255'h7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed;

  // The multiplier cuts its first operand into rows of 24 bits and its second into limbs of 17, the unsigned
  // widths of a DSP48's two ports.
  localparam int unsigned RowBits = 24;
  localparam int unsigned LimbBits = 17;
  localparam int unsigned Rows = 11;
  localparam int unsigned Limbs = 15;

  // Rows that one cascade of a fully unrolled multiplier adds up; bounds its latency.
  localparam int unsigned ChainRows = 4;

  // Cycles that a multiplier of `rows` rows is busy with one product: its initiation interval.
  function automatic int unsigned mul_interval(int unsigned rows);
    return (Rows + rows - 1) / rows;
  endfunction

  // Cycles from `valid_i` to `valid_o` of a multiplier of `rows` rows.
  function automatic int unsigned mul_latency(int unsigned rows);
    int unsigned summing = (rows == Rows) ? ChainRows : mul_interval(rows);
    return 4 + summing + 5;
  endfunction

  // Cycles from `valid_i` to `valid_o` of the add lane.
  localparam int unsigned AddLatency = 3;

  typedef enum logic [1:0] {
    AddPlus   = 2'd0,  // a + b
    AddMinus  = 2'd1,  // a - b
    AddRminus = 2'd2   // b - a
  } add_op_e;

endpackage
