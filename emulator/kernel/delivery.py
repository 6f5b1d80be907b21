"""Deliveries: what every `integ` of a timestep adds to the accumulators.

Banks deliver before the programs run, one long row over many cores an event; a core that must be followed in order
delivers where its program says so.
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..spec.isa import GRANULE, LARGEST_PAYLOAD, PAYLOAD_BITS
from . import synapses as s
from . import tables as t
from .vectors import (
    add,
    address,
    behind,
    choose,
    count_lanes,
    equal,
    first_lane,
    inner,
    load8,
    load16,
    load32,
    mul,
    peek8,
    peek16,
    prefetch,
    shl,
    splat16,
    splat32,
    store,
    widen16,
    widen32,
)
from .words import ALL, BYTES8, BYTES16, LANE, LINE, ONE, VECTOR_BYTES, WORD, WORD_SHIFT

LARGEST_SIGNED = LARGEST_PAYLOAD // 2
AHEAD = 4  # rows that are prefetched before they are added


class Inbox(NamedTuple):
    """What deliveries change; each thread has its own."""

    pending: np.ndarray  # (slots * words,) uint64 a bit a pending index
    counts: np.ndarray  # (slots * pending,) uint8 payloads
    accumulators: np.ndarray  # (2 * neurons,) int32, not yet wrapped to their width
    events: np.ndarray  # (pending,) int64 how often each was delivered
    pending_writes: np.ndarray  # (busy cores,) int64 pending words that held spikes
    plastic_operations: np.ndarray  # (busy cores,) int64 synaptic operations of plastic rows
    cost: np.ndarray  # (busy cores,) int64 cycles of this timestep's events
    rows: np.ndarray  # (pending,) int64 rows of a bank to add now, and their factors
    factors: np.ndarray
    dense_rows: np.ndarray
    dense_factors: np.ndarray
    sums: np.ndarray  # int16 sums of streamed rows
    lanes: np.ndarray  # (WORD,) int32, one a core of a bank
    stamps: np.ndarray  # (cores * granules,) int64 timestep in which a granule last held spikes


@inner
def deliver_banks(now, clock, timesteps, sizes, synapses, inbox):
    """Deliver what is pending for every bank whose `integ` run in this timestep; `clock` never repeats."""
    for k in range(sizes.busy):
        inbox.cost[k] = 0
    slot = now % sizes.slots
    for bank in range(sizes.banks):
        row = behind(synapses.banks, bank * s.BANK_COLUMNS)
        if row[s.SINCE] <= now < min(row[s.UNTIL], row[s.UNTIL_T] + timesteps):
            count = take(row, slot, sizes, synapses, inbox)
            if count:
                charge(row, count, clock, synapses, inbox)
                accumulate(row, count, sizes, synapses, inbox)


@inner
def take(row, slot, sizes, synapses, inbox):
    """List a bank's pending rows, ascending, and consume their bits; how many they are."""
    first, words = row[s.FIRST], row[s.WORDS]
    pointers, reaches = address(synapses.row_pointers), address(synapses.reaches)
    costs, table = address(synapses.cost), address(synapses.costs) + (row[s.COST] - first) * BYTES16
    vectors = row[s.CORES] > 1 and not row[s.UNIFORM]
    at = slot * (sizes.pending >> WORD_SHIFT) + (first >> WORD_SHIFT)
    count = np.int64(0)
    for word in range(words):
        lanes = inbox.pending[at + word]
        if lanes:
            inbox.pending[at + word] = 0
            while lanes:
                q = first + word * WORD + first_lane(lanes)
                lanes &= lanes - ONE
                inbox.events[q] += 1
                inbox.rows[count] = q
                count += 1
                prefetch(pointers + q * 8)  # rows fire far apart: what the next passes read is not in the cache
                if vectors:
                    prefetch(table + q * BYTES16)
                    prefetch(table + q * BYTES16 + LINE)
                    prefetch(reaches + q * 8)
                else:
                    prefetch(costs + q * 4)
    if row[s.PAYLOAD]:
        for i in range(count):
            inbox.factors[i] = factor_of(
                inbox.counts, slot * sizes.pending + inbox.rows[i], np.int64(row[s.PAYLOAD] == 2)
            )
    return count


@inner
def factor_of(counts, at, signed):
    """The payload of a pending axon."""
    factor = np.int64(counts[at])
    return factor - (1 << PAYLOAD_BITS) if signed and factor > LARGEST_SIGNED else factor


@inner
def charge(row, count, clock, synapses, inbox):
    """Cycles of the events of a bank, and the pending words that held them, on each of its cores."""
    cores, first_core = row[s.CORES], row[s.CORE]
    rows = inbox.rows
    if cores == 1:
        k = synapses.bank_cores[first_core]
        cost, words, last = np.int64(0), 0, -1
        for i in range(count):
            cost += synapses.cost[rows[i]]
        for i in range(count):
            granule = synapses.granule[rows[i]]
            words += granule != last
            last = granule
        inbox.cost[k] += cost
        inbox.pending_writes[k] += words
        return
    if row[s.UNIFORM]:
        for i in range(cores):
            inbox.cost[synapses.bank_cores[first_core + i]] += count * np.int64(synapses.costs[row[s.COST] * WORD + i])
    else:
        table = address(synapses.costs) + row[s.COST] * BYTES16
        total = splat32(0)
        for i in range(count):
            total = add(total, widen32(load16(table + (rows[i] - row[s.FIRST]) * BYTES16)))
        spread(total, cores, first_core, synapses, inbox.cost, inbox.lanes)
    if row[s.ALIGNED]:
        total, one, none = splat32(0), splat32(1), splat32(0)
        last, reached = synapses.granule[rows[0]], np.uint64(0)
        for i in range(count):
            granule = synapses.granule[rows[i]]
            if granule != last:
                total = add(total, choose(reached, one, none))
                last, reached = granule, np.uint64(0)
            reached |= synapses.reaches[rows[i]]
        total = add(total, choose(reached, one, none))
        spread(total, cores, first_core, synapses, inbox.pending_writes, inbox.lanes)
        return
    for i in range(count):
        for j in range(synapses.member_pointers[rows[i]], synapses.member_pointers[rows[i] + 1]):
            granule = synapses.member_granule[j]
            if inbox.stamps[granule] != clock:
                inbox.stamps[granule] = clock
                inbox.pending_writes[synapses.bank_cores[first_core + synapses.member_core[j]]] += 1


@inner
def spread(total, cores, first_core, synapses, out, lanes):
    """Add lane i of a vector to what core i of the bank has in `out`."""
    store(address(lanes), total)
    for i in range(cores):
        out[synapses.bank_cores[first_core + i]] += lanes[i]


@inner
def accumulate(row, count, sizes, synapses, inbox):
    """Add the rows of a bank to the accumulators of its cores."""
    rows, factors = inbox.rows, inbox.factors
    graded, shift = row[s.PAYLOAD] > 0, row[s.SHIFT]
    side = row[s.ACCUMULATOR] * sizes.neurons
    if row[s.DENSE_ROWS]:
        dense, sparse = np.int64(0), np.int64(0)
        if row[s.SPARSE_ROWS] == 0 and not graded:
            for i in range(count):
                inbox.dense_rows[i] = rows[i] - row[s.FIRST]
            dense = count
        for i in range(dense, count):
            index = np.int64(synapses.dense_index[rows[i]])
            if index >= 0:
                inbox.dense_rows[dense] = index
                if graded:
                    inbox.dense_factors[dense] = factors[i]
                dense += 1
            else:
                rows[sparse] = rows[i]
                if graded:
                    factors[sparse] = factors[i]
                sparse += 1
        count = sparse
        sums = address(inbox.accumulators) + (side + row[s.DENSE_LANE]) * 4
        weights = address(synapses.dense) + row[s.DENSE]
        listed = inbox.dense_rows
        words, kind = row[s.DENSE_WORDS], row[s.DENSE_KIND]
        if kind == s.TILES:
            add_tiles(weights, row[s.DENSE_ROWS], words, listed, dense, row[s.CHUNK], shift, sums)
        elif kind == s.STREAM:
            add_stream(weights, words, listed, dense, row[s.CHUNK], shift, sums, address(inbox.sums))
        else:
            add_factors(weights, row[s.DENSE_ROWS], words, listed, inbox.dense_factors, graded, dense, shift, sums)
    if count:
        base = address(synapses.row_weights) + row[s.BYTE]
        add_sparse(
            synapses.row_pointers,
            synapses.row_targets,
            base,
            row[s.ENTRY],
            row[s.WIDE],
            rows,
            factors,
            graded,
            count,
            shift,
            behind(inbox.accumulators, side + row[s.LANE]),
        )


@inner
def add_tiles(weights, height, words, rows, count, chunk, shift, sums):
    """Dense rows that stay in the cache: a tile of columns at a time, its 16-bit sums in registers."""
    up = splat32(shift)
    word = 0
    while word < words:
        wide = words - word >= s.TILE
        tile = weights + word * height * BYTES8
        out = sums + word * VECTOR_BYTES
        for first in range(0, count, chunk):
            last = min(count, first + chunk)
            if wide:
                a, b, c, d = splat16(0), splat16(0), splat16(0), splat16(0)
                for i in range(first, last):
                    at = tile + rows[i] * 256
                    a = add(a, widen16(load8(at)))
                    b = add(b, widen16(load8(at + BYTES8)))
                    c = add(c, widen16(load8(at + 2 * BYTES8)))
                    d = add(d, widen16(load8(at + 192)))
                store(out, add(load32(out), shl(widen32(a), up)))
                store(out + VECTOR_BYTES, add(load32(out + VECTOR_BYTES), shl(widen32(b), up)))
                store(out + 2 * VECTOR_BYTES, add(load32(out + 2 * VECTOR_BYTES), shl(widen32(c), up)))
                store(out + 3 * VECTOR_BYTES, add(load32(out + 3 * VECTOR_BYTES), shl(widen32(d), up)))
            else:
                a = splat16(0)
                for i in range(first, last):
                    a = add(a, widen16(load8(tile + rows[i] * BYTES8)))
                store(out, add(load32(out), shl(widen32(a), up)))
        word += s.TILE if wide else 1


@inner
def add_stream(weights, words, rows, count, chunk, shift, sums, short):
    """Dense rows beyond the cache: whole rows, four a pass, 16-bit sums in memory."""
    up = splat32(shift)
    width = words * WORD
    for first in range(0, count, chunk):
        last = min(count, first + chunk)
        for word in range(words):
            store(short + word * BYTES16, splat16(0))
        i = first
        while i + 4 <= last:
            a, b = weights + rows[i] * width, weights + rows[i + 1] * width
            c, d = weights + rows[i + 2] * width, weights + rows[i + 3] * width
            for word in range(words):
                at = word * BYTES8
                two = add(widen16(load8(a + at)), widen16(load8(b + at)))
                four = add(two, add(widen16(load8(c + at)), widen16(load8(d + at))))
                store(short + word * BYTES16, add(load16(short + word * BYTES16), four))
            i += 4
        while i < last:
            a = weights + rows[i] * width
            for word in range(words):
                store(short + word * BYTES16, add(load16(short + word * BYTES16), widen16(load8(a + word * BYTES8))))
            i += 1
        for word in range(words):
            total = shl(widen32(load16(short + word * BYTES16)), up)
            store(sums + word * VECTOR_BYTES, add(load32(sums + word * VECTOR_BYTES), total))


@inner
def add_factors(weights, height, words, rows, factors, graded, count, shift, sums):
    """Dense rows of 16-bit weights, times payloads if there are some."""
    up = splat32(shift)
    for word in range(words):
        tile = weights + word * height * BYTES16
        total = splat32(0)
        for i in range(count):
            value = widen32(load16(tile + rows[i] * BYTES16))
            if graded:
                value = mul(value, splat32(factors[i]))
            total = add(total, value)
        store(sums + word * VECTOR_BYTES, add(load32(sums + word * VECTOR_BYTES), shl(total, up)))


@inner
def add_sparse(pointers, targets, weights, entry, wide, rows, factors, graded, count, shift, sums):
    """Sparse rows; the ones to come are prefetched, as they lie anywhere."""
    where = address(targets)
    size = 2 if wide else 1
    for i in range(count):
        if i + AHEAD < count:
            first, last = pointers[rows[i + AHEAD]], pointers[rows[i + AHEAD] + 1]
            for at in range(where + first * 2, where + last * 2, LINE):
                prefetch(at)
            for at in range(weights + (first - entry) * size, weights + (last - entry) * size, LINE):
                prefetch(at)
        first, last = pointers[rows[i]], pointers[rows[i] + 1]
        if graded or wide:
            factor = (factors[i] if graded else 1) << shift
            for j in range(first, last):
                weight = peek16(weights + (j - entry) * 2) if wide else peek8(weights + j - entry)
                target = np.int64(targets[j])
                sums[target] += weight * factor
        else:
            for j in range(first, last):
                target = np.int64(targets[j])
                sums[target] += peek8(weights + j - entry) << shift


@inner
def integ(k, op, slot, sizes, cores, synapses, learning, inbox, weights, delivered):
    """Deliver what is pending in a core's granules, in place, one event after the other; their cycles."""
    lo = op[t.LO] * GRANULE
    stop = lo + op[t.HI] * GRANULE
    base = cores.pending[k]
    sums = behind(inbox.accumulators, op[t.D] * sizes.neurons + cores.neuron[k])
    shift, graded, signed = op[t.SHIFT], op[t.FLAG], op[t.FLAG2]
    learns = cores.axon_words[k] > 0
    cost = 0
    for word in range(lo >> WORD_SHIFT, (stop + LANE) >> WORD_SHIFT):
        lanes = ALL
        if word == lo >> WORD_SHIFT:
            lanes &= ALL << np.uint64(lo & LANE)
        if word == stop >> WORD_SHIFT:
            lanes &= (ONE << np.uint64(stop & LANE)) - ONE
        at = slot * (sizes.pending >> WORD_SHIFT) + (base >> WORD_SHIFT) + word
        events = inbox.pending[at] & lanes
        if learns:
            d = (cores.axon[k] >> WORD_SHIFT) + word
            delivered[d] = (delivered[d] & ~lanes) | events
        if not events:
            continue
        inbox.pending[at] &= ~events
        for granule in range(4):
            if (events >> np.uint64(16 * granule)) & np.uint64(0xFFFF):
                inbox.pending_writes[k] += 1
        while events:
            q = base + word * WORD + first_lane(events)
            events &= events - ONE
            factor = 1
            if graded:
                factor = factor_of(inbox.counts, slot * sizes.pending + q, signed)
            inbox.events[q] += 1
            cost += synapses.cost[q]
            row = learning.of[q]
            if row >= 0:
                inbox.plastic_operations[k] += add_row(row, sums, factor, shift, learning, weights)
                continue
            first = synapses.row_pointers[q]
            at_weight = address(synapses.row_weights) + synapses.row_byte[q]
            for i in range(first, synapses.row_pointers[q + 1]):
                target = np.int64(synapses.row_targets[i])
                sums[target] += (peek16(at_weight + (i - first) * 2) * factor) << shift
    return cost


@inner
def add_row(row, sums, factor, shift, learning, weights):
    """Add a plastic row to an accumulator; how many of its weights are not zero."""
    source = address(weights) + learning.start[row] * 2
    to = address(sums) + learning.word[row] * VECTOR_BYTES
    count, factor = np.int64(0), factor << shift
    for i in range(learning.words[row]):
        short = load16(source + i * BYTES16)
        count += WORD - count_lanes(equal(short, splat16(0)))
        weight = widen32(short)
        if factor != 1:
            weight = mul(weight, splat32(factor))
        store(to + i * VECTOR_BYTES, add(load32(to + i * VECTOR_BYTES), weight))
    return count
