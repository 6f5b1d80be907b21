"""The checker: what a machine cannot run is refused by name, and what lies just inside every limit is not."""

import re
from dataclasses import replace

import numpy as np
import pytest

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.check import check_image
from emulator.spec.errors import InputError
from emulator.spec.image import Image, PopulationMap, empty_core
from emulator.spec.isa import Op, halves
from emulator.spec.listing import listing

ARCH = Architecture(
    name="tiny",
    mesh_width=2,
    mesh_height=1,
    lanes=4,
    state_bits=16,
    acc_bits=16,
    coef_bits=16,
    neurons=16,
    registers=3,
    axons=32,
    delay_slots=2,
    synapse_words=8,
    program_words=24,
    routes=8,
    traces=2,
    graded=True,
    clock_hz=1e6,
    rtl=False,
)
PLAIN = replace(ARCH, name="plain", graded=False, traces=0)
END = Op("end")
RANGE = Op("range", imm=halves(0, 4), d=3)
TRACES = Op("range", imm=halves(0, 8), d=3, flag=1)
ROW = {"format": isa.DENSE8, "beats": 3}  # of four blocks, in two words


def entry(**fields):
    return isa.pack_fields(isa.AXON_FIELDS, **fields)


def words(ops):
    return np.array([isa.encode(op) for op in ops], np.uint64)


def core(ops=(END,), reset=(END,), arch=ARCH, axons=(), **arrays):
    made = replace(empty_core(arch), program=words([*ops, *reset]), reset_entry=len(ops))
    entries = np.array([entry(**fields) for fields in axons], np.uint64)
    return replace(made, **{"axons": entries, "synapses": np.zeros((8, 4), np.uint16)} | arrays)


def image(first, arch=ARCH, **fields):
    made = Image(arch, (first, empty_core(arch)), np.zeros(1, np.int64), np.zeros(0, np.uint32), NO_PLACES, 1, ())
    return replace(made, **fields)


NO_PLACES = np.zeros((0, 2), np.int32)


def complaint(made):
    with pytest.raises(InputError) as error:
        check_image(made)
    return str(error.value)


# ---------------------------------------------------------------------------------------------------- programs
def sweep(**fields):
    return {"d": 2, "a": 3, "c": 1, "shift": 15, "imm": halves(0, 0)} | fields


def test_everything_at_its_limit_is_legal():
    ops = [
        Op("when", imm=halves(0, 5), d=0, a=1),
        Op("integ", imm=halves(0, 2), d=1, flag=1, flag2=1, shift=7),
        Op("integ", imm=halves(1, 1), shift=14),
        RANGE,
        Op("mac", d=2, a=0, imm=1, c=9, shift=31),
        Op("mac", d=2, a=0, imm_b=1, imm=2**15 - 1, c=1),
        Op("add", d=0, a=15, imm_b=1, imm=-(2**15)),
        Op("plog", d=3, a=3, c=3, imm=15),
        Op("rnd", d=0, shift=15),
        *isa.rows(
            [Op("when", imm=halves(0, 1), a=1), Op("mov", pred=isa.PRED_PRE | isa.PRED_NOT, d=2, imm=13)], **sweep()
        ),
        RANGE,  # a skip may have left another
        Op("spk", pred=4, flag=1, flag2=1, a=2),
        TRACES,
        Op("mov", pred=isa.PRED_PRE, d=1, imm=0),
        Op("end", imm=halves(4, 0)),
    ]
    reset = [RANGE, Op("mov", d=2, imm_b=1, imm=2**15 - 1), END]
    arrays = {
        "pointers": np.full(16, isa.pack_fields(isa.POINTER_FIELDS, count=8, first=0), np.uint32),
        "routes": np.full(8, isa.pack_fields(isa.ROUTE_FIELDS, core=1, delay=1, axon=31), np.uint32),
        "registers": np.array([-(2**15), 2**15 - 1] * 24, np.int32).reshape(3, 4, 4),
        "synapses": np.full((8, 4), 3 << 8 | 1, np.uint16),
        "seeds": np.full(4, 2**31 - 1, np.uint32),
    }
    axons = [
        ROW,
        {"format": isa.SPARSE, "word": 7},
        {"format": isa.DENSE16, "word": 4, "runs": 1, "block_stride": 2, "beats": 1, "weight_stride": 2},
        {"format": isa.DENSE1, "word": 7, "beat": 15, "block": 3},
        *[{}] * 28,
    ]
    place = np.array([[1, 15], [0, 0]], np.int32)
    population = PopulationMap("p", (2,), 0, 0, place, {}, np.ones(2))
    made = core(ops, reset, axons=axons, **arrays)
    pointers, routes = np.array([0, 0, 2]), arrays["routes"][:2]
    check_image(image(made, input_pointers=pointers, input_routes=routes, outputs=place, populations=(population,)))


BODY = [Op("mov", d=2, imm=0)]
PROGRAMS = [
    # what holds a program together
    ([Op("when", imm=halves(0, 1), a=1), END], 1, "a when skips past the end"),
    ([RANGE, *isa.rows(BODY, **sweep())[:2], END], 1, "no endrows behind the 1 instructions of its body"),
    ([RANGE, Op("endrows"), END], 1, "endrows without rows"),
    ([RANGE, *isa.rows([Op("when", imm=halves(0, 1), a=1)], **sweep()), END], 2, "it skips out of a rows body"),
    ([RANGE, Op("when", imm=halves(0, 1), a=1), *isa.rows(BODY, **sweep()), END], 1, "it skips into a rows body"),
    ([Op("mov", d=0, imm=0), END], 0, "no range before it on every path"),
    ([Op("when", imm=halves(0, 1), a=1), RANGE, Op("mov", d=0, imm=0), END], 2, "no range before it on every path"),
    ([RANGE, Op("spk"), Op("end", imm=halves(3, 0))], 2, "spikes come from 4 blocks, a core has 4"),
    ([Op("end", imm=halves(5, 0))], 0, "spikes come from 0 blocks, a core has 4"),
    ([Op("end", imm=halves(0, 1))], 0, "spikes come from 0 blocks, a core has 4"),
    # range
    ([Op("range", imm=halves(1, 4)), END], 0, "at least one and at most 4 blocks of 4 lanes"),
    ([Op("range", imm=halves(0, 0)), END], 0, "at least one and at most 4 blocks of 4 lanes"),
    ([Op("range", imm=halves(0, 1), d=4), END], 0, "at least one and at most 4 blocks of 4 lanes"),
    ([Op("range", imm=halves(1, 8), flag=1), END], 0, "at least one and at most 8 blocks of 4 lanes"),
    ([RANGE, *isa.rows([RANGE], **sweep()), END], 2, "not inside a rows body"),
    # integ
    ([Op("integ", imm=halves(0, 0)), END], 0, "at least one and at most 2 granules"),
    ([Op("integ", imm=halves(1, 2)), END], 0, "at least one and at most 2 granules"),
    ([RANGE, *isa.rows([Op("integ", imm=halves(0, 1))], **sweep()), END], 2, "not inside a rows body"),
    ([Op("integ", imm=halves(0, 1), d=2), END], 0, "there are two accumulators"),
    ([Op("integ", imm=halves(0, 1), flag2=1), END], 0, "payloads need a graded architecture, signs need payloads"),
    ([Op("integ", imm=halves(0, 1), shift=15), END], 0, "a shift of 15 takes spikes beyond 16 bits"),
    ([Op("integ", imm=halves(0, 1), flag=1, shift=8), END], 0, "a shift of 8 takes spikes beyond 16 bits"),
    # rows
    ([*isa.rows(BODY, **sweep()), END], 0, "it needs a range of neurons before it"),
    ([TRACES, *isa.rows(BODY, **sweep()), END], 1, "it needs a range of neurons before it"),
    ([RANGE, *isa.rows(BODY, **sweep(d=3)), END], 1, "3 registers, 4 predicates, 2 traces"),
    ([RANGE, *isa.rows(BODY, **sweep(a=4)), END], 1, "3 registers, 4 predicates, 2 traces"),
    ([RANGE, *isa.rows(BODY, **sweep(c=2)), END], 1, "3 registers, 4 predicates, 2 traces"),
    ([RANGE, *isa.rows(BODY, **sweep(shift=0)), END], 1, "a row is selected by a mask of 1, 2, 4 and 8"),
    ([RANGE, *isa.rows(BODY, **sweep(shift=16)), END], 1, "a row is selected by a mask of 1, 2, 4 and 8"),
    ([RANGE, *isa.rows(BODY, **sweep(imm=halves(0, 6))), END], 1, "the core has 6 axons"),
    (
        [RANGE, *isa.rows(BODY, **sweep(imm=halves(0, 2))), END],
        1,
        "plastic axon 2 must be one dense row of 8 or 16 bits on a word boundary",
    ),
    (
        [RANGE, *isa.rows(BODY, **sweep(imm=halves(0, 3))), END],
        1,
        "plastic axon 2 must be one dense row of 8 or 16 bits on a word boundary",
    ),
    ([RANGE, *isa.rows(BODY, **sweep(imm=halves(0, 1))), END], 1, "plastic axon 1 shares synapse words"),
    (
        [Op("range", imm=halves(0, 3)), *isa.rows(BODY, **sweep()), END],
        1,
        "plastic axon 0 does not cover the blocks in range",
    ),
    (
        [Op("range", imm=halves(1, 3)), *isa.rows(BODY, **sweep()), END],
        1,
        "plastic axon 0 does not cover the blocks in range",
    ),
    # vectors
    ([RANGE, Op("mov", d=3, imm=0), END], 1, "there are 3 registers here"),
    ([RANGE, Op("mov", d=0, imm=3), END], 1, "there are 3 registers here"),
    ([TRACES, Op("mov", d=2, imm=0), END], 1, "there are 2 registers here"),
    ([TRACES, Op("mov", d=0, imm=2), END], 1, "there are 2 registers here"),
    ([RANGE, Op("plog", d=4, a=0, c=0), END], 1, "there are 4 predicates"),
    ([TRACES, Op("plog", d=0, a=0, c=0), END], 1, "only registers can be written in axon space"),
    ([TRACES, Op("mov", d=0, imm=8), END], 1, "accumulators are not in axon space"),
    ([TRACES, Op("mov", d=0, imm=11), END], 1, "accumulators are not in axon space"),
    ([RANGE, Op("mov", d=0, imm=12), END], 1, "a row's trace is only there inside rows..endrows"),
    (
        [RANGE, *isa.rows([Op("mov", d=2, imm=14)], **sweep()), END],
        2,
        "a row's trace is only there inside rows..endrows",
    ),
    (
        [RANGE, Op("mac", d=0, a=0, imm=1, c=2), END],
        1,
        "the second factor and what is added cannot be two registers",
    ),
    ([RANGE, Op("add", d=0, a=8, imm=9), END], 1, "at most one accumulator can be read"),
    (
        [RANGE, *isa.rows([Op("add", d=2, a=12, imm=13)], **sweep()), END],
        2,
        "at most one of x0..x2 and reward can be read",
    ),
    (
        [RANGE, Op("mul", d=0, a=8, imm_b=1, imm=1), END],
        1,
        "an accumulator is no factor; add it (mac) or move it to a register first",
    ),
    (
        [RANGE, Op("mac", d=0, a=0, imm=11, c=0), END],
        1,
        "an accumulator is no factor; add it (mac) or move it to a register first",
    ),
    ([RANGE, Op("mov", pred=6, d=0, imm=0), END], 1, "no such predicate"),
    ([RANGE, Op("mov", pred=8, d=0, imm=0), END], 1, "no such predicate"),
    ([RANGE, Op("mov", pred=5, d=0, imm=0), END], 1, "pre is only there in axon space and inside rows..endrows"),
    ([TRACES, Op("mov", pred=4, d=0, imm=0), END], 1, "p0..p3 are predicates of neurons"),
    ([RANGE, Op("plog", d=0, a=4, c=0), END], 1, "plog takes p0..p3 and a table of four bits"),
    ([RANGE, Op("plog", d=0, a=0, c=4), END], 1, "plog takes p0..p3 and a table of four bits"),
    ([RANGE, Op("plog", d=0, a=0, c=0, imm=16), END], 1, "plog takes p0..p3 and a table of four bits"),
    ([RANGE, Op("rnd", d=0, shift=0), END], 1, "rnd gives 1..15 bits"),
    ([RANGE, Op("rnd", d=0, shift=16), END], 1, "rnd gives 1..15 bits"),
    ([RANGE, Op("add", d=0, a=0, imm_b=1, imm=2**15), END], 1, "the immediate does not fit 16 bits"),
    ([RANGE, Op("mul", d=0, a=0, imm_b=1, imm=-(2**15) - 1), END], 1, "the immediate does not fit 16 bits"),
    ([RANGE, Op("add", d=0, a=0, imm=16), END], 1, "the second operand is not a source code"),
    ([RANGE, *isa.rows([Op("spk")], **sweep()), END], 2, "no spikes in a reset program or a rows body"),
    ([RANGE, Op("spk", flag2=1), END], 1, "payloads need a graded architecture"),
    ([RANGE, Op("spk", a=1), END], 1, "payloads need a graded architecture"),
]  # fmt: skip
AXONS = [
    ROW,
    ROW | {"word": 2},
    ROW | {"word": 4, "format": isa.DENSE4},
    {"format": isa.DENSE16, "word": 3},
    *[{}] * 2,
]


@pytest.mark.parametrize(("ops", "at", "text"), PROGRAMS)
def test_a_program_that_cannot_run_is_refused_at_its_address(ops, at, text):
    assert complaint(image(core(ops, axons=AXONS))) == f"core 0: program address {at} ({listing(ops[at])}): {text}"


@pytest.mark.parametrize(
    ("ops", "at", "text"),
    [
        ([TRACES, END], 0, "'plain' has no traces"),
        ([RANGE, *isa.rows(BODY, **sweep()), END], 1, "'plain' has no traces"),
        ([Op("integ", imm=halves(0, 1), flag=1), END], 0, "payloads need a graded architecture, signs need payloads"),
        ([RANGE, Op("spk", flag=1), END], 1, "payloads need a graded architecture"),
    ],
)
def test_a_program_for_more_than_an_architecture_has_is_refused(ops, at, text):
    made = image(core(ops, axons=AXONS, arch=PLAIN), PLAIN)
    assert complaint(made) == f"core 0: program address {at} ({listing(ops[at])}): {text}"


@pytest.mark.parametrize(
    ("ops", "at", "text"),
    [
        ([Op("integ", imm=halves(0, 1)), END], 0, "not in a reset program"),
        ([RANGE, *isa.rows(BODY, **sweep()), END], 1, "not in a reset program"),
        ([RANGE, Op("spk"), END], 1, "no spikes in a reset program or a rows body"),
    ],
)
def test_a_reset_program_only_sets_registers(ops, at, text):
    made = image(core(reset=ops, axons=AXONS))
    assert complaint(made) == f"core 0: program address {1 + at} ({listing(ops[at])}): {text}"


@pytest.mark.parametrize(
    ("program", "entry", "message"),
    [
        ([END, RANGE], 0, "the program does not finish with end"),
        ([], 0, "the program does not finish with end"),
        ([END, END], 2, "reset entry 2 lies outside the program of 2"),
        ([END, END], -1, "reset entry -1 lies outside the program of 2"),
    ],
)
def test_a_program_has_an_end_and_an_entry(program, entry, message):
    assert complaint(image(core(program=words(program), reset_entry=entry))) == f"core 0: {message}"


def test_a_word_that_is_no_instruction_is_refused_at_its_address():
    program = np.array([isa.encode(END), 63 << 58], np.uint64)
    message = "instruction word 0xfc00000000000000 has an unknown opcode"
    assert complaint(image(core(program=program, reset_entry=0))) == f"core 0: program address 1: {message}"


# ----------------------------------------------------------------------------------------------- axons and memories
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": 7}, "axon 1 has an unknown format"),
        ({"format": isa.DENSE8, "beat": 2}, "axon 1 starts beyond its first word"),
        ({"format": isa.DENSE16, "word": 8}, "axon 1 reads past the 8 synapse words"),
        ({"format": isa.DENSE8, "word": 7, "beat": 1, "beats": 1}, "axon 1 reads past the 8 synapse words"),
        (
            {"format": isa.DENSE8, "word": 6, "runs": 1, "weight_stride": 4, "block_stride": 2},
            "axon 1 reads past the 8 synapse words",
        ),
        ({"format": isa.SPARSE, "word": 6, "beats": 2}, "axon 1 reads past the 8 synapse words"),
        ({"format": isa.DENSE16, "block": 4}, "axon 1 reaches block 4, a core has 4"),
        ({"format": isa.DENSE16, "block": 3, "beats": 1}, "axon 1 reaches block 4, a core has 4"),
        (
            {"format": isa.DENSE16, "block": 1, "runs": 1, "block_stride": 3},
            "axon 1 reaches block 4, a core has 4",
        ),
        (
            {"format": isa.DENSE16, "runs": 1, "beats": 1, "block_stride": 1},
            "axon 1 has runs that overlap: a row meets a target once",
        ),
        ({"format": isa.DENSE16, "runs": 1}, "axon 1 has runs that overlap: a row meets a target once"),
        ({"format": isa.SPARSE, "runs": 1}, "a sparse axon has more than one run"),
    ],
)
def test_a_window_that_leaves_its_memory_or_meets_a_target_twice_is_refused(fields, message):
    assert complaint(image(core(axons=[ROW, fields]))) == f"core 0: {message}"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ([4, 0], "a sparse synapse targets block 4, a core has 4"),
        ([2, 2], "a sparse row meets a target twice"),
    ],
)
def test_a_sparse_row_names_blocks_that_there_are_once_each(block, message):
    synapses = np.zeros((8, 4), np.uint16)
    synapses[3:5, 1] = [b << 8 | 1 for b in block]
    made = core(axons=[{"format": isa.SPARSE, "word": 3, "beats": 1}], synapses=synapses)
    assert complaint(image(made)) == f"core 0: {message}"


def test_two_sparse_rows_may_meet_one_target():
    synapses = np.full((8, 4), 2 << 8 | 1, np.uint16)
    check_image(image(core(axons=[{"format": isa.SPARSE, "word": word} for word in (3, 4)], synapses=synapses)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"axons": np.zeros(2, np.int64)}, "axons is int64 with 1 axes, expected uint64, 1"),
        ({"axons": np.zeros((2, 1), np.uint64)}, "axons is uint64 with 2 axes, expected uint64, 1"),
        ({"program": words([END] * 25)}, "program: 25 used, 'tiny' has 24"),
        ({"axons": np.zeros(33, np.uint64)}, "axons: 33 used, 'tiny' has 32"),
        ({"synapses": np.zeros((9, 4), np.uint16)}, "synapses: 9 used, 'tiny' has 8"),
        ({"pointers": np.zeros(17, np.uint32)}, "pointers: 17 used, 'tiny' has 16"),
        ({"routes": np.zeros(9, np.uint32)}, "routes: 9 used, 'tiny' has 8"),
        ({"registers": np.zeros((3, 5, 4), np.int32)}, "register blocks: 5 used, 'tiny' has 4"),
        ({"registers": np.zeros((2, 1, 4), np.int32)}, "registers or synapses are not for 3 registers of 4 lanes"),
        ({"registers": np.zeros((3, 1, 5), np.int32)}, "registers or synapses are not for 3 registers of 4 lanes"),
        ({"synapses": np.zeros((1, 5), np.uint16)}, "registers or synapses are not for 3 registers of 4 lanes"),
        ({"registers": np.full((3, 1, 4), 2**15, np.int32)}, "an initial register value does not fit 16 bits"),
        ({"registers": np.full((3, 1, 4), -(2**15) - 1, np.int32)}, "an initial register value does not fit 16 bits"),
        ({"seeds": np.ones(3, np.uint32)}, "4 random seeds of 31 bits are needed, none of them 0"),
        ({"seeds": np.array([1, 1, 0, 1], np.uint32)}, "4 random seeds of 31 bits are needed, none of them 0"),
        ({"seeds": np.full(4, 2**31, np.uint32)}, "4 random seeds of 31 bits are needed, none of them 0"),
        ({"pointers": np.array([1 << 20], np.uint32)}, "a route pointer runs past the routes"),
        (
            {"pointers": np.array([1 << 20 | 2], np.uint32), "routes": np.zeros(2, np.uint32)},
            "a route pointer runs past the routes",
        ),
        ({"routes": np.array([2 << 24], np.uint32)}, "a route to core 2, 'tiny' has 2"),
        ({"routes": np.array([2 << 20], np.uint32)}, "a route with delay 2, 2 slots"),
        ({"routes": np.array([32], np.uint32)}, "a route to axon 32, a core has 32"),
    ],
)
def test_a_core_holds_what_its_architecture_has(arrays, message):
    assert complaint(image(replace(core(), **arrays))) == f"core 0: {message}"


ROUTES = np.zeros(2, np.uint32)
FAR = PopulationMap("p", (1,), 0, 0, np.array([[0, 16]], np.int32), {}, np.ones(1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cores": (empty_core(ARCH),)}, "the image has 1 cores, architecture 'tiny' has 2"),
        ({"input_routes": np.array([2 << 24], np.uint32)}, "a route to core 2, 'tiny' has 2"),
        (
            {"input_pointers": np.array([1, 2]), "input_routes": ROUTES},
            "the input pointers do not cover the input routes",
        ),
        (
            {"input_pointers": np.array([0, 1]), "input_routes": ROUTES},
            "the input pointers do not cover the input routes",
        ),
        (
            {"input_pointers": np.array([0, 2, 1, 2]), "input_routes": ROUTES},
            "the input pointers do not cover the input routes",
        ),
        ({"outputs": np.zeros((1, 3), np.int32)}, "a neuron table has shape (1, 3), expected (n, 2)"),
        ({"outputs": np.zeros(2, np.int32)}, "a neuron table has shape (2,), expected (n, 2)"),
        ({"outputs": np.array([[2, 0]], np.int32)}, "a neuron outside 2 cores of 16 neurons"),
        ({"outputs": np.array([[0, -1]], np.int32)}, "a neuron outside 2 cores of 16 neurons"),
        ({"populations": (FAR,)}, "a neuron outside 2 cores of 16 neurons"),
    ],
)
def test_an_image_names_cores_neurons_and_routes_that_there_are(fields, message):
    assert complaint(image(core(), **fields)) == message


def test_a_fault_of_a_later_core_is_named_with_its_number():
    bad = core(routes=np.array([32], np.uint32))
    assert complaint(image(core(), cores=(core(), bad))) == "core 1: a route to axon 32, a core has 32"


# ----------------------------------------------------------------------------------------------- architectures
LIMITS = [
    ("lanes", (1, 2, 4, 8, 16), (3, 32), "1, 2, 4, 8 or 16"),
    ("state_bits", (16,), (8, 20), "16, 24 or 32"),
    ("acc_bits", (16, 17, 32), (15, 33), "from state_bits to 32"),
    ("coef_bits", (16, 18), (17,), "16 or 18"),
    ("registers", (1, 8), (0, 9), "1..8"),
    ("neurons", (4, 1024), (0, 6), "a positive multiple of lanes"),
    ("neurons", (), (1028,), "at most 256 blocks of lanes"),
    ("axons", (16, 1 << 20), (0, 24), "a positive multiple of 16"),
    ("axons", (), ((1 << 20) + 16,), "at most 2**20"),
    ("delay_slots", (1, 2, 4, 8, 16), (0, 3, 32), "1, 2, 4, 8 or 16"),
    ("synapse_words", (1, 1 << 20), (0, (1 << 20) + 1), "1..2**20"),
    ("program_words", (1, 1 << 12), (0, (1 << 12) + 1), "1..4096"),
    ("routes", (1, 1 << 20), (0, (1 << 20) + 1), "1..2**20"),
    ("traces", (0, 3), (-1, 4), "0..3"),
    ("mesh_width", (1, 16), (0, 17), "1..16"),
    ("mesh_height", (1, 16), (0, 17), "1..16"),
    ("clock_hz", (1e-3,), (0.0, -1.0), "a positive frequency in hertz"),
]


@pytest.mark.parametrize(("field", "legal", "illegal", "rule"), LIMITS)
def test_sizes_of_an_architecture_have_limits(field, legal, illegal, rule):
    for value in legal:
        assert getattr(replace(ARCH, **{field: value}), field) == value
    for value in illegal:
        with pytest.raises(InputError) as error:
            replace(ARCH, **{field: value})
        assert str(error.value) == f"architecture 'tiny': {field} = {value}, but it must be {rule}"


def test_memories_of_an_architecture_are_counted_in_bits():
    assert ARCH.memories() == {
        "program": (24, 64),
        "registers": (3 * 4, 4 * 16),
        "accumulators": (2 * 4, 4 * 16),
        "predicates": (4, 4 * 4),
        "spikes": (4, 4),
        "pending": (2 * 2, 16),
        "axons": (32, 64),
        "synapses": (8, 16 * 4),
        "pointers": (16, 32),
        "routes": (8, 32),
        "payloads": (2 * 32, 8),
        "spike_payloads": (4, 8 * 4),
        "traces": (2 * 8, 4 * 16),
        "delivered": (2, 16),
    }
    assert ARCH.memory_bits() == 2 * sum(words * bits for words, bits in ARCH.memories().values())
    assert set(ARCH.memories()) - set(PLAIN.memories()) == {"payloads", "spike_payloads", "traces", "delivered"}


# ------------------------------------------------------------------------------------------------------- words
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: isa.pack_fields(isa.ROUTE_FIELDS, core=256), "field 'core' is 8 bits wide and cannot hold 256"),
        (lambda: isa.pack_fields(isa.ROUTE_FIELDS, axon=-1), "field 'axon' is 20 bits wide and cannot hold -1"),
        (lambda: halves(1 << 16, 0), "an immediate half is 16 bits wide and cannot hold 65536"),
        (lambda: halves(0, -1), "an immediate half is 16 bits wide and cannot hold -1"),
        (lambda: isa.rows(BODY * 64), "a rows body has at most 63 instructions and cannot have 64"),
        (lambda: isa.encode(Op("mov", d=16)), "field 'd' is 4 bits wide and cannot hold 16"),
        (lambda: isa.encode(Op("mov", d=-1)), "field 'd' is 4 bits wide and cannot hold -1"),
        (lambda: isa.encode(Op("end", shift=1)), "end has no field 'shift'"),
        (lambda: isa.encode(Op("add", imm_b=1, imm=2**31)), "immediate 2147483648 does not fit 32 bits"),
        (lambda: isa.encode(Op("add", imm_b=1, imm=-(2**31) - 1)), "immediate -2147483649 does not fit 32 bits"),
    ],
)
def test_what_a_word_cannot_hold_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_a_field_that_an_instruction_has_not_is_refused():
    word = isa.encode(END) | 3 << isa.FIELDS["d"][0]
    with pytest.raises(InputError) as error:
        isa.decode(word)
    assert str(error.value) == f"instruction word {word:#018x}: end has no field 'd'"


def test_what_a_word_can_hold_comes_back():
    route = {"core": 255, "delay": 15, "axon": (1 << 20) - 1}
    assert isa.unpack_fields(isa.ROUTE_FIELDS, isa.pack_fields(isa.ROUTE_FIELDS, **route)) == route
    for op in (
        Op("add", pred=15, d=15, a=15, imm_b=1, imm=-(2**31)),
        Op("mac", d=7, a=3, c=15, shift=31, round=2, imm_b=1, imm=2**31 - 1),
        Op("range", imm=halves(65535, 65535), d=1, flag=1),
        isa.rows(BODY * 63, **sweep(imm=halves(2, 40)))[0],
    ):
        assert isa.decode(isa.encode(op)) == op
    assert (op.body, op.swept) == (63, range(2 * 16, 2 * 16 + 41))
    assert (Op("when", d=15, a=15).skip, Op("end", imm=halves(65535, 1)).lo) == (255, 65535)
