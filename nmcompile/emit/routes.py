"""Route tables and the pointers into them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.image import CoreImage

COUNT_LOW, COUNT_BITS = isa.POINTER_FIELDS["count"]
MOST_ROUTES = (1 << COUNT_BITS) - 1  # of a neuron


class Chunk(NamedTuple):
    """Where a core hears a source population: source i of `sources` at axon `first_axon` + i, after `delay`."""

    core: int
    sources: np.ndarray
    first_axon: int
    delay: int


def csr(n: int, chunks: list[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    """(pointers, routes) by source index."""
    if not chunks:
        return np.zeros(n + 1, np.int64), np.zeros(0, np.uint32)
    source = np.concatenate([s for _, s, _, _ in chunks])
    route = np.concatenate(
        [
            isa.pack_fields(isa.ROUTE_FIELDS, core=core, delay=delay, axon=first) + np.arange(len(s))
            for core, s, first, delay in chunks
        ]
    ).astype(np.uint32)
    order = np.argsort(source, kind="stable")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]).astype(np.int64)
    return pointers, route[order]


def neuron_routes(cores: list[CoreImage], location: np.ndarray, chunks: list[Chunk]) -> None:
    """Hang a population's routes onto its neurons' cores; `_join_routes` finishes the pointers."""
    pointers, routes = csr(len(location), chunks)
    count = np.diff(pointers)
    for number in np.unique(location[:, 0]):
        core = cores[number]
        mine = np.flatnonzero((location[:, 0] == number) & (count > 0))
        if not len(mine):
            continue
        take = np.concatenate([np.arange(pointers[i], pointers[i + 1]) for i in mine])
        first = len(core.routes) + np.cumsum(count[mine]) - count[mine]
        table = core.pointers.astype(np.uint64)
        table[location[mine, 1]] = (count[mine] << COUNT_LOW | first).astype(np.uint64)
        cores[number] = replace(core, pointers=table, routes=np.concatenate([core.routes, routes[take]]))


def join_routes(core: CoreImage, number: int, arch: Architecture, problems: list[str]) -> CoreImage:
    if len(core.routes) > arch.routes:
        problems.append(
            f"core {number} needs {len(core.routes):,} routes, it holds {arch.routes:,}; "
            "use an architecture with more routes"
        )
    longest = int((core.pointers.astype(np.int64) >> COUNT_LOW).max(initial=0))
    if longest > MOST_ROUTES:
        problems.append(f"core {number} has a neuron with {longest:,} routes, a pointer counts up to {MOST_ROUTES:,}")
        return core
    return replace(core, pointers=core.pointers.astype(np.uint32))
