"""Semantics applied: what every population does in a timestep, in floats."""
