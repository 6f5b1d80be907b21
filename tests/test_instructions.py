"""The contract of the instruction table: every row is drawn by the random programs, and what lacks a row says so."""

from dataclasses import replace

import numpy as np
import pytest
from programs import random_architecture, random_image

import emulator
from emulator.kernel.counting import instruction_counts
from emulator.reference import Reference
from emulator.spec import isa
from emulator.spec.check import check_image
from emulator.spec.errors import MachineError
from emulator.spec.image import Image, empty_core
from emulator.spec.isa import Instruction, Op
from emulator.spec.ledger import COUNTERS, UNITS
from emulator.spec.listing import listing
from emulator.verilog import host, icarus
from emulator.verilog.verilated import Verilated
from nmcompile.board.flash import flash
from nmcompile.board.runner import Runner

IMAGES = 320  # as many as the kernel is compared on at every change


# ------------------------------------------------------------------------------------- what programs must hold
def kind(code: int) -> str:
    """What sort of source a code is."""
    if code < isa.N_REGISTERS:
        return "a register"
    if code < isa.SRC_TRACE:
        return "a sum, cleared" if code >= isa.SRC_ACC_CLEAR else "a sum"
    return "a trace" if code < isa.SRC_REWARD else "the reward"


def sized(name: str, value: int) -> str:
    """A value of a small field, or whether a larger one is 0."""
    small = isa.FIELDS[name][1] <= 2
    return f"{name} {value if small else 'nonzero' if value else 'zero'}"


def demanded(row: Instruction) -> set[str]:
    """Every form of an instruction that random programs must have drawn."""
    plain = set(row.fields) - {"imm"} - ({"pred", *row.reads} if row.vector else set())
    found = {sized(name, value) for name in plain for value in range(1 << min(2, isa.FIELDS[name][1]))}
    found -= {"shift zero"} if row.unit == "random" or row.name == "rows" else set()
    if row.vector:
        found |= {"in neurons"} | ({"in axons"} if row.writes == "register" else set())
        found |= {"in rows"} if row.writes != "spike" else set()
        codes = range(isa.PRED_PRE + (row.writes != "spike"))
        found |= {f"pred {code | sign}" for code in codes for sign in (0, isa.PRED_NOT)} - {f"pred {isa.PRED_NOT}"}
    for name in row.reads:
        sources = {kind(code) for code in range(len(isa.SOURCES))}
        sources -= {"a sum", "a sum, cleared"} if row.unit == "multiply" and name != "c" else set()
        sources -= {"a trace"} if row.writes == "spike" else set()
        found |= {f"{name} is {source}" for source in sources | ({"a number"} if name == "b" else set())}
    return found


def drawn(op: Op, where: str) -> set[str]:
    """The forms that one instruction of a program has."""
    found = {sized(name, getattr(op, name)) for name in op.row.fields}
    if not op.row.vector:
        return found
    found |= {where, f"pred {op.pred}"}
    for name in op.row.reads:
        if name == "b" and op.imm_b:
            found.add("b is a number")
        elif name != "a?" or op.flag:
            found.add(f"{name} is {kind(op.imm & 15 if name == 'b' else getattr(op, name[0]))}")
    return found


@pytest.fixture(scope="module")
def programs() -> tuple[dict[str, set[str]], set[str]]:
    """Forms of each instruction in the random images, and the formats of their axons."""
    forms: dict[str, set[str]] = {name: set() for name in isa.BY_NAME}
    formats: set[str] = set()
    for seed in range(IMAGES):
        for core in random_image(np.random.default_rng(seed)).cores:
            where = outside = "in neurons"
            for op in map(isa.decode, core.program):
                if op.name == "range":
                    where = outside = "in axons" if op.flag else "in neurons"
                where = "in rows" if op.name == "rows" else outside if op.name == "endrows" else where
                forms[op.name] |= drawn(op, where)
            fields = (isa.unpack_fields(isa.AXON_FIELDS, int(entry)) for entry in core.axons)
            formats |= {isa.FORMATS[entry["format"]] for entry in fields}
    return forms, formats


@pytest.mark.parametrize("row", isa.TABLE, ids=lambda row: row.name)
def test_the_random_programs_draw_every_form_of_an_instruction(row, programs):
    assert demanded(row) - programs[0][row.name] == set()


def test_the_random_programs_draw_every_format_of_an_axon(programs):
    assert programs[1] == set(isa.FORMATS)


# --------------------------------------------------------------------------- an instruction that nobody implements
ABS = isa._vector("abs", 0x15, ("d", "a"), "d = |a|", ("a",), "add")
NAP = Instruction("nap", 0x16, (), "nothing happens", isa.Cost(6))


@pytest.fixture
def strange(monkeypatch):
    """An image with an instruction that only the table knows: of vectors, or another."""

    def make(row: Instruction) -> Image:
        monkeypatch.setitem(isa.BY_NAME, row.name, row)
        monkeypatch.setitem(isa.BY_OPCODE, row.opcode, row)
        arch = random_architecture(np.random.default_rng(0), mesh_width=1, mesh_height=1)
        ops = [Op("range", imm=isa.halves(0, 1), d=arch.lanes - 1), Op(row.name), Op("end"), Op("end")]
        core = replace(empty_core(arch), program=np.array([isa.encode(op) for op in ops], np.uint64), reset_entry=3)
        return Image(arch, (core,), np.zeros(2, np.int64), np.zeros(0, np.uint32), np.zeros((0, 2), int), 0, (), {})

    return make


MACHINES = {
    "the reference": Reference,
    "the kernel": lambda image: emulator.run(image, np.zeros((1, 1, 1), np.uint8)),
    "the Verilog": Verilated,
    "the board": lambda image: flash(None, image),
}


@pytest.mark.parametrize("row", [ABS, NAP], ids=lambda row: row.name)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_refuses_an_instruction_that_it_lacks_by_its_name(machine, row, strange):
    with pytest.raises(MachineError, match=f"^{machine} does not implement '{row.name}'$"):
        MACHINES[machine](strange(row))


def test_icarus_refuses_an_instruction_before_it_starts(strange, monkeypatch):
    monkeypatch.setattr(icarus, "IcarusPort", lambda _: pytest.fail("it started"))
    with pytest.raises(MachineError, match=r"^the Verilog does not implement 'abs'$"):
        icarus.Icarus(strange(ABS))


def test_a_board_that_holds_an_image_is_not_asked_to_run_an_instruction_that_it_lacks(strange):
    with pytest.raises(MachineError, match=r"^the board does not implement 'abs'$"):
        Runner(None, strange(ABS), everything=False)


def test_the_checker_refuses_a_scalar_instruction_that_it_does_not_know(strange):
    with pytest.raises(MachineError, match=r"^the checker does not implement 'nap'$"):
        check_image(strange(NAP))


def test_the_ledger_refuses_a_scalar_instruction_that_it_does_not_know(strange):
    strange(NAP)
    with pytest.raises(MachineError, match=r"^the ledger does not implement 'nap'$"):
        instruction_counts(Op("nap"), None, 8)


def test_the_verilog_implements_the_table():
    assert host.instructions() == set(isa.BY_NAME)


@pytest.mark.parametrize("unit", [unit for unit, counter in UNITS.items() if counter])
def test_the_ledger_names_the_instructions_that_a_counter_counts(unit):
    names = ", ".join(row.name for row in isa.TABLE if row.unit == unit)
    assert COUNTERS[UNITS[unit]] == f"lane operations of {names}"


@pytest.mark.parametrize(
    "wrong",
    [{"fields": ("e",)}, {"reads": ("d",)}, {"writes": "trace"}, {"unit": "divide"}, {"opcode": 64}],
    ids=str,
)
def test_a_row_of_the_table_names_only_what_there_is(wrong):
    message = r"^the row of 'abs' names a field, an operand, a memory or a unit that is not there$"
    with pytest.raises(ValueError, match=message):
        replace(ABS, **wrong)


def test_the_listing_of_a_new_instruction_shows_its_own_operands(strange):
    strange(ABS)
    assert listing(Op("abs", d=1, a=2)) == "abs   r1, r2"


# ------------------------------------------------------------------------------------------------ facts by name
def test_a_when_is_no_longer_than_its_fields():
    assert isa.when(isa.LONGEST_SKIP, 1, 2, of_sample=True).skip == isa.LONGEST_SKIP == 255
    with pytest.raises(ValueError, match=r"^a when skips at most 255 instructions and cannot skip 256$"):
        isa.when(256, 1, 2, of_sample=True)


def test_the_select_register_has_the_fields_of_the_verilog():
    text = (host.rtl_directory() / "nm_host.v").read_text()
    for low, width in host.SELECT_FIELDS.values():
        assert f"req_data_i[{low + width - 1}:{low}]" in text


def test_the_select_register_points_at_a_word():
    assert host.select(3, "synapses", 5) == 0x03700005
    with pytest.raises(ValueError, match=r"^field 'word' is 20 bits wide and cannot hold 1048576$"):
        host.select(3, "synapses", 1 << 20)


def test_the_memory_of_an_image_is_what_its_words_take():
    arch = random_architecture(np.random.default_rng(0), mesh_width=1, mesh_height=1, lanes=4, state_bits=24)
    core = replace(
        empty_core(arch),
        program=np.zeros(3, np.uint64),
        axons=np.zeros(5, np.uint64),
        synapses=np.zeros((7, 4), np.uint16),
        registers=np.zeros((arch.registers, 2, 4), np.int32),
        pointers=np.zeros(11, np.uint32),
        routes=np.zeros(13, np.uint32),
    )
    image = Image(arch, (core,), np.zeros(1, int), np.zeros(0, np.uint32), np.zeros((0, 2), int), 0, (), {})
    assert image.memory_bits == 3 * 64 + 5 * 64 + 7 * 4 * 16 + 11 * 32 + 13 * 32 + arch.registers * 2 * 4 * 24
