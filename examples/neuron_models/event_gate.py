"""The event gate of the EGRU: a leaky value is sent only where it passes a threshold, and then it is sent whole.

    c := u z + (1 - u) c - y        z: weighted input; u: update gate, here one number a neuron
    y := c where c > v_threshold, else 0

An event carries 64 y, rounded, at most 255: divide the weights behind such neurons by 64.
Source: A. Subramoney et al., Efficient recurrent architectures through activity sparsity and sparse back-propagation
through time, ICLR 2023, section 3, its equations of c and y. Its gates u and r depend on the input; a neuron here has
one weighted input, so they are constants.
"""

import nmcompile as nm

LEVELS = 64  # of an event, per unit of c
FINER = 64  # of the state, per level


def step(m):
    c, y, event = m.state("v"), m.state("y"), m.flag("event")
    level = m.temporary("level", unit=nm.COUNT)
    m.mac(c, c, "keep", m.input())
    m.add(c, c, "drive")
    m.sub(c, c, y)
    m.compare(event, c, ">", "threshold")
    m.copy(y, 0)
    m.copy(y, c, where=event)
    m.whole(level, y)
    m.spike(event, payload=level)


def discretize(population, semantics):
    p = population.params
    values = {
        "keep": nm.Value(1 - p["update"], nm.COEFFICIENT),
        "drive": nm.Value(LEVELS * p["update"] * population.bias),
        "threshold": nm.Value(LEVELS * p["v_threshold"]),
    }
    return nm.Dynamics(step, values, gain=LEVELS * p["update"], scale=float(FINER), payload=255, state_bits=24)


nm.register("EventGate", ("update", "v_threshold"), discretize)
