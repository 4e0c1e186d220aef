// The functions of SHA-512 (FIPS 180-4 section 4.1.3).

package sha512_pkg;

  // Working variables a to h, or the hash words H0 to H7; the first is the highest.
  typedef logic [7:0][63:0] hash_t;

  function automatic logic [63:0] rotate(logic [63:0] x, int unsigned by);
    return (x >> by) | (x << (64 - by));
  endfunction

  function automatic logic [63:0] small_sigma0(logic [63:0] x);
    return rotate(x, 1) ^ rotate(x, 8) ^ (x >> 7);
  endfunction

  function automatic logic [63:0] small_sigma1(logic [63:0] x);
    return rotate(x, 19) ^ rotate(x, 61) ^ (x >> 6);
  endfunction

  // One round; `wk` is the sum of message word and round constant.
  function automatic hash_t compress(hash_t s, logic [63:0] wk);
    logic [63:0] a, b, c, d, e, f, g, h, t1, t2;
    {a, b, c, d, e, f, g, h} = s;
    t1 = h + (rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41)) + ((e & f) ^ (~e & g)) + wk;
    t2 = (rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));
    return {t1 + t2, a, b, c, d + t1, e, f, g};
  endfunction

endpackage
