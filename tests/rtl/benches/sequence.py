"""Programs issue instruction by instruction, each in its cycle; whatever is wrong ends the timestep with its code."""

import cocotb
from common import Bench

from emulator.spec import isa
from emulator.spec.isa import Op


class Sequence:
    def __init__(self, dut):
        self.bench = Bench(dut)
        self.words = self.bench.p["PROGRAM_WORDS"]
        self.program = [0] * self.words

    async def write(self, address, word):
        for part in range(2):
            await self.bench.cycle(
                host_i=1, host_we_i=1, host_addr_i=address, host_part_i=part, host_data_i=word >> 32 * part
            )
        await self.bench.cycle(host_i=0, host_we_i=0)
        self.program[address] = word

    def instruction(self, room):
        p, rng = self.bench.p, self.bench.rng
        kind = rng.choice(["when", "when", "range", "integ", "vector", "vector", "vector", "end", "wrong"])
        if kind == "when":
            skip = rng.randrange(min(room, 40) if room > 1 and rng.random() < 0.9 else 256)  # or past the end
            span = isa.halves(rng.randrange(6), rng.choice([rng.randrange(8), 0, 0xFFFF]))
            return isa.encode(Op("when", imm=span, d=skip // 16, a=skip % 16, flag=rng.randrange(2)))
        if kind == "range":
            lo = rng.randrange(p["BLOCKS"])
            count = rng.choice([1, p["BLOCKS"] - lo, rng.randint(1, p["BLOCKS"] - lo)])
            return isa.encode(Op("range", imm=isa.halves(lo, count), d=rng.randrange(4)))
        if kind == "integ":
            return isa.encode(Op("integ", imm=isa.halves(0, 1)))
        if kind == "vector":
            return isa.encode(Op("mov", imm_b=1, imm=rng.randrange(100)))
        if kind == "wrong":
            return rng.choice([63 << 58, isa.encode(Op("mov", d=15, imm_b=1))])
        return isa.encode(Op("end", imm=rng.randrange(p["BLOCKS"] + 1)))

    def issues(self, entry, t, timesteps):
        """Yields (address, complaint or None, Op or None, the range); sent the cycles of an integ, yields cost."""
        pc, space = entry, None
        while True:
            if pc >= self.words:
                yield pc, "pc", None, None, isa.END_CYCLES
                return
            try:
                op = isa.decode(self.program[pc])
            except isa.InputError:
                yield pc, "opcode", None, space, isa.END_CYCLES
                return
            cost, complaint, jump = isa.SCALAR_CYCLES, None, pc + 1
            if op.row.vector:
                if space is None or op.d >= self.bench.p["REGISTERS"]:
                    complaint = "operand"
                else:
                    cost = max(space.hi, isa.PIPELINE)
            if op.name == "end" or complaint:
                yield pc, complaint, op, space, isa.END_CYCLES
                return
            yield pc, None, op, space, None if op.name == "integ" else cost
            if op.name == "range":
                space = op
            if op.name == "when" and not op.lo <= t < op.hi + (timesteps if op.flag else 0):
                jump += op.skip
            pc = jump

    async def run(self, entry, t, timesteps, load):
        """One program: every cycle's issue is compared."""
        bench, rng = self.bench, self.bench.rng
        if load:
            await bench.cycle(load_i=1, entry_i=entry)
        for _ in range(4):
            await bench.cycle(load_i=0, t_i=t, timesteps_i=timesteps)
        await bench.cycle(go_i=1)
        steps = 0
        for pc, complaint, op, space, cost in self.issues(entry, t, timesteps):
            steps += 1
            await bench.cycle(go_i=0, integ_done_i=rng.randrange(2) if op is None or op.name != "integ" else 0)
            assert bench.running_o
            assert bench.issue_o, pc
            assert [bench.bad_pc_o, bench.bad_opcode_o, bench.bad_operand_o] == [
                complaint == name for name in ("pc", "opcode", "operand")
            ], pc
            legal = op is not None and complaint is None
            assert bench.vector_o == (legal and op.row.vector), pc
            assert (bench.integ_o, bench.end_o) == (legal and op.name == "integ", legal and op.name == "end"), pc
            if complaint != "pc":
                assert (bench.pc_o, bench.instr_o) == (pc, self.program[pc])
            if space is not None:
                got = bench.range_first_o, bench.range_count_o, bench.range_lanes_o, bench.range_axon_o
                assert got == (space.lo, space.hi, space.d, space.flag), pc
            if cost is None:  # it lasts until the stream is done, and some cycles more
                for _ in range(rng.choice([3, 4, 30])):
                    await bench.cycle(integ_done_i=0)
                    assert not bench.issue_o
                await bench.cycle(integ_done_i=1)
                assert not bench.issue_o
                cost = isa.INTEG_CYCLES - 3
            for _ in range(cost - 1):
                await bench.cycle(integ_done_i=0)
                assert not bench.issue_o, pc
                assert bench.running_o
        await bench.cycle()
        assert not bench.running_o
        return steps


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def each_instruction_lasts_its_cycles(dut):
    sequence = Sequence(dut)
    bench = sequence.bench
    rng = bench.rng
    await bench.start()
    steps = 0
    for _ in bench.cycles(15):
        for address in range(sequence.words):
            await sequence.write(address, sequence.instruction(sequence.words - address))
        for _ in range(6):
            load = rng.randrange(2)
            entry = rng.randrange(sequence.words) if load else 0
            steps += await sequence.run(entry, rng.randrange(9), rng.choice([0, 4, 0xFFFFFF]), load)
    assert steps > 100
