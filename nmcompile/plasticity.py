"""Learning rules: what spikes do to weights, described in floats and seconds.

A rule is data: traces that spikes leave behind, and terms that say what a spike changes.

    Rule(
        "pair-stdp",
        traces=(Trace("x", of="pre", tau=0.02), Trace("y", of="post", tau=0.02)),
        terms=(Term("post", +0.01, ("x",)), Term("pre", -0.012, ("y",))),
        w_min=0.0,
        w_max=1.0,
    )

`learning.py` makes instructions of it. Within a timestep a presynaptic spike comes first: a neuron that fires in the
timestep in which a spike reaches it has a time difference of 0, and potentiates.

The functions below are the rules of the literature in its notation. One more rule is one more function like them, or a
table of traces and terms in a TOML file (`rule_files.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from emulator.spec.errors import InputError

from .network import HUGE, Network

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
        bits: 8 or 16 bits of a weight; None: as the compiler is told.
        all_to_all: weights that are 0 are synapses, too; else only those that are there at first.
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


def attach(network: Network, rules: Mapping[str, Rule]) -> Network:
    """The network with a rule on each projection named.

    Raises:
        InputError: no such projection; one that repeats weights, or leads where such a one does; a target that does
            not spike.
    """
    known = [p.name for p in network.projections]
    for name in rules:
        if name not in known:
            raise InputError(f"{network.origin}: no projection {name!r} to learn; it has {', '.join(known)}")
    for p in network.projections:
        if p.name not in rules:
            continue
        if p.convolutional:
            raise InputError(
                f"{network.origin}: {p.name!r} shares its weights (a convolution), so rule {rules[p.name].name!r} "
                "cannot change them one by one; learn on a dense projection"
            )
        for q in network.projections:
            if q.convolutional and q.target == p.target:
                raise InputError(
                    f"{network.origin}: {p.name!r} leads to {p.target!r}, as the convolution {q.name!r} does, which "
                    f"pads its neurons in memory, and rule {rules[p.name].name!r} would teach the padding to fire; let "
                    "it learn onto a population of its own"
                )
        if not network.population(p.target).spiking:
            raise InputError(
                f"{network.origin}: {p.name!r} leads to {p.target!r}, which never spikes, so rule "
                f"{rules[p.name].name!r} has nothing to learn from; let it spike"
            )
    projections = tuple(replace(p, plasticity=rules.get(p.name, p.plasticity)) for p in network.projections)
    return replace(network, projections=projections)


# ------------------------------------------------------------------------------- the rules of the literature
def rectangular_stdp(
    a_plus: float, a_minus: float, t_plus: float, t_minus: float, w_min: float, w_max: float, **options
) -> Rule:
    """A flat window: +a_plus for 0 <= t_post - t_pre <= t_plus, -a_minus for 0 < t_pre - t_post <= t_minus.

    Source: A. Gautam et al., NeuroCoreX, arXiv:2506.14138 (2025), section on STDP.
    """
    return Rule(
        "rectangular-stdp",
        (Trace("x", "pre", t_plus, "window"), Trace("y", "post", t_minus, "window")),
        (Term("post", a_plus, ("x",)), Term("pre", -a_minus, ("y",))),
        w_min,
        w_max,
        **{"rounding": "nearest", "source": "arXiv:2506.14138", **options},
    )


def pair_stdp(
    a_plus: float,
    a_minus: float,
    tau_plus: float,
    tau_minus: float,
    w_min: float,
    w_max: float,
    pairing: str = "all",
    soft: bool = False,
    **options,
) -> Rule:
    """a_plus exp(-dt / tau_plus) for dt = t_post - t_pre >= 0, else -a_minus exp(dt / tau_minus).

    Args:
        pairing: "all" pairs of spikes, or the "nearest" one before.
        soft: changes shrink in proportion to the distance from the bound.

    Source: S. Song, K. Miller, L. Abbott, Nature Neuroscience 3, 919 (2000); pairings as in A. Morrison, M. Diesmann,
        W. Gerstner, Biological Cybernetics 98, 459 (2008), figure 7.
    """
    up, down = ("up", "down") if soft else (None, None)
    return Rule(
        "pair-stdp",
        (Trace("x", "pre", tau_plus, pairing), Trace("y", "post", tau_minus, pairing)),
        (Term("post", a_plus, ("x",), up), Term("pre", -a_minus, ("y",), down)),
        w_min,
        w_max,
        **{"source": "Nature Neuroscience 3, 919 (2000)", **options},
    )


def triplet_stdp(
    a2_plus: float,
    a3_plus: float,
    a2_minus: float,
    a3_minus: float,
    w_min: float,
    w_max: float,
    tau_plus: float = 16.8e-3,
    tau_minus: float = 33.7e-3,
    tau_x: float = 101e-3,
    tau_y: float = 125e-3,
    **options,
) -> Rule:
    """w -= o1 (A2- + A3- r2) on a presynaptic spike, w += r1 (A2+ + A3+ o2) on a postsynaptic one; all to all.

    r2 and o2 are taken just before the spike. A3- = 0 is the minimal model, which needs one trace per axon.

    Source: J.-P. Pfister, W. Gerstner, Journal of Neuroscience 26, 9673 (2006), equations 2 to 4, table 4 (time
        constants of the visual cortex, all to all).
    """
    traces = [Trace("r1", "pre", tau_plus), Trace("o1", "post", tau_minus), Trace("o2", "post", tau_y)]
    terms = [Term("pre", -a2_minus, ("o1",)), Term("post", a2_plus, ("r1",)), Term("post", a3_plus, ("r1", "o2"))]
    if a3_minus:
        traces.append(Trace("r2", "pre", tau_x, late=True))
        terms.append(Term("pre", -a3_minus, ("o1", "r2")))
    terms = [term for term in terms if term.change]
    return Rule(
        "triplet-stdp",
        tuple(traces),
        tuple(terms),
        w_min,
        w_max,
        **{"source": "J. Neuroscience 26, 9673 (2006)", **options},
    )


def symmetric_stdp(
    a_plus: float,
    tau: float,
    w_max: float,
    a_minus: float = 0.0,
    w_min: float = 0.0,
    scaling: float | None = None,
    theta_plus: float = 0.0,
    tau_theta: float = math.inf,
    pairing: str = "all",
    **options,
) -> Rule:
    """a_plus exp(-|dt| / tau) whoever fires first; weights sum up to `scaling`, a spike lifts thresholds by theta_plus.

    Args:
        a_minus: taken off on every postsynaptic spike, so that spikes far from each other depress.
        pairing: "all" pairs of spikes, or the "nearest" one before.

    Source: Y. Hao, X. Huang, M. Dong, B. Xu, Neural Networks 121, 387 (2020), arXiv:1812.06574, and its code
        (github.com/haoyz/sym-STDP-SNN): all pairs, a_minus = 0, weights scaled before every sample, dynamic threshold.
        Here the division of scaling is a step of Newton's iteration, and theta_plus does not shrink as thresholds rise.
    """
    terms = [Term("post", a_plus, ("x",)), Term("pre", a_plus, ("y",)), Term("post", -a_minus)]
    return Rule(
        "symmetric-stdp",
        (Trace("x", "pre", tau, pairing), Trace("y", "post", tau, pairing)),
        tuple(term for term in terms if term.change),
        w_min,
        w_max,
        scaling=scaling,
        threshold=AdaptiveThreshold(theta_plus, tau_theta) if theta_plus else None,
        **{"source": "arXiv:1812.06574", **options},
    )


def post_stdp(
    eta: float,
    tau: float,
    w_max: float,
    x_target: float = 0.0,
    decay: float = 0.0,
    eta_pre: float = 0.0,
    tau_post: float | None = None,
    w_min: float = 0.0,
    soft: bool = False,
    scaling: float | None = None,
    theta_plus: float = 0.0,
    tau_theta: float = math.inf,
    pairing: str = "nearest",
    **options,
) -> Rule:
    """eta (x - x_target) on a postsynaptic spike, -eta_pre y on a presynaptic one, for unsupervised competition.

    Args:
        decay: takes eta * decay * (w - w_min) / (w_max - w_min) off, too: with decay 1 and x_target 0 the weights
            approach the mean of x at the neuron's spikes, as in online k-means.
        soft: times (w_max - w) / (w_max - w_min), the exponent mu being 1.

    Source: P. Diehl, M. Cook, Frontiers in Computational Neuroscience 9, 99 (2015), equations 2 and 4; adaptive
        threshold and normalised weights of its section 2.
    """
    up = "up" if soft else None
    traces = [Trace("x", "pre", tau, pairing)]
    terms = [Term("post", eta, ("x",), up), Term("post", -eta * x_target, (), up)]
    terms.append(Term("post", -eta * decay, (), "down"))
    if eta_pre:
        traces.append(Trace("y", "post", tau_post or tau, pairing))
        terms.append(Term("pre", -eta_pre, ("y",)))
    return Rule(
        "post-stdp",
        tuple(traces),
        tuple(term for term in terms if term.change),
        w_min,
        w_max,
        scaling=scaling,
        threshold=AdaptiveThreshold(theta_plus, tau_theta) if theta_plus else None,
        **{"source": "Front. Comput. Neurosci. 9, 99 (2015)", **options},
    )


def sdsp(
    a_up: float,
    a_down: float,
    v_up: float,
    calcium_up: tuple[float, float],
    calcium_down: tuple[float, float],
    tau_calcium: float,
    w_min: float,
    w_max: float,
    drift: float = 0.0,
    **options,
) -> Rule:
    """On a presynaptic spike, +a_up where v >= v_up and calcium is in calcium_up, -a_down where v < v_up and it is in
    calcium_down.

    Calcium jumps by 1 when the postsynaptic neuron fires and decays with tau_calcium. v is that at the end of the
    timestep. Between samples weights drift to the nearer bound: ODIN does so at events that its host sends.

    Source: J. Brader, W. Senn, S. Fusi, Neural Computation 19, 2881 (2007), equations 3 and 4; C. Frenkel et al., ODIN,
        IEEE TBioCAS 13, 145 (2019).
    """
    inf = math.inf
    return Rule(
        "sdsp",
        (Trace("calcium", "post", tau_calcium),),
        (Term("pre", a_up, where="up"), Term("pre", -a_down, where="down")),
        w_min,
        w_max,
        conditions=(
            Condition("up", (("v", v_up, inf), ("calcium", *calcium_up))),
            Condition("down", (("v", -inf, v_up), ("calcium", *calcium_down))),
        ),
        drift=drift,
        **{"rounding": "nearest", "source": "Neural Computation 19, 2881 (2007)", **options},
    )


def reward_stdp(
    a_plus: float,
    a_minus: float,
    tau_plus: float,
    tau_minus: float,
    w_min: float,
    w_max: float,
    largest: float,
    rate: float = 1.0,
    keep: float = 0.0,
    **options,
) -> Rule:
    """Pair STDP fills an eligibility tag e; when a sample starts, w += rate * reward * e, and e *= keep.

    Source: E. Izhikevich, Cerebral Cortex 17, 2443 (2007); N. Fremaux, W. Gerstner, Frontiers in Neural Circuits 9, 85
        (2016), equations 2 to 4. Theirs is continuous in time; here e decays, and rewards come, between samples.
    """
    return Rule(
        "reward-stdp",
        (Trace("x", "pre", tau_plus), Trace("y", "post", tau_minus)),
        (Term("post", a_plus, ("x",)), Term("pre", -a_minus, ("y",))),
        w_min,
        w_max,
        bits=16,
        eligibility=Eligibility(largest, rate, keep),
        **{"source": "Cerebral Cortex 17, 2443 (2007)", **options},
    )


def hebbian(eta: float, tau: float, alpha: float, w_min: float, w_max: float, anti: bool = False, **options) -> Rule:
    """eta (y - alpha) on a presynaptic spike, eta x on a postsynaptic one; with `anti`, the opposite.

    Anti-Hebbian on inhibitory weights (negative ones) makes those that fire together inhibit each other more, until a
    neuron fires at alpha / (2 tau) hertz.

    Source: T. Vogels et al., Science 334, 1569 (2011), equation 4; P. Foldiak, Biological Cybernetics 64, 165 (1990).
    """
    sign = -1.0 if anti else 1.0
    terms = (Term("pre", sign * eta, ("y",)), Term("pre", -sign * eta * alpha), Term("post", sign * eta, ("x",)))
    return Rule(
        "anti-hebbian" if anti else "hebbian",
        (Trace("x", "pre", tau), Trace("y", "post", tau)),
        tuple(term for term in terms if term.change),
        w_min,
        w_max,
        **{"source": "Science 334, 1569 (2011)", **options},
    )


RULES: dict[str, Callable[..., Rule]] = {
    "rectangular-stdp": rectangular_stdp,
    "pair-stdp": pair_stdp,
    "triplet-stdp": triplet_stdp,
    "symmetric-stdp": symmetric_stdp,
    "post-stdp": post_stdp,
    "sdsp": sdsp,
    "reward-stdp": reward_stdp,
    "hebbian": hebbian,
}
