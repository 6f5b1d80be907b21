"""The Verilog as a machine, under Verilator or Icarus, and lockstep with the reference."""
