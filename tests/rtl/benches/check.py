"""Random instructions, mostly a field away from a legal one: the decoder's verdict is the image checker's."""

from types import SimpleNamespace

import cocotb
import numpy as np
from cocotb.triggers import Timer
from common import Bench

from emulator.spec import isa
from emulator.spec.check import check_program
from emulator.spec.errors import InputError
from emulator.spec.isa import Op

LEARNING = ("rows", "endrows")


def verdict(arch, word, space):
    """ "opcode", "operand" or None, as `check_program` finds it behind a `range` (or none)."""
    try:
        op = isa.decode(word)
    except InputError:
        return "opcode"
    program = [isa.encode(space)] if space else []
    program += [word] if op.name == "end" else [word, isa.encode(Op("end", imm=arch.blocks))]
    # a skip may lead anywhere: that is the program's matter
    if op.name == "when":
        return None
    core = SimpleNamespace(program=np.array(program, np.uint64), reset_entry=len(program) - 1, axons=())
    try:
        check_program(arch, core)
    except InputError:
        if op.name == "end" and op.lo <= arch.blocks and not op.hi:
            return None
        return "operand"
    return None


def instruction(rng, arch):
    """Any opcode; each field that it has is filled mostly with what may be legal, others sometimes."""
    if rng.random() < 0.05:
        return rng.getrandbits(64)
    row = rng.choice([row for row in isa.TABLE if row.name not in LEARNING])
    word = (rng.getrandbits(6) if rng.random() < 0.05 else row.opcode) << 58
    for name, (low, width) in isa.FIELDS.items():
        if name == "op" or (name not in row.fields and rng.random() < 0.97):
            continue
        value = rng.getrandbits(width)
        if name in ("a", "c", "d") and rng.random() < 0.7:
            value = rng.randrange(rng.choice([2, 4, 8, 12]))
        elif name == "pred" and rng.random() < 0.7:
            value = rng.choice([0, 0, 1, 4, 5, 13])
        elif name == "imm":
            small = rng.randrange(-20, 20)
            half = (
                rng.choice([0, 0, rng.randrange(arch.blocks + 2)])
                | rng.choice([0, 1, 2, arch.blocks, arch.granules, 99]) << 16
            )
            edge = rng.choice([1, -1]) << rng.choice([15, 16, 17, 18, 23, 24, 31])
            value = rng.choice([0, 1, rng.randrange(16), small, half, edge, edge - 1, value]) & 0xFFFFFFFF
        elif name in ("flag", "flag2", "imm_b"):
            value = rng.randrange(2)
        word |= value << low
    return word


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
    for _ in bench.cycles(6000):
        space = rng.choice([*spaces, spaces[-1]])
        word = instruction(rng, arch)
        if word >> 58 in [isa.BY_NAME[name].opcode for name in LEARNING]:
            continue
        bench.drive(instr_i=word, range_valid_i=space is not None, range_axon_i=bool(space and space.flag))
        await Timer(1, "ns")
        got = "opcode" if bench.bad_opcode_o else "operand" if bench.bad_operand_o else None
        wanted = verdict(arch, word, space)
        assert got == wanted, f"{word:#018x} behind {space}: {got}, checker {wanted}"
        row = isa.BY_OPCODE.get(word >> 58)
        if wanted != "opcode":
            assert bench.vector_o == row.vector
        seen.setdefault((row.name if row else "unknown", wanted), 0)
    for row in isa.TABLE:
        if row.name not in LEARNING:
            assert (row.name, None) in seen, f"no legal {row.name}"
            assert (row.name, "opcode") in seen or row.fields == tuple(isa.FIELDS)
            assert (row.name, "operand") in seen or row.name == "when"
