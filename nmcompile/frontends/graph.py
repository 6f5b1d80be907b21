"""Read a graph of single neurons: one node a neuron or an input, one edge a synapse. GraphML or node-link JSON.

Made for networks that have no layers: small-world, scale-free, evolved. A file holds a directed graph (an undirected
edge works both ways; parallel edges add), for example from networkx:

    g = nx.DiGraph(model="DiscreteLIF", decay=0.9)      # of the graph: the default of every neuron
    g.add_node("eye", role="input")
    g.add_node("a", v_threshold=1.5, bias=0.01)
    g.add_node("b", role="output", decay=0.5)
    g.add_edge("eye", "a", weight=0.7)
    g.add_edge("a", "b", weight=-0.2, delay=3)
    nx.write_graphml(g, "net.graphml")                  # or json.dump(nx.node_link_data(g), file)

Attributes of a node:
    role    "input": not a neuron, but where spikes come in; "output": a neuron that is read out; inputs and outputs
            are numbered in the order of the file.
    model   a neuron model and its parameters by name; the default is DiscreteLIF, which knows no seconds:
            v := decay v + weighted input + bias, fires above v_threshold, then v := v_reset. NIR's models take theirs
            in NIR's units, and registered ones (`models.register`) under their own names.
    bias    added to the weighted input in every timestep; 0.
Attributes of an edge:
    weight  1.
    delay   whole timesteps from a spike to its effect: 1 by default and at least, and 0 from an input.

Neurons of a model make one population, outputs another; neurons that are wired together get places close together.
"""

from __future__ import annotations

import difflib
import json
import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse

from emulator.spec.errors import InputError
from emulator.spec.files import input_file, printable

from ..network.limits import INPUT
from ..network.network import MODELS, Network, Population, Projection

DEFAULTS = {"decay": 1.0, "v_threshold": 1.0, "v_reset": 0.0, "v_leak": 0.0, "r": 1.0, "w_in": 1.0}
LARGEST_TEXT = 1 << 28  # bytes of a file: some million synapses
_ROLES = ("input", "output", "")
_MODEL = "DiscreteLIF"  # of a neuron that says nothing
_CARRIED = ("id", "label", "name", "key", "pos", "x", "y", "z")  # by files and drawings: they mean nothing, rightly
_OF_GRAPHS = ("name", "node_default", "edge_default", "directed", "multigraph")


def read_graph(path: str | Path) -> Network:
    """Read a .graphml or .json file.

    Raises:
        InputError: no such file, no such graph in it, or whatever `network_from_graph` finds wrong.
    """
    path = input_file(path, LARGEST_TEXT)
    try:
        if path.suffix.lower() == ".json":
            graph = _from_json(json.loads(path.read_text()))
        else:
            graph = nx.read_graphml(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # the XML parser and networkx raise many kinds on what is no such file
        kind = "node-link JSON" if path.suffix.lower() == ".json" else "GraphML"
        raise InputError(f"{path}: not a {kind} file ({type(error).__name__}); write it with networkx") from None
    return network_from_graph(graph, printable(path.name))


def _from_json(data: dict[str, Any]) -> nx.Graph:
    """networkx called the edges `links` before 3.4, and `edges` since. Parallel edges stay beside each other.

    Raises:
        InputError: a node that is there twice, an edge whose end is no node.
    """
    shared = data.get("graph", {})
    key = "links" if "links" in data else "edges"
    if not all(isinstance(part, dict) for part in (shared, *data["nodes"], *data[key])):
        raise TypeError("attributes that are no objects")
    ids: set[Any] = set()
    for node in data["nodes"]:
        name = _hashable(node["id"])
        if name in ids:
            raise InputError(f"node {name!r} is there twice; merge them")
        ids.add(name)
    for edge in data[key]:
        for end in ("source", "target"):
            if _hashable(edge[end]) not in ids:
                raise InputError(
                    f"edge {edge['source']!r} -> {edge['target']!r}: {edge[end]!r} is no node; "
                    "edges name nodes by their id"
                )
    edges = [{k: v for k, v in edge.items() if k != "key"} for edge in data[key]]  # of a multigraph
    graph = {"directed": True, "graph": {}} | data | {"multigraph": True, key: edges}
    return nx.node_link_graph(graph, edges=key)


def _hashable(name: Any) -> Any:
    return tuple(map(_hashable, name)) if isinstance(name, list) else name


def network_from_graph(graph: nx.Graph, origin: str = "graph") -> Network:
    """A network of a graph whose nodes are neurons, as the module describes.

    Raises:
        InputError: no neurons, no input or output, an unknown role or model, a parameter that is missing or not a
            number, an edge into an input, or a delay that is not a whole number or too short.
    """
    return _Reader(graph, origin).network()


class _Reader:
    def __init__(self, graph: nx.Graph, origin: str):
        self.graph, self.origin, self.shared = graph, origin, graph.graph
        self.inputs: dict[Any, int] = {}
        self.groups: dict[tuple[str, bool], list[Any]] = {}  # (model, is it read out): nodes
        self.place: dict[Any, tuple[str, int]] = {}  # node: population, index

    def fail(self, text: str) -> InputError:
        return InputError(f"{self.origin}: {text}")

    def network(self) -> Network:
        for node, attributes in self.graph.nodes(data=True):
            role = str(attributes.get("role", ""))
            if role not in _ROLES:
                raise self.fail(f"node {node!r} has the role {role!r}; it is 'input', 'output' or none")
            if role == "input":
                self.inputs[node] = len(self.inputs)
                continue
            model = str(attributes.get("model", self.shared.get("model", _MODEL)))
            if model not in MODELS:
                raise self.fail(f"node {node!r} is a {model!r}; neuron models are {', '.join(MODELS)}")
            self.groups.setdefault((model, role == "output"), []).append(node)
        outputs = [key for key in self.groups if key[1]]
        if not self.inputs or not outputs:
            what = "input" if not self.inputs else "output"
            raise self.fail(f"no node has the role {what!r}; mark at least one")
        if len(outputs) > 1:
            models = ", ".join(model for model, _ in outputs)
            raise self.fail(f"its outputs are of different models ({models}); give them one")
        names: dict[tuple[str, bool], str] = {}
        for model, read_out in self.groups:
            others = [m for m, r in self.groups if r == read_out]
            kind = "outputs" if read_out else "neurons"
            names[model, read_out] = kind if len(others) == 1 else f"{kind} {model}"
        for key, nodes in self.groups.items():
            if not key[1]:
                self.groups[key] = nodes = self.neighbours_together(nodes)
            self.place |= {node: (names[key], i) for i, node in enumerate(nodes)}
        populations = tuple(
            self.population(names[model, read_out], model, nodes) for (model, read_out), nodes in self.groups.items()
        )
        sizes = {p.name: p.n for p in populations} | {INPUT: len(self.inputs)}
        projections = self.projections(sizes)
        notes = self.unknown()
        return Network(
            (len(self.inputs),), populations, projections, names[outputs[0]], self.origin, notes=tuple(notes)
        )

    def unknown(self) -> list[str]:
        """What says nothing here, a sentence for each name; a name that is nearly one that is known is refused."""
        known = {"bias", "model", "role", *(key for key in _CARRIED if key)}
        every = {key for model in MODELS.values() for key in model.parameters}
        found: dict[tuple[str, str], int] = {}
        for node, attributes in self.graph.nodes(data=True):
            role, model = (
                str(attributes.get("role", "")),
                str(attributes.get("model", self.shared.get("model", _MODEL))),
            )
            mine = known | (set() if role == "input" else set(MODELS[model].parameters))
            for key in attributes:
                if key not in mine:
                    self.refuse_near(f"node {node!r}", key, mine)
                    what = "an input" if role == "input" else f"a {model}"
                    found[f"nodes have {key!r}, which {what} has not", key] = 1
        for a, b, attributes in self.graph.edges(data=True):
            for key in attributes:
                if key not in ("weight", "delay", *_CARRIED):
                    self.refuse_near(f"edge {a!r} -> {b!r}", key, {"weight", "delay"})
                    found[f"edges have {key!r}, which a synapse has not", key] = 1
        for key in self.shared:
            if key not in known | every | set(_OF_GRAPHS):
                self.refuse_near("the graph", key, known | every)
                found[f"the graph has {key!r}, which no neuron has", key] = 1
        return [f"{text}: ignored" for text, _ in found]

    def refuse_near(self, where: str, key: str, known: set[str]) -> None:
        near = difflib.get_close_matches(key, sorted(known), 1, 0.8)
        if near:
            raise self.fail(f"{where} has {key!r}, which is nothing here; {near[0]!r} is")

    def neighbours_together(self, nodes: list[Any]) -> list[Any]:
        """Reverse Cuthill-McKee order, so that a core's neurons hear mostly of each other."""
        index = {node: i for i, node in enumerate(nodes)}
        edges = [(index[a], index[b]) for a, b in self.graph.edges() if a in index and b in index]
        if not edges:
            return nodes
        a, b = np.array(edges).T
        links = sparse.csr_array((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(len(nodes), len(nodes)))
        order = sparse.csgraph.reverse_cuthill_mckee(sparse.csr_matrix(links), symmetric_mode=True)
        return [nodes[i] for i in order]

    def population(self, name: str, model: str, nodes: list[Any]) -> Population:
        def values(key: str, default: float | None) -> np.ndarray:
            return np.array([self.number(node, key, default) for node in nodes])

        params = {key: values(key, DEFAULTS.get(key)) for key in MODELS[model].parameters}
        return Population(name, (len(nodes),), model, params, values("bias", 0.0))

    def number(self, node: Any, key: str, default: float | None) -> float:
        value = self.graph.nodes[node].get(key, self.shared.get(key, default))
        if value is None:
            raise self.fail(f"node {node!r} has no {key!r}, and the graph has no default for it; give it a number")
        return self.real(value, f"node {node!r}: {key}")

    def real(self, value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.fail(f"{where} is {value!r}; it must be a number")
        return float(value)

    def projections(self, sizes: dict[str, int]) -> tuple[Projection, ...]:
        """One for every pair of populations and delay."""
        found: dict[tuple[str, str, int], tuple[list[int], list[int], list[float]]] = {}
        both = [] if self.graph.is_directed() else [(b, a, d) for a, b, d in self.graph.edges(data=True) if a != b]
        for a, b, attributes in [*self.graph.edges(data=True), *both]:
            if b in self.inputs:
                if not self.graph.is_directed() and a not in self.inputs:
                    continue  # an input hears nothing; its neuron hears it by the other way round
                raise self.fail(f"edge {a!r} -> {b!r} leads into an input; only neurons take synapses")
            source, i = (INPUT, self.inputs[a]) if a in self.inputs else self.place[a]
            target, j = self.place[b]
            least = 0 if source == INPUT else 1
            delay = self.real(attributes.get("delay", least), f"edge {a!r} -> {b!r}: delay")
            if delay < least or delay != int(delay):
                raise self.fail(
                    f"edge {a!r} -> {b!r}: delay is {delay:g}; it must be a whole number of timesteps, {least} or more"
                )
            rows, columns, weights = found.setdefault((source, target, int(delay)), ([], [], []))
            rows.append(i)
            columns.append(j)
            weights.append(self.real(attributes.get("weight", 1.0), f"edge {a!r} -> {b!r}: weight"))
        projections = []
        for (source, target, delay), (rows, columns, weights) in found.items():
            shape = (sizes[source], sizes[target])
            matrix = sparse.coo_array((weights, (rows, columns)), shape=shape).tocsr()
            usual = 0 if source == INPUT else 1
            name = f"{source}->{target}" + (f" after {delay}" if delay != usual else "")
            projections.append(Projection(name, source, target, matrix, delay))
        return tuple(projections)
