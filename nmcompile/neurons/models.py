"""The neuron models there are, and how to add one: parameters, and what a timestep does with them.

    def discretize(population, semantics):
        p = population.params
        return Dynamics(step, {"beta": Value(1 - semantics.dt / p["tau"], COEFFICIENT), ...}, gain=...)

    register("Leaky", ("tau", "v_threshold"), discretize)

`step` is a function of an `update.Update`; `examples/neuron_models/` has complete ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from emulator.spec.errors import InputError, NmError

from ..network.network import MODELS, NIR_MODELS, Model, Population
from ..network.semantics import Semantics
from . import lif, loihi, threshold
from .update import Dynamics

Discretize = Callable[[Population, Semantics], Dynamics]


def register(name: str, parameters: tuple[str, ...], discretize: Discretize, spiking: bool = True) -> None:
    """Add a neuron model, or replace one; NIR's keep their parameters.

    Args:
        parameters: names of its arrays, each (n,) float64; times end in the name's own unit, seconds by habit.
        discretize: the update of a timestep of `semantics.dt` seconds.
        spiking: does it ever call `Update.spike`?
    """
    model = MODELS[name] if name in NIR_MODELS else Model(parameters, spiking)
    MODELS[name] = replace(model, discretize=discretize)


def dynamics(population: Population, semantics: Semantics) -> Dynamics:
    """A population's discrete update under these semantics."""
    discretize = MODELS[population.model].discretize
    assert discretize is not None, "the models of NIR have theirs from below"
    if discretize in (lif.discretize, loihi.discretize, threshold.discretize):
        return discretize(population, semantics)
    what = f"{population.name!r}: discretize of the model {population.model!r}"
    try:
        found = discretize(population, semantics)
    except NmError:
        raise
    except Exception as error:  # whatever a user's own function does
        raise InputError(f"{what} ends in {type(error).__name__}: {error}; repair the model") from None
    if not isinstance(found, Dynamics):
        raise InputError(f"{what} returns a {type(found).__name__}; let it return Dynamics")
    return found


for _name, _parameters in NIR_MODELS.items():
    register(_name, _parameters, threshold.discretize if _name == "Threshold" else lif.discretize)
register("DiscreteLIF", ("decay", "v_threshold", "v_reset"), lif.discretize)
register("Loihi", loihi.PARAMETERS, loihi.discretize)
