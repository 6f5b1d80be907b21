"""Arrange: cores are swapped in the mesh until no swap lowers the packet-hops."""

from __future__ import annotations

import numpy as np

from emulator.spec.arch import Architecture

from ..quantize.quantized import QuantizedNetwork
from .parts import Part


def traffic(network: QuantizedNetwork, parts: list[Part]) -> np.ndarray:
    """(cores, cores) routes between logical cores."""
    n_cores = max(p.core for p in parts) + 1
    home = {p.name: np.zeros(p.n, np.int64) for p in network.populations}
    for part in parts:
        home[part.population][part.slots[part.slots >= 0]] = part.core
    traffic = np.zeros((n_cores, n_cores))
    for part in parts:
        for i, rows in part.rows.items():
            source = network.projections[i].source
            if source in home:
                traffic[:, part.core] += np.bincount(home[source][rows.sources], minlength=n_cores)
    return traffic


def arrange(traffic: np.ndarray, arch: Architecture) -> np.ndarray:
    """(logical cores,) place of each: pairwise swaps to a local minimum of packet-hops, from a few seeded starts."""
    n, places = len(traffic), arch.cores
    x, y = np.arange(places) % arch.mesh_width, np.arange(places) // arch.mesh_width
    hops = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)
    flow = np.zeros((places, places))
    flow[:n, :n] = traffic + traffic.T
    np.fill_diagonal(flow, 0)
    rng = np.random.default_rng(0)
    best, least = np.arange(places), np.inf
    if n == 1:
        return best[:1]
    for start in range(4):
        at = np.arange(places) if start == 0 else rng.permutation(places)
        while True:
            d = hops[np.ix_(at, at)]
            cost = (flow * d).sum()
            # change of the cost when i and j swap places, for all pairs at once
            own = (flow * d).sum(axis=1)
            moved = flow @ d  # moved[i, j]: what i would pay at j's place
            delta = moved + moved.T - own[:, None] - own[None, :] + 2 * flow * d
            delta[n:, n:] = 0
            i, j = np.unravel_index(delta.argmin(), delta.shape)
            if delta[i, j] > -1e-9:
                break
            at[[i, j]] = at[[j, i]]
        if cost < least:
            best, least = at.copy(), cost
    return best[:n]
