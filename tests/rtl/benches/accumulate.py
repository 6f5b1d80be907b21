"""Beats of all seven formats, vector reads that clear, host access: every sum against the reference's arithmetic."""

from types import SimpleNamespace

import cocotb
from common import Bench, pack, unpack

from emulator.reference import Core
from emulator.spec import isa
from emulator.spec.fixedpoint import wrap


class Accumulators:
    def __init__(self, dut):
        self.bench = Bench(dut)
        p = self.bench.p
        self.lanes, self.bits, self.blocks = p["LANES"], p["ACC_BITS"], p["BLOCKS"]
        self.block_bits = max(1, (self.blocks - 1).bit_length())
        self.sums = [[[0] * self.lanes for _ in range(self.blocks)] for _ in range(2)]

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
                await bench.cycle(host_i=1, host_addr_i=index << self.block_bits | block)
                await bench.cycle()
                await bench.cycle(host_i=0)
                got = [wrap(v, self.bits) for v in unpack(bench.vector_data4_o, self.bits, self.lanes)]
                assert got == self.sums[index][block], (index, block)
                lane = bench.rng.randrange(self.lanes)  # the host reads and writes one lane at a time
                self.sums[index][block][lane] = bench.rng.randrange(-100, 100)
                written = {"host_part_i": lane, "host_data_i": self.sums[index][block][lane]}
                await bench.cycle(host_i=1, host_write_i=1, **written)
                for _ in range(6):
                    await bench.cycle()
                await bench.cycle(host_we_i=1)
                await bench.cycle(host_i=0, host_we_i=0, host_write_i=0)
                for _ in range(3):
                    await bench.cycle()
                    assert bench.nonzero3_o == 0  # it counts as no synaptic operation

    async def event(self):
        """The beats of one event, one a cycle; the next event's come three cycles behind the last."""
        bench, rng, lanes = self.bench, self.bench.rng, self.lanes
        kind = rng.randrange(1, 7)
        index, shift = rng.randrange(2), rng.choice([0, 0, 1, 7, 8, 31, rng.randrange(32)])
        factor = rng.choice([1, 0, 255, -128, rng.randrange(-128, 256)]) if bench.p["GRADED"] else 1
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
            await bench.cycle(
                beat2_i=1, word2_i=pack(word, 16), format2_i=kind, part2_i=position * (16 // per_word),
                block2_i=first + beat, index2_i=index, factor2_i=factor, shift2_i=shift,
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
                    row[lane] = wrap(row[lane] + (weight * factor << shift), self.bits)
        await bench.cycle(beat2_i=0, **{name: rng.getrandbits(3) for name in ("part2_i", "format2_i")})
        assert unpack(bench.nonzero3_o, 1, lanes) == nonzero
        for _ in range(2 + rng.choice([0, 0, 5])):
            await bench.cycle()

    async def vector(self):
        """Blocks read in stage 2, there in stage 4, perhaps cleared in stage 5; one a cycle."""
        bench, rng = self.bench, self.bench.rng
        index, clear = rng.randrange(2), rng.randrange(2)
        first = rng.randrange(self.blocks)
        count = rng.randint(1, self.blocks - first)
        for _ in range(6):  # what the last event wrote is there
            await bench.cycle()
        wanted = [list(row) for row in self.sums[index]]
        for i in range(count + 3):
            inside, back = i < count, i >= 3
            await bench.cycle(
                vector_read2_i=inside, vector_block2_i=first + i if inside else 0, vector_index2_i=index,
                vector_clear5_i=back and clear,
            )  # fmt: skip
            if 2 <= i < count + 2:
                got = [wrap(v, self.bits) for v in unpack(bench.vector_data4_o, self.bits, self.lanes)]
                assert got == wanted[first + i - 2]
        await bench.cycle(vector_read2_i=0, vector_clear5_i=0)
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
            await bench.cycle()
        await accumulators.compare()
    await accumulators.clear()
    await accumulators.compare()
