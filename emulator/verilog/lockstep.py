"""Two machines side by side, to the first difference: events, spikes, state, counters and cycles, every timestep.

A machine here is anything with the interface of `reference.Reference`; states are read by `state_of`. A difference
is told with both sides, the core, the neuron and its population's name, and the instructions that are behind it.
A payload counts where a spike is pending: elsewhere it means nothing, and the next spike starts it anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reference import Core, Reference
from ..spec import isa
from ..spec.errors import MachineError
from ..spec.image import Image
from ..spec.listing import listing
from .verilated import Verilated


class LockstepError(MachineError):
    """Two machines differ; the message is the whole story, `what` and `core` its head."""

    def __init__(self, message: str, what: str, core: int):
        super().__init__(message)
        self.what, self.core = what, core


@dataclass(frozen=True)
class Report:
    """What a lockstep run without a difference covered."""

    samples: int
    timesteps: int
    spikes: int
    rows: int  # plastic rows updated
    cycles: int  # of the timesteps, resets left out
    clock_cycles: int  # core clock cycles, resets included, summed over cores


# ------------------------------------------------------------------------------------------------- the states
def reference_state(core: Core) -> dict[str, np.ndarray]:
    """All of a reference core's state as arrays: name -> [index][neuron or axon]."""
    arch = core.arch
    spikes = np.zeros(arch.neurons, np.int64)
    spikes[list(core.spikes)] = 1
    pending = np.array(core.pending, np.int64)
    state = {
        "registers": np.array(core.registers, np.int64),
        "accumulators": np.array(core.accumulators, np.int64),
        "predicates": np.array(core.predicates, np.int64),
        "pending": pending,
        "random": np.array(core.random, np.int64),
        "spikes": spikes,
    }
    if arch.graded:
        state["payloads"] = np.array(core.payloads, np.int64) * pending
    if arch.traces:
        state["traces"] = np.array(core.traces, np.int64)
        state["delivered"] = np.array(core.delivered, np.int64)
    return state


def state_of(machine: Any, core: int) -> dict[str, np.ndarray]:
    """The state of one core of any machine."""
    if isinstance(machine, Reference):
        return reference_state(machine.cores[core])
    return machine.state(core)


def weights_of(machine: Any, core: int) -> np.ndarray:
    """The synapse words of one core, (words, lanes) uint16."""
    if isinstance(machine, Reference):
        return np.array(machine.cores[core].synapses, np.uint16).reshape(-1, machine.arch.lanes)
    return machine.synapses(core)


# ------------------------------------------------------------------------------------------------- the events
class Recorder:
    """Collects a machine's retire events by core and kind; `op` events of a clocked machine become costs."""

    def __init__(self, clocked: bool):
        self.clocked = clocked
        self.forget()

    def __call__(self, kind: str, core: int, *numbers: int) -> None:
        self.rows.setdefault((core, kind), []).append(tuple(int(n) for n in numbers))

    def forget(self) -> None:
        self.rows: dict[tuple[int, str], list[tuple[int, ...]]] = {}

    def stream(self, core: int, kind: str) -> list[tuple[int, ...]]:
        rows = self.rows.get((core, kind), [])
        if kind == "op" and self.clocked:
            clocks = [clock for _, clock in rows]
            costs = [b - a for a, b in itertools.pairwise(clocks)]
            return [(pc, cost) for (pc, _), cost in zip(rows, [*costs, isa.END_CYCLES], strict=True)]
        return rows


EVENTS = {
    "op": ("program address", "cycles"),
    "event": ("axon", "factor", "beats"),
    "row": ("axon",),
    "spike": ("neuron", "payload"),
    "packet": ("core", "axon", "delay", "payload"),
}


# ------------------------------------------------------------------------------------------------- comparing
class Lockstep:
    """Runs two machines on one image and raises LockstepError at the first difference.

    Args:
        left, right: factories (image, retire) -> machine.
        names: what to call them in a message.
        every: compare full state after every so many timesteps; events, spikes and counters always.
    """

    def __init__(
        self,
        image: Image,
        left: Callable[..., Any] = Reference,
        right: Callable[..., Any] = Verilated,
        names: tuple[str, str] = ("reference", "Verilog"),
        every: int = 1,
    ):
        self.image, self.names, self.every = image, names, every
        self.recorders = (Recorder(False), Recorder(True))
        self.machines = (left(image, self.recorders[0]), right(image, self.recorders[1]))
        self.sample, self.timestep = 0, 0
        self._spikes = self._timesteps = 0

    def run(self, spikes: np.ndarray, rewards: Iterable[int] | None = None) -> Report:
        """(samples, T, inputs) integers; each sample runs T + latency timesteps."""
        samples, timesteps, _ = spikes.shape
        rewards = [0] * samples if rewards is None else list(rewards)
        for sample in range(samples):
            self.sample = sample
            self.timestep = -1
            for machine, recorder in zip(self.machines, self.recorders, strict=True):
                machine.reset(timesteps, rewards[sample])
                recorder.forget()
            self.compare()
            for t in range(timesteps + self.image.latency):
                self.timestep = t
                self.step(spikes[sample, t] if t < timesteps else ())
        counters = self.machines[0].counters
        cycles = self.machines[0].cycles()
        return Report(
            samples,
            self._timesteps,
            self._spikes,
            sum(core.counters["rows"] for core in self.machines[0].cores),
            cycles,
            (cycles + counters["reset_cycles"]) * self.image.arch.cores,
        )

    def step(self, values: Iterable[int]) -> None:
        """Inject one timestep's inputs into both machines, step both, compare."""
        image = self.image
        fired = []
        for machine, recorder in zip(self.machines, self.recorders, strict=True):
            recorder.forget()
            for i, value in enumerate(values):
                if value:
                    for route in image.input_routes[image.input_pointers[i] : image.input_pointers[i + 1]]:
                        machine.inject(int(route), int(value))
            fired.append(machine.step())
        self._timesteps += 1
        self._spikes += len(fired[0])
        self.compare_events()
        if fired[0] != fired[1]:
            odd = sorted(set(fired[0]) ^ set(fired[1]))[0]
            raise self.differ("spikes", odd[0], odd[1], odd in fired[0], odd in fired[1], self.writers("spk", None))
        self.compare(full=self._timesteps % self.every == 0)

    def compare_events(self) -> None:
        for core in range(self.image.arch.cores):
            for kind, fields in EVENTS.items():
                left, right = (recorder.stream(core, kind) for recorder in self.recorders)
                if left == right:
                    continue
                at = next(
                    (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
                )
                sides = [
                    ", ".join(f"{f} {v}" for f, v in zip(fields, side[at], strict=True))
                    if at < len(side)
                    else "nothing"
                    for side in (left, right)
                ]
                lines = [f"  after {kind} events {left[max(0, at - 2) : at]}"] if at else []
                if kind == "op":
                    lines += self.listing(core, {s[at][0] for s in (left, right) if at < len(s)})
                neuron = None
                if kind == "spike":
                    neuron = next(s[at][0] for s in (left, right) if at < len(s))
                raise self.differ(f"{kind} event {at}", core, neuron, sides[0], sides[1], lines)

    def compare(self, full: bool = True) -> None:
        """Counters and cycles; and, if full, every bit of state."""
        left, right = self.machines
        for core in range(self.image.arch.cores):
            if full:
                self.compare_state(core)
            a, b = left.cores[core].counters, right.cores[core].counters
            for name in a:
                if a[name] != b[name]:
                    raise self.differ(f"counter {name!r}", core, None, a[name], b[name], [])
        a, b = left.counters, right.counters
        for name in a:
            if a[name] != b[name]:
                raise self.differ(f"chip counter {name!r}", 0, None, a[name], b[name], [])

    def compare_state(self, core: int) -> None:
        states = [state_of(machine, core) for machine in self.machines]
        for name in states[0]:
            a, b = states[0][name], states[1][name]
            if np.array_equal(a, b):
                continue
            where = tuple(int(i) for i in np.argwhere(a != b)[0])
            what = f"{name}[{']['.join(map(str, where))}]"
            axons = name in ("pending", "payloads", "traces", "delivered")
            neuron = None if axons or name == "random" else where[-1]
            raise self.differ(what, core, neuron, int(a[where]), int(b[where]), self.writers(name, where[0]))
        a, b = (weights_of(machine, core) for machine in self.machines)
        if not np.array_equal(a, b):
            word, lane = (int(i) for i in np.argwhere(a != b)[0])
            sides = hex(a[word, lane]), hex(b[word, lane])
            raise self.differ(f"synapse word {word} slot {lane}", core, None, *sides, self.writers("synapses", None))

    # ------------------------------------------------------------------------------------------- the message
    def differ(self, what: str, core: int, neuron: int | None, a: Any, b: Any, lines: list[str]) -> LockstepError:
        when = "after the reset" if self.timestep < 0 else f"in timestep {self.timestep}"
        who = f", neuron {neuron}{self.population(core, neuron)}" if neuron is not None else ""
        width = max(map(len, self.names))
        text = [
            f"sample {self.sample}, {when}, core {core}{who}: {what} differs",
            f"  {self.names[0]:<{width}}  {a}",
            f"  {self.names[1]:<{width}}  {b}",
            *lines,
        ]
        return LockstepError("\n".join(text), what, core)

    def population(self, core: int, neuron: int) -> str:
        """Whose neuron it is, in the user's words."""
        for p in self.image.populations:
            found = np.flatnonzero((p.location == (core, neuron)).all(axis=1))
            if len(found):
                return f" ({p.name!r} {int(found[0])})"
        return ""

    def listing(self, core: int, addresses: set[int]) -> list[str]:
        program = self.image.cores[core].program
        return [f"  {a:4}  {listing(isa.decode(int(program[a])))}" for a in sorted(addresses) if a < len(program)]

    def writers(self, name: str, index: int | None) -> list[str]:
        """The instructions of this timestep that can have written the state of that name."""
        lines = []
        for core in range(self.image.arch.cores):
            for address in sorted({row[0] for row in self.recorders[0].stream(core, "op")}):
                op = isa.decode(int(self.image.cores[core].program[address]))
                if _writes(op, name, index):
                    lines += [f"  core {core}:{line}" for line in self.listing(core, {address})]
        return lines[:12]


def _writes(op: isa.Op, name: str, index: int | None) -> bool:
    match name:
        case "registers" | "traces":
            return op.row.writes == "register" and op.d == index
        case "predicates":
            return op.row.writes == "predicate" and op.d == index
        case "accumulators":
            return (op.name == "integ" and op.d == index) or isa.SRC_ACC_CLEAR + (index or 0) in op.sources
        case "spikes" | "spk":
            return op.row.writes == "spike"
        case "pending" | "payloads" | "delivered":
            return op.name == "integ"
        case "random":
            return op.row.unit == "random"
        case "synapses":
            return op.name == "rows"
    raise AssertionError(name)


def lockstep(image: Image, spikes: Any, rewards: Iterable[int] | None = None, **options: Any) -> Report:
    """Run the reference and the Verilog on the samples; raise LockstepError at the first difference."""
    return Lockstep(image, **options).run(np.asarray(spikes), rewards)
