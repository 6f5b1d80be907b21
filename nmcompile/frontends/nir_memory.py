"""A NIR graph in memory (`nir.NIRGraph`), read as a file of it would be; the nir package is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emulator.spec.errors import InputError

from ..network.network import Network
from .nir import network_of
from .nir_file import Raw, dissolved

_NOT_PARAMETERS = ("input_type", "output_type", "metadata", "edges", "nodes", "type_check")


def from_nir(graph: Any, origin: str = "graph") -> Network:
    """The network of a NIR graph.

    Args:
        graph: has `nodes`, a dictionary of nodes by name, and `edges`, pairs of names.
        origin: what messages call it.

    Raises:
        InputError: no such graph, or whatever `read_nir` finds wrong.
    """
    if not isinstance(getattr(graph, "nodes", None), Mapping) or not hasattr(graph, "edges"):
        raise InputError(f"a {type(graph).__name__} is no NIR graph; give a nir.NIRGraph")
    try:
        found = dissolved(_raw(graph), "")
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None
    return network_of(found, origin)


def _raw(graph: Any) -> Raw:
    nodes: dict[str, tuple[str, dict[str, np.ndarray] | Raw]] = {}
    for name, node in graph.nodes.items():
        kind = type(node).__name__
        if not hasattr(node, "__dict__"):
            raise InputError(
                f"node {name!r} is a {kind}: a layer that its exporter does not know; hand the module over "
                "(nm.from_torch)"
            )
        nodes[str(name)] = (kind, _raw(node) if kind == "NIRGraph" else _values(node))
    return Raw(nodes, [(str(a), str(b)) for a, b in graph.edges])


def _values(node: Any) -> dict[str, np.ndarray]:
    found = {}
    for key, value in vars(node).items():
        if value is None or key.startswith("_") or (key in _NOT_PARAMETERS):
            continue
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        found[key] = np.asarray(value)
    kind = type(node).__name__
    if kind in ("Input", "Output"):
        types = getattr(node, "input_type" if kind == "Input" else "output_type", None) or {}
        for shape in types.values():
            if shape is not None:
                found["shape"] = np.asarray(shape)
    return found
