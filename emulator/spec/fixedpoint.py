"""The meaning of every arithmetic step, on plain Python integers.

Every machine does exactly this: a step is computed at full width, rounded once where bits are dropped,
and saturated once when it is written. Nothing wraps but accumulators and payload counts, whose sums the
compiler proves to stay inside their width.
"""

from __future__ import annotations

FLOOR, CEIL, NEAREST, TOWARD_ZERO = range(4)
ROUNDING = ("floor", "ceil", "nearest", "zero")


def saturate(value: int, bits: int) -> int:
    """Clamp to the signed range of `bits` bits."""
    high = (1 << (bits - 1)) - 1
    return max(-high - 1, min(high, value))


def wrap(value: int, bits: int) -> int:
    """Two's complement wrap to `bits` bits, signed."""
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half


def round_shift(value: int, shift: int, mode: int) -> int:
    """Divide by 2**shift and round: floor, ceil, nearest (a half goes up) or toward zero.

    >>> [round_shift(-3, 1, mode) for mode in range(4)]
    [-2, -1, -1, -1]
    """
    if shift == 0:
        return value
    if mode == CEIL or (mode == TOWARD_ZERO and value < 0):
        value += (1 << shift) - 1
    elif mode == NEAREST:
        value += 1 << (shift - 1)
    return value >> shift


LFSR_TAPS = (31, 28)  # powers of x in the generator's polynomial, beside 1
LFSR_BITS = max(LFSR_TAPS)  # of a generator's state
LFSR_STEPS = 24  # fresh bits per draw: the widest state whose every bit a draw can fill
LFSR_SHIFTS = tuple(tap - LFSR_STEPS for tap in LFSR_TAPS)  # of the two states that a draw is the XOR of


def lfsr_draw(state: int) -> tuple[int, int]:
    """Advance one lane's generator by LFSR_STEPS steps: (as many fresh bits, next state of LFSR_BITS bits).

    x^31 + x^28 + 1 is primitive, so the period is 2^31 - 1; as no tap lies below 24, all 24 new bits come from one
    layer of two-input XORs.
    Source: P. Alfke, Xilinx XAPP 210 (leap-forward LFSR); primitivity is checked in tests/test_kernel.py.
    """
    fresh = (state >> LFSR_SHIFTS[0]) ^ (state >> LFSR_SHIFTS[1])
    fresh &= (1 << LFSR_STEPS) - 1
    return fresh, ((state << LFSR_STEPS) | fresh) & ((1 << LFSR_BITS) - 1)
