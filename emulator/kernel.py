"""The fast machine: samples run from injection to fabric without returning to Python.

Every function here says the same as the one of its name in emulator/reference.py, on the tables of layout.py.
What can be counted afterwards (from how often each instruction ran, each axon was delivered and each neuron
fired) is not counted here: see counting.py.
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.
from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from . import fabric
from . import layout as t
from . import vector_unit as u
from .delivery import deliver_banks, integ
from .spec.image import PAYLOADS
from .spec.isa import BARRIER_CYCLES, BY_NAME, GRANULE, N_PREDICATES, ROW_CYCLES
from .vector_unit import ALL, NONE, STEP, locate, vector
from .vectors import (
    address,
    behind,
    choose,
    clear_bytes,
    copy,
    equal,
    first_lane,
    greater,
    inner,
    lesser,
    load16,
    load32,
    narrow16,
    prefetch,
    raw,
    splat32,
    store,
    store_word,
    widen32,
)

END, WHEN, RANGE, INTEG, ROWS, ENDROWS = (
    BY_NAME[name].opcode for name in ("end", "when", "range", "integ", "rows", "endrows")
)
COMPUTE, FABRIC, BARRIER, RESET = range(4)  # of State.chip
SIGNED = PAYLOADS.index("signed")
ONE = np.uint64(1)


class State(NamedTuple):
    """What programs change; each thread has its own. One bit a lane in uint64 words."""

    registers: np.ndarray  # int32, per core [register][lane]
    predicates: np.ndarray  # [predicate][word]
    spikes: np.ndarray
    payloads: np.ndarray  # (neurons,) int32
    traces: np.ndarray  # int32, per core [trace][axon]
    delivered: np.ndarray
    random: np.ndarray  # (busy cores * lanes,) uint32
    weights: np.ndarray  # int16 plastic rows
    old: np.ndarray  # int16 weights of the row that is being updated
    scratch: np.ndarray  # int32, see vector_unit.SCRATCH_BYTES
    unit: np.ndarray  # int64, see vector_unit.UNIT_WORDS
    executions: np.ndarray  # (instructions,) int64
    row_words: np.ndarray  # (busy cores,) int64 synapse words read by rows
    busy: np.ndarray  # (busy cores,) int64 cycles
    scan: np.ndarray  # (cores of the mesh,) int64 blocks that emitters scan


class Fired(NamedTuple):
    """Spikes of the run."""

    list: np.ndarray  # flat neurons that fired in this timestep, ascending
    first: np.ndarray  # (cores of the mesh + 1,) first of each core
    total: np.ndarray  # (neurons,) int64, all samples
    sample: np.ndarray  # (neurons,) int32, this sample
    carried: np.ndarray  # (neurons,) int32, what they carried in this sample, where the job asks for it
    sources: np.ndarray  # (inputs,) int64 input << 8 | payload of this timestep's injections
    chip: np.ndarray  # (4,) int64


class Job(NamedTuple):
    """What to run and where to put it; sample s of the run is row s of everything."""

    words: int
    n_outputs: int
    n_populations: int
    n_probes: int
    inputs: np.ndarray  # (samples, T, words) uint64, a byte an input
    rewards: np.ndarray  # (samples,) int64
    timesteps: int  # T
    latency: int
    learn: bool  # samples follow each other instead of starting afresh
    carry: int  # which of PAYLOADS the outputs send: count what they carry
    record: bool
    outputs: np.ndarray  # flat neurons, or -1 where a core never fires
    output_counts: np.ndarray  # (samples, outputs) int32, of what spikes carry
    populations: np.ndarray  # flat neurons of all populations, one after the other, or -1
    population_first: np.ndarray
    sample_spikes: np.ndarray  # (samples, populations) int32
    sample_cycles: np.ndarray  # (samples,) int64
    probes: np.ndarray  # places in State.registers
    probed: np.ndarray  # (samples, timesteps, places) int32


@inner
def set_memory(unit, memory, where, step):
    """Enter a memory of the core that runs now."""
    unit[2 * memory], unit[2 * memory + 1] = where, step


@inner
def set_machine(unit, sizes, program, scratch):
    """Enter what all cores share."""
    set_memory(unit, np.int64(t.IMMEDIATES), address(program.splats), np.int64(STEP))
    set_memory(unit, np.int64(t.BROADCASTS), scratch, np.int64(STEP))
    unit[u.SCRATCH], unit[u.LANES], unit[u.GRADED] = scratch, sizes.lanes, sizes.graded
    unit[u.ACC_UP] = 32 - sizes.acc_bits
    unit[u.HIGH] = (np.int64(1) << (sizes.state_bits - 1)) - 1
    unit[u.FACTOR_HIGH] = (np.int64(1) << (sizes.coef_bits - 1)) - 1
    store_word(scratch + t.ALWAYS * STEP, ALL)


@inner
def set_core(k, sizes, cores, state, accumulators):
    """Enter the memories of core k."""
    unit, first, axon = state.unit, cores.neuron[k], cores.axon[k]
    lanes, axons = cores.neuron_words[k] * STEP, cores.axon_words[k] * STEP
    set_memory(unit, np.int64(t.REGISTERS), address(state.registers) + first * sizes.registers * 4, lanes)
    set_memory(unit, np.int64(t.ACCUMULATORS), address(accumulators) + first * 4, sizes.neurons * 4)
    set_memory(unit, np.int64(t.TRACES), address(state.traces) + axon * sizes.traces * 4, axons)
    set_memory(unit, np.int64(t.PREDICATES), address(state.predicates) + first // 8, sizes.neurons // 8)
    set_memory(unit, np.int64(t.DELIVERED), address(state.delivered) + axon // 8, np.int64(0))
    unit[u.SPIKES], unit[u.PAYLOADS] = address(state.spikes) + first // 8, address(state.payloads) + first * 4
    unit[u.RANDOM] = address(state.random) + k * sizes.lanes * 4


@inner
def due(code, pc, now, timesteps):
    """Is this timestep inside the window of a `when`?"""
    hi = code[pc * t.COLUMNS + t.HI] + (timesteps if code[pc * t.COLUMNS + t.FLAG] else 0)
    return code[pc * t.COLUMNS + t.LO] <= now < hi


@inner
def any_holds(k, code, pc, cores, sizes, state):
    """Does any neuron in the range of a `rows` hold its predicate?"""
    words = code[pc * t.COLUMNS + t.WORDS]
    at = (
        code[pc * t.COLUMNS + t.A_INDEX] * (sizes.neurons >> 6)
        + (cores.neuron[k] >> 6)
        + code[pc * t.COLUMNS + t.FIRST_WORD]
    )
    for i in range(words):
        lanes = state.predicates[at + i]
        if i == 0:
            lanes &= np.uint64(code[pc * t.COLUMNS + t.FIRST])
        if i == words - 1:
            lanes &= np.uint64(code[pc * t.COLUMNS + t.INSIDE])
        if lanes:
            return True
    return False


@inner
def next_row(k, row, did, code, pc, reward, cores, sizes, state, learning):
    """The next plastic row, from `row` on, that a `rows` selects, or -1; its traces are broadcast."""
    mask, lo = code[pc * t.COLUMNS + t.SHIFT], code[pc * t.COLUMNS + t.LO] * GRANULE
    stop = lo + code[pc * t.COLUMNS + t.HI] * GRANULE
    axon0, axons = cores.axon[k], cores.axon_words[k] * 64
    for candidate in range(row, learning.since[k + 1]):
        axon = learning.axon[candidate]
        if axon < lo or axon >= stop:
            continue
        at = axon0 * sizes.traces + axon
        selected = (mask & 8) != 0 or ((mask & 4) != 0 and reward != 0)
        if mask & 1:
            selected |= (state.delivered[(axon0 + axon) >> 6] >> np.uint64(axon & 63)) & ONE != NONE
        if mask & 2 and did:
            selected |= state.traces[at + code[pc * t.COLUMNS + t.C_INDEX] * axons] != 0
        if selected:
            for x in range(sizes.traces):
                trace = np.int64(state.traces[at + x * axons])
                store(address(state.scratch) + (t.ROW_TRACE + x) * STEP, splat32(trace))
            return candidate
    return -1


@inner
def load_row(row, code, pc, unit, state, learning):
    """r<d> := the weights of a plastic row."""
    words = code[pc * t.COLUMNS + t.WORDS]
    register = locate(
        unit, np.int64(t.REGISTERS), code[pc * t.COLUMNS + t.D], code[pc * t.COLUMNS + t.FIRST_WORD] * STEP
    )
    weights = address(state.weights) + learning.start[row] * 2
    for i in range(words):
        lanes = ALL
        if i == 0:
            lanes &= np.uint64(code[pc * t.COLUMNS + t.FIRST])
        if i == words - 1:
            lanes &= np.uint64(code[pc * t.COLUMNS + t.LAST])
        weight = load16(weights + i * 128)
        store(address(state.old) + i * 128, weight)
        at = register + i * STEP
        store(at, choose(lanes, widen32(weight), load32(at)))


@inner
def store_row(row, code, pc, unit, state, learning):
    """The weights of a plastic row := r<d>, saturated, 0 beyond the population."""
    words, bits = code[pc * t.COLUMNS + t.WORDS], learning.bits[row]
    register = locate(
        unit, np.int64(t.REGISTERS), code[pc * t.COLUMNS + t.D], code[pc * t.COLUMNS + t.FIRST_WORD] * STEP
    )
    weights = address(state.weights) + learning.start[row] * 2
    high = (1 << (bits - 1)) - 1
    for i in range(words):
        lanes = ALL
        if i == 0:
            lanes &= np.uint64(code[pc * t.COLUMNS + t.FIRST])
        if i == words - 1:
            lanes &= np.uint64(code[pc * t.COLUMNS + t.INSIDE])
        if code[pc * t.COLUMNS + t.SHIFT] & 16:
            lanes &= ~equal(widen32(load16(address(state.old) + i * 128)), splat32(0))
        weight = greater(lesser(load32(register + i * STEP), splat32(high)), splat32(-high - 1))
        store(weights + i * 128, narrow16(choose(lanes, weight, splat32(0))))


@inner
def run_program(k, pc, now, timesteps, reward, program, sizes, cores, synapses, learning, state, inbox):
    """Run a core's program from an address to its `end`; its cycles without the events of banks."""
    code = program.code
    set_core(k, sizes, cores, state, inbox.accumulators)
    unit = state.unit
    slot = now % sizes.slots
    row, sweep, did = np.int64(-1), np.int64(0), False
    cost = np.int64(0)
    while True:
        state.executions[pc] += 1
        cost += code[pc * t.COLUMNS + t.COST]
        op = code[pc * t.COLUMNS + t.OP]
        if op == END:
            state.scan[cores.number[k]] = code[pc * t.COLUMNS + t.LO]
            return cost
        if op == WHEN:
            pc += 1 if due(code, pc, now, timesteps) else 1 + code[pc * t.COLUMNS + t.SKIP]
        elif op == RANGE:
            pc += 1
        elif op == INTEG:
            if not code[pc * t.COLUMNS + t.AHEAD]:
                cost += integ(
                    k, pc, slot, code, sizes, cores, synapses, learning, inbox, state.weights, state.delivered
                )
            pc += 1
        elif op in (ROWS, ENDROWS):  # one row after the other, the body in between
            if op == ROWS:
                sweep, did = pc, any_holds(k, code, pc, cores, sizes, state)
                row = learning.since[k]
            else:
                store_row(row, code, sweep, unit, state, learning)
                state.row_words[k] += (code[sweep * t.COLUMNS + t.BLOCKS] * learning.bits[row] + 15) >> 4
                row += 1
            row = next_row(k, row, did, code, sweep, reward, cores, sizes, state, learning)
            if row < 0:
                pc = sweep + code[sweep * t.COLUMNS + t.SKIP] + 1
            else:
                load_row(row, code, sweep, unit, state, learning)
                axon = cores.axon[k] + learning.axon[row]
                pre = ALL if (state.delivered[axon >> 6] >> np.uint64(axon & 63)) & ONE else NONE
                store_word(unit[u.SCRATCH] + t.ROW_PRE * STEP, pre)
                cost += ROW_CYCLES + 2 * code[sweep * t.COLUMNS + t.BLOCKS]
                pc = sweep + 1
        else:
            vector(behind(code, pc * t.COLUMNS), unit)
            pc += 1


@inner
def receive(inbox, sizes, slot, q, payload):
    """A spike becomes pending; payloads of one axon add, modulo 256."""
    at, bit = slot * (sizes.pending >> 6) + (q >> 6), ONE << np.uint64(q & 63)
    if sizes.graded:
        count = slot * sizes.pending + q
        before = np.int64(inbox.counts[count]) if inbox.pending[at] & bit else 0
        inbox.counts[count] = before + payload & 255
    inbox.pending[at] |= bit


@inner
def inject(sample, now, job, fired, routes, sizes, inbox):
    """The host writes the input spikes of a timestep."""
    pointers, count = address(routes.input_pointers), 0
    for word in range(job.words):
        spikes = job.inputs[(sample * job.timesteps + now) * job.words + word]
        while spikes:
            byte = first_lane(spikes) >> 3
            payload = np.int64((spikes >> np.uint64(8 * byte)) & np.uint64(255))
            spikes &= ~(np.uint64(255) << np.uint64(8 * byte))
            source = word * 8 + byte
            fired.sources[count] = source << 8 | payload
            count += 1
            prefetch(pointers + source * 8)
    for spike in range(count):
        source, payload = fired.sources[spike] >> 8, fired.sources[spike] & 255
        for i in range(routes.input_pointers[source], routes.input_pointers[source + 1]):
            send = np.int64(routes.input_sends[i])
            receive(inbox, sizes, (now + (send & 15)) % sizes.slots, send >> 4, payload)


@inner
def collect(sizes, cores, state, routes, fired):
    """List the neurons that fired, ascending, and clear the spike bitmaps; how many there are."""
    count, core = 0, 0
    sends, packets, sample = address(routes.send_pointers), address(routes.pointers), address(fired.sample)
    for k in range(sizes.busy):
        while core <= cores.number[k]:
            fired.first[core] = count
            core += 1
        first = cores.neuron[k] >> 6
        for word in range(first, first + cores.neuron_words[k]):
            lanes = state.spikes[word]
            if lanes:
                state.spikes[word] = NONE
                while lanes:
                    neuron = word * 64 + first_lane(lanes)
                    fired.list[count] = neuron
                    count += 1
                    prefetch(sends + neuron * 8)
                    prefetch(packets + neuron * 8)
                    prefetch(sample + neuron * 4)
                    lanes &= lanes - ONE
    while core <= sizes.cores:
        fired.first[core] = count
        core += 1
    return count


@inner
def send(count, now, payloads, routes, sizes, fired, inbox):
    """Spikes become pending where their routes go; when in the fabric phase makes no difference."""
    for i in range(count):
        neuron = fired.list[i]
        fired.sample[neuron] += 1
        payload = np.int64(payloads[neuron]) if sizes.graded else 1
        for j in range(routes.send_pointers[neuron], routes.send_pointers[neuron + 1]):
            to = np.int64(routes.sends[j])
            receive(inbox, sizes, (now + 1 + (to & 15)) % sizes.slots, to >> 4, payload)


@inner
def carry(count, payloads, signed, fired):
    """Add up what spikes carry."""
    for i in range(count):
        payload = payloads[fired.list[i]]
        fired.carried[fired.list[i]] += payload - ((payload & 128) << 1 if signed else 0)


@inner
def clear(afresh, sizes, start, state, inbox, fired):
    """What the hardware clears between samples; and everything else, if the sample starts afresh."""
    neurons = sizes.neurons
    if afresh:
        copy(address(state.registers), address(start.registers), sizes.registers * neurons * 4)
        copy(address(state.random), address(start.random), sizes.busy * sizes.lanes * 4)
        copy(address(state.weights), address(start.weights), sizes.plastic * 2)
        clear_bytes(address(state.traces), sizes.traces * sizes.trace_axons * 4)
    clear_bytes(address(inbox.accumulators), 2 * neurons * 4)
    clear_bytes(address(state.predicates), N_PREDICATES * neurons // 8)
    clear_bytes(address(state.delivered), sizes.trace_axons // 8)
    clear_bytes(address(inbox.pending), sizes.slots * sizes.pending // 8)
    clear_bytes(address(fired.sample), neurons * 4)
    clear_bytes(address(fired.carried), neurons * 4)


@inner
def tally(sample, sign, job, fired):
    """Add or take away the spikes of the sample so far, or what they carried, in the output counts."""
    for i in range(job.n_outputs):
        neuron = job.outputs[i]
        if neuron >= 0:
            spikes = fired.carried[neuron] if job.carry else fired.sample[neuron]
            job.output_counts[sample * job.n_outputs + i] += sign * spikes


@inner
def record(recorded, have, count, sample, now, sizes, cores, fired):
    """Append the spikes of a timestep to a table, which grows when it must."""
    if have + count > len(recorded):
        longer = np.empty((2 * len(recorded) + count, 4), np.int32)
        for i in range(have):
            for j in range(4):
                longer[i, j] = recorded[i, j]
        recorded = longer
    for k in range(sizes.busy):
        core = cores.number[k]
        for i in range(fired.first[core], fired.first[core + 1]):
            recorded[have + i, 0] = sample
            recorded[have + i, 1] = now
            recorded[have + i, 2] = core
            recorded[have + i, 3] = fired.list[i] - cores.neuron[k]
    return recorded


@inner
def note(sample, now, job, state):
    """Record the probes."""
    row = (sample * (job.timesteps + job.latency) + now) * job.n_probes
    for i in range(job.n_probes):
        job.probed[row + i] = state.registers[job.probes[i]]


@inner
def finish(sample, cycles, sizes, job, fired):
    """Write a sample's results."""
    tally(sample, np.int64(1), job, fired)
    for p in range(job.n_populations):
        for i in range(job.population_first[p], job.population_first[p + 1]):
            if job.populations[i] >= 0:
                job.sample_spikes[sample * job.n_populations + p] += fired.sample[job.populations[i]]
    for neuron in range(sizes.neurons):
        fired.total[neuron] += fired.sample[neuron]
    job.sample_cycles[sample] = cycles


@inner
def simulate(begin, end, tables, memories, job):
    """Run samples begin..end-1; their spikes (n, 4) if they are recorded, else (0, 4).

    Args:
        tables: sizes, then cores, program, synapses, learning, routes, start of layout.Machine.
        memories: state, inbox, fired, mesh, wires of a thread.
    """
    sizes, cores, program = tables[0], raw(tables[1]), raw(tables[2])
    synapses, learning, routes, start = raw(tables[3]), raw(tables[4]), raw(tables[5]), raw(tables[6])
    state, inbox, fired = raw(memories[0]), raw(memories[1]), raw(memories[2])
    mesh, wires, job = raw(memories[3]), raw(memories[4]), raw(job)
    set_machine(state.unit, sizes, program, address(state.scratch))
    recorded, have = np.empty((1024 if job.record else 0, 4), np.int32), np.int64(0)
    steps, clock = job.timesteps + job.latency, 0
    for sample in range(begin, end):
        reward = job.rewards[sample]
        store(address(state.scratch) + t.REWARD * STEP, splat32(reward))
        clear(sample == 0 or not job.learn, sizes, start, state, inbox, fired)
        cycles = np.int64(0)
        for now in range(-1, steps):  # -1: the reset programs
            if now == job.latency:
                tally(sample, np.int64(-1), job, fired)
            if 0 <= now < job.timesteps:
                inject(sample, now, job, fired, routes, sizes, inbox)
            if now >= 0:
                clock += 1
                deliver_banks(now, clock, job.timesteps, sizes, synapses, inbox)
            slowest = sizes.idle_cost
            for k in range(sizes.busy):
                entry = cores.reset[k] if now < 0 else cores.entry[k]
                at = max(now, 0)
                cost = run_program(
                    k, entry, at, job.timesteps, reward, program, sizes, cores, synapses, learning, state, inbox
                )
                if now >= 0:
                    cost += inbox.cost[k]
                    state.busy[k] += cost
                slowest = max(slowest, cost)
            if now < 0:
                fired.chip[RESET] += sizes.clear_cost + slowest
                continue
            count = collect(sizes, cores, state, routes, fired)
            send(count, now, state.payloads, routes, sizes, fired, inbox)
            if job.carry:
                carry(count, state.payloads, job.carry == SIGNED, fired)
            spent = fabric.phase(mesh, fired.list, fired.first, state.scan, routes.pointers, routes.cores, wires)
            fired.chip[COMPUTE] += slowest
            fired.chip[FABRIC] += spent
            fired.chip[BARRIER] += BARRIER_CYCLES
            cycles += slowest + spent + BARRIER_CYCLES
            if job.record:
                recorded = record(recorded, have, count, sample, now, sizes, cores, fired)
                have += count
            note(sample, now, job, state)
        finish(sample, cycles, sizes, job, fired)
    return recorded[:have]


def _sources() -> int:
    """A number for all code that is compiled in."""
    here = Path(__file__).parent
    code = b"".join(path.read_bytes() for folder in (here, here / "spec") for path in sorted(folder.glob("*.py")))
    return int.from_bytes(sha256(code).digest()[:6], "big")


def _cached(sources):
    # Numba's cache looks at this file and at what the function closes over, not at the functions that it calls.
    @njit(nogil=True, cache=True)
    def run_samples(begin, end, tables, memories, job):
        if sources == 0:
            return None
        return simulate(begin, end, tables, memories, job)

    return run_samples


run_samples = _cached(_sources())
