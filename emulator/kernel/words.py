"""Words of 64 lanes: what every part of the kernel calls them."""

from typing import Final

import numpy as np

WORD: Final = 64  # lanes of a kernel vector, bits of a mask
WORD_SHIFT: Final = WORD.bit_length() - 1  # a lane's word is lane >> WORD_SHIFT,
LANE: Final = WORD - 1  # and its place in it lane & LANE
BYTES8, BYTES16 = WORD, 2 * WORD  # of a vector of 8-bit lanes, of 16-bit ones,
VECTOR_BYTES: Final = 4 * WORD  # and of 32-bit ones
PLANES: Final = 8  # words of a vector of router bits,
PLANES_BYTES: Final = 8 * PLANES  # and its bytes
LINE: Final = 64  # bytes of a line of the cache
MASK_BYTES: Final = WORD // 8
NONE, ONE, ALL = np.uint64(0), np.uint64(1), ~np.uint64(0)  # masks of lanes
