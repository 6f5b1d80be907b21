"""Numbers and names that every pass agrees on; what the machine or its images fix, they say."""

from __future__ import annotations

from emulator.spec.isa import LARGEST_PAYLOAD
from emulator.spec.notes import INPUT

HUGE = 1e30  # no weight or parameter has such a size, and products of a few do not overflow
__all__ = ["HUGE", "INPUT", "LARGEST_PAYLOAD"]
