"""A NIR graph as plain data: nodes by name, edges between names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Node:
    name: str
    kind: str
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class Graph:
    """A graph with its nested graphs dissolved; `inputs` and `outputs` are its own, not those of nested ones."""

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    inputs: list[str]
    outputs: list[str]
