"""SpikingJelly 2.0: IFNode, LIFNode, ParametricLIFNode, CUBALIFNode and the integrators that do not spike.

Source: spikingjelly/activation_based/neuron/. A spike is v >= v_threshold; v goes to v_reset, or loses v_threshold
where v_reset is None; v starts at v_reset, or at 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .neuron import Neuron, Shape, array, neurons

CLASSES = (
    *("IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode", "NonSpikingIFNode", "NonSpikingLIFNode"),
    *("SimpleIFNode", "SimpleLIFNode"),
)
DT = 1e-4  # the default of its exporter; the classes know no seconds


def read(name: str, module: Any, kind: str, shape: Shape) -> Neuron:
    """A module as neurons of `shape`; InputError where it does what no neuron model here does."""
    if kind.startswith("NonSpiking"):
        tau = getattr(module, "tau", None)
        return neurons(shape, DT, decay=1.0 if tau is None else 1 - 1 / tau, gain=1.0 if tau is None else 1 / tau)
    v_reset = module.v_reset
    fields: dict[str, Any] = {"compare": ">=", "reset": "subtract" if v_reset is None else "value", "initial": "reset"}
    fields |= {"threshold": module.v_threshold, "v_reset": 0.0 if v_reset is None else v_reset}
    if kind == "CUBALIFNode":
        return neurons(shape, DT, decay=module.v_decay, synapse=module.c_decay, **fields)
    if kind in ("IFNode", "SimpleIFNode"):
        return neurons(shape, DT, decay=1.0, **fields)
    share = 1 / (1 + np.exp(-array(module.w))) if kind == "ParametricLIFNode" else 1 / module.tau
    gain = share if module.decay_input else 1.0
    return neurons(shape, DT, decay=1 - share, gain=gain, v_leak=fields["v_reset"], **fields)
