"""`run`: samples in, a RunResult out; everything around the kernel that is not its inner loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ..result import RunResult
from ..run_notes import RunNotes
from ..spec import isa
from ..spec.arch import load_architecture
from ..spec.errors import InputError, UsageError
from ..spec.image import PAYLOADS, Image, PopulationMap, empty_core
from ..spec.ledger import CHIP_COUNTERS
from ..spec.spikes import SpikeTrains
from . import counting, delivery, mesh_slices, mesh_word
from . import fabric as fabric_module
from . import tables as t
from .emitters import WHEEL
from .memories import Fired, Job, State
from .prepare import prepare
from .samples import run_samples
from .tables import STREAMS, Machine, aligned
from .words import VECTOR_BYTES, WORD


def run(
    image: Image | Machine,
    spikes: Any,
    *,
    timesteps: int | None = None,
    fabric: str = "exact",
    threads: int = 1,
    record_spikes: bool = False,
    probes: Sequence[str] = (),
    learn: bool = False,
    reward: Any = 0,
) -> RunResult:
    """Run samples on the fast machine.

    Every sample is reset as the hardware does it (`Reference.reset`), and starts from the image's own registers,
    traces (zero), random state and weights, so that samples do not depend on each other or on `threads`. With
    `learn` they follow each other in order: all four carry over, and `RunResult.learned` is the image they end in.

    Args:
        image: an image, or what `prepare(image)` made of it, which saves laying it out again.
        spikes: SpikeTrains, or (samples, T, inputs) integers: 0 or 1; on a graded architecture payloads 0..255, 0 for
            no spike.
        timesteps: T, if it should differ from that of `spikes`: inputs beyond it are cut, missing ones silent.
            A sample lasts T + image.latency timesteps.
        fabric: "exact" counts the cycles of the mesh clock by clock; "off" takes packets to travel in no time.
        threads: samples run side by side on so many threads; the result is the same.
        record_spikes: keep every spike in `RunResult.spikes`.
        probes: "REGISTER:POPULATION" names, recorded after every timestep.
        reward: integer or (samples,) integers, the host's `reward` scalar of each sample, in the state's range.

    Raises:
        InputError: spikes, rewards or probes that do not fit the image.
        UsageError: an unknown fabric, threads below 1, or threads while learning.
    """
    machine = image if isinstance(image, Machine) else prepare(image)
    image = machine.image
    if fabric not in ("exact", "off"):
        raise UsageError(f"fabric {fabric!r}: it is 'exact' or 'off'")
    if threads < 1 or (learn and threads > 1):
        raise UsageError(f"threads = {threads}: at least 1, and exactly 1 while learning, as samples then follow on")
    trains = _inputs(image, spikes, timesteps)
    samples, steps, _ = trains.shape
    length, inputs = steps + image.latency, trains.per_input()
    job = make_job(machine, trains, checked_rewards(image, reward, samples), learn, record_spikes, probes)
    threads = max(1, min(threads, samples))
    places = [Memories.of(machine, fabric) for _ in range(threads)]
    begun = time.perf_counter()
    recorded = _run(places, samples, job)
    elapsed = time.perf_counter() - begun
    counted = _sum([place.counted() for place in places])
    ran = counting.executions(machine, counted, samples, length)
    outputs = job.output_counts
    cycles = [int(value) for value in counted.chip]
    return RunResult(
        output_counts=outputs,
        predictions=np.argmax(outputs, axis=1) if outputs.shape[1] else np.zeros(samples, np.int64),
        spikes=np.concatenate(recorded) if record_spikes else None,
        sample_cycles=job.sample_cycles,
        counters=counting.ledger(machine, counted, ran, inputs, samples * length),
        chip=dict(zip(CHIP_COUNTERS, [samples * length, *cycles], strict=True)),
        executions=ran,
        axon_events=counting.axon_events(machine, counted),
        neuron_spikes=counting.neuron_spikes(machine, counted),
        sample_spikes=job.sample_spikes,
        probes=_probed(machine, probes, job.probed),
        cycles_are="exact" if fabric == "exact" else "without the fabric",
        rtl=image.arch.rtl,
        elapsed_s=elapsed,
        notes=RunNotes(steps, image.latency, image.arch, tuple(p.name for p in image.populations), image.notes),
        learned=counting.learned(machine, places[0].state) if learn else None,
    )


def warm() -> float:
    """Have the kernel compiled and kept, so that no run has to wait for it; the seconds that it took."""
    begun = time.perf_counter()
    arch = load_architecture("up5k")
    silent = np.zeros(0, np.uint32)
    cores = tuple(empty_core(arch) for _ in range(arch.cores))
    run(
        Image(arch, cores, np.zeros(2, np.int64), silent, np.zeros((1, 2), np.int32), 0, ()),
        np.zeros((1, 1, 1), int),
    )
    return time.perf_counter() - begun


# ---------------------------------------------------------------------------------------------- what goes in
def _inputs(image: Image, spikes: Any, timesteps: int | None) -> SpikeTrains:
    """Check the input; T is that of `timesteps`, if it is given."""
    array = spikes if isinstance(spikes, SpikeTrains) else np.asarray(spikes)
    axes = len(array.shape)
    if axes != 3:
        raise InputError(f"spikes have {axes} axes; give three: (samples, timesteps, {image.n_inputs} inputs)")
    if array.shape[2] != image.n_inputs:
        raise InputError(
            f"spikes have {array.shape[2]:,} inputs, the network has {image.n_inputs:,}; "
            "flatten its input shape row-major"
        )
    if isinstance(array, SpikeTrains):
        low, high = 0, array.largest
    else:
        if array.dtype.kind not in "biu":
            if array.dtype.kind != "f" or not np.array_equal(array, np.rint(array)):
                raise InputError(f"spikes are of type {array.dtype}; give integers, 0 for no spike")
            array = array.astype(np.int64)
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < 0 or high > (255 if image.arch.graded else 1):
        kind = "payloads are 0..255" if image.arch.graded else "spikes are 0 or 1 (no graded spikes)"
        raise InputError(
            f"an input spike is {low if low < 0 else high}, on architecture {image.arch.name!r} {kind}; rescale the "
            "input"
        )
    steps = array.shape[1] if timesteps is None else timesteps
    if steps < 1:
        raise InputError(f"a sample of {steps} timesteps; give at least 1")
    trains = array if isinstance(array, SpikeTrains) else SpikeTrains.from_array(array[:, :steps])
    return trains.lasting(steps)


def checked_rewards(image: Image, reward: Any, samples: int) -> np.ndarray:
    """(samples,) int64 from an integer or that many of them; InputError if they are none, or do not fit the state."""
    values = np.asarray(reward)
    if values.dtype.kind not in "iu" or values.shape not in ((), (samples,)):
        raise InputError(
            f"reward of type {values.dtype}, shape {values.shape}; give an integer, or {samples:,} of them"
        )
    bound = 1 << (image.arch.state_bits - 1)
    if values.size and (values.min() < -bound or values.max() >= bound):
        raise InputError(f"a reward does not fit the {image.arch.state_bits} bits of the state; scale it down")
    return np.broadcast_to(values, (samples,)).astype(np.int64)


def flat_neurons(machine: Machine, places: np.ndarray) -> np.ndarray:
    """Flat neuron of (core, neuron) pairs; -1 for one that no program touches."""
    cores = machine.cores
    busy = np.full(len(machine.image.cores), -1, np.int64)
    busy[cores.number] = np.arange(len(cores.number))
    k = busy[places[:, 0]]
    ok = k >= 0
    ok[ok] = places[ok, 1] < cores.neuron_words[k[ok]] * WORD
    flat = np.full(len(places), -1, np.int64)
    flat[ok] = cores.neuron[k[ok]] + places[ok, 1]
    return flat


def probe_places(machine: Machine, probe: str) -> tuple[PopulationMap, int, np.ndarray]:
    """A probe's population and register, and where its neurons lie in State.registers; -1 where nothing changes."""
    name, _, target = probe.partition(":")
    population = machine.image.population(target)
    if name not in population.registers:
        raise InputError(
            f"probe {probe!r}: population {target!r} has no register {name!r}; it has "
            f"{', '.join(population.registers) or 'none'}"
        )
    flat, register, cores = flat_neurons(machine, population.location), population.registers[name], machine.cores
    place = np.full(len(flat), -1, np.int64)
    ok = flat >= 0
    k = np.searchsorted(cores.neuron, flat[ok], side="right") - 1
    first, lanes = cores.neuron[k], cores.neuron_words[k] * WORD
    place[ok] = first * machine.sizes.registers + register * lanes + flat[ok] - first
    return population, register, place


def _probed(machine: Machine, probes: Sequence[str], probed: np.ndarray) -> dict[str, np.ndarray]:
    """Split what the kernel recorded; a neuron that no program touches keeps its initial value."""
    result, at = {}, 0
    for probe in probes:
        population, register, place = probe_places(machine, probe)
        values = np.zeros((*probed.shape[:2], len(place)), np.int32)
        changes = place >= 0
        values[:, :, changes] = probed[:, :, at : at + int(changes.sum())]
        at += int(changes.sum())
        for i in np.flatnonzero(~changes):
            core, neuron = population.location[i]
            initial = machine.image.cores[core].registers[register].reshape(-1)
            values[:, :, i] = initial[neuron] if neuron < len(initial) else 0
        result[probe] = values
    return result


def make_job(machine: Machine, trains: SpikeTrains, rewards, learn, record, probes) -> Job:
    image, (samples, steps, _) = machine.image, trains.shape
    populations = [flat_neurons(machine, p.location) for p in image.populations]
    places = np.concatenate([np.zeros(0, np.int64), *(probe_places(machine, probe)[2] for probe in probes)])
    places = places[places >= 0]
    return Job(
        n_outputs=len(image.outputs),
        n_populations=len(populations),
        n_probes=len(places),
        first=trains.first,
        source=trains.source,
        value=trains.value,
        graded=len(trains.value) > 0,
        rewards=rewards,
        timesteps=steps,
        latency=image.latency,
        learn=learn,
        carry=PAYLOADS.index(image.output_payloads),
        record=record,
        outputs=flat_neurons(machine, image.outputs),
        output_counts=np.zeros((samples, len(image.outputs)), np.int32),
        populations=np.concatenate([np.zeros(0, np.int64), *populations]),
        population_first=np.concatenate([[0], np.cumsum([len(p) for p in populations])]).astype(np.int64),
        sample_spikes=np.zeros((samples, len(populations)), np.int32),
        sample_cycles=np.zeros(samples, np.int64),
        probes=places,
        probed=np.zeros((samples, steps + image.latency, len(places)), np.int32),
        window=np.array([-1, steps + image.latency, 0, 0, 0], np.int64),
    )


class Memories(NamedTuple):
    """What one thread works on."""

    machine: Machine
    state: State
    inbox: delivery.Inbox
    fired: Fired
    mesh: fabric_module.Mesh
    wires: fabric_module.Wires

    @classmethod
    def of(cls, machine: Machine, fabric: str) -> Memories:
        memories = cls(machine, _state(machine), _inbox(machine), _fired(machine), *_mesh(machine, fabric))
        memories.bind()
        nothing = make_job(
            machine, SpikeTrains.from_array(np.zeros((0, 1, 1))), np.zeros(0, np.int64), False, False, ()
        )
        memories.run(0, 0, nothing)  # compiles, or reads the cache, before anybody's clock starts
        return memories

    def bind(self) -> None:
        """Give the operands of all instructions their addresses: the memories of their core stay where they are."""
        sizes, cores, state, program = self.machine.sizes, self.machine.cores, self.state, self.machine.program
        k = np.repeat(np.arange(len(cores.number)), np.diff(cores.entry))
        neuron, axon = cores.neuron[k], cores.axon[k]
        where, step = np.zeros((2, t.MEMORIES, len(k)), np.int64)  # of row 0 of a memory; from row to row

        def place(memory: int, array: np.ndarray, first: Any, row: Any) -> None:
            where[memory], step[memory] = array.ctypes.data + first, row

        place(t.REGISTERS, state.registers, neuron * sizes.registers * 4, cores.neuron_words[k] * VECTOR_BYTES)
        place(t.ACCUMULATORS, self.inbox.accumulators, neuron * 4, sizes.neurons * 4)
        place(t.TRACES, state.traces, axon * sizes.traces * 4, cores.axon_words[k] * VECTOR_BYTES)
        place(t.IMMEDIATES, program.splats, 0, VECTOR_BYTES)
        place(t.BROADCASTS, state.broadcasts, 0, VECTOR_BYTES)
        place(t.PREDICATES, state.predicates, neuron // 8, sizes.neurons // 8)
        place(t.DELIVERED, state.delivered, axon // 8, 0)
        place(t.SPIKES, state.spikes, neuron // 8, 0)
        place(t.PAYLOADS, state.payloads, neuron * 4, 0)
        place(t.RANDOM, state.random, k * STREAMS * 4, 0)
        code, each = state.code, np.arange(len(k))
        for operand in t.OPERANDS:
            memory, index, stride = code[:, operand], code[:, operand + 1], code[:, operand + 2]
            code[:, operand] = where[memory, each] + index * step[memory, each] + code[:, t.FIRST_WORD] * stride

    def run(self, begin: int, end: int, job: Job) -> np.ndarray:
        m = self.machine
        tables = (m.sizes, m.cores, m.synapses, m.learning, m.routes, m.start)
        return run_samples(begin, end, tables, self[1:], job)

    def counted(self) -> counting.Counted:
        return counting.Counted(
            self.state.executions,
            self.inbox.events,
            self.fired.total,
            self.inbox.pending_writes,
            self.inbox.plastic_operations,
            self.state.row_words,
            self.state.busy,
            self.fired.chip,
        )


def _run(places: list[Memories], samples: int, job: Job) -> list[np.ndarray]:
    """Run samples on as many threads as there are places; what each recorded."""
    if len(places) == 1:
        return [places[0].run(0, samples, job)]
    cuts = [samples * i // len(places) for i in range(len(places) + 1)]
    with ThreadPoolExecutor(len(places)) as pool:
        parts = [pool.submit(place.run, cuts[i], cuts[i + 1], job) for i, place in enumerate(places)]
        return [part.result() for part in parts]


def _sum(parts: list[counting.Counted]) -> counting.Counted:
    return counting.Counted(*(np.sum(values, axis=0) for values in zip(*parts, strict=True)))


def _state(machine: Machine) -> State:
    sizes, start, busy = machine.sizes, machine.start, len(machine.cores.number)
    return State(
        registers=aligned(len(start.registers), np.int32),
        predicates=aligned(isa.N_PREDICATES * sizes.neurons // WORD, np.uint64),
        spikes=aligned(sizes.neurons // WORD, np.uint64),
        payloads=aligned(sizes.neurons if sizes.graded else 0, np.int32),
        traces=aligned(sizes.trace_axons * sizes.traces, np.int32),
        delivered=aligned(sizes.trace_axons // WORD, np.uint64),
        random=aligned(busy * STREAMS, np.uint32),
        weights=aligned(len(start.weights), np.int16),
        broadcasts=aligned(t.BROADCAST_ROWS * WORD, np.int32),
        code=machine.program.code.copy(),
        executions=np.zeros(len(machine.program.code), np.int64),
        row_words=np.zeros(busy, np.int64),
        busy=np.zeros(busy, np.int64),
    )


def _inbox(machine: Machine) -> delivery.Inbox:
    sizes, busy = machine.sizes, len(machine.cores.number)
    return delivery.Inbox(
        pending=aligned(sizes.slots * sizes.pending // WORD, np.uint64),
        counts=aligned(sizes.slots * sizes.pending if sizes.graded else 0, np.uint8),
        accumulators=aligned(2 * sizes.neurons, np.int32),
        events=np.zeros(sizes.pending, np.int64),
        pending_writes=np.zeros(busy, np.int64),
        plastic_operations=np.zeros(busy, np.int64),
        cost=np.zeros(busy, np.int64),
        rows=np.zeros(sizes.pending, np.int64),
        factors=np.zeros(sizes.pending, np.int64),
        dense_rows=np.zeros(sizes.pending, np.int64),
        dense_factors=np.zeros(sizes.pending, np.int64),
        sums=aligned(sizes.neurons, np.int16),
        lanes=aligned(WORD, np.int32),
        stamps=np.zeros(busy * machine.image.arch.granules, np.int64),
    )


def _fired(machine: Machine) -> Fired:
    neurons = machine.sizes.neurons
    return Fired(
        list=np.zeros(neurons, np.int64),
        first=np.zeros(len(machine.cores.number) + 1, np.int64),
        total=np.zeros(neurons, np.int64),
        sample=np.zeros(neurons, np.int32),
        carried=np.zeros(neurons, np.int32),
        chip=np.zeros(4, np.int64),
    )


def _mesh(machine: Machine, fabric: str) -> tuple[fabric_module.Mesh, fabric_module.Wires]:
    arch, cores, routes = machine.image.arch, machine.cores, machine.routes
    source = np.repeat(np.arange(machine.sizes.neurons), np.diff(routes.pointers))
    sender = cores.number[np.searchsorted(cores.neuron, source, side="right") - 1] if len(source) else source
    way = fabric_module.choose_way(
        fabric, arch.mesh_width, arch.mesh_height, bool(np.array_equal(sender, routes.cores))
    )
    entries, stepped = machine.sizes.neurons + arch.cores, arch.cores if way == fabric_module.STEPPED else 0
    target, width = routes.cores.astype(np.int64), arch.mesh_width
    steps, table, wheel = np.zeros(0, np.uint8), np.zeros(0, np.uint64), 0
    if way == fabric_module.PACKED:
        steps, table, wheel = mesh_word.target_codes(width, target), mesh_word.target_planes(), WHEEL
    elif way == fabric_module.SLICED:
        steps, table, wheel = mesh_slices.step_codes(width, sender, target), mesh_slices.one_hot(), WHEEL
    places = mesh_word.places(width, arch.mesh_height) if way == fabric_module.PACKED else np.zeros(8, np.uint64)
    return (
        fabric_module.Mesh(
            way=way,
            width=width,
            height=arch.mesh_height,
            lanes=arch.lanes,
            busy=len(cores.number),
            longest=int(machine.scan.max()),
            number=cores.number,
            neuron=cores.neuron,
            scan=machine.scan,
            steps=steps,
            table=table,
            places=places,
        ),
        fabric_module.Wires(
            gap=np.zeros(entries, np.int64),
            begin=np.zeros(entries, np.int64),
            end=np.zeros(entries, np.int64),
            at=np.zeros(arch.cores, np.int64),
            packet=np.zeros(arch.cores, np.int64),
            stop=np.zeros(arch.cores, np.int64),
            queue=np.zeros(stepped * isa.FIFO_DEPTH * 5, np.int64),
            held=np.zeros(stepped * 5, np.int64),
            left=np.zeros(stepped, np.int64),
            busy=np.zeros(stepped, np.int64),
            moves=np.zeros(stepped * 6 * 3, np.int64),
            wheel=np.zeros(wheel, np.uint64),
        ),
    )
