// What the 32 bytes of a point or a scalar say of themselves. Combinational; any input.

module ed25519_encoding
  import fe25519_pkg::*;
  import sc25519_pkg::*;
  import ed25519_constants_pkg::*;
(
  input  logic [255:0] point_i,     // byte 0 lowest
  output logic         canonical_o, // y is below p
  output logic         small_o,     // one of the 14 encodings of points of small order

  input  logic [255:0] scalar_i,
  output logic         in_range_o   // below the group order
);

  fe_t y;
  assign y           = point_i[FeBits-1:0];
  assign canonical_o = y < FieldPrime;

  // The order divides 8 when y mod p is 0, 1, -1 or that of a point of order 8, whatever the sign of x.
  assign small_o = y inside {fe_t'(0), fe_t'(1), FieldPrime - fe_t'(1), FieldPrime, FieldPrime + fe_t'(1),
                             OrderEightY, OrderEightMinusY};

  assign in_range_o = scalar_i < 256'(GroupOrder);

  logic unused_sign;
  assign unused_sign = point_i[255];

endmodule
