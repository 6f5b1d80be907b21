"""Trained modules of frameworks, in memory, as a Network that knows what NIR cannot say.

    network = from_torch(net, sample)      # snnTorch, Norse, sinabs, SpikingJelly, Rockpool; sample as net takes it
    network = from_spyx(net, (28 * 28,))   # Spyx: a Sequential and the shape of one timestep of input

Layers become nodes of a NIR graph whose neurons are read by Euler's rule, with one `Semantics` for all that the classes
choose beside it. BatchNorm is folded, Dropout dropped, a MaxPool over spikes is an OR.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emulator.spec.errors import InputError

from ..network.network import Network
from ..network.nir_graph import Graph, Node
from ..network.semantics import Semantics
from .frameworks import framework_of, is_frameworks_own, read_neurons
from .frameworks.neuron import Neuron
from .layers import Layer, fold_norm, linear_layer
from .nir import network_of
from .torch_trace import Call, Expr, Opaque, Result, Scaled, Source, Sum, Tracer, View

Shape = tuple[int, ...]


def from_torch(module: Any, sample: Any, origin: str | None = None) -> Network:
    """The network of a trained module, run once, on a copy, to see what flows where.

    Args:
        module: a torch.nn.Module of layers and of one framework's neurons, which may loop over time itself.
        sample: an input as the module takes it.
        origin: what messages call it; None: its class.

    Raises:
        InputError: the module does not run on the sample, or has a layer that cannot be expressed (named).
    """
    origin = origin or type(module).__name__
    try:
        return _Builder(Tracer(module, sample)).network(origin)
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(f"{origin}: ") else f"{origin}: {text}") from None


def from_spyx(model: Any, input_shape: Sequence[int], origin: str = "Sequential") -> Network:
    """The network of a Spyx (flax nnx) Sequential.

    Args:
        input_shape: of one timestep, channels first as (channels, height, width) for images.

    Raises:
        InputError: a layer that cannot be expressed (named).
    """
    from .spyx_layers import spyx_layer

    layers = getattr(model, "layers", None)
    if layers is None:
        raise InputError(f"{origin}: a {type(model).__name__} has no layers; give a spyx.nn.Sequential")
    graph = _Graph()
    shape = tuple(int(n) for n in input_shape)
    graph.nodes["input"] = Node("input", "Input", {"shape": np.array(shape)})
    before = ["input"]
    for i, layer in enumerate(layers):
        name = f"layer_{i}"
        if framework_of(layer):
            before = graph.neurons(name, read_neurons(name, layer, shape), before, shape)
        else:
            made, shape = spyx_layer(name, layer, shape)
            before = graph.layer(name, made, before)
    return graph.finished(before, origin)


class _Graph:
    """A graph that grows, with what is chosen for its neurons."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: list[tuple[str, str]] = []
        self.chosen: dict[str, Neuron] = {}
        self.notes: list[str] = []
        self.scaled: dict[str, str] = {}  # neurons whose spikes count for more or less: the node that says so

    def add(self, name: str, kind: str, values: dict[str, np.ndarray], before: Sequence[str]) -> list[str]:
        if name in self.nodes:
            raise InputError(f"two layers are called {name!r}; rename one")
        self.nodes[name] = Node(name, kind, values)
        self.edges += [(source, name) for source in before]
        return [name]

    def affine(self, name: str, weight: np.ndarray, bias: np.ndarray | None, before: Sequence[str]) -> list[str]:
        values = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        return self.add(name, "Linear" if bias is None else "Affine", values, before)

    def layer(self, name: str, layer: Layer, before: list[str]) -> list[str]:
        """Nodes of a linear layer, or none where it only moves elements."""
        for suffix, kind, values in layer.nodes:
            before = self.add(name + suffix, kind, values, before)
        self.notes += layer.notes
        return before

    def neurons(self, name: str, found: Neuron, before: list[str], shape: Shape) -> list[str]:
        """Nodes of neurons, with the weights that belong to them."""
        self.chosen[name] = found
        self.notes += [f"{name!r}: {note}" for note in found.notes]
        if found.before:
            before = self.affine(f"{name}.in", *found.before, before)
        self.add(name, found.kind, found.values, before)
        if found.feedback is not None:
            weight, bias = found.feedback if isinstance(found.feedback, tuple) else (None, None)
            if weight is not None:
                back = self.affine(f"{name}.back", weight, bias, [name])
            else:
                made, _ = linear_layer(f"{name}.back", found.feedback, shape)
                back = self.layer(f"{name}.back", made, [name])
            self.edges += [(source, name) for source in back]
        if found.factor != 1:
            self.scaled[name] = f"{name}.factor"
        return [name]

    def finished(self, output: list[str], origin: str) -> Network:
        """The network, with its semantics and notes."""
        self.add("output", "Output", {}, output)
        graph = Graph(self.nodes, self.edges, ["input"], ["output"])
        network = network_of(graph, origin)
        if not self.chosen:
            raise InputError(f"{origin}: no neurons of a framework that is known in it")
        return replace(
            network,
            semantics=semantics_of(self.chosen, origin),
            notes=tuple(dict.fromkeys((*self.notes, *network.notes))),
        )


def semantics_of(chosen: dict[str, Neuron], origin: str) -> Semantics:
    """One for all: what most populations choose, and by name what others choose."""
    dts = {neuron.dt for neuron in chosen.values()}
    if len(dts) > 1:
        raise InputError(f"its neurons have different timesteps ({', '.join(f'{dt:g} s' for dt in sorted(dts))})")
    base = Semantics(origin, dt=dts.pop())
    spiking = {name: neuron for name, neuron in chosen.items() if neuron.spiking} or chosen
    fields = {field for neuron in spiking.values() for field in neuron.fields}
    common: dict[str, Any] = {}
    for field in sorted(fields):
        votes = Counter(neuron.fields.get(field, getattr(base, field)) for neuron in spiking.values())
        common[field] = votes.most_common(1)[0][0]
    single = [
        (name, field, neuron.fields.get(field, getattr(base, field)))
        for name, neuron in chosen.items()
        for field in sorted(fields | set(neuron.fields))
        if neuron.fields.get(field, getattr(base, field)) != common.get(field, getattr(base, field))
        and not (field in ("reset", "compare", "max_spikes", "output_delay") and not neuron.spiking)
    ]
    return replace(base, **common, per_population=tuple(single))


@dataclass(frozen=True)
class _Step:
    """A call by the layer's name, its number among the layer's calls in a timestep, and the timestep."""

    name: str
    timestep: int


class _Builder:
    """Nodes of what the last timestep of a traced run did."""

    def __init__(self, trace: Tracer):
        self.trace, self.graph = trace, _Graph()
        self.features: dict[int, Shape] = {}
        self.built: dict[str, list[str]] = {}
        self.input_shape: Shape | None = None
        calls = Counter(call.name for call in trace.calls)
        neurons = {call.name for call in trace.calls if framework_of(call.module)}
        if not neurons:
            raise InputError("no neurons of snnTorch, Norse, sinabs, SpikingJelly, Rockpool or Spyx in it")
        timesteps = min(calls[name] for name in neurons)
        for name in neurons:
            if calls[name] != timesteps:
                raise InputError(
                    f"{name!r} runs {calls[name]} times while others run {timesteps}: neurons that are used twice in a "
                    "timestep share a state, which no network has; give each place a module of its own"
                )
        self.steps: list[_Step] = []
        seen: Counter[str] = Counter()
        for call in trace.calls:
            each = max(1, calls[call.name] // timesteps)
            number = seen[call.name] % each
            self.steps.append(_Step(call.name if number == 0 else f"{call.name}:{number + 1}", seen[call.name] // each))
            seen[call.name] += 1
        self.last = {step.name: i for i, step in enumerate(self.steps)}

    def network(self, origin: str) -> Network:
        output = self.trace.output
        while isinstance(output, View | Scaled):
            output = output.of
        if isinstance(output, Opaque):
            raise InputError(f"what it returns cannot be followed ({output.why}); return the last spikes")
        if isinstance(output, Result) and output.part > 0:
            self.read_membrane(output)
        if not isinstance(output, Result):
            raise InputError("it returns something else than a layer's spikes; return the last spikes")
        end = self.place(output.call)
        if self.input_shape is None:
            raise InputError("its layers do not use the sample")
        self.graph.nodes = {"input": Node("input", "Input", {"shape": np.array(self.input_shape)})} | self.graph.nodes
        return self.graph.finished(end, origin)

    def read_membrane(self, output: Result) -> None:
        """The network returns a state of its last neurons, not their spikes."""
        name = self.steps[output.call].name
        self.graph.notes.append(f"{name!r}: what the module returns is a state; outputs are read by their membrane")

    # ------------------------------------------------------------------------------------------- layers
    def place(self, number: int) -> list[str]:
        """The nodes that a call, in the last timestep, ends in."""
        step = self.steps[number]
        number = self.last[step.name]
        if step.name in self.built:
            return self.built[step.name]
        call = self.trace.calls[number]
        if framework_of(call.module):
            self.built[step.name] = [step.name]  # before its inputs are placed: they may come from itself
            shape = self.shape_of(number)
            found = read_neurons(call.name, call.module, shape)
            if not is_frameworks_own(call.module):
                kind = framework_of(call.module)
                assert kind is not None
                self.graph.notes.append(f"{step.name!r}: read as the {kind[1]} of {kind[0]} that it derives from")
            before = self.sources(call.given, number, math.prod(self.before_shape(call, found, shape)))
            self.graph.neurons(step.name, found, before, shape)
            return self.built[step.name]
        shape = self.given_shape(number)
        if type(call.module).__name__ in ("MaxPool2d", "MaxPool1d"):
            self.check_spikes(step.name, call.given)
        layer, _ = linear_layer(step.name, call.module, shape)
        if layer.nodes:  # known before its inputs are placed: they may come from itself
            self.built[step.name] = [step.name + layer.nodes[-1][0]]
        before = self.sources(call.given, number, math.prod(shape))
        if fold_norm(self.graph.nodes, self.graph.edges, before, layer):
            self.graph.notes += layer.notes
            self.built[step.name] = before
        else:
            self.built[step.name] = self.graph.layer(step.name, layer, before)
        return self.built[step.name]

    def before_shape(self, call: Call, found: Neuron, shape: Shape) -> Shape:
        return (found.before[0].shape[1],) if found.before else shape

    def check_spikes(self, name: str, given: Expr) -> None:
        """A maximum is an OR over spikes only."""
        while isinstance(given, View):
            given = given.of
        if isinstance(given, Source):
            return
        found = None
        if isinstance(given, Result) and given.part == 0 and framework_of(self.trace.calls[given.call].module):
            found = read_neurons(name, self.trace.calls[given.call].module, self.shape_of(given.call))
        if found is None or not found.spiking:
            raise InputError(
                f"{name!r} takes the maximum of weighted inputs, which no neuron here computes; put it behind the "
                "neurons, where it is an OR of their spikes, or train with AvgPool2d"
            )
        if str(found.fields.get("reset", "")).startswith("multi-spike") and found.fields.get("max_spikes", 255) > 1:
            raise InputError(
                f"{name!r} takes the maximum of neurons that fire several times a timestep; use SumPool2d or "
                "AvgPool2d, or neurons of single spikes"
            )

    # ------------------------------------------------------------------------------------------- shapes
    def shape_of(self, number: int) -> Shape:
        """The shape of what a call sends in a timestep, without batch and time."""
        if number not in self.features:
            call = self.trace.calls[number]
            if framework_of(call.module):
                given = self.features_of(call.given)
                weights = getattr(call.module, "recurrent_weights", None)
                if weights is not None:
                    shape: Shape = (int(weights.shape[0]),)
                elif given is None:  # neurons right behind the input
                    rank = 1 if len(call.shape_in) < 4 else 3
                    shape = call.shape_in[-rank:]
                else:
                    shape = given
            else:
                shape = linear_layer(call.name, call.module, self.given_shape(number))[1]
            self.features[number] = shape
        return self.features[number]

    def given_shape(self, number: int) -> Shape:
        """The shape of what goes into a call."""
        call = self.trace.calls[number]
        kind = type(call.module).__name__
        known = self.features_of(call.given)
        if known is not None:
            return known
        rank = 3 if "2d" in kind else 2 if "1d" in kind and "Norm" not in kind else 1
        return call.shape_in[-rank:]

    def features_of(self, what: Expr) -> Shape | None:
        """The shape of a signal in a timestep; None: that of the input, which its consumer knows."""
        if isinstance(what, Result):
            return self.shape_of(what.call)
        if isinstance(what, Sum):
            return next((s for s in map(self.features_of, what.parts) if s is not None), None)
        if isinstance(what, Scaled):
            return self.features_of(what.of)
        if isinstance(what, View):
            given = self.features_of(what.of)
            return None if given is None else trailing(what.index.shape, math.prod(given))
        return None

    # ------------------------------------------------------------------------------------------ sources
    def sources(self, what: Expr, consumer: int, size: int) -> list[str]:
        """Names of the nodes that together give a signal of `size` elements to a call."""
        name = self.steps[consumer].name
        if isinstance(what, Source):
            if self.input_shape is None:
                shape = trailing(self.trace.sample_shape, size)
                if shape is None:
                    raise InputError(
                        f"{name!r} takes {size} inputs, which a sample of {self.trace.sample_shape} has not"
                    )
                self.input_shape = shape
            return ["input"]
        if isinstance(what, Result):
            if what.part > 0:
                raise InputError(f"{name!r} is fed by a state of {self.steps[what.call].name!r}, not by its spikes")
            found = self.place(what.call)
            found = [self.factored(node) for node in found]
            late = self.steps[consumer].timestep - self.steps[what.call].timestep
            if late > 0:
                dt = next(iter(self.graph.chosen.values())).dt if self.graph.chosen else 1.0
                delay = {"delay": np.full(size, late * dt)}
                return self.graph.add(f"{self.steps[what.call].name} to {name} later", "Delay", delay, found)
            return found
        if isinstance(what, Sum):
            return [node for part in what.parts for node in self.sources(part, consumer, size)]
        if isinstance(what, Scaled):
            before = self.sources(what.of, consumer, size)
            number = sum(node.startswith(f"{name}.times") for node in self.graph.nodes)
            values = {"scale": np.full(size, what.factor)}
            return self.graph.add(f"{name}.times" + (str(number + 1) if number else ""), "Scale", values, before)
        if isinstance(what, View):
            rows = what.index.reshape(-1, size) if what.index.size % size == 0 else np.zeros((0, size))
            if not len(rows) or (rows[:, 0] % size).any() or (rows != rows[:, :1] + np.arange(size)).any():
                raise InputError(f"what flows into {name!r} has its elements in another order than the layer before")
            return self.sources(what.of, consumer, size)
        assert isinstance(what, Opaque)
        raise InputError(f"what flows into {name!r} cannot be followed: {what.why}")

    def factored(self, node: str) -> str:
        """The node behind neurons whose spikes count for more than 1 each."""
        name = self.graph.scaled.get(node)
        if name is None:
            return node
        if name not in self.graph.nodes:
            factor = np.full(self.graph.nodes[node].values["v_threshold"].shape, self.graph.chosen[node].factor)
            self.graph.add(name, "Scale", {"scale": factor}, [node])
        return name


def trailing(shape: Sequence[int], size: int) -> Shape | None:
    """The last axes of a shape that hold `size` elements."""
    for rank in range(1, len(shape) + 1):
        if math.prod(shape[-rank:]) == size:
            return tuple(int(n) for n in shape[-rank:])
    return None
