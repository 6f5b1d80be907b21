"""STDP in a recurrent small-world network, before and after.

    python examples/small_world.py

Watts and Strogatz's graph of 120 neurons; every edge is a synapse either way. Two groups of neurons are driven in turn,
each neuron of a group a little after the one before it. Symmetric STDP strengthens what links neurons of one group and
leaves links between the groups behind; no synapse appears or disappears.

Source: D. Watts, S. Strogatz, Nature 393, 440 (1998); the rule is `plasticity.symmetric_stdp`.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from scipy import sparse

import emulator
from emulator.spec.arch import load_architecture
from nmcompile.learned import learned_weights
from nmcompile.network import INPUT, Network, Population, Projection
from nmcompile.pipeline import compile_network
from nmcompile.plasticity import attach, symmetric_stdp
from nmcompile.semantics import choose_semantics

DT, TIMESTEPS = 1e-3, 80
W_MAX, START = 0.2, 0.05  # of a threshold of 1


def build(nodes: int, seed: int) -> tuple[Network, nx.Graph]:
    """(the network, its graph): every input drives one neuron hard enough to fire."""
    graph = nx.watts_strogatz_graph(nodes, 8, 0.2, seed)
    one = np.ones(nodes)
    params = {"tau": 5 * DT, "r": 5.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    neurons = Population("world", (nodes,), "LIF", {k: v * one for k, v in params.items()}, 0 * one)
    edges = sparse.csr_array(START * nx.to_scipy_sparse_array(graph, dtype=float))
    network = Network(
        (nodes,),
        (neurons,),
        (
            Projection("drive", INPUT, "world", sparse.csr_array(1.5 * np.eye(nodes))),
            Projection("edges", "world", "world", edges, delay=1),
        ),
        "world",
    )
    rule = symmetric_stdp(0.08 * W_MAX, 0.006, W_MAX, a_minus=0.02 * W_MAX, w_min=0.0)
    return attach(network, {"edges": rule}), graph


def drive(nodes: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(samples, timesteps, nodes): the first half of the ring in even samples, the second in odd ones."""
    spikes = np.zeros((samples, TIMESTEPS, nodes), np.uint8)
    for sample in range(samples):
        for start in range(0, TIMESTEPS, 20):
            group = np.arange(nodes // 2) + (sample % 2) * (nodes - nodes // 2)
            spikes[sample, np.minimum(TIMESTEPS - 1, start + rng.integers(0, 4, len(group))), group] = 1
    return spikes


def contrast(weights: np.ndarray, nodes: int) -> float:
    """Mean weight of the synapses within a group over that of those between groups."""
    first = np.arange(nodes) < nodes // 2
    within = first[:, None] == first[None, :]
    there = weights > 0
    return float(weights[there & within].mean() / weights[there & ~within].mean())


def main(nodes: int = 120, samples: int = 200, seed: int = 0) -> tuple[float, float]:
    """(contrast before, contrast after)."""
    network, graph = build(nodes, seed)
    image = compile_network(network, load_architecture("ecp5"), choose_semantics(dt=DT)).image
    result = emulator.run(image, drive(nodes, samples, np.random.default_rng(seed)), learn=True)
    assert result.learned is not None
    before, after = learned_weights(image, "edges"), learned_weights(result.learned, "edges")
    print(f"{nodes} neurons, {2 * graph.number_of_edges()} synapses, {samples} samples of {TIMESTEPS} timesteps")
    print("weights within a group over weights between groups, least, mean and largest weight:")
    for name, weights in (("before", before), ("after", after)):
        here = weights[weights > 0]
        print(f"  {name:6} {contrast(weights, nodes):5.2f}   {here.min():.3f} {here.mean():.3f} {here.max():.3f}")
    return contrast(before, nodes), contrast(after, nodes)


if __name__ == "__main__":
    main()
