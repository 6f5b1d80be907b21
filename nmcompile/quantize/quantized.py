"""QuantizedNetwork: the network in the integers of one architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from ..network.limits import INPUT
from ..network.rule import Rule
from ..neurons.update import Step
from ..retime import Timing

WEIGHT_BITS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class PlasticWeights:
    """What makes integers of a rule.

    Attributes:
        unit: one integer unit of weight, in the network's unit.
        lower, upper: integer bounds.
        masked: synapses of weight 0 are none.
        dt: seconds.
        scale: integer units of state per float unit.
    """

    rule: Rule
    unit: float
    lower: int
    upper: int
    masked: bool
    dt: float
    scale: float


@dataclass(frozen=True)
class QuantizedPopulation:
    """A population as the machine will run it.

    Attributes:
        scale: (n,) float64, state units per float unit of v.
        update: what happens in a timestep, to be run on a `neuron_program.Program`.
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
    than 0 (`signed`). `plastic`: how they learn; then zeros of the matrix are synapses, too. `connections` and
    `pooled` are `network.Projection`'s.
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
    connections: int = 0
    pooled: bool = False


@dataclass(frozen=True)
class QuantizedLayer:
    """The scale of a population, and the integers of the projections onto it, in their order.

    `left_out`: why a calibration does not weigh their rounding errors; empty if it does.
    """

    scale: np.ndarray
    shifts: list[int]
    integers: list[sparse.csr_array]
    bits: list[int]
    plastic: list[PlasticWeights | None]
    left_out: str = ""


@dataclass(frozen=True)
class Loss:
    """One population.

    Attributes:
        weights: of all projections onto it that are not 0.
        zero_weights: how many of them became 0; zero_weight_sum: their share of the absolute sum of all.
        threshold_units: least and largest threshold in integer units of the state; None where there is none.
        vanished: parameters, not 0, that became 0, and decays that became 1 or 0, each with how many neurons.
    """

    population: str
    weights: int
    zero_weights: int
    zero_weight_sum: float
    threshold_units: tuple[int, int] | None
    vanished: dict[str, int]


@dataclass(frozen=True)
class QuantizedNetwork:
    """All integers, all timing.

    Attributes:
        populations, projections: in the network's order.
        warnings: what the user should know.
        losses: what rounding took from each population.
        left_out: by population, why the calibration there is does not weigh its rounding errors.
    """

    input_shape: tuple[int, ...]
    populations: tuple[QuantizedPopulation, ...]
    projections: tuple[QuantizedProjection, ...]
    output: str
    timing: Timing
    origin: str
    warnings: tuple[str, ...]
    losses: tuple[Loss, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A pass that went wrong shows here, not two passes later."""
        sizes = {p.name: p.n for p in self.populations} | {INPUT: math.prod(self.input_shape)}
        assert set(self.timing.depth) == set(self.timing.shown) == set(sizes) - {INPUT}
        for p in self.projections:
            assert p.matrix.shape == (sizes[p.source], sizes[p.target]), p.name
            assert p.bits in WEIGHT_BITS, p.name
            assert min(p.shift, p.delay) >= 0, p.name
            assert np.abs(p.matrix.data).max(initial=0) <= 1 << (p.bits - 1), p.name

    def population(self, name: str) -> QuantizedPopulation:
        return next(p for p in self.populations if p.name == name)
