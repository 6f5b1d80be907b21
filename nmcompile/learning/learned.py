"""What an image has learned, and the switch that lets it learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emulator.spec import isa
from emulator.spec.errors import InputError, UsageError
from emulator.spec.image import Image
from emulator.spec.rows import expand, unpack

from ..network.limits import INPUT

ALWAYS, NEVER = (0, (1 << isa.HALF_BITS) - 1, True), (0, 0, False)  # when the switch lets learn: as `isa.when` has it


def set_learning(image: Image, on: bool) -> Image:
    """The image with its learning switched on or off: off, weights and thresholds stay as they are."""
    cores = list(image.cores)
    for number, part in image.notes.placed if image.notes else ():
        if part.learning is not None:
            program = cores[number].program.copy()
            op = isa.decode(program[part.learning])
            program[part.learning] = isa.encode(isa.when(op.skip, *(ALWAYS if on else NEVER)))
            cores[number] = replace(cores[number], program=program)
    return replace(image, cores=tuple(cores))


def check_learns(image: Image) -> None:
    """UsageError if nothing in the image learns."""
    if not image.compiled.plastic:
        raise UsageError("nothing in this image learns; compile it with --plasticity RULES.toml")


def learned_weights(image: Image, name: str) -> np.ndarray:
    """(n_source, n_target) float64 weights of a projection that learns, in the network's unit; 0 is no synapse."""
    notes = image.compiled
    if name not in notes.plastic:
        raise InputError(
            f"no projection {name!r} that learns in this image; it has {', '.join(notes.plastic) or 'none'}"
        )
    projection, learning = next(p for p in notes.projections if p.name == name), notes.plastic[name]
    target, index = image.population(projection.target), image.whose().neuron
    sources = image.n_inputs if projection.source == INPUT else len(image.population(projection.source).location)
    weights = np.zeros((sources, len(target.location)))
    for number, part in notes.placed:
        core = image.cores[number]
        for p in part.projections:
            if p.name != name or part.population != target.name:
                continue
            source = _sources(image, projection.source, number, p.first_axon, p.axons)
            rows = expand(image.arch, core, core.axons[p.first_axon : p.first_axon + p.axons])
            row = np.repeat(np.arange(p.axons), np.diff(rows.pointers))
            values = rows.weights.astype(np.int64)
            if learning.tag_bits:
                values = (values + (1 << (learning.tag_bits - 1))) >> learning.tag_bits << learning.tag_bits
            weights[source[row], index[number, rows.targets]] = values * learning.unit
    return weights


def weight_range(image: Image, name: str) -> tuple[float, float, float]:
    """(least, mean, largest) weight of the synapses of a projection that learns, in the network's unit."""
    weights = learned_weights(image, name)
    synapses = next(p.synapses for p in image.compiled.projections if p.name == name)
    there = weights[weights != 0]
    there = np.append(there, np.zeros(max(0, synapses - len(there))))  # those that have learned to be 0
    return float(there.min()), float(there.mean()), float(there.max())


def learned_thresholds(image: Image) -> dict[str, np.ndarray]:
    """(n,) float64 thresholds, in the network's unit, of every population whose rule moves them, by its name."""
    found = {}
    for name in dict.fromkeys(
        p.target for p in image.compiled.projections if p.learning and p.learning.moves_threshold
    ):
        population = image.population(name)
        register, lanes = population.registers["threshold"], image.arch.lanes
        values = [image.cores[core].registers[register, n // lanes, n % lanes] for core, n in population.location]
        found[name] = np.array(values) / population.scale
    return found


def _sources(image: Image, source: str, number: int, first: int, count: int) -> np.ndarray:
    """(axons,) which source feeds each of a core's axons first..first+count-1."""
    found = np.zeros(count, np.int64)

    def note(routes: np.ndarray, index: np.ndarray) -> None:
        route = unpack(isa.ROUTE_FIELDS, routes)
        mine = (route["core"] == number) & (route["axon"] >= first) & (route["axon"] < first + count)
        found[route["axon"][mine] - first] = index[mine]

    if source == INPUT:
        pointers = image.input_pointers
        note(image.input_routes, np.repeat(np.arange(len(pointers) - 1), np.diff(pointers)))
        return found
    for index, (core, neuron) in enumerate(image.population(source).location):
        pointer = unpack(isa.POINTER_FIELDS, image.cores[core].pointers[neuron : neuron + 1])
        begin, n = int(pointer["first"][0]), int(pointer["count"][0])
        note(image.cores[core].routes[begin : begin + n], np.full(n, index))
    return found
