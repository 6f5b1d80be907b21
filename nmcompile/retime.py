"""Retime: every hop costs a timestep on the machine and none in most frameworks.

A population gets a depth: its framework timestep k runs at machine timestep depth + k. A projection from depth a to
depth b whose spikes take s timesteps in the framework gets the axonal delay b - a - 1 + s, which must be 0 or more.
A framework in which everyone else sees a population's spikes d timesteps later counts them that much later, too: such a
population is shown at depth - d.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx

from emulator.spec.errors import DoesNotFitError, InputError

from .discretize.discretize import DiscreteNetwork
from .network.limits import INPUT


@dataclass(frozen=True)
class Timing:
    """When things happen.

    Attributes:
        depth: machine timesteps that a population lives later than in the framework, by name.
        shown: the same, counted from when the framework shows its spikes.
        delays: axonal delay of each projection of the network, in its order, timesteps.
    """

    depth: dict[str, int]
    shown: dict[str, int]
    delays: tuple[int, ...]


def retime(discrete: DiscreteNetwork, delay_slots: int) -> Timing:
    """Give each population the smallest depth, no less than its output delay, that lets all its spikes arrive in time.

    Raises:
        InputError: a loop has less delay than hops; names it.
        DoesNotFitError: delays longer than the architecture's delay slots; names them all.
    """
    network, late = discrete.network, discrete.output_delay
    # depth[b] >= depth[a] + 1 - s, and the input (at hop -1) gives depth[b] >= -s: longest paths from the input.
    graph = nx.DiGraph()
    graph.add_nodes_from([INPUT, *(p.name for p in network.populations)])
    for p, s in zip(network.projections, discrete.delays, strict=True):
        least = (0 if p.source == INPUT else 1) - s
        if graph.has_edge(p.source, p.target):
            least = max(least, graph.edges[p.source, p.target]["least"])
        graph.add_edge(p.source, p.target, least=least)
    depth = {name: late.get(name, 0) for name in graph}
    cause: dict[str, str] = {}
    for _ in range(len(depth) + 1):
        changed = None
        for a, b, least in graph.edges(data="least"):
            if depth[a] + least > depth[b]:
                depth[b], cause[b], changed = depth[a] + least, a, b
        if changed is None:
            break
    else:
        assert changed is not None
        for _ in range(len(depth)):
            changed = cause[changed]  # now surely inside the loop
        loop = [changed]
        while cause[loop[-1]] != changed:
            loop.append(cause[loop[-1]])
        loop.reverse()
        first = loop.index(min(loop, key=list(depth).index))
        names = " -> ".join([*loop[first:], *loop[: first + 1]])
        raise InputError(
            f"{network.origin}: the loop {names} takes {len(loop)} hops but carries less delay than that; "
            "add a Delay of a timestep per hop to one of its edges, or read every edge as a timestep with --edges step"
        )
    axonal, problems = [], []
    for p, s in zip(network.projections, discrete.delays, strict=True):
        hops = 0 if p.source == INPUT else 1
        delay = depth[p.target] - depth[p.source] - hops + s
        axonal.append(delay)
        if delay >= delay_slots:
            problems.append(
                f"{p.name!r} needs an axonal delay of {delay:,} timesteps, the architecture has delays up to "
                f"{delay_slots - 1}; use one with more delay_slots"
            )
    if problems:
        raise DoesNotFitError(problems)
    del depth[INPUT]
    return Timing(depth, {name: d - late.get(name, 0) for name, d in depth.items()}, tuple(axonal))
