"""Network: a trained spiking network as populations and projections, in floats and SI units, under the user's names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError

INPUT = "input"  # the source name of projections that come from outside

# Parameters of each neuron model, all (n,) float64: NIR's names and units (seconds, volts, ohms).
MODELS: dict[str, tuple[str, ...]] = {
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_mem", "tau_syn", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_mem", "tau_syn", "r", "v_leak", "w_in", "v_threshold", "v_reset"),
}
SPIKING = frozenset(name for name, params in MODELS.items() if "v_threshold" in params)


@dataclass(frozen=True)
class Population:
    """Neurons of one model.

    Attributes:
        name: the user's name for it.
        shape: (n,), or channels first, for example (channels, height, width).
        model: a key of MODELS; its equations are NIR's.
        params: by name of MODELS[model], each (n,) float64.
        bias: (n,) float64, added to the weighted input in every timestep.
    """

    name: str
    shape: tuple[int, ...]
    model: str
    params: dict[str, np.ndarray]
    bias: np.ndarray

    @property
    def n(self) -> int:
        return math.prod(self.shape)

    @property
    def spiking(self) -> bool:
        return self.model in SPIKING


@dataclass(frozen=True)
class Projection:
    """Synapses from one population, or the input, to another.

    Attributes:
        name: the user's name: the linear node, or nodes, it was folded from.
        matrix: (n_source, n_target) float64 CSR.
        delay: timesteps it takes in the framework, 0 meaning within the timestep (1 for a feedback).
        convolutional: rows repeat along the target, so it pays to look for shared windows.
        parameters: trained weights behind the matrix (of a convolution, far fewer than synapses); None: all of them.
    """

    name: str
    source: str
    target: str
    matrix: sparse.csr_array
    delay: int = 0
    convolutional: bool = False
    parameters: int | None = None


@dataclass(frozen=True)
class Network:
    """A validated network.

    Attributes:
        input_shape: shape of one timestep of input; inputs are flat indices into it.
        populations: in an order in which signals can flow.
        output: name of the population that is read out.
        origin: where it came from, for messages and reports.
    """

    input_shape: tuple[int, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    output: str
    origin: str = field(default="network", compare=False)

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
            if projection.delay < 0:
                raise InputError(
                    f"{self.origin}: {projection.name!r} has delay {projection.delay}; it must be 0 or more"
                )
        self.population(self.output)

    def _check_population(self, population: Population) -> None:
        where = f"{self.origin}: {population.name!r}"
        if population.model not in MODELS:
            raise InputError(f"{where} is a {population.model!r}; neuron models are {', '.join(MODELS)}")
        wanted = MODELS[population.model]
        if set(population.params) != set(wanted):
            raise InputError(f"{where} needs the parameters {wanted}, it has {tuple(population.params)}")
        for name, values in (*population.params.items(), ("bias", population.bias)):
            if np.shape(values) != (population.n,):
                raise InputError(f"{where}: {name} has shape {np.shape(values)}, expected ({population.n},)")
            if not np.isfinite(values).all():
                raise InputError(f"{where}: {name} is not finite; retrain or repair it")
            if name.startswith("tau") and np.min(values) <= 0:
                raise InputError(f"{where}: {name} = {np.min(values):g} s; a time constant must be positive")
