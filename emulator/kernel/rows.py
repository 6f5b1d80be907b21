"""`rows` in the kernel: which plastic rows are swept, and their bodies."""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

import numpy as np

from ..spec.isa import GRANULE
from . import tables as t
from .tables import WHEN
from .vector_unit import vector
from .vectors import (
    address,
    behind,
    choose,
    equal,
    first_lane,
    greater,
    inner,
    lesser,
    load16,
    load32,
    load_word,
    narrow16,
    splat16,
    splat32,
    store,
    store_word,
    widen32,
)
from .words import ALL, BYTES16, LANE, MASK_BYTES, NONE, ONE, VECTOR_BYTES, WORD, WORD_SHIFT


@inner
def due(op, now, timesteps):
    """Is this timestep inside the window of a `when`?"""
    return op[t.LO] <= now < op[t.HI] + (timesteps if op[t.FLAG] else 0)


@inner
def any_holds(op):
    """Does any neuron in the range of a `rows` hold its predicate?"""
    at, last = op[t.A], op[t.WORDS] - 1
    held = NONE
    for i in range(last + 1):
        lanes = load_word(at + i * MASK_BYTES)
        if i == 0:
            lanes &= np.uint64(op[t.FIRST])
        if i == last:
            lanes &= np.uint64(op[t.INSIDE])
        held |= lanes
    return held != NONE


@inner
def load_row(weights, words, first, last, register):
    """r<d> := the weights of a plastic row."""
    for i in range(words):
        weight = load16(weights + i * BYTES16)
        at = register + i * VECTOR_BYTES
        lanes = first if i == 0 else ALL
        if i == words - 1:
            lanes &= last
        if lanes == ALL:
            store(at, widen32(weight))
        else:
            store(at, choose(lanes, widen32(weight), load32(at)))


@inner
def store_row(weights, words, first, inside, register, bits):
    """The weights of a plastic row := r<d>, saturated, 0 beyond the population."""
    high = (1 << (bits - 1)) - 1
    for i in range(words):
        lanes = first if i == 0 else ALL
        if i == words - 1:
            lanes &= inside
        weight = narrow16(greater(lesser(load32(register + i * VECTOR_BYTES), splat32(high)), splat32(-high - 1)))
        store(weights + i * BYTES16, weight if lanes == ALL else choose(lanes, weight, splat16(0)))


@inner
def selected(word, op, did, reward, axon0, learning, delivered):
    """The plastic axons of one word that a `rows` selects."""
    mask, lo = op[t.SHIFT], op[t.LO] * GRANULE
    stop = lo + op[t.HI] + 1
    axons = learning.there[(axon0 >> WORD_SHIFT) + word]
    if word == lo >> WORD_SHIFT:
        axons &= ALL << np.uint64(lo & LANE)
    if word == stop >> WORD_SHIFT:
        axons &= (ONE << np.uint64(stop & LANE)) - ONE
    if mask & 8 or (mask & 4 and reward != 0):
        return axons
    chosen = delivered[(axon0 >> WORD_SHIFT) + word] if mask & 1 else NONE
    if mask & 2 and did:
        chosen |= ~equal(load32(op[t.C] + word * VECTOR_BYTES), splat32(0))
    return axons & chosen


@inner
def sweep(k, pc, now, timesteps, reward, code, sizes, cores, learning, state):
    """`rows`: one selected row after the other, the body in between; cycles of the rows."""
    op, cost = behind(code, pc * t.COLUMNS), np.int64(0)
    end = pc + op[t.SKIP]
    did = any_holds(op)
    first, last, inside = np.uint64(op[t.FIRST]), np.uint64(op[t.LAST]), np.uint64(op[t.INSIDE])
    register, axon0, words = op[t.OUT], cores.axon[k], cores.axon_words[k]
    broadcasts = address(state.broadcasts)
    lo = op[t.LO] * GRANULE
    for word in range(lo >> WORD_SHIFT, (lo + op[t.HI] + WORD) >> WORD_SHIFT):
        axons = selected(word, op, did, reward, axon0, learning, state.delivered)
        pre = state.delivered[(axon0 >> WORD_SHIFT) + word]
        while axons:
            bit = first_lane(axons)
            axons &= axons - ONE
            row = learning.row[axon0 + word * WORD + bit]
            for x in range(op[t.TABLE]):
                trace = np.int64(state.traces[axon0 * sizes.traces + (x * words + word) * WORD + bit])
                store(broadcasts + (t.ROW_TRACE + x) * VECTOR_BYTES, splat32(trace))
            store_word(broadcasts + t.ROW_PRE * VECTOR_BYTES, ALL if (pre >> np.uint64(bit)) & ONE else NONE)
            weights = address(state.weights) + learning.start[row] * 2
            load_row(weights, op[t.WORDS], first, last, register)
            cost += op[t.EACH]
            at = pc + 1
            while True:
                step = behind(code, at * t.COLUMNS)
                state.executions[at] += 1
                cost += step[t.COST]
                if at == end:
                    break
                if step[t.OP] == WHEN:
                    at += 0 if due(step, now, timesteps) else step[t.SKIP]
                else:
                    vector(step)
                at += 1
            bits = learning.bits[row]
            store_row(weights, op[t.WORDS], first, inside, register, bits)
            state.row_words[k] += (op[t.BLOCKS] * bits + 15) >> 4
    return cost
