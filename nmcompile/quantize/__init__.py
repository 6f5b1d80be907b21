"""Floats become the integers of one architecture."""
