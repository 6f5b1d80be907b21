"""The network as it was trained: populations, projections, semantics and learning rules, in floats and SI units."""
