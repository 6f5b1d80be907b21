"""STDP in a recurrent small-world network, before and after.

    python examples/small_world.py

Watts and Strogatz's graph of 120 neurons; every edge is a synapse either way. Two groups of neurons are driven in turn,
each neuron of a group a little after the one before it. Symmetric STDP strengthens what links neurons of one group and
leaves links between the groups behind; no synapse appears or disappears. Half of a group then recalls all of it.

Source: D. Watts, S. Strogatz, Nature 393, 440 (1998); the rule is `library.symmetric_stdp`.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from scipy import sparse

import nmcompile as nm

DT, TIMESTEPS = 1e-3, 80
W_MAX, START = 0.2, 0.05  # of a threshold of 1


def build(nodes: int, seed: int) -> tuple[nm.Network, nx.Graph]:
    """(the network, its graph): every input drives one neuron hard enough to fire."""
    graph = nx.watts_strogatz_graph(nodes, 8, 0.2, seed)
    one = np.ones(nodes)
    params = {"tau": 5 * DT, "r": 5.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    neurons = nm.Population("world", (nodes,), "LIF", {k: v * one for k, v in params.items()}, 0 * one)
    edges = sparse.csr_array(START * nx.to_scipy_sparse_array(graph, dtype=float))
    network = nm.Network(
        (nodes,),
        (neurons,),
        (
            nm.Projection("drive", nm.INPUT, "world", sparse.csr_array(1.5 * np.eye(nodes))),
            nm.Projection("edges", "world", "world", edges, delay=1),
        ),
        "world",
    )
    rule = nm.symmetric_stdp(0.08 * W_MAX, 0.006, W_MAX, a_minus=0.02 * W_MAX, w_min=0.0)
    return nm.attach(network, {"edges": rule}), graph


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


def recall(image: nm.Image, nodes: int) -> tuple[float, float]:
    """Every second neuron of the first group is driven, nothing learns: spikes per neuron of its rest, of the other."""
    spikes = np.zeros((1, TIMESTEPS, nodes), np.uint8)
    spikes[0, ::20, : nodes // 2 : 2] = spikes[0, 1::20, : nodes // 2 : 2] = 1
    counts = nm.emulate(nm.set_learning(image, on=False), spikes).output_counts[0]
    rest = np.delete(counts[: nodes // 2], np.s_[::2])
    return float(rest.mean()), float(counts[nodes // 2 :].mean())


def main(nodes: int = 120, samples: int = 200, seed: int = 0) -> list[tuple[float, float, float]]:
    """Before and after: contrast, and what `recall` says."""
    network, graph = build(nodes, seed)
    image = nm.compile_network(network, nm.load_architecture("ecp5"), nm.choose_semantics(dt=DT)).image
    result = nm.emulate(image, drive(nodes, samples, np.random.default_rng(seed)), learn=True)
    assert result.learned is not None
    print(f"{nodes} neurons, {2 * graph.number_of_edges()} synapses, {samples} samples of {TIMESTEPS} timesteps")
    print("weights: within a group over between groups, least, mean, largest; spikes per neuron when half of the first")
    print("group is driven: in its other half, in the second group")
    found = []
    for name, when in (("before", image), ("after", result.learned)):
        weights = nm.learned_weights(when, "edges")
        here = weights[weights > 0]
        ratio, (rest, other) = contrast(weights, nodes), recall(when, nodes)
        print(
            f"  {name:6} {ratio:6.2f}   {here.min():.3f} {here.mean():.3f} {here.max():.3f}   {rest:5.2f} {other:5.2f}"
        )
        found.append((ratio, rest, other))
    return found


if __name__ == "__main__":
    main()
