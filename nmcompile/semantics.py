"""What a timestep means: NIR's continuous equations turned into one discrete update, by explicit choices.

NIR stores no dt, no reset kind, no comparison and no order of synapse and membrane, and frameworks differ in all of
them; a preset per framework says which, and every field of it can be overridden.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from emulator.spec.errors import UsageError

from .network import Population

INTEGRATORS = ("euler", "exponential", "given")
RESETS = ("value", "subtract", "delayed-subtract")
COMPARES = (">", ">=")


@dataclass(frozen=True)
class Semantics:
    """Choices that turn a NIR neuron into an update per timestep.

    Attributes:
        dt: seconds.
        integrator: "euler": decay 1 - dt/tau, gain r dt/tau; "exponential": decay exp(-dt/tau), gain r (1 - decay);
            "given": decay exp(-dt/tau), gain r dt/tau, for exporters that fold their own gain into r.
        reset: of a neuron that fired: "value": v := v_reset at once; "subtract": v -= v_threshold at once;
            "delayed-subtract": v_threshold is taken off in the next update.
        compare: ">" fires above the threshold, ">=" at it.
    """

    preset: str
    dt: float
    integrator: str = "euler"
    reset: str = "value"
    compare: str = ">"

    def __post_init__(self) -> None:
        if not (self.dt > 0 and np.isfinite(self.dt)):
            raise UsageError(f"dt = {self.dt} s; a timestep must be positive")
        for name, value, choices in (
            ("integrator", self.integrator, INTEGRATORS),
            ("reset", self.reset, RESETS),
            ("compare", self.compare, COMPARES),
        ):
            if value not in choices:
                raise UsageError(f"{name} {value!r}; the choices are {', '.join(choices)}")

    def describe(self) -> str:
        """One line of what was assumed."""
        return f"{self.preset}: dt {self.dt:g} s, {self.integrator}, reset {self.reset}, fires at v {self.compare} v_th"


PRESETS: dict[str, Semantics] = {
    "nir": Semantics("nir", dt=1e-4),
    # snnTorch 1.0 exports dt = 1e-4; Leaky's default reset acts on the next step (snn.Leaky, reset_delay=True).
    "snntorch": Semantics("snntorch", dt=1e-4, reset="delayed-subtract"),
    "snntorch-zero": Semantics("snntorch-zero", dt=1e-4, reset="value"),
}


def choose_semantics(preset: str = "nir", **overrides: float | str | None) -> Semantics:
    """A preset with single fields overridden; UsageError lists the presets there are."""
    if preset not in PRESETS:
        raise UsageError(f"no semantics {preset!r}; the presets are {', '.join(PRESETS)}")
    given = {name: value for name, value in overrides.items() if value is not None}
    return dataclasses.replace(PRESETS[preset], **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Dynamics:
    """The discrete update of a population, every array (n,) float64. With x the weighted input plus bias:

        with a synaptic current:   j := alpha j + gain x;   v := beta v + j + leak
        without:                   v := beta v + gain x + leak
        spike where v compares with threshold; then reset.

    The current is in units of what it adds to v in a timestep.
    """

    alpha: np.ndarray | None
    beta: np.ndarray
    gain: np.ndarray
    leak: np.ndarray
    threshold: np.ndarray | None
    reset_value: np.ndarray
    reset: str
    compare: str


def dynamics(population: Population, semantics: Semantics) -> Dynamics:
    """Apply the semantics to a population. Raises UsageError if its time constants are shorter than dt allows."""
    p, dt, zeros = population.params, semantics.dt, np.zeros(population.n)

    def decay(tau: np.ndarray) -> np.ndarray:
        value = 1 - dt / tau if semantics.integrator == "euler" else np.exp(-dt / tau)
        # an exporter's tau = dt / (1 - beta) brings beta = 0 back as a rounding error
        value = np.where(np.abs(value) < 1e-9, 0.0, value)
        if value.min() < 0:
            raise UsageError(
                f"{population.name!r} has a time constant of {tau.min():g} s, shorter than dt = {dt:g} s; "
                "use a smaller --dt or --integrator exponential"
            )
        return value

    def gain(r: np.ndarray, tau: np.ndarray) -> np.ndarray:
        return r * (1 - np.exp(-dt / tau)) if semantics.integrator == "exponential" else r * dt / tau

    alpha = None
    ones = np.ones(population.n)
    if population.model in ("I", "IF"):
        beta, total, leak = ones, p["r"] * dt, zeros
    else:
        tau = p["tau"] if "tau" in p else p["tau_mem"]
        beta, total = decay(tau), gain(p["r"], tau)
        leak = gain(ones, tau) * p["v_leak"]
        if "tau_syn" in p:
            alpha = decay(p["tau_syn"])
            total = total * gain(p["w_in"], p["tau_syn"])
    return Dynamics(
        alpha,
        beta,
        total,
        leak,
        p.get("v_threshold"),
        p.get("v_reset", zeros),
        semantics.reset,
        semantics.compare,
    )
