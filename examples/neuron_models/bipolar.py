"""An integrate-and-fire neuron with spikes of both signs, as conversions of recurrent networks without loss use it.

    v := v + x;   s = 1 where v >= threshold, -1 where v <= -threshold;   v -= s threshold

Its spikes carry s, and weights are multiplied by it: what a neuron has sent too much it can take back.
Source: the bipolar neuron of J. Wang et al., Toward lossless conversion of recurrent networks to spiking ones;
the signed spikes go back to J. K. Kim et al., Balanced neurons with bipolar spikes (DNN conversion), 2018.
"""

import numpy as np

import nmcompile as nm


def step(m):
    v, sign = m.state("v"), m.temporary("sign", unit=nm.COUNT)
    above, below, either = m.flag("above"), m.flag("below"), m.flag("either")
    minus = m.temporary("minus")
    m.add(v, v, m.input())
    m.add(v, v, "drive")
    m.compare(above, v, ">=", "threshold")
    m.copy(minus, 0)
    m.sub(minus, minus, v)
    m.compare(below, minus, ">=", "threshold")
    m.sub(v, v, "threshold", where=above)
    m.add(v, v, "threshold", where=below)
    m.copy(sign, 1)
    m.copy(sign, -1, where=below)
    m.logic(either, above, "or", below)
    m.spike(either, payload=sign, signed=True)


def discretize(population, semantics):
    threshold = population.params["v_threshold"]
    values = {"threshold": nm.Value(threshold), "drive": nm.Value(population.bias)}
    return nm.Dynamics(step, values, gain=np.ones(population.n), amplitude=np.abs(threshold), payload=1, signed=True)


nm.register("Bipolar", ("v_threshold",), discretize)
