"""NIR's neurons: I, IF, LI, LIF, CubaLI, CubaLIF; one update with the variants that frameworks differ in.

DiscreteLIF is a LIF whose decay is given per timestep and whose gain is 1, whatever dt is.

With x the weighted input:

    with a synaptic current:   j := alpha j + x + drive;   v := beta v + j + leak
    without:                   v := beta v + x + drive
    spike where v compares with the threshold; then reset; then v := max(v, v_min).

The current is in units of what it adds to v in a timestep; weights are multiplied by `Dynamics.gain` for that.
Source: NIR 1.0.8, its node definitions; J. E. Pedersen et al., Nature Communications 15, 8122 (2024), methods.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from emulator.spec.errors import UsageError
from emulator.spec.fixedpoint import NEAREST, TOWARD_ZERO

from ..network.network import Population
from ..network.semantics import Semantics
from .update import COEFFICIENT, Dynamics, Register, Update, Value

LOIHI_BITS = 12  # behind the point of Loihi's decays


def update(
    m: Update,
    *,
    current: bool,
    spiking: bool,
    reset: str,
    compare: str,
    synapse: str,
    late: bool,
    bounded: bool,
    max_spikes: int,
    begins: bool = False,
) -> None:
    """One timestep; the keywords are those of `Semantics`, and which parts there are."""
    v = m.state("v", "v_start" if begins else None)
    fired = m.flag("fired")
    before = m.flag("before")
    if spiking and reset == "recharged-subtract":
        m.compare(before, v, ">", "threshold")
    _integrate(m, v, current, synapse, late)
    if not spiking:
        return
    match reset:
        case "multi-spike":
            _fire_many(m, v, max_spikes)
        case "multi-spike-value":
            _fire_many(m, v, max_spikes)
            m.copy(v, "v_reset", where=fired)
        case "none":
            m.compare(fired, v, compare, "threshold")
        case "delayed-subtract":
            m.sub(v, v, "threshold", where=fired)
            m.compare(fired, v, compare, "threshold")
        case "delayed-value":
            m.copy(v, "v_reset", where=fired)
            m.compare(fired, v, compare, "threshold")
        case "recharged-subtract":
            m.sub(v, v, "threshold", where=before)
            m.compare(fired, v, compare, "threshold")
            m.sub(v, v, "threshold", where=fired)
            m.add(v, v, "threshold", where=before)
        case "value":
            m.compare(fired, v, compare, "threshold")
            m.copy(v, "v_reset", where=fired)
        case "subtract":
            m.compare(fired, v, compare, "threshold")
            m.sub(v, v, "threshold", where=fired)
    if bounded:
        m.largest(v, v, "v_min")
    if not reset.startswith("multi-spike"):
        m.spike(fired)


def _integrate(m: Update, v: Register, current: bool, synapse: str, late: bool) -> None:
    if not current:
        m.mac(v, v, "beta", m.input())
        m.add(v, v, "drive")
        if late:
            m.add(v, v, "late_drive", where=m.flag("begun"))
            m.compare(m.flag("begun"), v, "==", v)
        return
    j = m.state("j")

    def membrane() -> None:
        m.mac(v, v, "beta", j)
        m.add(v, v, "leak")

    if synapse == "after":
        membrane()
    m.mac(j, j, "alpha", m.input())
    m.add(j, j, "drive")
    if late:  # in all but the first timestep: flags are false when a sample starts
        m.add(j, j, "late_drive", where=m.flag("begun"))
        m.compare(m.flag("begun"), j, "==", j)
    if synapse == "before":
        membrane()


def _fire_many(m: Update, v: Register, max_spikes: int) -> None:
    """A graded spike of floor(v / threshold), at most max_spikes, by long division; what is left stays in v."""
    n = m.temporary("spikes", unit="count")
    enough = m.flag("fired")
    m.copy(n, 0)
    bits = [1 << k for k in range(max_spikes.bit_length())]
    rest = max_spikes - sum(bits[:-1])  # the uppermost step is smaller where max_spikes is not 2**k - 1
    for worth in sorted([*bits[:-1], rest], reverse=True):
        multiple = m.times("threshold", worth)
        m.compare(enough, v, ">=", multiple)
        m.sub(v, v, multiple, where=enough)
        m.add(n, n, worth, where=enough)
    m.compare(enough, n, ">", 0)
    m.spike(enough, payload=n if max_spikes > 1 else None)


def discretize(population: Population, semantics: Semantics) -> Dynamics:
    """Apply the semantics to a population. Raises UsageError if its time constants are shorter than dt allows."""
    s = semantics.of(population)
    p, dt, n = population.params, s.dt, population.n
    alpha = None
    zeros, ones = np.zeros(n), np.ones(n)
    if population.model == "DiscreteLIF":
        beta, gain, leak = p["decay"], ones, zeros
    elif population.model in ("I", "IF"):
        beta, gain, leak = ones, p["r"] * (dt if s.charge == "seconds" else 1.0), zeros
    else:
        tau = (p["tau"] if "tau" in p else p["tau_mem"]) * s.tau_scale
        beta, gain = _decay(population.name, tau, s), _gain(p["r"], tau, s)
        leak = _gain(ones, tau, s) * p["v_leak"]
        if "tau_syn" in p:
            tau_syn = p["tau_syn"] * s.tau_scale
            alpha = _decay(population.name, tau_syn, s)
            entered = _gain(p["w_in"], tau_syn, s)
            gain = gain * (np.where(p["w_in"] == 1, 1.0, entered) if s.current == "jump" else entered)
        if s.integrator == "decay-input":
            gain = beta if alpha is None else alpha
        elif s.integrator == "unit-input" or (s.integrator == "spyx" and _is_spyx(p["r"], tau, s)):
            gain = ones
    late = zeros if population.late_bias is None or s.recurrent_bias else population.late_bias
    drive = gain * (population.bias - late)
    values = {"beta": Value(beta, COEFFICIENT), "late_drive": Value(gain * late)}
    if alpha is None:
        values["drive"] = Value(drive + leak)
    else:
        values |= {"alpha": Value(alpha, COEFFICIENT), "drive": Value(drive), "leak": Value(leak)}
    threshold = p.get("v_threshold")
    if threshold is not None:
        values |= {"threshold": Value(threshold), "v_reset": Value(p["v_reset"])}
        if s.reset.startswith("multi-spike") and threshold.min() <= 0:
            raise UsageError(
                f"{population.name!r} has a threshold of {threshold.min():g}; multi-spike neurons divide by it and "
                "need a positive one; choose another --reset"
            )
    if s.v_min is not None:
        values["v_min"] = Value(np.full(n, s.v_min))
    spiking = threshold is not None
    many = spiking and s.reset.startswith("multi-spike")
    start = zeros
    if s.initial != "zero":
        start = p["v_leak"] if s.initial == "leak" and "v_leak" in p else p.get("v_reset", p.get("v_leak", zeros))
    if start.any():
        values["v_start"] = Value(start)
    step = partial(
        update,
        current=alpha is not None,
        spiking=spiking,
        reset=s.reset,
        compare=s.compare,
        synapse=s.synapse,
        late=bool(late.any()),
        bounded=s.v_min is not None,
        max_spikes=s.max_spikes,
        begins=bool(start.any()),
    )
    return Dynamics(
        step,
        values,
        gain,
        amplitude=None if threshold is None else np.maximum(np.abs(threshold), np.abs(start) / 8),
        headroom=max(16.0, s.max_spikes + 1.0) if many else 16.0,
        payload=s.max_spikes if many else 1,
        coef_shift=LOIHI_BITS if s.rounding == "zero" else None,
        rounding=TOWARD_ZERO if s.rounding == "zero" else NEAREST,
        output_delay=s.output_delay if spiking else 0,
    )


def _decay(name: str, tau: np.ndarray, s: Semantics) -> np.ndarray:
    if not s.clamp and (tau <= 0).any():
        raise UsageError(
            f"{name!r} has a time constant of {tau.min():g} s; it must be positive, unless decays beyond 1 are "
            "clamped, as snnTorch and Spyx do: --clamp true"
        )
    value = 1 - s.dt / tau if s.integrator in ("euler", "spyx") else np.exp(-s.dt / tau)
    # an exporter's tau = dt / (1 - beta) brings beta = 0 back as a rounding error, of 32 bits mostly
    value = np.where(np.abs(value) < 1e-6, 0.0, value)
    if s.clamp:
        return np.clip(value, 0.0, 1.0)
    if value.min() < 0:
        raise UsageError(
            f"{name!r} has a time constant of {tau.min():g} s, shorter than dt = {s.dt:g} s; "
            "use another --semantics, a smaller --dt or --integrator exponential"
        )
    return value


def _gain(r: np.ndarray, tau: np.ndarray, s: Semantics) -> np.ndarray:
    """What an input of 1 adds; both infinite, as exporters write r = tau / dt where nothing leaks, it is 1."""
    with np.errstate(invalid="ignore"):
        value = r * (1 - np.exp(-s.dt / tau)) if s.integrator == "exponential" else r * s.dt / tau
    value = np.where(np.isinf(r) & np.isinf(tau), 1.0, value)
    # an exporter's r = tau / dt brings a gain of 1 back as a rounding error, enough to pass a threshold that is met
    return np.where(np.abs(value - 1) < 1e-6, 1.0, value)


def _is_spyx(r: np.ndarray, tau: np.ndarray, s: Semantics) -> bool:
    """Is r the decay itself, as Spyx's exporter writes it?"""
    return bool(np.allclose(r, 1 - s.dt / tau, rtol=1e-4, atol=1e-6))
