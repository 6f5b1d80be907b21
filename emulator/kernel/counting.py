"""The ledger after a run: dot products of how often instructions ran, axons were delivered and neurons fired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..spec import isa
from ..spec.errors import MachineError
from ..spec.image import Image
from ..spec.isa import Op
from ..spec.ledger import COUNTERS, UNITS
from ..spec.rows import unpack
from .tables import STREAMS, Machine
from .words import WORD

if TYPE_CHECKING:
    from .memories import State


class Counted(NamedTuple):
    """What the kernel counted, summed over threads."""

    executions: np.ndarray  # (instructions,)
    events: np.ndarray  # (pending,)
    fired: np.ndarray  # (flat neurons,)
    pending_writes: np.ndarray  # (busy cores,), as all that follow
    plastic_operations: np.ndarray
    row_words: np.ndarray
    busy: np.ndarray
    chip: np.ndarray  # (4,) cycles


def executions(machine: Machine, counted: Counted, samples: int, steps: int) -> tuple[np.ndarray, ...]:
    """How often each instruction of each core ran; `steps` timesteps a sample."""
    found = []
    busy = {int(number): k for k, number in enumerate(machine.cores.number)}
    for i, core in enumerate(machine.image.cores):
        if i in busy:
            entry = machine.cores.entry[busy[i] : busy[i] + 2]
            found.append(counted.executions[entry[0] : entry[1]].copy())
            continue
        counts = np.zeros(len(core.program), np.int64)
        counts[0] += samples * steps
        counts[core.reset_entry] += samples
        found.append(counts)
    return tuple(found)


def axon_events(machine: Machine, counted: Counted) -> tuple[np.ndarray, ...]:
    """How often each axon of each core was delivered."""
    found = [np.zeros(machine.image.arch.axons, np.int64) for _ in machine.image.cores]
    members = machine.members
    for k, number in enumerate(machine.cores.number):
        mine = members.core == k
        found[number][members.axon[mine]] = counted.events[members.q[mine]]
    return tuple(counts[: len(core.axons)] for counts, core in zip(found, machine.image.cores, strict=True))


def neuron_spikes(machine: Machine, counted: Counted) -> np.ndarray:
    """(cores, neurons) spikes."""
    arch, cores = machine.image.arch, machine.cores
    found = np.zeros((arch.cores, arch.neurons), np.int64)
    for k, number in enumerate(cores.number):
        mine = counted.fired[cores.neuron[k] : cores.neuron[k + 1]][: arch.neurons]
        found[number, : len(mine)] = mine
    return found


def instruction_counts(op: Op, space: Op | None, lanes: int) -> dict[str, int]:
    """What one execution of an instruction counts, whatever its data; see `Core.vector`, `Core.rows`."""
    count: dict[str, int] = {}
    blocks = space.hi if space is not None else 0
    match op.name:
        case "end" | "when" | "range":
            pass
        case "integ":
            count["pending_reads"] = op.hi
        case "rows":
            count["predicate_reads"] = blocks
            count["trace_reads"] = -(-len(op.swept) // lanes)
        case "endrows":  # once a row
            count["rows"] = 1
            count["register_reads"] = count["register_writes"] = blocks
        case _ if not op.row.vector:
            raise MachineError(f"the ledger does not implement {op.name!r}")
    if not op.row.vector or space is None:
        return count
    memory = "trace" if space.flag else "register"
    accumulators = [code for code in op.sources if isa.SRC_ACC <= code < isa.SRC_TRACE]
    count[f"{memory}_reads"] = len({code for code in op.sources if code < isa.N_REGISTERS}) * blocks
    count["accumulator_reads"] = len(accumulators) * blocks
    count["accumulator_writes"] = sum(code >= isa.SRC_ACC_CLEAR for code in accumulators) * blocks
    count["predicate_reads"] = blocks * (1 <= op.pred & 7 < isa.PRED_PRE or op.name == "plog")
    written = {"register": f"{memory}_writes", "predicate": "predicate_writes", "spike": ""}[op.row.writes]
    count |= {name: n for name, n in ((written, blocks), (UNITS[op.row.unit], blocks * lanes)) if name}
    return count


def ledger(
    machine: Machine, counted: Counted, ran: Sequence[np.ndarray], inputs: np.ndarray, timesteps: int
) -> dict[str, np.ndarray]:
    """Every counter of `COUNTERS`, (cores,) int64.

    Args:
        ran: what `executions` returned. inputs: (inputs,) spikes of each input. timesteps: of all samples.
    """
    image, cores, routes, arch = machine.image, machine.cores, machine.routes, machine.image.arch
    found = {name: np.zeros(arch.cores, np.int64) for name in COUNTERS}
    found["busy_cycles"] += isa.END_CYCLES * timesteps  # of an idle core; busy ones follow
    found["instructions"] += np.array([counts.sum() for counts in ran])
    x, y = np.arange(arch.cores) % arch.mesh_width, np.arange(arch.cores) // arch.mesh_width
    for k, number in enumerate(cores.number):
        for times, op, space in zip(ran[number], machine.programs[k], machine.spaces[k], strict=True):
            for name, count in instruction_counts(op, space, arch.lanes).items():
                found[name][number] += int(times) * count
        found["pending_writes"][number] += counted.pending_writes[k]
        found["synaptic_operations"][number] += counted.plastic_operations[k]
        found["synapse_reads"][number] += counted.row_words[k]
        found["synapse_writes"][number] += counted.row_words[k]
        found["busy_cycles"][number] = counted.busy[k]
        fired = counted.fired[cores.neuron[k] : cores.neuron[k + 1]]
        found["spikes"][number] = found["pointer_reads"][number] = fired.sum()
        pointers = routes.pointers[cores.neuron[k] : cores.neuron[k + 1] + 1]
        to = routes.cores[pointers[0] : pointers[-1]].astype(np.int64)
        sent = _sums(to, np.repeat(fired, np.diff(pointers)), arch.cores)
        found["packets"][number] = sent.sum()
        found["hops"][number] = int(sent @ (abs(x - x[number]) + abs(y - y[number])))
        for name in ("deliveries", "pending_reads", "pending_writes"):
            found[name] += sent
    members = machine.members
    events, number = counted.events[members.q], cores.number[members.core] if len(members.q) else members.core
    for name, weights in (
        ("events", np.ones(len(events), np.int64)),
        ("beats", members.beats),
        ("accumulator_reads", members.beats),
        ("accumulator_writes", members.beats),
        ("synapse_reads", members.words),
        ("synaptic_operations", members.synapses),
    ):
        found[name] += _sums(number, events * weights, arch.cores)
    target = unpack(isa.ROUTE_FIELDS, image.input_routes)["core"]
    found["injections"] += _sums(target, np.repeat(inputs, np.diff(image.input_pointers)), arch.cores)
    return found


def _sums(index: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    """Integer sums of values by index; in two halves, as bincount adds in floats."""
    low = np.bincount(index, weights=values & 0xFFFF_FFFF, minlength=length)
    high = np.bincount(index, weights=values >> 32, minlength=length)
    return (high.astype(np.int64) << 32) + low.astype(np.int64)


def learned(machine: Machine, state: State) -> Image:
    """The image that a learning run ends in: its plastic weights, registers and random state."""
    learning, arch = machine.learning, machine.image.arch
    cores = list(machine.image.cores)
    for k, number in enumerate(machine.cores.number):
        core = cores[number]
        synapses = core.synapses.copy()
        for row in range(int(learning.since[k]), int(learning.since[k + 1])):
            entry = isa.unpack_fields(isa.AXON_FIELDS, int(core.axons[learning.axon[row]]))
            first = int(learning.start[row]) + entry["block"] * arch.lanes - int(learning.word[row]) * WORD
            values = state.weights[first : first + (entry["beats"] + 1) * arch.lanes]
            packed = values.astype(np.int16 if learning.bits[row] == 16 else np.int8).view(np.uint8)
            synapses[entry["word"] :].reshape(-1).view(np.uint8)[: len(packed)] = packed
        lanes = int(machine.cores.neuron_words[k]) * WORD
        first = int(machine.cores.neuron[k]) * arch.registers
        registers = core.registers.reshape(arch.registers, -1).copy()
        kept = min(registers.shape[1], lanes)  # a core may hold more than its programs touch
        ended = state.registers[first : first + arch.registers * lanes].reshape(arch.registers, lanes)
        registers[:, :kept] = ended[:, :kept]
        registers = registers.reshape(core.registers.shape)
        seeds = state.random[k * STREAMS :][: arch.lanes].copy()
        cores[number] = replace(core, synapses=synapses, registers=registers, seeds=seeds)
    return replace(machine.image, cores=tuple(cores))
