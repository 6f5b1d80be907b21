## Crystal.
set_property -dict { PACKAGE_PIN E3 IOSTANDARD LVCMOS33 } [get_ports clk_i]
create_clock -period 10.000 [get_ports clk_i]
## The second channel of the FT2232H: its TXD is our rx_i.
set_property -dict { PACKAGE_PIN A9 IOSTANDARD LVCMOS33 } [get_ports rx_i]
set_property -dict { PACKAGE_PIN D10 IOSTANDARD LVCMOS33 } [get_ports tx_o]
## Red button, active low; LD4.
set_property -dict { PACKAGE_PIN C2 IOSTANDARD LVCMOS33 } [get_ports button_ni]
set_property -dict { PACKAGE_PIN H5 IOSTANDARD LVCMOS33 } [get_ports led_o]
