"""The fast machine: samples run from injection to fabric without returning to Python.

Every function here says the same as the one of its name in emulator/reference.py, on the tables of tables.py.
What can be counted afterwards (from how often each instruction ran, each axon was delivered and each neuron
fired) is not counted here: see counting.py.
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

import numpy as np
from numba import njit

from ..spec.image import PAYLOADS
from ..spec.isa import BARRIER_CYCLES, LARGEST_PAYLOAD, N_PREDICATES, PAYLOAD_BITS
from . import fabric
from . import tables as t
from .banks import DELAY_BITS
from .delivery import deliver_banks, integ
from .kept import kept
from .memories import BARRIER, CARRY_ON, CLOCK, COMPUTE, FABRIC, FROM, ORIGIN, RESET, UNTIL
from .rows import due, sweep
from .tables import END, INTEG, RANGE, ROWS, WHEN
from .vector_unit import vector
from .vectors import (
    address,
    behind,
    clear_bytes,
    copy,
    first_lane,
    inner,
    prefetch,
    raw,
    splat32,
    store,
    store_word,
)
from .words import ALL, LANE, NONE, ONE, VECTOR_BYTES, WORD, WORD_SHIFT

SIGNED = PAYLOADS.index("signed")
SIGN = 1 << PAYLOAD_BITS - 1
LONGEST_DELAY = (1 << DELAY_BITS) - 1


@inner
def run_program(k, pc, now, timesteps, reward, code, sizes, cores, synapses, learning, state, inbox):
    """Run a core's program from an address to its `end`; its cycles without the events of banks."""
    slot = now % sizes.slots
    cost = np.int64(0)
    while True:
        step = behind(code, pc * t.COLUMNS)
        state.executions[pc] += 1
        cost += step[t.COST]
        op = step[t.OP]
        if op == END:
            return cost
        if op == WHEN:
            pc += 0 if due(step, now, timesteps) else step[t.SKIP]
        elif op == INTEG:
            if not step[t.AHEAD]:
                cost += integ(k, step, slot, sizes, cores, synapses, learning, inbox, state.weights, state.delivered)
        elif op == ROWS:
            cost += sweep(k, pc, now, timesteps, reward, code, sizes, cores, learning, state)
            pc += step[t.SKIP]
        elif op != RANGE:
            vector(step)
        pc += 1


@inner
def receive(inbox, sizes, slot, q, payload):
    """A spike becomes pending; payloads of one axon add, modulo 256."""
    at, bit = slot * (sizes.pending >> WORD_SHIFT) + (q >> WORD_SHIFT), ONE << np.uint64(q & LANE)
    if sizes.graded:
        count = slot * sizes.pending + q
        before = np.int64(inbox.counts[count]) if inbox.pending[at] & bit else 0
        inbox.counts[count] = before + payload & LARGEST_PAYLOAD
    inbox.pending[at] |= bit


@inner
def inject(sample, now, job, routes, sizes, inbox):
    """The host writes the input spikes of a timestep."""
    pointers, row = address(routes.input_pointers), sample * job.timesteps + now - job.window[ORIGIN]
    begin, end = job.first[row], job.first[row + 1]
    for spike in range(begin, end):
        prefetch(pointers + np.int64(job.source[spike]) * 8)
    for spike in range(begin, end):
        source, payload = job.source[spike], np.int64(job.value[spike]) if job.graded else 1
        for i in range(routes.input_pointers[source], routes.input_pointers[source + 1]):
            send = np.int64(routes.input_sends[i])
            receive(inbox, sizes, (now + (send & LONGEST_DELAY)) % sizes.slots, send >> DELAY_BITS, payload)


@inner
def collect(sizes, cores, state, routes, fired):
    """List the neurons that fired, ascending, and clear the spike bitmaps; how many there are."""
    count = 0
    sends, packets, sample = address(routes.send_pointers), address(routes.pointers), address(fired.sample)
    for k in range(sizes.busy):
        fired.first[k] = count
        first = cores.neuron[k] >> WORD_SHIFT
        for word in range(first, first + cores.neuron_words[k]):
            lanes = state.spikes[word]
            if lanes:
                state.spikes[word] = NONE
                while lanes:
                    neuron = word * WORD + first_lane(lanes)
                    fired.list[count] = neuron
                    count += 1
                    prefetch(sends + neuron * 8)
                    prefetch(packets + neuron * 8)
                    prefetch(sample + neuron * 4)
                    lanes &= lanes - ONE
    fired.first[sizes.busy] = count
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
            receive(inbox, sizes, (now + 1 + (to & LONGEST_DELAY)) % sizes.slots, to >> DELAY_BITS, payload)


@inner
def carry(count, payloads, signed, fired):
    """Add up what spikes carry."""
    for i in range(count):
        payload = payloads[fired.list[i]]
        fired.carried[fired.list[i]] += payload - ((payload & SIGN) << 1 if signed else 0)


@inner
def clear(afresh, sizes, start, state, inbox, fired):
    """What the hardware clears between samples; and everything else, if the sample starts afresh."""
    neurons = sizes.neurons
    if afresh:
        copy(address(state.registers), address(start.registers), sizes.registers * neurons * 4)
        copy(address(state.random), address(start.random), sizes.busy * t.STREAMS * 4)
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
        for i in range(fired.first[k], fired.first[k + 1]):
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


@kept
@njit(nogil=True)
def run_samples(begin, end, tables, memories, job):
    """Run samples begin..end-1; their spikes (n, 4) if they are recorded, else (0, 4).

    Args:
        tables: sizes, then cores, synapses, learning, routes, start of tables.Machine.
        memories: state, inbox, fired, mesh, wires of a thread.
    """
    sizes, cores, synapses, learning = tables[0], raw(tables[1]), raw(tables[2]), raw(tables[3])
    routes, start = raw(tables[4]), raw(tables[5])
    state, inbox, fired = raw(memories[0]), raw(memories[1]), raw(memories[2])
    mesh, wires, job = raw(memories[3]), raw(memories[4]), raw(job)
    store_word(address(state.broadcasts) + t.ALWAYS * VECTOR_BYTES, ALL)
    recorded, have = np.empty((1024 if job.record else 0, 4), np.int32), np.int64(0)
    clock, whole = job.window[CLOCK], job.window[FROM] < 0
    for sample in range(begin, end):
        reward = job.rewards[sample]
        store(address(state.broadcasts) + t.REWARD * VECTOR_BYTES, splat32(reward))
        if whole:
            follows = job.learn and (sample > 0 or job.window[CARRY_ON] == 1)
            clear(not follows, sizes, start, state, inbox, fired)
        else:  # of a session: what the outputs send in this timestep
            tally(sample, np.int64(-1), job, fired)
        cycles = np.int64(0)
        for now in range(job.window[FROM], job.window[UNTIL]):
            if whole and now == job.latency:
                tally(sample, np.int64(-1), job, fired)
            if 0 <= now < job.timesteps:
                inject(sample, now, job, routes, sizes, inbox)
            if now >= 0:
                clock += 1
                deliver_banks(now, clock, job.timesteps, sizes, synapses, inbox)
            slowest = sizes.idle_cost
            for k in range(sizes.busy):
                entry = cores.reset[k] if now < 0 else cores.entry[k]
                at = max(now, 0)
                cost = run_program(
                    k, entry, at, job.timesteps, reward, state.code, sizes, cores, synapses, learning, state, inbox
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
            spent = fabric.phase(mesh, fired.list, fired.first, routes.pointers, routes.cores, wires)
            fired.chip[COMPUTE] += slowest
            fired.chip[FABRIC] += spent
            fired.chip[BARRIER] += BARRIER_CYCLES
            cycles += slowest + spent + BARRIER_CYCLES
            if job.record:
                recorded = record(recorded, have, count, sample, now, sizes, cores, fired)
                have += count
            note(sample, now, job, state)
        if whole:
            finish(sample, cycles, sizes, job, fired)
        else:
            tally(sample, np.int64(1), job, fired)
    return recorded[:have]
