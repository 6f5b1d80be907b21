"""The kernel a timestep at a time, for a session: its memories stay, and so do the arrays of its job."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec.image import Image, PopulationMap
from ..spec.spikes import SpikeTrains
from .memories import BARRIER, CARRY_ON, CLOCK, COMPUTE, FABRIC, FROM, ORIGIN, UNTIL
from .prepare import prepare
from .samples import run_samples
from .simulate import Memories, flat_neurons, make_job, probe_places

_SHARED = ("code",)  # of the state: bound to the addresses of this session's arrays, and never changed


class KernelSteps:
    """The fast machine with one sample under way."""

    def __init__(self, image: Image, timesteps: int, learn: bool):
        self.machine = prepare(image)
        self._memories = Memories.of(self.machine, "exact")
        n = max(1, image.n_inputs)
        held = SpikeTrains(
            (1, timesteps, image.n_inputs),
            np.zeros(2, np.int64),
            np.zeros(n, np.int32),
            np.zeros(n if image.arch.graded else 0, np.uint8),
        )
        self._job = make_job(self.machine, held, np.zeros(1, np.int64), learn, False, ())
        m, memories = self.machine, self._memories
        self._tables = (m.sizes, m.cores, m.synapses, m.learning, m.routes, m.start)
        self._changing = memories[1:]
        self._clock = 0
        self._still: dict[tuple[int, int, int], int] = {}  # what was written where no program goes
        self._neurons = {p.name: flat_neurons(m, p.location) for p in image.populations}

    def begin(self, reward: int, follows: bool) -> None:
        """Begin a sample: afresh, or with what the one before has left."""
        if not follows:
            self._still.clear()
        self._run(-1, reward, int(follows))

    def step(self, now: int, sources: np.ndarray, values: np.ndarray, reward: int) -> np.ndarray:
        """Run a timestep; (outputs,) int32 what the outputs sent in it."""
        job, n = self._job, len(sources)
        job.first[1] = n
        job.source[:n] = sources
        if job.graded:
            job.value[:n] = values
        job.output_counts.fill(0)
        self._run(now, reward, 0)
        return job.output_counts[0].copy()

    def _run(self, now: int, reward: int, follows: int) -> None:
        job = self._job
        window = job.window
        window[FROM], window[UNTIL], window[CLOCK], window[ORIGIN], window[CARRY_ON] = (
            now,
            now + 1,
            self._clock,
            now,
            follows,
        )
        job.rewards[0] = reward
        run_samples(0, 1, self._tables, self._changing, job)
        self._clock += 1

    @property
    def cycles(self) -> int:
        """Clock cycles of all timesteps so far."""
        chip = self._memories.fired.chip
        return int(chip[COMPUTE] + chip[FABRIC] + chip[BARRIER])

    def fired(self, population: PopulationMap) -> np.ndarray:
        """(n,) bool: which of its neurons fired in the last timestep."""
        fired = self._memories.fired
        return np.isin(self._neurons[population.name], fired.list[: fired.first[-1]])

    def read(self, population: PopulationMap, register: str) -> np.ndarray:
        """(n,) int32 of a register."""
        place = probe_places(self.machine, f"{register}:{population.name}")[2]
        held = self._memories.state.registers[place]
        for i in np.flatnonzero(place < 0):
            core, neuron = population.location[i].tolist()
            initial = self.machine.image.cores[core].registers[population.registers[register]].reshape(-1)
            first = int(initial[neuron]) if neuron < len(initial) else 0
            held[i] = self._still.get((core, neuron, population.registers[register]), first)
        return held

    def write(self, population: PopulationMap, register: str, values: np.ndarray) -> None:
        place = probe_places(self.machine, f"{register}:{population.name}")[2]
        self._memories.state.registers[place[place >= 0]] = values[place >= 0]
        for i in np.flatnonzero(place < 0):
            core, neuron = population.location[i].tolist()
            self._still[core, neuron, population.registers[register]] = int(values[i])

    def save(self) -> Any:
        """All that changes."""
        memories = self._memories
        parts = [
            {name: getattr(part, name).copy() for name in part._fields if name not in _SHARED}
            for part in (memories.state, memories.inbox, memories.fired)
        ]
        return parts, dict(self._still)

    def restore(self, saved: Any) -> None:
        memories, (parts, still) = self._memories, saved
        self._still = dict(still)
        for part, held in zip((memories.state, memories.inbox, memories.fired), parts, strict=True):
            for name, array in held.items():
                np.copyto(getattr(part, name), array)

    def close(self) -> None:
        """Nothing is held beyond memory."""
