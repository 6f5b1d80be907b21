"""Emit: a placement becomes programs, axon tables, routes and the Image."""

from __future__ import annotations

import math

import numpy as np

from emulator.spec.errors import DoesNotFitError
from emulator.spec.image import Image, PopulationMap
from emulator.spec.notes import LearningNote, Notes, ProjectionNote

from ..discretize.discretize import DiscreteNetwork
from ..network.limits import INPUT
from ..place.parts import Placement
from ..quantize.plastic import TAG_BITS
from ..quantize.quantized import QuantizedNetwork, QuantizedProjection
from .core import CoreWriter
from .routes import Chunk, csr, join_routes, neuron_routes


def emit(placement: Placement, discrete: DiscreteNetwork, weight_bits: int) -> Image:
    """Write every memory of every core, and the notes.

    Raises:
        DoesNotFitError: programs, routes or registers that are too many, everything gathered.
    """
    network, arch = placement.network, placement.arch
    writers = [CoreWriter(placement, number) for number in range(arch.cores)]
    cores = [writer.write() for writer in writers]
    problems = [problem for writer in writers for problem in writer.problems]
    chunks: dict[str, list[Chunk]] = {}
    for writer in writers:
        for source, chunk in writer.chunks:
            chunks.setdefault(source, []).append(chunk)
    location = {p.name: _location(placement, p.name, p.n) for p in network.populations}
    input_pointers, input_routes = csr(math.prod(network.input_shape), chunks.get(INPUT, []))
    for population in network.populations:
        neuron_routes(cores, location[population.name], chunks.get(population.name, []))
    cores = [join_routes(core, number, arch, problems) for number, core in enumerate(cores)]
    if problems:
        raise DoesNotFitError(problems)
    registers = {name: held for writer in writers for name, held in writer.registers_of.items()}
    depth, shown = network.timing.depth, network.timing.shown
    populations = tuple(
        PopulationMap(p.name, p.shape, depth[p.name], shown[p.name], location[p.name], registers[p.name], p.scale)
        for p in network.populations
    )
    notes = Notes(
        network=network.origin,
        input_shape=network.input_shape,
        input_levels=discrete.network.input_levels,
        output=network.output,
        readout="count" if discrete.network.population(network.output).spiking else "membrane",
        semantics=discrete.semantics.describe(),
        weight_bits=weight_bits,
        warnings=network.warnings,
        thresholds=_thresholds(network),
        parts=tuple(tuple(writer.notes) for writer in writers),
        projections=tuple(_note(p) for p in network.projections),
    )
    latency = shown[network.output]
    return Image(
        arch, tuple(cores), input_pointers, input_routes, location[network.output], latency, populations, notes
    )


def _location(placement: Placement, name: str, n: int) -> np.ndarray:
    """(n, 2) int32: core and place in it of each neuron of a population."""
    table = np.zeros((n, 2), np.int32)
    for part in placement.parts:
        if part.population == name:
            used = np.flatnonzero(part.slots >= 0)
            table[part.slots[used], 0] = part.core
            table[part.slots[used], 1] = part.first_block * placement.arch.lanes + used
    return table


def _note(p: QuantizedProjection) -> ProjectionNote:
    learning = None
    if p.plastic:
        rule, unit = p.plastic.rule, float(p.plastic.unit)
        bounds = (p.plastic.lower * unit, p.plastic.upper * unit)
        learning = LearningNote(
            rule.name, unit, bounds, TAG_BITS if rule.eligibility else 0, rule.threshold is not None
        )
    return ProjectionNote(
        name=p.name,
        source=p.source,
        target=p.target,
        synapses=int(p.matrix.nnz),
        connections=p.connections,
        parameters=p.parameters,
        weight_bits=p.bits,
        delay=p.delay,
        convolutional=p.convolutional,
        learning=learning,
        payload=p.payload,
        pooled=p.pooled,
    )


def _thresholds(network: QuantizedNetwork) -> dict[str, int | tuple[int, ...]]:
    """Of each spiking population, in state units: one number where its neurons agree."""
    found: dict[str, int | tuple[int, ...]] = {}
    for population in network.populations:
        if population.threshold is not None:
            values = population.threshold.tolist()
            found[population.name] = values[0] if len(set(values)) == 1 else tuple(values)
    return found
