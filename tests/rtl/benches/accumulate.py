"""Beats of all seven formats, vector reads that clear, host access: every sum against the reference's arithmetic.

The bench is the lanes: it multiplies and adds as they do, and when they do.
"""

from types import SimpleNamespace

import cocotb
from common import Bench, pack, unpack

from emulator.reference import Core
from emulator.spec import isa
from emulator.spec.fixedpoint import wrap


def corner(rng, bits):
    """A signed number of so many bits, often 0, 1, -1 or at an end of its range."""
    top = 1 << (bits - 1)
    return rng.choice([0, 1, -1, top - 1, -top, rng.randrange(-top, top)])


class Accumulators:
    def __init__(self, dut):
        self.bench = Bench(dut)
        p = self.bench.p
        self.lanes, self.bits, self.blocks = p["LANES"], p["ACC_BITS"], p["BLOCKS"]
        self.block_bits = max(1, (self.blocks - 1).bit_length())
        self.sums = [[[0] * self.lanes for _ in range(self.blocks)] for _ in range(2)]
        self.scale = 0  # of the weights that are unpacked in this cycle
        self.products = [[0] * self.lanes] * 2  # in stages 3 and 4
        self.results = [0] * self.lanes  # in stage 5

    async def cycle(self, **inputs):
        """One clock cycle of the memories and of the lanes."""
        bench = self.bench
        results = [inputs["host_data_i"]] * self.lanes if inputs.get("host_we_i") else self.results
        await bench.cycle(sums5_i=pack(results, self.bits), **inputs)
        weights = [wrap(w, 16) for w in unpack(bench.weights2_o, 16, self.lanes)]
        self.results = [a + b for a, b in zip(self.words(), self.products[1], strict=True)]
        self.products = [[w * self.scale for w in weights], self.products[0]]

    def words(self):
        """What the lanes take for their accumulators."""
        stored = unpack(self.bench.stored4_o, 1, self.lanes)
        words = [wrap(v, self.bits) for v in unpack(self.bench.data4_o, self.bits, self.lanes)]
        return [word if kept else 0 for word, kept in zip(words, stored, strict=True)]

    async def clear(self):
        for index in range(2):
            for block in range(self.blocks):
                await self.bench.cycle(clear_i=1, clear_index_i=index, clear_block_i=block)
        await self.bench.cycle(clear_i=0)
        for _ in range(3):
            await self.bench.cycle()
        self.sums = [[[0] * self.lanes for _ in range(self.blocks)] for _ in range(2)]

    async def compare(self):
        bench = self.bench
        for index in range(2):
            for block in range(self.blocks):
                await self.cycle(host_i=1, host_addr_i=index << self.block_bits | block)
                await self.cycle()
                await self.cycle(host_i=0)
                assert self.words() == self.sums[index][block], (index, block)
                lane = bench.rng.randrange(self.lanes)  # the host reads and writes one lane at a time
                value = self.sums[index][block][lane] = corner(bench.rng, self.bits)
                await self.cycle(host_i=1, host_part_i=lane)
                for _ in range(6):
                    await self.cycle()
                await self.cycle(host_we_i=1, host_data_i=value)
                await self.cycle(host_i=0, host_we_i=0)
                for _ in range(3):
                    await self.cycle()
                    assert bench.nonzero3_o == 0  # it counts as no synaptic operation

    async def event(self):
        """The beats of one event, one a cycle; the next event's come three cycles behind the last."""
        bench, rng, lanes = self.bench, self.bench.rng, self.lanes
        kind = rng.randrange(1, 7)
        index = rng.randrange(2)
        self.scale = corner(rng, bench.p["STATE_BITS"])
        beats = rng.randint(1, self.blocks)
        per_word, first = isa.BEATS_PER_WORD[kind], rng.randrange(self.blocks - beats + 1)
        targets = [rng.sample(range(self.blocks), beats) for _ in range(lanes)]  # of a sparse row
        nonzero = None
        for beat in range(beats):
            word = [rng.choice([0, 0x7FFF, 0x8000, 0xFFFF, rng.getrandbits(16)]) for _ in range(lanes)]
            far = 0
            if kind == isa.SPARSE:
                for lane in range(lanes):
                    weight = rng.choice([0, 0, 0x7F, 0x80, rng.getrandbits(8)])
                    block = targets[lane][beat]
                    if rng.random() < 0.05 and self.blocks < 256:
                        block = rng.randrange(self.blocks, 256)
                    word[lane] = block << 8 | weight
                    far |= block >= self.blocks and weight != 0
            position = rng.randrange(per_word)
            await self.cycle(
                beat2_i=1, word2_i=pack(word, 16), format2_i=kind, part2_i=position * (16 // per_word),
                block2_i=first + beat, index2_i=index,
            )  # fmt: skip
            assert bench.stray_o == far
            if nonzero is not None:
                assert unpack(bench.nonzero3_o, 1, lanes) == nonzero
            nonzero = []
            core = SimpleNamespace(synapses=[word], arch=SimpleNamespace(lanes=lanes))
            for lane in range(lanes):
                block, weight = Core.synapse(core, kind, position if kind != isa.SPARSE else 0, lane)
                block = first + beat if block is None else block
                nonzero.append(weight != 0 and block < self.blocks)
                if nonzero[-1]:
                    row = self.sums[index][block]
                    row[lane] = wrap(row[lane] + weight * self.scale, self.bits)
        await self.cycle(beat2_i=0, **{name: rng.getrandbits(3) for name in ("part2_i", "format2_i")})
        assert unpack(bench.nonzero3_o, 1, lanes) == nonzero
        for _ in range(2 + rng.choice([0, 0, 5])):
            await self.cycle()

    async def vector(self):
        """Blocks read in stage 2, there in stage 4, perhaps cleared in stage 5; one a cycle."""
        rng = self.bench.rng
        index, clear = rng.randrange(2), rng.randrange(2)
        first = rng.randrange(self.blocks)
        count = rng.randint(1, self.blocks - first)
        for _ in range(6):  # what the last event wrote is there
            await self.cycle()
        wanted = [list(row) for row in self.sums[index]]
        for i in range(count + 3):
            inside, back = i < count, i >= 3
            await self.cycle(
                vector_read2_i=inside, vector_block2_i=first + i if inside else 0, vector_index2_i=index,
                vector_clear5_i=back and clear,
            )  # fmt: skip
            if 2 <= i < count + 2:
                assert self.words() == wanted[first + i - 2]
        await self.cycle(vector_read2_i=0, vector_clear5_i=0)
        if clear:
            for block in range(first, first + count):
                self.sums[index][block] = [0] * self.lanes


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def sums_wrap_and_are_cleared_where_they_should(dut):
    accumulators = Accumulators(dut)
    bench = accumulators.bench
    await bench.start()
    await accumulators.clear()
    for _ in bench.cycles(10):
        for _ in range(bench.rng.randint(1, 20)):
            await (accumulators.event() if bench.rng.random() < 0.7 else accumulators.vector())
        for _ in range(8):
            await accumulators.cycle()
        await accumulators.compare()
    await accumulators.clear()
    await accumulators.compare()
