// Scalars of Ed25519: numbers modulo the order of the base point (RFC 8032 section 5.1).

package sc25519_pkg;

  localparam int unsigned ScBits = 253;
  typedef logic [ScBits-1:0] sc_t;

  // l = 2^252 + 27742317777372353535851937790883648493.
  localparam sc_t GroupOrder = 253'h1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed;

  // Widths of the signed windows: tables of -A and -R are computed for every signature, the base point's lies in a ROM.
  localparam int unsigned PointWindow = 4;
  localparam int unsigned BaseWindow = 8;

  // Half-size scalars: Euclid's algorithm on 8 l and h stops at a remainder below 2^HalfBits; cofactors have at most
  // HalfCofactorBits bits.
  localparam int unsigned HalfBits = 127;
  localparam int unsigned HalfCofactorBits = 132;
  typedef logic [HalfCofactorBits-1:0] half_t;

  // The base point's scalar is cut in two: the table has odd multiples of B and of 2^BaseHalfBits B. A multiple of 8, for combs.
  localparam int unsigned BaseHalfBits = 128;

  // Positions of a recoded scalar: its bits and one for the last carry.
  localparam int unsigned DigitPositions = 256;

endpackage
