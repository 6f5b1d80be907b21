"""One core's memories: its programs, axon entries, synapse words and registers."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError
from emulator.spec.fixedpoint import LFSR_BITS
from emulator.spec.image import CoreImage, empty_core
from emulator.spec.isa import Op, halves

from ..place.parts import Part, Placement
from .neuron_program import Program, range_op, reset_program, update_program
from .rule_program import Axons, learning_program

SEED = 1  # of the lanes' random state


def core_image(
    placement: Placement,
    number: int,
    parts: list[Part],
    routes: dict[str, list[tuple[int, np.ndarray, int, int]]],
    problems: list[str],
) -> tuple[Any, dict[str, Any], dict[str, dict[str, int]]]:
    """One core's image but its routes, the map of what lies where in it, and its populations' registers."""
    network, arch = placement.network, placement.arch
    if not parts:
        return empty_core(arch), {"parts": []}, {}
    blocks = max(p.first_block + -(-len(p.slots) // arch.lanes) for p in parts)
    registers = np.zeros((arch.registers, blocks, arch.lanes), np.int32)
    program: list[Op] = []
    reset: list[Op] = []
    axons: list[np.ndarray] = []
    words: list[np.ndarray] = []
    n_axons = n_words = 0
    maps, names = [], {}
    for part in sorted(parts, key=lambda p: (network.timing.depth[p.population], p.first_block)):
        population = network.population(part.population)
        try:
            update = update_program(arch, population, part.slots)
        except DoesNotFitError as error:
            problems += error.problems
            continue
        names[part.population] = update.registers
        deliver, projections, plastic = [], [], []
        for i, rows in part.rows.items():
            p = network.projections[i]
            granules = -(-len(rows.sources) // isa.GRANULE)
            if granules == 0:
                continue
            graded = int(p.payload > 1 or p.signed)
            where = halves(n_axons // isa.GRANULE, granules)
            deliver.append(Op("integ", imm=where, shift=p.shift, flag=graded, flag2=int(p.signed)))
            routes.setdefault(p.source, []).append((number, rows.sources, n_axons, p.delay))
            padded = np.zeros(granules * isa.GRANULE, np.uint64)
            padded[: len(rows.sources)] = rows.encode(n_words, part.first_block)
            axons.append(padded)
            words.append(rows.located(part.first_block))
            projections.append(
                {
                    "name": p.name,
                    "source": p.source,
                    "first_axon": n_axons,
                    "axons": len(rows.sources),
                    "first_word": n_words,
                    "words": len(rows.words),
                    "program": len(program) + len(deliver),
                }
            )
            if p.plastic:
                plastic.append(Axons(p, n_axons, len(rows.sources)))
            n_axons += granules * isa.GRANULE
            n_words += len(rows.words)
        depth = network.timing.depth[part.population]
        here = range_op(part.first_block, part.slots, arch.lanes)
        body = [*deliver, here, *update.ops]
        starting = [here, *reset_program(update)]
        learning = {}
        if plastic:
            try:
                steps, more = learning_program(update, here, depth, plastic)
            except DoesNotFitError as error:
                problems += error.problems
                continue
            learning = {"learning": len(program) + 1 + len(body)}
            body += steps
            starting += more
        if len(body) > isa.LONGEST_SKIP:
            problems.append(
                f"{part.population!r} needs {len(body)} instructions in a timestep, a `when` skips "
                f"{isa.LONGEST_SKIP}; use a simpler neuron model or learning rule"
            )
            continue
        _load_registers(registers, update, part, arch)
        start = len(program)
        program.append(isa.when(len(body), depth, depth, of_sample=True))
        program += body
        reset += starting
        maps.append(
            {
                "population": part.population,
                "first_block": part.first_block,
                "blocks": -(-len(part.slots) // arch.lanes),
                "neurons": int((part.slots >= 0).sum()),
                "program": [start, len(program)],
                "projections": projections,
            }
            | learning
        )
    fired = max((op.lo + op.hi for op in program if op.name == "range" and not op.flag), default=0)
    program.append(Op("end", imm=halves(fired, 0)))
    entry = len(program)
    program += [*reset, Op("end")]
    if len(program) > arch.program_words:
        problems.append(
            f"core {number} needs {len(program)} program words for {', '.join(p.population for p in parts)}, "
            f"it holds {arch.program_words}; use an architecture with more cores or program_words"
        )
    core = CoreImage(
        np.array([isa.encode(op) for op in program], np.uint64),
        entry,
        np.concatenate(axons) if axons else np.zeros(0, np.uint64),
        np.concatenate(words) if words else np.zeros((0, arch.lanes), np.uint16),
        registers,
        np.zeros(blocks * arch.lanes, np.uint32),
        np.zeros(0, np.uint32),
        _seeds(number, arch.lanes),
    )
    return core, {"parts": maps}, names


def _load_registers(registers: np.ndarray, update: Program, part: Part, arch: Architecture) -> None:
    for number, values in update.loaded.items():
        flat = registers[number].reshape(-1)
        first = part.first_block * arch.lanes
        flat[first : first + len(values)] = values


def _seeds(core: int, lanes: int) -> np.ndarray:
    """A nonzero random state per lane."""
    return np.random.default_rng([SEED, core]).integers(1, 1 << LFSR_BITS, lanes, dtype=np.uint32)
