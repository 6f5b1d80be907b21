"""Norse 1.1: LIF, LIFBox, LIFRecurrent, IAF, LI, LIBox, and their cells.

Source: norse/torch/functional/lif.py and its neighbours. Euler at `dt`; the input is added to the current, the membrane
sees the new current, a spike is v > v_th and sets v to v_reset at once. State starts at v_leak (IAF: at v_reset). What
comes back comes from the second timestep on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .neuron import Neuron, Shape, array, neurons, refuse

CLASSES = (
    *("LIF", "LIFCell", "LIFRecurrent", "LIFRecurrentCell", "LIFBox", "LIFBoxCell"),
    *("IAF", "IAFCell", "LI", "LICell", "LIBox", "LIBoxCell"),
)


def read(name: str, module: Any, kind: str, shape: Shape) -> Neuron:
    """A module as neurons of `shape`; InputError where it does what no neuron model here does."""
    p, dt = module.p, float(module.dt)
    kind = kind.removesuffix("Cell")
    if kind == "IAF":
        return neurons(shape, dt, decay=1.0, threshold=p.v_th, v_reset=p.v_reset, initial="reset")
    reset: Any = getattr(p, "reset_method", None)
    how = getattr(reset, "__name__", "reset_value")
    if how not in ("reset_value", "reset_subtract"):
        raise refuse(name, module, f"reset_method {how} cannot be expressed; use reset_value or reset_subtract")
    share = dt * array(p.tau_mem_inv)
    found = neurons(
        shape,
        dt,
        decay=1 - share,
        gain=share,
        synapse=None if kind.endswith("Box") else 1 - dt * array(p.tau_syn_inv),
        v_leak=p.v_leak,
        threshold=p.v_th if kind.startswith("LIF") else None,
        v_reset=getattr(p, "v_reset", 0.0),
        reset="value" if how == "reset_value" else "subtract",
        initial="leak",
        recurrent_bias=False,
    )
    if kind == "LIFRecurrent":
        weights = (array(module.input_weights), None), (array(module.recurrent_weights), None)
        return replace(found, before=weights[0], feedback=weights[1])
    return found
