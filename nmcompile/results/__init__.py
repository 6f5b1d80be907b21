"""What runs of an image come to: accuracy, costs, drift, comparison with the Verilog."""
