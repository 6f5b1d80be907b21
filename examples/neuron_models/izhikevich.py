"""Izhikevich's neuron in fixed point: twenty firing patterns from two equations.

    v' = 0.04 v^2 + 5 v + 140 - u + I,   u' = a (b v - u)      (millivolts, milliseconds)
    where v >= 30 mV: spike, v := c, u := u + d

One Euler step a timestep, u after v as in the paper's program; v^2 as v (0.04 dt v + 1 + 5 dt), whose second factor is
small enough for a coefficient of the machine. A state of 24 bits counts in 1/16384 mV.
Source: E. M. Izhikevich, Simple model of spiking neurons, IEEE Transactions on Neural Networks 14 (2003) 1569.
"""

import numpy as np

import nmcompile as nm

SCALE = 2.0**14  # |v| < 512 mV; the factor of v stays below 8


def step(m):
    v, u = m.state("v", initial="c"), m.state("u", initial="u0")
    factor, part, fired = m.temporary("factor"), m.temporary("part"), m.flag("fired")
    m.mac(factor, v, "square", "linear")
    m.product(v, v, factor)
    m.mul(part, u, "dt")
    m.sub(v, v, part)
    m.add(v, v, m.input())
    m.add(v, v, "drive")
    m.mul(u, u, "keep")
    m.mac(u, v, "pull", u)
    m.compare(fired, v, ">=", "peak")
    m.copy(v, "c", where=fired)
    m.add(u, u, "d", where=fired)
    m.spike(fired)


def discretize(population, semantics):
    p, n = population.params, population.n
    dt = semantics.dt * 1e3  # milliseconds
    values = {
        "square": nm.Value(np.full(n, 0.04 * dt), nm.COEFFICIENT),
        "linear": nm.Value(np.full(n, 1 + 5 * dt)),
        "dt": nm.Value(np.full(n, dt), nm.COEFFICIENT),
        "drive": nm.Value(dt * (140 + population.bias)),
        "keep": nm.Value(1 - dt * p["a"], nm.COEFFICIENT),
        "pull": nm.Value(dt * p["a"] * p["b"], nm.COEFFICIENT),
        "peak": nm.Value(np.full(n, 30.0)),
        "c": nm.Value(p["c"]),
        "d": nm.Value(p["d"]),
        "u0": nm.Value(p["b"] * p["c"]),
    }
    return nm.Dynamics(step, values, gain=np.full(n, dt), scale=SCALE, state_bits=24)


nm.register("Izhikevich", ("a", "b", "c", "d"), discretize)
