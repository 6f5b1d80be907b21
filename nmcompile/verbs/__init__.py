"""The verbs of `nmc`, a function each, beside the words they print."""
