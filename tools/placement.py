"""How good placement is, and how quick.

    python tools/placement.py

prints two Markdown tables. The first: packet-hops of the bundled networks on their test data, and of random graphs of
10^5 edges, against those that a long simulated annealing of the same cores over the mesh finds, which knows every
packet that was sent. Bundled networks run on `ecp5`, and on a mesh of 64 small cores where they are spread far. The
second: seconds of one processor and memory of compiling networks of 10^6 and 1.7 * 10^7 synapses.
"""

from __future__ import annotations

import dataclasses
import resource
import subprocess
import sys
import time
from pathlib import Path

import networkx as nx
import numpy as np
from scipy import sparse

import emulator
from emulator.spec import isa
from emulator.spec.arch import Architecture, load_architecture
from emulator.spec.image import Image
from emulator.spec.rows import unpack
from nmcompile.coding.spikes import read_spikes
from nmcompile.frontends import read_network
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population, Projection
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

EXAMPLES = Path(__file__).parents[1] / "examples"
LARGE = load_architecture("large")
SMALL = dataclasses.replace(LARGE, name="64 small cores", neurons=64, axons=1024, synapse_words=2048, rtl=False)
HEARS_ALL = dataclasses.replace(LARGE, name="model-8x8", axons=65_536 + 1024, synapse_words=1 << 19, rtl=False)
STEPS = 400_000  # of the annealing


def neurons(name: str, n: int) -> Population:
    params = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    return Population(name, (n,), "LIF", {k: np.full(n, v) for k, v in params.items()}, np.zeros(n))


def recurrent(graph: nx.Graph, shuffled: bool = True) -> Network:
    """A neuron for every node, in random order, a synapse each way for every edge, an input for one neuron in eight."""
    n, rng = len(graph), np.random.default_rng(0)
    matrix = nx.to_scipy_sparse_array(graph, rng.permutation(n) if shuffled else None, dtype=float, format="csr")
    matrix.data = rng.normal(0.15, 0.3, len(matrix.data))
    drive = sparse.csr_array(
        (np.full(n // 8, 1.5), (np.arange(n // 8), np.arange(0, n, 8)[: n // 8])), shape=(n // 8, n)
    )
    projections = (Projection("drive", INPUT, "world", drive), Projection("edges", "world", "world", matrix, 1))
    return Network((n // 8,), (neurons("world", n),), projections, "world")


def dense(n: int) -> Network:
    weights = sparse.csr_array(np.random.default_rng(0).normal(0, 0.1, (n, n)))
    return Network((n,), (neurons("layer", n),), (Projection("weights", INPUT, "layer", weights),), "layer")


def at_random(n: int, targets: int) -> Network:
    """A neuron has `targets` random targets and an input of its own: W3 of `tools/bench.py`."""
    rng = np.random.default_rng(103)
    heads, indptr = rng.integers(0, n, n * targets), np.arange(n + 1) * targets
    matrix = sparse.csr_array((rng.integers(1, 64, n * targets).astype(float), heads, indptr), shape=(n, n))
    drive = Projection("drive", INPUT, "world", sparse.csr_array(sparse.eye_array(n, format="csr") * 96.0))
    edges = Projection("edges", "world", "world", matrix, 1)
    return Network((n,), (neurons("world", n),), (drive, edges), "world")


GRAPHS = {
    "small world, 10^5 edges": lambda: nx.watts_strogatz_graph(12_500, 16, 0.1, 1),
    "scale free, 10^5 edges": lambda: nx.barabasi_albert_graph(12_500, 8, 1),
}
TIMED = {
    "dense 1,000 x 1,000": (LARGE, lambda: dense(1000)),
    "small world of 62,500 neurons, 10^6 synapses": (
        LARGE,
        lambda: recurrent(nx.watts_strogatz_graph(62_500, 16, 0.1, 1)),
    ),
    "dense 4,096 x 4,096": (LARGE, lambda: dense(4096)),
    "65,536 neurons, 256 random targets each": (HEARS_ALL, lambda: at_random(65_536, 256)),
}


# ------------------------------------------------------------------------------------------------- packet-hops
def traffic(image: Image, spikes: np.ndarray) -> np.ndarray:
    """(cores, cores) packets that cores send each other in a run."""
    fired = emulator.run(image, spikes).neuron_spikes
    sent = np.zeros((image.arch.cores, image.arch.cores))
    for number, core in enumerate(image.cores):
        if not len(core.routes):
            continue
        target = unpack(isa.ROUTE_FIELDS, core.routes)["core"]
        pointer = unpack(isa.POINTER_FIELDS, core.pointers)
        packets = np.zeros(len(core.routes))
        for first, count, times in zip(pointer["first"], pointer["count"], fired[number], strict=False):
            packets[first : first + count] += times
        np.add.at(sent[number], target, packets)
    return sent


def mesh_hops(arch: Architecture) -> np.ndarray:
    x, y = np.arange(arch.cores) % arch.mesh_width, np.arange(arch.cores) // arch.mesh_width
    return np.abs(x[:, None] - x) + np.abs(y[:, None] - y)


def anneal(flow: np.ndarray, hops: np.ndarray, steps: int = STEPS) -> float:
    """The lowest sum of packets times hops that swapping cores found, from the placement as it is."""
    flow = flow + flow.T
    np.fill_diagonal(flow, 0)
    n, rng = len(flow), np.random.default_rng(1)
    at = np.arange(n)
    cost = best = float((flow * hops).sum()) / 2
    warm = max(cost / n, 1.0)
    pairs, chance = rng.integers(0, n, (steps, 2)), rng.random(steps)
    for step in range(steps):
        i, j = pairs[step]
        if i == j:
            continue
        apart = hops[at[j]][at] - hops[at[i]][at]
        apart[[i, j]] = 0
        change = float((flow[i] - flow[j]) @ apart)
        if change <= 0 or chance[step] < np.exp(-change / (warm * (1e-4 ** (step / steps)))):
            at[[i, j]] = at[[j, i]]
            cost += change
            best = min(best, cost)
    return best


def measure(name: str, image: Image, spikes: np.ndarray) -> None:
    flow, hops = traffic(image, spikes), mesh_hops(image.arch)
    ours = float((flow * hops).sum())
    assert ours == emulator.run(image, spikes).total("hops")
    least = anneal(flow, hops)
    used = sum(map(bool, image.compiled.parts))
    ratio = f"{ours / least:.2f}" if least else "no hops"
    print(f"| {name} | {image.arch.name} | {used} | {ours:,.0f} | {least:,.0f} | {ratio} |", flush=True)


def quality() -> None:
    print("| network | architecture | cores | packet-hops | annealed | ratio |\n|---|---|---|---|---|---|")
    for name in ("mnist_mlp", "mnist_conv", "mnist_rows"):
        network = read_network(EXAMPLES / "networks" / f"{name}.nir")
        spikes = read_spikes(EXAMPLES / "data" / f"{name}_test.npz").spikes[:50]
        for arch in (load_architecture("ecp5"), SMALL):
            measure(name, compile_network(network, arch, choose_semantics("snntorch")).image, spikes)
    for name, graph in GRAPHS.items():
        network = recurrent(graph())
        spikes = (np.random.default_rng(2).random((2, 20, network.n_inputs)) < 0.2).astype(np.uint8)
        measure(name, compile_network(network, LARGE).image, spikes)


# ---------------------------------------------------------------------------------------------------- seconds
def seconds(name: str) -> None:
    arch, network = TIMED[name][0], TIMED[name][1]()
    synapses, begun = sum(p.matrix.nnz for p in network.projections), time.process_time()
    compilation = compile_network(network, arch)
    elapsed = time.process_time() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"| {name} | {synapses:,} | {compilation.summary()['cores']} | {elapsed:.1f} | {memory:.2f} |", flush=True)


def main() -> None:
    if len(sys.argv) > 1:
        seconds(sys.argv[1])
        return
    quality()
    print("\n| network | synapses | cores | seconds | GB |\n|---|---|---|---|---|", flush=True)
    for name in TIMED:  # each in a process of its own, for its memory
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
