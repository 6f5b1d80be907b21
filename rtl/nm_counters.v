// The ledger of one core: COUNTER_BITS wide counters in the order of emulator/spec/ledger.py; 0 leaves them out.
`default_nettype none

module nm_counters #(
    parameter int COUNTERS = 29,
    parameter int COUNTER_BITS = 48,
    parameter int STEP_BITS = 6
) (
    input  wire logic                          clk_i,
    input  wire logic                          rst_i,
    input  wire logic [COUNTERS*STEP_BITS-1:0] steps_i,
    input  wire logic [                   4:0] index_i,
    output logic      [                  63:0] value_o
);
  if (COUNTER_BITS > 0) begin : gen_counters
    logic [COUNTERS*COUNTER_BITS-1:0] counts;
    logic [COUNTERS*COUNTER_BITS-1:0] shifted;
    for (genvar i = 0; i < COUNTERS; i++) begin : gen_counter
      logic [COUNTER_BITS-1:0] count_q;
      always_ff @(posedge clk_i)
        if (rst_i) count_q <= '0;
        else count_q <= count_q + COUNTER_BITS'(steps_i[i*STEP_BITS+:STEP_BITS]);
      assign counts[i*COUNTER_BITS+:COUNTER_BITS] = count_q;
    end
    assign shifted = counts >> (32'(index_i) * 32'(COUNTER_BITS));
    always_ff @(posedge clk_i) value_o <= 64'(shifted[COUNTER_BITS-1:0]);
    logic unused;
    assign unused = &{1'b0, shifted};
  end else begin : gen_none
    logic unused;
    assign unused = &{1'b0, clk_i, rst_i, steps_i, index_i};
    assign value_o = '0;
  end
endmodule

`default_nettype wire
