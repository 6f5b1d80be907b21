// ULX3S: 25 MHz crystal, 25 * 2 = 50 MHz from an oscillator at 50 * 12 = 600 MHz.
`default_nettype none

module top (
    input  wire logic clk_i,
    input  wire logic button_i,
    input  wire logic rx_i,
    output logic      tx_o,
    output logic      led_o,
    output logic      wifi_gpio0_o
);
  logic clk, stable, rst;
  (* ICP_CURRENT="12", LPF_RESISTOR="8" *)
  EHXPLLL #(.CLKI_DIV(1), .CLKFB_DIV(2), .CLKOP_DIV(12), .CLKOP_CPHASE(5), .FEEDBK_PATH("CLKOP"),
            .CLKOP_ENABLE("ENABLED")) i_pll (
      .CLKI(clk_i), .CLKFB(clk), .CLKOP(clk), .LOCK(stable), .RST(1'b0), .STDBY(1'b0), .PHASESEL0(1'b0),
      .PHASESEL1(1'b0), .PHASEDIR(1'b0), .PHASESTEP(1'b0), .PHASELOADREG(1'b0), .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0));
  nm_start i_start (.clk_i(clk), .stable_i(stable), .button_i(button_i), .rst_o(rst));
  nm_board #(
`include "nm_parameters.vh"
  ) i_board (.clk_i(clk), .rst_i(rst), .rx_i, .tx_o, .busy_o(led_o));
  assign wifi_gpio0_o = 1'b1;
endmodule

`default_nettype wire
