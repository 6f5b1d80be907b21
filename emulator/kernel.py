"""The fast machine: samples run from injection to fabric without returning to Python.

Every function here says the same as the one of its name in emulator/reference.py, on the tables of layout.py.
What can be counted afterwards (from how often each instruction ran, each axon was delivered and each neuron
fired) is not counted here: see simulate.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from . import fabric
from . import layout as t
from .spec.isa import (
    BARRIER_CYCLES,
    BY_NAME,
    GRANULE,
    ROW_CYCLES,
)
from .vector_unit import ALL, NONE, STEP, Unit, vector
from .vectors import (
    add,
    address,
    choose,
    count_lanes,
    equal,
    first_lane,
    greater,
    lesser,
    load16,
    load32,
    mul,
    narrow16,
    shl,
    splat32,
    store,
    widen32,
)

END, WHEN, RANGE, INTEG, ROWS, ENDROWS = (
    BY_NAME[name].opcode for name in ("end", "when", "range", "integ", "rows", "endrows")
)
# columns of State.counted, per busy core
PENDING_WRITES, PLASTIC_OPERATIONS, ROW_WORDS, BUSY = range(4)
COMPUTE, FABRIC, BARRIER, RESET = range(4)  # of State.chip


class State(NamedTuple):
    """Everything that a run changes; each thread has its own. One bit a lane in uint64 words."""

    registers: np.ndarray
    accumulators: np.ndarray  # (2 * neurons,) int32, not yet wrapped to their width
    predicates: np.ndarray
    spikes: np.ndarray
    payloads: np.ndarray  # (neurons,) int32
    traces: np.ndarray
    delivered: np.ndarray
    pending: np.ndarray  # (slots, pending / 64)
    counts: np.ndarray  # (slots, pending) uint8 payloads
    random: np.ndarray
    weights: np.ndarray
    scratch: np.ndarray  # int32, see vector_unit.SCRATCH_BYTES
    executions: np.ndarray  # (instructions,) int64
    events: np.ndarray  # (pending,) int64
    fired: np.ndarray  # (neurons,) int64, all samples
    sample_fired: np.ndarray  # (neurons,) int32, this sample
    counted: np.ndarray  # (busy cores, 4) int64
    chip: np.ndarray  # (4,) int64
    list: np.ndarray  # flat neurons that fired in this timestep
    list_first: np.ndarray  # (cores + 1,) first of a core, all cores of the mesh
    scan: np.ndarray  # (cores,) blocks that emitters scan


class Job(NamedTuple):
    """What to run and where to put it; sample s of the run is row s of everything."""

    inputs: np.ndarray  # (samples, T, words of 8 inputs) uint64, a byte an input
    rewards: np.ndarray  # (samples,) int64
    timesteps: int  # T
    latency: int
    learn: bool  # samples follow each other instead of starting afresh
    fabric: bool
    width: int
    height: int
    outputs: np.ndarray  # flat neurons, or -1 where a core never fires
    output_counts: np.ndarray  # (samples, outputs) int32
    populations: np.ndarray  # flat neurons of all populations, one after the other, or -1
    population_first: np.ndarray
    sample_spikes: np.ndarray  # (samples, populations) int32
    sample_cycles: np.ndarray  # (samples,) int64
    probes: np.ndarray  # places in State.registers, or -1
    probed: np.ndarray  # (samples, timesteps, places) int32
    record: bool


@njit(nogil=True)
def unit_of(k, sizes, tables, state):
    """The addresses of core k's memories."""
    first, words = tables.neuron[k], tables.neuron_words[k]
    axon, axon_words = tables.axon[k], tables.axon_words[k]
    return Unit(
        address(state.registers) + first * sizes.registers * 4,
        words * STEP,
        address(state.accumulators) + first * 4,
        address(state.accumulators) + (sizes.neurons + first) * 4,
        address(state.predicates) + first // 64 * 8,
        sizes.neurons // 64 * 8,
        address(state.spikes) + first // 64 * 8,
        address(state.payloads) + first * 4,
        address(state.traces) + axon * sizes.traces * 4,
        axon_words * STEP,
        address(state.delivered) + axon // 64 * 8,
        address(state.scratch),
    )


@njit(nogil=True)
def receive(pending, counts, graded, slot, q, payload):
    """A spike becomes pending; payloads of one axon add, modulo 256."""
    word, bit = q >> 6, np.uint64(1) << np.uint64(q & 63)
    if graded:
        if not pending[slot, word] & bit:
            counts[slot, q] = 0
        counts[slot, q] += np.uint8(payload)
    pending[slot, word] |= bit


@njit(nogil=True)
def integ(k, pc, t_slot, sizes, tables, state):
    """Deliver what is pending in a core's granules, one event after the other; cycles of the events."""
    code = tables.code
    lo = code[pc, t.LO] * GRANULE
    stop = lo + code[pc, t.HI] * GRANULE
    base = tables.pending[k]
    accumulator = state.accumulators[code[pc, t.D] * sizes.neurons + tables.neuron[k] :]
    shift, graded, signed = code[pc, t.SHIFT], code[pc, t.FLAG], code[pc, t.FLAG2]
    learns = tables.axon_words[k] > 0
    cost = 0
    for word in range(lo >> 6, (stop + 63) >> 6):
        lanes = ALL
        if word == lo >> 6:
            lanes &= ALL << np.uint64(lo & 63)
        if word == stop >> 6:
            lanes &= (np.uint64(1) << np.uint64(stop & 63)) - np.uint64(1)
        at = (base >> 6) + word
        events = state.pending[t_slot, at] & lanes
        if learns:
            d = (tables.axon[k] >> 6) + word
            state.delivered[d] = (state.delivered[d] & ~lanes) | events
        if not events:
            continue
        state.pending[t_slot, at] &= ~events
        for granule in range(4):
            if (events >> np.uint64(16 * granule)) & np.uint64(0xFFFF):
                state.counted[k, PENDING_WRITES] += 1
        while events:
            q = base + word * 64 + first_lane(events)
            events &= events - np.uint64(1)
            factor = 1
            if graded:
                factor = np.int64(state.counts[t_slot, q])
                if signed and factor > 127:
                    factor -= 256
            state.events[q] += 1
            cost += tables.event_cost[q]
            row = tables.plastic[q]
            if row >= 0:
                state.counted[k, PLASTIC_OPERATIONS] += add_row(row, accumulator, factor, shift, tables, state)
                continue
            for i in range(tables.row_pointers[q], tables.row_pointers[q + 1]):
                accumulator[tables.row_targets[i]] += (np.int64(tables.row_weights[i]) * factor) << shift
    return cost


@njit(nogil=True)
def add_row(row, accumulator, factor, shift, tables, state):
    """Add a plastic row to an accumulator; its weights that are not zero."""
    weights = address(state.weights) + tables.plastic_start[row] * 2
    sums = address(accumulator) + tables.plastic_word[row] * STEP
    count = 0
    for i in range(tables.plastic_words[row]):
        weight = widen32(load16(weights + i * 128))
        count += 64 - count_lanes(equal(weight, splat32(0)))
        product = shl(mul(weight, splat32(factor)), splat32(shift))
        store(sums + i * STEP, add(load32(sums + i * STEP), product))
    return count


@njit(nogil=True)
def due(code, pc, now, timesteps):
    """Is this timestep inside the window of a `when`?"""
    hi = code[pc, t.HI] + (timesteps if code[pc, t.FLAG] else 0)
    return code[pc, t.LO] <= now < hi


@njit(nogil=True)
def rows(k, pc, now, timesteps, reward, sizes, unit, tables, state, row_traces, fresh):
    """Sweep the plastic rows that are selected: (cycles beyond the fixed ones, address behind endrows)."""
    code = tables.code
    mask, words, word0 = code[pc, t.SHIFT], code[pc, t.WORDS], code[pc, t.FIRST_WORD]
    head, tail, inside = np.uint64(code[pc, t.FIRST]), np.uint64(code[pc, t.LAST]), np.uint64(code[pc, t.INSIDE])
    last = pc
    while code[last, t.OP] != ENDROWS:
        last += 1
    predicate = code[pc, t.A_INDEX] * (sizes.neurons >> 6) + (tables.neuron[k] >> 6) + word0
    did = False
    for i in range(words):
        lanes = state.predicates[predicate + i]
        if i == 0:
            lanes &= head
        if i == words - 1:
            lanes &= inside
        did |= lanes != NONE
    register = unit.registers + code[pc, t.D] * unit.register_step + word0 * STEP
    lo = code[pc, t.LO] * GRANULE
    stop = lo + code[pc, t.HI] * GRANULE
    axon0, axons = tables.axon[k], tables.axon_words[k] * 64
    cost = 0
    old_weights = np.empty(words * 64, np.int16)
    for row in range(tables.plastic_from[k], tables.plastic_from[k + 1]):
        axon = tables.plastic_axon[row]
        if axon < lo or axon >= stop:
            continue
        pre = (state.delivered[(axon0 + axon) >> 6] >> np.uint64(axon & 63)) & np.uint64(1)
        for x in range(sizes.traces):
            row_traces[x] = state.traces[axon0 * sizes.traces + x * axons + axon]
        selected = (mask & 8) != 0 or ((mask & 1) != 0 and pre != NONE)
        selected |= (mask & 2) != 0 and did and row_traces[code[pc, t.C_INDEX]] != 0
        selected |= (mask & 4) != 0 and reward != 0
        if not selected:
            continue
        row_chosen = ALL if pre else NONE
        bits = tables.plastic_bits[row]
        weights = address(state.weights) + tables.plastic_start[row] * 2
        for i in range(words):
            lanes = ALL
            if i == 0:
                lanes &= head
            if i == words - 1:
                lanes &= tail
            weight = load16(weights + i * 128)
            store(address(old_weights) + i * 128, weight)
            at = register + i * STEP
            store(at, choose(lanes, widen32(weight), load32(at)))
        state.counted[k, ROW_WORDS] += row_words(code[pc, t.BLOCKS], bits)
        cost += ROW_CYCLES + 2 * code[pc, t.BLOCKS]
        at_pc = pc + 1
        while True:
            state.executions[at_pc] += 1
            cost += code[at_pc, t.COST]
            op = code[at_pc, t.OP]
            if op == ENDROWS:
                break
            if op == WHEN:
                if not due(code, at_pc, now, timesteps):
                    at_pc += code[at_pc, t.SKIP]
            else:
                vector(
                    code, tables.splats, at_pc, sizes, unit, row_traces, row_chosen, reward, state.random[k], fresh
                )
            at_pc += 1
        high = (1 << (bits - 1)) - 1
        for i in range(words):
            lanes = ALL
            if i == 0:
                lanes &= head
            if i == words - 1:
                lanes &= inside
            if mask & 16:
                lanes &= ~equal(widen32(load16(address(old_weights) + i * 128)), splat32(0))
            weight = greater(lesser(load32(register + i * STEP), splat32(high)), splat32(-high - 1))
            store(weights + i * 128, narrow16(choose(lanes, weight, splat32(0))))
    return cost, last + 1


@njit(nogil=True)
def row_words(blocks, bits):
    """Synapse words of a plastic row: it starts on a word boundary."""
    per_word = 16 // bits
    return (blocks + per_word - 1) // per_word


@njit(nogil=True)
def run_program(k, pc, now, timesteps, reward, sizes, tables, state, row_traces):
    """Run a core's program from an address to its `end`; its cycles."""
    code = tables.code
    unit = unit_of(k, sizes, tables, state)
    fresh = state.scratch[3 * t.WORD :]
    slot = now % sizes.slots
    cost = 0
    while True:
        state.executions[pc] += 1
        cost += code[pc, t.COST]
        op = code[pc, t.OP]
        if op == END:
            state.scan[tables.number[k]] = code[pc, t.LO]
            return cost
        if op == WHEN:
            pc += 1 if due(code, pc, now, timesteps) else 1 + code[pc, t.SKIP]
        elif op == RANGE:
            pc += 1
        elif op == INTEG:
            cost += integ(k, pc, slot, sizes, tables, state)
            pc += 1
        elif op == ROWS:
            more_cost, pc = rows(
                k, pc, now, timesteps, reward, sizes, unit, tables, state, row_traces, fresh
            )
            cost += more_cost
        else:
            vector(code, tables.splats, pc, sizes, unit, row_traces, NONE, reward, state.random[k], fresh)
            pc += 1


@njit(nogil=True)
def collect(sizes, tables, state):
    """List the neurons that fired, ascending, and clear the spike bitmaps; how many there are."""
    count, core = 0, 0
    for k in range(len(tables.number)):
        while core <= tables.number[k]:
            state.list_first[core] = count
            core += 1
        first = tables.neuron[k] >> 6
        for word in range(first, first + tables.neuron_words[k]):
            lanes = state.spikes[word]
            if lanes:
                state.spikes[word] = NONE
                while lanes:
                    state.list[count] = word * 64 + first_lane(lanes)
                    count += 1
                    lanes &= lanes - np.uint64(1)
    while core < len(state.list_first):
        state.list_first[core] = count
        core += 1
    return count


@njit(nogil=True)
def begin(sample, sizes, tables, start, state, job):
    """Reset for a sample: clear, start afresh unless learning, run the reset programs."""
    if not job.learn or sample == 0:
        state.registers[:] = start.registers
        state.random[:] = start.random
        state.weights[:] = start.weights
        state.traces[:] = 0
    state.accumulators[:] = 0
    state.predicates[:] = NONE
    state.delivered[:] = NONE
    state.pending[:] = NONE
    state.sample_fired[:] = 0


@njit(nogil=True, cache=True)
def run_samples(first, last, sizes, tables, start, state, job):
    """Run samples first..last-1; spikes (n, 4) if recorded, else (0, 4)."""
    steps = job.timesteps + job.latency
    row_traces = np.zeros(3, np.int32)
    neuron0 = np.zeros(job.width * job.height, np.int64)
    core_of = np.zeros(sizes.neurons // 64, np.int64)
    for k in range(len(tables.number)):
        neuron0[tables.number[k]] = tables.neuron[k]
        core_of[tables.neuron[k] >> 6 : tables.neuron[k + 1] >> 6] = k
    recorded = np.empty((1024 if job.record else 0, 4), np.int32)
    n_recorded = 0
    for sample in range(first, last):
        reward = job.rewards[sample]
        begin(sample, sizes, tables, start, state, job)
        slowest = sizes.idle_cost
        for k in range(len(tables.number)):
            slowest = max(
                slowest, run_program(k, tables.reset[k], 0, job.timesteps, reward, sizes, tables, state, row_traces)
            )
        state.chip[RESET] += sizes.clear_cost + slowest
        cycles = 0
        for now in range(steps):
            if now == job.latency:
                for i in range(len(job.outputs)):
                    if job.outputs[i] >= 0:
                        job.output_counts[sample, i] = -state.sample_fired[job.outputs[i]]
            if now < job.timesteps:
                for word in range(job.inputs.shape[2]):
                    spikes = job.inputs[sample, now, word]
                    while spikes:
                        byte = first_lane(spikes) >> 3
                        payload = (spikes >> np.uint64(8 * byte)) & np.uint64(255)
                        spikes &= ~(np.uint64(255) << np.uint64(8 * byte))
                        source = word * 8 + byte
                        for i in range(tables.input_pointers[source], tables.input_pointers[source + 1]):
                            send = np.int64(tables.input_sends[i])
                            receive(
                                state.pending,
                                state.counts,
                                sizes.graded,
                                (now + (send & 15)) % sizes.slots,
                                send >> 4,
                                payload,
                            )
            slowest = sizes.idle_cost
            for k in range(len(tables.number)):
                cost = run_program(k, tables.entry[k], now, job.timesteps, reward, sizes, tables, state, row_traces)
                state.counted[k, BUSY] += cost
                slowest = max(slowest, cost)
            count = collect(sizes, tables, state)
            for i in range(count):
                neuron = state.list[i]
                state.sample_fired[neuron] += 1
                payload = state.payloads[neuron] if sizes.graded else 1
                for j in range(tables.send_pointers[neuron], tables.send_pointers[neuron + 1]):
                    send = np.int64(tables.sends[j])
                    slot = (now + 1 + (send & 15)) % sizes.slots
                    receive(state.pending, state.counts, sizes.graded, slot, send >> 4, payload)
            spent = 0
            if job.fabric:
                emitters = fabric.Emitters(state.list, state.list_first, neuron0, state.scan)
                spent = fabric.step_mesh(
                    job.width, job.height, sizes.lanes, emitters, tables.route_pointers, tables.route_cores
                )
            state.chip[COMPUTE] += slowest
            state.chip[FABRIC] += spent
            state.chip[BARRIER] += BARRIER_CYCLES
            cycles += slowest + spent + BARRIER_CYCLES
            if job.record:
                if n_recorded + count > len(recorded):
                    longer = np.empty((2 * len(recorded) + count, 4), np.int32)
                    longer[:n_recorded] = recorded[:n_recorded]
                    recorded = longer
                for i in range(count):
                    neuron = state.list[i]
                    k = core_of[neuron >> 6]
                    recorded[n_recorded, 0] = sample
                    recorded[n_recorded, 1] = now
                    recorded[n_recorded, 2] = tables.number[k]
                    recorded[n_recorded, 3] = neuron - tables.neuron[k]
                    n_recorded += 1
            for i in range(len(job.probes)):
                job.probed[sample, now, i] = state.registers[job.probes[i]]
        for i in range(len(job.outputs)):
            if job.outputs[i] >= 0:
                job.output_counts[sample, i] += state.sample_fired[job.outputs[i]]
        for p in range(len(job.population_first) - 1):
            for i in range(job.population_first[p], job.population_first[p + 1]):
                if job.populations[i] >= 0:
                    job.sample_spikes[sample, p] += state.sample_fired[job.populations[i]]
        state.fired[:] += state.sample_fired
        job.sample_cycles[sample] = cycles
    return recorded[:n_recorded]
