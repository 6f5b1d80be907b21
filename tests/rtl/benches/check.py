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

SWEEP = Op("rows", imm=isa.halves(0, 0), round=1, shift=8)  # a body of one instruction


def verdict(arch, word, space, body):
    """ "opcode", "operand" or None, as `check_program` finds it behind a `range` (or none), or in a rows body."""
    try:
        op = isa.decode(word)
    except InputError:
        return "opcode"
    program = [isa.encode(o) for o in ([space] if space else []) + ([SWEEP] if body else [])]
    program += [word] + [isa.encode(Op("mov", imm_b=1))] * (op.body if op.name == "rows" else 0)
    program += [isa.encode(Op("endrows"))] * (body or op.name == "rows")
    program += [isa.encode(Op("end", imm=arch.blocks))] * (op.name != "end" or body)
    # a skip may lead anywhere, and a body end anywhere: that is the program's matter
    if op.name == "when" or (body and op.name == "endrows"):
        return None
    rows = [isa.pack_fields(isa.AXON_FIELDS, word=i, format=isa.DENSE16) for i in range(arch.axons)]
    core = SimpleNamespace(
        program=np.array(program, np.uint64), reset_entry=len(program) - 1, axons=np.array(rows, np.uint64),
        synapses=np.zeros((arch.axons, arch.lanes), np.uint16),
    )  # fmt: skip
    try:
        check_program(arch, core)
    except InputError:
        if op.name == "end" and op.lo <= arch.blocks and not op.hi and not body:
            return None
        return "operand"
    return None


def instruction(rng, arch):
    """Any opcode; each field that it has is filled mostly with what may be legal, others sometimes."""
    if rng.random() < 0.05:
        return rng.getrandbits(64)
    row = rng.choice(isa.TABLE)
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
                | rng.choice([0, 1, 2, arch.blocks, arch.granules, arch.axons - 1, 99]) << 16
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
        body = arch.traces > 0 and rng.random() < 0.3
        space = spaces[1] if body else space
        bench.drive(
            instr_i=word, range_valid_i=space is not None, range_axon_i=bool(space and space.flag), body_i=body
        )  # fmt: skip
        await Timer(1, "ns")
        got = "opcode" if bench.bad_opcode_o else "operand" if bench.bad_operand_o else None
        wanted = verdict(arch, word, space, body)
        assert got == wanted, f"{word:#018x} behind {space}, body {body}: {got}, checker {wanted}"
        row = isa.BY_OPCODE.get(word >> 58)
        if wanted != "opcode":
            assert bench.vector_o == (row.vector or row.name in ("rows", "endrows"))
        seen.setdefault((row.name if row else "unknown", wanted), 0)
    for row in isa.TABLE:
        legal = arch.traces > 0 or row.name not in ("rows", "endrows")
        assert ((row.name, None) in seen) == legal, f"no legal {row.name}"
        assert (row.name, "opcode") in seen or row.fields == tuple(isa.FIELDS)
        assert (row.name, "operand") in seen or row.name == "when"
