"""sinabs 3.1: IAF, LIF, ExpLeak, and their Squeeze and Recurrent classes.

Source: sinabs/layers/functional/lif.py, sinabs/activation. Time constants are timesteps; i := alpha_syn (i + x);
v := alpha v + (1 - alpha) i with norm_input, else + i; spikes are floor(v / threshold), or 1 where v >= threshold,
after which the threshold is taken off as often, or v set to 0; then the lower bound. What comes back comes a timestep
later.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .neuron import Neuron, Shape, array, neurons, refuse

CLASSES = (
    *("IAF", "IAFSqueeze", "IAFRecurrent", "LIF", "LIFSqueeze", "LIFRecurrent", "LIFRecurrentSqueeze"),
    *("ExpLeak", "ExpLeakSqueeze"),
)
DT = 1.0  # its time constants are timesteps
LARGEST = 255  # spikes that a graded spike holds


def read(name: str, module: Any, kind: str, shape: Shape) -> Neuron:
    """A module as neurons of `shape`; InputError where it does what no neuron model here does."""
    alpha = array(module.alpha_mem_calculated)
    synapse = module.alpha_syn_calculated
    gain = (1 - alpha if module.norm_input else np.ones(())) * (1.0 if synapse is None else array(synapse))
    fields: dict[str, Any] = {"recurrent_bias": False}
    if module.min_v_mem is not None:
        low = np.unique(array(module.min_v_mem))
        if low.size != 1:
            raise refuse(name, module, "min_v_mem differs among neurons; give it one number")
        fields["v_min"] = float(low[0])
    said = [f"min_v_mem {fields.get('v_min', 'none')}", f"norm_input {bool(module.norm_input)}"]
    threshold = None
    if module.spike_fn is not None:
        threshold = module.spike_threshold
        fields |= _firing(name, module, array(threshold))
        said.insert(0, f"reset {fields['reset']}")
    found = neurons(
        shape,
        DT,
        decay=alpha,
        gain=gain,
        synapse=None if synapse is None else array(synapse),
        threshold=threshold,
        **fields,
    )
    back = getattr(module, "rec_connect", None)
    return replace(found, feedback=back, notes=(", ".join(said),))


def _firing(name: str, module: Any, threshold: np.ndarray) -> dict[str, Any]:
    """The fields of how it fires and resets."""
    fire, back = module.spike_fn, module.reset_fn
    how = getattr(fire, "__name__", type(fire).__name__)
    after = type(back).__name__
    if how not in ("MultiSpike", "SingleSpike", "MaxSpike") or after not in ("MembraneSubtract", "MembraneReset"):
        raise refuse(
            name,
            module,
            f"fires by {how} and resets by {after}; use SingleSpike, MultiSpike or MaxSpike with MembraneSubtract or "
            "MembraneReset",
        )
    if after == "MembraneReset" and back.reset_value != 0:
        raise refuse(
            name, module, f"MembraneReset adds its reset_value ({back.reset_value:g}) in every timestep; use 0"
        )
    value = back.subtract_value if after == "MembraneSubtract" else None
    if value is not None and (array(value) != threshold).any():
        raise refuse(name, module, f"subtract_value {float(value):g} is not its threshold; leave it out")
    many = how != "SingleSpike"
    fields: dict[str, Any] = {"compare": ">="}
    if after == "MembraneSubtract":
        fields["reset"] = "multi-spike" if many else "subtract"
    else:
        fields["reset"] = "multi-spike-value" if many else "value"
    most = getattr(fire, "max_num_spikes_per_bin", None)
    if many and most is not None:
        fields["max_spikes"] = min(int(most), LARGEST)
    return fields
