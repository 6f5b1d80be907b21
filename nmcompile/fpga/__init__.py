"""FPGA parts and boards: synthesis, placement, bitstreams."""
