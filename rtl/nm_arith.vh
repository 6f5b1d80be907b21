// Arithmetic in the form that takes fewest cells.
`ifndef NM_ARITH_VH
`define NM_ARITH_VH

// comparisons with a constant: no carry chain where it is a power of two
`define NM_REACHES(VALUE, LIMIT) \
  (((LIMIT) & ((LIMIT) - 1)) == 0 ? (32'(VALUE) >> $clog2(LIMIT)) != 32'd0 : 32'(VALUE) >= 32'(LIMIT))
`define NM_EXCEEDS(VALUE, LIMIT) (`NM_REACHES(VALUE, LIMIT) && 32'(VALUE) != 32'(LIMIT))

// counters that are loaded, else count: the load is also what is added, so that adder and multiplexer are one LUT a bit
`define NM_UP(LOAD, VALUE, COUNTER) ((LOAD) ? (VALUE) : (COUNTER) - {$bits(COUNTER){!(LOAD)}})
`define NM_DOWN(LOAD, VALUE, COUNTER) ((LOAD) ? (VALUE) : (COUNTER) + {$bits(COUNTER){!(LOAD)}})

`endif
