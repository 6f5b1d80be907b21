"""Numbers and names that every pass agrees on."""

from __future__ import annotations

INPUT = "input"  # the source name of projections that come from outside
LARGEST_PAYLOAD = 255  # of a graded spike
HUGE = 1e30  # no weight or parameter has such a size, and products of a few do not overflow
