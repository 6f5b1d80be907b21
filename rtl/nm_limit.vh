// Comparisons of a value with a constant, without a carry chain where the constant is a power of two.
`ifndef NM_LIMIT_VH
`define NM_LIMIT_VH

`define NM_REACHES(VALUE, LIMIT) \
  (((LIMIT) & ((LIMIT) - 1)) == 0 ? (32'(VALUE) >> $clog2(LIMIT)) != 32'd0 : 32'(VALUE) >= 32'(LIMIT))
`define NM_EXCEEDS(VALUE, LIMIT) (`NM_REACHES(VALUE, LIMIT) && 32'(VALUE) != 32'(LIMIT))

`endif
