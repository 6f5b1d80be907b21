"""The vector unit: one vector instruction over the blocks in its range, 64 lanes at a time.

What each instruction means is `Core.vector` and `Core.operate` of emulator/reference.py; the range, the masks of
its first and last word and the rounding constants are in the instruction table (emulator/layout.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import layout as t
from .spec.fixedpoint import LFSR_STEPS
from .spec.isa import BY_NAME
from .vectors import (
    add,
    add_sat,
    address,
    ashr,
    at_least,
    both,
    choose,
    equal,
    greater,
    inner,
    lesser,
    load32,
    load_word,
    more,
    mul,
    narrow32,
    peek32,
    poke32,
    shl,
    splat32,
    splat64,
    store,
    store_word,
    sub_sat,
    widen64,
)

MOV, ADD, SUB, MUL, MAC = (BY_NAME[name].opcode for name in ("mov", "add", "sub", "mul", "mac"))
MIN, MAX, RND = (BY_NAME[name].opcode for name in ("min", "max", "rnd"))
CGE, CGT, CEQ, PLOG, SPK = (BY_NAME[name].opcode for name in ("cge", "cgt", "ceq", "plog", "spk"))

STEP = 4 * t.WORD  # bytes of a vector of 32-bit lanes
FRESH = (1 << LFSR_STEPS) - 1
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
NONE = np.uint64(0)
SCRATCH_BYTES = 5 * STEP  # three broadcast operands, one vector of random bits, one predicate


class Unit(NamedTuple):
    """Where the memories of one core are: addresses, and the bytes from one register to the next."""

    registers: int
    register_step: int
    accumulator0: int
    accumulator1: int
    predicates: int
    predicate_step: int
    spikes: int
    payloads: int
    traces: int
    trace_step: int
    delivered: int
    scratch: int
    random: int


@inner
def operand(code, splats, pc, column, unit, row, reward, where):
    """(address, bytes to the next vector) of a source; `row` has a row's traces, `where` holds what is broadcast."""
    kind, index = code[pc * t.COLUMNS + column], code[pc * t.COLUMNS + column + 1]
    first = code[pc * t.COLUMNS + t.FIRST_WORD] * STEP
    if kind == t.SOURCE_REGISTER:
        if code[pc * t.COLUMNS + t.AXON]:
            return unit.traces + index * unit.trace_step + first, STEP
        return unit.registers + index * unit.register_step + first, STEP
    if kind == t.SOURCE_ACCUMULATOR:
        return (unit.accumulator1 if index else unit.accumulator0) + first, STEP
    if kind == t.SOURCE_IMMEDIATE:
        return address(splats) + pc * STEP, 0
    value = row[index] if kind == t.SOURCE_TRACE else reward
    store(where, splat32(np.int64(value)))
    return where, 0


@inner
def vector(code, splats, pc, sizes, unit, row, row_chosen, reward):
    """Run one vector instruction.

    Args:
        row: (3,) int32 traces of the row's axon, row_chosen: uint64 all lanes or none, its `pre`; inside `rows`.
    """
    op, words, first_word = (
        code[pc * t.COLUMNS + t.OP],
        code[pc * t.COLUMNS + t.WORDS],
        code[pc * t.COLUMNS + t.FIRST_WORD],
    )
    head, tail = np.uint64(code[pc * t.COLUMNS + t.FIRST]), np.uint64(code[pc * t.COLUMNS + t.LAST])
    inside = np.uint64(code[pc * t.COLUMNS + t.INSIDE])
    invert = np.uint64(code[pc * t.COLUMNS + t.INVERT])
    pred = code[pc * t.COLUMNS + t.PRED]
    chosen_at, chosen_step = unit.scratch + 4 * STEP, 0
    if pred == 0:
        store_word(chosen_at, ALL)
    elif pred == 1:
        chosen_at = unit.predicates + code[pc * t.COLUMNS + t.PRED_INDEX] * unit.predicate_step + first_word * 8
        chosen_step = 8
    elif pred == 2:
        chosen_at, chosen_step = unit.delivered + first_word * 8, 8
    else:
        store_word(chosen_at, row_chosen)

    accumulator = code[pc * t.COLUMNS + t.READS]
    if accumulator >= 0:
        sums = (unit.accumulator1 if accumulator else unit.accumulator0) + first_word * STEP
        if sizes.acc_bits < 32:  # they wrap: bring the sums back to their width before anyone reads them
            up = splat32(32 - sizes.acc_bits)
            for i in range(words):
                store(sums + i * STEP, ashr(shl(load32(sums + i * STEP), up), up))
    a_at, a_step = operand(code, splats, pc, np.int64(t.A), unit, row, reward, unit.scratch)
    b_at, b_step = operand(code, splats, pc, np.int64(t.B), unit, row, reward, unit.scratch + STEP)
    c_at, c_step = operand(code, splats, pc, np.int64(t.C), unit, row, reward, unit.scratch + 2 * STEP)

    high = (np.int64(1) << (sizes.state_bits - 1)) - 1
    if op <= RND:
        base, step = (
            (unit.traces, unit.trace_step) if code[pc * t.COLUMNS + t.AXON] else (unit.registers, unit.register_step)
        )
        out = base + code[pc * t.COLUMNS + t.D] * step + first_word * STEP
        factor_high = (np.int64(1) << (sizes.coef_bits - 1)) - 1
        wide, shift = code[pc * t.COLUMNS + t.WIDE], code[pc * t.COLUMNS + t.SHIFT]
        bias, negative = code[pc * t.COLUMNS + t.BIAS], code[pc * t.COLUMNS + t.BIAS_NEGATIVE]
        for i in range(words):
            chosen = load_word(chosen_at + i * chosen_step) ^ invert
            if i == 0:
                chosen &= head
            if i == words - 1:
                chosen &= tail
            a = load32(a_at + i * a_step)
            b = load32(b_at + i * b_step)
            value = b
            if op == ADD:
                value = add_sat(a, b)
            elif op == SUB:
                value = sub_sat(a, b)
            elif op in (MUL, MAC):
                b = greater(lesser(b, splat32(factor_high)), splat32(-factor_high - 1))
                if wide:
                    long = mul(widen64(a), widen64(b))
                    long = add(long, both(ashr(long, splat64(63)), splat64(negative)))
                    long = ashr(add(long, splat64(bias)), splat64(shift))
                    if op == MAC:
                        long = add(long, widen64(load32(c_at + i * c_step)))
                    value = narrow32(greater(lesser(long, splat64(high)), splat64(-high - 1)))
                else:
                    value = mul(a, b)
                    value = add(value, both(ashr(value, splat32(31)), splat32(negative)))
                    value = ashr(add(value, splat32(bias)), splat32(shift))
                    if op == MAC:
                        value = add_sat(value, load32(c_at + i * c_step))
            elif op == MIN:
                value = lesser(a, b)
            elif op == MAX:
                value = greater(a, b)
            elif op == RND:
                low = head if i == 0 else ALL
                stop = tail if i == words - 1 else ALL
                draw(unit.random, unit.scratch + 3 * STEP, low & stop, sizes.lanes, (1 << shift) - 1)
                value = load32(unit.scratch + 3 * STEP)
            value = greater(lesser(value, splat32(high)), splat32(-high - 1))
            store(out + i * STEP, choose(chosen, value, load32(out + i * STEP)))
    else:
        out = unit.predicates + code[pc * t.COLUMNS + t.D] * unit.predicate_step + first_word * 8
        plog_a = unit.predicates + code[pc * t.COLUMNS + t.A_INDEX] * unit.predicate_step + first_word * 8
        plog_c = unit.predicates + code[pc * t.COLUMNS + t.C_INDEX] * unit.predicate_step + first_word * 8
        table = code[pc * t.COLUMNS + t.TABLE]
        for i in range(words):
            inrange = ALL
            chosen = load_word(chosen_at + i * chosen_step) ^ invert
            if i == 0:
                inrange &= head
            if i == words - 1:
                inrange &= tail
                chosen &= inside
            chosen &= inrange
            if op == SPK:
                spikes = unit.spikes + (first_word + i) * 8
                store_word(spikes, load_word(spikes) | chosen)
                if sizes.graded:
                    payloads = unit.payloads + (first_word + i) * STEP
                    value = splat32(1)
                    if code[pc * t.COLUMNS + t.FLAG]:
                        value = load32(a_at + i * a_step)
                        if code[pc * t.COLUMNS + t.FLAG2]:
                            value = both(greater(lesser(value, splat32(127)), splat32(-128)), splat32(255))
                        else:
                            value = greater(lesser(value, splat32(255)), splat32(0))
                    store(payloads, choose(chosen, value, load32(payloads)))
                continue
            lanes = NONE
            if op == PLOG:
                a = load_word(plog_a + i * 8)
                c = load_word(plog_c + i * 8)
                if table & 1:
                    lanes |= ~a & ~c
                if table & 2:
                    lanes |= ~a & c
                if table & 4:
                    lanes |= a & ~c
                if table & 8:
                    lanes |= a & c
            elif op == CGE:
                lanes = at_least(load32(a_at + i * a_step), load32(b_at + i * b_step))
            elif op == CGT:
                lanes = more(load32(a_at + i * a_step), load32(b_at + i * b_step))
            elif op == CEQ:
                lanes = equal(load32(a_at + i * a_step), load32(b_at + i * b_step))
            store_word(out + i * 8, (load_word(out + i * 8) & ~inrange) | (lanes & chosen))

    if code[pc * t.COLUMNS + t.CLEAR] >= 0:
        sums = (unit.accumulator1 if accumulator else unit.accumulator0) + first_word * STEP
        for i in range(words):
            lanes = ALL
            if i == 0:
                lanes &= head
            if i == words - 1:
                lanes &= tail
            store(sums + i * STEP, choose(lanes, splat32(0), load32(sums + i * STEP)))


@inner
def draw(random, fresh, inrange, lanes, mask):
    """Random bits for the lanes in range of one word: each lane of the core draws once a block."""
    for block in range(t.WORD // lanes):
        if not (inrange >> np.uint64(block * lanes)) & np.uint64(1):
            continue
        for lane in range(lanes):
            s = peek32(random + lane * 4)
            new = (s >> 8 ^ s >> 6 ^ s >> 2 ^ s >> 1) & FRESH
            poke32(random + lane * 4, s << LFSR_STEPS | new)
            poke32(fresh + (block * lanes + lane) * 4, new & mask)
