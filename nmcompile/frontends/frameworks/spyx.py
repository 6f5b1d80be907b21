"""Spyx 1.0: IF, LIF, CuBaLIF, LI, RIF, RLIF, RCuBaLIF.

Source: spyx/nn.py. Spikes are those of the potential before this timestep's input, so others see them a timestep later;
IF and LIF take the threshold off beside the decay, CuBaLIF before it. Decays are clipped to 0..1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .neuron import Neuron, Shape, array, neurons

CLASSES = ("IF", "LIF", "CuBaLIF", "LI", "RIF", "RLIF", "RCuBaLIF", "PSU_LIF", "AssociativeLIF")
DT = 1e-4  # the classes know no seconds


def read(name: str, module: Any, kind: str, shape: Shape) -> Neuron:
    """A module as neurons of `shape`."""
    beta: Any = _channels_first(module.beta) if hasattr(module, "beta") else 1.0
    if kind == "LI":
        return neurons(shape, DT, decay=beta)
    if kind in ("PSU_LIF", "AssociativeLIF"):
        return neurons(shape, DT, decay=beta, threshold=module.threshold, reset="none")
    synapse = _channels_first(module.alpha) if hasattr(module, "alpha") else None
    reset = "delayed-subtract" if synapse is None else "subtract"
    found = neurons(shape, DT, decay=beta, synapse=synapse, threshold=module.threshold, reset=reset, output_delay=1)
    if kind.startswith("R"):
        return replace(found, feedback=(array(module.recurrent_w[...]).T, None))
    return found


def _channels_first(param: Any) -> np.ndarray:
    """A decay, clipped; flax has the channels of images last."""
    values = array(param[...]).clip(0, 1)
    return np.moveaxis(values, -1, 0) if values.ndim == 3 else values
