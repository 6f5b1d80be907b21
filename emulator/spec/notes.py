"""Notes: what a compiler tells of an image to whoever runs, prices or shows it, as data with a schema.

No machine reads them. Every room after the compiler does, by these names; a file whose notes are of another kind is
refused when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import msgspec

from .errors import InputError
from .files import printable

INPUT: Final = "input"  # the source name of what comes from outside
T = TypeVar("T")


@dataclass(frozen=True)
class DeliveryNote:
    """The rows of a projection in a part: axons `first_axon`, .. and synapse words `first_word`, .. of its core.

    Attributes:
        program: address of the `integ` that delivers them.
    """

    name: str
    source: str
    first_axon: int
    axons: int
    first_word: int
    words: int
    program: int


@dataclass(frozen=True)
class PartNote:
    """A slab of a population in a core.

    Attributes:
        program: its first address, and the one behind its last.
        learning: address of the switch that its learning stands behind; None: nothing learns.
    """

    population: str
    first_block: int
    blocks: int
    neurons: int
    program: tuple[int, int]
    projections: tuple[DeliveryNote, ...]
    learning: int | None = None


@dataclass(frozen=True)
class LearningNote:
    """How a projection learns.

    Attributes:
        learns: name of the rule.
        unit: one integer unit of weight, in the network's unit.
        bounds: least and largest weight, in the network's unit.
        tag_bits: low bits of a weight that are an eligibility tag.
        moves_threshold: it changes the threshold of its target, too.
    """

    learns: str
    unit: float
    bounds: tuple[float, float]
    tag_bits: int
    moves_threshold: bool

    @property
    def step(self) -> float:
        """The least difference between two weights; a tag below them does not count."""
        return self.unit * 2**self.tag_bits


@dataclass(frozen=True)
class ProjectionNote:
    """A projection as it was compiled.

    Attributes:
        synapses: weights that are not zero; connections: uses of weights, those of zero included: pairs of source and
            target, of a convolution those inside the image.
        parameters: trained weights behind them, of a convolution far fewer.
        delay: axonal, timesteps.
        learning: None: its weights stay.
        payload: largest magnitude of what its spikes carry.
        pooled: a pool is folded into it.
    """

    name: str
    source: str
    target: str
    synapses: int
    connections: int
    parameters: int
    weight_bits: int
    delay: int
    convolutional: bool
    learning: LearningNote | None = None
    payload: int = 1
    pooled: bool = False


@dataclass(frozen=True)
class DriftNote:
    """One population on the calibration inputs, in floats and in fixed point.

    Attributes:
        float_spikes, fixed_spikes: all samples.
        count_error: mean over neurons and samples of |fixed - float| spikes, over the mean float count.
        saturations: neuron-timesteps in which v ended at the limit of the state.
        silent_neurons: fired in float, never in fixed point; new_neurons: the other way round.
        zero_weights: share of its trained weights that became 0.
        advice: which parameter to change; empty if nothing needs it.
    """

    name: str
    neurons: int
    float_spikes: int
    fixed_spikes: int
    count_error: float
    saturations: int
    silent_neurons: int
    new_neurons: int
    zero_weights: float
    advice: str


@dataclass(frozen=True)
class ModelsNote:
    """The file of a user's own neuron models and rules that an image was compiled with: its name, never its code."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Notes:
    """What the compiler remembers of an image.

    Attributes:
        network: where it came from.
        input_levels: largest number that an input can be in a timestep.
        output: the population that is read out, and how.
        semantics: the reading, in words.
        thresholds: of each spiking population, in state units: one number where its neurons agree.
        parts: of each core.
        title: what a report is headed with.
        models: the user's own models; None: the package's.
    """

    network: str
    input_shape: tuple[int, ...]
    input_levels: int
    output: str
    readout: Literal["count", "membrane"]
    semantics: str
    weight_bits: int
    warnings: tuple[str, ...]
    thresholds: dict[str, int | tuple[int, ...]]
    parts: tuple[tuple[PartNote, ...], ...]
    projections: tuple[ProjectionNote, ...]
    drift: tuple[DriftNote, ...] = ()
    title: str | None = None
    models: ModelsNote | None = None

    @property
    def placed(self) -> Iterator[tuple[int, PartNote]]:
        """Every part with its core."""
        return ((core, part) for core, parts in enumerate(self.parts) for part in parts)

    @property
    def plastic(self) -> dict[str, LearningNote]:
        """By its name, how each projection learns that does."""
        return {p.name: p.learning for p in self.projections if p.learning}

    def onto(self, population: str) -> list[ProjectionNote]:
        """The projections onto a population."""
        return [p for p in self.projections if p.target == population]


def to_plain(data: Any) -> Any:
    """Dataclasses of any depth as dicts, lists, numbers and texts, for JSON."""
    return msgspec.to_builtins(data)


def from_plain(kind: type[T], plain: Any, what: str) -> T:
    """The dataclass of that kind, its texts made printable.

    Raises:
        InputError: it names `what`, and the first value that is missing or of another kind.
    """
    try:
        return msgspec.convert(_printable(plain), kind)
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"{what}: {error}") from None


def _printable(plain: Any) -> Any:
    """The same, no text of which can steer a terminal."""
    if isinstance(plain, dict):
        return {_printable(key): _printable(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_printable(value) for value in plain]
    return printable(plain) if isinstance(plain, str) else plain
