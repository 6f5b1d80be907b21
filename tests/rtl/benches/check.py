"""Random instructions, mostly a field away from a legal one: the decoder's verdict is the image checker's."""

from types import SimpleNamespace

import cocotb
from cocotb.triggers import Timer
from common import Bench
from illegal import OPCODE, OPERAND, instruction, verdict

from emulator.spec import isa
from emulator.spec.isa import Op

NAMES = {None: None, OPCODE: "opcode", OPERAND: "operand"}


@cocotb.test()
async def the_decoder_knows_what_the_checker_knows(dut):
    bench = Bench(dut)
    p, rng = bench.p, bench.rng
    arch = SimpleNamespace(
        name="bench", lanes=p["LANES"], state_bits=p["STATE_BITS"], coef_bits=p["COEF_BITS"], blocks=p["BLOCKS"],
        registers=p["REGISTERS"], axons=p["AXONS"], traces=p["TRACES"], graded=bool(p["GRADED"]),
        granules=p["AXONS"] // 16, axon_blocks=p["AXONS"] // p["LANES"],
    )  # fmt: skip
    spaces = [None, Op("range", imm=isa.halves(0, 1))]
    if arch.traces:
        spaces.append(Op("range", imm=isa.halves(0, 1), flag=1))
    seen = {}
    for _ in bench.cycles(600 * len(isa.TABLE)):  # as many of each, however many there are
        space = rng.choice([*spaces, spaces[-1]])
        body = arch.traces > 0 and rng.random() < 0.3  # of rows, which sees to it that the range is of neurons
        space = spaces[1] if body else space
        word = instruction(rng, arch, list(isa.BY_OPCODE))
        valid, axon = space is not None, bool(space and space.flag)
        bench.drive(instr_i=word, range_valid_i=valid, range_axon_i=axon, body_i=body)
        await Timer(1, "ns")
        got = "opcode" if bench.bad_opcode_o else "operand" if bench.bad_operand_o else None
        wanted = NAMES[verdict(arch, word, space, body)]
        assert got == wanted, f"{word:#018x} behind {space}, in a body {body}: {got}, checker {wanted}"
        row = isa.BY_OPCODE.get(word >> 58)
        if wanted != "opcode":
            assert bench.vector_o == (row.vector or row.name in ("rows", "endrows"))
        seen.setdefault((row.name if row else "unknown", wanted), 0)
    for row in isa.TABLE:
        possible = arch.traces > 0 or row.name not in ("rows", "endrows")
        assert ((row.name, None) in seen) == possible, f"no legal {row.name}"
        assert (row.name, "opcode") in seen or row.fields == tuple(isa.FIELDS)
        assert (row.name, "operand") in seen or row.name == "when"
