"""Partition: populations are cut into parts, and parts go to cores, fewest cores first.

A population that fits what is left of a core in use goes there whole, else into a fresh core, else it is cut into equal
slabs, of neurons that share sources where their order can be chosen. A placement that does not fit so is tried once
more with every core filled to its end.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from emulator.spec import isa
from emulator.spec.arch import Architecture

from ..quantize.quantized import QuantizedNetwork, QuantizedProjection
from .lanes import deal_lanes
from .order import gathered
from .pack import PackedRows, pack_plastic, pack_rows, smallest_bits
from .parts import Part, layout

SPARSE = 0.25  # density below which another order of neurons can save sources


class Core:
    """What a core still has while parts are handed out."""

    def __init__(self, arch: Architecture):
        self.arch = arch
        self.blocks = self.granules = self.words = 0

    def takes(self, blocks: int, rows: dict[int, PackedRows]) -> list[str]:
        """What a part would exceed: nothing, or the names and numbers of limits."""
        granules = sum(-(-len(r.sources) // isa.GRANULE) for r in rows.values())
        words = sum(len(r.words) for r in rows.values())
        blocks = max([blocks, *(r.reach for r in rows.values())])
        problems = []
        for what, need, limit in (
            ("neurons", (self.blocks + blocks) * self.arch.lanes, self.arch.neurons),
            ("axons", (self.granules + granules) * isa.GRANULE, self.arch.axons),
            ("synapse words", self.words + words, self.arch.synapse_words),
        ):
            if need > limit:
                problems.append(f"{need:,} {what} in a core, which holds {limit:,}")
        return problems

    def add(self, blocks: int, rows: dict[int, PackedRows]) -> int:
        """Take a part and return its first block."""
        first = self.blocks
        self.blocks += blocks
        self.granules += sum(-(-len(r.sources) // isa.GRANULE) for r in rows.values())
        self.words += sum(len(r.words) for r in rows.values())
        return first


class Partitioner:
    def __init__(self, network: QuantizedNetwork, arch: Architecture):
        self.network, self.arch = network, arch
        self.columns = [p.matrix.tocsc() for p in network.projections]
        self.known: dict[tuple[str, int], tuple[int, np.ndarray, dict[int, PackedRows]]] = {}
        self.slots: dict[str, tuple[np.ndarray, int | None]] = {}
        for population in network.populations:
            incoming = [p for p in network.projections if p.target == population.name]
            slots, pitch = layout(population, arch.lanes, any(p.convolutional for p in incoming))
            synapses, pairs = (
                sum(p.matrix.nnz for p in incoming),
                sum(p.matrix.shape[0] for p in incoming) * population.n,
            )
            if pitch is None and population.n > arch.neurons and synapses < SPARSE * pairs:
                slots = gathered(network, population, arch.neurons)
            self.slots[population.name] = slots, pitch

    def blocks(self, name: str) -> int:
        return -(-len(self.slots[name][0]) // self.arch.lanes)

    def pack(self, name: str, first: int, blocks: int) -> tuple[np.ndarray, dict[int, PackedRows]]:
        """(slots, packed rows of all projections) of blocks first..first+blocks-1 of a population."""
        if self.known.get((name, first), (0,))[0] != blocks:
            slots, pitch = self.slots[name]
            here = slots[first * self.arch.lanes : (first + blocks) * self.arch.lanes]
            if pitch and first % pitch:
                pitch = 0  # the slab does not start with an image row
            if pitch is None:
                slabs = [slab_of(self.columns[i], here) for i, _ in self.onto(name)]
                here = here[deal_lanes(sparse.vstack(slabs, format="csc"), self.arch.lanes)] if slabs else here
            rows = {}
            for i, p in self.onto(name):
                slab = slab_of(self.columns[i], here).tocsr()
                if p.plastic:
                    rows[i] = pack_plastic(slab, self.arch.lanes, p.bits)
                else:
                    rows[i] = pack_rows(slab, self.arch.lanes, p.bits, pitch if p.convolutional else None)
            self.known[name, first] = blocks, here, rows
        return self.known[name, first][1:]

    def onto(self, name: str) -> list[tuple[int, QuantizedProjection]]:
        return [(i, p) for i, p in enumerate(self.network.projections) if p.target == name]

    def least(self, name: str, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
        """(blocks,) axons, and synapse words, that the first 1, 2, .. of these blocks need at least."""
        axons, words = np.zeros(blocks, np.int64), np.zeros(blocks)
        here = self.slots[name][0][first * self.arch.lanes : (first + blocks) * self.arch.lanes]
        for i, p in self.onto(name):
            slab = slab_of(self.columns[i], here)
            block = np.repeat(np.arange(len(here)) // self.arch.lanes, np.diff(slab.indptr))
            begins = np.full(slab.shape[0], blocks)
            np.minimum.at(begins, slab.indices, block)
            sources = np.cumsum(np.bincount(begins, minlength=blocks + 1)[:blocks])
            axons += -(-sources // isa.GRANULE) * isa.GRANULE
            if not p.convolutional and slab.nnz:
                bits = p.bits if p.plastic else smallest_bits(slab, p.bits, 0)
                words += np.cumsum(np.bincount(block, minlength=blocks)) * bits / (16 * self.arch.lanes)
        return axons, words

    def fitting(self, name: str, first: int, core: Core) -> int:
        """The largest number of blocks from `first` on that a core takes."""
        most = min(self.blocks(name) - first, self.arch.blocks - core.blocks)
        if most == 0:
            return 0
        axons, words = self.least(name, first, most)
        fits = (axons <= self.arch.axons - core.granules * isa.GRANULE) & (
            words <= self.arch.synapse_words - core.words
        )
        low, high = 0, int(fits.sum()) + 1  # low is known to fit, high not to
        guess = high - 1
        while guess > low:
            rows = self.pack(name, first, guess)[1]
            if core.takes(guess, rows):
                high = guess
                room = (self.arch.synapse_words - core.words) / max(1, sum(len(r.words) for r in rows.values()))
                guess = min(high - 1, max(low + 1, int(guess * room))) if room < 1 else (low + high) // 2
            else:
                low, guess = guess, (guess + high) // 2
        return low

    def unplaceable(self) -> list[str]:
        """Populations of which one block alone is more than an empty core."""
        problems = []
        for population in self.network.populations:
            name, lanes = population.name, self.arch.lanes
            slots = self.slots[name][0]
            synapses = np.zeros(self.blocks(name), np.int64)
            for i, _ in self.onto(name):
                lengths = np.where(slots >= 0, np.diff(self.columns[i].indptr)[slots], 0)
                synapses += np.bincount(np.arange(len(slots)) // lanes, lengths, len(synapses)).astype(np.int64)
            # a block has no more axons than synapses, and a word holds as many as it has lanes at least
            for first in np.flatnonzero(synapses > min(self.arch.axons, self.arch.synapse_words)).tolist():
                axons, words = self.least(name, first, 1)
                if axons[0] > self.arch.axons or words[0] > self.arch.synapse_words:
                    problems.append(self.alone(name, first))
                    break
        return problems

    def alone(self, name: str, first: int) -> str:
        """The problem of a block that no core takes."""
        limits = Core(self.arch).takes(1, self.pack(name, first, 1)[1])
        return (
            f"{name!r}: {self.arch.lanes} of its neurons alone need {' and '.join(limits)}; "
            "use fewer --weight-bits or a larger --arch"
        )

    def run(self, tight: bool) -> tuple[list[Part], list[str]]:
        """(parts on logical cores, problems); tight cuts populations to fill every core to its end."""
        cores = [Core(self.arch)]
        parts: list[Part] = []
        problems: list[str] = []

        def place(name: str, core: int, first: int, blocks: int) -> None:
            slots, rows = self.pack(name, first, blocks)
            parts.append(Part(name, core, cores[core].add(blocks, rows), slots, rows))

        for population in self.network.populations:
            name, total = population.name, self.blocks(population.name)
            whole = None
            if not tight and total <= self.arch.blocks:
                _, rows = self.pack(name, 0, total)
                whole = next((i for i, core in enumerate(cores) if not core.takes(total, rows)), None)
                if whole is None and not Core(self.arch).takes(total, rows):
                    cores.append(Core(self.arch))
                    whole = len(cores) - 1
            if whole is not None:
                place(name, whole, 0, total)
                continue
            first = 0
            if not tight and cores[-1].blocks:
                cores.append(Core(self.arch))
            slab = None
            while first < total:
                most = self.fitting(name, first, cores[-1])
                if most == 0:
                    if cores[-1].blocks == 0:
                        problems.append(self.alone(name, first))
                        break
                    cores.append(Core(self.arch))
                    continue
                if not tight and slab is None:
                    slab = self.even(name, total, most)
                count = min(most, slab or most, total - first)
                if cores[-1].takes(count, self.pack(name, first, count)[1]):
                    count = most  # which is known to fit
                place(name, len(cores) - 1, first, count)
                first += count
                if first < total and not tight:
                    cores.append(Core(self.arch))
        return parts, problems + self.too_many(len(cores))

    def too_many(self, cores: int) -> list[str]:
        """The problem of needing so many cores, if it is one."""
        if cores <= self.arch.cores:
            return []
        neurons = sum(p.n for p in self.network.populations)
        has = "1 core" if self.arch.cores == 1 else f"{self.arch.cores} cores"
        return [
            f"the network's {neurons:,} neurons need {cores} cores or more, {self.arch.name!r} has {has}; "
            "use a larger --arch, or fewer --weight-bits where synapses fill the cores"
        ]

    def even(self, name: str, total: int, most: int) -> int:
        """Blocks of equal slabs of at most `most`, whole image rows where there are any."""
        slab = math.ceil(total / math.ceil(total / most))
        pitch = self.slots[name][1]
        if pitch and most >= pitch:
            slab = min(-(-slab // pitch) * pitch, most // pitch * pitch)
        return slab


def slab_of(columns: sparse.csc_array, slots: np.ndarray) -> sparse.csc_array:
    """Columns in slot order; empty ones for padding."""
    lengths = np.where(slots >= 0, np.diff(columns.indptr)[slots], 0)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    take = np.arange(indptr[-1]) - np.repeat(indptr[:-1], lengths) + np.repeat(columns.indptr[:-1][slots], lengths)
    shape = (columns.shape[0], len(slots))
    return sparse.csc_array((columns.data[take], columns.indices[take], indptr), shape=shape)
