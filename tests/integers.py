"""A third interpreter of neuron models, for tests: plain integers, saturated and rounded as the machine's manual says.

It knows nothing of cores, programs, lanes or registers, so a machine that agrees with it runs what was quantized.
"""

import numpy as np

import emulator
from emulator.spec.fixedpoint import CEIL, NEAREST, TOWARD_ZERO
from nmcompile.network.limits import INPUT
from nmcompile.neurons.update import STATE, Flag, Input, Register, Update


def shifted(value, shift, mode):
    """value / 2**shift, rounded, on int64 arrays."""
    if shift == 0:
        return value
    extra = {CEIL: (1 << shift) - 1, NEAREST: 1 << (shift - 1)}.get(mode, 0)
    if mode == TOWARD_ZERO:
        extra = np.where(value < 0, (1 << shift) - 1, 0)
    return (value + extra) >> shift


class IntegerUpdate(Update):
    def __init__(self, population, state_bits, coef_bits=18):
        self.p, self.high, self.most = population, (1 << (state_bits - 1)) - 1, (1 << (coef_bits - 1)) - 1
        self.registers, self.flags = {}, {}
        self.x = self.sent = np.zeros(population.n, np.int64)

    def step(self, x):
        self.x, self.sent = x, np.zeros(self.p.n, np.int64)
        self.p.update(self)
        return self.sent

    def state(self, name, initial=None, unit=STATE):
        start = np.zeros(self.p.n, np.int64) if initial is None else self.p.values[initial]
        self.registers.setdefault(name, start)
        return Register(name, unit)

    def temporary(self, name, unit=STATE):
        return self.state(name, None, unit)

    def flag(self, name):
        self.flags.setdefault(name, np.zeros(self.p.n, bool))
        return Flag(name)

    def input(self):
        return Input()

    def get(self, a):
        if isinstance(a, Register):
            return self.registers[a.name]
        return self.x if isinstance(a, Input) else self.p.values[a] if isinstance(a, str) else np.int64(a)

    def write(self, d, value, where):
        value = np.clip(value, -self.high - 1, self.high)
        self.registers[d.name] = (
            value if where is None else np.where(self.flags[where.name], value, self.registers[d.name])
        )

    def copy(self, d, a, where=None):
        self.write(d, self.get(a) + np.zeros(self.p.n, np.int64), where)

    def add(self, d, a, b, where=None):
        self.write(d, self.get(a) + self.get(b), where)

    def sub(self, d, a, b, where=None):
        self.write(d, self.get(a) - self.get(b), where)

    def largest(self, d, a, b, where=None):
        self.write(d, np.maximum(self.get(a), self.get(b)), where)

    def smallest(self, d, a, b, where=None):
        self.write(d, np.minimum(self.get(a), self.get(b)), where)

    def scaled(self, a, factor):
        return shifted(self.get(a) * self.p.values[factor], self.p.coef_shift, self.p.rounding)

    def mac(self, d, a, factor, plus, where=None):
        self.write(d, self.scaled(a, factor) + self.get(plus), where)

    def mul(self, d, a, factor, where=None):
        self.write(d, self.scaled(a, factor), where)

    def product(self, d, a, b, where=None):
        factor = np.clip(self.get(b), -self.most - 1, self.most)
        self.write(d, shifted(self.get(a) * factor, int(np.log2(self.p.scale[0])), NEAREST), where)

    def whole(self, d, a, where=None):
        self.write(d, shifted(self.get(a), int(np.log2(self.p.scale[0])), NEAREST), where)

    def times(self, name, factor):
        multiple = self.temporary(f"{name} times {factor}")
        self.registers[multiple.name] = np.minimum(self.p.values[name] * factor, self.high + 1)
        return multiple

    def compare(self, d, a, how, b, where=None):
        left, right = self.get(a), self.get(b)
        result = {">": left > right, ">=": left >= right, "==": left == right}[how]
        self.flags[d.name] = result if where is None else result & self.flags[where.name]

    def logic(self, d, a, how, b):
        left, right = self.flags[a.name], self.flags[b.name]
        self.flags[d.name] = {"and": left & right, "or": left | right, "and not": left & ~right}[how]

    def spike(self, where, payload=None, signed=False):
        low, high = (-128, 127) if signed else (0, 255)
        carried = np.int64(1) if payload is None else np.clip(self.get(payload), low, high)
        self.sent = np.where(self.flags[where.name], carried, self.sent)


def simulate(compilation, spikes):
    """({population: (timesteps, n) sent}, {population: (timesteps, n) v}) of one sample (timesteps, inputs)."""
    network, arch = compilation.quantized, compilation.image.arch
    timesteps = len(spikes)
    state = {p.name: IntegerUpdate(p, arch.state_bits, arch.coef_bits) for p in network.populations}
    sent = {p.name: np.zeros((timesteps, p.n), np.int64) for p in network.populations}
    v = {p.name: np.zeros((timesteps, p.n), np.int64) for p in network.populations}
    lag = {}
    for p in network.projections:
        before = 0 if p.source == INPUT else network.timing.depth[p.source] + 1
        lag[id(p)] = p.delay + before - network.timing.depth[p.target]
    for t in range(timesteps):
        for p in network.populations:
            total = np.zeros(p.n, np.int64)
            for q in network.projections:
                if q.target == p.name and t >= lag[id(q)]:
                    source = spikes if q.source == INPUT else sent[q.source]
                    total += (q.matrix.T.astype(np.int64) @ source[t - lag[id(q)]].astype(np.int64)) << q.shift
            sent[p.name][t] = state[p.name].step(total)
            v[p.name][t] = state[p.name].registers["v"]
    return sent, v


def on_machine(compilation, spikes):
    """The same as `simulate`, as the emulator has it, but only whether something was sent."""
    image, timesteps = compilation.image, len(spikes)
    probes = [f"v:{p.name}" for p in image.populations]
    result = emulator.run(image, spikes[None], record_spikes=True, probes=probes)
    sent, v = {}, {}
    whose = image.whose()
    for number, p in enumerate(image.populations):
        depth = p.depth
        places = whose.population[result.spikes[:, 2], result.spikes[:, 3]]
        mine = (places == number) & (result.spikes[:, 1] - depth < timesteps)
        sent[p.name] = np.zeros((timesteps, len(p.location)), bool)
        _, t, core, neuron = result.spikes[mine].T
        sent[p.name][t - depth, whose.neuron[core, neuron]] = True
        v[p.name] = result.probes[f"v:{p.name}"][0, depth : depth + timesteps]
    return sent, v, result


def check_machine(compilation, spikes, least=20):
    """Spikes and v of every population, on the machine and in plain integers; returns the emulator's result."""
    wanted, v_wanted = simulate(compilation, spikes)
    sent, v, result = on_machine(compilation, spikes)
    for name, spikes_wanted in wanted.items():
        steps = len(v[name])  # the machine stops with the output's last timestep
        np.testing.assert_array_equal(sent[name][:steps], spikes_wanted[:steps] != 0, err_msg=name)
        np.testing.assert_array_equal(v[name], v_wanted[name][:steps], err_msg=name)
    assert sum((s != 0).sum() for s in wanted.values()) > least, "a silent network proves nothing"
    return result
