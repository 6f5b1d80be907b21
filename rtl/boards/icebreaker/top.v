// iCEBreaker: 12 MHz crystal, 12 * 64 / 2^5 = 24 MHz.
`default_nettype none

module top (
    input  wire logic clk_i,
    input  wire logic button_ni,
    input  wire logic rx_i,
    output logic      tx_o,
    output logic      led_no
);
  logic clk, stable, rst, busy;
  SB_PLL40_PAD #(.FEEDBACK_PATH("SIMPLE"), .DIVR(4'd0), .DIVF(7'd63), .DIVQ(3'd5), .FILTER_RANGE(3'd1)) i_pll (
      .PACKAGEPIN(clk_i), .PLLOUTGLOBAL(clk), .LOCK(stable), .RESETB(1'b1), .BYPASS(1'b0));
  nm_start i_start (.clk_i(clk), .stable_i(stable), .button_i(!button_ni), .rst_o(rst));
  nm_board #(
`include "nm_parameters.vh"
  ) i_board (.clk_i(clk), .rst_i(rst), .rx_i, .tx_o, .busy_o(busy));
  assign led_no = !busy;
endmodule

`default_nettype wire
