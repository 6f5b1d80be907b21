"""Learning rules: what spikes do to weights, described in floats and seconds.

A rule is data: traces that spikes leave behind, and terms that say what a spike changes.

    Rule(
        "pair-stdp",
        traces=(Trace("x", of="pre", tau=0.02), Trace("y", of="post", tau=0.02)),
        terms=(Term("post", +0.01, ("x",)), Term("pre", -0.012, ("y",))),
        w_min=0.0,
        w_max=1.0,
    )

`emit.rule_program` makes instructions of it. Within a timestep a presynaptic spike comes first: a neuron that fires in
the timestep in which a spike reaches it has a time difference of 0, and potentiates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from emulator.spec.errors import InputError

from .limits import HUGE

SIDES = ("pre", "post")
PAIRINGS = ("all", "nearest", "window")
ROUNDINGS = ("stochastic", "nearest")


@dataclass(frozen=True)
class Trace:
    """What a neuron's spikes leave behind, 0 at first.

    Attributes:
        of: "pre": one per axon; "post": one per neuron that the weights lead to.
        tau: seconds.
        pairing: "all": every spike adds 1, decays with tau; "nearest": every spike sets it to 1, decays with tau;
            "window": 1 for tau seconds after a spike, then 0.
        late: a spike's own term does not see what the spike adds. Traces of "post" are always late: a presynaptic spike
            in the same timestep came before.
    """

    name: str
    of: str
    tau: float
    pairing: str = "all"
    late: bool = False


@dataclass(frozen=True)
class Term:
    """A weight change on a spike.

    Attributes:
        on: whose spike: "pre" or "post".
        change: of the weight, in its own unit.
        traces: names; their values multiply the change.
        soft: "up" multiplies it by (w_max - w) / (w_max - w_min), "down" by (w - w_min) / (w_max - w_min).
        where: the name of a condition that the postsynaptic neuron must meet.
    """

    on: str
    change: float
    traces: tuple[str, ...] = ()
    soft: str | None = None
    where: str | None = None


@dataclass(frozen=True)
class Condition:
    """low <= value < high for every (variable, low, high): a post trace, or a state of the neuron, for example v.

    The states are those at the end of the timestep: of a neuron that fires, after its reset.
    """

    name: str
    bounds: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class AdaptiveThreshold:
    """A spike raises its neuron's threshold by `plus` (units of v); the rise decays with `tau` seconds."""

    plus: float
    tau: float = math.inf


@dataclass(frozen=True)
class Eligibility:
    """Changes are not made but remembered, in a tag beside the weight; a reward makes them.

    The tag is the low byte of a 16-bit weight, so it disturbs the weight by less than half a unit of the upper byte.
    When a sample starts, w += rate * reward * tag, the reward being the one that the host gives with that sample (so,
    for what was done in the one before), and the tag is multiplied by `keep`.

    Attributes:
        largest: magnitude that a tag can have, in weight units; it saturates there.
    """

    largest: float
    rate: float = 1.0
    keep: float = 0.0


@dataclass(frozen=True)
class Rule:
    """All of a learning rule; everything is in the units of the network.

    Attributes:
        w_min, w_max: bounds of the weights.
        rounding: of weight changes; "stochastic" is right on average, however small they are.
        bits: 8 or 16 bits of a weight; None: as the compiler is told, but 16 with eligibility.
        all_to_all: all pairs are synapses, whatever their weights are at first, but a neuron and itself only if that
            weight is there; else `Projection.mask` says which are.
        scaling: when a sample starts, the weights onto a neuron are multiplied so that they sum up to this.
        drift: when a sample starts, weights move by this towards the nearer bound.
        source: where the rule is from.
    """

    name: str
    traces: tuple[Trace, ...]
    terms: tuple[Term, ...]
    w_min: float
    w_max: float
    rounding: str = "stochastic"
    bits: int | None = None
    all_to_all: bool = False
    conditions: tuple[Condition, ...] = ()
    threshold: AdaptiveThreshold | None = None
    scaling: float | None = None
    drift: float = 0.0
    eligibility: Eligibility | None = None
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        def need(ok: bool, text: str) -> None:
            if not ok:
                raise InputError(f"learning rule {self.name!r}: {text}")

        names = [t.name for t in self.traces]
        conditions = [c.name for c in self.conditions]
        need(
            all(isinstance(w, (int, float)) and abs(w) <= HUGE for w in (self.w_min, self.w_max)),
            f"weights from {self.w_min} to {self.w_max} are unbounded; give w_min and w_max",
        )
        need(self.w_min < self.w_max, f"w_min = {self.w_min:g} is not below w_max = {self.w_max:g}; swap them")
        need(len({*names}) == len(names), f"trace names {', '.join(names)} must differ from each other; rename one")
        for trace in self.traces:
            need(trace.of in SIDES, f"trace {trace.name!r} is of {trace.of!r}; it is of 'pre' or 'post'")
            need(1 / HUGE <= trace.tau <= HUGE, f"trace {trace.name!r} has tau = {trace.tau} s; it must be positive")
            need(
                trace.pairing in PAIRINGS,
                f"trace {trace.name!r} has pairing {trace.pairing!r}; the choices are {', '.join(PAIRINGS)}",
            )
        for term in self.terms:
            need(term.on in SIDES, f"a term is on {term.on!r}; it is on 'pre' or 'post'")
            need(abs(term.change) <= HUGE, f"a term changes weights by {term.change}; it must be finite")
            need(term.soft in (None, "up", "down"), f"a term is soft {term.soft!r}; it is 'up' or 'down'")
            need(len(term.traces) <= 2, f"a term multiplies {len(term.traces)} traces; at most 2")
            for name in term.traces:
                need(name in names, f"unknown trace {name!r} in a term; its traces are {', '.join(names) or 'none'}")
            need(
                term.where is None or term.where in conditions,
                f"unknown condition {term.where!r} in a term; its conditions are {', '.join(conditions) or 'none'}",
            )
        need(self.bits in (None, 8, 16), f"{self.bits} bits; weights that learn have 8 or 16")
        need(
            self.eligibility is None or self.bits != 8,
            "8 bits, but a tag takes 8 bits of a weight with eligibility; give it 16, or no bits",
        )
        need(self.rounding in ROUNDINGS, f"rounding {self.rounding!r}; the choices are {', '.join(ROUNDINGS)}")
        need(
            self.eligibility is None or (self.eligibility.largest > 0 and 0 <= self.eligibility.keep <= 1),
            "eligibility needs largest > 0 and keep from 0 to 1",
        )
        need(
            self.threshold is None or (abs(self.threshold.plus) <= HUGE and self.threshold.tau >= 1 / HUGE),
            "an adaptive threshold needs a finite plus and tau > 0",
        )
        need(
            self.scaling is None or 0 < self.scaling <= HUGE, f"scaling to a sum of {self.scaling}; it must be positive"
        )
        need(0 <= self.drift <= HUGE, f"drift = {self.drift}; it must be 0 or more")

    def of(self, side: str) -> tuple[Trace, ...]:
        """The traces of "pre" or "post", in order."""
        return tuple(t for t in self.traces if t.of == side)
