"""The fast machine: an image laid out in flat tables, and the Numba kernel that walks them."""
