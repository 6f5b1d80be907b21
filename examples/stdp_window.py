"""The window of pair STDP, measured on the emulated chip, beside its equation.

    python examples/stdp_window.py window.svg

One neuron is made to fire at one time; 121 inputs spike once each, from 60 ms before to 60 ms after. What their weights
have become is drawn over S. Song, K. Miller and L. Abbott's exponentials (Nature Neuroscience 3, 919, 2000).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import sparse

import nmcompile as nm

DT, REACH = 1e-3, 60  # seconds, timesteps on either side
W_MAX = 0.01  # far below the threshold of 1: nothing but the drive makes the neuron fire
A_PLUS, A_MINUS, TAU_PLUS, TAU_MINUS = 0.3 * W_MAX, 0.25 * W_MAX, 0.020, 0.012


def measure(arch: str = "ecp5", bits: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """(t_post - t_pre in seconds, measured weight changes, the equation's, one unit of weight), each (121,)."""
    steps = np.arange(-REACH, REACH + 1)
    n, one = len(steps), np.ones(1)
    neuron = nm.Population(
        "out",
        (1,),
        "LIF",
        {"tau": DT * one, "r": one, "v_leak": 0 * one, "v_threshold": one, "v_reset": 0 * one},
        0 * one,
    )
    learning = sparse.csr_array(np.append(np.full(n, W_MAX / 2), 0.0)[:, None])
    drive = sparse.csr_array(np.append(np.zeros(n), 2.0)[:, None])
    projections = nm.Projection("w", nm.INPUT, "out", learning), nm.Projection("drive", nm.INPUT, "out", drive)
    network = nm.Network((n + 1,), (neuron,), projections, "out")
    rule = nm.pair_stdp(A_PLUS, A_MINUS, TAU_PLUS, TAU_MINUS, 0, W_MAX, rounding="nearest")
    compilation = nm.compile_network(
        nm.attach(network, {"w": rule}), nm.load_architecture(arch), nm.choose_semantics(dt=DT), weight_bits=bits
    )
    spikes = np.zeros((1, n, n + 1), np.uint8)
    spikes[0, REACH - steps, np.arange(n)] = 1
    spikes[0, REACH, n] = 1
    before = nm.learned_weights(compilation.image, "w")[:n, 0]
    after = nm.learned_weights(nm.emulate(compilation.image, spikes, learn=True).learned, "w")[:n, 0]
    t = steps * DT
    equation = np.where(t >= 0, A_PLUS * np.exp(-t / TAU_PLUS), -A_MINUS * np.exp(t / TAU_MINUS))
    return t, after - before, equation, compilation.image.compiled.projections[0].learning.unit


def draw(t: np.ndarray, change: np.ndarray, equation: np.ndarray, unit: float) -> str:
    """An SVG: the equation as a line, what the chip did as dots, weight in units."""
    width, height, top = 640, 360, 1.15 * np.abs(equation).max()

    def place(x: float, y: float) -> str:
        return f"{40 + (x - t[0]) / (t[-1] - t[0]) * (width - 60):.1f},{height / 2 - y / top * (height / 2 - 20):.1f}"

    sides = ((t < 0), (t >= 0))
    lines = "".join(
        f'<polyline points="{" ".join(place(*p) for p in zip(t[s], equation[s], strict=True))}" fill="none" '
        'stroke="#888" stroke-width="1.5"/>'
        for s in sides
    )
    dots = "".join(
        '<circle cx="{}" cy="{}" r="2.6" fill="#06c"/>'.format(*place(*p).split(","))
        for p in zip(t, change, strict=True)
    )
    zero = place(0, 0).split(",")
    words = "".join(
        f'<text x="{x}" y="{y}" font-size="12" font-family="sans-serif" text-anchor="{anchor}">{text}</text>'
        for x, y, anchor, text in (
            (width - 20, height / 2 + 16, "end", f"t_post - t_pre: {1e3 * t[-1]:.0f} ms"),
            (40, height / 2 + 16, "start", f"{1e3 * t[0]:.0f} ms"),
            (float(zero[0]) + 6, 16, "start", f"weight change, up to {top / unit:.0f} units of {unit:.2g}"),
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><rect width="100%" height="100%" '
        f'fill="#fff"/><path d="M40 {height / 2}H{width - 20}M{zero[0]} 10V{height - 10}" stroke="#ccc"/>'
        f"{lines}{dots}{words}</svg>\n"
    )


def main(path: str | None = None) -> float:
    """Print the largest difference, draw the picture; the difference in units of weight."""
    t, change, equation, unit = measure()
    worst = float(np.abs(change - equation).max() / unit)
    print(f"{len(t)} pairs of spikes, largest difference from the equation: {worst:.2f} units of weight")
    if path:
        Path(path).write_text(draw(t, change, equation, unit))
        print(f"wrote {path}")
    return worst


if __name__ == "__main__":
    main(*sys.argv[1:2])
