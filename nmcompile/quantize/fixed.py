"""Weights onto populations whose model fixes its own units."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from emulator.spec.arch import Architecture

from ..network.network import Projection
from ..neurons.update import Dynamics
from .plastic import LARGEST
from .quantized import WEIGHT_BITS


def fixed_weights(
    name: str,
    projections: list[Projection],
    d: Dynamics,
    arch: Architecture,
    weight_bits: int,
    payloads: list[int],
    most_shift: int,
    problems: list[str],
) -> tuple[list[int], list[sparse.csr_array], list[int]]:
    """(left shifts, integer weights, their bits) per projection onto a population whose model fixes the scale.

    Exact ones are stored in as many bits as they need, factors of two that all of them have left out.
    """
    assert d.scale is not None
    shifts, integers, widths = [], [], []
    for p in projections:
        w = sparse.csc_array(p.matrix.multiply(d.gain[None, :])) * d.scale
        largest = float(np.abs(w.data).max(initial=0))
        shift, bits = 0, weight_bits
        if d.exact:
            whole = np.rint(np.clip(w.data, -(2.0**62), 2.0**62)).astype(np.int64)
            if (whole != w.data).any():
                problems.append(f"{p.name!r} has weights that are not whole numbers, as {name!r} needs; round them")
            common = int(np.bitwise_or.reduce(whole)) if len(whole) else 0
            while common and common % 2 == 0 and shift < most_shift:
                common, shift = common // 2, shift + 1
            low, high = int(whole.min(initial=0)) >> shift, int(whole.max(initial=0)) >> shift
            bits = next((b for b in WEIGHT_BITS[1:] if -(1 << (b - 1)) <= low and high < 1 << (b - 1)), 0)
            if not bits:
                problems.append(
                    f"{p.name!r} has weights from {low:,} to {high:,}; a synapse holds 16 bits at most; rescale them"
                )
                bits = WEIGHT_BITS[-1]
        else:
            while largest > LARGEST[bits] * 2.0**shift and shift < most_shift:
                shift += 1
            if largest > LARGEST[bits] * 2.0**shift:
                problems.append(
                    f"{p.name!r} has weights of up to {largest:,.0f} units of {name!r}, {arch.name!r} has none beyond "
                    f"{LARGEST[bits] << shift:,}; use more --weight-bits or an architecture with more state_bits"
                )
        limit = LARGEST[bits] + (1 if d.exact else 0)
        values = np.clip(np.rint(w.data / 2.0**shift), -limit, limit).astype(np.int32)
        q = sparse.csc_array((values, w.indices, w.indptr), shape=w.shape).tocsr()
        q.eliminate_zeros()
        shifts.append(shift)
        integers.append(q)
        widths.append(bits)
    reaches = (column_reach(q, s) * n for q, s, n in zip(integers, shifts, payloads, strict=True))
    total = np.max(sum(reaches, np.zeros(1)))
    if total >= 1 << (arch.acc_bits - 1):
        problems.append(overflow(name, int(total), arch))
    return shifts, integers, widths


def overflow(name: str, total: int, arch: Architecture) -> str:
    return (
        f"{name!r} can sum its weights to {total:,}, an accumulator of {arch.acc_bits} bits holds "
        f"{(1 << (arch.acc_bits - 1)) - 1:,}; use fewer --weight-bits or wider accumulators"
    )


def column_reach(q: sparse.csr_array, shift: int) -> np.ndarray:
    """(n_target,) the largest magnitude that a sum of any of a column's weights can have."""
    up = np.asarray(q.maximum(0).sum(axis=0), np.int64).reshape(-1)
    down = np.asarray((-q).maximum(0).sum(axis=0), np.int64).reshape(-1)
    return np.maximum(up, down) << shift
