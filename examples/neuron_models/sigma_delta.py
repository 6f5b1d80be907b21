"""A sigma-delta neuron: it sends what changed, in whole steps of its activation, and only if that is enough.

    sigma := sigma + x                       what arrives are changes; their sum is the input
    activation = max(0, sigma + bias)
    where |activation - told| >= threshold: send n, told += n;   n: the difference, clamped to -128..127

All are integers, as in Lava's bit-accurate model with its exponents at 0.
Source: Lava 0.9, lava/proc/sdn/models.py; P. O'Connor and M. Welling, Sigma-delta quantized networks, ICLR 2017.
"""

import numpy as np

import nmcompile as nm


def step(m):
    v, told, change = m.state("v"), m.state("told"), m.temporary("change")
    size, sigma, enough = m.temporary("size"), m.state("sigma"), m.flag("enough")
    m.add(sigma, sigma, m.input())
    m.add(v, sigma, "bias")
    m.largest(v, v, 0)
    m.sub(change, v, told)
    m.largest(change, change, -128)
    m.smallest(change, change, 127)
    m.copy(size, 0)
    m.sub(size, size, change)
    m.largest(size, size, change)
    m.compare(enough, size, ">=", "threshold")
    m.add(told, told, change, where=enough)
    m.spike(enough, payload=change, signed=True)


def discretize(population, semantics):
    values = {
        "threshold": nm.Value(population.params["v_threshold"], nm.COUNT),
        "bias": nm.Value(population.bias, nm.COUNT),
    }
    return nm.Dynamics(step, values, gain=np.ones(population.n), scale=1.0, exact=True, payload=128, signed=True)


nm.register("SigmaDelta", ("v_threshold",), discretize)
