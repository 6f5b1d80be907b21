"""Prove that an image cannot fault: every address, field and instruction is checked before a machine runs it.

As programs have no backward jumps but rows..endrows, and addresses are constants, all of it is static.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import isa
from .arch import Architecture
from .errors import InputError, MachineError
from .fixedpoint import LFSR_BITS, LFSR_STEPS
from .image import CORE_ARRAYS, CoreImage, Image
from .listing import listing
from .rows import beat_table, unpack

Complain = Callable[[str], InputError]  # names the instruction and says what is wrong with it


def check_image(image: Image) -> None:
    """Raise InputError naming the first core and word that its architecture cannot run."""
    arch = image.arch
    if len(image.cores) != arch.cores:
        raise InputError(f"the image has {len(image.cores)} cores, architecture {arch.name!r} has {arch.cores}")
    for number, core in enumerate(image.cores):
        try:
            _check_core(arch, core)
            _check_routes(arch, core.routes)
        except InputError as error:
            raise InputError(f"core {number}: {error}") from None
    _check_routes(arch, image.input_routes)
    pointers = image.input_pointers
    if pointers[0] != 0 or pointers[-1] != len(image.input_routes) or np.any(np.diff(pointers) < 0):
        raise InputError("the input pointers do not cover the input routes")
    places = [image.outputs, *(p.location for p in image.populations)]
    for place in places:
        if place.ndim != 2 or place.shape[1] != 2:
            raise InputError(f"a neuron table has shape {place.shape}, expected (n, 2)")
        if len(place) and (place.min() < 0 or place[:, 0].max() >= arch.cores or place[:, 1].max() >= arch.neurons):
            raise InputError(f"a neuron outside {arch.cores} cores of {arch.neurons} neurons")


def _check_core(arch: Architecture, core: CoreImage) -> None:
    for name, (kind, ndim) in CORE_ARRAYS.items():
        array = getattr(core, name)
        if array.dtype != kind or array.ndim != ndim:
            raise InputError(f"{name} is {array.dtype} with {array.ndim} axes, expected {kind.__name__}, {ndim}")
    limits = (
        ("program", len(core.program), arch.program_words),
        ("axons", len(core.axons), arch.axons),
        ("synapses", len(core.synapses), arch.synapse_words),
        ("pointers", len(core.pointers), arch.neurons),
        ("routes", len(core.routes), arch.routes),
        ("register blocks", core.registers.shape[1], arch.blocks),
    )
    for name, used, limit in limits:
        if used > limit:
            raise InputError(f"{name}: {used} used, {arch.name!r} has {limit}")
    if core.registers.shape[::2] != (arch.registers, arch.lanes) or core.synapses.shape[1] != arch.lanes:
        raise InputError(f"registers or synapses are not for {arch.registers} registers of {arch.lanes} lanes")
    bound = 1 << (arch.state_bits - 1)
    if core.registers.size and (core.registers.min() < -bound or core.registers.max() >= bound):
        raise InputError(f"an initial register value does not fit {arch.state_bits} bits")
    if len(core.seeds) != arch.lanes or not core.seeds.all() or np.any(core.seeds >> LFSR_BITS):
        raise InputError(f"{arch.lanes} random seeds of {LFSR_BITS} bits are needed, none of them 0")
    check_axons(arch, core)
    check_program(arch, core)
    pointer = unpack(isa.POINTER_FIELDS, core.pointers)
    if np.any((pointer["count"] > 0) & (pointer["first"] + pointer["count"] > len(core.routes))):
        raise InputError("a route pointer runs past the routes")


def _check_routes(arch: Architecture, routes: np.ndarray) -> None:
    if len(routes) == 0:
        return
    core, delay, axon = (int(values.max()) for values in unpack(isa.ROUTE_FIELDS, routes).values())
    if core >= arch.cores:
        raise InputError(f"a route to core {core}, {arch.name!r} has {arch.cores}")
    if delay >= arch.delay_slots:
        raise InputError(f"a route with delay {delay}, {arch.delay_slots} slots")
    if axon >= arch.axons:
        raise InputError(f"a route to axon {axon}, a core has {arch.axons}")


def check_axons(arch: Architecture, core: CoreImage) -> None:
    """Every beat of every window must lie in synapse memory and in the core's blocks."""
    entry = core.axons
    if len(entry) == 0:
        return
    part = unpack(isa.AXON_FIELDS, entry)
    used = part["format"] != isa.NONE
    if np.any(part["format"] >= len(isa.FORMATS)):
        raise InputError(f"axon {int(np.argmax(part['format'] >= len(isa.FORMATS)))} has an unknown format")
    per_word = np.array(isa.BEATS_PER_WORD)[part["format"]]
    if np.any(used & (part["beat"] >= per_word)):
        raise InputError(f"axon {int(np.argmax(used & (part['beat'] >= per_word)))} starts beyond its first word")
    beats, runs = part["beats"] + 1, part["runs"] + 1
    first = part["word"] * per_word + part["beat"]
    last = first + (runs - 1) * part["weight_stride"] + beats - 1
    late = used & (last // per_word >= len(core.synapses))
    if late.any():
        raise InputError(f"axon {int(late.argmax())} reads past the {len(core.synapses)} synapse words")
    sparse = part["format"] == isa.SPARSE
    reach = part["block"] + (runs - 1) * part["block_stride"] + beats - 1
    far = used & ~sparse & (reach >= arch.blocks)
    if far.any():
        raise InputError(f"axon {int(far.argmax())} reaches block {int(reach.max())}, a core has {arch.blocks}")
    twice = used & ~sparse & (runs > 1) & (part["block_stride"] < beats)
    if twice.any():
        raise InputError(f"axon {int(twice.argmax())} has runs that overlap: a row meets a target once")
    if sparse.any():
        if np.any(sparse & (part["runs"] > 0)):
            raise InputError("a sparse axon has more than one run")
        _check_sparse(arch, core.synapses, first[sparse], beats[sparse])


def _check_sparse(arch: Architecture, synapses: np.ndarray, first: np.ndarray, beats: np.ndarray) -> None:
    row = np.repeat(np.arange(len(first)), beats)
    word = np.arange(len(row)) - np.repeat(np.cumsum(beats) - beats, beats) + np.repeat(first, beats)
    slot = synapses[word]
    beat, lane = np.nonzero(slot & 0xFF)
    block = (slot[beat, lane] >> 8).astype(np.int64)
    if block.size and block.max() >= arch.blocks:
        raise InputError(f"a sparse synapse targets block {int(block.max())}, a core has {arch.blocks}")
    target = np.sort((row[beat] * arch.lanes + lane) * 256 + block)
    if np.any(target[1:] == target[:-1]):
        raise InputError("a sparse row meets a target twice")


def check_program(arch: Architecture, core: CoreImage) -> None:
    """Every instruction that can be reached must be legal where it stands."""
    ops = []
    for address, word in enumerate(core.program):
        try:
            ops.append(isa.decode(word))
        except InputError as error:
            raise InputError(f"program address {address}: {error}") from None
    if not ops or ops[-1].name != "end":
        raise InputError("the program does not finish with end")
    if not 0 <= core.reset_entry < len(ops):
        raise InputError(f"reset entry {core.reset_entry} lies outside the program of {len(ops)}")
    _walk(arch, core, ops, 0, resetting=False)
    _walk(arch, core, ops, core.reset_entry, resetting=True)


def _walk(arch: Architecture, core: CoreImage, ops: list[isa.Op], start: int, resetting: bool) -> None:
    """Follow the program in address order from `start` to its `end`; a skip may not leave or enter a rows body.

    A `range` skipped by `when` would leave the range unknown, so whatever follows the skipped part must set its own.
    """
    where, space, in_rows = start, None, None  # space: (first, count, axon) of the last range
    forget: set[int] = set()  # addresses where skips land
    fired = 0  # blocks that can have spiked
    while True:
        if where >= len(ops):
            raise InputError("a program runs past its last word")
        op = ops[where]

        def bad(text: str, op: isa.Op = op, where: int = where) -> InputError:
            return InputError(f"program address {where} ({listing(op)}): {text}")

        if where in forget:
            space = None
        if op.name == "end":
            if in_rows:
                raise bad("rows without endrows")
            if any(target > where for target in forget):
                raise bad("a when skips past the end")
            if not fired <= op.lo <= arch.blocks or op.hi:
                raise bad(f"spikes come from {fired} blocks, a core has {arch.blocks}")
            return
        if op.name == "when":
            target = where + 1 + op.skip
            if in_rows and any(o.name == "endrows" for o in ops[where + 1 : target]):
                raise bad("it skips out of a rows body")
            if not in_rows and _opens(ops[where + 1 : target]):
                raise bad("it skips into a rows body")
            forget.add(target)
        elif op.name == "range":
            limit = arch.axon_blocks if op.flag else arch.blocks
            if op.hi < 1 or op.lo + op.hi > limit or op.d >= arch.lanes:
                raise bad(f"at least one and at most {limit} blocks of {arch.lanes} lanes")
            if in_rows:
                raise bad("not inside a rows body")
            if op.flag and not arch.traces:
                raise bad(f"{arch.name!r} has no traces")
            space = op
        elif op.name in ("integ", "rows"):
            if op.name == "integ" and (op.hi < 1 or op.lo + op.hi > arch.granules):
                raise bad(f"at least one and at most {arch.granules} granules")
            if resetting or in_rows:
                raise bad("not in a reset program" if resetting else "not inside a rows body")
            if op.name == "integ":
                if op.d > 1:
                    raise bad("there are two accumulators")
                if (op.flag and not arch.graded) or (op.flag2 and not op.flag):
                    raise bad("payloads need a graded architecture, signs need payloads")
                if op.shift > isa.largest_shift(arch.state_bits, bool(op.flag)):
                    raise bad(f"a shift of {op.shift} takes spikes beyond {arch.state_bits} bits")
            else:
                _check_rows(arch, core, op, space, bad)
                if [o.name for o in ops[where + 1 + op.body : where + 2 + op.body]] != ["endrows"]:
                    raise bad(f"no endrows behind the {op.body} instructions of its body")
                in_rows = op
        elif op.name == "endrows":
            if not in_rows:
                raise bad("endrows without rows")
            in_rows = None
        else:
            if not op.row.vector:
                raise MachineError(f"the checker does not implement {op.name!r}")
            if space is None:
                raise bad("no range before it on every path")
            _check_vector(arch, op, space, in_rows is not None, resetting, bad)
            if op.name == "spk":
                fired = max(fired, space.lo + space.hi)
        where += 1


def _opens(ops: list[isa.Op]) -> bool:
    depth = 0
    for op in ops:
        depth += (op.name == "rows") - (op.name == "endrows")
    return depth != 0


def _check_rows(arch: Architecture, core: CoreImage, op: isa.Op, space: isa.Op | None, bad: Complain) -> None:
    if not arch.traces:
        raise bad(f"{arch.name!r} has no traces")
    if space is None or space.flag:
        raise bad("it needs a range of neurons before it")
    if op.d >= arch.registers or op.a >= isa.N_PREDICATES or op.c >= arch.traces:
        raise bad(f"{arch.registers} registers, {isa.N_PREDICATES} predicates, {arch.traces} traces")
    if not 1 <= op.shift <= 15:
        raise bad("a row is selected by a mask of 1, 2, 4 and 8")
    if op.swept.stop > len(core.axons):
        raise bad(f"the core has {len(core.axons)} axons")
    for axon in op.swept:
        entry = isa.unpack_fields(isa.AXON_FIELDS, int(core.axons[axon]))
        plain = entry["runs"] == 0 and entry["beat"] == 0
        if entry["format"] not in (isa.DENSE8, isa.DENSE16) or not plain:
            raise bad(f"plastic axon {axon} must be one dense row of 8 or 16 bits on a word boundary")
        if (entry["block"], entry["beats"] + 1) != (space.lo, space.hi):
            raise bad(f"plastic axon {axon} does not cover the blocks in range")
    _check_unshared(core, op.swept, bad)


def _check_unshared(core: CoreImage, plastic: range, bad: Complain) -> None:
    """Plastic rows have their synapse words to themselves, or an update would change other axons' weights."""
    axon, beat, _, _, kind = beat_table(core.axons)
    n_words = max(1, len(core.synapses))
    word = np.minimum(beat // np.array(isa.BEATS_PER_WORD)[kind], n_words - 1)
    pair = np.unique(axon * n_words + word)
    users = np.bincount(pair % n_words, minlength=n_words)
    shared = np.isin(pair // n_words, list(plastic)) & (users[pair % n_words] > 1)
    if shared.any():
        raise bad(f"plastic axon {int(pair[shared][0] // n_words)} shares synapse words")


def _check_vector(arch: Architecture, op: isa.Op, space: isa.Op, in_rows: bool, resetting: bool, bad: Complain) -> None:
    axon_space = bool(space.flag)
    n_registers = arch.traces if axon_space else arch.registers
    if op.row.writes == "register" and op.d >= n_registers:
        raise bad(f"there are {n_registers} registers here")
    if op.row.writes == "predicate" and op.d >= isa.N_PREDICATES:
        raise bad(f"there are {isa.N_PREDICATES} predicates")
    if axon_space and op.row.writes != "register":
        raise bad("only registers can be written in axon space")
    for code in op.sources:
        if code < isa.N_REGISTERS:
            if code >= n_registers:
                raise bad(f"there are {n_registers} registers here")
        elif code < isa.SRC_TRACE and axon_space:
            raise bad("accumulators are not in axon space")
        elif isa.SRC_TRACE <= code < isa.SRC_REWARD and (not in_rows or code - isa.SRC_TRACE >= arch.traces):
            raise bad("a row's trace is only there inside rows..endrows")
    if op.name == "mac" and not op.imm_b and op.imm != op.c and max(op.imm, op.c) < isa.N_REGISTERS:
        raise bad("the second factor and what is added cannot be two registers")
    if len([c for c in op.sources if isa.SRC_ACC <= c < isa.SRC_TRACE]) > 1:
        raise bad("at most one accumulator can be read")
    if len({c for c in op.sources if c >= isa.SRC_TRACE}) > 1:
        raise bad("at most one of x0..x2 and reward can be read")
    factors = op.sources[:-1] if op.name == "mac" else op.sources
    if op.row.unit == "multiply" and any(isa.SRC_ACC <= code < isa.SRC_TRACE for code in factors):
        raise bad("an accumulator is no factor; add it (mac) or move it to a register first")
    code = op.pred & 7
    if code > isa.PRED_PRE or op.pred == isa.PRED_NOT:
        raise bad("no such predicate")
    if code == isa.PRED_PRE and not (axon_space or in_rows):
        raise bad("pre is only there in axon space and inside rows..endrows")
    if axon_space and code not in (0, isa.PRED_PRE):
        raise bad("p0..p3 are predicates of neurons")
    if op.name == "plog" and (op.a >= isa.N_PREDICATES or op.c >= isa.N_PREDICATES or not 0 <= op.imm < 16):
        raise bad("plog takes p0..p3 and a table of four bits")
    if op.name == "rnd" and not 1 <= op.shift < min(LFSR_STEPS, arch.state_bits):
        raise bad(f"rnd gives 1..{min(LFSR_STEPS, arch.state_bits) - 1} bits")
    if op.imm_b:
        bits = arch.coef_bits if op.row.unit == "multiply" else arch.state_bits
        if not -(1 << (bits - 1)) <= op.imm < 1 << (bits - 1):
            raise bad(f"the immediate does not fit {bits} bits")
    elif "imm_b" in op.row.fields and op.imm >> 4:
        raise bad("the second operand is not a source code")
    if op.name == "spk":
        if resetting or in_rows:
            raise bad("no spikes in a reset program or a rows body")
        if (op.flag and not arch.graded) or (op.flag2 and not op.flag) or (op.a and not op.flag):
            raise bad("payloads need a graded architecture")
