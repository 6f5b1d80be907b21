"""Learning rules in floats, spike by spike, in the notation of their papers; it knows nothing of traces in registers.

`pre` and `post` are (timesteps, n) booleans; a presynaptic spike comes before a postsynaptic one of its timestep.
Every function returns (n_pre, n_post) weights, and how far each has moved in all.
"""

import numpy as np


def times_before(spikes, t, inclusive):
    """Spike times of one neuron before t, or up to it."""
    when = np.flatnonzero(spikes)
    return when[when <= t] if inclusive else when[when < t]


def kernel(when, t, tau, dt, nearest=False):
    """Sum of exp(-(t - s) / tau) over spike times s, or of the last one alone."""
    if nearest:
        when = when[-1:]
    return float(np.exp(-(t - when) * dt / tau).sum())


def by_spikes(pre, post, w, low, high, on_pre, on_post):
    """Walk through time; on_pre(t, i, j, w) and on_post(t, i, j, w) are the changes."""
    w, way = np.array(w, float), np.zeros(np.shape(w))
    for t in range(len(pre)):
        for i in range(w.shape[0]):
            for j in range(w.shape[1]):
                change = on_pre(t, i, j, w[i, j]) if pre[t, i] else 0.0
                change += on_post(t, i, j, w[i, j]) if post[t, j] else 0.0
                w[i, j] = min(max(w[i, j] + change, low), high)
                way[i, j] += abs(change)
    return w, way


def rectangular(pre, post, w, low, high, dt, a_plus, a_minus, t_plus, t_minus):
    def down(t, i, j, _):
        when = times_before(post[:, j], t, False)
        return -a_minus if len(when) and (t - when[-1]) * dt <= t_minus + 1e-12 else 0.0

    def up(t, i, j, _):
        when = times_before(pre[:, i], t, True)
        return a_plus if len(when) and (t - when[-1]) * dt <= t_plus + 1e-12 else 0.0

    return by_spikes(pre, post, w, low, high, down, up)


def pair(pre, post, w, low, high, dt, a_plus, a_minus, tau_plus, tau_minus, nearest=False, soft=False):
    """Song, Miller, Abbott 2000; nearest neighbour: Morrison, Diesmann, Gerstner 2008, figure 7 A."""

    def down(t, i, j, w):
        by = (w - low) / (high - low) if soft else 1.0
        return -a_minus * by * kernel(times_before(post[:, j], t, False), t, tau_minus, dt, nearest)

    def up(t, i, j, w):
        by = (high - w) / (high - low) if soft else 1.0
        return a_plus * by * kernel(times_before(pre[:, i], t, True), t, tau_plus, dt, nearest)

    return by_spikes(pre, post, w, low, high, down, up)


def triplet(pre, post, w, low, high, dt, a2p, a3p, a2m, a3m, tau_plus, tau_minus, tau_x, tau_y):
    """Pfister, Gerstner 2006, equations 3 and 4; r2 and o2 at t - epsilon."""

    def down(t, i, j, _):
        o1 = kernel(times_before(post[:, j], t, False), t, tau_minus, dt)
        r2 = kernel(times_before(pre[:, i], t, False), t, tau_x, dt)
        return -o1 * (a2m + a3m * r2)

    def up(t, i, j, _):
        r1 = kernel(times_before(pre[:, i], t, True), t, tau_plus, dt)
        o2 = kernel(times_before(post[:, j], t, False), t, tau_y, dt)
        return r1 * (a2p + a3p * o2)

    return by_spikes(pre, post, w, low, high, down, up)


def symmetric(pre, post, w, low, high, dt, a_plus, a_minus, tau, nearest=False):
    """Hao, Huang, Dong, Xu 2020: potentiation whatever the order."""

    def on_pre(t, i, j, _):
        return a_plus * kernel(times_before(post[:, j], t, False), t, tau, dt, nearest)

    def on_post(t, i, j, _):
        return a_plus * kernel(times_before(pre[:, i], t, True), t, tau, dt, nearest) - a_minus

    return by_spikes(pre, post, w, low, high, on_pre, on_post)


def diehl_cook(pre, post, w, low, high, dt, eta, tau, target):
    """Diehl, Cook 2015, equation 4 with mu = 1: eta (x - x_tar) (w_max - w)."""

    def on_post(t, i, j, w):
        x = kernel(times_before(pre[:, i], t, True), t, tau, dt, True)
        return eta * (x - target) * (high - w) / (high - low)

    return by_spikes(pre, post, w, low, high, lambda *_: 0.0, on_post)


def sdsp(pre, post, w, low, high, dt, v, a_up, a_down, v_up, c_up, c_down, tau):
    """Brader, Senn, Fusi 2007, equation 3; `v` is (timesteps, n_post)."""

    def on_pre(t, i, j, _):
        c = kernel(times_before(post[:, j], t, False), t, tau, dt)
        if v[t, j] >= v_up:
            return a_up if c_up[0] <= c < c_up[1] else 0.0
        return -a_down if c_down[0] <= c < c_down[1] else 0.0

    return by_spikes(pre, post, w, low, high, on_pre, lambda *_: 0.0)


def hebbian(pre, post, w, low, high, dt, eta, tau, alpha):
    """Vogels et al. 2011, equation 4, eta < 0 being anti-Hebbian."""

    def on_pre(t, i, j, _):
        return eta * (kernel(times_before(post[:, j], t, False), t, tau, dt) - alpha)

    def on_post(t, i, j, _):
        return eta * kernel(times_before(pre[:, i], t, True), t, tau, dt)

    return by_spikes(pre, post, w, low, high, on_pre, on_post)
