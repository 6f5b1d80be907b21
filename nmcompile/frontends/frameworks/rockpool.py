"""Rockpool 3.1: LIFTorch, LIFNeuronTorch, ExpSynTorch.

Source: rockpool/nn/modules/torch/. isyn := beta (isyn + x); v := alpha v + isyn + bias; floor(v / threshold) spikes, at
most max_spikes_per_dt, which are subtracted; without a synapse, v := alpha v + x + bias.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .neuron import Neuron, Shape, array, neurons, refuse

CLASSES = ("LIFTorch", "LIFNeuronTorch", "ExpSynTorch")
LARGEST = 255  # spikes that a graded spike holds; the classes' own default is 65,536


def read(name: str, module: Any, kind: str, shape: Shape) -> Neuron:
    """A module as neurons of `shape`; InputError where it does what no neuron model here does."""
    dt = float(module.dt)
    if kind == "ExpSynTorch":
        decay = np.exp(-dt / array(module.tau))
        return neurons(shape, dt, decay=decay, gain=decay)
    if float(array(module.noise_std)) != 0:
        raise refuse(
            name, module, f"noise_std = {float(array(module.noise_std)):g}; the machine has no noise, set it to 0"
        )
    alpha = np.exp(-dt / array(module.tau_mem))
    synapse: Any = None
    gain: Any = 1.0
    if kind == "LIFTorch":
        if module.size_in != module.size_out:
            raise refuse(name, module, "more than one synapse a neuron cannot be expressed; give it one")
        synapse = array(module.beta).reshape(-1) if array(module.beta).size > 1 else array(module.beta).reshape(())
        gain = synapse
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = array(module.bias)
        v_leak = np.where(bias == 0, 0.0, bias / (1 - alpha))
    most = float(array(module.max_spikes_per_dt))
    found = neurons(
        shape,
        dt,
        decay=alpha,
        gain=gain,
        synapse=synapse,
        v_leak=v_leak,
        threshold=module.threshold,
        reset="multi-spike",
        compare=">=",
        max_spikes=int(min(most, LARGEST)),
        recurrent_bias=False,
    )
    notes = [f"up to {int(min(most, LARGEST))} spikes a timestep"]
    if most > LARGEST:
        notes[0] += f" (max_spikes_per_dt is {most:,.0f}, a graded spike holds {LARGEST})"
    if bias.any():
        notes.append("a bias of v, which its exporter leaves out")
    feedback = (array(module.w_rec).T, None) if getattr(module, "_has_rec", False) else None
    return replace(found, feedback=feedback, notes=tuple(notes))
