"""A NIR file (HDF5) as nodes and edges, tolerant of what exporters really write.

The file is read with h5py and not with `nir.read`, which refuses files that exporters write (nested graphs that name a
wrong inner node, an Output of shape [1, 1, n]).
Source: NIR 1.0.8; J. E. Pedersen et al., Nature Communications 15, 8122 (2024).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emulator.spec.errors import InputError
from emulator.spec.files import printable

from ..network.nir_graph import Graph, Node
from .hdf5 import check_text, open_hdf5
from .own_file import read_own


@dataclass(frozen=True)
class Raw:
    """A graph as it was found: (type, parameters) of a node, or (type, graph) of a nested one."""

    nodes: dict[str, tuple[str, dict[str, np.ndarray] | Raw]]
    edges: list[tuple[str, str]]


def read_graph(path: Path) -> tuple[Graph, dict[str, Any]]:
    """Nodes and edges of a NIR file, and what it says beside NIR.

    Raises:
        InputError: no such file, not HDF5 or damaged, no NIR graph in it, a node without a type, an edge to nowhere.
    """
    try:
        with open_hdf5(path) as file:
            if "node" not in file or "nodes" not in file["node"]:
                raise InputError("an HDF5 file, but no NIR graph in it; write it with nir.write")
            return dissolved(_raw(file["node"], ""), ""), read_own(file)
    except InputError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more on damaged files
        raise InputError(f"{path}: not a NIR file, or truncated ({type(error).__name__}); export it again") from None


def _raw(group: h5py.Group, prefix: str) -> Raw:
    nodes: dict[str, tuple[str, dict[str, np.ndarray] | Raw]] = {}
    for key, item in group["nodes"].items():
        name = printable(key)
        if not isinstance(item, h5py.Group) or "type" not in item:
            inside = isinstance(item, h5py.Group) and any(
                isinstance(i, h5py.Group) and "type" in i for i in item.values()
            )
            why = "holds nodes itself: a name with a slash, which HDF5 cannot hold; rename it" if inside else ""
            raise InputError(f"node {prefix + name!r} {why or 'has no type; export it again'}")
        if item["type"].size != 1:
            raise InputError(f"node {prefix + name!r} has {item['type'].size:,} types; export it again")
        check_text(item["type"])
        kind = as_text(item["type"][()])
        nodes[name] = (kind, _raw(item, f"{prefix}{name}.") if kind == "NIRGraph" else _values(item))
    return Raw(nodes, _edges(group, nodes, prefix))


def dissolved(raw: Raw, prefix: str) -> Graph:
    """Nodes and edges of a graph, nested graphs dissolved into names like `outer.inner`."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    entry: dict[str, list[str]] = {}
    leave: dict[str, list[str]] = {}
    for name, (kind, content) in raw.nodes.items():
        if isinstance(content, Raw):
            inner = dissolved(content, f"{prefix}{name}.")
            new, entry[name], leave[name] = inner.nodes, inner.inputs, inner.outputs
            edges += inner.edges
        else:
            new = {prefix + name: Node(prefix + name, kind, content)}
            entry[name] = leave[name] = [prefix + name]
        for twice in new.keys() & nodes.keys():
            raise InputError(f"two nodes are called {twice!r} once nested graphs are dissolved; rename one")
        nodes |= new
    for source, target in repaired(raw.edges, raw.nodes, prefix):
        for end, ports, kind in ((source, leave[source], "Output"), (target, entry[target], "Input")):
            if len(ports) != 1:
                raise InputError(
                    f"graph {prefix + end!r} has {len(ports)} {kind} nodes; to be joined, a nested graph needs one"
                )
        edges.append((leave[source][0], entry[target][0]))
    kinds = {name: kind for name, (kind, _) in raw.nodes.items()}
    own = {kind: [prefix + name for name in kinds if kinds[name] == kind] for kind in ("Input", "Output")}
    return Graph(nodes, list(dict.fromkeys(edges)), own["Input"], own["Output"])


def _values(item: h5py.Group) -> dict[str, np.ndarray]:
    """The parameters of a node; None, which some exporters write as an empty dataset, counts as absent."""
    values = {}
    for name, data in item.items():
        key = printable(name)
        if key in ("type", "metadata") or not isinstance(data, h5py.Dataset) or data.shape is None:
            continue
        check_text(data)
        values[key] = np.asarray(data[()])
    return values


def _edges(group: h5py.Group, names: Collection[str], prefix: str) -> list[tuple[str, str]]:
    shape = group["edges"].shape if "edges" in group else (0, 2)
    if len(shape) == 0 or (shape[0] and (len(shape) != 2 or shape[1] != 2)):
        raise InputError(f"edges of shape {shape}, expected (n, 2) names; export it again")
    if shape[0]:
        check_text(group["edges"])
    raw = group["edges"][()] if shape[0] else np.zeros((0, 2))
    return [(as_text(source), as_text(target)) for source, target in raw.reshape(-1, 2)]


def repaired(edges: list[tuple[str, str]], names: Collection[str], prefix: str) -> list[tuple[str, str]]:
    """Edges between names; a nested graph that calls one of its nodes by a wrong name is repaired, if only one can be.

    The NIR paper's own Braille file has such a graph: edges say `lif`, the node is `lif1`.
    """
    used = {end for edge in edges for end in edge}
    unknown, idle = sorted(used - set(names)), sorted(set(names) - used)
    if prefix and len(unknown) == 1 and len(idle) == 1:
        meant = {unknown[0]: idle[0]}
        return [(meant.get(source, source), meant.get(target, target)) for source, target in edges]
    for source, target in edges:
        for end in (source, target):
            if end in unknown:
                where = f" of graph {prefix[:-1]!r}" if prefix else ""
                there = ", ".join(sorted(names))
                raise InputError(
                    f"edge {source!r} -> {target!r}{where} names {end!r}, which is no node; there are {there}"
                )
    return edges


def as_text(value: object) -> str:
    return printable(value.decode(errors="replace") if isinstance(value, bytes) else str(value))
