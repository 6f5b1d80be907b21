"""snnTorch 1.0: Leaky, Lapicque, Synaptic, RLeaky, RSynaptic.

Source: snntorch/_neurons/. Decays are clamped to 0..1; a spike is v > threshold. With `reset_delay`, what a spike does
to v comes with the next update: the threshold is taken off beside it; the zero of Leaky comes before the input is added
(as if at once), that of the others after, so that input is lost. Without it, subtract looks at v less the threshold
where v was above it still, and zero comes at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .neuron import Neuron, Shape, array, neurons, refuse

CLASSES = ("Leaky", "Lapicque", "Synaptic", "RLeaky", "RSynaptic")
DT = 1e-4  # what its exporter takes for a timestep; the classes know no seconds


def read(name: str, module: Any, kind: str, shape: Shape) -> Neuron:
    """A module as neurons of `shape`; InputError where it does what no neuron model here does."""
    if module.inhibition:
        raise refuse(
            name, module, "inhibition=True lets one neuron of a layer fire, which needs all of them; train without"
        )
    if module.state_quant:
        raise refuse(name, module, "state_quant rounds its state in a way of its own; set state_quant=False")
    mechanism = module._reset_mechanism  # what was asked for; `reset_mechanism_val` is a tensor of it
    delayed = getattr(module, "reset_delay", True)
    if mechanism == "subtract":
        reset = "delayed-subtract" if delayed else "recharged-subtract"
    elif mechanism == "zero":
        reset = "delayed-value" if delayed and kind != "Leaky" else "value"
    else:
        reset = "none"
    beta, synapse, gain = array(module.beta).clip(0, 1), None, 1.0
    if kind == "Lapicque":
        share = array(module.time_step) / (array(module.R) * array(module.C))
        beta, gain = 1 - share, array(module.R) * share
    if kind in ("Synaptic", "RSynaptic"):
        synapse = array(module.alpha).clip(0, 1)
    feedback: Any = None
    if kind in ("RLeaky", "RSynaptic"):
        feedback = module.recurrent
        if not module.all_to_all:
            feedback = (np.diag(np.broadcast_to(array(module.recurrent.V), shape).reshape(-1)), None)
    found = neurons(shape, DT, decay=beta, gain=gain, synapse=synapse, threshold=module.threshold, reset=reset)
    factor = array(module.graded_spikes_factor)
    if factor.size != 1:
        raise refuse(name, module, "graded_spikes_factor differs among neurons; put it into the weights behind them")
    notes = [f"reset {mechanism}, {'a step later' if delayed else 'at once'} ({kind}, reset_delay={delayed})"]
    if factor != 1:
        notes.append(f"a spike counts {float(factor):g} (graded_spikes_factor), which goes into the weights behind it")
    return replace(found, feedback=feedback, factor=float(factor), notes=tuple(notes))
