"""Quantize what learns: one scale for all neurons of a population, and weights that can reach their bounds.

A learning rule changes the weights onto all neurons by the same integers, so one integer unit of weight must mean the
same on every neuron. Units are chosen for the bounds of the weights, not for those that they start from.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError, InputError

from ..discretize.discretize import DiscreteNetwork
from ..network.network import Population, Projection
from ..network.rule import Rule
from ..neurons.update import Dynamics
from .quantized import PlasticWeights, QuantizedLayer

TAG_BITS = 8  # of an eligibility tag, below the weight
LARGEST = {1: 1, 2: 1, 4: 7, 8: 127, 16: 32767}
FINER = 4  # bits that the state should be finer than the weights, where most neurons can have it


def learns(projections: list[Projection]) -> bool:
    return any(p.plasticity is not None for p in projections)


def width(p: Projection, weight_bits: int) -> int:
    """Bits of its weights. Raises InputError where they are too few to learn."""
    if p.plasticity is None:
        return weight_bits
    bits = p.plasticity.bits or (16 if p.plasticity.eligibility else weight_bits)
    if bits not in (8, 16):
        raise InputError(
            f"{p.name!r} learns by {p.plasticity.name!r}, so its weights need 8 or 16 bits, not {bits}; use "
            "--weight-bits 8 or 16, or give the rule its own bits"
        )
    return bits


def check_plain(projections: list[Projection], discrete: DiscreteNetwork) -> None:
    """InputError where spikes that a rule would learn from carry numbers: it sees that they are, no more."""
    for p in projections:
        for name in (p.source, p.target):
            if p.plasticity is not None and discrete.graded(name):
                raise InputError(
                    f"{p.name!r} learns by {p.plasticity.name!r} from the spikes of {name!r}, which carry numbers; "
                    "a rule takes each for 1, so let it send plain spikes, or learn on another projection"
                )


def changing(name: str, plastic: list[PlasticWeights | None], d: Dynamics) -> frozenset[str]:
    """Parameters of population `name` that learning changes. Raises InputError if they are none, or changed twice."""
    rules = [w.rule for w in plastic if w is not None and w.rule.threshold is not None]
    if not rules:
        return frozenset()
    if len(rules) > 1:
        raise InputError(
            f"{name!r}: rules {rules[0].name!r} and {rules[1].name!r} both move its threshold; leave it to one of them"
        )
    if "threshold" not in d.values or np.ptp(d.values["threshold"].array) > 0:
        raise InputError(
            f"{name!r}: rule {rules[0].name!r} moves its threshold, which must be the same on all neurons at first; "
            "give them one"
        )
    return frozenset({"threshold"})


def plastic_layer(
    population: Population,
    projections: list[Projection],
    d: Dynamics,
    arch: Architecture,
    weight_bits: int,
    dt: float,
    payloads: list[int],
    most_shift: int,
    warnings: list[str],
) -> QuantizedLayer:
    """Choose the scale, the shifts and the integers.

    Args:
        payloads: largest magnitude of a spike's payload, by projection.
        most_shift: how far weights can be shifted left.

    Raises:
        InputError: neurons that differ in their gain; 4-bit weights that should learn; no synapse that could.
        DoesNotFitError: sums beyond the accumulator; bounds within one unit.
    """
    name = population.name
    if d.scale is not None:
        raise InputError(
            f"{name!r} ({population.model}) fixes its own units, so nothing can learn onto it; use another neuron model"
        )
    gain = float(d.gain[0])
    if np.abs(d.gain - gain).max() > 1e-9 * abs(gain) or gain <= 0:
        raise InputError(
            f"{name!r} learns, so a weight must act alike on all its neurons, but their gains are {d.gain.min():g} to "
            f"{d.gain.max():g}; give them equal time constants and resistances"
        )
    bits = [width(p, weight_bits) for p in projections]
    top = np.array([gain * _largest(p) for p in projections])
    matrices = [synapses(p) for p in projections]
    fullest = np.array([np.bincount(m.indices, minlength=1).max(initial=0) for m in matrices])
    steps = np.array([t / _units(p, b) for t, p, b in zip(top, projections, bits, strict=True)])
    used = steps > 0
    reference = steps[used].min() if used.any() else 1.0
    exponents = [int(np.ceil(np.log2(s / reference) - 1e-9)) if s > 0 else 0 for s in steps]
    excess = max(0, max(exponents, default=0) - most_shift)  # the finer weights are made coarser, then
    reference, exponents = reference * 2.0**excess, [max(0, e - excess) for e in exponents]
    need = d.headroom * max(float(np.max(d.amplitude)), 1e-12) if d.amplitude is not None else 100.0
    room = 0.98 * float(1 << (arch.acc_bits - 1))
    finest = max(need / float(1 << (arch.state_bits - 1)), float((fullest * top * payloads).sum()) / room)
    spare = np.log2(reference / finest)
    k = int(np.floor(max(0.0, min(FINER, spare, most_shift - max(exponents, default=0)))))
    scale = 1 / max(reference / 2.0**k, finest)
    if spare < 0:
        warnings.append(
            f"{name!r}: {arch.name!r} leaves {-spare:.1f} bits less than its weights' {min(bits)}; use an architecture "
            "with more state_bits or wider accumulators, or fewer inputs"
        )
    shifts = [k + e for e in exponents]
    integers, plastic = [], []
    for p, matrix, b, shift in zip(projections, matrices, bits, shifts, strict=True):
        unit = 2.0**shift / (scale * gain)  # one integer unit of weight, in the network's
        q, learned = _integers(p, matrix, b, unit, dt, scale, warnings)
        if learned is not None:
            _check_bounds(p.name, learned, arch)
        integers.append(q)
        plastic.append(learned)
    reach = sum(
        int(n) * _extreme(q, w) * payload << shift
        for n, q, w, payload, shift in zip(fullest, integers, plastic, payloads, shifts, strict=True)
    )
    if reach >= 1 << (arch.acc_bits - 1):
        raise DoesNotFitError(
            [
                f"{name!r} can sum its weights to {reach:,}, an accumulator of {arch.acc_bits} bits holds "
                f"{(1 << (arch.acc_bits - 1)) - 1:,}; use fewer --weight-bits or wider accumulators"
            ]
        )
    scales = np.full(population.n, scale)
    return QuantizedLayer(scales, shifts, integers, bits, plastic, "what learns is scaled for its bounds")


def _check_bounds(name: str, learned: PlasticWeights, arch: Architecture) -> None:
    """DoesNotFitError where not even two weights lie between a rule's bounds."""
    if learned.lower >= learned.upper:
        rule = learned.rule
        raise DoesNotFitError(
            [
                f"{name!r} learns between {rule.w_min:g} and {rule.w_max:g}, but one unit of weight is "
                f"{learned.unit * _coarse(rule):.3g} on {arch.name!r}; use an architecture with more state_bits, or "
                "weights that are larger beside the threshold"
            ]
        )


def _largest(p: Projection) -> float:
    """The largest magnitude that a weight has or can get."""
    if p.plasticity is None:
        return float(np.abs(p.matrix.data).max(initial=0))
    return max(abs(p.plasticity.w_min), abs(p.plasticity.w_max))


def _units(p: Projection, bits: int) -> int:
    """Integer units of the largest weight."""
    if p.plasticity is not None and p.plasticity.eligibility is not None:
        return LARGEST[16 - TAG_BITS] << TAG_BITS
    return LARGEST[bits]


def _extreme(q: sparse.csr_array, plastic: PlasticWeights | None) -> int:
    if plastic is None:
        return int(np.abs(q.data).max(initial=0))
    tag = (1 << (TAG_BITS - 1)) - 1 if plastic.rule.eligibility else 0
    return max(abs(plastic.lower), abs(plastic.upper)) + tag


def _coarse(rule: Rule) -> int:
    """Integer units of a step of weight: whole upper bytes where a tag lies below."""
    return 1 << TAG_BITS if rule.eligibility else 1


def synapses(p: Projection) -> sparse.csr_array:
    """(n_source, n_target) weights: what is stored is a synapse, and may be 0 where the projection learns."""
    rule, matrix = p.plasticity, sparse.csr_array(p.matrix)
    if rule is None:
        return matrix
    if p.mask is None and not rule.all_to_all:
        if not matrix.nnz:
            raise InputError(
                f"{p.name!r} learns by {rule.name!r}, but all its weights are 0, and a weight of 0 is no synapse; give "
                "the rule all_to_all = true, or weights to begin with"
            )
        return matrix
    dense = matrix.toarray()
    if p.mask is not None:
        mask = p.mask.toarray()
    else:
        mask = np.ones(dense.shape, bool)
        if p.source == p.target:
            np.fill_diagonal(mask, np.diagonal(dense) != 0)
    if not mask.any():
        raise InputError(
            f"{p.name!r} learns by {rule.name!r}, but none of its pairs is a synapse, and a neuron is none to itself; "
            "give it a mask with synapses, or take the rule away"
        )
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return sparse.csr_array((dense[mask], np.nonzero(mask)[1], indptr), shape=dense.shape)


def _integers(
    p: Projection, matrix: sparse.csr_array, bits: int, unit: float, dt: float, scale: float, warnings: list[str]
) -> tuple[sparse.csr_array, PlasticWeights | None]:
    rule = p.plasticity
    if rule is None:
        values = np.clip(np.rint(matrix.data / unit), -LARGEST[bits], LARGEST[bits]).astype(np.int32)
        q = sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)
        q.eliminate_zeros()
        return q, None
    coarse = _coarse(rule)
    lower = int(np.ceil(rule.w_min / (unit * coarse) - 1e-9)) * coarse
    upper = int(np.floor(rule.w_max / (unit * coarse) + 1e-9)) * coarse
    full = bool(np.isin(np.diff(matrix.indptr), (0, matrix.shape[1])).all())  # of every source that is connected
    if not full:  # a weight of 0 would be no synapse any more
        lower, upper = (max(lower, coarse), upper) if rule.w_min >= 0 else (lower, upper)
        lower, upper = (lower, min(upper, -coarse)) if rule.w_max <= 0 else (lower, upper)
    values = (np.clip(np.rint(matrix.data / (unit * coarse)), -LARGEST[16], LARGEST[16]) * coarse).astype(np.int64)
    if not full and not values.all():
        least = coarse if upper > 0 else -coarse
        warnings.append(
            f"{p.name!r}: {int((values == 0).sum()):,} of {len(values):,} synapses start at 0, which is no synapse "
            f"where only some pairs are; they start at {least * unit:.3g}, one unit; connect all pairs, or none at 0"
        )
        values[values == 0] = least
    outside = int(np.count_nonzero((values < lower) | (values > upper)))
    if outside and full:
        warnings.append(
            f"{p.name!r}: {outside:,} of {len(values):,} weights start outside {rule.w_min:g} .. {rule.w_max:g} and "
            "are clamped; widen w_min and w_max"
        )
    warnings += [f"{p.name!r}: rule {rule.name!r} {text}" for text in _vanished(rule, unit, dt, scale)]
    values = np.clip(values, lower, upper).astype(np.int32)
    q = sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)
    return q, PlasticWeights(rule, unit, lower, upper, not full, dt, scale)


def _vanished(rule: Rule, unit: float, dt: float, scale: float) -> list[str]:
    """What of a rule is too small to do anything, or is done in larger steps, in words."""
    found = []
    step = unit if rule.eligibility is None else rule.eligibility.largest / ((1 << (TAG_BITS - 1)) - 1)
    largest = {t.name: 1 / -math.expm1(-dt / t.tau) if t.pairing == "all" else 1.0 for t in rule.traces}
    for term in rule.terms:
        most = abs(term.change) * math.prod(largest.get(name, 1.0) for name in term.traces)
        if rule.rounding == "nearest" and 0 < most < step / 2:
            found.append(
                f"changes weights by {most:.3g} at most on a {term.on} spike, which always rounds to none of their "
                f'units of {step:.3g}; use rounding = "stochastic", or more bits'
            )
    if rule.threshold and 0 < abs(rule.threshold.plus) * scale < 0.5:
        found.append(
            f"raises thresholds by {rule.threshold.plus:.3g}, which rounds to 0 units of the state; use an "
            "architecture with more state_bits, or a larger one"
        )
    if 0 < rule.drift < unit / 2:
        found.append(
            f"drifts by {unit:.3g}, one unit of weight, as {rule.drift:.3g} is less than half of it; use more bits, or "
            "a larger drift"
        )
    return found
