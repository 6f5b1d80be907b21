"""Load time: an Image becomes flat tables that the kernel can walk without looking anything up.

Neurons of all busy cores lie side by side, each core on a whole number of 64-lane words. Pending axons do too:
a pending index `q` stands for one axon of one core (or, in a bank, for axons that always fire together).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from .banks import Pending, ahead, gather
from .spec import isa
from .spec.image import CoreImage, Image
from .spec.isa import Op
from .spec.rows import beat_table, expand, unpack
from .synapses import Members, Synapses, lay_out

WORD: Final = 64  # lanes of a kernel vector
STREAMS: Final = 16  # random generators of a core, of which its lanes use the first
VECTOR_BYTES: Final = 4 * WORD
MASK_BYTES: Final = WORD // 8

# Columns of the instruction table: one decoded instruction a row, int64.
(
    OP,
    COST,  # cycles that do not depend on events or rows
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
) = range(46)
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
    splats: np.ndarray  # (instructions, 64) int32 immediates in all lanes


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
    """Where spikes go; `sends` are pending index << 4 | delay, `cores` the target core of every packet."""

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
    raw = np.zeros(count * item + 64, np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + count * item].view(kind)


def is_idle(core: CoreImage) -> bool:
    """Does a core nothing but reach `end`?"""
    return all(isa.decode(core.program[at]).name == "end" for at in (0, core.reset_entry))


def spaces(ops: list[Op]) -> list[Op | None]:
    """The `range` in force at each address: the checker has proved that it is the last one before it."""
    found: list[Op | None] = []
    space = None
    for op in ops:
        if op.name == "range":
            space = op
        found.append(space)
    return found


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


def _instruction(arch, op: Op, space: Op | None, address: int, graded: bool) -> np.ndarray:
    """One row of the instruction table."""
    row = np.zeros(COLUMNS, np.int64)
    row[OP], row[D], row[LO], row[HI], row[SKIP] = op.row.opcode, op.d, op.lo, op.hi, op.skip
    row[FLAG], row[FLAG2], row[SHIFT], row[TABLE] = op.flag, op.flag2, op.shift, op.imm & 15
    row[LANES], row[WRAP] = arch.lanes, 32 - arch.acc_bits
    row[HIGH], row[FACTOR_HIGH] = (1 << (arch.state_bits - 1)) - 1, (1 << (arch.coef_bits - 1)) - 1
    for operand in (PRED, A, B, C):  # something that may be read
        row[operand : operand + 3] = BROADCASTS, ALWAYS, 0
    row[COST] = {
        "end": isa.END_CYCLES,
        "integ": isa.INTEG_CYCLES + op.hi,
    }.get(op.name, isa.SCALAR_CYCLES)
    if space is not None:
        first, last = space.lo * arch.lanes, (space.lo + space.hi) * arch.lanes
        inside = last - arch.lanes + space.d + 1
        row[FIRST_WORD], row[WORDS], row[FIRST], row[LAST], row[INSIDE] = lane_masks(first, last, inside)
        row[BLOCKS] = space.hi
        if op.name == "rows":
            row[A : A + 3] = PREDICATES, op.a, MASK_BYTES
            row[C : C + 3] = TRACES, op.c, 0
            row[OUT : OUT + 3] = REGISTERS, op.d, VECTOR_BYTES
            row[COST] = isa.ROWS_CYCLES + max(space.hi, isa.PIPELINE) + -(-len(op.swept) // arch.lanes)
    if not op.row.vector or space is None:
        return row
    row[COST] = max(space.hi, isa.PIPELINE)
    axon_space = bool(space.flag)
    row[INVERT] = -1 if op.pred & isa.PRED_NOT else 0
    row[PRED : PRED + 3] = _predicate(op.pred, axon_space)
    for name, at in (("a", A), ("b", B), ("c", C)):
        if name in op.row.reads or f"{name}?" in op.row.reads:
            row[at : at + 3] = _source(op.imm & 15 if name == "b" else getattr(op, name), axon_space)
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

    a, b = largest(op.a), abs(op.imm) if op.imm_b else largest(op.imm & 15)
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


def prepare(image: Image) -> Machine:
    """Lay an image out for the kernel.

    Raises:
        InputError: plastic rows share synapse words.
    """
    arch = image.arch
    busy = [i for i, core in enumerate(image.cores) if not is_idle(core)]
    programs = [[isa.decode(word) for word in image.cores[i].program] for i in busy]
    all_spaces = [spaces(ops) for ops in programs]
    empty = np.zeros(arch.axons, np.uint64)
    entries = [np.concatenate([image.cores[i].axons, empty[len(image.cores[i].axons) :]]) for i in busy]

    # ------------------------------------------------- where cores lie in the flat spaces, what runs ahead
    neuron_words, axon_words, sites = [], [], []
    for k, (ops, where, i) in enumerate(zip(programs, all_spaces, busy, strict=True)):
        reach = _integ_reach(image.cores[i], entries[k], ops)
        blocks = [op.lo for op in ops if op.name == "end"]
        blocks += [s.lo + s.hi for s in where if s is not None and not s.flag]
        blocks += [last for _, last in reach.values()]
        learns = any(s is not None and s.flag for s in where) or any(op.name == "rows" for op in ops)
        neuron_words.append(max(1, -(-max(blocks) * arch.lanes // WORD)))
        axon_words.append(-(-arch.axons // WORD) if learns else 0)
        sites.append(ahead(ops, where, reach))
    lane_first, axon_first = _running(neuron_words) * WORD, _running(axon_words) * WORD
    neurons = int(lane_first[-1])

    # ------------------------------------------------------------------------- routes and the pending space
    busy_index = np.full(arch.cores, -1, np.int64)
    busy_index[busy] = np.arange(len(busy))
    pointers, route = _neuron_routes(image, busy, lane_first)
    injected = unpack(isa.ROUTE_FIELDS, image.input_routes)
    neuron_place = _place(busy_index, route, arch.axons)
    input_place = _place(busy_index, injected, arch.axons)
    source = np.concatenate(
        [
            np.repeat(np.arange(neurons), np.diff(pointers)),
            neurons + np.repeat(np.arange(image.n_inputs), np.diff(image.input_pointers)),
        ]
    )
    place, delay = np.concatenate([neuron_place, input_place]), np.concatenate([route["delay"], injected["delay"]])
    heard = place >= 0
    pending = gather(arch.axons, len(busy), sites, programs, lane_first, source[heard], place[heard], delay[heard])
    send_pointers, sends = _sends(pending, pointers, neuron_place, route["delay"])
    input_pointers, input_sends = _sends(pending, image.input_pointers, input_place, injected["delay"])

    # ------------------------------------------------------------------------------------------- synapses
    plastic = np.full(pending.lanes, -1, np.int32)
    learnt: list[_Plastic] = []
    plastic_from = [0]
    row_of = np.full(int(axon_first[-1]), -1, np.int64)
    for k, i in enumerate(busy):
        for axon in plastic_rows(programs[k]):
            q = pending.lookup[k * arch.axons + axon]
            if q >= 0:
                plastic[q] = len(learnt)
            row_of[axon_first[k] + axon] = len(learnt)
            learnt.append(_Plastic(arch, image.cores[i], entries[k], axon, learnt[-1].stop if learnt else 0))
        plastic_from.append(len(learnt))
    synapses, members = lay_out(arch, [image.cores[i] for i in busy], entries, pending, lane_first, plastic)

    entry = _running([len(ops) for ops in programs])
    graded = any(op.name in ("integ", "spk") and op.flag for ops in programs for op in ops)
    code = np.zeros((int(entry[-1]), COLUMNS), np.int64)
    for k, (ops, where) in enumerate(zip(programs, all_spaces, strict=True)):
        for pc, (op, space) in enumerate(zip(ops, where, strict=True)):
            code[entry[k] + pc] = _instruction(arch, op, space, int(entry[k]) + pc, graded)
            found = sites[k]
            code[entry[k] + pc, AHEAD] = found is not None and pc in found
            if op.name == "rows":
                skip = op.body + 1
                traces = [c for o in ops[pc : pc + skip] for c in o.sources if isa.SRC_TRACE <= c < isa.SRC_REWARD]
                code[entry[k] + pc, SKIP] = skip
                code[entry[k] + pc, TABLE] = max(traces, default=isa.SRC_TRACE - 1) - isa.SRC_TRACE + 1
    imm = np.array([op.imm for ops in programs for op in ops], np.int64).astype(np.int32)
    sizes = Sizes(
        lanes=arch.lanes,
        state_bits=arch.state_bits,
        acc_bits=arch.acc_bits,
        coef_bits=arch.coef_bits,
        registers=arch.registers,
        traces=arch.traces,
        slots=arch.delay_slots,
        graded=graded,
        neurons=neurons,
        trace_axons=int(axon_first[-1]),
        pending=pending.lanes,
        idle_cost=isa.END_CYCLES if len(busy) < arch.cores else 0,
        clear_cost=isa.RESET_CYCLES + max(2 * arch.blocks, arch.delay_slots * arch.granules),
        busy=len(busy),
        banks=len(synapses.banks),
        plastic=learnt[-1].stop if learnt else 0,
    )
    return Machine(
        image=image,
        sizes=sizes,
        cores=Cores(
            number=np.array(busy, np.int64),
            neuron=lane_first,
            neuron_words=np.array(neuron_words, np.int64),
            axon=axon_first,
            axon_words=np.array(axon_words, np.int64),
            pending=pending.pending_first,
            entry=entry,
            reset=entry[:-1] + np.array([image.cores[i].reset_entry for i in busy], np.int64),
        ),
        program=Program(code, np.ascontiguousarray(np.repeat(imm[:, None], WORD, axis=1))),
        synapses=synapses,
        learning=Learning(
            of=plastic,
            start=np.array([p.start for p in learnt], np.int64),
            word=np.array([p.word for p in learnt], np.int64),
            words=np.array([p.words for p in learnt], np.int64),
            bits=np.array([p.bits for p in learnt], np.int64),
            axon=np.array([p.axon for p in learnt], np.int64),
            since=np.array(plastic_from, np.int64),
            row=row_of,
            there=np.packbits(row_of >= 0, bitorder="little").view(np.uint64),
        ),
        routes=Routes(send_pointers, sends, input_pointers, input_sends, pointers, route["core"].astype(np.uint8)),
        start=Start(
            _registers(image, busy, neuron_words),
            _seeds(image, busy),
            np.concatenate([np.zeros(0, np.int16), *(p.weights for p in learnt)]),
        ),
        programs=tuple(map(tuple, programs)),
        spaces=tuple(map(tuple, all_spaces)),
        members=members,
        scan=np.array([_ends_with(core).lo for core in image.cores], np.int64),
    )


def _running(counts: list[int]) -> np.ndarray:
    """0 and the running sums."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _ends_with(core: CoreImage) -> Op:
    return next(op for op in map(isa.decode, core.program) if op.name == "end")


def _place(busy_index: np.ndarray, route: dict[str, np.ndarray], axons: int) -> np.ndarray:
    """Busy core * axons + axon of routes, -1 to an idle core."""
    core = busy_index[route["core"]]
    return np.where(core < 0, -1, core * axons + route["axon"])


def _sends(pending: Pending, pointers: np.ndarray, place: np.ndarray, delay: np.ndarray):
    """Each source's sends, one for all axons that are one pending index; without what nobody ever hears."""
    q = np.append(pending.lookup, -1)[place]  # place -1, and with it q, stands for nobody
    source = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    # the first member of a row stands for the others; a route that occurs twice is sent twice
    leader = np.full(pending.lanes + 1, -1, np.int64)
    first = np.ones(len(pending.q), bool)
    first[1:] = pending.q[1:] != pending.q[:-1]
    leader[pending.q[first]] = (pending.core * (len(pending.lookup) // max(1, pending.cores)) + pending.axon)[first]
    kept = (q >= 0) & (leader[q] == place)
    counts = np.bincount(source[kept], minlength=len(pointers) - 1)
    return _running(list(counts)), (q[kept] << 4 | delay[kept]).astype(np.uint32)


def _integ_reach(core: CoreImage, entries: np.ndarray, ops: list[Op]) -> dict[int, tuple[int, int]]:
    """Blocks (first, last + 1) that the axons of each integ of a program target, by address."""
    part = unpack(isa.AXON_FIELDS, entries)
    kind = part["format"]
    first = np.where(kind > isa.SPARSE, part["block"], 1 << 20)
    last = np.where(kind > isa.SPARSE, part["block"] + part["runs"] * part["block_stride"] + part["beats"] + 1, 0)
    sparse = np.flatnonzero(kind == isa.SPARSE)
    if len(sparse):
        axon, beat, _, _, _ = beat_table(entries[sparse])
        slot = core.synapses[beat].astype(np.int64)
        used = slot & 0xFF != 0
        np.minimum.at(first, sparse[axon], np.where(used, slot >> 8, 1 << 20).min(axis=1))
        np.maximum.at(last, sparse[axon], np.where(used, (slot >> 8) + 1, 0).max(axis=1))
    found = {}
    for pc, op in enumerate(ops):
        if op.name == "integ":
            here = slice(op.lo * isa.GRANULE, (op.lo + op.hi) * isa.GRANULE)
            found[pc] = (int(first[here].min()), int(last[here].max()))
    return found


def plastic_rows(ops: list[Op]) -> list[int]:
    """The axons that some `rows` sweeps, ascending."""
    found: set[int] = set()
    for op in ops:
        if op.name == "rows":
            found.update(op.swept)
    return sorted(found)


class _Plastic:
    """One plastic row, its weights in the lanes of its neurons."""

    def __init__(self, arch, core: CoreImage, entries: np.ndarray, axon: int, start: int):
        entry = isa.unpack_fields(isa.AXON_FIELDS, int(entries[axon]))
        self.axon, self.bits = axon, isa.FORMAT_BITS[entry["format"]]
        first = entry["block"] * arch.lanes
        last = first + (entry["beats"] + 1) * arch.lanes
        self.word, self.words = first // WORD, (last - 1) // WORD - first // WORD + 1
        self.start, self.stop = start, start + self.words * WORD
        self.weights = np.zeros(self.words * WORD, np.int16)
        rows = expand(arch, core, entries[axon : axon + 1])
        self.weights[rows.targets.astype(np.int64) - self.word * WORD] = rows.weights


def _seeds(image: Image, busy: list[int]) -> np.ndarray:
    seeds = np.zeros((len(busy), STREAMS), np.uint32)
    for k, i in enumerate(busy):
        seeds[k, : image.arch.lanes] = image.cores[i].seeds
    return seeds.reshape(-1)


def _registers(image: Image, busy: list[int], words: list[int]) -> np.ndarray:
    """Initial registers, per core [register][lane]."""
    parts = [np.zeros(0, np.int32)]
    for i, count in zip(busy, words, strict=True):
        values = image.cores[i].registers.reshape(image.arch.registers, -1)
        part = np.zeros((image.arch.registers, count * WORD), np.int32)
        keep = min(values.shape[1], count * WORD)
        part[:, :keep] = values[:, :keep]
        parts.append(part.reshape(-1))
    return np.concatenate(parts)


def _neuron_routes(image: Image, busy: list[int], first: np.ndarray):
    """Routes of every lane of the flat neuron space: (pointers, fields)."""
    counts = np.zeros(int(first[-1]), np.int64)
    flat = [np.zeros(0, np.uint32)]
    for k, i in enumerate(busy):
        core = image.cores[i]
        lanes = min(len(core.pointers), int(first[k + 1] - first[k]))
        pointer = unpack(isa.POINTER_FIELDS, core.pointers[:lanes])
        counts[first[k] : first[k] + lanes] = pointer["count"]
        begin = np.cumsum(pointer["count"]) - pointer["count"]
        total = int(pointer["count"].sum())
        flat.append(core.routes[np.arange(total) + np.repeat(pointer["first"] - begin, pointer["count"])])
    return _running(list(counts)), unpack(isa.ROUTE_FIELDS, np.concatenate(flat))
