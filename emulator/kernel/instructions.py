"""One decoded instruction becomes one row of the table: operands as addresses, widths, cycles."""

from __future__ import annotations

import numpy as np

from ..spec import isa
from ..spec.isa import Op
from .tables import (
    ACCUMULATORS,
    ALWAYS,
    BIAS,
    BIAS_NEGATIVE,
    BLOCKS,
    BROADCASTS,
    CLEARS,
    COLUMNS,
    COST,
    DELIVERED,
    EACH,
    FACTOR_HIGH,
    FIRST,
    FIRST_WORD,
    FLAG,
    FLAG2,
    FRESH,
    HI,
    HIGH,
    IMMEDIATES,
    INSIDE,
    INVERT,
    LANES,
    LAST,
    LO,
    LONG,
    NOWHERE,
    OP,
    OUT,
    PAYLOADS,
    PRED,
    PREDICATES,
    PRODUCT,
    RANDOM,
    REGISTERS,
    REWARD,
    ROOMY,
    ROW_PRE,
    ROW_TRACE,
    SHIFT,
    SHORT,
    SKIP,
    SPIKES,
    SUMS,
    TABLE,
    TRACES,
    WORDS,
    WRAP,
    A,
    B,
    C,
    D,
)
from .words import MASK_BYTES, VECTOR_BYTES, WORD


def lane_masks(first: int, last: int, inside: int) -> tuple[int, int, int, int, int]:
    """(first word, words, lanes of the first word, of the last, and of the last before `inside`) of first..last-1."""
    word, words = first // WORD, (last - 1) // WORD - first // WORD + 1
    head = (1 << WORD) - (1 << first % WORD)
    tail = (1 << ((last - 1) % WORD + 1)) - 1
    population = (1 << ((inside - 1) % WORD + 1)) - 1
    return word, words, _signed(head), _signed(tail), _signed(population)


def _signed(word: int) -> int:
    return word - (1 << WORD) if word >> (WORD - 1) else word


def _source(code: int, axon_space: bool) -> tuple[int, int, int]:
    """Memory, row and step of a source code."""
    if code < isa.N_REGISTERS:
        return TRACES if axon_space else REGISTERS, code, VECTOR_BYTES
    if code < isa.SRC_TRACE:
        return ACCUMULATORS, code & 1, VECTOR_BYTES
    if code < isa.SRC_REWARD:
        return BROADCASTS, ROW_TRACE + code - isa.SRC_TRACE, 0
    return BROADCASTS, REWARD, 0


def _predicate(pred: int, axon_space: bool) -> tuple[int, int, int]:
    """Memory, row and step of a predicate field."""
    code = pred & 7
    if code == 0:
        return BROADCASTS, ALWAYS, 0
    if code < isa.PRED_PRE:
        return PREDICATES, code - 1, MASK_BYTES
    return (DELIVERED, 0, MASK_BYTES) if axon_space else (BROADCASTS, ROW_PRE, 0)


def instruction_row(arch, op: Op, space: Op | None, address: int, graded: bool) -> np.ndarray:
    """One row of the instruction table."""
    row = np.zeros(COLUMNS, np.int64)
    row[OP], row[D], row[LO], row[HI], row[SKIP] = op.row.opcode, op.d, op.lo, op.hi, op.skip
    row[FLAG], row[FLAG2], row[SHIFT], row[TABLE] = op.flag, op.flag2, op.shift, op.imm & 15
    row[LANES], row[WRAP] = arch.lanes, 32 - arch.acc_bits
    row[HIGH], row[FACTOR_HIGH] = (1 << (arch.state_bits - 1)) - 1, (1 << (arch.coef_bits - 1)) - 1
    for operand in (PRED, A, B, C):  # something that may be read
        row[operand : operand + 3] = BROADCASTS, ALWAYS, 0
    row[COST] = isa.cycles(op, 0 if space is None else space.hi, arch.lanes)
    if space is not None:
        first, last = space.lo * arch.lanes, (space.lo + space.hi) * arch.lanes
        inside = last - arch.lanes + space.d + 1
        row[FIRST_WORD], row[WORDS], row[FIRST], row[LAST], row[INSIDE] = lane_masks(first, last, inside)
        row[BLOCKS] = space.hi
        if op.name == "rows":
            row[A : A + 3] = PREDICATES, op.a, MASK_BYTES
            row[C : C + 3] = TRACES, op.c, 0
            row[OUT : OUT + 3] = REGISTERS, op.d, VECTOR_BYTES
            row[EACH] = isa.row_cycles(space.hi)
    if not op.row.vector or space is None:
        return row
    axon_space = bool(space.flag)
    row[INVERT] = -1 if op.pred & isa.PRED_NOT else 0
    row[PRED : PRED + 3] = _predicate(op.pred, axon_space)
    for name, at in (("a", A), ("b", B), ("c", C)):
        if name in op.row.reads or f"{name}?" in op.row.reads:
            code = op.b if name == "b" else getattr(op, name)
            if code is not None:
                row[at : at + 3] = _source(code, axon_space)
    if op.imm_b:
        row[B : B + 3] = IMMEDIATES, address, 0
    row[OUT : OUT + 3] = TRACES if axon_space else REGISTERS, op.d, VECTOR_BYTES
    if op.row.writes == "predicate":
        row[OUT : OUT + 3] = PREDICATES, op.d, MASK_BYTES
    if op.name == "plog":
        row[A : A + 3], row[C : C + 3] = (PREDICATES, op.a, MASK_BYTES), (PREDICATES, op.c, MASK_BYTES)
    elif op.name == "spk":
        row[OUT : OUT + 3] = SPIKES, 0, MASK_BYTES
        row[C : C + 3] = (PAYLOADS, 0, VECTOR_BYTES) if graded else (NOWHERE, 0, 0)
    elif op.name == "rnd":
        row[A : A + 3], row[B : B + 3] = (RANDOM, 0, 0), (BROADCASTS, FRESH, 0)
    for source in op.sources:
        if isa.SRC_ACC <= source < isa.SRC_TRACE:
            row[SUMS : SUMS + 3] = ACCUMULATORS, source & 1, VECTOR_BYTES
            row[CLEARS] |= source >= isa.SRC_ACC_CLEAR
    low = (1 << op.shift) - 1
    row[BIAS] = (0, low, (1 << op.shift) >> 1, 0)[op.round]
    row[BIAS_NEGATIVE] = low if op.round == 3 else 0
    row[PRODUCT], row[ROOMY] = _widths(arch, op, int(row[BIAS]))
    return row


def _widths(arch, op: Op, bias: int) -> tuple[int, bool]:
    """PRODUCT and ROOMY of an instruction: how its widest intermediate result is held."""

    def largest(code: int) -> int:
        return 1 << ((arch.acc_bits if isa.SRC_ACC <= code < isa.SRC_TRACE else arch.state_bits) - 1)

    a, b = largest(op.a), abs(op.imm) if op.b is None else largest(op.b)
    if op.name in ("add", "sub"):
        return SHORT, a + b < 1 << 31
    if op.name not in ("mul", "mac"):
        return SHORT, True
    b = min(b, 1 << (arch.coef_bits - 1))
    low = (1 << op.shift) - 1
    roomy = (a * b + low >> op.shift) + 1 + largest(op.c) < 1 << 31
    if a * b + low < 1 << 31:
        return SHORT, roomy
    for cut in range(op.shift if op.round < 3 else 0, 0, -1):
        below = ((1 << cut) - 1) * b + (1 << cut)
        if below < 1 << 31 and max(1, a >> cut) * b + (bias >> cut) + (below >> cut) + 1 < 1 << 31:
            return cut, roomy
    return LONG, roomy
