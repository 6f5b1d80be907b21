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
    logic [COUNTER_BITS-1:0] counts_q[COUNTERS];
    for (genvar i = 0; i < COUNTERS; i++) begin : gen_counter
      always_ff @(posedge clk_i)
        if (rst_i) counts_q[i] <= '0;
        else counts_q[i] <= counts_q[i] + COUNTER_BITS'(steps_i[i*STEP_BITS+:STEP_BITS]);
    end
    always_ff @(posedge clk_i) value_o <= (32'(index_i) < 32'(COUNTERS)) ? 64'(counts_q[index_i]) : '0;
  end else begin : gen_none
    logic unused;
    assign unused = &{1'b0, clk_i, rst_i, steps_i, index_i};
    assign value_o = '0;
  end
endmodule

`default_nettype wire
