"""Loops: within a timestep signals flow from the input on, so every loop needs an edge that takes a timestep.

Which edge that is depends on the network alone, never on names or on the order in which it is told. An edge that takes
a timestep anyway breaks its loops. Of the loops that are left, all edges that lead no farther from the input take one:
two populations that both hear the input and each other then both hear each other a timestep later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import networkx as nx

from ..network.limits import INPUT
from ..network.network import Network


def break_loops(network: Network, delays: Sequence[int]) -> tuple[Network, tuple[int, ...]]:
    """The network with its populations in an order in which signals flow within a timestep, and the delays for that.

    Args:
        delays: of each projection, in the network's order, timesteps that its spikes take by themselves.
    """
    ends = [(p.source, p.target) for p in network.projections]
    hops: dict[str, int] = dict(nx.single_source_shortest_path_length(nx.DiGraph([(INPUT, INPUT), *ends]), INPUT))
    beyond = len(hops)  # as far as what the input never reaches is from it
    now = nx.DiGraph()
    now.add_nodes_from(p.name for p in network.populations)
    now.add_edges_from(pair for pair, delay in zip(ends, delays, strict=True) if delay == 0 and pair[0] != INPUT)
    within = {name: i for i, members in enumerate(nx.strongly_connected_components(now)) for name in members}
    back = {
        (a, b) for a, b in now.edges if within[a] == within[b] and hops.get(a, beyond) >= hops.get(b, beyond)
    }  # no loop leads away from the input all the way round
    now.remove_edges_from(back)
    place = {p.name: i for i, p in enumerate(network.populations)}
    order = list(nx.lexicographical_topological_sort(now, key=place.__getitem__))
    populations = tuple(network.populations[place[name]] for name in order)
    broken = tuple(max(delay, pair in back) for pair, delay in zip(ends, delays, strict=True))
    return replace(network, populations=populations), broken
