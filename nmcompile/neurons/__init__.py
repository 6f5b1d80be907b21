"""Neuron models: what a population does in a timestep."""
