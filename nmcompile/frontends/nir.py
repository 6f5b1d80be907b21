"""Read a NIR file (HDF5) into a Network, tolerant of what exporters really write.

The file is read with h5py and not with `nir.read`, which refuses files that exporters write (nested graphs that name a
wrong inner node, an Output of shape [1, 1, n]).
Source: NIR 1.0.8; J. E. Pedersen et al., Nature Communications 15, 8122 (2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import networkx as nx
import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError

from ..linear import conv2d, pool2d
from ..network import INPUT, MODELS, Network, Population, Projection

LINEAR = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten")
_OPTIONAL = {"v_reset": 0.0, "v_leak": 0.0, "w_in": 1.0}


@dataclass(frozen=True)
class _Node:
    name: str
    kind: str
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Signal:
    """What flows along an edge: for each source a matrix to it, a constant, and which linear nodes made it.

    A matrix of None is the identity.
    """

    shape: tuple[int, ...]
    terms: tuple[tuple[str, sparse.csr_array | None, tuple[str, ...]], ...]
    constant: np.ndarray
    convolutional: bool = False


def read_nir(path: str | Path) -> Network:
    """Read a NIR file.

    Raises:
        InputError: no such file, not HDF5 or truncated, a node that cannot be expressed (named, with the nearest
            choice), an edge to nowhere, or weights that do not fit each other.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            if "node" not in file or "nodes" not in file["node"]:
                raise InputError(f"{path}: an HDF5 file, but no NIR graph in it")
            nodes, edges = _flatten(file["node"], "")
    except InputError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more on damaged files
        raise InputError(f"{path}: not a NIR file, or truncated ({type(error).__name__}); export it again") from None
    return _Reader(path.name, nodes, edges).network()


def _flatten(group: h5py.Group, prefix: str) -> tuple[dict[str, _Node], list[tuple[str, str]]]:
    """Nodes and edges of a graph, nested graphs dissolved into names like `outer.inner`."""
    nodes: dict[str, _Node] = {}
    edges: list[tuple[str, str]] = []
    entry: dict[str, list[str]] = {}
    leave: dict[str, list[str]] = {}
    for name, item in group["nodes"].items():
        kind = _text(item["type"][()])
        if kind == "NIRGraph":
            inner_nodes, inner_edges = _flatten(item, f"{prefix}{name}.")
            nodes |= inner_nodes
            edges += inner_edges
            entry[name] = [n for n, node in inner_nodes.items() if node.kind == "Input" and _outer(n, prefix, name)]
            leave[name] = [n for n, node in inner_nodes.items() if node.kind == "Output" and _outer(n, prefix, name)]
        else:
            values = {key: np.asarray(item[key][()]) for key in item if key not in ("type", "metadata")}
            nodes[f"{prefix}{name}"] = _Node(f"{prefix}{name}", kind, values)
            entry[name] = leave[name] = [f"{prefix}{name}"]
    for raw in group["edges"][()] if "edges" in group else ():
        source, target = (_text(end) for end in raw)
        for end in (source, target):
            if end not in entry:
                there = ", ".join(sorted(entry))
                raise InputError(f"edge {source!r} -> {target!r} names {end!r}, which is no node; there are {there}")
        edges += [(a, b) for a in leave[source] for b in entry[target]]
    return nodes, list(dict.fromkeys(edges))


def _outer(name: str, prefix: str, graph: str) -> bool:
    return "." not in name[len(prefix) + len(graph) + 1 :]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Reader:
    def __init__(self, origin: str, nodes: dict[str, _Node], edges: list[tuple[str, str]]):
        self.origin, self.nodes = origin, nodes
        self.before: dict[str, list[str]] = {name: [] for name in nodes}
        for source, target in edges:
            self.before[target].append(source)
        self.known: dict[str, _Signal] = {}
        self.open: list[str] = []
        self.top_inputs = [n for n, node in nodes.items() if node.kind == "Input" and not self.before[n]]
        self.top_outputs = [
            n for n in nodes if nodes[n].kind == "Output" and not any(n in b for b in self.before.values())
        ]

    def fail(self, text: str) -> InputError:
        return InputError(f"{self.origin}: {text}")

    def network(self) -> Network:
        if len(self.top_inputs) != 1 or len(self.top_outputs) != 1:
            raise self.fail(
                f"{len(self.top_inputs)} inputs and {len(self.top_outputs)} outputs; "
                "a network needs one Input and one Output"
            )
        neurons = [name for name, node in self.nodes.items() if node.kind in MODELS]
        signals = {name: self.gather(name) for name in neurons}
        populations = {name: self.population(name, signals[name]) for name in neurons}
        links = [
            (source, target, matrix, path, signal.convolutional)
            for target, signal in signals.items()
            for source, matrix, path in signal.terms
        ]
        order, delays = self.schedule(neurons, [(s, t) for s, t, *_ in links])
        projections = []
        for source, target, matrix, path, convolutional in links:
            if matrix is None:
                matrix = sparse.eye_array(populations[target].n, format="csr")
            name = "+".join(path) or f"{source}->{target}"
            weights = sum(self.nodes[n].values["weight"].size for n in path if "weight" in self.nodes[n].values)
            projections.append(
                Projection(name, source, target, matrix, delays[source, target], convolutional, weights or None)
            )
        out = self.gather(self.top_outputs[0])
        if len(out.terms) != 1 or out.terms[0][0] == INPUT or out.terms[0][1] is not None:
            raise self.fail(
                "the Output must be fed by one population of neurons; put an LI or I node behind a linear readout"
            )
        shape = self.signal(self.top_inputs[0]).shape
        return Network(shape, tuple(populations[n] for n in order), tuple(projections), out.terms[0][0], self.origin)

    def schedule(
        self, neurons: list[str], links: list[tuple[str, str]]
    ) -> tuple[list[str], dict[tuple[str, str], int]]:
        """An order in which signals flow within a timestep, and the delay of each link: 1 where it closes a loop."""
        graph = nx.DiGraph()
        graph.add_nodes_from([INPUT, *sorted(neurons)])
        graph.add_edges_from(sorted(set(links)))
        for name in neurons:
            if not nx.has_path(graph, INPUT, name):
                raise self.fail(f"{name!r} cannot be reached from the input; connect it or remove it")
        delays = dict.fromkeys(links, 0)
        finished: set[str] = set()
        on_path: set[str] = set()
        for kind_source, kind_target, label in nx.dfs_labeled_edges(graph, INPUT):
            if label == "forward":
                on_path.add(kind_target)
            elif label == "reverse":
                on_path.discard(kind_target)
                finished.add(kind_target)
            elif kind_target in on_path:
                delays[kind_source, kind_target] = 1
        forward = nx.DiGraph([link for link, delay in delays.items() if delay == 0])
        order = [name for name in nx.lexicographical_topological_sort(forward) if name != INPUT]
        return order, delays

    # ------------------------------------------------------------------------------------------- signals
    def gather(self, name: str) -> _Signal:
        """The sum of everything that flows into a node."""
        sources = self.before[name]
        if not sources:
            raise self.fail(f"nothing flows into {name!r}; connect it or remove it")
        signals = [self.signal(source) for source in sources]
        sizes = {math.prod(s.shape) for s in signals}
        if len(sizes) > 1:
            text = ", ".join(f"{n!r} gives {math.prod(s.shape)}" for n, s in zip(sources, signals, strict=True))
            raise self.fail(f"the inputs of {name!r} have different sizes: {text}")
        shape = max((s.shape for s in signals), key=len)
        total: dict[str, tuple[sparse.csr_array | None, tuple[str, ...]]] = {}
        for signal in signals:
            for source, matrix, path in signal.terms:
                if source not in total:
                    total[source] = (matrix, path)
                    continue
                eye = sparse.eye_array(math.prod(shape), format="csr")
                held, held_path = total[source]
                total[source] = (
                    (eye if held is None else held) + (eye if matrix is None else matrix),
                    held_path + path,
                )
        constant = np.sum([s.constant for s in signals], axis=0)
        terms = tuple((source, matrix, path) for source, (matrix, path) in total.items())
        return _Signal(shape, terms, constant, any(s.convolutional for s in signals))

    def signal(self, name: str) -> _Signal:
        """What flows out of a node."""
        if name in self.known:
            return self.known[name]
        node = self.nodes[name]
        if name in self.open:
            loop = " -> ".join([*self.open[self.open.index(name) :], name])
            raise self.fail(f"a loop without neurons: {loop}; put a neuron into it")
        self.open.append(name)
        if name in self.top_inputs:
            shape = self.input_shape(node)
            signal = _Signal(shape, ((INPUT, None, ()),), np.zeros(math.prod(shape)))
        elif node.kind in ("Input", "Output"):
            signal = self.gather(name)
        elif node.kind in MODELS:
            shape = self.neuron_shape(node)
            signal = _Signal(shape, ((name, None, ()),), np.zeros(math.prod(shape)))
        elif node.kind in LINEAR:
            signal = self.linear(node, self.gather(name))
        else:
            raise self.fail(
                f"{name!r} is a {node.kind}, which this compiler cannot express; "
                f"it reads {', '.join((*MODELS, *LINEAR))}"
            )
        self.open.pop()
        self.known[name] = signal
        return signal

    def input_shape(self, node: _Node) -> tuple[int, ...]:
        shape = tuple(
            int(v) for v in np.atleast_1d(node.values.get("shape", node.values.get("input_type", np.array([]))))
        )
        while len(shape) > 1 and shape[0] == 1 and len(shape) != 3:
            shape = shape[1:]
        if not shape or min(shape) < 1:
            raise self.fail(f"{node.name!r} has shape {shape}; an input needs positive sizes")
        return shape

    def neuron_shape(self, node: _Node) -> tuple[int, ...]:
        """From the largest parameter; scalars take the size of what flows in."""
        arrays = [v for k, v in node.values.items() if k in MODELS[node.kind]]
        largest = max(arrays, key=np.size)
        if largest.size > 1:
            return tuple(s for s in largest.shape if s != 1) if largest.ndim > 3 else _trim(largest.shape)
        looking = [s for s in self.before[node.name] if s not in self.open]
        for source in looking:
            return self.signal(source).shape
        return (1,)

    def linear(self, node: _Node, given: _Signal) -> _Signal:
        size = math.prod(given.shape)
        try:
            matrix, bias, shape = self.operator(node, given.shape)
        except KeyError as error:
            raise self.fail(f"{node.name!r} ({node.kind}) has no {error.args[0]!r}") from None
        except ValueError as error:
            raise self.fail(f"{node.name!r} ({node.kind}): {error}") from None
        if matrix is None:
            return _Signal(shape, given.terms, given.constant, given.convolutional)
        if matrix.shape[0] != size:
            raise self.fail(
                f"{node.name!r} ({node.kind}) takes {matrix.shape[0]} inputs, "
                f"but {size} flow in from {', '.join(self.before[node.name])}"
            )
        for array in (matrix.data, bias):
            if not np.isfinite(array).all():
                raise self.fail(
                    f"{node.name!r} ({node.kind}) has a weight or bias that is not finite; retrain or repair it"
                )
        terms = tuple(
            (source, matrix if held is None else (held @ matrix).tocsr(), (*path, node.name))
            for source, held, path in given.terms
        )
        constant = given.constant @ matrix + bias
        spatial = node.kind in ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
        return _Signal(shape, terms, constant, given.convolutional or spatial)

    def operator(
        self, node: _Node, shape: tuple[int, ...]
    ) -> tuple[sparse.csr_array | None, np.ndarray, tuple[int, ...]]:
        """(matrix, bias per output, output shape) of a linear node; no matrix if it only reshapes."""
        values = node.values
        if node.kind == "Flatten":
            return None, np.zeros(0), (math.prod(shape),)  # shapes have no batch axis here, whatever start_dim says
        if node.kind in ("Affine", "Linear"):
            weight = values["weight"].astype(np.float64)
            if weight.ndim != 2:
                raise ValueError(f"weights of shape {weight.shape}, expected (outputs, inputs)")
            bias = values["bias"].astype(np.float64) if node.kind == "Affine" else np.zeros(len(weight))
            if bias.size != len(weight):
                raise ValueError(f"{bias.size} biases for {len(weight)} outputs")
            return sparse.csr_array(weight.T), bias.reshape(-1), (len(weight),)
        if node.kind == "Scale":
            scale = np.broadcast_to(values["scale"].astype(np.float64).reshape(-1), (math.prod(shape),))
            return sparse.diags_array(scale, format="csr"), np.zeros(1), shape
        if node.kind == "Conv1d":
            return self.convolve(node, shape, 1)
        if node.kind == "Conv2d":
            return self.convolve(node, shape, 2)
        kernel, stride, padding = (_pair(values[k]) for k in ("kernel_size", "stride", "padding"))
        if len(shape) != 3:
            raise ValueError(f"an input of shape {shape}, expected (channels, height, width)")
        matrix, out = pool2d(shape, kernel, stride, padding, node.kind == "AvgPool2d")
        return matrix, np.zeros(1), out

    def convolve(
        self, node: _Node, shape: tuple[int, ...], axes: int
    ) -> tuple[sparse.csr_array, np.ndarray, tuple[int, ...]]:
        values = node.values
        weight = values["weight"].astype(np.float64)
        groups = int(values["groups"]) if "groups" in values else 1
        if weight.ndim != axes + 2:
            raise ValueError(f"weights of shape {weight.shape}, expected (out, in / groups{', size' * axes})")
        if len(shape) != axes + 1 and "input_shape" in values:
            shape = (weight.shape[1] * groups, *(int(v) for v in np.atleast_1d(values["input_shape"])))
        if len(shape) != axes + 1:
            raise ValueError(f"an input of shape {shape}, expected (channels{', size' * axes})")
        stride, dilation = (_many(values.get(k, np.array(1)), axes) for k in ("stride", "dilation"))
        raw = values.get("padding", np.array(0))
        padding: str | tuple[int, ...] = _text(raw[()]) if raw.dtype.kind in "OS" else _many(raw, axes)
        if axes == 1:
            weight, shape, stride, dilation = (
                weight[:, :, None, :],
                (shape[0], 1, shape[1]),
                (1, *stride),
                (1, *dilation),
            )
            padding = padding if isinstance(padding, str) else (0, *padding)
        matrix, out = conv2d(weight, shape, stride, padding, dilation, groups)  # type: ignore[arg-type]
        bias = values["bias"].astype(np.float64).reshape(-1) if "bias" in values else np.zeros(1)
        if bias.size not in (1, out[0]):
            raise ValueError(f"{bias.size} biases for {out[0]} channels")
        full = np.repeat(np.broadcast_to(bias, (out[0],)), out[1] * out[2])
        return matrix, full, (out[0], out[2]) if axes == 1 else out

    # ---------------------------------------------------------------------------------------- populations
    def population(self, name: str, signal: _Signal) -> Population:
        node, n = self.nodes[name], math.prod(signal.shape)
        shape = signal.shape
        params = {}
        for key in MODELS[node.kind]:
            if key not in node.values and key not in _OPTIONAL:
                raise self.fail(f"{name!r} ({node.kind}) has no {key!r}")
            values = np.asarray(node.values.get(key, _OPTIONAL.get(key)), np.float64).reshape(-1)
            if values.size not in (1, n):
                raise self.fail(f"{name!r} ({node.kind}): {key} has {values.size} values for {n} neurons")
            params[key] = np.broadcast_to(values, (n,)).copy()
        return Population(name, shape, node.kind, params, np.broadcast_to(signal.constant, (n,)).copy())


def _trim(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop leading axes of one from a vector's shape ([1, 1, n], as Rockpool writes it)."""
    return (shape[-1],) if len(shape) > 1 and math.prod(shape[:-1]) == 1 else shape


def _many(values: np.ndarray, n: int) -> tuple[int, ...]:
    flat = np.atleast_1d(values).astype(int).reshape(-1)
    return tuple(int(v) for v in np.broadcast_to(flat, (n,)))


def _pair(values: np.ndarray) -> tuple[int, int]:
    a, b = _many(values, 2)
    return a, b
