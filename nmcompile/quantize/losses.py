"""What rounding took from a population, told without samples: weights, thresholds and parameters that became 0."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from emulator.spec.arch import Architecture

from ..network.network import Population, Projection
from ..neurons.update import COEFFICIENT, STATE, Dynamics
from .plastic import LARGEST
from .quantized import WEIGHT_BITS, Loss, QuantizedLayer, QuantizedPopulation

MANY, MUCH = 0.5, 0.1  # of the weights, or of their absolute sum: more that round to 0 are warned of
MATTERS = 1e-6  # of the threshold: a parameter below is an exporter's rounding error
FEWEST_UNITS = 2  # of a threshold; with fewer, a neuron fires at anything


def loss_of(
    population: Population,
    onto: list[Projection],
    d: Dynamics,
    layer: QuantizedLayer,
    made: QuantizedPopulation,
    arch: Architecture,
    warnings: list[str],
) -> Loss:
    """Count what is lost, and warn of what matters, with what would help.

    Args:
        onto: the projections onto the population, in the order of `layer`.
    """
    weights = [_sizes(p, d) for p in onto]
    there = sum(w.nnz for w in weights)
    zero, lost, total = 0, 0.0, 0.0
    for w, q in zip(weights, layer.integers, strict=True):
        total += float(w.data.sum())
        if np.count_nonzero(q.data) < w.nnz:
            kept = w.multiply(q.astype(bool))
            zero += w.nnz - int(np.count_nonzero(kept.data))
            lost += float(w.data.sum()) - float(kept.sum())
    share = max(0.0, lost / total) if zero else 0.0
    name = population.name
    if there and (zero > MANY * there or share > MUCH):
        warnings.append(
            f"{name!r}: {zero:,} of {there:,} weights, {100 * share:.3g} % of their absolute sum, round to 0 at "
            f"{max(layer.bits)} bits; {_remedy(weights, d, layer, arch)}"
        )
    units = made.threshold
    if units is not None:
        low = (units < FEWEST_UNITS) & (d.values["threshold"].array > 0)
        if low.any():
            warnings.append(
                f"{name!r}: the threshold of {int(low.sum()):,} of {population.n:,} neurons is "
                f"{int(units[low].min())} of the {arch.state_bits}-bit state's units, so they fire at anything; use an "
                "architecture with more state_bits, or weights that are smaller beside the threshold"
            )
    vanished = _vanished(d, made)
    for parameter, count in vanished.items():
        value = d.values[parameter]
        if count <= MANY * np.count_nonzero(value.array):
            continue
        more = "coef_bits" if value.unit == COEFFICIENT else "state_bits"
        least = float(np.abs(value.array[value.array != 0]).min())
        fate = "0 or 1" if value.unit == COEFFICIENT else "0"
        warnings.append(
            f"{name!r}: {parameter} of {least:.6g} rounds to {fate} on {count:,} of {population.n:,} neurons; use an "
            f"architecture with more {more}, or rescale it"
        )
    span = None if units is None else (int(units.min()), int(units.max()))
    return Loss(name, there, zero, share, span, vanished)


def _vanished(d: Dynamics, made: QuantizedPopulation) -> dict[str, int]:
    """By parameter, on how many neurons it is gone."""
    found = {}
    for name, value in d.values.items():
        q, exact = made.values[name], value.array
        if value.unit == COEFFICIENT:
            one = 1 << made.coef_shift
            gone = ((q == 0) & (np.abs(exact) > MATTERS)) | ((q == one) & (np.abs(1 - exact) > MATTERS / 100))
        elif value.unit == STATE and name != "threshold":
            size = 1.0 if d.amplitude is None else np.maximum(d.amplitude, 1e-12)
            gone = (q == 0) & (np.abs(exact) > MATTERS * size)
        else:
            continue
        if gone.any():
            found[name] = int(gone.sum())
    return found


def _sizes(p: Projection, d: Dynamics) -> sparse.csr_array:
    """(n_source, n_target) magnitudes of the weights, none of them 0, as the state sees them."""
    matrix = sparse.csr_array(p.matrix)
    sizes = np.abs(matrix.data * d.gain[matrix.indices])
    w = sparse.csr_array((sizes, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
    w.eliminate_zeros()
    return w


def _steps(w: sparse.csr_array, bits: int) -> np.ndarray:
    """(n_target,) one integer unit, if the largest weight onto a neuron takes all of its bits."""
    return w.max(axis=0).toarray().reshape(-1) / LARGEST[bits]


def _remedy(weights: list[sparse.csr_array], d: Dynamics, layer: QuantizedLayer, arch: Architecture) -> str:
    """What would keep more weights: bits of theirs, of the state, or a largest one that is smaller."""
    if d.scale is not None:
        return f"rescale them: {1 / d.scale:.3g} is a unit of this neuron model"
    if any(layer.plastic):
        return "use 16 bits, or weights that are larger beside the rule's bounds"
    sizes, bits = np.concatenate([w.data for w in weights]), max(layer.bits)
    for more in (b for b in WEIGHT_BITS if b >= bits):
        gone = np.concatenate([w.data < _steps(w, more)[w.indices] / 2 for w in weights])
        if gone.sum() <= MANY * len(sizes) and sizes[gone].sum() <= MUCH * sizes.sum():
            if more > bits:
                return f"use --weight-bits {more}"
            return f"use an architecture with more state_bits or acc_bits than {arch.name!r}"
    return (
        f"rescale the network: its largest weight is {sizes.max():.3g}, half of them are below {np.median(sizes):.3g}"
    )
