"""Small networks for the compiler's tests, and an integer simulation that knows nothing of cores."""

import numpy as np
from scipy import sparse

from emulator.spec.fixedpoint import NEAREST, round_shift, saturate
from nmcompile.frontends.linear import conv2d
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population, Projection


def lif(name, shape, beta=0.9, threshold=1.0, bias=0.0, v_reset=0.0, model="LIF", dt=1e-4):
    """A population of gain 1 whose membrane decays by `beta` a timestep of `dt` seconds; arrays may be given."""
    n = int(np.prod(shape))
    full = lambda value: np.broadcast_to(np.asarray(value, float), (n,)).copy()  # noqa: E731
    tau = dt / (1 - full(beta))
    params = {"tau": tau, "r": tau / dt, "v_leak": full(0), "v_threshold": full(threshold), "v_reset": full(v_reset)}
    if model == "CubaLIF":
        params = {"tau_mem": tau, "tau_syn": full(5 * dt), "w_in": full(5.0), **params}
        del params["tau"]
    if model == "IF":
        params = {"r": full(1 / dt), "v_threshold": full(threshold), "v_reset": full(v_reset)}
    if model == "LI":
        params = {"tau": tau, "r": tau / dt, "v_leak": full(0)}
    return Population(name, tuple(int(size) for size in np.atleast_1d(shape)), model, params, full(bias))


def dense(name, source, target, weights, delay=0):
    return Projection(name, source, target, sparse.csr_array(np.asarray(weights, float)), delay)


def random_network(rng, n_inputs=20, sizes=(30, 12), density=1.0, recurrent=False, **kwargs):
    """A feed-forward chain of LIF populations, optionally with recurrence in the first."""
    populations, projections, source, n = [], [], INPUT, n_inputs
    for i, size in enumerate(sizes):
        name = f"layer{i}"
        populations.append(lif(name, (size,), **kwargs))
        weights = rng.normal(0, 1.5 / np.sqrt(n * density), (n, size)) * (rng.random((n, size)) < density) + 0.02
        projections.append(dense(f"w{i}", source, name, weights * (rng.random((n, size)) < density)))
        source, n = name, size
    if recurrent:
        projections.append(dense("rec", "layer0", "layer0", rng.normal(0, 0.3, (sizes[0], sizes[0])), delay=1))
    return Network((n_inputs,), tuple(populations), tuple(projections), populations[-1].name)


def conv_network(rng, channels=8, size=10, kernel=3, stride=1, out=5):
    """Input image -> convolution -> LIF -> dense -> LIF."""
    matrix, shape = conv2d(rng.normal(0, 0.5, (channels, 2, kernel, kernel)), (2, size, size), (stride, stride))
    n = int(np.prod(shape))
    projections = (
        Projection("conv", INPUT, "image", matrix, 0, True, channels * 2 * kernel * kernel),
        dense("readout", "image", "out", rng.normal(0.02, 0.3, (n, out))),
    )
    return Network((2, size, size), (lif("image", shape), lif("out", (out,))), projections, "out")


def simulate_integers(quantized, spikes):
    """({population: (timesteps, n) fired}, {population: (timesteps, n) v}) of one sample: plain loops, no machine.

    Every population runs its own timesteps; a projection's spikes act `depth difference` later, as retiming promised.
    """
    arch_bits = quantized["state_bits"]
    network = quantized["network"]
    timesteps = len(spikes)
    fired = {p.name: np.zeros((timesteps, p.n), bool) for p in network.populations}
    membrane = {p.name: np.zeros((timesteps, p.n), np.int64) for p in network.populations}
    state = {p.name: {"v": [0] * p.n, "j": [0] * p.n, "last": [0] * p.n} for p in network.populations}
    lag = {}
    for p in network.projections:
        hop = 0 if p.source == INPUT else 1
        depth = 0 if p.source == INPUT else network.timing.depth[p.source]
        lag[id(p)] = p.delay + hop + depth - network.timing.depth[p.target]
    for t in range(timesteps):
        for p in network.populations:
            s = state[p.name]
            total = np.zeros(p.n, np.int64)
            for q in network.projections:
                if q.target == p.name and t >= lag[id(q)]:
                    source = spikes if q.source == INPUT else fired[q.source]
                    total += (q.matrix.T.astype(np.int64) @ source[t - lag[id(q)]].astype(np.int64)) << q.shift
            for n in range(p.n):
                v, x = s["v"][n], int(total[n])
                value = {name: int(values[n]) for name, values in p.values.items()}
                reset, compare = p.update.keywords["reset"], p.update.keywords["compare"]
                sat = lambda value: saturate(value, arch_bits)  # noqa: E731
                decay = lambda value, k: round_shift(value * k, p.coef_shift, NEAREST)  # noqa: B023, E731
                if "alpha" in value:
                    s["j"][n] = sat(sat(decay(s["j"][n], value["alpha"]) + x) + value["drive"])
                    v = sat(sat(decay(v, value["beta"]) + s["j"][n]) + value["leak"])
                else:
                    v = sat(sat(decay(v, value["beta"]) + x) + value["drive"])
                threshold = value["threshold"]
                if reset == "delayed-subtract" and s["last"][n]:
                    v = sat(v - threshold)
                spike = v > threshold if compare == ">" else v >= threshold
                if spike and reset == "value":
                    v = value["v_reset"]
                elif spike and reset == "subtract":
                    v = sat(v - threshold)
                s["v"][n], s["last"][n] = v, int(spike)
                fired[p.name][t, n], membrane[p.name][t, n] = spike, v
    return fired, membrane
