"""Loihi's CUBA neuron in its own integers, as lava-dl's `.net` files hold it and Lava's bit-accurate models run it.

    u := toward_zero(u (4096 - i_decay) / 4096) + 64 W s + drive
    v := toward_zero(v (4096 - v_decay) / 4096) + u + 64 bias
    spike if v > 64 threshold (Lava, Loihi) or >= (SLAYER); v := 0, and it stays there for `refractory` timesteps

Every layer's spikes are seen a timestep later by everyone else.
Source: Lava 0.9, lava/proc/lif/models.py (bit-accurate LIF); lava-dl, slayer/neuron/cuba.py.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from emulator.spec.fixedpoint import TOWARD_ZERO

from ..network.network import Population
from ..network.semantics import Semantics
from .lif import LOIHI_BITS
from .update import COEFFICIENT, COUNT, Dynamics, Update, Value

UNIT = 64  # state units of one unit of a weight, a bias or a threshold
PARAMETERS = ("i_decay", "v_decay", "v_threshold", "refractory", "drive")


def update(m: Update, *, compare: str, refractory: bool) -> None:
    """One timestep of the equations above."""
    v, u, fired = m.state("v"), m.state("u"), m.flag("fired")
    m.mac(u, u, "i_keep", m.input())
    m.add(u, u, "drive")
    m.mac(v, v, "v_keep", u)
    m.add(v, v, "bias")
    if refractory:
        wait, waiting = m.state("wait", unit=COUNT), m.flag("waiting")
        m.compare(waiting, wait, ">", 0)
        m.copy(v, 0, where=waiting)
        m.sub(wait, wait, 1, where=waiting)
    m.compare(fired, v, compare, "threshold")
    m.copy(v, 0, where=fired)
    if refractory:
        m.copy(wait, "refractory", where=fired)
    m.spike(fired)


def discretize(population: Population, semantics: Semantics) -> Dynamics:
    """The update; only the comparison is the semantics' to choose."""
    p, n, one = population.params, population.n, 1 << LOIHI_BITS
    values = {
        "i_keep": Value((one - p["i_decay"]) / one, COEFFICIENT),
        "v_keep": Value((one - p["v_decay"]) / one, COEFFICIENT),
        "drive": Value(p["drive"]),
        "bias": Value(UNIT * population.bias),
        "threshold": Value(UNIT * p["v_threshold"]),
        "refractory": Value(p["refractory"], COUNT),
    }
    return Dynamics(
        partial(update, compare=semantics.compare, refractory=bool(p["refractory"].any())),
        values,
        gain=np.full(n, float(UNIT)),
        amplitude=UNIT * p["v_threshold"],
        scale=1.0,
        exact=True,
        coef_shift=LOIHI_BITS,
        rounding=TOWARD_ZERO,
        state_bits=24,
        output_delay=1,
    )
