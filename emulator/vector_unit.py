"""The vector unit: one vector instruction over the blocks in its range, 64 lanes at a time.

What each instruction means is `Core.vector` and `Core.operate` of emulator/reference.py; the range, the masks of
its first and last word and the rounding constants are in the instruction table (emulator/layout.py).
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.
from __future__ import annotations

import numpy as np

from . import layout as t
from .spec.fixedpoint import LFSR_STEPS
from .spec.isa import BY_NAME
from .vectors import (
    add,
    add_sat,
    ashr,
    at_least,
    both,
    choose,
    count_lanes,
    either,
    equal,
    first_lane,
    greater,
    inner,
    lesser,
    load32,
    load_streams,
    load_word,
    lshr,
    more,
    mul,
    narrow32,
    shl,
    splat32,
    splat64,
    splat_streams,
    store,
    store_word,
    sub,
    sub_sat,
    unlike,
    widen64,
)

MOV, ADD, SUB, MUL, MAC = (BY_NAME[name].opcode for name in ("mov", "add", "sub", "mul", "mac"))
MIN, MAX, RND = (BY_NAME[name].opcode for name in ("min", "max", "rnd"))
CGE, CGT, CEQ, PLOG, SPK = (BY_NAME[name].opcode for name in ("cge", "cgt", "ceq", "plog", "spk"))

STEP = 4 * t.WORD  # bytes of a vector of 32-bit lanes
FRESH = (1 << LFSR_STEPS) - 1
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
NONE = np.uint64(0)
# rows of the scratch memory: broadcasts (two masks, three traces, the reward), then one vector of random bits,
# which a block may overrun
FRESH_ROW = 6
SCRATCH_BYTES = 8 * STEP


# A unit is one table of int64, so that a call passes one pointer: address and row bytes of the memories of the core
# that runs now (layout.REGISTERS...), then these.
SPIKES, PAYLOADS, SCRATCH, RANDOM, LANES, ACC_UP, HIGH, FACTOR_HIGH, GRADED, UNIT_WORDS = range(14, 24)


@inner
def locate(unit, memory, index, offset):
    """Address of row `index` of a memory, `offset` bytes in."""
    return unit[2 * memory] + index * unit[2 * memory + 1] + offset


@inner
def vector(code, unit):
    """Run one vector instruction; `code` points to its row of the instruction table."""
    op, words, first_word = code[t.OP], code[t.WORDS], code[t.FIRST_WORD]
    head, tail = np.uint64(code[t.FIRST]), np.uint64(code[t.LAST])
    inside, invert = np.uint64(code[t.INSIDE]), np.uint64(code[t.INVERT])
    start = first_word * STEP
    chosen_step, a_step, b_step, c_step = code[t.PRED_STEP], code[t.A_STEP], code[t.B_STEP], code[t.C_STEP]
    chosen_at = locate(unit, code[t.PRED], code[t.PRED_INDEX], first_word * chosen_step)
    a_at = locate(unit, code[t.A], code[t.A_INDEX], first_word * a_step)
    b_at = locate(unit, code[t.B], code[t.B_INDEX], first_word * b_step)
    c_at = locate(unit, code[t.C], code[t.C_INDEX], first_word * c_step)

    accumulator = code[t.READS]
    if accumulator >= 0 and unit[ACC_UP]:  # sums wrap: bring them to their width before anyone reads them
        sums = locate(unit, np.int64(t.ACCUMULATORS), accumulator, start)
        up = splat32(unit[ACC_UP])
        for i in range(words):
            store(sums + i * STEP, ashr(shl(load32(sums + i * STEP), up), up))

    high = unit[HIGH]
    if op == RND:
        draw(code, unit, chosen_at, locate(unit, code[t.OUT], code[t.D], start))
    elif op < RND:
        out = locate(unit, code[t.OUT], code[t.D], start)
        factor_high = unit[FACTOR_HIGH]
        product, roomy, shift = code[t.PRODUCT], code[t.ROOMY], code[t.SHIFT]
        bias, negative = code[t.BIAS], code[t.BIAS_NEGATIVE]
        for i in range(words):
            chosen = load_word(chosen_at + i * chosen_step) ^ invert
            if i == 0:
                chosen &= head
            if i == words - 1:
                chosen &= tail
            if not chosen:
                continue
            a = load32(a_at + i * a_step)
            b = load32(b_at + i * b_step)
            value = b
            if op == ADD:
                value = add(a, b) if roomy else add_sat(a, b)
            elif op == SUB:
                value = sub(a, b) if roomy else sub_sat(a, b)
            elif op in (MUL, MAC):
                b = greater(lesser(b, splat32(factor_high)), splat32(-factor_high - 1))
                if product == t.LONG:
                    long = mul(widen64(a), widen64(b))
                    long = add(long, both(ashr(long, splat64(63)), splat64(negative)))
                    long = ashr(add(long, splat64(bias)), splat64(shift))
                    if op == MAC:
                        long = add(long, widen64(load32(c_at + i * c_step)))
                    value = narrow32(greater(lesser(long, splat64(high)), splat64(-high - 1)))
                else:
                    if product == t.SHORT:
                        value = mul(a, b)
                        value = add(value, both(ashr(value, splat32(31)), splat32(negative)))
                        value = ashr(add(value, splat32(bias)), splat32(shift))
                    else:  # a = above * 2**product + below: two products of 32 bits
                        cut, mask = splat32(product), (1 << product) - 1
                        below = add(mul(both(a, splat32(mask)), b), splat32(bias & mask))
                        value = add(add(mul(ashr(a, cut), b), splat32(bias >> product)), ashr(below, cut))
                        value = ashr(value, splat32(shift - product))
                    if op == MAC:
                        c = load32(c_at + i * c_step)
                        value = add(value, c) if roomy else add_sat(value, c)
            elif op == MIN:
                value = lesser(a, b)
            elif op == MAX:
                value = greater(a, b)
            value = greater(lesser(value, splat32(high)), splat32(-high - 1))
            store(out + i * STEP, choose(chosen, value, load32(out + i * STEP)))
    else:
        predicates = np.int64(t.PREDICATES)
        out = locate(unit, predicates, code[t.D], first_word * t.MASK_BYTES)
        plog_a = plog_c = out
        if op == PLOG:  # its fields a and c are predicates
            plog_a = locate(unit, predicates, code[t.A_INDEX], first_word * t.MASK_BYTES)
            plog_c = locate(unit, predicates, code[t.C_INDEX], first_word * t.MASK_BYTES)
        table = code[t.TABLE]
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
                spikes = unit[SPIKES] + (first_word + i) * 8
                store_word(spikes, load_word(spikes) | chosen)
                if unit[GRADED]:
                    payloads = unit[PAYLOADS] + (first_word + i) * STEP
                    value = splat32(1)
                    if code[t.FLAG]:
                        value = load32(a_at + i * a_step)
                        if code[t.FLAG2]:
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

    if code[t.CLEAR] >= 0:
        sums = locate(unit, np.int64(t.ACCUMULATORS), accumulator, start)
        for i in range(words):
            lanes = ALL
            if i == 0:
                lanes &= head
            if i == words - 1:
                lanes &= tail
            store(sums + i * STEP, choose(lanes, splat32(0), load32(sums + i * STEP)))


@inner
def draw(code, unit, chosen_at, out):
    """`rnd`: every lane of the core draws once a block, predicated or not."""
    lanes, words = unit[LANES], code[t.WORDS]
    mask = splat_streams((1 << code[t.SHIFT]) - 1)
    fresh_at = unit[SCRATCH] + FRESH_ROW * STEP
    s = load_streams(unit[RANDOM])
    for i in range(words):
        inrange = ALL
        if i == 0:
            inrange &= np.uint64(code[t.FIRST])
        if i == words - 1:
            inrange &= np.uint64(code[t.LAST])
        first = first_lane(inrange)
        for lane in range(first, first + count_lanes(inrange), lanes):
            # what lies beyond the lanes of the core is overwritten by the next block
            fresh = unlike(
                unlike(lshr(s, splat_streams(8)), lshr(s, splat_streams(6))),
                unlike(lshr(s, splat_streams(2)), lshr(s, splat_streams(1))),
            )
            fresh = both(fresh, splat_streams(FRESH))
            s = either(shl(s, splat_streams(LFSR_STEPS)), fresh)
            store(fresh_at + lane * 4, both(fresh, mask))
        chosen = (load_word(chosen_at + i * code[t.PRED_STEP]) ^ np.uint64(code[t.INVERT])) & inrange
        store(out + i * STEP, choose(chosen, load32(fresh_at), load32(out + i * STEP)))
    store(unit[RANDOM], s)
