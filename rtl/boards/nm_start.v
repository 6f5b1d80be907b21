// Reset of a board: until 16 clocks after its clock is stable and its button released. Flip-flops start at 0 in these parts.
`default_nettype none

module nm_start (
    input  wire logic clk_i,
    input  wire logic stable_i,
    input  wire logic button_i,
    output logic      rst_o
);
  logic [1:0] hold_q;
  logic [4:0] count_q;
  initial {hold_q, count_q} = '0;
  always_ff @(posedge clk_i) begin
    hold_q <= {hold_q[0], button_i || !stable_i};
    if (hold_q[1]) count_q <= '0;
    else if (rst_o) count_q <= count_q + 1'b1;
  end
  assign rst_o = !count_q[4];
endmodule

`default_nettype wire
