"""Load time: an Image becomes flat tables that the kernel can walk without looking anything up.

Neurons of all busy cores lie side by side, each core on a whole number of 64-lane words. Pending axons do too:
a pending index `q` stands for one axon of one core (or, in a bank, for axons that always fire together).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from .rows import Rows, beat_table, expand, unpack
from .spec import isa
from .spec.errors import InputError
from .spec.image import CoreImage, Image
from .spec.isa import Op

WORD: Final = 64  # lanes of a kernel vector

# Columns of the instruction table: one decoded instruction a row, int64.
(
    OP,
    COST,  # cycles that do not depend on events or rows
    PRED,  # 0 always, 1 a predicate of neurons, 2 `pre` of axons, 3 `pre` of the row
    PRED_INDEX,
    INVERT,  # 0, or -1: all lanes inverted
    D,
    A,  # sources: one of SOURCE_*
    A_INDEX,
    B,
    B_INDEX,
    C,
    C_INDEX,
    CLEAR,  # accumulator to clear, or -1
    READS,  # accumulator read, or -1
    SHIFT,
    BIAS,  # rounding: added to every product
    BIAS_NEGATIVE,  # rounding: added to negative ones
    WIDE,  # the product needs 64 bits
    FIRST_WORD,
    WORDS,
    FIRST,  # lanes in range in the first word
    LAST,  # and in the last one
    INSIDE,  # lanes of the last word that belong to the population
    AXON,  # axon space
    LO,
    HI,
    SKIP,
    FLAG,
    FLAG2,
    TABLE,
    BLOCKS,
    COLUMNS,
) = range(32)
SOURCE_REGISTER, SOURCE_ACCUMULATOR, SOURCE_IMMEDIATE, SOURCE_TRACE, SOURCE_REWARD = range(5)


class Sizes(NamedTuple):
    """Numbers of an architecture and a layout."""

    lanes: int
    state_bits: int
    acc_bits: int
    coef_bits: int
    registers: int
    traces: int
    slots: int
    graded: bool
    neurons: int  # lanes of the flat neuron space
    trace_axons: int  # lanes of the flat axon space of traces
    pending: int  # lanes of the flat pending space
    idle_cost: int  # cycles of a core that only reaches `end`, 0 if there is none
    clear_cost: int  # cycles of the clearing between samples
    idle_emission: int  # cycles that the emitter of an idle core scans


class Tables(NamedTuple):
    """What never changes during a run; arrays in the order in which the kernel walks them.

    Per busy core: `number` in the image, `neuron` first lane and `neuron_words`, `axon` first lane and
    `axon_words` of its traces (no words without learning), `pending` first lane, `entry` and `reset` in `code`.
    """

    number: np.ndarray
    neuron: np.ndarray
    neuron_words: np.ndarray
    axon: np.ndarray
    axon_words: np.ndarray
    pending: np.ndarray
    entry: np.ndarray
    reset: np.ndarray
    code: np.ndarray  # (instructions, COLUMNS) int64
    splats: np.ndarray  # (instructions, 64) int32 immediates in all lanes
    row_pointers: np.ndarray  # (pending + 1,) int64
    row_targets: np.ndarray  # uint16 neuron in the core
    row_weights: np.ndarray  # int16
    event_cost: np.ndarray  # (pending,) int32 cycles of an event
    plastic: np.ndarray  # (pending,) int32 plastic row, or -1
    plastic_start: np.ndarray  # (plastic rows,) int64 first weight
    plastic_word: np.ndarray  # first word of lanes it covers
    plastic_words: np.ndarray
    plastic_bits: np.ndarray
    plastic_axon: np.ndarray  # ascending in every core
    plastic_from: np.ndarray  # (busy cores + 1,) first plastic row of a core
    send_pointers: np.ndarray  # (neurons + 1,) int64
    sends: np.ndarray  # uint32 pending index << 4 | delay
    input_pointers: np.ndarray
    input_sends: np.ndarray
    route_pointers: np.ndarray  # (neurons + 1,) int64
    route_cores: np.ndarray  # uint8 target core of every packet


class Start(NamedTuple):
    """Initial values of what a run changes."""

    registers: np.ndarray  # int32, per core [register][lane]
    random: np.ndarray  # (busy cores, lanes) uint32
    weights: np.ndarray  # int16 plastic rows, in the lanes of their neurons


class Machine(NamedTuple):
    """An image laid out for the kernel, with what is needed to read the counters afterwards."""

    image: Image
    sizes: Sizes
    tables: Tables
    start: Start
    programs: tuple[tuple[Op, ...], ...]  # of the busy cores
    spaces: tuple[tuple[Op | None, ...], ...]  # the range in force at each instruction
    pending_core: np.ndarray  # (pending,) busy core of an axon, or -1
    pending_axon: np.ndarray
    beats: np.ndarray  # (pending,) int64
    words: np.ndarray  # (pending,) int64 synapse words


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
    """First word, words, and lanes of the first and last word, for lanes first..last-1; `inside` ends the population."""
    word, words = first // WORD, (last - 1) // WORD - first // WORD + 1
    head = (1 << WORD) - (1 << first % WORD)
    tail = (1 << ((last - 1) % WORD + 1)) - 1
    population = (1 << ((inside - 1) % WORD + 1)) - 1
    return word, words, _signed(head), _signed(tail), _signed(population)


def _signed(word: int) -> int:
    return word - (1 << WORD) if word >> (WORD - 1) else word


def _source(code: int) -> tuple[int, int]:
    if code < isa.N_REGISTERS:
        return SOURCE_REGISTER, code
    if code < isa.SRC_TRACE:
        return SOURCE_ACCUMULATOR, code & 1
    if code < isa.SRC_REWARD:
        return SOURCE_TRACE, code - isa.SRC_TRACE
    return SOURCE_REWARD, 0


def _instruction(arch, op: Op, space: Op | None) -> np.ndarray:
    """One row of the instruction table."""
    row = np.zeros(COLUMNS, np.int64)
    row[OP], row[D], row[LO], row[HI], row[SKIP] = op.row.opcode, op.d, op.lo, op.hi, op.skip
    row[FLAG], row[FLAG2], row[SHIFT], row[TABLE] = op.flag, op.flag2, op.shift, op.imm & 15
    row[A_INDEX], row[C_INDEX] = op.a, op.c
    row[CLEAR] = row[READS] = -1
    row[COST] = {
        "end": isa.END_CYCLES,
        "integ": isa.INTEG_CYCLES + op.hi,
    }.get(op.name, isa.SCALAR_CYCLES)
    if space is not None:
        first, last = space.lo * arch.lanes, (space.lo + space.hi) * arch.lanes
        inside = last - arch.lanes + space.d + 1
        row[FIRST_WORD], row[WORDS], row[FIRST], row[LAST], row[INSIDE] = lane_masks(first, last, inside)
        row[AXON], row[BLOCKS] = space.flag, space.hi
        if op.name == "rows":
            row[COST] = isa.ROWS_CYCLES + max(space.hi, isa.PIPELINE) + op.hi * isa.GRANULE // arch.lanes
    if not op.row.vector or space is None:
        return row
    row[COST] = max(space.hi, isa.PIPELINE)
    code = op.pred & 7
    row[INVERT] = -1 if op.pred & isa.PRED_NOT else 0
    row[PRED] = 0 if code == 0 else 1 if code < isa.PRED_PRE else 2 if space.flag else 3
    row[PRED_INDEX] = code - 1
    for name, at in (("a", A), ("b", B), ("c", C)):
        if name in op.row.reads or f"{name}?" in op.row.reads:
            row[at], row[at + 1] = _source(op.imm & 15 if name == "b" else getattr(op, name))
    if op.imm_b:
        row[B] = SOURCE_IMMEDIATE
    for source in op.sources:
        if isa.SRC_ACC <= source < isa.SRC_TRACE:
            row[READS] = source & 1
            if source >= isa.SRC_ACC_CLEAR:
                row[CLEAR] = source & 1
    low = (1 << op.shift) - 1
    row[BIAS] = (0, low, (1 << op.shift) >> 1, 0)[op.round]
    row[BIAS_NEGATIVE] = low if op.round == 3 else 0
    most = abs(op.imm) if op.imm_b else 1 << (min(arch.coef_bits, arch.state_bits) - 1)
    row[WIDE] = (most << (arch.state_bits - 1)) + low >= 1 << 31
    return row


def prepare(image: Image) -> Machine:
    """Lay an image out for the kernel.

    Raises:
        InputError: plastic rows share synapse words.
    """
    arch = image.arch
    busy = [i for i, core in enumerate(image.cores) if not is_idle(core)]
    programs = [[isa.decode(word) for word in image.cores[i].program] for i in busy]
    all_spaces = [spaces(ops) for ops in programs]
    entries = [np.concatenate([core.axons, np.zeros(arch.axons - len(core.axons), np.uint64)]) for core in image.cores]

    # ---------------------------------------------------------------- where cores lie in the flat spaces
    per_core: dict[str, list[int]] = {name: [] for name in ("neuron_words", "axon_words", "pending_words")}
    for ops, where, i in zip(programs, all_spaces, busy, strict=True):
        blocks = [op.lo for op in ops if op.name == "end"]
        blocks += [s.lo + s.hi for s in where if s is not None and not s.flag]
        learns = any(s is not None and s.flag for s in where) or any(op.name == "rows" for op in ops)
        granules = max([op.lo + op.hi for op in ops if op.name == "integ"], default=0)
        if granules:
            blocks.append(_reach(arch, image.cores[i], entries[i][: granules * isa.GRANULE]))
        per_core["neuron_words"].append(max(1, -(-max(blocks) * arch.lanes // WORD)))
        per_core["axon_words"].append(-(-arch.axons // WORD) if learns else 0)
        per_core["pending_words"].append(-(-granules * isa.GRANULE // WORD))
    first = {
        name: np.concatenate([[0], np.cumsum(count)]).astype(np.int64) * WORD for name, count in per_core.items()
    }
    neurons, pending = int(first["neuron_words"][-1]), int(first["pending_words"][-1])

    # ------------------------------------------------------------------------------------------- synapses
    pending_core = np.full(pending, -1, np.int64)
    pending_axon = np.zeros(pending, np.int64)
    beats, words = np.zeros(pending, np.int64), np.zeros(pending, np.int64)
    plastic = np.full(pending, -1, np.int32)
    lengths = np.zeros(pending, np.int64)
    targets, weights = [], []
    learnt: list[_Plastic] = []
    plastic_from = [0]
    for k, i in enumerate(busy):
        start, count = int(first["pending_words"][k]), min(per_core["pending_words"][k] * WORD, arch.axons)
        here = slice(start, start + count)
        pending_core[here], pending_axon[here] = k, np.arange(count)
        mine = plastic_rows(programs[k], entries[i])
        for axon in mine:
            if axon < count:
                plastic[start + axon] = len(learnt)
            learnt.append(_Plastic(arch, image.cores[i], entries[i], axon, learnt[-1].stop if learnt else 0))
        plastic_from.append(len(learnt))
        check_unshared(image.cores[i], entries[i], mine, i)
        rows: Rows = expand(arch, image.cores[i], entries[i][:count])
        beats[here], words[here] = rows.beats, rows.words
        lengths[here] = np.diff(rows.pointers)
        targets.append(rows.targets)
        weights.append(rows.weights)

    # ------------------------------------------------------------------------------------- routes, programs
    index = np.full((arch.cores, arch.axons), -1, np.int64)
    index[np.array(busy, np.int64)[pending_core[pending_core >= 0]], pending_axon[pending_core >= 0]] = np.flatnonzero(
        pending_core >= 0
    )
    send_pointers, sends, route_pointers, route_cores = _neuron_routes(image, busy, first["neuron_words"], index)
    route = unpack(isa.ROUTE_FIELDS, image.input_routes)
    where_to = index[route["core"], route["axon"]]
    input_pointers, input_sends = _drop_unheard(image.input_pointers, where_to << 4 | route["delay"], where_to >= 0)
    starts = np.concatenate([[0], np.cumsum([len(ops) for ops in programs])]).astype(np.int64)
    code = [
        _instruction(arch, op, s)
        for ops, ss in zip(programs, all_spaces, strict=True)
        for op, s in zip(ops, ss, strict=True)
    ]
    imm = [op.imm for ops in programs for op in ops]
    idle = [core for i, core in enumerate(image.cores) if i not in set(busy)]
    sizes = Sizes(
        arch.lanes,
        arch.state_bits,
        arch.acc_bits,
        arch.coef_bits,
        arch.registers,
        arch.traces,
        arch.delay_slots,
        arch.graded,
        neurons,
        int(first["axon_words"][-1]),
        pending,
        isa.END_CYCLES if idle else 0,
        isa.RESET_CYCLES + max(2 * arch.blocks, arch.delay_slots * arch.granules),
        max([isa.decode(core.program[0]).lo for core in idle], default=0),
    )
    tables = Tables(
        number=np.array(busy, np.int64),
        neuron=first["neuron_words"],
        neuron_words=np.array(per_core["neuron_words"], np.int64),
        axon=first["axon_words"],
        axon_words=np.array(per_core["axon_words"], np.int64),
        pending=first["pending_words"],
        entry=starts,
        reset=starts[:-1] + np.array([image.cores[i].reset_entry for i in busy], np.int64),
        code=np.array(code, np.int64).reshape(-1, COLUMNS),
        splats=np.ascontiguousarray(np.repeat(np.array(imm, np.int64).astype(np.int32)[:, None], WORD, axis=1)),
        row_pointers=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        row_targets=np.concatenate([np.zeros(0, np.uint16), *targets]),
        row_weights=np.concatenate([np.zeros(0, np.int16), *weights]),
        event_cost=(isa.EVENT_CYCLES + beats).astype(np.int32),
        plastic=plastic,
        plastic_start=np.array([p.start for p in learnt], np.int64),
        plastic_word=np.array([p.word for p in learnt], np.int64),
        plastic_words=np.array([p.words for p in learnt], np.int64),
        plastic_bits=np.array([p.bits for p in learnt], np.int64),
        plastic_axon=np.array([p.axon for p in learnt], np.int64),
        plastic_from=np.array(plastic_from, np.int64),
        send_pointers=send_pointers,
        sends=sends,
        input_pointers=input_pointers,
        input_sends=input_sends,
        route_pointers=route_pointers,
        route_cores=route_cores,
    )
    start = Start(
        _registers(image, busy, per_core["neuron_words"]),
        np.array([image.cores[i].seeds for i in busy], np.uint32).reshape(-1, arch.lanes),
        np.concatenate([np.zeros(0, np.int16), *(p.weights for p in learnt)]),
    )
    return Machine(
        image,
        sizes,
        tables,
        start,
        tuple(map(tuple, programs)),
        tuple(map(tuple, all_spaces)),
        pending_core,
        pending_axon,
        beats,
        words,
    )


def _reach(arch, core: CoreImage, entries: np.ndarray) -> int:
    """Blocks that the rows of some axons can touch."""
    part = unpack(isa.AXON_FIELDS, entries)
    dense = part["format"] > isa.SPARSE
    last = part["block"] + part["runs"] * part["block_stride"] + part["beats"] + 1
    blocks = int(last[dense].max()) if dense.any() else 0
    sparse = entries[part["format"] == isa.SPARSE]
    if len(sparse):
        _, beat, _, _, _ = beat_table(sparse)
        slot = core.synapses[np.unique(beat)].astype(np.int64)
        blocks = max(blocks, int((slot[slot & 0xFF != 0] >> 8).max(initial=-1)) + 1)
    return blocks


def plastic_rows(ops: list[Op], entries: np.ndarray) -> list[int]:
    """The axons that some `rows` sweeps, ascending."""
    found: set[int] = set()
    for op in ops:
        if op.name == "rows":
            found.update(range(op.lo * isa.GRANULE, (op.lo + op.hi) * isa.GRANULE))
    return sorted(axon for axon in found if int(entries[axon]) & 7)


def check_unshared(core: CoreImage, entries: np.ndarray, plastic: list[int], number: int) -> None:
    """Plastic rows have their synapse words to themselves: the kernel keeps them apart."""
    if not plastic:
        return
    axon, beat, _, _, kind = beat_table(entries)
    word = beat // np.array(isa.BEATS_PER_WORD)[kind]
    pair = np.unique(axon * len(core.synapses) + word)
    users = np.bincount(pair % len(core.synapses), minlength=len(core.synapses))
    bad = np.isin(pair // len(core.synapses), plastic) & (users[pair % len(core.synapses)] > 1)
    if bad.any():
        raise InputError(f"core {number}: plastic axon {int(pair[bad][0] // len(core.synapses))} shares synapse words")


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


def _drop_unheard(pointers: np.ndarray, sends: np.ndarray, heard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out what goes to axons that no program ever integrates: nobody can see those bits."""
    kept = np.concatenate([[0], np.cumsum(heard)])
    return kept[np.asarray(pointers, np.int64)].astype(np.int64), sends[heard].astype(np.uint32)


def _neuron_routes(image: Image, busy: list[int], first: np.ndarray, index: np.ndarray):
    """Send lists and target cores of every lane of the flat neuron space."""
    counts = np.zeros(int(first[-1]), np.int64)
    flat = []
    for k, i in enumerate(busy):
        core = image.cores[i]
        lanes = min(len(core.pointers), int(first[k + 1] - first[k]))
        pointer = unpack(isa.POINTER_FIELDS, core.pointers[:lanes])
        counts[first[k] : first[k] + lanes] = pointer["count"]
        begin = np.cumsum(pointer["count"]) - pointer["count"]
        total = int(pointer["count"].sum())
        flat.append(core.routes[np.arange(total) + np.repeat(pointer["first"] - begin, pointer["count"])])
    pointers = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    route = unpack(isa.ROUTE_FIELDS, np.concatenate([np.zeros(0, np.uint32), *flat]))
    where_to = index[route["core"], route["axon"]]
    send_pointers, sends = _drop_unheard(pointers, where_to << 4 | route["delay"], where_to >= 0)
    return send_pointers, sends, pointers, route["core"].astype(np.uint8)
