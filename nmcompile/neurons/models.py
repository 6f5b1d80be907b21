"""The neuron models there are, and how to add one: parameters, and what a timestep does with them.

    def discretize(population, semantics):
        p = population.params
        return Dynamics(step, {"beta": Value(1 - semantics.dt / p["tau"], COEFFICIENT), ...}, gain=...)

    register("Leaky", ("tau", "v_threshold"), discretize)

`step` is a function of an `update.Update`; `examples/neuron_models/` has complete ones.
"""

from __future__ import annotations

from collections.abc import Callable

from ..network.network import MODELS, Population, declare_model
from ..network.semantics import Semantics
from . import lif, loihi, threshold
from .update import Dynamics

Discretize = Callable[[Population, Semantics], Dynamics]
_discretize: dict[str, Discretize] = dict.fromkeys(MODELS, lif.discretize)
_discretize["Threshold"] = threshold.discretize


def register(name: str, parameters: tuple[str, ...], discretize: Discretize, spiking: bool = True) -> None:
    """Add a neuron model, or replace one.

    Args:
        parameters: names of its arrays, each (n,) float64; times end in the name's own unit, seconds by habit.
        discretize: the update of a timestep of `semantics.dt` seconds.
        spiking: does it ever call `Update.spike`?
    """
    if name not in MODELS:
        declare_model(name, parameters, spiking)
    _discretize[name] = discretize


def dynamics(population: Population, semantics: Semantics) -> Dynamics:
    """A population's discrete update under these semantics."""
    return _discretize[population.model](population, semantics)


register("DiscreteLIF", ("decay", "v_threshold", "v_reset"), lif.discretize)
register("Loihi", loihi.PARAMETERS, loihi.discretize)
