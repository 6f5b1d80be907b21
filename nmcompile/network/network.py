"""Network: a trained spiking network as populations and projections, in floats and SI units, under the user's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from emulator.spec.drawn import Drawn
from emulator.spec.errors import InputError, UsageError

from .limits import HUGE, INPUT, LARGEST_PAYLOAD
from .nir_graph import Graph
from .semantics import Semantics

if TYPE_CHECKING:
    from .rule import Rule

# Parameters of each of NIR's neuron models, all (n,) float64: its names and units (seconds, volts, ohms).
NIR_MODELS: dict[str, tuple[str, ...]] = {
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_mem", "tau_syn", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_mem", "tau_syn", "r", "v_leak", "w_in", "v_threshold", "v_reset"),
    "Threshold": ("threshold",),
}


@dataclass(frozen=True)
class Model:
    """A neuron model.

    Attributes:
        parameters: names of its arrays, each (n,) float64.
        spiking: does it ever spike?
        discretize: its `neurons.update.Dynamics` for a population and semantics; NIR's get theirs in neurons/models.py.
    """

    parameters: tuple[str, ...]
    spiking: bool
    discretize: Callable[[Population, Semantics], Any] | None = None


# Every neuron model there is, by name, NIR's first; `neurons.models.register` adds more.
MODELS: dict[str, Model] = {
    name: Model(parameters, not {"v_threshold", "threshold"}.isdisjoint(parameters))
    for name, parameters in NIR_MODELS.items()
}


@dataclass(frozen=True)
class Population:
    """Neurons of one model.

    Attributes:
        name: the user's name for it.
        shape: (n,), or channels first, for example (channels, height, width).
        model: a key of MODELS; its equations are NIR's.
        params: by name of MODELS[model].parameters, each (n,) float64.
        bias: (n,) float64, added to the weighted input in every timestep.
        late_bias: (n,) float64 of it that comes with recurrent connections, which some frameworks leave out in the
            first timestep; None: the population does not feed itself.
    """

    name: str
    shape: tuple[int, ...]
    model: str
    params: dict[str, np.ndarray]
    bias: np.ndarray
    late_bias: np.ndarray | None = None

    @property
    def n(self) -> int:
        return math.prod(self.shape)

    @property
    def spiking(self) -> bool:
        return self.model in MODELS and MODELS[self.model].spiking


@dataclass(frozen=True)
class Projection:
    """Synapses from one population, or the input, to another.

    Attributes:
        name: the user's name: the linear node, or nodes, it was folded from.
        matrix: (n_source, n_target) float64 CSR.
        delay: timesteps it takes in the framework, 0 meaning within the timestep, or one where a loop needs that.
        delay_s: seconds that it takes, if that is more; `retime` rounds them to timesteps.
        convolutional: rows repeat along the target, so it pays to look for shared windows.
        parameters: trained weights behind the matrix (of a convolution, far fewer than synapses); None: all of them.
        plasticity: the learning rule that changes them; `learning.attach` puts it here.
        connections: uses of its weights inside the image, those of 0 included; None: of a convolution as many as the
            matrix stores, else all pairs.
        pooled: a pool was folded into it, so its uses are the machine's, not those of the layers before.
        mask: (n_source, n_target) bool CSR: which pairs are synapses that learn, whatever their weights are at first;
            None: those that the matrix stores, or all if the rule says so.
    """

    name: str
    source: str
    target: str
    matrix: sparse.csr_array
    delay: int = 0
    convolutional: bool = False
    parameters: int | None = None
    delay_s: float = 0.0
    plasticity: Rule | None = None
    mask: sparse.csr_array | None = None
    connections: int | None = None
    pooled: bool = False


@dataclass(frozen=True)
class Network(Drawn):
    """A validated network.

    Attributes:
        input_shape: shape of one timestep of input; inputs are flat indices into it.
        populations: in any order.
        output: name of the population that is read out.
        origin: where it came from, for messages and reports.
        input_levels: largest number that an input can be in a timestep: 1 for spikes, up to 255 for graded ones.
        semantics: how it is to be read, where it says so itself; a preset that the user names goes before it.
        notes: what was assumed or left out in reading it, a sentence each.
        graph: the NIR graph that it was read from; None where it came in another way.
    """

    input_shape: tuple[int, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    output: str
    origin: str = field(default="network", compare=False)
    input_levels: int = 1
    semantics: Semantics | None = field(default=None, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    graph: Graph | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        neurons, synapses = sum(p.n for p in self.populations), sum(p.matrix.nnz for p in self.projections)
        names = ", ".join(f"{p.name} ({p.n:,} {p.model})" for p in self.populations[:6])
        more = f" and {len(self.populations) - 6} more" if len(self.populations) > 6 else ""
        counts = f"{self.n_inputs:,} inputs, {neurons:,} neurons, {synapses:,} synapses"
        return f"<Network {self.origin!r}: {counts}: {names}{more}>"

    @property
    def n_inputs(self) -> int:
        return math.prod(self.input_shape)

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise InputError(f"{self.origin}: no population {name!r}; it has {', '.join(p.name for p in self.populations)}")

    def size_of(self, name: str) -> int:
        return self.n_inputs if name == INPUT else self.population(name).n

    def graded(self, levels: int) -> Network:
        """The same network for analog inputs: an input of k, 0 to `levels`, stands for k / levels.

        Raises:
            UsageError: its inputs are graded already, or weights onto which they act learn.
        """
        if self.input_levels > 1:
            raise UsageError(f"{self.origin}: says itself that its inputs go up to {self.input_levels}")
        for p in self.projections:
            if p.source == INPUT and p.plasticity:
                raise UsageError(f"{self.origin}: {p.name!r} learns from its inputs, which must be spikes then")
        projections = tuple(replace(p, matrix=p.matrix / levels) if p.source == INPUT else p for p in self.projections)
        return replace(self, projections=projections, input_levels=levels)

    def __post_init__(self) -> None:
        if not self.populations:
            raise InputError(f"{self.origin}: no neurons in this network")
        names = [p.name for p in self.populations]
        if len(set(names)) < len(names) or INPUT in names:
            raise InputError(f"{self.origin}: population names must differ from each other and from {INPUT!r}: {names}")
        for population in self.populations:
            self._check_population(population)
        for projection in self.projections:
            shape = (self.size_of(projection.source), self.size_of(projection.target))
            if projection.matrix.shape != shape:
                raise InputError(
                    f"{self.origin}: {projection.name!r} connects {projection.source!r} to {projection.target!r}, "
                    f"which needs weights of shape {shape}, but they have {projection.matrix.shape}"
                )
            if not np.isfinite(projection.matrix.data).all():
                raise InputError(
                    f"{self.origin}: {projection.name!r} has a weight that is not finite; retrain or repair it"
                )
            if np.abs(projection.matrix.data).max(initial=0) > HUGE:
                raise InputError(
                    f"{self.origin}: {projection.name!r} has a weight beyond {HUGE:g}; rescale the network"
                )
            for delay in (projection.delay, projection.delay_s):
                if not 0 <= delay < math.inf:
                    raise InputError(f"{self.origin}: {projection.name!r} has delay {delay}; it must be 0 or more")
        if not 1 <= self.input_levels <= LARGEST_PAYLOAD:
            raise InputError(
                f"{self.origin}: inputs of up to {self.input_levels} levels; a graded spike holds 1 to "
                f"{LARGEST_PAYLOAD}"
            )
        self.population(self.output)

    def _check_population(self, population: Population) -> None:
        where = f"{self.origin}: {population.name!r}"
        if population.model not in MODELS:
            raise InputError(f"{where} is a {population.model!r}; neuron models are {', '.join(MODELS)}")
        wanted = MODELS[population.model].parameters
        if set(population.params) != set(wanted):
            raise InputError(f"{where} needs the parameters {wanted}, it has {tuple(population.params)}")
        late = [] if population.late_bias is None else [("late_bias", population.late_bias)]
        for name, values in (*population.params.items(), ("bias", population.bias), *late):
            if np.shape(values) != (population.n,):
                raise InputError(f"{where}: {name} has shape {np.shape(values)}, expected ({population.n},)")
            # an infinite time constant is no leak, and r or w_in = tau / dt are infinite with it
            tied: dict[str, tuple[str, ...]] = {"tau": ("tau",), "tau_mem": ("tau_mem",), "tau_syn": ("tau_syn",)}
            tied |= {"r": ("tau", "tau_mem"), "w_in": ("tau_syn",)}
            endless = np.zeros(population.n, bool)
            for key in tied.get(name, ()):
                if key in population.params:
                    endless |= np.isinf(population.params[key])
            if not np.isfinite(np.where(endless, 0.0, values)).all():
                raise InputError(f"{where}: {name} is not finite; retrain or repair it")
            if np.abs(np.where(endless, 0.0, values)).max() > HUGE:
                raise InputError(f"{where}: {name} is beyond {HUGE:g}; rescale the network")
            if name.startswith("tau") and np.abs(values).min() < 1 / HUGE:
                raise InputError(f"{where}: {name} = {np.abs(values).min():g} s; a time constant must not be 0")
