"""Load time: an Image becomes flat tables that the kernel can walk without looking anything up.

Neurons of all busy cores lie side by side, each core on a whole number of words. Pending axons do too:
a pending index `q` stands for one axon of one core (or, in a bank, for axons that always fire together).
"""

from __future__ import annotations

import numpy as np

from ..spec import isa
from ..spec.arch import Architecture
from ..spec.image import CoreImage, Image
from ..spec.isa import Op
from ..spec.rows import beat_table, expand, unpack
from .banks import DELAY_BITS, Pending, Site, ahead, gather
from .instructions import instruction_row
from .synapses import lay_out
from .tables import (
    AHEAD,
    COLUMNS,
    KNOWN,
    SKIP,
    STREAMS,
    TABLE,
    Cores,
    Learning,
    Machine,
    Program,
    Routes,
    Sizes,
    Start,
)
from .words import WORD


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


def prepare(image: Image) -> Machine:
    """Lay an image out for the kernel.

    Raises:
        InputError: plastic rows share synapse words.
        MachineError: an instruction that the kernel lacks.
    """
    arch = image.arch
    busy = [i for i, core in enumerate(image.cores) if not is_idle(core)]
    programs = [[isa.decode(word) for word in image.cores[i].program] for i in busy]
    for ops in programs:
        isa.refuse_unknown("the kernel", KNOWN, ops)
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

    pending, routes = _wiring(image, busy, programs, sites, lane_first)
    learning, weights = _learning(image, busy, programs, entries, pending, axon_first)
    synapses, members = lay_out(arch, [image.cores[i] for i in busy], entries, pending, lane_first, learning.of)

    entry = _running([len(ops) for ops in programs])
    graded = any(op.name in ("integ", "spk") and op.flag for ops in programs for op in ops)
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
        clear_cost=isa.clear_cycles(arch.blocks, arch.delay_slots, arch.granules),
        busy=len(busy),
        banks=len(synapses.banks),
        plastic=len(weights),
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
        program=_program(arch, programs, all_spaces, sites, entry, graded),
        synapses=synapses,
        learning=learning,
        routes=routes,
        start=Start(_registers(image, busy, neuron_words), _seeds(image, busy), weights),
        programs=tuple(map(tuple, programs)),
        spaces=tuple(map(tuple, all_spaces)),
        members=members,
        scan=np.array([_ends_with(core).lo for core in image.cores], np.int64),
    )


def _wiring(
    image: Image, busy: list[int], programs: list[list[Op]], sites: list[dict[int, Site] | None], lane_first: np.ndarray
) -> tuple[Pending, Routes]:
    """The pending space, and where in it spikes and inputs go."""
    axons, neurons = image.arch.axons, int(lane_first[-1])
    busy_index = np.full(image.arch.cores, -1, np.int64)
    busy_index[busy] = np.arange(len(busy))
    pointers, route = _neuron_routes(image, busy, lane_first)
    injected = unpack(isa.ROUTE_FIELDS, image.input_routes)
    neuron_place = _place(busy_index, route, axons)
    input_place = _place(busy_index, injected, axons)
    source = np.concatenate(
        [
            np.repeat(np.arange(neurons), np.diff(pointers)),
            neurons + np.repeat(np.arange(image.n_inputs), np.diff(image.input_pointers)),
        ]
    )
    place, delay = np.concatenate([neuron_place, input_place]), np.concatenate([route["delay"], injected["delay"]])
    heard = place >= 0
    pending = gather(axons, len(busy), sites, programs, lane_first, source[heard], place[heard], delay[heard])
    send_pointers, sends = _sends(pending, pointers, neuron_place, route["delay"])
    input_pointers, input_sends = _sends(pending, image.input_pointers, input_place, injected["delay"])
    cores = route["core"].astype(np.uint8)
    return pending, Routes(send_pointers, sends, input_pointers, input_sends, pointers, cores)


def _program(
    arch: Architecture,
    programs: list[list[Op]],
    all_spaces: list[list[Op | None]],
    sites: list[dict[int, Site] | None],
    entry: np.ndarray,
    graded: bool,
) -> Program:
    """The instruction table of all busy cores, and their immediates."""
    code = np.zeros((int(entry[-1]), COLUMNS), np.int64)
    for k, (ops, where, found) in enumerate(zip(programs, all_spaces, sites, strict=True)):
        for pc, (op, space) in enumerate(zip(ops, where, strict=True)):
            row = code[entry[k] + pc]
            row[:] = instruction_row(arch, op, space, int(entry[k]) + pc, graded)
            row[AHEAD] = found is not None and pc in found
            if op.name == "rows":
                skip = op.body + 1
                traces = [c for o in ops[pc : pc + skip] for c in o.sources if isa.SRC_TRACE <= c < isa.SRC_REWARD]
                row[SKIP] = skip
                row[TABLE] = max(traces, default=isa.SRC_TRACE - 1) - isa.SRC_TRACE + 1
    imm = np.array([op.imm for ops in programs for op in ops], np.int64).astype(np.int32)
    return Program(code, np.ascontiguousarray(np.repeat(imm[:, None], WORD, axis=1)))


def _learning(
    image: Image,
    busy: list[int],
    programs: list[list[Op]],
    entries: list[np.ndarray],
    pending: Pending,
    axon_first: np.ndarray,
) -> tuple[Learning, np.ndarray]:
    """The plastic rows of all busy cores, and their weights in the lanes of their neurons, int16."""
    plastic = np.full(pending.lanes, -1, np.int32)
    rows: list[_Plastic] = []
    since = [0]
    row_of = np.full(int(axon_first[-1]), -1, np.int64)
    for k, i in enumerate(busy):
        for axon in plastic_rows(programs[k]):
            q = pending.lookup[k * image.arch.axons + axon]
            if q >= 0:
                plastic[q] = len(rows)
            row_of[axon_first[k] + axon] = len(rows)
            rows.append(_Plastic(image.arch, image.cores[i], entries[k], axon, rows[-1].stop if rows else 0))
        since.append(len(rows))
    learning = Learning(
        of=plastic,
        start=np.array([p.start for p in rows], np.int64),
        word=np.array([p.word for p in rows], np.int64),
        words=np.array([p.words for p in rows], np.int64),
        bits=np.array([p.bits for p in rows], np.int64),
        axon=np.array([p.axon for p in rows], np.int64),
        since=np.array(since, np.int64),
        row=row_of,
        there=np.packbits(row_of >= 0, bitorder="little").view(np.uint64),
    )
    return learning, np.concatenate([np.zeros(0, np.int16), *(p.weights for p in rows)])


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
    return _running(list(counts)), (q[kept] << DELAY_BITS | delay[kept]).astype(np.uint32)


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
