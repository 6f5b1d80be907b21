"""Place: populations are cut into parts, parts go to cores (`partition`), cores to places in the mesh (`arrange`)."""

from __future__ import annotations

from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError

from ..quantize.quantized import QuantizedNetwork
from .arrange import arrange, traffic
from .partition import Partitioner
from .parts import Part, Placement


def place(network: QuantizedNetwork, arch: Architecture) -> Placement:
    """Cut, hand out and place.

    Raises:
        DoesNotFitError: everything that does not fit, with numbers and what to do.
    """
    partitioner = Partitioner(network, arch)
    least = -(-sum(partitioner.blocks(p.name) for p in network.populations) // arch.blocks)
    parts: list[Part] = []
    problems = partitioner.too_many(least) + partitioner.unplaceable()
    if not problems:
        parts, problems = partitioner.run(tight=False)
        if problems:
            parts, problems = partitioner.run(tight=True)
    if problems:
        raise DoesNotFitError(problems)
    where = arrange(traffic(network, parts), arch)
    moved = [Part(p.population, int(where[p.core]), p.first_block, p.slots, p.rows) for p in parts]
    moved.sort(key=lambda p: (p.core, p.first_block))
    return Placement(network, arch, tuple(moved))
