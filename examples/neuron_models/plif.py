"""PLIF: a LIF neuron whose membrane time constant was trained; the parameter `a` is what the training stores.

    h = v + (x - (v - v_reset)) / tau,   1 / tau = 1 / (1 + exp(-a));   fires where h >= v_threshold
    v := v_reset if it fired, else h

Source: W. Fang et al., Incorporating learnable membrane time constant to enhance learning of spiking neural networks,
ICCV 2021, equations 1 to 5; SpikingJelly's ParametricLIFNode, whose `w` is `a`.
"""

import numpy as np

import nmcompile as nm


def step(m):
    v, fired = m.state("v"), m.flag("fired")
    m.mac(v, v, "keep", m.input())
    m.add(v, v, "drive")
    m.compare(fired, v, ">=", "threshold")
    m.copy(v, "v_reset", where=fired)
    m.spike(fired)


def discretize(population, semantics):
    p = population.params
    rate = 1 / (1 + np.exp(-p["a"]))
    values = {
        "keep": nm.Value(1 - rate, nm.COEFFICIENT),
        "drive": nm.Value(rate * (population.bias + p["v_reset"])),
        "threshold": nm.Value(p["v_threshold"]),
        "v_reset": nm.Value(p["v_reset"]),
    }
    return nm.Dynamics(step, values, gain=rate, amplitude=np.abs(p["v_threshold"]))


nm.register("PLIF", ("a", "v_threshold", "v_reset"), discretize)
