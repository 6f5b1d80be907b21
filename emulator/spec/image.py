"""Image: what a compiler hands to a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from . import isa
from .arch import Architecture
from .drawn import Drawn
from .errors import InputError
from .notes import Notes

NO_NOTES: Final = "no compiler's notes in this image; compile it again, or run it with emulator.run"
PAYLOADS: Final = ("one", "unsigned", "signed")  # what spikes carry: 1, 0..255, or -128..127


@dataclass(frozen=True)
class CoreImage:
    """The memories of one core, each only as long as it is used.

    Attributes:
        program: (n,) uint64 instruction words; a timestep starts at 0.
        reset_entry: where the program of a sample reset starts (it too ends with `end`).
        axons: (n,) uint64 axon entries.
        synapses: (words, lanes) uint16.
        registers: (registers, blocks, lanes) int32 initial values.
        pointers: (neurons,) uint32 route pointers.
        routes: (n,) uint32.
        seeds: (lanes,) uint32 random state of 31 bits, never 0.
    """

    program: np.ndarray
    reset_entry: int
    axons: np.ndarray
    synapses: np.ndarray
    registers: np.ndarray
    pointers: np.ndarray
    routes: np.ndarray
    seeds: np.ndarray


CORE_ARRAYS: Final[dict[str, tuple[type, int]]] = {
    "program": (np.uint64, 1),
    "axons": (np.uint64, 1),
    "synapses": (np.uint16, 2),
    "registers": (np.int32, 3),
    "pointers": (np.uint32, 1),
    "routes": (np.uint32, 1),
    "seeds": (np.uint32, 1),
}


@dataclass(frozen=True)
class PopulationMap:
    """Where the neurons of a population live, under the user's own name.

    Attributes:
        depth: hops from the input: it runs for depth <= t < depth + T.
        location: (n, 2) int32: core, neuron in that core, by flat index in the population's shape.
        shown: the same, counted from when the framework shows its spikes: depth less the semantics' output delay.
        registers: what each register holds, for example {"v": 0}.
        scale: (n,) float64: how many units of the state one float unit of the network is.
    """

    name: str
    shape: tuple[int, ...]
    depth: int
    shown: int
    location: np.ndarray
    registers: dict[str, int]
    scale: np.ndarray


@dataclass(frozen=True)
class Image(Drawn):
    """A compiled network, ready for any machine of its architecture.

    Attributes:
        input_pointers: (inputs + 1,) int64; input i feeds input_routes[pointers[i]:pointers[i + 1]].
        input_routes: (n,) uint32, as `isa.ROUTE_FIELDS`.
        outputs: (outputs, 2) int32: core, neuron.
        latency: timesteps between an input and the output it can change; outputs live for
            latency <= t < latency + T.
        notes: what the compiler tells of it; None of an image made by hand.
    """

    arch: Architecture
    cores: tuple[CoreImage, ...]
    input_pointers: np.ndarray
    input_routes: np.ndarray
    outputs: np.ndarray
    latency: int
    populations: tuple[PopulationMap, ...]
    notes: Notes | None = None

    def __repr__(self) -> str:
        used = sum(len(core.program) > 1 for core in self.cores)
        what = f"{self.n_inputs:,} inputs, {len(self.outputs):,} outputs, latency {self.latency}"
        size = f"{used} of {self.arch.cores} cores, {self.memory_bits / 8192:,.1f} KiB"
        return f"<Image for {self.arch.name}: {what}, {size}>"

    @property
    def n_inputs(self) -> int:
        return len(self.input_pointers) - 1

    @property
    def compiled(self) -> Notes:
        """The compiler's notes; InputError if there are none."""
        if self.notes is None:
            raise InputError(NO_NOTES)
        return self.notes

    def window(self, timesteps: int) -> slice:
        """The machine timesteps in which outputs count, of a sample of so many input timesteps."""
        return slice(self.latency, self.latency + timesteps)

    def whose(self) -> Whose:
        """Which neuron of which population each place of each core is."""
        return whose([p.location for p in self.populations], self.arch)

    @property
    def memory_bits(self) -> int:
        """Bits of memory that the image fills, in words as wide as its architecture's."""
        bits = {name: width for name, (_, width) in self.arch.memories().items()}
        total = 0
        for core in self.cores:
            total += sum(
                len(getattr(core, name)) * bits[name] for name in ("program", "axons", "synapses", "pointers", "routes")
            )
            total += self.arch.registers * core.registers.shape[1] * bits["registers"]
        return total

    def population(self, name: str) -> PopulationMap:
        """The population of that name; InputError lists the names there are."""
        for population in self.populations:
            if population.name == name:
                return population
        names = ", ".join(p.name for p in self.populations)
        raise InputError(f"no population {name!r} in this image; it has {names}")

    @property
    def output_payloads(self) -> str:
        """Which of `PAYLOADS` the spikes of the outputs carry."""
        found = 0
        for core in np.unique(self.outputs[:, 0]):
            blocks = self.outputs[self.outputs[:, 0] == core, 1] // self.arch.lanes
            here = False
            for op in (isa.decode(word) for word in self.cores[core].program):
                if op.name == "range":
                    here = not op.flag and bool(((blocks >= op.lo) & (blocks < op.lo + op.hi)).any())
                elif op.name == "spk" and here and op.flag:
                    found = max(found, 1 + op.flag2)
        return PAYLOADS[found]

    def count_outputs(self, spikes: np.ndarray) -> np.ndarray:
        """(outputs,) int64: what spikes, (n, 3) core, neuron, payload byte, add up to at each output."""
        core, neuron, payload = np.reshape(spikes, (-1, 3)).T.astype(np.int64)
        carried = {"one": np.ones_like(payload), "unsigned": payload, "signed": (payload ^ 128) - 128}
        counts = np.zeros((len(self.cores), self.arch.neurons), np.int64)
        np.add.at(counts, (core, neuron), carried[self.output_payloads])
        return counts[self.outputs[:, 0], self.outputs[:, 1]]


class Whose(NamedTuple):
    """Of every (core, neuron): the index of its population, and its own flat number in it; -1 of padding."""

    population: np.ndarray
    neuron: np.ndarray


def whose(locations: Sequence[np.ndarray], arch: Architecture) -> Whose:
    """Turn locations, (n, 2) core and neuron of each population, round."""
    population, number = np.full((2, arch.cores, arch.neurons), -1, np.int64)
    for i, location in enumerate(locations):
        core, neuron = np.reshape(location, (-1, 2)).T
        population[core, neuron] = i
        number[core, neuron] = np.arange(len(core))
    return Whose(population, number)


def empty_core(arch: Architecture) -> CoreImage:
    """A core that only reaches `end`."""
    return CoreImage(
        program=np.array([isa.encode(isa.Op("end"))], np.uint64),
        reset_entry=0,
        axons=np.zeros(0, np.uint64),
        synapses=np.zeros((0, arch.lanes), np.uint16),
        registers=np.zeros((arch.registers, 0, arch.lanes), np.int32),
        pointers=np.zeros(0, np.uint32),
        routes=np.zeros(0, np.uint32),
        seeds=np.ones(arch.lanes, np.uint32),
    )
