"""Emit: a placement becomes programs, axon tables, routes and the Image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError
from emulator.spec.fixedpoint import LFSR_BITS
from emulator.spec.image import CoreImage, Image, PopulationMap, empty_core
from emulator.spec.isa import Op, halves

from .learning import Axons, learning_program
from .network import INPUT
from .neurons import Program, range_op, reset_program, update_program
from .place import Part, Placement
from .plastic import TAG_BITS
from .quantize import QuantizedProjection

SEED = 1  # of the lanes' random state


def emit(placement: Placement, meta: dict[str, Any]) -> Image:
    """Write every memory of every core.

    Raises:
        DoesNotFitError: programs, routes or registers that are too many, everything gathered.
    """
    network, arch = placement.network, placement.arch
    routes: dict[str, list[tuple[int, np.ndarray, int, int]]] = {}  # source: (core, source indices, first axon, delay)
    problems: list[str] = []
    cores, maps = [], []
    register_names: dict[str, dict[str, int]] = {}
    for number in range(arch.cores):
        parts = [p for p in placement.parts if p.core == number]
        core, where, names = _core(placement, number, parts, routes, problems)
        cores.append(core)
        maps.append(where)
        register_names |= names
    location = {}
    for population in network.populations:
        table = np.zeros((population.n, 2), np.int32)
        for part in placement.parts:
            if part.population == population.name:
                used = np.flatnonzero(part.slots >= 0)
                table[part.slots[used], 0] = part.core
                table[part.slots[used], 1] = part.first_block * arch.lanes + used
        location[population.name] = table
    n_inputs = int(np.prod(network.input_shape))
    input_pointers, input_routes = _csr(n_inputs, routes.get(INPUT, []))
    for population in network.populations:
        _neuron_routes(cores, location[population.name], routes.get(population.name, []))
    cores = [_join_routes(core, number, arch, problems) for number, core in enumerate(cores)]
    if problems:
        raise DoesNotFitError(problems)
    populations = tuple(
        PopulationMap(p.name, p.shape, network.shown[p.name], location[p.name], register_names[p.name], p.scale)
        for p in network.populations
    )
    return Image(
        arch,
        tuple(cores),
        input_pointers,
        input_routes,
        location[network.output],
        network.shown[network.output],
        populations,
        meta | {"cores": maps, "projections": [_projection_meta(p) for p in network.projections]},
    )


def _projection_meta(p: QuantizedProjection) -> dict[str, Any]:
    learns = {}
    if p.plastic:
        rule, unit = p.plastic.rule, p.plastic.unit
        bounds = [p.plastic.lower * unit, p.plastic.upper * unit]
        tag = TAG_BITS if rule.eligibility else 0
        learns = {"learns": rule.name, "unit": unit, "bounds": bounds, "tag_bits": tag}
        learns["moves_threshold"] = rule.threshold is not None
    return learns | {
        "name": p.name,
        "source": p.source,
        "target": p.target,
        "synapses": int(p.matrix.nnz),
        "connections": p.matrix.shape[0] * p.matrix.shape[1],
        "parameters": p.parameters,
        "weight_bits": p.bits,
        "delay": p.delay,
        "convolutional": p.convolutional,
    }


def _core(
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
    for part in sorted(parts, key=lambda p: (network.depth[p.population], p.first_block)):
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
        depth = network.depth[part.population]
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
        if len(body) > 255:
            problems.append(
                f"{part.population!r} needs {len(body)} instructions in a timestep, a `when` skips 255; use a simpler "
                "neuron model or learning rule"
            )
            continue
        _load_registers(registers, update, part, arch)
        start = len(program)
        program.append(Op("when", imm=halves(depth, depth), flag=1, d=len(body) // 16, a=len(body) % 16))
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


def _csr(n: int, chunks: list[tuple[int, np.ndarray, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """(pointers, routes) by source index, from (core, sources, first axon, delay) chunks."""
    if not chunks:
        return np.zeros(n + 1, np.int64), np.zeros(0, np.uint32)
    source = np.concatenate([s for _, s, _, _ in chunks])
    route = np.concatenate(
        [
            (np.uint32(core << 24 | delay << 20) + np.arange(first, first + len(s), dtype=np.uint32))
            for core, s, first, delay in chunks
        ]
    ).astype(np.uint32)
    order = np.argsort(source, kind="stable")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]).astype(np.int64)
    return pointers, route[order]


def _neuron_routes(
    cores: list[CoreImage], location: np.ndarray, chunks: list[tuple[int, np.ndarray, int, int]]
) -> None:
    """Hang a population's routes onto its neurons' cores; `_join_routes` finishes the pointers."""
    pointers, routes = _csr(len(location), chunks)
    count = np.diff(pointers)
    for number in np.unique(location[:, 0]):
        core = cores[number]
        mine = np.flatnonzero((location[:, 0] == number) & (count > 0))
        if not len(mine):
            continue
        take = np.concatenate([np.arange(pointers[i], pointers[i + 1]) for i in mine])
        first = len(core.routes) + np.cumsum(count[mine]) - count[mine]
        table = core.pointers.astype(np.uint64)
        table[location[mine, 1]] = (count[mine].astype(np.uint64) << np.uint64(20)) | first.astype(np.uint64)
        cores[number] = replace(core, pointers=table, routes=np.concatenate([core.routes, routes[take]]))


def _join_routes(core: CoreImage, number: int, arch: Architecture, problems: list[str]) -> CoreImage:
    if len(core.routes) > arch.routes:
        problems.append(
            f"core {number} needs {len(core.routes):,} routes, it holds {arch.routes:,}; "
            "use an architecture with more routes"
        )
    longest = int((core.pointers.astype(np.uint64) >> np.uint64(20)).max(initial=0))
    if longest >= 1 << 12:
        problems.append(f"core {number} has a neuron with {longest:,} routes, a pointer counts up to 4,095")
    if core.pointers.max(initial=0) >= 1 << 32:
        return core
    return replace(core, pointers=core.pointers.astype(np.uint32))
