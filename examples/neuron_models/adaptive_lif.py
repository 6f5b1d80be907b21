"""A LIF neuron whose threshold rises with every spike it fires.

    v := alpha v + (1 - alpha) x        fires where v > b0 + beta b, and then v -= b0 + beta b
    b := rho b + (1 - rho) z            z: did it fire

Source: G. Bellec et al., Long short-term memory and learning-to-learn in networks of spiking neurons, NeurIPS 2018,
equations 1 to 3 and section 2; x is its R_m I.
"""

import numpy as np

import nmcompile as nm


def step(m):
    v, raised, limit, fired = m.state("v"), m.state("raised"), m.temporary("limit"), m.flag("fired")
    m.mac(v, v, "alpha", m.input())
    m.add(v, v, "drive")
    m.add(limit, raised, "b0")
    m.compare(fired, v, ">", limit)
    m.sub(v, v, limit, where=fired)
    m.mul(raised, raised, "rho")  # `raised` is beta b
    m.add(raised, raised, "raise", where=fired)
    m.spike(fired)


def discretize(population, semantics):
    p = population.params
    alpha, rho = np.exp(-semantics.dt / p["tau"]), np.exp(-semantics.dt / p["tau_a"])
    values = {
        "alpha": nm.Value(alpha, nm.COEFFICIENT),
        "rho": nm.Value(rho, nm.COEFFICIENT),
        "b0": nm.Value(p["b0"]),
        "raise": nm.Value(p["beta"] * (1 - rho)),
        "drive": nm.Value((1 - alpha) * population.bias),
    }
    return nm.Dynamics(step, values, gain=1 - alpha, amplitude=p["b0"] + p["beta"])


nm.register("AdaptiveLIF", ("tau", "tau_a", "b0", "beta"), discretize)
