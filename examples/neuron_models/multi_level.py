"""Spikes of several levels: the membrane, rounded to 0, 1, .. 4 thresholds, is sent as one graded spike.

    v := decay (v - sent) + x;   sent = min(max(round(v / v_threshold), 0), 4) v_threshold

Source: X. Luo et al., Integer-valued training and spike-driven inference spiking neural network for high-performance
and energy-efficient object detection, ECCV 2024: its I-LIF neuron with D = 4. There a threshold is 1.
"""

import numpy as np

import nmcompile as nm

LEVELS = 4


def step(m):
    v, level, more = m.state("v"), m.temporary("level", unit=nm.COUNT), m.flag("more")
    m.mac(v, v, "decay", m.input())
    m.add(v, v, "drive")
    m.copy(level, 0)
    for _ in range(LEVELS):  # taking one off at a time
        m.compare(more, v, ">=", "half")
        m.sub(v, v, "threshold", where=more)
        m.add(level, level, 1, where=more)
    m.compare(more, level, ">", 0)
    m.spike(more, payload=level)


def discretize(population, semantics):
    p = population.params
    values = {
        "decay": nm.Value(p["decay"], nm.COEFFICIENT),
        "drive": nm.Value(population.bias),
        "half": nm.Value(p["v_threshold"] / 2),
        "threshold": nm.Value(p["v_threshold"]),
    }
    return nm.Dynamics(step, values, gain=np.ones(population.n), amplitude=p["v_threshold"], payload=LEVELS)


nm.register("MultiLevel", ("decay", "v_threshold"), discretize)
