"""The vector unit: one vector instruction over the blocks in its range, 64 lanes at a time.

What each instruction means is `Core.vector` and `Core.operate` of emulator/reference.py; the range, the masks of
its first and last word and the rounding constants are in the instruction table (tables.py).
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

import numpy as np

from ..spec.fixedpoint import LFSR_BITS, LFSR_SHIFTS, LFSR_STEPS
from ..spec.isa import LARGEST_PAYLOAD
from . import tables as t
from .tables import ADD, CALCULATED, CEQ, CGE, CGT, COMPARED, MAC, MAX, MIN, MUL, PLOG, RND, SPK, SUB
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
from .words import ALL, MASK_BYTES, NONE, VECTOR_BYTES

FRESH, STATE = (1 << LFSR_STEPS) - 1, (1 << LFSR_BITS) - 1  # bits of a draw, of a generator
ONE_SHIFT, OTHER_SHIFT = LFSR_SHIFTS


@inner
def vector(code):
    """Run one vector instruction; `code` points to its row of the instruction table."""
    op, sums, words = code[t.OP], code[t.SUMS], code[t.WORDS]
    if sums and code[t.WRAP]:  # bring sums to their width before anyone reads them
        up = splat32(code[t.WRAP])
        for i in range(words):
            store(sums + i * VECTOR_BYTES, ashr(shl(load32(sums + i * VECTOR_BYTES), up), up))
    if op in CALCULATED:
        if anyone(code[t.PRED], code[t.PRED_STEP], words, np.uint64(code[t.INVERT])):
            calculate(code)
    elif op == RND:
        draw(code)
    elif op == SPK:
        spike(code)
    elif op in COMPARED:
        compare(code)
    if code[t.CLEARS]:
        for i in range(words):
            at = sums + i * VECTOR_BYTES
            store(at, choose(inrange(code, i), splat32(0), load32(at)))


@inner
def inrange(code, i):
    """The lanes in range of word i."""
    lanes = np.uint64(code[t.FIRST]) if i == 0 else ALL
    return lanes & np.uint64(code[t.LAST]) if i == code[t.WORDS] - 1 else lanes


@inner
def inside(code, i):
    """Those of them that are chosen and belong to the population."""
    lanes = (load_word(code[t.PRED] + i * code[t.PRED_STEP]) ^ np.uint64(code[t.INVERT])) & inrange(code, i)
    return lanes & np.uint64(code[t.INSIDE]) if i == code[t.WORDS] - 1 else lanes


@inner
def anyone(at, step, words, invert):
    """Does the predicate of an instruction hold anywhere?"""
    lanes = load_word(at) ^ invert
    if step:
        for i in range(1, words):
            lanes |= load_word(at + i * step) ^ invert
    return lanes != NONE


@inner
def calculate(code):
    """Instructions that write a register or trace."""
    op, words, high, factor_high = code[t.OP], code[t.WORDS], code[t.HIGH], code[t.FACTOR_HIGH]
    head, tail, invert = np.uint64(code[t.FIRST]), np.uint64(code[t.LAST]), np.uint64(code[t.INVERT])
    chosen_at, a_at, b_at, c_at, out = code[t.PRED], code[t.A], code[t.B], code[t.C], code[t.OUT]
    chosen_step, a_step, b_step, c_step = code[t.PRED_STEP], code[t.A_STEP], code[t.B_STEP], code[t.C_STEP]
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
        store(out + i * VECTOR_BYTES, choose(chosen, value, load32(out + i * VECTOR_BYTES)))


@inner
def spike(code):
    """`spk`."""
    for i in range(code[t.WORDS]):
        lanes = inside(code, i)
        spikes = code[t.OUT] + i * MASK_BYTES
        store_word(spikes, load_word(spikes) | lanes)
        if code[t.C]:
            payloads = code[t.C] + i * VECTOR_BYTES
            value = splat32(1)
            if code[t.FLAG]:
                value = load32(code[t.A] + i * code[t.A_STEP])
                if code[t.FLAG2]:
                    value = greater(lesser(value, splat32(LARGEST_PAYLOAD // 2)), splat32(-(LARGEST_PAYLOAD // 2) - 1))
                    value = both(value, splat32(LARGEST_PAYLOAD))
                else:
                    value = greater(lesser(value, splat32(LARGEST_PAYLOAD)), splat32(0))
            store(payloads, choose(lanes, value, load32(payloads)))


@inner
def compare(code):
    """Instructions that write a predicate."""
    op, table = code[t.OP], code[t.TABLE]
    for i in range(code[t.WORDS]):
        a_at, b_at = code[t.A] + i * code[t.A_STEP], code[t.B] + i * code[t.B_STEP]
        lanes = NONE
        if op == PLOG:
            a = load_word(a_at)
            c = load_word(code[t.C] + i * code[t.C_STEP])
            if table & 1:
                lanes |= ~a & ~c
            if table & 2:
                lanes |= ~a & c
            if table & 4:
                lanes |= a & ~c
            if table & 8:
                lanes |= a & c
        elif op == CGE:
            lanes = at_least(load32(a_at), load32(b_at))
        elif op == CGT:
            lanes = more(load32(a_at), load32(b_at))
        elif op == CEQ:
            lanes = equal(load32(a_at), load32(b_at))
        out = code[t.OUT] + i * MASK_BYTES
        store_word(out, (load_word(out) & ~inrange(code, i)) | (lanes & inside(code, i)))


@inner
def draw(code):
    """`rnd`: every lane of the core draws once a block, predicated or not."""
    lanes, mask = code[t.LANES], splat_streams((1 << code[t.SHIFT]) - 1)
    s = load_streams(code[t.A])
    for i in range(code[t.WORDS]):
        here = inrange(code, i)
        first = first_lane(here)
        for lane in range(first, first + count_lanes(here), lanes):
            fresh = both(
                unlike(lshr(s, splat_streams(ONE_SHIFT)), lshr(s, splat_streams(OTHER_SHIFT))), splat_streams(FRESH)
            )
            s = both(either(shl(s, splat_streams(LFSR_STEPS)), fresh), splat_streams(STATE))
            # what lies beyond the lanes of the core is overwritten by the next block
            store(code[t.B] + lane * 4, both(fresh, mask))
        chosen = (load_word(code[t.PRED] + i * code[t.PRED_STEP]) ^ np.uint64(code[t.INVERT])) & here
        out = code[t.OUT] + i * VECTOR_BYTES
        store(out, choose(chosen, load32(code[t.B]), load32(out)))
    store(code[t.A], s)
