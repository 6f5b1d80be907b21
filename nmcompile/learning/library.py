"""The learning rules of the literature in its notation, each a function that makes a `Rule`.

One more rule is one more function like these, or a table of traces and terms in a TOML file (`files.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..network.rule import AdaptiveThreshold, Condition, Eligibility, Rule, Term, Trace


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
        eligibility=Eligibility(largest, rate, keep),
        **{"bits": 16, "source": "Cerebral Cortex 17, 2443 (2007)", **options},
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


def register_rule(name: str, make: Callable[..., Rule]) -> None:
    """Add a rule that a file of rules can name, or replace one.

    Args:
        make: returns a `Rule`; the keys of a table in the file are its parameters.
    """
    RULES[name] = make
