"""Networks of each framework's own layers, for `tools/conformance.py`: one cell per class and option."""
