"""Random lava-dl files and random graphs of single neurons against interpreters that share nothing with the package.

CI runs a slice with fixed seeds; NM_LONG=1 runs thousands.
"""

import json
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nirplain import convolve
from test_fuzz import ARCHITECTURES, attempt, fuzz
from test_lava import cuba, later, plain, shown, write_net

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

OUTCOMES = {"lava": [], "graph": []}  # what became of each


# ---------------------------------------------------------------------------------------------- lava-dl's .net files
class Lava:
    """Grows random layers, and runs each by lava's rule in integers while it grows."""

    def __init__(self, draw):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 32), label="seed"))
        self.shape = self.pick("input", (6,), (20,), (1, 6, 5), (2, 5, 5))
        self.spikes = (self.rng.random((24, int(np.prod(self.shape)))) < 0.4).astype(np.int64)
        self.layers = [{"type": "input", "shape": np.array(self.shape)}]
        self.sent = self.spikes  # by what flows into the next layer, when it arrives there

    def pick(self, label, *choices):
        return self.draw(st.sampled_from(choices), label=label)

    def neurons(self, layer, shape, drive, last):
        """Add a layer with neurons whose weighted inputs are `drive` (timesteps, n)."""
        n, channels = int(np.prod(shape)), shape[0]
        size = max(1, int(np.abs(drive).max()))
        neuron = cuba(
            int(self.rng.integers(100, 4097)),
            int(self.rng.integers(100, 4097)),
            max(1, size // self.pick("threshold", 1, 2, 4)),
            self.pick("refractory", 1, 1, 3),
        )
        bias = self.rng.integers(-2, 6, self.pick("biases", n, channels, 1)) * (size // 30) * self.pick("bias", 0, 1)
        fired = plain(drive, neuron, np.repeat(bias, n // len(bias)))
        delay = np.zeros(n, int)
        if not last and self.pick("delay", False, True):
            delay = self.rng.integers(0, 3, n)
            layer["delay"] = delay + self.rng.random(n) * 0.9  # trained in fractions
        self.layers.append(layer | {"shape": np.array(shape), "neuron": neuron, "bias": bias})
        self.shape = tuple(shape)
        self.sent = np.stack([later(fired[:, i], 1 + delay[i]) for i in range(n)], axis=1)

    def dense(self, last):
        if len(self.shape) > 1 and self.pick("flatten", False, True):
            self.layers.append({"type": "flatten"})
        n = self.pick("neurons", 3, 10)
        weight = self.rng.integers(-30, 60, (n, self.sent.shape[1])) * self.pick("scale", 1, 2, 3)
        self.neurons({"type": "dense", "weight": weight.astype(np.float32)}, (n,), self.sent @ weight.T, last)

    def image(self, last):
        """A convolution or a pool."""
        channels, height, width = self.shape
        kernel, stride = self.pick("kernel", (2, 2), (3, 2), (1, 3)), self.pick("stride", (1, 1), (2, 1))
        padding, dilation = self.pick("padding", (0, 0), (1, 0), (1, 1)), self.pick("dilation", (1, 1), (1, 2))
        layer = {"stride": np.array(stride), "padding": np.array(padding), "dilation": np.array(dilation)}
        if self.pick("kind", "conv", "pool") == "pool":
            groups, layer["kernelSize"] = channels, np.array(kernel)
            layer |= {"type": "pool", "weight": np.array(float(self.rng.integers(10, 60)))}
            weight = np.full((channels, 1, *kernel), float(layer["weight"]))
        else:
            groups = self.pick("groups", 1, channels)
            out = groups * self.pick("channels", 1, 2)
            weight = self.rng.integers(-30, 60, (out, channels // groups, *kernel)).astype(float)
            layer |= {"type": "conv", "weight": weight[..., None], "groups": groups}
        node = SimpleNamespace(
            weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=0.0
        )
        spread = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        if min(height + 2 * padding[0] - spread[0], width + 2 * padding[1] - spread[1]) < 1:
            return self.dense(last)
        drive = np.stack([convolve(node, frame.reshape(self.shape).astype(float)) for frame in self.sent])
        return self.neurons(layer, drive.shape[1:], np.rint(drive).astype(np.int64).reshape(len(drive), -1), last)

    def build(self):
        layers = self.draw(st.integers(1, 3), label="layers")
        for i in range(layers):
            image = len(self.shape) == 3 and self.pick("layer", "image", "image", "dense") == "image"
            (self.image if image else self.dense)(i == layers - 1)
        return self


@fuzz(short=40, long=4000)
@given(st.data())
def test_random_lava_networks_run_exactly(tmp_path_factory, data):
    net = Lava(data.draw).build()
    network = read_network(write_net(tmp_path_factory.getbasetemp() / "fuzz.net", net.layers))
    compilation, error = attempt(compile_network, network, load_architecture("large"), choose_semantics("lava"))
    OUTCOMES["lava"].append(type(error).__name__)
    if compilation is None:
        assert isinstance(error, DoesNotFitError)
        assert any("delay" in line or "holds" in line for line in error.problems)  # all that can go wrong
        return
    np.testing.assert_array_equal(shown(compilation, net.spikes.astype(np.uint8)), net.sent)


# --------------------------------------------------------------------------------------- graphs of single neurons
def graph_by_hand(graph, inputs, timesteps):
    """{neuron: spikes in all}, one neuron at a time; inputs by name (timesteps,)."""
    both = [] if graph.is_directed() else [(b, a, d) for a, b, d in graph.edges(data=True) if a != b]
    edges = [(a, b, d) for a, b, d in [*graph.edges(data=True), *both] if b not in inputs]
    neurons = [n for n in graph if n not in inputs]
    get = lambda n, key, default: graph.nodes[n].get(key, graph.graph.get(key, default))  # noqa: E731
    v, fired = dict.fromkeys(neurons, 0.0), {n: [] for n in neurons}
    for t in range(timesteps):
        x = {n: get(n, "bias", 0.0) for n in neurons}
        for a, b, d in edges:
            past = t - d.get("delay", 0 if a in inputs else 1)
            if past >= 0:
                x[b] += d.get("weight", 1.0) * float(inputs[a][past] if a in inputs else fired[a][past])
        for n in neurons:
            v[n] = get(n, "decay", 1.0) * v[n] + x[n]
            fired[n].append(v[n] > get(n, "v_threshold", 1.0))
            if fired[n][-1]:
                v[n] = get(n, "v_reset", 0.0)
    return {n: sum(spikes) for n, spikes in fired.items()}


@fuzz(short=40, long=4000)
@given(st.data())
def test_random_graphs_of_neurons_mean_what_they_say(tmp_path_factory, data):
    """Exactly in floats; with 16 bits, outputs fire in all as often to 5 % and 2."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32), label="seed"))
    kind = draw(st.sampled_from([nx.DiGraph, nx.MultiDiGraph, nx.Graph]), label="kind")
    shared = draw(st.sampled_from([{}, {"decay": 0.9}, {"bias": 0.02}]), label="shared")
    graph = kind(**shared, v_threshold=rng.uniform(0.7, 1.3))  # which sums of default weights never meet exactly
    n, m = draw(st.integers(1, 40), label="neurons"), draw(st.integers(1, 4), label="inputs")
    names = [f"in{i}" for i in range(m)] + list(range(n))
    for name in rng.permutation(np.array(names, object)).tolist():
        role = {"role": "input"} if name in names[:m] else {"role": "output"} if rng.random() < 0.3 or name == 0 else {}
        own = {} if name in names[:m] else {"decay": rng.uniform(0.2, 1), "v_reset": rng.uniform(-0.2, 0.2)}
        graph.add_node(name, **role, **{k: v for k, v in own.items() if rng.random() < 0.5})
    for _ in range(draw(st.integers(0, 4 * n), label="edges")):
        a, b = (names[int(i)] for i in (rng.integers(n + m), m + rng.integers(n)))
        least = 0 if a in names[:m] else 1
        given_weight = {"weight": rng.normal(0.3, 0.6)} if rng.random() < 0.9 else {}
        graph.add_edge(a, b, **given_weight, **({"delay": int(rng.integers(least, 4))} if rng.random() < 0.3 else {}))
    file = draw(st.sampled_from(["net.json", "net.graphml"]), label="file")
    path = tmp_path_factory.getbasetemp() / file
    if file == "net.json":
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
    else:
        nx.write_graphml(graph, path)
    timesteps = 20
    spikes = (rng.random((1, timesteps, m)) < 0.5).astype(np.uint8)
    order = [name for name in graph if name in names[:m]]
    wanted = graph_by_hand(graph, {name: spikes[0, :, i] for i, name in enumerate(order)}, timesteps)
    network, error = attempt(read_network, path)
    assert error is None
    exact = run_float(discretize(network, choose_semantics()), spikes)
    outputs = [name for name in graph if graph.nodes[name].get("role") == "output"]
    assert exact.output_counts[0].tolist() == [wanted[name] for name in outputs]
    assert sum(int(c.sum()) for c in exact.spike_counts.values()) == sum(wanted.values())
    arch = ARCHITECTURES[draw(st.sampled_from(["ecp5", "lone lane", "tiny"]), label="arch")]
    compilation, error = attempt(compile_network, network, arch, None, 16, spikes)
    OUTCOMES["graph"].append(type(error).__name__)
    if compilation is None:
        assert isinstance(error, DoesNotFitError)
        return
    found = int(emulator.run(compilation.image, spikes, fabric="off").output_counts.sum())
    ideal = int(exact.output_counts.sum())
    assert abs(found - ideal) <= 0.05 * ideal + 2, (found, ideal)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_most_of_them_ran(kind):
    if OUTCOMES[kind]:  # nothing did if a test was selected by name
        assert OUTCOMES[kind].count("NoneType") > 0.6 * len(OUTCOMES[kind])
