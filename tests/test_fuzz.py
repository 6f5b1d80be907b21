"""Random NIR graphs against a float interpreter, and damaged files: only our own errors, never a traceback or a hang.

CI runs a slice with fixed seeds; NM_LONG=1 runs thousands.
"""

import os
from collections import Counter
from dataclasses import replace

import h5py
import nir
import nirplain
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nirfiles import LAYERS, two_layers, write

import emulator
from emulator.result import load_result, save_result
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, NmError
from emulator.spec.image_file import load_image, save_image
from nmcompile.coding.spikes import read_spikes
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.nir import read_nir
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

LONG = bool(os.environ.get("NM_LONG"))
DT = 1e-4


def fuzz(short, long):
    """Settings of a run that is the same every time."""
    return settings(
        max_examples=long if LONG else short,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def attempt(call, *arguments):
    """(result, None), or (None, our own error); anything else passes through. Warnings are errors here."""
    try:
        return call(*arguments), None
    except NmError as error:
        return None, error


# ----------------------------------------------------------------------------------------------------- random graphs
class Graph:
    """Grows a random graph layer by layer, every choice drawn by hypothesis, every number by a seeded generator."""

    def __init__(self, draw):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 32), label="seed"))
        self.nodes, self.edges, self.neurons = {}, [], []
        self.back, self.nested, self.shape = set(), {}, ()
        numbers = draw(st.permutations(range(1, 13)), label="names")
        self.names = iter([str(n) for n in numbers] + [f"n{n}" for n in range(40)])

    def pick(self, label, *choices):
        return self.draw(st.sampled_from(choices), label=label)

    def add(self, node, *sources):
        name = next(self.names)
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def weights(self, out, fan_in):
        """Balanced, with a little more excitation, so that most neurons fire sometimes."""
        return self.rng.normal(0.25 / np.sqrt(fan_in), 0.7 / np.sqrt(fan_in), (out, fan_in))

    def linear(self, source, shape):
        """A random linear node that suits the shape; (name, shape of its output)."""
        n = int(np.prod(shape))
        more = {1: (), 2: ("conv1d", "conv1d", "flatten"), 3: ("conv", "conv", "pool", "flatten")}[len(shape)]
        kind = self.pick("linear", "affine", "linear", "scale", "delay", *more)
        if kind == "scale":
            scale = self.rng.uniform(0.5, 1.5, self.pick("scale", shape, ()))
            return self.add(nir.Scale(np.asarray(scale)), source), shape
        if kind == "flatten":
            return self.add(nir.Flatten({"input": np.array(shape)}, 0, -1), source), (n,)
        if kind == "delay":  # in timesteps, near enough to whole ones
            steps = self.rng.integers(0, self.pick("longest delay", 1, 2, 4), self.pick("delays", shape, ()))
            return self.add(nir.Delay(np.asarray((steps + self.rng.uniform(-0.2, 0.2)).clip(0) * DT)), source), shape
        if kind == "pool" and min(shape[1:]) >= 2:
            node = self.pick("pool", nir.SumPool2d, nir.AvgPool2d)
            kernel, stride, padding = (np.array(self.pick(*c)) for c in POOLS)
            out = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[1:], padding, kernel, stride, strict=True)]
            return self.add(node(kernel, stride, padding), source), (shape[0], *out)
        if kind == "conv":
            return self.convolution(source, shape)
        if kind == "conv1d":
            return self.convolution1d(source, shape)
        out = self.pick("size", 1, 3, 6)
        if len(shape) > 1:
            source = self.add(nir.Flatten({"input": np.array(shape)}, 0, -1), source)
        weight = self.weights(out, n)
        if kind == "linear":
            return self.add(nir.Linear(weight.astype(np.float32)), source), (out,)
        return self.add(nir.Affine(weight, self.rng.normal(0, 0.05, out)), source), (out,)

    def convolution(self, source, shape):
        groups = self.pick("groups", 1, shape[0])
        out, kernel = groups * self.pick("channels", 1, 2), self.pick("kernel", (1, 1), (2, 2), (3, 3), (1, 3), (3, 2))
        stride, dilation = self.pick("stride", 1, 2, (1, 2)), self.pick("dilation", 1, (2, 1))
        padding = self.pick("padding", 0, 1, (1, 0), "same", "valid")
        weight = self.weights(out, shape[0] // groups * kernel[0] * kernel[1]).reshape(out, shape[0] // groups, *kernel)
        pair = lambda v: (v, v) if isinstance(v, int) else v  # noqa: E731
        spread = [d * (k - 1) for d, k in zip(pair(dilation), kernel, strict=True)]
        pads = {"same": spread, "valid": (0, 0)}.get(padding) if isinstance(padding, str) else None
        pads = pads or [2 * p for p in (pair(padding) if not isinstance(padding, str) else (0, 0))]
        size = [(n + p - s - 1) // t + 1 for n, p, s, t in zip(shape[1:], pads, spread, pair(stride), strict=True)]
        if min(size) < 1:
            return source, shape
        bias = self.rng.normal(0, 0.05, out)
        known = self.pick("input_shape", None, shape[1:])
        return self.add(nir.Conv2d(known, weight, stride, padding, dilation, groups, bias), source), (out, *size)

    def convolution1d(self, source, shape):
        channels, n = shape
        groups, kernel = self.pick("groups", 1, channels), self.pick("kernel", 1, 2, 3)
        out = groups * self.pick("channels", 1, 2)
        stride, dilation, padding = (
            self.pick("stride", 1, 2),
            self.pick("dilation", 1, 2),
            self.pick("padding", 0, 1, 2),
        )
        size = (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        if size < 1:
            return source, shape
        weight = self.weights(out, channels // groups * kernel).reshape(out, channels // groups, kernel)
        known, bias = self.pick("input_shape", None, n), self.rng.normal(0, 0.05, out)
        return self.add(nir.Conv1d(known, weight, stride, padding, dilation, groups, bias), source), (out, size)

    def population(self, shape, spiking=True):
        """A node of random neurons; parameters full, flat, with a batch axis, or scalar."""
        kind = (
            self.pick("model", "LIF", "IF", "CubaLIF", "Threshold")
            if spiking
            else self.pick("readout", "LI", "I", "CubaLI")
        )
        form = self.pick("form", shape, (int(np.prod(shape)),), (1, *shape), ())
        draw = lambda low, high: np.asarray(self.rng.uniform(low, high, form))  # noqa: E731
        tau, tau_syn = draw(5 * DT, 40 * DT), draw(2 * DT, 10 * DT)
        gain, leak = draw(0.7, 1.3), self.pick("leak", 0.0, 0.1)
        ends = {"v_threshold": draw(0.6, 1.4), "v_reset": draw(-0.1, 0.1) * self.pick("reset", 0, 1)}
        if kind == "Threshold":
            return nir.Threshold(draw(0.2, 0.6))
        if kind in ("IF", "I"):
            params = {"r": gain / DT}
        elif kind in ("LIF", "LI"):
            params = {"tau": tau, "r": gain * tau / DT, "v_leak": gain * leak}
        else:
            params = {"tau_mem": tau, "tau_syn": tau_syn, "r": gain * tau / DT, "v_leak": gain * leak}
            params["w_in"] = np.asarray(0.3 * tau_syn / DT)
        return getattr(nir, kind)(**params, **(ends if spiking else {}))

    def build(self):
        self.shape = shape = self.pick("input", (1,), (4,), (9,), (3, 7), (1, 5, 6), (2, 4, 4))
        self.nodes["input"] = nir.Input(np.array(self.pick("batch", shape, (1, 1, *shape)[-4:])))
        at, layers = "input", self.draw(st.integers(1, 3), label="layers")
        for layer in range(layers):
            for _ in range(self.draw(st.integers(0 if layer else 1, 2), label="linear nodes")):
                at, shape = self.linear(at, shape)
            last = layer == layers - 1
            at = self.add(self.population(shape, spiking=not last or self.pick("spiking", True, True, False)), at)
            n, spiking = int(np.prod(shape)), hasattr(self.nodes[at], "v_threshold")
            spiking |= isinstance(self.nodes[at], nir.Threshold)
            if spiking and n <= 40 and self.pick("recurrent", False, False, True):
                inner = at
                if len(shape) > 1:
                    inner = self.add(nir.Flatten({"input": np.array(shape)}, 0, -1), at)
                back = self.add(nir.Linear(0.4 * self.weights(n, n)), inner)
                self.edges.append((back, at))
                self.back.add((back, at))
                if inner == at and self.pick("nested", False, True):
                    self.nested[at] = back
            if self.neurons and self.pick("skip", False, False, True):
                source, size = self.neurons[self.draw(st.integers(0, len(self.neurons) - 1), label="from")]
                if len(size) > 1:
                    source = self.add(nir.Flatten({"input": np.array(size)}, 0, -1), source)
                self.edges.append((self.add(nir.Linear(self.weights(n, int(np.prod(size)))), source), at))
            self.neurons.append((at, shape))
        self.nodes["output"] = nir.Output(np.array(shape))
        self.edges.append((at, "output"))
        return self

    def written(self):
        """(nodes, edges) of the file: some neurons and their feedback in a graph of their own."""
        nodes = {name: node for name, node in self.nodes.items() if name not in self.nested.values()}
        for name, back in self.nested.items():
            size = np.array([self.nodes[back].weight.shape[0]])
            inner = {
                "input": nir.Input(size),
                "lif": self.nodes[name],
                "w": self.nodes[back],
                "output": nir.Output(size),
            }
            edges = [("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")]
            nodes[name] = nir.NIRGraph(inner, edges, type_check=False)
        gone = set(self.nested.values())
        return nodes, [(a, b) for a, b in self.edges if a not in gone and b not in gone]


POOLS = (
    ("kernel", (2, 2), (1, 2), (2, 1)),
    ("stride", (2, 2), (1, 1), (2, 1)),
    ("padding", (0, 0), (0, 1), (1, 0)),
)
OUTCOMES: Counter[str] = Counter()
ARCHITECTURES = {
    "ecp5": load_architecture("ecp5"),
    "up5k": load_architecture("up5k"),
    "lone lane": replace(load_architecture("ecp5"), name="lone lane", lanes=1, neurons=256, rtl=False),
    "tiny": replace(load_architecture("ecp5"), name="tiny", neurons=16, axons=64, delay_slots=1, rtl=False),
    "no room": replace(load_architecture("up5k"), name="no room", registers=2, synapse_words=32, rtl=False),
}


@fuzz(short=40, long=4000)
@given(st.data())
def test_random_graphs_compile_and_agree_with_floats(tmp_path_factory, data):
    """As read, every neuron fires as `nirplain` says from the nodes themselves; a graph that cannot run is named.

    On the machine with 16-bit weights and 24-bit states, spikes in all differ by at most 5 % and 2.
    """
    graph = Graph(data.draw).build()
    path = tmp_path_factory.getbasetemp() / "fuzz.nir"
    nodes, edges = graph.written()
    write(path, nodes, data.draw(st.permutations(edges), label="edges"))
    if data.draw(st.booleans(), label="old file"):
        with h5py.File(path, "r+") as file:
            for node in file["node/nodes"].values():
                if "v_reset" in node and not node["v_reset"][()].any():
                    del node["v_reset"]
    reset = data.draw(st.sampled_from(["value", "subtract", "delayed-subtract"]), label="reset")
    compare = data.draw(st.sampled_from([">", ">="]), label="compare")
    integrator = data.draw(st.sampled_from(["euler", "exponential"]), label="integrator")
    semantics = choose_semantics("nir", reset=reset, compare=compare, integrator=integrator)
    arch = ARCHITECTURES[data.draw(st.sampled_from(sorted(ARCHITECTURES)), label="arch")]
    bits = data.draw(st.sampled_from([16, 16, 16, 8, 4, 2, 1]), label="weight bits")
    network = read_nir(path)
    spikes = (graph.rng.random((3, 12, network.n_inputs)) < 0.4).astype(np.uint8)
    exact = run_float(discretize(network, semantics), spikes)
    check_reading(graph, semantics, spikes, exact)
    compilation, error = attempt(compile_network, network, arch, semantics, bits, spikes)
    OUTCOMES[type(error).__name__] += 1
    if compilation is None:
        assert isinstance(error, DoesNotFitError) or "loop" in str(error)  # all that this generator can do wrong
        assert all(len(line) < 300 and line.isprintable() for line in str(error).splitlines())
        return
    result = emulator.run(compilation.image, spikes, fabric="off")
    assert result.output_counts.shape == exact.output_counts.shape
    if bits == 16 and arch.state_bits == 24 and network.population(network.output).spiking:
        OUTCOMES["compared"] += 1
        fixed, ideal = int(result.output_counts.sum()), int(exact.output_counts.sum())
        assert abs(fixed - ideal) <= 0.05 * ideal + 2, (fixed, ideal)
        OUTCOMES["equal"] += bool((result.output_counts == exact.output_counts).all())


def check_reading(graph, semantics, spikes, exact):
    """Spike counts of all neurons, and the summed potential of an output that does not spike."""
    for sample, inputs in enumerate(spikes):
        plain = nirplain.run(graph.nodes, graph.edges, graph.back, semantics, inputs, graph.shape)
        for name, sent in plain.items():
            if hasattr(graph.nodes[name], "v_threshold") or isinstance(graph.nodes[name], nir.Threshold):
                counts = exact.spike_counts[f"{name}.lif" if name in graph.nested else name][sample]
                np.testing.assert_array_equal(counts, sent.sum(axis=0), err_msg=name)
            else:
                np.testing.assert_allclose(exact.output_counts[sample], sent.sum(axis=0), 1e-6, 1e-9, err_msg=name)


def test_most_random_graphs_were_compared():
    total = sum(OUTCOMES.values()) - OUTCOMES["compared"] - OUTCOMES["equal"]
    if total:  # nothing ran if a test was selected by name
        assert OUTCOMES["NoneType"] > 0.5 * total
        assert OUTCOMES["compared"] > 0.15 * total
        assert OUTCOMES["equal"] > 0.9 * OUTCOMES["compared"]  # every count of every output


# ----------------------------------------------------------------------------------------------------- damaged files
VALUES = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF])
WIDE = st.sampled_from([0, 1, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])


@st.composite
def damages(draw, size):
    """Ways to damage a file of `size` bytes: (first byte, bytes to drop, bytes to write)."""
    where = st.integers(0, size - 1)
    one = st.builds(lambda at, value: (at, 1, bytes([value])), where, VALUES | st.integers(0, 255))
    eight = st.builds(lambda at, value: (at, 8, value.to_bytes(8, "little")), where, WIDE)
    cut = st.builds(lambda at, n: (at, n, b""), where, st.sampled_from([1, 7, 100, 1 << 30]))
    return draw(st.lists(one | one | one | eight | cut, min_size=1, max_size=4))


def damaged(data, changes):
    for at, drop, new in changes:
        data = data[:at] + new + data[at + drop :]
    return data


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """One valid file of each kind: {ending: (bytes, how to read it)}."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    network = read_nir(write(folder / "a.nir", two_layers(rng), LAYERS))
    image = compile_network(network).image
    save_image(image, folder / "a.nmi")
    spikes = rng.random((3, 4, 6)) < 0.5
    np.savez(folder / "a.npz", spikes=spikes, labels=[1, 2, 0])
    np.savez_compressed(folder / "b.npz", events=np.argwhere(spikes), shape=spikes.shape)
    save_result(emulator.run(image, spikes, record_spikes=True), folder / "run.npz")
    readers = {
        "a.nir": lambda path: compile_network(read_nir(path)),
        "a.nmi": load_image,
        "a.npz": lambda path: read_spikes(path, 6),
        "b.npz": lambda path: read_spikes(path, 6),
        "run.npz": load_result,
    }
    return {name: ((folder / name).read_bytes(), read) for name, read in readers.items()}


@pytest.mark.parametrize("name", ["a.nir", "a.nmi", "a.npz", "b.npz", "run.npz"])
def test_damaged_files_give_our_own_errors_only(good, tmp_path_factory, name):
    content, read = good[name]
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"

    @fuzz(short=100, long=20_000)
    @given(damages(len(content)))
    def run(changes):
        path.write_bytes(damaged(content, changes))
        _, error = attempt(read, path)
        if error is not None:
            assert str(error)
            assert all(line.isprintable() for line in str(error).splitlines())

    run()
