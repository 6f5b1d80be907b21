"""NIR graphs run node by node, straight from their definitions: an interpreter that shares nothing with the package.

Nodes are objects of the `nir` package; values flow as arrays of the shape that the nodes give them. Edges of `back`
take what their source sent in the timestep before.
Source: NIR 1.0.8; J. E. Pedersen et al., Nature Communications 15, 8122 (2024).
"""

import networkx as nx
import numpy as np
from scipy import signal

NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF", "Threshold")


def pair(value, axes=2):
    return (int(value),) * axes if np.size(value) == 1 else tuple(int(v) for v in value)


def convolve(node, x):
    """A convolution over one or two axes."""
    axes = x.ndim - 1
    stride, dilation = pair(node.stride, axes), pair(node.dilation, axes)
    sizes = [(k - 1) * d + 1 for k, d in zip(node.weight.shape[2:], dilation, strict=True)]
    kernel = np.zeros((*node.weight.shape[:2], *sizes))
    kernel[(..., *(slice(None, None, d) for d in dilation))] = node.weight
    spread = [k - 1 for k in kernel.shape[2:]]
    if isinstance(node.padding, str):
        pads = [(s // 2, s - s // 2) if node.padding == "same" else (0, 0) for s in spread]
    else:
        pads = [(p, p) for p in pair(node.padding, axes)]
    x = np.pad(x, [(0, 0), *pads])
    per_group, out_per_group = node.weight.shape[1], len(kernel) // node.groups
    out = []
    for o, own in enumerate(kernel):
        first = o // out_per_group * per_group
        found = sum(signal.correlate(x[first + i], own[i], "valid", "direct") for i in range(per_group))
        out.append(found[tuple(slice(None, None, s) for s in stride)])
    bias = np.broadcast_to(np.asarray(node.bias, float).reshape(-1), (len(kernel),))
    return np.stack(out) + bias.reshape(-1, *(1,) * axes)


def pool(node, x):
    (kh, kw), (sy, sx), (py, px) = (pair(v) for v in (node.kernel_size, node.stride, node.padding))
    x = np.pad(x, [(0, 0), (py, py), (px, px)])
    rows, columns = (x.shape[1] - kh) // sy + 1, (x.shape[2] - kw) // sx + 1
    windows = [[x[:, r * sy : r * sy + kh, c * sx : c * sx + kw] for c in range(columns)] for r in range(rows)]
    sums = np.stack([np.stack([w.sum(axis=(1, 2)) for w in row], axis=1) for row in windows], axis=1)
    return sums / (kh * kw) if type(node).__name__ == "AvgPool2d" else sums


class Neurons:
    def __init__(self, node, semantics):
        self.node, self.s, self.kind = node, semantics, type(node).__name__
        self.v = self.i = self.fired = 0.0

    def decay(self, tau):
        """(what is left of a state after a timestep, what of an input to it arrives)"""
        if self.s.integrator == "exponential":
            return np.exp(-self.s.dt / tau), 1 - np.exp(-self.s.dt / tau)
        return 1 - self.s.dt / tau, self.s.dt / tau

    def param(self, name, shape):
        values = np.asarray(getattr(self.node, name), float)
        return np.broadcast_to(values.reshape(-1), (int(np.prod(shape)),)).reshape(shape)

    def step(self, x):
        p = lambda name: self.param(name, x.shape)  # noqa: E731
        above = (lambda v, th: v > th) if self.s.compare == ">" else (lambda v, th: v >= th)
        if self.kind == "Threshold":
            return above(x, p("threshold")).astype(float)
        if self.kind in ("I", "IF"):
            self.v = self.v + self.s.dt * p("r") * x
        elif self.kind in ("LI", "LIF"):
            left, share = self.decay(p("tau"))
            self.v = self.v * left + share * (p("v_leak") + p("r") * x)
        else:
            left, share = self.decay(p("tau_syn"))
            self.i = self.i * left + share * p("w_in") * x
            left, share = self.decay(p("tau_mem"))
            self.v = self.v * left + share * (p("v_leak") + p("r") * self.i)
        if not hasattr(self.node, "v_threshold"):
            return self.v
        threshold = p("v_threshold")
        if self.s.reset == "delayed-subtract":
            self.v = self.v - self.fired * threshold
        self.fired = above(self.v, threshold).astype(float)
        if self.s.reset == "value":
            self.v = np.where(self.fired > 0, p("v_reset"), self.v)
        elif self.s.reset == "subtract":
            self.v = self.v - self.fired * threshold
        return self.fired


def linear(node, x):
    """What a node without neurons or memory makes of x."""
    kind = type(node).__name__
    if kind in ("Affine", "Linear"):
        return node.weight @ x.reshape(-1) + getattr(node, "bias", 0.0)
    if kind in ("Conv1d", "Conv2d"):
        return convolve(node, x)
    if kind in ("SumPool2d", "AvgPool2d"):
        return pool(node, x)
    return x * node.scale if kind == "Scale" else x.reshape(-1) if kind == "Flatten" else x


class Delay:
    """Elements come some timesteps later each; before the first, it held what flows in while nothing fires."""

    def __init__(self, node, semantics):
        self.steps, self.past = np.rint(np.asarray(node.delay) / semantics.dt).astype(int), []

    def step(self, x):
        self.past.append(x)
        steps = np.broadcast_to(self.steps, x.shape).reshape(-1)
        places = [max(len(self.past) - 1 - s, 0) for s in steps]
        return np.array([self.past[p].reshape(-1)[i] for i, p in enumerate(places)]).reshape(x.shape)


def run(nodes, edges, back, semantics, inputs, shape):
    """{neuron node: (timesteps, n) what it sent, of an integrator its potential} for inputs (timesteps, n)."""
    order = list(nx.topological_sort(nx.DiGraph(edge for edge in edges if edge not in back)))
    kinds = {name: type(node).__name__ for name, node in nodes.items()}
    neurons = {name: Neurons(nodes[name], semantics) for name in order if kinds[name] in NEURONS}
    delays = {name: Delay(nodes[name], semantics) for name in order if kinds[name] == "Delay"}
    found = {name: [] for name in neurons}
    last = {}
    for frame in [0 * inputs[0], *inputs]:  # first in silence, where neurons do nothing yet
        now = {}
        for name in order:
            if kinds[name] == "Input":
                now[name] = frame.reshape(shape).astype(float)
                continue
            parts = [
                last[a] if (a, b) in back else now[a] for a, b in edges if b == name and ((a, b) not in back or last)
            ]
            shaped = max((part.shape for part in parts), key=len)
            x = sum(part.reshape(shaped) for part in parts)
            if name in neurons and last:
                now[name] = neurons[name].step(x)
                found[name].append(now[name].reshape(-1))
            elif name in delays:
                now[name] = delays[name].step(x)
            else:
                now[name] = 0 * x if name in neurons else linear(nodes[name], x)
        last = now
    return {name: np.array(values) for name, values in found.items()}
