// Tang Nano 20K: 27 MHz crystal, 27 * 2 = 54 MHz from an oscillator at 54 * 16 = 864 MHz.
`default_nettype none

module top (
    input  wire logic clk_i,
    input  wire logic button_i,
    input  wire logic rx_i,
    output logic      tx_o,
    output logic      led_no
);
  logic clk, stable, rst, busy;
  rPLL #(.DEVICE("GW2AR-18C"), .FCLKIN("27"), .IDIV_SEL(0), .FBDIV_SEL(1), .ODIV_SEL(16)) i_pll (
      .CLKIN(clk_i), .CLKOUT(clk), .LOCK(stable), .CLKFB(1'b0), .RESET(1'b0), .RESET_P(1'b0), .FBDSEL(6'd0),
      .IDSEL(6'd0), .ODSEL(6'd0), .PSDA(4'd0), .DUTYDA(4'd0), .FDLY(4'd0));
  nm_start i_start (.clk_i(clk), .stable_i(stable), .button_i(button_i), .rst_o(rst));
  nm_board #(
`include "nm_parameters.vh"
  ) i_board (.clk_i(clk), .rst_i(rst), .rx_i, .tx_o, .busy_o(busy));
  assign led_no = !busy;
endmodule

`default_nettype wire
