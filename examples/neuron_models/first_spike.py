"""A neuron that codes in the time of its first spike: rectified linear postsynaptic potentials, fires once.

    v(t) = sum over inputs of w max(0, t - t_input);   fires where v >= threshold for the first time, then never again

As a program: the slope of v is the sum of the weights of what has arrived.
Source: M. Zhang et al., Rectified linear postsynaptic potential function for backpropagation in deep spiking neural
networks, IEEE Transactions on Neural Networks and Learning Systems 33 (2022) 1947, equations 4 to 6.
"""

import numpy as np

import nmcompile as nm


def step(m):
    v, slope, fired, done = m.state("v"), m.state("slope"), m.flag("fired"), m.flag("done")
    m.add(v, v, slope)
    m.add(slope, slope, m.input())
    m.add(v, v, "drive")
    m.compare(fired, v, ">=", "threshold")
    m.logic(fired, fired, "and not", done)
    m.logic(done, done, "or", fired)
    m.spike(fired)


def discretize(population, semantics):
    values = {"threshold": nm.Value(population.params["v_threshold"]), "drive": nm.Value(population.bias)}
    return nm.Dynamics(step, values, gain=np.ones(population.n), amplitude=np.abs(population.params["v_threshold"]))


nm.register("FirstSpike", ("v_threshold",), discretize)
