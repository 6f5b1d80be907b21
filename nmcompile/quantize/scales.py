"""Scales: how many integer units a float is, per neuron or channel."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from emulator.spec.arch import Architecture

from ..discretize.floatsim import FloatRun
from ..network.limits import INPUT
from ..network.network import Population, Projection
from ..neurons.update import Dynamics
from .fixed import column_reach, overflow
from .plastic import FINER, LARGEST
from .rounding import LARGEST_LAYER, observed_inputs, round_compensated

MARGIN = 2.0  # of the state over the largest value that the calibration saw


class Layer:
    """A population and the projections onto it, while its scale is chosen and its weights are rounded."""

    def __init__(
        self,
        population: Population,
        projections: list[Projection],
        d: Dynamics,
        arch: Architecture,
        bits: int,
        calibration: FloatRun | None,
        payloads: list[int],
        most_shift: int,
        delays: list[int],
    ):
        self.population, self.projections, self.arch, self.bits = population, projections, arch, bits
        self.calibration, self.payloads, self.delays = calibration, payloads, delays
        self.most_shift = most_shift
        self.weights = [sparse.csc_array(p.matrix.multiply(d.gain[None, :])).astype(np.float64) for p in projections]
        self.group = _groups(population, any(p.convolutional for p in projections))
        rates = [_rates(p.source, calibration) for p in projections]
        grids = _common_grid(self.weights, LARGEST[bits]) if bits > 1 else None
        self.steps = [
            _steps(w, self.group, bits, r) if grids is None else np.where(_largest(w, self.group) > 0, grid, 0.0)
            for w, r, grid in zip(self.weights, rates, grids or [0.0] * len(rates), strict=True)
        ]
        self.sources = sum(w.shape[0] for w in self.weights)
        self.need = _amplitude(population, d, calibration)
        self.crowded = False  # accumulators limit the scale, not the state

    def quantize(
        self, warnings: list[str], problems: list[str]
    ) -> tuple[np.ndarray, list[int], list[sparse.csr_array]]:
        """(scale (n,), left shift and integer weights per projection)."""
        scale, shifts = self.scale()
        integers = self.integers(scale, shifts)
        bound = 1 << (self.arch.acc_bits - 1)
        reaches = (column_reach(q, s) * n for q, s, n in zip(integers, shifts, self.payloads, strict=True))
        total = sum(reaches, np.zeros(1))
        while np.max(total) >= bound and min(shifts) > 0:  # weights that were rounded up
            scale, shifts, total = scale / 2, [s - 1 for s in shifts], total / 2
        if np.max(total) >= bound:
            problems.append(overflow(self.population.name, int(np.max(total)), self.arch))
        worth = [
            np.median(2.0**shift / (scale[step > 0] * step[step > 0]))
            for shift, step in zip(shifts, self.steps, strict=True)
            if step.any()
        ]
        if self.calibration is not None and self.sources > LARGEST_LAYER:
            warnings.append(
                f"{self.population.name!r}: the calibration does not weigh its rounding errors against each other "
                f"({self.left_out}); use more --weight-bits, or fewer sources"
            )
        lost = float(np.log2(max(worth, default=1.0)))
        if lost > 0.5:
            if self.crowded:
                most = max(self.payloads)
                why = f"sums of spikes of up to {most} in {self.arch.acc_bits}-bit accumulators leave"
                advice = "more acc_bits" if most == 1 else "more acc_bits, or fewer levels"
            else:
                why, advice = f"the {self.arch.state_bits}-bit state leaves", "more state_bits"
            warnings.append(
                f"{self.population.name!r}: {why} {self.bits - lost:.1f} of {self.bits} weight bits; use an "
                f"architecture with {advice}, or fewer --weight-bits"
            )
        return scale, shifts, integers

    def scale(self) -> tuple[np.ndarray, list[int]]:
        """As fine as the state's bits and the accumulators allow.

        A shift of k makes the state k bits finer than the weights. All neurons share it, so one whose state must reach
        far beyond its weights holds it down; where that costs the others their finer state, its weights are made
        coarser.
        """
        limit = float(1 << (self.arch.state_bits - 1))
        steps = self.steps
        if not any(step.any() for step in steps):
            return limit / self.need / 2, [0] * len(steps)
        # Exponents between projections: one shift each, so the largest ratio over neurons decides.
        first = np.max(steps, axis=0)  # per neuron, the coarsest step
        reference = np.where(first > 0, first, first[first > 0].mean())
        exponents = []
        for step in steps:
            used = step > 0
            ratio = np.max(step[used] / reference[used]) if used.any() else 1.0
            exponents.append(int(np.ceil(np.log2(ratio) - 1e-9)))
        lowest = min(exponents)
        unit = reference * 2.0**lowest
        # Finest unit of each neuron: state headroom, and no reachable accumulator sum beyond its width.
        reach = sum(
            n * np.maximum(np.asarray(w.maximum(0).sum(axis=0)), np.asarray((-w).maximum(0).sum(axis=0))).reshape(-1)
            for w, n in zip(self.weights, self.payloads, strict=True)
        )
        room = float(1 << (self.arch.acc_bits - 1)) * 0.98
        finest = _group_max(np.maximum(self.need / limit, reach / room), self.group)
        self.crowded = bool((reach / room - self.need / limit)[np.argmax(finest / unit)] > 0)
        spare = np.log2(unit / finest)
        k = int(np.floor(max(spare.min(), min(FINER, np.median(spare)), 0)))
        most = self.most_shift - max(e - lowest for e in exponents)
        if k > most:  # what shifts cannot do is done by larger integers, where there is room
            tops = [
                np.max(_largest(w, self.group) / (unit * 2.0 ** (e - lowest)), initial=0)
                for w, e in zip(self.weights, exponents, strict=True)
            ]
            room = int(np.floor(np.log2(LARGEST[self.bits] / max(tops)) + 1e-9))
            unit, k = unit / 2.0 ** min(k - most, max(0, room)), most
        return 1 / np.maximum(unit / 2.0**k, finest), [max(0, k + e - lowest) for e in exponents]

    def integers(self, scale: np.ndarray, shifts: list[int]) -> list[sparse.csr_array]:
        """Integer weights: with errors compensated where a calibration shows the inputs of a dense layer."""
        if self.calibration is None or self.left_out:
            return [_round(w, scale, shift, self.bits) for w, shift in zip(self.weights, shifts, strict=True)]
        steps = [2.0**shift / scale for shift in shifts]
        inputs = observed_inputs(self.projections, self.delays, self.calibration)
        return round_compensated(self.weights, steps, LARGEST[self.bits], inputs)

    @property
    def left_out(self) -> str:
        """Why a calibration does not weigh rounding errors of these weights against each other; empty if it does."""
        if any(p.convolutional for p in self.projections):
            return "a convolution shares its weights"
        if self.bits == 1:
            return "1-bit weights have signs only"
        if self.sources > LARGEST_LAYER:
            return f"{self.sources:,} sources, {LARGEST_LAYER:,} at most"
        return "" if self.sources else "no weights"


def _groups(population: Population, convolutional: bool) -> np.ndarray:
    """(n,) which neurons share a scale: those of a channel, if a convolution feeds them."""
    if convolutional and len(population.shape) > 1:
        return np.repeat(np.arange(population.shape[0]), population.n // population.shape[0])
    return np.arange(population.n)


def _rates(source: str, calibration: FloatRun | None) -> np.ndarray | None:
    """(n_source,) how often each source fired, plus a little, so that silent ones count too."""
    if calibration is None:
        return None
    counts = calibration.input_counts if source == INPUT else calibration.spike_counts[source].sum(axis=0)
    return counts + 0.01 * max(1.0, counts.mean())


def _amplitude(population: Population, d: Dynamics, calibration: FloatRun | None) -> np.ndarray:
    """(n,) the largest |v| that the state must hold, in float units."""
    if d.amplitude is None:
        unseen = np.full(population.n, 100.0)
    else:
        unseen = d.headroom * np.maximum(d.amplitude, 1e-12)
    if calibration is None:
        return unseen
    seen = calibration.peak[population.name]
    reached = MARGIN * np.maximum(seen, seen.mean())
    if d.amplitude is not None:
        reached = np.maximum(reached, 2 * d.amplitude)
    return np.where(reached > 0, reached, unseen)  # samples that move nothing tell nothing


def _steps(w: sparse.csc_array, group: np.ndarray, bits: int, rates: np.ndarray | None) -> np.ndarray:
    """(n_target,) the weight that one integer unit should be worth, the same within a group; 0 where no weights are.

    Below 8 bits, large weights are clipped where that lowers the squared error, weighted by the source's rate.
    """
    largest = LARGEST[bits]
    n_groups = int(group.max()) + 1
    column = np.repeat(np.arange(w.shape[1]), np.diff(w.indptr))
    of = group[column]
    size = np.abs(w.data)
    top = np.zeros(n_groups)
    top[group] = _largest(w, group)
    if bits == 1:
        count = np.bincount(of, minlength=n_groups)
        return (np.bincount(of, size, minlength=n_groups) / np.maximum(count, 1))[group]
    best = top / largest
    if bits < 8 and len(size):
        weight = np.ones(len(size)) if rates is None else rates[w.indices]
        least = np.full(n_groups, np.inf)
        for clip in np.linspace(1.0, 0.3, 29):
            step = np.maximum(top * clip / largest, 1e-300)[of]
            error = weight * (np.minimum(np.rint(size / step), largest) * step - size) ** 2
            total = np.bincount(of, error, minlength=n_groups)
            better = total < least
            best = np.where(better, top * clip / largest, best)
            least = np.minimum(total, least)
    return best[group]


def _largest(w: sparse.csc_array, group: np.ndarray) -> np.ndarray:
    """(n_target,) the largest magnitude of a weight onto a neuron's group."""
    return _group_max(abs(w).max(axis=0).toarray().reshape(-1) if w.shape[0] else np.zeros(w.shape[1]), group)


def _common_grid(weights: list[sparse.csc_array], largest: int) -> list[float] | None:
    """Of each projection, the number that its weights are whole multiples of, as quantization-aware training leaves
    them; None if that is not so for all of them, or if these numbers do not differ by powers of two."""
    found = [_grid(np.abs(w.data), largest) for w in weights if w.nnz]
    grids = [grid for grid in found if grid is not None]
    if not grids or len(grids) < len(found):
        return None
    ratios = np.log2(np.array(grids) / grids[0])
    if np.abs(ratios - np.rint(ratios)).max() > 1e-6:
        return None
    known = iter(grids)
    return [next(known) if w.nnz else 0.0 for w in weights]


def _grid(size: np.ndarray, largest: int) -> float | None:
    """The number that all magnitudes (n,) are 0 to `largest` times of, within the precision of float32; else None."""
    size = np.unique(size[size > 0])
    if not 0 < len(size) <= largest:
        return None
    top = float(size[-1])
    tolerance, unit = 4e-6 * top, top
    for value in size.tolist():  # Euclid, as far as there is hope
        while value > tolerance:
            unit, value = value, abs(unit - round(unit / value) * value)
            if unit < 0.9 * top / largest:
                return None
    times = np.rint(size / unit)
    unit = float((size * times).sum() / (times**2).sum())
    return unit if times[-1] <= largest and np.abs(size - times * unit).max() <= tolerance else None


def _group_max(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    top = np.zeros(int(group.max()) + 1)
    np.maximum.at(top, group, values)
    return top[group]


def _round(w: sparse.csc_array, scale: np.ndarray, shift: int, bits: int) -> sparse.csr_array:
    column = np.repeat(np.arange(w.shape[1]), np.diff(w.indptr))
    exact = w.data * scale[column] / 2.0**shift
    if bits == 1:
        values = np.where(exact < 0, -1, 1)
    else:
        values = np.clip(np.rint(exact), -LARGEST[bits], LARGEST[bits])
    q = sparse.csc_array((values.astype(np.int32), w.indices, w.indptr), shape=w.shape).tocsr()
    q.eliminate_zeros()
    return q
