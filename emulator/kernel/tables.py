"""What an image is laid out into: the tables that the kernel walks, and the numbers of their columns."""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ..spec.image import Image
from ..spec.isa import BY_NAME, BY_OPCODE, Op
from .synapses import Members, Synapses
from .words import LINE

END, WHEN, RANGE, INTEG, ROWS = (BY_NAME[name].opcode for name in ("end", "when", "range", "integ", "rows"))
MOV, ADD, SUB, MUL, MAC = (BY_NAME[name].opcode for name in ("mov", "add", "sub", "mul", "mac"))
MIN, MAX, RND = (BY_NAME[name].opcode for name in ("min", "max", "rnd"))
CGE, CGT, CEQ, PLOG, SPK = (BY_NAME[name].opcode for name in ("cge", "cgt", "ceq", "plog", "spk"))
# What the kernel implements. An opcode that is not here is refused when an image is laid out: compiled code has no
# check, and would take it for another one.
CALCULATED: Final = (MOV, ADD, SUB, MUL, MAC, MIN, MAX)
COMPARED: Final = (CGE, CGT, CEQ, PLOG)
SCALARS: Final = (END, WHEN, RANGE, INTEG, ROWS, BY_NAME["endrows"].opcode)
KNOWN: Final = frozenset(BY_OPCODE[op].name for op in (*SCALARS, *CALCULATED, *COMPARED, RND, SPK))
STREAMS: Final = 16  # random generators of a core, of which its lanes use the first
# Columns of the instruction table: one decoded instruction a row, int64.
(
    OP,
    COST,  # cycles that do not depend on events or rows
    EACH,  # of rows: cycles of one, but its body
    PRED,  # memory of the predicate,
    PRED_INDEX,  # which row of it,
    PRED_STEP,  # bytes from one vector to the next, 0 for a broadcast; `bind` turns a memory into an address
    INVERT,  # 0, or -1: all lanes inverted
    A,  # sources in the same way; of plog, and of rows (its neurons), a predicate
    A_INDEX,
    A_STEP,
    B,
    B_INDEX,
    B_STEP,
    C,  # of plog a predicate, of spk where payloads go, of rows the trace
    C_INDEX,
    C_STEP,
    OUT,  # destination; of rows the register of the weights
    OUT_INDEX,
    OUT_STEP,
    SUMS,  # the accumulator that is read
    SUMS_INDEX,
    SUMS_STEP,
    CLEARS,  # and cleared
    WRAP,  # bits above its width
    HIGH,  # largest value of the state
    FACTOR_HIGH,  # and of a second factor
    SHIFT,
    BIAS,  # rounding: added to every product
    BIAS_NEGATIVE,  # rounding: added to negative ones
    PRODUCT,  # SHORT: it fits 32 bits; LONG: it needs 64; n: two of 32 bits do, of a's bits from n on and those below
    ROOMY,  # the sum of an add, sub, or mac fits 32 bits
    FIRST_WORD,
    WORDS,
    FIRST,  # lanes in range in the first word
    LAST,  # and in the last one
    INSIDE,  # lanes of the last word that belong to the population
    LO,
    HI,
    SKIP,
    FLAG,
    FLAG2,
    D,
    TABLE,  # of plog; of rows how many traces its body may read
    BLOCKS,
    LANES,
    AHEAD,  # this integ is delivered by its bank, before the program
    COLUMNS,
) = range(47)
OPERANDS = (PRED, A, B, C, OUT, SUMS)
SHORT, LONG = 0, -1  # of PRODUCT
# Memories of operands.
(
    NOWHERE,
    REGISTERS,
    ACCUMULATORS,
    TRACES,
    IMMEDIATES,
    BROADCASTS,
    PREDICATES,
    DELIVERED,
    SPIKES,
    PAYLOADS,
    RANDOM,
    MEMORIES,
) = range(12)
# Rows of BROADCASTS: masks of 64 lanes, vectors, and a vector of random bits, which a block of lanes may overrun.
ALWAYS, ROW_PRE, ROW_TRACE, REWARD, FRESH, BROADCAST_ROWS = 0, 1, 2, 5, 6, 8


class Sizes(NamedTuple):
    """Numbers of an architecture and a layout."""

    lanes: int
    state_bits: int
    acc_bits: int
    coef_bits: int
    registers: int
    traces: int
    slots: int
    graded: bool  # some program reads payloads or sends other ones than 1
    neurons: int  # lanes of the flat neuron space
    trace_axons: int  # lanes of the flat axon space of traces
    pending: int  # lanes of the flat pending space
    idle_cost: int  # cycles of a core that only reaches `end`, 0 if there is none
    clear_cost: int  # cycles of the clearing between samples
    busy: int  # cores that do anything
    banks: int
    plastic: int  # lanes of all plastic rows


class Cores(NamedTuple):
    """Per busy core, all int64.

    `number` in the image, `neuron` first lane and `neuron_words`, `axon` first lane and `axon_words` of its traces
    (no words without learning), `pending` first lane if it delivers in order, `entry` and `reset` in the code.
    """

    number: np.ndarray
    neuron: np.ndarray  # (busy cores + 1,)
    neuron_words: np.ndarray
    axon: np.ndarray
    axon_words: np.ndarray
    pending: np.ndarray
    entry: np.ndarray
    reset: np.ndarray


class Program(NamedTuple):
    """The instructions of all busy cores."""

    code: np.ndarray  # (instructions, COLUMNS) int64, to be bound
    splats: np.ndarray  # (instructions, WORD) int32 immediates in all lanes


class Learning(NamedTuple):
    """Plastic rows, all int64 but `of`; a core's rows are since[k]..since[k + 1], by ascending axon."""

    of: np.ndarray  # (pending,) int32 plastic row, or -1
    start: np.ndarray  # first weight
    word: np.ndarray  # first word of lanes it covers
    words: np.ndarray
    bits: np.ndarray
    axon: np.ndarray
    since: np.ndarray  # (busy cores + 1,)
    row: np.ndarray  # (lanes of the axon space,) row of each axon of a core that has one
    there: np.ndarray  # uint64, which axons do, a bit each


class Routes(NamedTuple):
    """Where spikes go; `sends` are pending index << DELAY_BITS | delay, `cores` the target core of every packet."""

    send_pointers: np.ndarray  # (neurons + 1,) int64
    sends: np.ndarray  # uint32
    input_pointers: np.ndarray
    input_sends: np.ndarray
    pointers: np.ndarray  # (neurons + 1,) int64
    cores: np.ndarray  # uint8


class Start(NamedTuple):
    """Initial values of what a run changes."""

    registers: np.ndarray  # int32, per core [register][lane]
    random: np.ndarray  # (busy cores * STREAMS,) uint32, a core's lanes first
    weights: np.ndarray  # int16 plastic rows, in the lanes of their neurons


class Machine(NamedTuple):
    """An image laid out for the kernel, with what is needed to read the counters afterwards."""

    image: Image
    sizes: Sizes
    cores: Cores
    program: Program
    synapses: Synapses
    learning: Learning
    routes: Routes
    start: Start
    programs: tuple[tuple[Op, ...], ...]  # of the busy cores
    spaces: tuple[tuple[Op | None, ...], ...]  # the range in force at each instruction
    members: Members
    scan: np.ndarray  # (cores,) int64 blocks that emitters scan, as the programs end


def aligned(count: int, kind: type) -> np.ndarray:
    """Zeros that start on a cache line."""
    item = np.dtype(kind).itemsize
    raw = np.zeros(count * item + LINE, np.uint8)
    skip = -raw.ctypes.data % LINE
    return raw[skip : skip + count * item].view(kind)
