"""Spikes in and classes out: files of inputs, encoders and readouts."""
