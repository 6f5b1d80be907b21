"""Pending axons become beats: which, in which order, and in how many cycles, against the reference's windows."""

import cocotb
from common import Bench, Pipe

from emulator.reference import Core
from emulator.spec import isa
from emulator.spec.fixedpoint import wrap
from emulator.spec.isa import Op
from emulator.spec.listing import listing

MEMORY = {"axons": 6, "synapses": 7}
UNKNOWN = 7  # a format that is not


class Integrate:
    def __init__(self, dut):
        self.bench = Bench(dut)
        p = self.bench.p
        self.lanes, self.blocks, self.axons, self.words = p["LANES"], p["BLOCKS"], p["AXONS"], p["SYNAPSE_WORDS"]
        self.entries = [0] * self.axons
        self.synapses = [0] * self.words

    async def write(self, memory, address, value):
        parts = -(-(64 if memory == "axons" else 16 * self.lanes) // 32)
        for part in range(parts):
            await self.bench.cycle(
                host_i=1, host_mem_i=MEMORY[memory], host_we_i=1, host_addr_i=address, host_part_i=part,
                host_data_i=value >> 32 * part, row_word_i=value,  # with learning, words come on the way of a row
            )  # fmt: skip
        await self.bench.cycle(host_we_i=0)
        for part in range(parts if self.bench.rng.random() < 0.1 else 0):  # what was written can be read
            await self.bench.cycle(host_part_i=part)
            await self.bench.cycle()
            await self.bench.cycle()
            apart = memory == "axons" and not self.bench.p["SHARED_AXONS"]
            found = self.bench.host_axons_o if apart else self.bench.word2_o >> 32 * part & 0xFFFFFFFF
            assert found == value >> 32 * part & 0xFFFFFFFF
        await self.bench.cycle(host_i=0)

    async def fill(self):
        rng = self.bench.rng
        for word in range(self.words):
            self.synapses[word] = rng.getrandbits(16 * self.lanes)
            await self.write("synapses", word, self.synapses[word])

    def entry(self, faulty):
        """A random window; one that leaves the blocks or the memory if `faulty`."""
        rng = self.bench.rng
        kind = rng.randrange(8 if faulty else 7)
        runs = 1 if kind == isa.SPARSE else rng.choice([1, 1, 2, 5])
        beats = rng.randint(1, max(1, self.blocks // runs))
        per_word = isa.BEATS_PER_WORD[kind % UNKNOWN]
        first, stride = rng.randrange(per_word), rng.randrange(20)
        last = first + (runs - 1) * stride + beats - 1
        highest = self.words - 1 - last // per_word
        reach = beats * runs
        if not faulty and (highest < 0 or reach > self.blocks):
            return 0
        word = rng.randrange(self.words) if faulty else rng.randint(0, highest)
        return isa.pack_fields(
            isa.AXON_FIELDS, word=word, beat=first, beats=beats - 1, runs=runs - 1, weight_stride=stride,
            block_stride=beats, block=rng.randrange(self.blocks) if faulty else rng.randint(0, self.blocks - reach),
            format=kind,
        )  # fmt: skip

    async def run(self, op, pending, payloads):
        """One integ; the cycle of `done_o`, events, beats, entered granules and which complaints were seen."""
        bench = self.bench
        bitmap, counts = Pipe(pending), Pipe(payloads)
        events, beats, entered, complaints = [], [], [], set()
        done = scale = None
        await bench.cycle(start_i=1, instr_i=isa.encode(op))
        for clock in range(1, 20_000):
            await bench.cycle(start_i=0, instr_i=0, pending_data_i=bitmap.out, payload_i=counts.out)
            bitmap.clock(bench.pending_en_o, bench.pending_addr_o)
            try:
                counts.clock(True, bench.payload_axon_o)
            except ValueError:  # unknown before the first token
                counts.clock(True, 0)
            if bench.enter_o:
                entered.append(bench.enter_addr_o)
            if bench.event_o:
                events.append((bench.event_axon_o, bench.event_factor_o, bench.event_entry_o))
            if bench.beat2_o:  # a lane's operands are chosen a cycle before
                beats.append(
                    (bench.word2_o, bench.format2_o, bench.part2_o, bench.block2_o, bench.index2_o, scale)
                )  # fmt: skip
            if events and not bench.event_o:  # unknown before the first one
                scale = bench.scale_o
            for name in ("format", "block", "word"):
                if getattr(bench, f"bad_{name}_o"):
                    complaints.add(name)
            if bench.done_o:
                assert done is None
                done = clock
            elif done is not None and clock > done + 3:
                return done, events, beats, entered, complaints
        raise AssertionError("integ does not end")

    def expect(self, op, pending, payloads):
        """What `run` should return, from the reference."""
        cycles, events, beats, complaints = op.hi, [], [], set()
        bits = self.bench.p["STATE_BITS"]
        for granule in range(op.lo, op.lo + op.hi):
            for bit in range(16):
                if not pending[granule] >> bit & 1:
                    continue
                axon = granule * 16 + bit
                entry = isa.unpack_fields(isa.AXON_FIELDS, self.entries[axon])
                factor = payloads[axon] if op.flag else 1
                if op.flag2 and factor > 127:
                    factor |= 0x100
                events.append((axon, factor, self.entries[axon]))
                cycles += 3
                if entry["format"] == UNKNOWN:
                    complaints.add("format")
                    continue
                per_word = isa.BEATS_PER_WORD[entry["format"]]
                for beat, _, block in Core.window(None, entry):
                    cycles += 1
                    word, part = divmod(beat, per_word)
                    bad = {"block"} if block >= self.blocks and entry["format"] != isa.SPARSE else set()
                    bad |= {"word"} if word >= self.words else set()
                    complaints |= bad
                    if not bad:
                        at = part * 16 // per_word
                        scale = wrap(factor - (factor >> 8 << 9) << op.shift, bits) & ((1 << bits) - 1)
                        beats.append((self.synapses[word], entry["format"], at, block, op.d, scale))
        return cycles + 3, events, beats, list(range(op.lo, op.lo + op.hi)), complaints


async def runs(dut, faulty):
    integrate = Integrate(dut)
    bench = integrate.bench
    rng = bench.rng
    await bench.start()
    await integrate.fill()
    granules = integrate.axons // 16
    for _ in bench.cycles(25):
        for axon in rng.sample(range(integrate.axons), 16):
            integrate.entries[axon] = integrate.entry(faulty and rng.random() < 0.3)
            await integrate.write("axons", axon, integrate.entries[axon])
        for axon in range(integrate.axons):
            if integrate.entries[axon] == 0:
                await integrate.write("axons", axon, 0)
        density = rng.choice([0.0, 0.1, 1.0])
        pending = [sum((rng.random() < density) << b for b in range(16)) for _ in range(granules)]
        payloads = [rng.choice([0, 1, 127, 128, 255]) for _ in range(integrate.axons)]
        lo = rng.randrange(granules)
        flag = rng.randrange(2) if bench.p["GRADED"] else 0
        op = Op(
            "integ", imm=isa.halves(lo, rng.randint(1, granules - lo)), d=rng.randrange(2), shift=rng.randrange(32),
            flag=flag, flag2=flag and rng.randrange(2),
        )  # fmt: skip
        got = await integrate.run(op, pending, payloads)
        assert got == integrate.expect(op, pending, payloads), listing(op)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def pending_axons_become_beats_in_exact_time(dut):
    await runs(dut, faulty=False)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def windows_that_leave_memory_are_reported_and_not_added(dut):
    await runs(dut, faulty=True)
