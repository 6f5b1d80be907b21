"""Small NIR files for tests, written with the `nir` package, or straight with h5py where it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

Edges = Iterable[tuple[str, str]]


def chain(*names: str) -> list[tuple[str, str]]:
    """Edges from each name to the next."""
    return list(itertools.pairwise(names))


def write(path: Path, nodes: dict[str, Any], edges: Edges) -> Path:
    """Write a graph; the checks of `nir`, which refuse what exporters write, are off.

    `nir.write` fails on None and compresses 0-d arrays, which HDF5 refuses; exporters that have those write around it.
    """
    graph = nir.NIRGraph(nodes, list(edges), type_check=False)
    if not _writable(graph):
        with h5py.File(path, "w") as file:
            file["version"] = nir.version
            _write(file.create_group("node"), graph.to_dict())
    else:
        nir.write(path, graph)
    return path


def _writable(graph: nir.NIRGraph) -> bool:
    def fine(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(fine, value.values()))
        return value is not None and not (isinstance(value, np.ndarray) and value.ndim == 0)

    return all(fine(value) for node in graph.nodes.values() for value in node.to_dict().values())


def _write(group: h5py.Group, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif name == "edges":
            group.create_dataset(name, data=np.array(value, dtype=h5py.string_dtype()))
        elif value is not None:
            group.create_dataset(name, data=value)


def edit(path: Path, change: Callable[[h5py.File], None]) -> Path:
    """Change a file behind nir's back."""
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def put(file: h5py.File, name: str, value: Any) -> None:
    """Replace one dataset."""
    if name in file:
        del file[name]
    file.create_dataset(name, data=value)


def give(*shape: int) -> nir.Input:
    return nir.Input(np.array(shape))


def take(*shape: int) -> nir.Output:
    return nir.Output(np.array(shape))


def lif(*shape: int, tau: float = 2e-3, threshold: float = 1.0, reset: float = 0.0) -> nir.LIF:
    """LIF neurons whose input is worth itself at dt = 1e-4: r = tau / dt."""
    full = lambda v: np.full(shape, v)  # noqa: E731
    return nir.LIF(
        tau=full(tau), r=full(tau / 1e-4), v_leak=full(0.0), v_threshold=full(threshold), v_reset=full(reset)
    )


def two_layers(rng: np.random.Generator, inputs: int = 6, hidden: int = 5, outputs: int = 3) -> dict[str, Any]:
    """Nodes of a little perceptron; its edges are `LAYERS`."""
    return {
        "input": give(inputs),
        "fc1": nir.Affine(rng.normal(0.3, 0.5, (hidden, inputs)), rng.normal(0, 0.05, hidden)),
        "lif1": lif(hidden),
        "fc2": nir.Linear(rng.normal(0.3, 0.5, (outputs, hidden))),
        "lif2": lif(outputs),
        "output": take(outputs),
    }


LAYERS = chain("input", "fc1", "lif1", "fc2", "lif2", "output")
