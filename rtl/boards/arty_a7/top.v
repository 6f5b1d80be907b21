// Arty A7: 100 MHz crystal, 100 * 10 / 20 = 50 MHz from an oscillator at 1,000 MHz.
`default_nettype none

module top (
    input  wire logic clk_i,
    input  wire logic button_ni,
    input  wire logic rx_i,
    output logic      tx_o,
    output logic      led_o
);
  logic made, feedback, clk, stable, rst;
  MMCME2_BASE #(.CLKIN1_PERIOD(10.0), .CLKFBOUT_MULT_F(10.0), .CLKOUT0_DIVIDE_F(20.0)) i_pll (
      .CLKIN1(clk_i), .CLKFBIN(feedback), .CLKFBOUT(feedback), .CLKOUT0(made), .LOCKED(stable), .PWRDWN(1'b0),
      .RST(1'b0));
  BUFG i_buffer (.I(made), .O(clk));
  nm_start i_start (.clk_i(clk), .stable_i(stable), .button_i(!button_ni), .rst_o(rst));
  nm_board #(
`include "nm_parameters.vh"
  ) i_board (.clk_i(clk), .rst_i(rst), .rx_i, .tx_o, .busy_o(led_o));
endmodule

`default_nettype wire
