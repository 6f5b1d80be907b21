"""NIR's Threshold: a neuron without memory, which compares the weighted input of a timestep with its threshold."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..network.network import Population
from ..network.semantics import Semantics
from .update import Dynamics, Update, Value


def update(m: Update, *, compare: str) -> None:
    v, fired = m.state("v"), m.flag("fired")
    m.copy(v, m.input())
    m.add(v, v, "drive")
    m.compare(fired, v, compare, "threshold")
    m.spike(fired)


def discretize(population: Population, semantics: Semantics) -> Dynamics:
    """The comparison and the output delay are the semantics'."""
    limit = population.params["threshold"]
    return Dynamics(
        partial(update, compare=semantics.compare),
        {"threshold": Value(limit), "drive": Value(population.bias)},
        gain=np.ones(population.n),
        amplitude=np.abs(limit),
        output_delay=semantics.output_delay,
    )
