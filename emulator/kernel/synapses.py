"""Synapses laid out for speed: the rows of a bank merged over its cores, dense or sparse.

Cycles and counts come from the image's packed rows; this layout is only how fast the same sums are made.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ..spec import isa
from ..spec.arch import Architecture
from ..spec.image import CoreImage
from ..spec.rows import Rows, expand
from .banks import MOST_CORES, Bank, Pending, Site
from .words import WORD

# Columns of the bank table, int64.
(
    FIRST,  # pending index
    WORDS,  # of pending indices
    LANE,  # first flat neuron; targets count from it
    SINCE,
    UNTIL,
    UNTIL_T,
    ACCUMULATOR,
    SHIFT,
    PAYLOAD,  # 0 none, 1 unsigned, 2 signed
    CORES,
    CORE,  # first in Synapses.bank_cores
    COST,  # first row of Synapses.costs
    UNIFORM,  # all rows reach all cores at the same cost
    ALIGNED,  # all members of a row have the same axon number
    SPARSE_ROWS,  # there are rows that are not dense
    ENTRY,  # first sparse entry
    BYTE,  # its weight
    WIDE,  # sparse weights are int16, else int8
    DENSE_ROWS,
    DENSE,  # first byte of the dense weights
    DENSE_LANE,  # first flat neuron of their columns
    DENSE_WORDS,  # words of a dense row
    DENSE_KIND,
    CHUNK,  # dense rows whose sum fits 16 bits
    BANK_COLUMNS,
) = range(25)
TILES, STREAM, FACTORS = range(3)  # kinds of dense weights
TILE: Final = 4  # words of a column tile: as many 16-bit sums as stay in registers
LEAST_DENSITY: Final = 0.04  # below it sparse rows are faster
CACHED: Final = 1 << 20  # bytes of dense weights beyond which whole rows are streamed
MOST_DENSE: Final = 1 << 29  # bytes


class Synapses(NamedTuple):
    """What deliveries read."""

    banks: np.ndarray  # (banks, BANK_COLUMNS) int64, those that deliver ahead of the programs
    bank_cores: np.ndarray  # int64 busy cores of the banks
    cost: np.ndarray  # (pending,) int32 cycles of an event, if its row has one core
    costs: np.ndarray  # (rows, WORD) int16 cycles of an event on each core of its bank
    granule: np.ndarray  # (pending,) int32 of the axon, in aligned banks
    reaches: np.ndarray  # (pending,) uint64 cores of the bank that a row reaches
    member_pointers: np.ndarray  # (pending + 1,) int64 into the next two, for banks that are not aligned
    member_granule: np.ndarray  # int32 core of the chip * granules + granule
    member_core: np.ndarray  # uint8 core of the bank
    row_pointers: np.ndarray  # (pending + 1,) int64 sparse entries
    row_targets: np.ndarray  # uint16 lanes from the first one of the bank
    row_weights: np.ndarray  # uint8 bytes of int8 or int16
    row_byte: np.ndarray  # (pending,) int64 first byte of a row's weights, of cores that deliver in order: int16
    dense_index: np.ndarray  # (pending,) int32 place among the bank's dense rows, or -1
    dense: np.ndarray  # int8 bytes


class Members(NamedTuple):
    """Every axon that can be pending, for counting afterwards; all (members,) int64."""

    q: np.ndarray
    core: np.ndarray
    axon: np.ndarray
    beats: np.ndarray
    words: np.ndarray
    synapses: np.ndarray  # weights that are not zero; 0 for plastic rows, which are counted as they go


def lay_out(
    arch: Architecture,
    cores: list[CoreImage],
    entries: list[np.ndarray],
    pending: Pending,
    lane_first: np.ndarray,
    plastic: np.ndarray,
) -> tuple[Synapses, Members]:
    """Merge the rows of the busy cores.

    Args:
        entries: (axons,) uint64 axon entries of each busy core; plastic: (pending,) plastic row or -1.
    """
    count = len(pending.q)
    beats, words, synapses = (np.zeros(count, np.int64) for _ in range(3))
    by_core = np.argsort(pending.core, kind="stable")
    cuts = np.searchsorted(pending.core[by_core], np.arange(len(cores) + 1))
    expanded: list[tuple[np.ndarray, Rows]] = []
    for k, core in enumerate(cores):
        mine = by_core[cuts[k] : cuts[k + 1]]
        fixed = np.where(plastic[pending.q[mine]] < 0, entries[k][pending.axon[mine]], np.uint64(isa.NONE))
        rows = expand(arch, core, fixed)
        full = (
            rows
            if np.array_equal(fixed, entries[k][pending.axon[mine]])
            else expand(arch, core, entries[k][pending.axon[mine]])
        )
        beats[mine], words[mine], synapses[mine] = full.beats, full.words, np.diff(rows.pointers)
        expanded.append((mine, rows))

    lane_of = np.zeros(pending.lanes, np.int64)
    for bank in pending.banks:
        lane_of[bank.first : bank.first + bank.words * WORD] = lane_first[bank.cores[0]] if len(bank.cores) else 0
    length = np.bincount(pending.q, weights=synapses, minlength=pending.lanes).astype(np.int64)
    pointers = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    targets = np.zeros(int(pointers[-1]), np.uint16)
    weights = np.zeros(int(pointers[-1]), np.int16)
    cursor = pointers[:-1].copy()
    for k, (mine, rows) in enumerate(expanded):
        q, lengths = pending.q[mine], np.diff(rows.pointers)
        to = np.repeat(cursor[q] - rows.pointers[:-1], lengths) + np.arange(len(rows.targets))
        targets[to] = rows.targets + np.repeat(lane_first[k] - lane_of[q], lengths)
        weights[to] = rows.weights
        cursor[q] += lengths
    expanded.clear()

    members = Members(pending.q, pending.core, pending.axon, beats, words, synapses)
    maker = _Maker(arch, pending, members, lane_of, pointers, targets, weights)
    return maker.make(), members


class _Maker:
    """Builds the tables of the banks, one after the other."""

    def __init__(self, arch, pending: Pending, members: Members, lane_of, pointers, targets, weights):
        self.arch, self.pending, self.members = arch, pending, members
        self.lane_of, self.pointers, self.targets, self.weights = lane_of, pointers, targets, weights
        self.member_at = np.searchsorted(members.q, np.arange(pending.lanes + 1))
        self.cost = np.zeros(pending.lanes, np.int32)
        self.granule = np.zeros(pending.lanes, np.int32)
        self.reaches = np.zeros(pending.lanes, np.uint64)
        self.row_byte = np.zeros(pending.lanes, np.int64)
        self.dense_index = np.full(pending.lanes, -1, np.int32)
        self.costs: list[np.ndarray] = []
        self.packed: list[np.ndarray] = []  # sparse weights
        self.bytes = 0
        self.dense: list[np.ndarray] = []
        self.dense_bytes = 0

    def make(self) -> Synapses:
        table, bank_cores = [], [np.zeros(0, np.int64)]
        for bank in self.pending.banks:
            row = np.zeros(BANK_COLUMNS, np.int64)
            self.rows(bank, row)
            if bank.site is None:
                self.cost[bank.first : bank.first + bank.rows] = isa.event_cycles(self.of(bank).beats)
                continue
            row[CORE], row[CORES] = sum(map(len, bank_cores)), len(bank.cores)
            bank_cores.append(bank.cores)
            self.head(bank, bank.site, row)
            table.append(row)
        reach = self.members.core * self.arch.granules + self.members.axon // isa.GRANULE
        core_of_bank = np.zeros(len(self.members.q), np.uint8)
        for bank in self.pending.banks:
            span = slice(*self.span(bank))
            core_of_bank[span] = np.searchsorted(bank.cores, self.members.core[span])
        return Synapses(
            banks=np.array(table, np.int64).reshape(-1, BANK_COLUMNS),
            bank_cores=np.concatenate(bank_cores),
            cost=self.cost,
            costs=np.concatenate([np.zeros((0, MOST_CORES), np.int16), *self.costs]),
            granule=self.granule,
            reaches=self.reaches,
            member_pointers=self.member_at.astype(np.int64),
            member_granule=reach.astype(np.int32),
            member_core=core_of_bank,
            row_pointers=self.pointers,
            row_targets=self.targets,
            row_weights=np.concatenate([np.zeros(0, np.uint8), *self.packed]),
            row_byte=self.row_byte,
            dense_index=self.dense_index,
            dense=np.concatenate([np.zeros(0, np.int8), *self.dense]),
        )

    def span(self, bank: Bank) -> tuple[int, int]:
        """Members of a bank."""
        return int(self.member_at[bank.first]), int(self.member_at[bank.first + bank.rows])

    def of(self, bank: Bank) -> Members:
        first, last = self.span(bank)
        return Members(*(values[first:last] for values in self.members))

    def head(self, bank: Bank, site: Site, row: np.ndarray) -> None:
        """When a bank delivers, and what its events cost on which cores."""
        row[FIRST], row[WORDS], row[LANE] = bank.first, bank.words, self.lane_of[bank.first] if bank.rows else 0
        row[SINCE], row[UNTIL], row[UNTIL_T] = site.since, site.until, site.until_t
        row[ACCUMULATOR], row[SHIFT], row[PAYLOAD] = site.accumulator, site.shift, site.payload
        mine = self.of(bank)
        core = np.searchsorted(bank.cores, mine.core)
        local = mine.q - bank.first
        np.bitwise_or.at(self.reaches, mine.q, np.uint64(1) << core.astype(np.uint64))
        granule = mine.axon // isa.GRANULE
        self.granule[mine.q] = granule
        row[ALIGNED] = bool(np.all(self.granule[mine.q] == granule))
        cost = np.zeros((bank.rows, MOST_CORES), np.int16)
        cost[local, core] = isa.event_cycles(mine.beats)
        row[UNIFORM] = bank.rows > 0 and len(mine.q) == bank.rows * len(bank.cores) and not (cost - cost[:1]).any()
        row[COST] = sum(map(len, self.costs))
        if len(bank.cores) == 1:
            self.cost[mine.q] = isa.event_cycles(mine.beats)
        else:
            self.costs.append(cost[:1] if row[UNIFORM] else cost)

    def rows(self, bank: Bank, row: np.ndarray) -> None:
        """Pack the sparse weights of a bank; take rows that are full enough as dense ones."""
        first, last = self.pointers[bank.first], self.pointers[bank.first + bank.rows]
        weights = self.weights[first:last]
        wide = bank.site is None or bool(weights.size and (weights.min() < -128 or weights.max() > 127))
        row[ENTRY], row[BYTE], row[WIDE] = first, self.bytes, wide
        here = slice(bank.first, bank.first + bank.rows)
        self.row_byte[here] = self.bytes + (self.pointers[here] - first) * (2 if wide else 1)
        self.packed.append(weights.astype(np.int16 if wide else np.int8).view(np.uint8))
        pad = np.zeros(-len(self.packed[-1]) % 2, np.uint8)  # int16 of the next bank stay on even bytes
        self.packed.append(pad)
        self.bytes += len(self.packed[-2]) + len(pad)
        row[SPARSE_ROWS] = bank.rows
        if bank.site is not None:
            self.choose_dense(bank, row, wide or bank.site.payload > 0)

    def choose_dense(self, bank: Bank, row: np.ndarray, factors: bool) -> None:
        """Rows of at least LEAST_DENSITY of the columns that they share become dense."""
        at = self.pointers[bank.first : bank.first + bank.rows + 1]
        length = np.diff(at)
        chosen = length >= 16
        lo = hi = 0
        for _ in range(3):  # leaving out thin rows can only narrow the columns
            if not chosen.any():
                return
            entry = np.repeat(chosen, length)
            lanes = self.targets[at[0] : at[-1]][entry]
            lo, hi = int(lanes.min()) // WORD, int(lanes.max()) // WORD + 1
            chosen &= length >= LEAST_DENSITY * (hi - lo) * WORD
        if not chosen.any():
            return
        item = 2 if factors else 1
        n, n_words = int(chosen.sum()), hi - lo
        if n * n_words * WORD * item > MOST_DENSE:
            return
        index = np.cumsum(chosen) - 1
        self.dense_index[bank.first : bank.first + bank.rows][chosen] = index[chosen]
        entry = np.repeat(chosen, length)
        r = np.repeat(index, length)[entry]
        column = self.targets[at[0] : at[-1]][entry].astype(np.int64) - lo * WORD
        weights = self.weights[at[0] : at[-1]][entry]
        if factors:
            kind, place = FACTORS, (column // WORD * n + r) * WORD + column % WORD
        elif n * n_words * WORD > CACHED:
            kind, place = STREAM, r * n_words * WORD + column
        else:
            kind, full = TILES, n_words // TILE * TILE
            width = np.where(column < full * WORD, TILE * WORD, WORD)
            start = np.where(column < full * WORD, 0, full * WORD)
            tile = (column - start) // width
            place = start * n + tile * n * width + r * width + (column - start) % width
        values = np.zeros(n * n_words * WORD, np.int16 if factors else np.int8)
        values[place] = weights
        self.dense.append(values.view(np.int8))
        row[SPARSE_ROWS] = bank.rows - n
        row[DENSE_ROWS], row[DENSE], row[DENSE_KIND] = n, self.dense_bytes, kind
        row[DENSE_LANE], row[DENSE_WORDS] = self.lane_of[bank.first] + lo * WORD, n_words
        row[CHUNK] = 32767 // int(max(1, np.abs(weights.astype(np.int64)).max()))
        self.dense_bytes += values.nbytes
