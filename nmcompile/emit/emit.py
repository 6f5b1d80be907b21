"""Emit: a placement becomes programs, axon tables, routes and the Image."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.spec.errors import DoesNotFitError
from emulator.spec.image import Image, PopulationMap

from ..network.limits import INPUT
from ..place.parts import Placement
from ..quantize.plastic import TAG_BITS
from ..quantize.quantized import QuantizedProjection
from .core import core_image
from .routes import csr, join_routes, neuron_routes


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
        core, where, names = core_image(placement, number, parts, routes, problems)
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
    input_pointers, input_routes = csr(n_inputs, routes.get(INPUT, []))
    for population in network.populations:
        neuron_routes(cores, location[population.name], routes.get(population.name, []))
    cores = [join_routes(core, number, arch, problems) for number, core in enumerate(cores)]
    if problems:
        raise DoesNotFitError(problems)
    populations = tuple(
        PopulationMap(p.name, p.shape, network.timing.shown[p.name], location[p.name], register_names[p.name], p.scale)
        for p in network.populations
    )
    return Image(
        arch,
        tuple(cores),
        input_pointers,
        input_routes,
        location[network.output],
        network.timing.shown[network.output],
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
        "connections": p.connections,
        "pooled": p.pooled,
        "payload": p.payload,
        "parameters": p.parameters,
        "weight_bits": p.bits,
        "delay": p.delay,
        "convolutional": p.convolutional,
    }
