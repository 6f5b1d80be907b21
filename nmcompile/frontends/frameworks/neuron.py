"""What a framework's module of neurons computes in a timestep, said in NIR's terms and by choices of a `Semantics`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emulator.spec.errors import InputError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Neuron:
    """Neurons, or none of their kind.

    Attributes:
        kind: NIR's type.
        values: its parameters, each of the neurons' shape; with `fields` they mean what the module does.
        dt: seconds of a timestep.
        fields: of `Semantics`, where they are not its defaults.
        before: (out, in) weights and (out,) bias that belong to the module itself, between its input and its neurons.
        feedback: what leads from its spikes back to its input: (n, n) weights and (n,) bias, or a linear module.
        factor: what a spike of it counts for.
        notes: what NIR alone would not have said.
    """

    kind: str
    values: dict[str, np.ndarray]
    dt: float
    fields: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[np.ndarray, np.ndarray | None] | None = None
    feedback: Any = None
    factor: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def spiking(self) -> bool:
        return self.kind not in ("I", "LI", "CubaLI")


def array(value: Any) -> np.ndarray:
    """A tensor, a number or an array as float64."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value, np.float64)


def full(value: Any, shape: Shape, what: str) -> np.ndarray:
    """Broadcast over the neurons as the framework does it, over the last axes."""
    values = array(value)
    while values.ndim > len(shape) and values.shape[0] == 1:  # a batch of one
        values = values[0]
    try:
        return np.broadcast_to(values, shape).astype(np.float64)
    except ValueError:
        raise InputError(f"{what} has shape {values.shape}, which does not fit neurons of shape {shape}") from None


def neurons(
    shape: Shape,
    dt: float,
    *,
    decay: Any,
    gain: Any = 1.0,
    synapse: Any = None,
    v_leak: Any = 0.0,
    threshold: Any = None,
    v_reset: Any = 0.0,
    **fields: Any,
) -> Neuron:
    """v := decay v + gain x (or + gain j of a current j := synapse j + x) + (1 - decay) v_leak, read by Euler's rule.

    Args:
        threshold: None: they do not spike.
        fields: of `Semantics`.
    """
    beta, g = full(decay, shape, "the decay"), full(gain, shape, "the gain")
    values: dict[str, np.ndarray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        # where nothing leaks tau is infinite, and r with it says a gain of 1; another gain needs a tau only huge
        tau = np.where((beta == 1) & (g != 1), 1e12 * dt, dt / (1 - beta))
        resistance = np.where(np.isinf(tau), np.inf, g * tau / dt)
        if synapse is None and (beta == 1).all():
            kind, values = "I", {"r": g / dt}
        elif synapse is None:
            kind, values = "LI", {"tau": tau, "r": resistance, "v_leak": full(v_leak, shape, "v_leak")}
        else:
            alpha = full(synapse, shape, "the decay of the current")
            tau_syn = dt / (1 - alpha)
            kind, values = "CubaLI", {"tau_mem": tau, "tau_syn": tau_syn, "r": resistance, "w_in": tau_syn / dt}
            values["v_leak"] = full(v_leak, shape, "v_leak")
    if threshold is not None:
        kind += "F"
        values["v_threshold"] = full(threshold, shape, "the threshold")
        values["v_reset"] = full(v_reset, shape, "v_reset")
    return Neuron(kind, values, dt, fields)


def refuse(name: str, module: Any, what: str) -> InputError:
    """The error that a module cannot be expressed."""
    return InputError(f"{name!r} ({type(module).__name__}): {what}")
