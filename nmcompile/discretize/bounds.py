"""How many times a multi-spike neuron can fire at once: proven from its weights, so that it need not be assumed.

A neuron that divides its membrane potential by its threshold is left with less than one threshold, so what it can send
in a timestep is limited by what can arrive in one. Accumulators then need not hold 255 spikes of every source, which
leaves their bits to the weights.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ..network.limits import INPUT
from ..network.network import Network
from ..network.semantics import Semantics
from ..neurons import lif
from ..neurons.models import dynamics
from ..neurons.update import Dynamics


def bounded_dynamics(network: Network, semantics: Semantics) -> dict[str, Dynamics]:
    """By population, its update with no more spikes at once than can ever be."""
    found = {p.name: dynamics(p, semantics) for p in network.populations}
    payloads = {INPUT: network.input_levels} | {name: d.payload for name, d in found.items()}
    for _ in network.populations:  # what holds for the sources holds for the targets; once around every loop
        before = dict(payloads)
        for population in network.populations:
            own, step = semantics.of(population), found[population.name].update
            many = isinstance(step, partial) and step.func is lif.update and own.reset.startswith("multi-spike")
            if not many or not population.spiking:
                continue
            gain, most = found[population.name].gain, np.zeros(population.n)
            for p in network.projections:
                if p.target == population.name:
                    pushes = abs(p.matrix) if p.source in found and found[p.source].signed else p.matrix
                    pushes = pushes.multiply(gain[None, :]).maximum(0)
                    most += payloads[p.source] * np.asarray(pushes.sum(axis=0)).reshape(-1)
            spikes = min(own.max_spikes, _most_spikes(found[population.name], most))
            if spikes < payloads[population.name]:
                payloads[population.name] = spikes
                found[population.name] = dynamics(population, replace(own, max_spikes=spikes))
        if payloads == before:
            break
    return found


def _most_spikes(d: Dynamics, most: np.ndarray) -> int:
    """Of `lif.update`, where no more than `most` (n,) is added to it in a timestep; one spike is left for rounding."""
    values = {name: value.array for name, value in d.values.items()}
    push = np.maximum(most + values["drive"] + np.maximum(values["late_drive"], 0), 0)
    if "alpha" in values:
        push = np.maximum(push / np.maximum(1 - values["alpha"], 1e-9) + values["leak"], 0)
    most_v = values["beta"] * np.maximum(values["threshold"], values["v_reset"]) + push
    if "v_start" in values:
        most_v = np.maximum(most_v, values["beta"] * values["v_start"] + push)
    return int(np.clip(np.floor(most_v / values["threshold"]).max() + 1, 1, 1 << 30))
