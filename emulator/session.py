"""An open session: a chip that runs one timestep at a time, with whatever happens in between up to the user.

The same on the kernel, the reference and the Verilog: a sample begins, timesteps follow, state can be read, written,
kept and brought back, and the host's `reward` can be another in every timestep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .reference import Reference
from .spec.errors import InputError, UsageError
from .spec.image import Image, PopulationMap

MACHINES: Final = ("kernel", "reference", "verilog")
ENDLESS: Final = (1 << 24) - 1  # timesteps of a sample whose end is not known


@dataclass(frozen=True)
class Snapshot:
    """What a session was at some time; only that session can go back to it."""

    owner: Session
    timestep: int
    reward: int
    samples: int
    begun: int
    state: Any


class Session:
    """A chip with a sample under way.

    Attributes:
        timestep: the one that comes next, of the machine, from 0.
        timesteps: T: inputs come in the first T timesteps, and outputs end `image.latency` later.
        reward: what the host gives in the timesteps from now on, an integer; `reset` begins with it.
    """

    def __init__(
        self, image: Image, machine: str = "kernel", timesteps: int | None = None, learn: bool = False, reward: int = 0
    ):
        """Begin the first sample.

        Args:
            machine: one of `MACHINES`.
            timesteps: T, which programs know; None: as many as a machine can count.
            learn: samples follow each other, as `emulator.run` has it.
            reward: that the first sample begins with.

        Raises:
            InputError: a reward that does not fit.
            UsageError: no such machine; a T that there cannot be.
        """
        if machine not in MACHINES:
            raise UsageError(f"machine {machine!r}; there are {', '.join(MACHINES)}")
        most = ENDLESS - image.latency
        self.timesteps = most if timesteps is None else timesteps
        if not 1 <= self.timesteps <= most:
            raise UsageError(f"a sample of {self.timesteps:,} timesteps; give 1 to {most:,}")
        self.image, self.machine, self.learn = image, machine, learn
        self._bound = 1 << (image.arch.state_bits - 1)
        self._largest = 255 if image.arch.graded else 1
        self.reward = reward
        self._samples = self.timestep = self._begun = 0
        self._end = self.timesteps + image.latency
        self._chip: Any = self._open()
        self.reset()

    def _open(self) -> Any:
        if self.machine == "kernel":
            from .kernel.stepping import KernelSteps

            return KernelSteps(self.image, self.timesteps, self.learn)
        if self.machine == "reference":
            return MachineSteps(Reference, self.image, self.timesteps)
        from .verilog.verilated import Verilated

        return MachineSteps(Verilated, self.image, self.timesteps)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the machine."""
        if self._chip is not None:
            self._chip.close()
            self._chip = None

    def _open_chip(self) -> Any:
        if self._chip is None:
            raise UsageError("this session is closed; open another")
        return self._chip

    # --------------------------------------------------------------------------------------------- running
    def reset(self) -> None:
        """Begin the next sample."""
        chip = self._open_chip()
        chip.begin(self._reward, self.learn and self._samples > 0)
        self._begun, self._samples, self.timestep = chip.cycles, self._samples + 1, 0

    def step(self, inputs: Any = None) -> np.ndarray:
        """Run a timestep.

        Args:
            inputs: (inputs,) integers, 0 for no spike, 1, or payloads up to 255 on a graded machine; None: silence.

        Returns:
            (outputs,) int32: 1 for each output that fired, of graded spikes what they carry.

        Raises:
            UsageError: the sample, or the session, is over; inputs behind the sample's last.
            InputError: inputs of another shape, type or size.
        """
        chip, now = self._chip, self.timestep
        if chip is None:
            self._open_chip()
        if now >= self._end:
            raise UsageError(
                f"the sample is over: it has {self.timesteps:,} timesteps and a latency of {self.image.latency}; begin "
                "the next with reset()"
            )
        sources, values = _NOTHING if inputs is None else self._spikes(inputs)
        if now >= self.timesteps and len(sources):
            raise UsageError(f"inputs in timestep {now:,}, but the sample has {self.timesteps:,} of them; give None")
        sent = chip.step(now, sources, values, self._reward)
        self.timestep = now + 1
        return sent

    def _spikes(self, inputs: Any) -> tuple[np.ndarray, np.ndarray]:
        """(sources, values) of the inputs that spike."""
        frame = np.asarray(inputs)
        if frame.shape != (self.image.n_inputs,):
            raise InputError(
                f"inputs of shape {frame.shape}, the network has {self.image.n_inputs:,}; give ({self.image.n_inputs},)"
            )
        if frame.dtype.kind not in "biu":
            raise InputError(f"inputs of type {frame.dtype}; give integers, 0 for no spike")
        (sources,) = frame.nonzero()
        values = frame[sources]
        if len(sources) and (values.max() > self._largest or values.min() < 0):
            worst = int(values.min()) if values.min() < 0 else int(values.max())
            raise InputError(
                f"an input is {worst}; on architecture {self.image.arch.name!r} it is 0 to {self._largest}"
            )
        return sources, values

    @property
    def reward(self) -> int:
        return self._reward

    @reward.setter
    def reward(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InputError(f"a reward of {value!r}; give an integer")
        if not -self._bound <= value < self._bound:
            raise InputError(
                f"a reward of {value:,} does not fit the {self.image.arch.state_bits} bits of the state; scale it down"
            )
        self._reward = int(value)

    @property
    def cycles(self) -> int:
        """Clock cycles of the sample so far, its reset left out."""
        return self._open_chip().cycles - self._begun

    # ----------------------------------------------------------------------------------------------- state
    def fired(self, population: str) -> np.ndarray:
        """(n,) bool: which of its neurons fired in the last timestep; InputError if there is no such population."""
        return self._open_chip().fired(self.image.population(population))

    def read(self, name: str) -> np.ndarray:
        """(n,) int32 of "REGISTER:POPULATION", in units of the state; InputError lists what there is."""
        return self._open_chip().read(*self._register(name))

    def write(self, name: str, values: Any) -> None:
        """Set "REGISTER:POPULATION" to an integer, or (n,) of them; InputError if they do not fit."""
        population, register = self._register(name)
        array = np.asarray(values)
        if array.dtype.kind not in "iu" or array.shape not in ((), (len(population.location),)):
            raise InputError(
                f"{name}: {array.dtype} of shape {array.shape}; give {len(population.location):,} integers"
            )
        if array.min() < -self._bound or array.max() >= self._bound:
            raise InputError(f"{name}: a value does not fit the {self.image.arch.state_bits} bits of the state")
        spread = np.broadcast_to(array, (len(population.location),)).astype(np.int32)
        self._open_chip().write(population, register, spread)

    def _register(self, name: str) -> tuple[PopulationMap, str]:
        register, _, of = name.partition(":")
        population = self.image.population(of)
        if register not in population.registers:
            raise InputError(
                f"{name!r}: population {of!r} has no register {register!r}; it has "
                f"{', '.join(population.registers) or 'none'}"
            )
        return population, register

    def snapshot(self) -> Snapshot:
        """What the session is now."""
        return Snapshot(self, self.timestep, self._reward, self._samples, self._begun, self._open_chip().save())

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this session; UsageError if it is another's."""
        if snapshot.owner is not self:
            raise UsageError("this snapshot is of another session; restore it there")
        self._open_chip().restore(snapshot.state)
        self.timestep, self._reward = snapshot.timestep, snapshot.reward
        self._samples, self._begun = snapshot.samples, snapshot.begun


_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int64)


class MachineSteps:
    """A machine with the interface of `Reference`. It goes back by doing again what it did since it was loaded."""

    def __init__(self, make: Any, image: Image, timesteps: int):
        self.make, self.image, self.timesteps = make, image, timesteps
        self.machine = make(image)
        self._log: list[tuple[str, tuple[Any, ...]]] = []
        self._sent: list[tuple[int, int, int]] = []
        self._before = 0  # cycles of machines that are gone

    @property
    def cycles(self) -> int:
        return self._before + self.machine.cycles()

    def _load(self) -> None:
        self.close()
        self.machine = self.make(self.image)

    def begin(self, reward: int, follows: bool) -> None:
        if not follows:
            self._before = self.cycles
            self._load()
            self._log = []
        self._log.append(("begin", (reward, True)))
        self.machine.reset(self.timesteps, reward)

    def step(self, now: int, sources: np.ndarray, values: np.ndarray, reward: int) -> np.ndarray:
        self._log.append(("step", (now, sources, values, reward)))
        self._give(reward)
        pointers, routes = self.image.input_pointers, self.image.input_routes
        for source, value in zip(sources.tolist(), values.tolist(), strict=True):
            for route in routes[pointers[source] : pointers[source + 1]]:
                self.machine.inject(int(route), int(value))
        self._sent = self.machine.step()
        return self.image.count_outputs(np.array(self._sent, np.int64).reshape(-1, 3)).astype(np.int32)

    def _give(self, reward: int) -> None:
        if isinstance(self.machine, Reference):
            for core in self.machine.cores:
                core.reward = reward
        else:
            self.machine.give(reward)

    def fired(self, population: PopulationMap) -> np.ndarray:
        there = {(core, neuron) for core, neuron, _ in self._sent}
        return np.array([place in there for place in map(tuple, population.location.tolist())], bool)

    def read(self, population: PopulationMap, register: str) -> np.ndarray:
        number = population.registers[register]
        rows = {core: self._row(core, number) for core in set(population.location[:, 0].tolist())}
        return np.array([rows[core][neuron] for core, neuron in population.location.tolist()], np.int32)

    def write(self, population: PopulationMap, register: str, values: np.ndarray) -> None:
        self._log.append(("write", (population, register, values)))
        number = population.registers[register]
        for core in set(population.location[:, 0].tolist()):
            mine = population.location[:, 0] == core
            row = np.array(self._row(core, number))
            row[population.location[mine, 1]] = values[mine]
            if isinstance(self.machine, Reference):
                self.machine.cores[core].registers[number] = row.tolist()
            else:
                self.machine.write_register(core, number, row)

    def _row(self, core: int, number: int) -> Any:
        if isinstance(self.machine, Reference):
            return self.machine.cores[core].registers[number]
        return self.machine.read_register(core, number)

    def save(self) -> Any:
        return list(self._log), self.cycles

    def restore(self, saved: Any) -> None:
        log, cycles = saved
        self._load()
        self._log = []
        for what, arguments in log:
            getattr(self, what)(*arguments)
        self._before = cycles - self.machine.cycles()

    def close(self) -> None:
        if not isinstance(self.machine, Reference):
            self.machine.port.close()
