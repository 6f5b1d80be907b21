"""Quantize: floats become the integers of one architecture.

Neuron n counts its state in units of 1/scale[n]. The weights onto it are integers of `weight_bits` bits, shifted left
by one amount per projection; a convolution's neurons share a scale per channel, others have one each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError, InputError, UsageError

from .bounds import bounded_dynamics
from .floatsim import FloatRun
from .network import INPUT, Network, Population, Projection
from .plastic import FINER, LARGEST, PlasticWeights, changing, learns, plastic_layer
from .retime import Timing, framework_delays
from .rounding import LARGEST_LAYER, observed_inputs, round_compensated
from .semantics import Semantics
from .update import COEFFICIENT, STATE, Dynamics, Step

WEIGHT_BITS = (1, 2, 4, 8, 16)
MARGIN = 2.0  # of the state over the largest value that the calibration saw


@dataclass(frozen=True)
class QuantizedPopulation:
    """A population as the machine will run it.

    Attributes:
        scale: (n,) float64, state units per float unit of v.
        update: what happens in a timestep, to be run on a `neurons.Program`.
        values: its parameters by name, (n,) int64.
        units: of each of them, as in `update`.
        coef_shift: bits behind the point of the coefficients.
        rounding: of products with them.
        payload: largest magnitude of what a spike carries.
        changing: parameters that learning changes, so that each needs a register.
    """

    name: str
    shape: tuple[int, ...]
    scale: np.ndarray
    update: Step
    values: dict[str, np.ndarray]
    units: dict[str, str]
    coef_shift: int
    rounding: int
    payload: int
    changing: frozenset[str] = frozenset()

    @property
    def n(self) -> int:
        return len(self.scale)

    @property
    def threshold(self) -> np.ndarray | None:
        """(n,) the parameter of that name, where the model has one."""
        return self.values.get("threshold")


@dataclass(frozen=True)
class QuantizedProjection:
    """Integer weights: `matrix` (n_source, n_target) int32 CSR without zeros, to be shifted left by `shift`.

    They are multiplied by what a spike carries where that can be more than 1 (`payload`, its largest magnitude) or less
    than 0 (`signed`). `plastic`: how they learn; then zeros of the matrix are synapses, too.
    """

    name: str
    source: str
    target: str
    matrix: sparse.csr_array
    shift: int
    bits: int
    delay: int
    convolutional: bool
    parameters: int
    payload: int = 1
    signed: bool = False
    plastic: PlasticWeights | None = None


@dataclass(frozen=True)
class QuantizedNetwork:
    """All integers, all timing; `depth` and `shown` are in timesteps, by population, as in `retime.Timing`."""

    input_shape: tuple[int, ...]
    populations: tuple[QuantizedPopulation, ...]
    projections: tuple[QuantizedProjection, ...]
    output: str
    depth: dict[str, int]
    shown: dict[str, int]
    origin: str
    warnings: tuple[str, ...]

    def population(self, name: str) -> QuantizedPopulation:
        return next(p for p in self.populations if p.name == name)


def quantize(
    network: Network,
    semantics: Semantics,
    arch: Architecture,
    weight_bits: int,
    timing: Timing,
    calibration: FloatRun | None = None,
) -> QuantizedNetwork:
    """Choose scales and round.

    Args:
        calibration: a recorded float run on sample inputs: its spikes weigh the rounding errors, its peaks set the
            headroom.

    Raises:
        DoesNotFitError: sums that an accumulator cannot hold, integers or spikes that the architecture has not,
            everything of that kind gathered.
    """
    if weight_bits not in WEIGHT_BITS:
        raise UsageError(f"{weight_bits} weight bits; the choices are {', '.join(map(str, WEIGHT_BITS))}")
    discrete = bounded_dynamics(network, semantics)
    payloads = {INPUT: network.input_levels} | {name: d.payload for name, d in discrete.items()}
    graded = {name for name, n in payloads.items() if n > 1 or (name in discrete and discrete[name].signed)}
    taken = framework_delays(network, semantics.dt, {name: d.output_delay for name, d in discrete.items()})
    populations = []
    projections: dict[int, QuantizedProjection] = {}
    warnings: list[str] = []
    problems: list[str] = [
        f"{name!r} sends graded spikes (up to {payload}), {arch.name!r} has none; use an architecture that is graded"
        for name, payload in payloads.items()
        if name in graded and not arch.graded
    ]
    for population in network.populations:
        incoming = {i: p for i, p in enumerate(network.projections) if p.target == population.name}
        d = discrete[population.name]
        if arch.state_bits < d.state_bits:
            problems.append(
                f"{population.name!r} ({population.model}) needs a state of {d.state_bits} bits, {arch.name!r} has "
                f"{arch.state_bits}; use an architecture with more state_bits"
            )
            continue
        sent = [payloads[p.source] for p in incoming.values()]
        most_shift = min((isa.largest_shift(arch.state_bits, p.source in graded) for p in incoming.values()), default=0)
        arriving = [taken[i] for i in incoming]
        plastic: list[PlasticWeights | None] = [None] * len(incoming)
        if learns(list(incoming.values())):
            found = plastic_layer(
                population, list(incoming.values()), d, arch, weight_bits, semantics.dt, sent, most_shift, warnings
            )
            scale, shifts, integers, bits = found.scale, found.shifts, found.integers, found.bits
            plastic = found.plastic
        elif d.scale is None:
            layer = _Layer(
                population, list(incoming.values()), d, arch, weight_bits, calibration, sent, most_shift, arriving
            )
            scale, shifts, integers = layer.quantize(warnings, problems)
            bits = [weight_bits] * len(incoming)
        else:
            scale = np.full(population.n, d.scale)
            shifts, integers, bits = fixed_weights(
                population.name, list(incoming.values()), d, arch, weight_bits, sent, most_shift, problems
            )
        for (i, p), q, shift, width, learned in zip(incoming.items(), integers, shifts, bits, plastic, strict=True):
            if p.matrix.nnz and q.nnz == 0:
                warnings.append(f"{p.name!r}: every weight rounds to 0 at {width} bits; use more --weight-bits")
            parameters = p.matrix.nnz if p.parameters is None else p.parameters
            projections[i] = QuantizedProjection(
                p.name,
                p.source,
                p.target,
                q,
                shift,
                width,
                timing.delays[i],
                p.convolutional,
                parameters,
                payloads[p.source],
                p.source in discrete and discrete[p.source].signed,
                learned,
            )
        integer = _population(population, d, scale, arch, warnings)
        populations.append(replace(integer, changing=changing(population.name, plastic, d)))
    if problems:
        raise DoesNotFitError(problems)
    return QuantizedNetwork(
        network.input_shape,
        tuple(populations),
        tuple(projections[i] for i in sorted(projections)),
        network.output,
        dict(timing.depth),
        dict(timing.shown),
        network.origin,
        tuple(warnings),
    )


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
            whole = np.rint(w.data).astype(np.int64)
            if (whole != w.data).any():
                problems.append(f"{p.name!r} has weights that are not whole numbers, as {name!r} needs; round them")
            common = int(np.bitwise_or.reduce(whole)) if len(whole) else 0
            while common and common % 2 == 0 and shift < most_shift:
                common, shift = common // 2, shift + 1
            low, high = int(whole.min(initial=0)) >> shift, int(whole.max(initial=0)) >> shift
            bits = next((b for b in WEIGHT_BITS[1:] if -(1 << (b - 1)) <= low and high < 1 << (b - 1)), 0)
            if not bits:
                problems.append(f"{p.name!r} has weights from {low:,} to {high:,}; a synapse holds 16 bits at most")
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
    reaches = (_column_reach(q, s) * n for q, s, n in zip(integers, shifts, payloads, strict=True))
    total = np.max(sum(reaches, np.zeros(1)))
    if total >= 1 << (arch.acc_bits - 1):
        problems.append(_overflow(name, int(total), arch))
    return shifts, integers, widths


def _overflow(name: str, total: int, arch: Architecture) -> str:
    return (
        f"{name!r} can sum its weights to {total:,}, an accumulator of {arch.acc_bits} bits holds "
        f"{(1 << (arch.acc_bits - 1)) - 1:,}; use fewer --weight-bits or wider accumulators"
    )


class _Layer:
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
        self.need = _amplitude(population, d, calibration)
        self.crowded = False  # accumulators limit the scale, not the state

    def quantize(
        self, warnings: list[str], problems: list[str]
    ) -> tuple[np.ndarray, list[int], list[sparse.csr_array]]:
        """(scale (n,), left shift and integer weights per projection)."""
        scale, shifts = self.scale()
        integers = self.integers(scale, shifts)
        bound = 1 << (self.arch.acc_bits - 1)
        reaches = (_column_reach(q, s) * n for q, s, n in zip(integers, shifts, self.payloads, strict=True))
        total = sum(reaches, np.zeros(1))
        while np.max(total) >= bound and min(shifts) > 0:  # weights that were rounded up
            scale, shifts, total = scale / 2, [s - 1 for s in shifts], total / 2
        if np.max(total) >= bound:
            problems.append(_overflow(self.population.name, int(np.max(total)), self.arch))
        worth = [
            np.median(2.0**shift / (scale[step > 0] * step[step > 0]))
            for shift, step in zip(shifts, self.steps, strict=True)
            if step.any()
        ]
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
        sources = sum(w.shape[0] for w in self.weights)
        shared = any(p.convolutional for p in self.projections)
        if self.calibration is None or shared or self.bits == 1 or not 0 < sources <= LARGEST_LAYER:
            return [_round(w, scale, shift, self.bits) for w, shift in zip(self.weights, shifts, strict=True)]
        steps = [2.0**shift / scale for shift in shifts]
        inputs = observed_inputs(self.projections, self.delays, self.calibration)
        return round_compensated(self.weights, steps, LARGEST[self.bits], inputs)


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
    floor = np.zeros(population.n) if d.amplitude is None else d.amplitude
    if calibration is not None:
        seen = calibration.peak[population.name]
        return np.maximum(MARGIN * np.maximum(seen, seen.mean()), 2 * floor)
    if d.amplitude is None:
        return np.full(population.n, 100.0)
    return d.headroom * np.maximum(floor, 1e-12)


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


def _column_reach(q: sparse.csr_array, shift: int) -> np.ndarray:
    """(n_target,) the largest magnitude that a sum of any of a column's weights can have."""
    up = np.asarray(q.maximum(0).sum(axis=0), np.int64).reshape(-1)
    down = np.asarray((-q).maximum(0).sum(axis=0), np.int64).reshape(-1)
    return np.maximum(up, down) << shift


def _population(
    population: Population, d: Dynamics, scale: np.ndarray, arch: Architecture, warnings: list[str]
) -> QuantizedPopulation:
    high = (1 << (arch.state_bits - 1)) - 1
    coef_shift = d.coef_shift
    if coef_shift is None:
        # A decay that is 1 everywhere needs no product, so it does not have to fit a coefficient.
        factors = [v.array for v in d.values.values() if v.unit == COEFFICIENT and not (v.array == 1).all()]
        largest = max((np.abs(a).max() for a in factors), default=0.0)
        coef_shift = arch.coef_bits - 1
        while round(largest * 2**coef_shift) >= 1 << (arch.coef_bits - 1):
            coef_shift -= 1
        if coef_shift < 0:
            raise InputError(
                f"{population.name!r}: a decay of {largest:g} is beyond coefficients of {arch.coef_bits} bits; "
                "decays lie between 0 and 1"
            )
    values = {}
    for name, value in d.values.items():
        unit = scale if value.unit == STATE else 2.0**coef_shift if value.unit == COEFFICIENT else 1.0
        q = np.rint(value.array * unit)
        if value.unit != COEFFICIENT:
            if np.abs(q).max(initial=0) > high:
                warnings.append(
                    f"{population.name!r}: {name} exceeds the {arch.state_bits}-bit state and is clamped; use an "
                    "architecture with more state_bits"
                )
            q = np.clip(q, -high - 1, high)
        values[name] = q.astype(np.int64)
    return QuantizedPopulation(
        population.name,
        population.shape,
        scale,
        d.update,
        values,
        {name: value.unit for name, value in d.values.items()},
        coef_shift,
        d.rounding,
        d.payload,
    )
