"""Read a NIR file into a Network: fold what is linear, follow the edges."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError
from emulator.spec.files import printable

from ..network.limits import INPUT
from ..network.network import NIR_MODELS, Network, Population, Projection
from ..network.nir_graph import Graph, Node
from .hdf5 import LARGEST, integers, numbers
from .linear import conv2d, pool2d, uses2d
from .nir_file import as_text, read_graph
from .nir_known import unknown_attributes
from .own_file import with_own

LINEAR = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten")
IMAGES = ("Conv2d", "SumPool2d", "AvgPool2d")
_OPTIONAL = {"v_reset": 0.0, "v_leak": 0.0, "w_in": 1.0}
_SPATIAL = ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
_Operator = tuple[sparse.csr_array | None, np.ndarray, tuple[int, ...]]  # matrix, bias per output, output shape


class _Term(NamedTuple):
    """What comes from a source after a delay in seconds: a matrix to it (None: the identity), and the nodes passed."""

    source: str
    matrix: sparse.csr_array | None = None
    path: tuple[str, ...] = ()
    delay_s: float = 0.0


@dataclass(frozen=True)
class _Signal:
    """What flows along an edge: a term for each source and delay, and a constant."""

    shape: tuple[int, ...]
    terms: tuple[_Term, ...]
    constant: np.ndarray
    convolutional: bool = False


def read_nir(path: str | Path) -> Network:
    """Read a NIR file.

    Raises:
        InputError: no such file, not HDF5 or truncated, a node that cannot be expressed (named, with the nearest
            choice), an edge to nowhere, or weights that do not fit each other.
    """
    path = Path(path)
    graph, own = read_graph(path)
    return with_own(network_of(graph, printable(path.name)), own)


def network_of(graph: Graph, origin: str) -> Network:
    """The network of a graph, `origin` being what messages call it; InputError as of `read_nir`."""
    try:
        return _Reader(origin, graph).network()
    except RecursionError:
        raise InputError(f"{origin}: too many linear nodes in a row to follow; fold them into one") from None
    except MemoryError:
        raise InputError(f"{origin}: larger than the memory of this computer; split the network") from None


class _Reader:
    def __init__(self, origin: str, graph: Graph):
        self.origin, self.graph, self.nodes = origin, graph, graph.nodes
        self.before: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for source, target in graph.edges:
            self.before[target].append(source)
        self.known: dict[str, _Signal] = {}
        self.operators: dict[tuple[str, tuple[int, ...]], _Operator] = {}
        self.uses: dict[str, int | None] = {}  # of a convolution's weights, where some are 0
        self.open: list[str] = []
        leaving = {source for source, _ in graph.edges}
        self.top_inputs = [n for n in graph.inputs if not self.before[n]]
        self.top_outputs = [n for n in graph.outputs if n not in leaving]

    def fail(self, text: str) -> InputError:
        return InputError(f"{self.origin}: {text}")

    def network(self) -> Network:
        for name, node in self.nodes.items():
            if node.kind not in (*NIR_MODELS, *LINEAR, "Delay", "Input", "Output"):
                reads = ", ".join((*NIR_MODELS, *LINEAR, "Delay"))
                raise self.fail(
                    f"{name!r} is of type {node.kind}, which this compiler cannot express; put it in terms of {reads}"
                )
            if name == INPUT and node.kind != "Input":
                raise self.fail(f"a {node.kind} is called {INPUT!r}, which names what comes from outside; rename it")
        if len(self.top_inputs) != 1 or len(self.top_outputs) != 1:
            raise self.fail(
                f"{len(self.top_inputs)} inputs and {len(self.top_outputs)} outputs; "
                "a network needs one Input and one Output"
            )
        self.shapes = self.find_shapes()
        neurons = [name for name, node in self.nodes.items() if node.kind in NIR_MODELS]
        signals = {name: self.gather(name) for name in neurons}
        populations = {name: self.population(name, signals[name]) for name in neurons}
        links = [(term, target, signal.convolutional) for target, signal in signals.items() for term in signal.terms]
        self.check_reached(neurons, [(term.source, target) for term, target, _ in links])
        for name, population in populations.items():
            if any(term.source == name for term in signals[name].terms):
                late = self.feedback_constant(name, name)
                populations[name] = replace(population, late_bias=np.broadcast_to(late, (population.n,)).copy())
        projections: list[Projection] = []
        taken: set[str] = set()
        for (source, matrix, path, delay_s), target, convolutional in links:
            if matrix is None:
                matrix = sparse.eye_array(populations[target].n, format="csr")
            name = "+".join(dict.fromkeys(path)) or f"{source}->{target}"
            if name in taken and delay_s:
                name = f"{name} after {delay_s:g} s"
            if name in taken:  # one linear node between several populations
                name = f"{name}:{source}->{target}"
            taken.add(name)
            weights = sum(self.nodes[n].values["weight"].size for n in path if "weight" in self.nodes[n].values)
            delay = int(source == target)  # a feedback
            acts = [n for n in path if self.nodes[n].kind in (*_SPATIAL, "Affine", "Linear")]
            projection = Projection(name, source, target, matrix, delay, convolutional, weights or None, delay_s)
            uses = self.uses.get(acts[0]) if len(acts) == 1 else None
            pooled = len(acts) > 1 and any("Pool" in self.nodes[n].kind for n in acts)
            projections.append(replace(projection, connections=uses, pooled=pooled))
        out = self.gather(self.top_outputs[0])
        if len(out.terms) != 1 or out.terms[0].source == INPUT or out.terms[0][1:] != (None, (), 0.0):
            raise self.fail(
                "the Output must be fed by one population of neurons; put an LI or I node behind a linear readout"
            )
        shape = self.signal(self.top_inputs[0]).shape
        notes = tuple(unknown_attributes(self.graph))
        chosen = tuple(populations[n] for n in sorted(neurons))
        return Network(
            shape, chosen, tuple(projections), out.terms[0].source, self.origin, graph=self.graph, notes=notes
        )

    def check_reached(self, neurons: list[str], links: list[tuple[str, str]]) -> None:
        """InputError if neurons never hear of the input."""
        reached = nx.descendants(nx.DiGraph([(INPUT, INPUT), *links]), INPUT)
        for name in neurons:
            if name not in reached:
                raise self.fail(f"{name!r} cannot be reached from the input; connect it or remove it")

    def feedback_constant(self, name: str, target: str) -> np.ndarray:
        """What of the constant that flows into `name`, on its way to neurons `target`, comes from themselves only."""
        total = np.zeros(1)
        for source in self.before[name]:
            signal = self.signal(source)
            if signal.terms and all(term.source == target for term in signal.terms):
                total = total + signal.constant
            elif self.nodes[source].kind in ("Input", "Output") and source not in self.top_inputs:
                total = total + self.feedback_constant(source, target)
        return total

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
        total: dict[tuple[str, float], _Term] = {}
        eye = sparse.eye_array(math.prod(shape), format="csr")
        for term in (term for signal in signals for term in signal.terms):
            held = total.get((term.source, term.delay_s))
            if held is not None:
                both = (eye if held.matrix is None else held.matrix) + (eye if term.matrix is None else term.matrix)
                term = term._replace(matrix=both, path=held.path + term.path)
            total[term.source, term.delay_s] = term
        constant = np.sum([s.constant for s in signals], axis=0)
        return _Signal(shape, tuple(total.values()), constant, any(s.convolutional for s in signals))

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
            shape = self.shapes[name]
            signal = _Signal(shape, (_Term(INPUT),), np.zeros(math.prod(shape)))
        elif node.kind in ("Input", "Output"):
            signal = self.gather(name)
        elif node.kind in NIR_MODELS:
            shape = self.shapes.get(name, self.neuron_size(node))
            signal = _Signal(shape, (_Term(name),), np.zeros(math.prod(shape)))
        elif node.kind == "Delay":
            signal = self.later(node, self.gather(name))
        else:
            signal = self.linear(node, self.gather(name))
        self.open.pop()
        self.known[name] = signal
        return signal

    def input_shape(self, node: Node) -> tuple[int, ...]:
        raw = node.values.get("shape", node.values.get("input_type", np.array([])))
        try:
            shape = integers(raw, "shape")
        except ValueError as error:
            raise self.fail(f"{node.name!r} (Input): {error}") from None
        image = any(node.name in sources and self.nodes[name].kind in IMAGES for name, sources in self.before.items())
        shape = shape if image and len(shape) == 3 else trim(shape)  # 1 x 1 x N may be an image of one row
        if not shape or min(shape) < 1 or math.prod(shape) > LARGEST:
            raise self.fail(
                f"{node.name!r} has shape {shape}; an input needs positive sizes, {LARGEST:,} in all at most"
            )
        return shape

    def find_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of what flows out of each node that the input reaches, found along the edges.

        Neurons whose parameters are all scalars take the shape of what flows in; so do those with flat parameters
        behind a convolution.
        """
        behind: dict[str, list[str]] = {name: [] for name in self.nodes}
        for target, sources in self.before.items():
            for source in sources:
                behind[source].append(target)
        shapes = {name: self.input_shape(self.nodes[name]) for name in self.top_inputs}
        waiting = deque((name, target) for name in shapes for target in behind[name])
        while waiting:
            source, name = waiting.popleft()
            if name not in shapes:
                shapes[name] = self.shape_after(name, source, shapes[source])
                waiting.extend((name, target) for target in behind[name])
        return shapes

    def shape_after(self, name: str, source: str, given: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that a node makes of the shape of its `source`."""
        node = self.nodes[name]
        if node.kind in LINEAR:
            return self.operate(node, given)[2]
        size = self.neuron_size(node) if node.kind in NIR_MODELS else ()
        channels = len(size) == len(given) and size[0] == given[0] and math.prod(size[1:]) == 1
        if math.prod(size) == 1 or channels:
            return given
        if math.prod(given) != math.prod(size):
            raise self.fail(
                f"{name!r} ({node.kind}) has parameters for {math.prod(size):,} neurons, "
                f"but {math.prod(given):,} values flow in from {source!r}"
            )
        return size if trim(given) == size else given

    def neuron_size(self, node: Node) -> tuple[int, ...]:
        """The shape of the largest parameter, without axes of one that stand for a batch or a time."""
        shape: tuple[int, ...] = max(
            (v.shape for k, v in node.values.items() if k in NIR_MODELS[node.kind]), key=math.prod, default=(1,)
        )
        return trim(shape)

    def linear(self, node: Node, given: _Signal) -> _Signal:
        size = math.prod(given.shape)
        matrix, bias, shape = self.operate(node, given.shape)
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
            _Term(source, matrix if held is None else (held @ matrix).tocsr(), (*path, node.name), delay_s)
            for source, held, path, delay_s in given.terms
        )
        constant = given.constant @ matrix + bias
        return _Signal(shape, terms, constant, given.convolutional or node.kind in _SPATIAL)

    def later(self, node: Node, given: _Signal) -> _Signal:
        """A signal behind a Delay: a term for each of its delays; a bias knows no beginning, and stays."""
        try:
            delay = spread(numbers(node.values["delay"], "delay"), given.shape, "delay")
        except KeyError:
            raise self.fail(f"{node.name!r} (Delay) has no 'delay'; export it again") from None
        except ValueError as error:
            raise self.fail(f"{node.name!r} (Delay): {error}") from None
        if not np.isfinite(delay).all() or delay.min() < 0:
            raise self.fail(f"{node.name!r} (Delay) has a delay of {delay.min():g} s; it must be 0 or more")
        terms = []
        for seconds in np.unique(delay):
            mask = sparse.diags_array((delay == seconds).astype(float), format="csr")
            for source, held, path, before in given.terms:
                matrix = held if (delay == seconds).all() else mask if held is None else (held @ mask).tocsr()
                if matrix is not None:
                    matrix.eliminate_zeros()
                terms.append(_Term(source, matrix, (*path, node.name), before + float(seconds)))
        return replace(given, terms=tuple(terms))

    def operate(self, node: Node, shape: tuple[int, ...]) -> _Operator:
        """`operator`, once per node, with what it finds wrong said about the node."""
        try:
            if (node.name, shape) not in self.operators:
                self.operators[node.name, shape] = self.operator(node, shape)
            return self.operators[node.name, shape]
        except KeyError as error:
            raise self.fail(f"{node.name!r} ({node.kind}) has no {error.args[0]!r}; export it again") from None
        except ValueError as error:
            raise self.fail(f"{node.name!r} ({node.kind}): {error}") from None

    def operator(self, node: Node, shape: tuple[int, ...]) -> _Operator:
        """(matrix, bias per output, output shape) of a linear node; no matrix if it only reshapes."""
        values = node.values
        if node.kind == "Flatten":
            return None, np.zeros(0), (math.prod(shape),)  # shapes have no batch axis here, whatever start_dim says
        if node.kind in ("Affine", "Linear"):
            weight = numbers(values["weight"], "weight")
            if weight.ndim != 2 or 0 in weight.shape:
                raise ValueError(f"weights of shape {weight.shape}, expected (outputs, inputs)")
            bias = numbers(values["bias"], "bias") if node.kind == "Affine" else np.zeros(len(weight))
            if bias.size != len(weight):
                raise ValueError(f"{bias.size} biases for {len(weight)} outputs")
            return sparse.csr_array(weight.T), bias.reshape(-1), (len(weight),)
        if node.kind == "Scale":
            scale = spread(numbers(values["scale"], "scale"), shape, "scale")
            return sparse.diags_array(scale, format="csr"), np.zeros(1), shape
        if node.kind in ("Conv1d", "Conv2d"):
            return self.convolve(node, shape, 1 if node.kind == "Conv1d" else 2)
        kernel = axes_of(values["kernel_size"], 2, "kernel_size")
        stride = axes_of(values["stride"], 2, "stride") if "stride" in values else kernel
        padding = axes_of(values.get("padding", np.array(0)), 2, "padding")
        matrix, out = pool2d(image_shape(shape, 2), kernel, stride, padding, node.kind == "AvgPool2d")  # type: ignore[arg-type]
        return matrix, np.zeros(1), out

    def convolve(
        self, node: Node, shape: tuple[int, ...], axes: int
    ) -> tuple[sparse.csr_array, np.ndarray, tuple[int, ...]]:
        values = node.values
        weight = numbers(values["weight"], "weight")
        groups = axes_of(values.get("groups", np.array(1)), 1, "groups")[0]
        if weight.ndim != axes + 2 or 0 in weight.shape:
            raise ValueError(f"weights of shape {weight.shape}, expected (out, in / groups{', size' * axes})")
        known = integers(values["input_shape"], "input_shape") if "input_shape" in values else ()
        shape = image_shape(shape, axes, weight.shape[1] * groups, known)
        stride, dilation = (axes_of(values.get(k, np.array(1)), axes, k) for k in ("stride", "dilation"))
        raw = values.get("padding", np.array(0))
        padding: str | tuple[int, ...] = (
            as_text(raw.item()) if raw.dtype.kind in "OSU" else axes_of(raw, axes, "padding")
        )
        if axes == 1:
            weight, shape, stride, dilation = (
                weight[:, :, None, :],
                (shape[0], 1, shape[1]),
                (1, *stride),
                (1, *dilation),
            )
            padding = padding if isinstance(padding, str) else (0, *padding)
        matrix, out = conv2d(weight, shape, stride, padding, dilation, groups)  # type: ignore[arg-type]
        self.uses[node.name] = uses2d(weight, shape, stride, padding, dilation, groups)
        bias = numbers(values["bias"], "bias").reshape(-1) if "bias" in values else np.zeros(1)
        if bias.size not in (1, out[0]):
            raise ValueError(f"{bias.size} biases for {out[0]} channels")
        full = np.repeat(np.broadcast_to(bias, (out[0],)), out[1] * out[2])
        return matrix, full, (out[0], out[2]) if axes == 1 else out

    # ---------------------------------------------------------------------------------------- populations
    def population(self, name: str, signal: _Signal) -> Population:
        node, n = self.nodes[name], math.prod(signal.shape)
        shape = signal.shape
        params = {}
        for key in NIR_MODELS[node.kind]:
            if key not in node.values and key not in _OPTIONAL:
                raise self.fail(f"{name!r} ({node.kind}) has no {key!r}; export it again")
            try:
                values = numbers(np.asarray(node.values.get(key, _OPTIONAL.get(key))), key)
                params[key] = spread(values, shape, key).copy()
            except ValueError as error:
                raise self.fail(f"{name!r} ({node.kind}): {error}") from None
        return Population(name, shape, node.kind, params, np.broadcast_to(signal.constant, (n,)).copy())


def trim(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the axes of one before a vector or an image that stand for a batch or a time."""
    while len(shape) > 1 and shape[0] == 1 and (len(shape) > 3 or math.prod(shape) == shape[-1]):
        shape = shape[1:]
    return shape


def axes_of(values: np.ndarray, axes: int, what: str) -> tuple[int, ...]:
    """One integer per axis of an image; a single one counts for all."""
    given = integers(values, what)
    if len(given) not in (1, axes):
        raise ValueError(f"{what} = {list(given)}, expected one number or {axes}")
    return given * axes if len(given) == 1 else given


def spread(values: np.ndarray, shape: tuple[int, ...], what: str) -> np.ndarray:
    """(n,) one value per element of `shape`, from one for all, one each, or one per channel (channels, 1, 1)."""
    n = math.prod(shape)
    if values.size in (1, n):
        return np.broadcast_to(values.reshape(-1), (n,))
    try:
        return np.broadcast_to(values, shape).reshape(-1)
    except ValueError:
        raise ValueError(f"{what} of shape {values.shape} for {n} elements of shape {shape}") from None


def image_shape(
    shape: tuple[int, ...], axes: int, channels: int | None = None, known: tuple[int, ...] = ()
) -> tuple[int, ...]:
    """(channels, size per axis) of what flows into a convolution or pool, tolerant of how it arrives.

    A batch axis of one is dropped, a lone channel's axis is added, and a flat signal takes the `known` sizes.
    """
    given = shape
    while len(shape) > axes + 1 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == axes and channels in (None, 1):
        shape = (1, *shape)
    if len(shape) != axes + 1 and len(known) == axes and channels and channels * math.prod(known) == math.prod(shape):
        shape = (channels, *known)
    if len(shape) != axes + 1:
        raise ValueError(f"an input of shape {given}, expected (channels{', size' * axes})")
    return shape
