"""Words of 64 lanes: what every part of the kernel calls them."""

from typing import Final

import numpy as np

WORD: Final = 64  # lanes of a kernel vector, bits of a mask
VECTOR_BYTES: Final = 4 * WORD  # of 32-bit lanes
MASK_BYTES: Final = WORD // 8
NONE, ONE, ALL = np.uint64(0), np.uint64(1), ~np.uint64(0)  # masks of lanes
