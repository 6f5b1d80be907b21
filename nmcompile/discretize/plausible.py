"""Readings that cannot be right: where nothing can make a neuron fire, the dt is wrong sooner than the network."""

from __future__ import annotations

import numpy as np

from emulator.spec.errors import InputError

from ..network.network import NIR_MODELS, Population
from .discretize import DiscreteNetwork

# Of the threshold: what the strongest input must move v by, or all inputs of a neuron together. A dt that is wrong by a
# factor of hundreds is below both; networks of thousands of weak inputs are not.
SINGLE, TOGETHER = 1e-3, 2e-2
PATIENCE = 1e4  # timesteps in which a bias alone must make a neuron fire to count for something


def check_reading(discrete: DiscreteNetwork) -> None:
    """Look at every population whose gain hangs on the semantics.

    Raises:
        InputError: no input can make any of its neurons fire, or the strongest moves v by next to nothing.
    """
    network, found, payloads = discrete.network, discrete.dynamics, discrete.payloads
    for population in network.populations:
        incoming = [p for p in network.projections if p.target == population.name]
        values = {name: value.array for name, value in found[population.name].values.items()}
        if (
            population.model not in NIR_MODELS
            or "r" not in population.params
            or not {"beta", "threshold"} <= set(values)
        ):
            continue  # its gain hangs on nothing that could be chosen, or it is a user's own model
        if any(p.plasticity for p in incoming):
            continue  # weights may grow
        most, strongest = np.zeros(population.n), np.zeros(population.n)
        for p in incoming:
            pushes = p.matrix.multiply(found[population.name].gain[None, :]).maximum(0)
            most += payloads[p.source] * np.asarray(pushes.sum(axis=0)).reshape(-1)
            if pushes.nnz:
                strongest = np.maximum(strongest, pushes.max(axis=0).toarray().reshape(-1))
        _check(discrete, population, values, strongest, most)


def _check(
    discrete: DiscreteNetwork,
    population: Population,
    values: dict[str, np.ndarray],
    strongest: np.ndarray,
    most: np.ndarray,
) -> None:
    threshold = values["threshold"]
    if not most.any() or (threshold <= 0).any():
        return
    drive = values["drive"] + values["late_drive"]
    alone, highest = _highest(values, drive, PATIENCE), _highest(values, drive + most, 1e9)
    if (alone >= threshold).any():
        return  # its bias makes it fire
    origin = discrete.network.origin
    share = float((strongest / threshold).max())
    where = (
        f"{origin}: at dt {discrete.semantics.dt:g} s the strongest input moves v of {population.name!r} by {share:.2g}"
    )
    advice = "another --semantics or --dt? (nmc check names the reading of a reference)"
    if (highest < threshold).all():
        raise InputError(
            f"{where} of the threshold, and all together never make it fire (v stays below "
            f"{float((highest / threshold).max()):.2g} of it); {advice}"
        )
    if share < SINGLE and float((most / threshold).max()) < TOGETHER:
        raise InputError(f"{where} of the threshold; {advice}")


def _highest(values: dict[str, np.ndarray], push: np.ndarray, timesteps: float) -> np.ndarray:
    """(n,) the highest v if `push` came in each of so many timesteps."""
    if "alpha" in values:
        push = push / np.maximum(1 - values["alpha"], 1 / timesteps) + values["leak"]
    return push / np.maximum(1 - values["beta"], 1 / timesteps)
