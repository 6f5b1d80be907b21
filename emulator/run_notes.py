"""What is told of a run beside what the machine counted: its inputs, costs and prices, as data with a schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .spec.arch import Architecture
from .spec.notes import Notes


@dataclass(frozen=True)
class PopulationCost:
    """Totals over all samples, of one population on all its cores.

    Attributes:
        busy_cycles: cycles that its cores spent on its instructions.
        events: axons delivered to it.
        synaptic_operations: weights that are not zero times events.
        synapse_words: of 16 * lanes bits, stored for it.
    """

    name: str
    neurons: int
    cores: tuple[int, ...]
    busy_cycles: int
    events: int
    synaptic_operations: int
    spikes: int
    synapse_words: int


@dataclass(frozen=True)
class CoreFill:
    """How full a core is: of each resource (used, there are)."""

    core: int
    populations: tuple[str, ...]
    resources: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class EnergyNote:
    """The energy of all samples by one price table; see `energy.EnergyReport`."""

    table: str
    scope: str
    evidence: str
    total_j: float
    incremental_j: float
    static_j: float | None
    components_j: dict[str, float]
    cores_j: tuple[float, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class LearningRun:
    """What learning did in a run.

    Attributes:
        mean_weights: of each projection that learns, the mean weight before and after, in the network's unit.
        cycles, energy_j, rows: its share of the ledger; None where the machine does not know.
    """

    mean_weights: dict[str, tuple[float, float]]
    warnings: tuple[str, ...] = ()
    cycles: int | None = None
    energy_j: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Shown:
    """The inputs of the sample that a report shows: (timestep, input) of each spike."""

    sample: int
    inputs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class RunNotes:
    """What is known of a run.

    Attributes:
        timesteps: of the input of each sample; latency: how many more a sample lasted.
        populations: names, in the order of the image.
        image: the compiler's notes; None of an image made by hand.
        input_spikes: of all samples.
        locations: of each population, (core, neuron) of each neuron; None where spikes are not recorded.
        labels: (samples,) true classes; accuracy: share of predictions that are; float_accuracy: the network's own.
        silent_samples: without an output spike, so of no class and never right; tied_samples: with equal outputs.
        neurobench: of `metrics.metrics`.
    """

    timesteps: int
    latency: int
    architecture: Architecture
    populations: tuple[str, ...]
    image: Notes | None = None
    input_spikes: int = 0
    costs: tuple[PopulationCost, ...] = ()
    fill: tuple[CoreFill, ...] = ()
    energy: EnergyNote | None = None
    learning: LearningRun | None = None
    shown: Shown | None = None
    locations: dict[str, tuple[tuple[int, int], ...]] | None = None
    labels: tuple[int, ...] | None = None
    accuracy: float | None = None
    float_accuracy: float | None = None
    silent_samples: int = 0
    tied_samples: int = 0
    neurobench: dict[str, Any] = field(default_factory=dict)
