"""`run`: samples in, a RunResult out; everything around the kernel that is not its inner loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from . import kernel
from .layout import WORD, Machine, aligned, prepare
from .result import RunResult
from .rows import unpack
from .spec import isa
from .spec.errors import InputError, UsageError
from .spec.image import Image
from .spec.isa import Op
from .spec.ledger import CHIP_COUNTERS, COUNTERS
from .vector_unit import SCRATCH_BYTES


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
        spikes: (samples, T, inputs) integers: 0 or 1; on a graded architecture payloads 0..255, 0 for no spike.
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
    steps, packed, values = _inputs(image, spikes, timesteps)
    samples = len(packed)
    job = _job(machine, packed, steps, _rewards(image, reward, samples), fabric, learn, record_spikes, probes)
    threads = max(1, min(threads, samples))
    states = [_state(machine) for _ in range(threads)]
    arguments = (machine.sizes, machine.tables, machine.start)
    kernel.run_samples(0, 0, *arguments, states[0], job)  # compiles, if it must, before the clock starts
    cuts = np.linspace(0, samples, threads + 1).astype(int)
    begun = time.perf_counter()
    if threads == 1:
        recorded = [kernel.run_samples(0, samples, *arguments, states[0], job)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = [
                pool.submit(kernel.run_samples, int(cuts[i]), int(cuts[i + 1]), *arguments, states[i], job)
                for i in range(threads)
            ]
            recorded = [part.result() for part in parts]
    elapsed = time.perf_counter() - begun
    total = _Total.of(states)
    places = _probe_places(machine, probes)[1]
    executions = _executions(machine, total, samples, steps + image.latency)
    return RunResult(
        output_counts=job.output_counts,
        predictions=np.argmax(job.output_counts, axis=1)
        if job.output_counts.shape[1]
        else np.zeros(samples, np.int64),
        spikes=np.concatenate(recorded) if record_spikes else None,
        sample_cycles=job.sample_cycles,
        counters=_counters(machine, total, executions, values, samples * (steps + image.latency)),
        chip=dict(
            zip(CHIP_COUNTERS, [samples * (steps + image.latency), *(int(v) for v in total.chip)], strict=True)
        ),
        executions=executions,
        axon_events=_axon_events(machine, total),
        neuron_spikes=_neuron_spikes(machine, total),
        sample_spikes=job.sample_spikes,
        probes=_probed(machine, probes, job.probed, places),
        cycles_are="exact" if fabric == "exact" else "without the fabric",
        rtl=image.arch.rtl,
        elapsed_s=elapsed,
        meta={
            "timesteps": steps,
            "latency": image.latency,
            "populations": [p.name for p in image.populations],
            "architecture": image.arch.name,
            "network": image.meta,
        },
        learned=_learned(machine, states[0]) if learn else None,
    )


# ---------------------------------------------------------------------------------------------- what goes in
def _inputs(image: Image, spikes: Any, timesteps: int | None) -> tuple[int, np.ndarray, np.ndarray]:
    """Check the input: (T, (samples, T, words) uint64 with a byte an input, spikes of each input)."""
    array = np.asarray(spikes)
    if array.ndim != 3:
        raise InputError(f"spikes have {array.ndim} axes; give three: (samples, timesteps, {image.n_inputs} inputs)")
    if array.shape[2] != image.n_inputs:
        raise InputError(
            f"spikes have {array.shape[2]:,} inputs, the network has {image.n_inputs:,}; "
            "flatten its input shape row-major"
        )
    if array.dtype.kind not in "biu":
        if array.dtype.kind != "f" or not np.array_equal(array, np.rint(array)):
            raise InputError(f"spikes are of type {array.dtype}; give integers, 0 for no spike")
        array = array.astype(np.int64)
    most = 255 if image.arch.graded else 1
    if array.size and (array.min() < 0 or array.max() > most):
        worst = int(array.min()) if array.min() < 0 else int(array.max())
        kind = "payloads are 0..255" if image.arch.graded else "spikes are 0 or 1 (no graded spikes)"
        raise InputError(f"an input spike is {worst}, on architecture {image.arch.name!r} {kind}; rescale the input")
    steps = array.shape[1] if timesteps is None else timesteps
    if steps < 1:
        raise InputError(f"a sample of {steps} timesteps; give at least 1")
    array = array[:, :steps]
    padded = np.zeros((array.shape[0], steps, -(-array.shape[2] // 8) * 8), np.uint8)
    padded[:, : array.shape[1], : array.shape[2]] = array
    return steps, padded.view(np.uint64), np.count_nonzero(array, axis=(0, 1))


def _rewards(image: Image, reward: Any, samples: int) -> np.ndarray:
    values = np.asarray(reward)
    if values.dtype.kind not in "iu" or values.shape not in ((), (samples,)):
        raise InputError(f"reward of type {values.dtype}, shape {values.shape}; give an integer, or {samples:,} of them")
    bound = 1 << (image.arch.state_bits - 1)
    if values.size and (values.min() < -bound or values.max() >= bound):
        raise InputError(f"a reward does not fit the {image.arch.state_bits} bits of the state; scale it down")
    return np.broadcast_to(values, (samples,)).astype(np.int64)


def _lanes(machine: Machine, places: np.ndarray) -> np.ndarray:
    """Flat neuron of (core, neuron) pairs; -1 for one that no program touches."""
    tables = machine.tables
    busy = np.full(len(machine.image.cores), -1, np.int64)
    busy[tables.number] = np.arange(len(tables.number))
    k = busy[places[:, 0]]
    ok = k >= 0
    ok[ok] = places[ok, 1] < tables.neuron_words[k[ok]] * WORD
    flat = np.full(len(places), -1, np.int64)
    flat[ok] = tables.neuron[k[ok]] + places[ok, 1]
    return flat


def _probe_places(machine: Machine, probes: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Where probes are in State.registers: (all places that can change, per probe its neurons' (k, place) or -1)."""
    found = []
    registers = machine.sizes.registers
    for probe in probes:
        name, _, target = probe.partition(":")
        population = machine.image.population(target)
        if name not in population.registers:
            raise InputError(
                f"no register {name!r} in population {target!r} for probe {probe!r}; it has "
                f"{', '.join(population.registers) or 'none'}"
            )
        flat = _lanes(machine, population.location)
        k = np.searchsorted(machine.tables.neuron, np.maximum(flat, 0), side="right") - 1
        if len(machine.tables.number):
            first, words = machine.tables.neuron[k], machine.tables.neuron_words[np.minimum(k, len(machine.tables.number) - 1)]
            place = first * registers + population.registers[name] * words * WORD + flat - first
        else:
            place = flat
        found.append(np.where(flat >= 0, place, -1))
    every = np.concatenate([np.zeros(0, np.int64), *found])
    return every[every >= 0], found


def _probed(
    machine: Machine, probes: Sequence[str], probed: np.ndarray, places: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """Split what the kernel recorded; a neuron that no program touches keeps its initial value."""
    result, at = {}, 0
    for probe, place in zip(probes, places, strict=True):
        name, _, target = probe.partition(":")
        population = machine.image.population(target)
        values = np.zeros((*probed.shape[:2], len(place)), np.int32)
        for i, (core, neuron) in enumerate(population.location):
            if place[i] >= 0:
                values[:, :, i] = probed[:, :, at]
                at += 1
                continue
            initial = machine.image.cores[core].registers[population.registers[name]].reshape(-1)
            values[:, :, i] = initial[neuron] if neuron < len(initial) else 0
        result[probe] = values
    return result


def _job(machine, packed, steps, rewards, fabric, learn, record, probes) -> kernel.Job:
    image, samples = machine.image, len(packed)
    places = [_lanes(machine, p.location) for p in image.populations]
    probe_places = _probe_places(machine, probes)[0]
    return kernel.Job(
        inputs=packed,
        rewards=rewards,
        timesteps=steps,
        latency=image.latency,
        learn=learn,
        fabric=fabric == "exact",
        width=image.arch.mesh_width,
        height=image.arch.mesh_height,
        outputs=_lanes(machine, image.outputs),
        output_counts=np.zeros((samples, len(image.outputs)), np.int32),
        populations=np.concatenate([np.zeros(0, np.int64), *places]),
        population_first=np.concatenate([[0], np.cumsum([len(p) for p in places])]).astype(np.int64),
        sample_spikes=np.zeros((samples, len(places)), np.int32),
        sample_cycles=np.zeros(samples, np.int64),
        probes=probe_places,
        probed=np.zeros((samples, steps + image.latency, len(probe_places)), np.int32),
        record=record,
    )


def _state(machine: Machine) -> kernel.State:
    sizes, tables, start = machine.sizes, machine.tables, machine.start
    cores = len(machine.image.cores)
    busy = len(tables.number)
    return kernel.State(
        registers=aligned(len(start.registers), np.int32),
        accumulators=aligned(2 * sizes.neurons, np.int32),
        predicates=aligned(isa.N_PREDICATES * sizes.neurons // WORD, np.uint64),
        spikes=aligned(sizes.neurons // WORD, np.uint64),
        payloads=aligned(sizes.neurons if sizes.graded else 0, np.int32),
        traces=aligned(sizes.trace_axons * sizes.traces, np.int32),
        delivered=aligned(sizes.trace_axons // WORD, np.uint64),
        pending=aligned(sizes.slots * sizes.pending // WORD, np.uint64).reshape(sizes.slots, -1),
        counts=aligned(sizes.slots * sizes.pending if sizes.graded else 0, np.uint8).reshape(sizes.slots, -1),
        random=start.random.copy(),
        weights=aligned(len(start.weights), np.int16),
        scratch=aligned(SCRATCH_BYTES // 4, np.int32),
        executions=np.zeros(len(tables.code), np.int64),
        events=np.zeros(sizes.pending, np.int64),
        fired=np.zeros(sizes.neurons, np.int64),
        sample_fired=np.zeros(sizes.neurons, np.int32),
        counted=np.zeros((busy, 4), np.int64),
        chip=np.zeros(4, np.int64),
        list=np.zeros(sizes.neurons, np.int64),
        list_first=np.zeros(cores + 1, np.int64),
        scan=np.array([isa.decode(core.program[0]).lo for core in machine.image.cores], np.int64),
    )


# --------------------------------------------------------------------------------------------- what comes out
class _Total(NamedTuple):
    """The counters of all threads together."""

    executions: np.ndarray
    events: np.ndarray
    fired: np.ndarray
    counted: np.ndarray
    chip: np.ndarray

    @classmethod
    def of(cls, states: list[kernel.State]) -> _Total:
        return cls(*(np.sum([getattr(s, name) for s in states], axis=0, dtype=np.int64) for name in cls._fields))


def _executions(machine: Machine, total: _Total, samples: int, steps: int) -> tuple[np.ndarray, ...]:
    found = []
    busy = {int(number): k for k, number in enumerate(machine.tables.number)}
    for i, core in enumerate(machine.image.cores):
        if i in busy:
            k = busy[i]
            found.append(total.executions[machine.tables.entry[k] : machine.tables.entry[k + 1]].copy())
            continue
        counts = np.zeros(len(core.program), np.int64)
        counts[0] += samples * steps
        counts[core.reset_entry] += samples
        found.append(counts)
    return tuple(found)


def _axon_events(machine: Machine, total: _Total) -> tuple[np.ndarray, ...]:
    found = [np.zeros(len(core.axons), np.int64) for core in machine.image.cores]
    for k, number in enumerate(machine.tables.number):
        mine = np.flatnonzero(machine.pending_core == k)
        axon = machine.pending_axon[mine]
        inside = axon < len(found[number])
        found[number][axon[inside]] = total.events[mine[inside]]
    return tuple(found)


def _neuron_spikes(machine: Machine, total: _Total) -> np.ndarray:
    arch, tables = machine.image.arch, machine.tables
    found = np.zeros((arch.cores, arch.neurons), np.int64)
    for k, number in enumerate(tables.number):
        mine = total.fired[tables.neuron[k] : tables.neuron[k + 1]][: arch.neurons]
        found[number, : len(mine)] = mine
    return found


def instruction_counts(op: Op, space: Op | None, lanes: int) -> dict[str, int]:
    """What one execution of an instruction counts, whatever its data; see `Core.vector`, `Core.rows`."""
    count = {"instructions": 1}
    blocks = space.hi if space is not None else 0
    if op.name == "integ":
        count["pending_reads"] = op.hi
    elif op.name == "rows":
        count["predicate_reads"] = blocks
        count["trace_reads"] = op.hi * isa.GRANULE // lanes
    elif op.name == "endrows":  # once a row
        count["rows"] = 1
        count["register_reads"] = count["register_writes"] = blocks
    if not op.row.vector or space is None:
        return count
    memory = "trace" if space.flag else "register"
    accumulators = [code for code in op.sources if isa.SRC_ACC <= code < isa.SRC_TRACE]
    count[f"{memory}_reads"] = len({code for code in op.sources if code < isa.N_REGISTERS}) * blocks
    count["accumulator_reads"] = len(accumulators) * blocks
    count["accumulator_writes"] = sum(code >= isa.SRC_ACC_CLEAR for code in accumulators) * blocks
    count["predicate_reads"] = blocks * (1 <= op.pred & 7 < isa.PRED_PRE or op.name == "plog")
    if op.row.writes == "register":
        count[f"{memory}_writes"] = blocks
    elif op.row.writes == "predicate":
        count["predicate_writes"] = blocks
    unit = {
        "add": "adds",
        "multiply": "multiplies",
        "compare": "compares",
        "move": "moves",
        "random": "random_draws",
    }.get(op.row.unit)
    if unit:
        count[unit] = blocks * lanes
    return count


def _counters(
    machine: Machine, total: _Total, executions: tuple[np.ndarray, ...], inputs: np.ndarray, steps: int
) -> dict[str, np.ndarray]:
    """The ledger: dot products of what ran, what was delivered and what fired."""
    image, tables, arch = machine.image, machine.tables, machine.image.arch
    ledger = {name: np.zeros(arch.cores, np.int64) for name in COUNTERS}
    ledger["busy_cycles"] += isa.END_CYCLES * steps
    for i in range(arch.cores):
        ledger["instructions"][i] = executions[i].sum()
    for k, number in enumerate(tables.number):
        for ran, op, space in zip(executions[number], machine.programs[k], machine.spaces[k], strict=True):
            for name, count in instruction_counts(op, space, arch.lanes).items():
                if name != "instructions":
                    ledger[name][number] += int(ran) * count
        counted = total.counted[k]
        ledger["pending_writes"][number] += counted[kernel.PENDING_WRITES]
        ledger["synaptic_operations"][number] += counted[kernel.PLASTIC_OPERATIONS]
        ledger["synapse_reads"][number] += counted[kernel.ROW_WORDS]
        ledger["synapse_writes"][number] += counted[kernel.ROW_WORDS]
        ledger["busy_cycles"][number] = counted[kernel.BUSY]
        mine = machine.pending_core == k
        events = total.events[mine]
        beats = int(events @ machine.beats[mine])
        for name in ("beats", "accumulator_reads", "accumulator_writes"):
            ledger[name][number] += beats
        ledger["events"][number] = events.sum()
        ledger["synapse_reads"][number] += int(events @ machine.words[mine])
        fixed = np.where(tables.plastic[mine] < 0, np.diff(tables.row_pointers)[mine], 0)
        ledger["synaptic_operations"][number] += int(events @ fixed)

        fired = total.fired[tables.neuron[k] : tables.neuron[k + 1]]
        ledger["spikes"][number] = ledger["pointer_reads"][number] = fired.sum()
        first, last = tables.route_pointers[tables.neuron[k]], tables.route_pointers[tables.neuron[k + 1]]
        to = tables.route_cores[first:last].astype(np.int64)
        sent = np.repeat(fired, np.diff(tables.route_pointers[tables.neuron[k] : tables.neuron[k + 1] + 1]))
        per_core = np.bincount(to, weights=sent, minlength=arch.cores).astype(np.int64)  # exact below 2**53
        x, y = np.arange(arch.cores) % arch.mesh_width, np.arange(arch.cores) // arch.mesh_width
        ledger["packets"][number] = per_core.sum()
        ledger["hops"][number] = int(per_core @ (abs(x - x[number]) + abs(y - y[number])))
        for name in ("deliveries", "pending_reads", "pending_writes"):
            ledger[name] += per_core
    target = unpack(isa.ROUTE_FIELDS, image.input_routes)["core"]
    ledger["injections"] += np.bincount(
        target, weights=np.repeat(inputs, np.diff(image.input_pointers)), minlength=arch.cores
    ).astype(np.int64)
    return ledger


def _learned(machine: Machine, state: kernel.State) -> Image:
    """The image with the plastic weights that a run left behind."""
    tables, arch = machine.tables, machine.image.arch
    cores = list(machine.image.cores)
    for k, number in enumerate(tables.number):
        rows = range(int(tables.plastic_from[k]), int(tables.plastic_from[k + 1]))
        if not rows:
            continue
        synapses = cores[number].synapses.copy()
        for row in rows:
            entry = isa.unpack_fields(isa.AXON_FIELDS, int(cores[number].axons[tables.plastic_axon[row]]))
            first = entry["block"] * arch.lanes - int(tables.plastic_word[row]) * WORD + int(tables.plastic_start[row])
            weights = state.weights[first : first + (entry["beats"] + 1) * arch.lanes]
            kind = np.int16 if tables.plastic_bits[row] == 16 else np.int8
            packed = weights.astype(kind).view(np.uint8)
            flat = synapses[entry["word"] :].reshape(-1).view(np.uint8)
            flat[: len(packed)] = packed
        cores[number] = replace(cores[number], synapses=synapses)
    return replace(machine.image, cores=tuple(cores))
