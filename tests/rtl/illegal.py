"""Random images with one thing wrong: what the checker refuses to load, the Verilog must answer with its fault code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cases import case

from emulator.reference import Reference
from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.check import _check_vector, check_image
from emulator.spec.errors import InputError, MachineError
from emulator.spec.image import Image
from emulator.spec.isa import Op
from emulator.verilog.host import FAULTS
from emulator.verilog.verilated import Verilated

Rng = np.random.Generator
OPCODE, OPERAND, PC, FORMAT, BLOCK, WORD, ROUTE, HOST = range(1, 9)  # of FAULTS


@dataclass(frozen=True)
class Case:
    """An image that faults on a core; `route` is injected first if it is what leads nowhere."""

    name: str
    image: Image
    inputs: np.ndarray
    core: int
    code: int
    route: int | None = None


# ------------------------------------------------------------------------------------------------- instructions
def verdict(arch: Any, word: int, space: Op | None, body: bool = False) -> int | None:
    """The fault code of an instruction behind a range (or none) or in a body, by the rules of `emulator.spec.check`."""
    try:
        op = isa.decode(word)
    except InputError:
        return OPCODE
    if op.name == "end":
        wrong = op.lo > arch.blocks or op.hi or body
    elif op.name == "range":
        limit = arch.axon_blocks if op.flag else arch.blocks
        wrong = op.hi < 1 or op.lo + op.hi > limit or op.d >= arch.lanes or (op.flag and not arch.traces) or body
    elif op.name == "integ":
        wrong = op.hi < 1 or op.lo + op.hi > arch.granules or op.d > 1
        wrong = wrong or (op.flag and not arch.graded) or (op.flag2 and not op.flag) or body
        wrong = wrong or op.shift > arch.state_bits - (9 if op.flag else 2)
    elif op.name == "rows":
        wrong = not arch.traces or body or space is None or space.flag or op.swept.stop > arch.axons
        wrong = wrong or op.d >= arch.registers or op.a >= isa.N_PREDICATES or op.c >= arch.traces
        wrong = wrong or not 1 <= op.shift <= 15
    elif op.name == "endrows":
        wrong = not body
    elif not op.row.vector:
        wrong = False
    elif space is None:
        wrong = True
    else:
        try:
            _check_vector(arch, op, space, body, False, InputError)
            wrong = False
        except InputError:
            wrong = True
    return OPERAND if wrong else None


def instruction(rng: Any, arch: Any, opcodes: list[int]) -> int:
    """A word with one of these opcodes; each field that it has is mostly filled with what may be legal.

    Args:
        rng: a `random.Random`.
    """
    if rng.random() < 0.05:
        return rng.getrandbits(64)
    row = isa.BY_OPCODE[rng.choice(opcodes)]
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
            count = rng.choice([0, 1, 2, arch.blocks, arch.granules, arch.axons - 1, 99])
            half = rng.choice([0, 0, rng.randrange(arch.blocks + 2)]) | count << 16
            edge = rng.choice([1, -1]) << rng.choice([15, 16, 17, 18, 23, 24, 31])
            value = rng.choice([0, 1, rng.randrange(16), small, half, edge, edge - 1, value]) & 0xFFFFFFFF
        elif name in ("flag", "flag2", "imm_b"):
            value = rng.randrange(2)
        word |= value << low
    return word


# ------------------------------------------------------------------------------------------------------- images
def with_core(image: Image, number: int, **arrays: Any) -> Image:
    cores = list(image.cores)
    cores[number] = replace(cores[number], **arrays)
    return replace(image, cores=tuple(cores))


@dataclass
class Executed:
    """What a reference does from the reset to the end of one sample.

    Attributes:
        ops: (core, pc, range in force or None, inside a body).
        events: (core, axon) delivered. rows: (core, axon) updated before they were delivered, if they were at all.
    """

    ops: list[tuple[int, int, Op | None, bool]]
    events: list[tuple[int, int]]
    rows: list[tuple[int, int]]


def executed(image: Image, inputs: np.ndarray) -> Executed:
    """Run a sample on a reference and see what it does."""
    found = Executed([], [], [])
    spaces: dict[int, Op | None] = dict.fromkeys(range(image.arch.cores))
    swept: set[int] = set()  # cores that are in a `rows` that has selected an axon
    programs = [[isa.decode(int(word)) for word in core.program] for core in image.cores]

    def retire(kind: str, core: int, *numbers: int) -> None:
        if kind == "event":
            found.events.append((core, numbers[0]))
        elif kind == "row":
            swept.add(core)
            if (core, numbers[0]) not in found.events:
                found.rows.append((core, numbers[0]))
        elif kind == "op":
            pc = numbers[0]
            op = programs[core][pc]
            found.ops.append((core, pc, spaces[core], False))
            if op.name in ("range", "end"):  # every program starts without one
                spaces[core] = op if op.name == "range" else None
            elif op.name == "rows" and core in swept:
                swept.remove(core)
                end = pc + 1 + op.body  # a skip leads there at most
                body = programs[core][pc + 1 : end]
                sure = next((i + 1 for i, step in enumerate(body) if step.name == "when"), len(body))
                found.ops += [(core, at, spaces[core], True) for at in [*range(pc + 1, pc + 1 + sure), end]]

    drive(Reference(image, retire), image, inputs)
    return found


def drive(machine: Any, image: Image, inputs: np.ndarray) -> None:
    machine.reset(len(inputs), 1)
    for values in inputs:
        for i, value in enumerate(values):
            if value:
                for route in image.input_routes[image.input_pointers[i] : image.input_pointers[i + 1]]:
                    machine.inject(int(route), int(value))
        machine.step()


def illegal_cases(arch: Architecture, *seed: int, count: int = 12) -> Iterator[Case]:
    """Illegal images, one thing wrong with each, `count` times over all the kinds of wrong."""
    import random

    for i in range(count):
        image, inputs, _ = case(arch, *seed, i, timesteps=3, learning=bool(arch.traces and i % 2))
        rng = random.Random(repr((seed, i)))
        ran = executed(image, inputs[0])
        yield from wrong_instructions(rng, image, inputs[0], ran)
        yield from wrong_windows(rng, image, inputs[0], ran)
        yield from wrong_rows(rng, image, inputs[0], ran)
        yield from wrong_routes(rng, image, inputs[0])


def wrong_instructions(rng: Any, image: Image, inputs: np.ndarray, ran: Executed) -> Iterator[Case]:
    """An illegal word where the program runs, half of them in bodies if there are; and a program without an end."""
    arch = image.arch
    bodies = [op for op in ran.ops if op[3]]
    for i in range(8):
        core, pc, space, body = rng.choice(bodies if bodies and i % 2 else ran.ops)
        code = None
        while code is None:
            word = instruction(rng, arch, list(isa.BY_OPCODE))
            code = verdict(arch, word, space, body)
        program = image.cores[core].program.copy()
        program[pc] = word
        where = f"{pc}, in a body" if body else f"{pc}"
        yield Case(f"{word:#018x} at {where}", with_core(image, core, program=program), inputs, core, code)
    core = rng.randrange(arch.cores)
    filler = isa.encode(Op("range", imm=isa.halves(0, 1)))
    program = np.full(arch.program_words, filler, np.uint64)
    yield Case("no end", with_core(image, core, program=program, reset_entry=len(program) - 1), inputs, core, PC)


def plastic(image: Image, core: int) -> set[int]:
    """The axons that a core's `rows` sweep."""
    ops = (isa.decode(int(word)) for word in image.cores[core].program)
    return {axon for op in ops if op.name == "rows" for axon in op.swept}


def wrong_windows(rng: Any, image: Image, inputs: np.ndarray, ran: Executed) -> Iterator[Case]:
    """Windows of delivered axons, or of rows, that leave the blocks, the memory, or have no format."""
    arch = image.arch
    for kind in ("format", "block", "word", "stray"):
        known = ran.rows if ran.rows and rng.random() < 0.5 else ran.events
        if not known:
            continue
        core, axon = rng.choice(known)
        axons = np.zeros(arch.axons, np.uint64)
        axons[: len(image.cores[core].axons)] = image.cores[core].axons
        synapses = image.cores[core].synapses.copy()
        fields = {"beats": 0, "runs": 0, "block": rng.randrange(arch.blocks), "word": 0}
        learns = axon in plastic(image, core)
        dense = rng.choice([isa.DENSE16, isa.DENSE8]) if learns else rng.randrange(2, 7)
        if kind == "format":
            code, fields["format"] = FORMAT, 7
        elif kind == "block":
            code, fields["format"] = BLOCK, dense
            fields |= {"beats": rng.randrange(3), "runs": rng.randrange(2), "block_stride": 3}
            fields["block"] = arch.blocks - fields["beats"] - 3 * fields["runs"]  # one too many
            if fields["block"] < 0:
                fields |= {"beats": 0, "runs": 0, "block": arch.blocks}
        elif kind == "word":
            code, fields["format"] = WORD, dense
            fields["word"] = arch.synapse_words + rng.choice([0, 0, 5])
        else:
            if arch.blocks > 255 or learns:  # of a row that learns, the format is wrong first
                continue
            code, fields["format"] = BLOCK, isa.SPARSE
            if len(synapses) == arch.synapse_words:
                continue
            stray = np.zeros((1, arch.lanes), np.uint16)  # in a word of its own, where nothing is learned
            stray[0, rng.randrange(arch.lanes)] = rng.choice([arch.blocks, 255]) << 8 | rng.choice([1, 255])
            fields["word"] = len(synapses)
            synapses = np.concatenate([synapses, stray])
        axons[axon] = isa.pack_fields(isa.AXON_FIELDS, **fields)
        yield Case(f"{kind} of axon {axon}", with_core(image, core, axons=axons, synapses=synapses), inputs, core, code)


def wrong_rows(rng: Any, image: Image, inputs: np.ndarray, ran: Executed) -> Iterator[Case]:
    """Rows that are to learn, of a format that cannot."""
    for core, axon in rng.sample(ran.rows, min(2, len(ran.rows))):
        axons = image.cores[core].axons.copy()
        entry = isa.unpack_fields(isa.AXON_FIELDS, int(axons[axon]))
        kind = rng.choice([isa.NONE, isa.SPARSE, isa.DENSE4, isa.DENSE2, isa.DENSE1])
        axons[axon] = isa.pack_fields(isa.AXON_FIELDS, **(entry | {"format": kind}))
        name = f"row of axon {axon} of format {isa.FORMATS[kind]}"
        yield Case(name, with_core(image, core, axons=axons), inputs, core, FORMAT)


def wrong_routes(rng: Any, image: Image, inputs: np.ndarray) -> Iterator[Case]:
    """Routes, pointers and injected spikes that lead nowhere."""
    arch = image.arch
    limits = {"core": arch.cores, "delay": arch.delay_slots, "axon": arch.axons}
    good = {name: rng.randrange(limit) for name, limit in limits.items()}
    core = rng.randrange(arch.cores)
    for name, limit in limits.items():
        if limit >= 1 << isa.ROUTE_FIELDS[name][1]:
            continue
        route = isa.pack_fields(isa.ROUTE_FIELDS, **(good | {name: limit}))
        routes = np.append(image.cores[core].routes, np.uint32(route))[-arch.routes :]
        yield Case(f"route to {name} {limit}", with_core(image, core, routes=routes), inputs, core, ROUTE)
        yield Case(f"injection to {name} {limit}", image, inputs, arch.cores, HOST, route)
    pointers = image.cores[core].pointers.copy()
    if len(pointers):
        pointers[-1] = isa.pack_fields(isa.POINTER_FIELDS, count=2, first=arch.routes - 1)
        yield Case("pointer past the routes", with_core(image, core, pointers=pointers), inputs, core, ROUTE)


# --------------------------------------------------------------------------------------------------------- check
def refused(case: Case) -> bool:
    """Does the checker refuse the image, or the injected route?"""
    image = case.image
    if case.route is not None:
        image = replace(image, input_routes=np.append(image.input_routes, np.uint32(case.route)))
    try:
        check_image(image)
    except InputError:
        return True
    return False


def check_fault(case: Case, **override: int) -> None:
    """Run it on the Verilog: it must stop with the one right code, and run again once the fault is cleared."""
    where = f"core {case.core}" if case.core < case.image.arch.cores else "the host port"
    try:
        chip = Verilated(case.image, **override)
        if case.route is not None:
            chip.inject(case.route)
        drive(chip, case.image, case.inputs)
    except MachineError as error:
        message = str(error)
    else:
        message = "no fault"
    assert message.startswith(f"the Verilog faulted on {where} "), f"{case.name}: {message}, not on {where}"
    assert message.endswith(FAULTS[case.code]), f"{case.name}: {message}, not {FAULTS[case.code]}"
