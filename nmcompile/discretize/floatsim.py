"""The network in double precision, as the chosen semantics read it: the measure of fixed point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.spec.fixedpoint import TOWARD_ZERO

from ..network.limits import INPUT
from ..neurons.update import COUNT, STATE, Dynamics, Flag, Input, Operand, Register, Update
from .discretize import DiscreteNetwork


@dataclass(frozen=True)
class FloatRun:
    """Result of a float run.

    Attributes:
        output_counts: (samples, outputs) spikes, with what they carry; of a population that does not spike, its summed
            membrane potential.
        spike_counts: by population, (samples, n) spikes.
        input_counts: (inputs,) spikes over all samples.
        peak: by population, (n,) the largest magnitude of any state variable that was seen.
        spikes: by population, and the input's, (samples, timesteps, n) what was sent, when asked for; timestep t is
            the population's own, whatever the output delay; the input's as they were given.
    """

    output_counts: np.ndarray
    spike_counts: dict[str, np.ndarray]
    input_counts: np.ndarray
    peak: dict[str, np.ndarray]
    spikes: dict[str, Any]

    @property
    def predictions(self) -> np.ndarray:
        return self.output_counts.argmax(axis=1)


class FloatUpdate(Update):
    """Runs the update of one population for a batch of samples; arrays are (batch, n).

    Attributes:
        registers: by name.
        peak: (n,) the largest magnitude that a scaled variable ever had, within timesteps too.
        sent: what was sent in this timestep, 0 for no spike.
    """

    def __init__(self, d: Dynamics, batch: int, n: int):
        self.d, self.shape = d, (batch, n)
        self.values = {name: value.array.astype(np.float64) for name, value in d.values.items()}
        self.registers: dict[str, np.ndarray] = {}
        self.units: dict[str, str] = {}
        self.flags: dict[str, np.ndarray] = {}
        self.peak = np.zeros(n)
        self.sent = np.zeros(self.shape)
        self._input = np.zeros(self.shape)

    def step(self, x: np.ndarray) -> np.ndarray:
        """One timestep with weighted input x (batch, n); returns `sent`."""
        self._input = self.d.gain * x
        self.sent = np.zeros(self.shape)
        self.d.update(self)
        return self.sent

    # ------------------------------------------------------------------------------------------ Update
    def state(self, name: str, initial: str | None = None, unit: str = STATE) -> Register:
        if name not in self.registers:
            start = 0.0 if initial is None else self.values[initial]
            self.registers[name] = np.broadcast_to(start, self.shape).astype(np.float64)
            self.units[name] = unit
            if unit == STATE:
                self.peak = np.maximum(self.peak, np.abs(start))
        return Register(name, unit)

    def temporary(self, name: str, unit: str = STATE) -> Register:
        return self.state(name, None, unit)

    def flag(self, name: str) -> Flag:
        if name not in self.flags:
            self.flags[name] = np.zeros(self.shape, bool)
        return Flag(name)

    def input(self) -> Input:
        return Input()

    def copy(self, d: Register, a: Operand, where: Flag | None = None) -> None:
        self.write(d, self.get(a), where)

    def add(self, d: Register, a: Operand, b: Operand, where: Flag | None = None) -> None:
        self.write(d, self.get(a) + self.get(b), where)

    def sub(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self.write(d, self.get(a) - self.get(b), where)

    def largest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self.write(d, np.maximum(self.get(a), self.get(b)), where)

    def smallest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self.write(d, np.minimum(self.get(a), self.get(b)), where)

    def mac(self, d: Register, a: Register, factor: str, plus: Operand, where: Flag | None = None) -> None:
        self.write(d, self.scaled(a, factor) + self.get(plus), where)

    def mul(self, d: Register, a: Register, factor: str, where: Flag | None = None) -> None:
        self.write(d, self.scaled(a, factor), where)

    def product(self, d: Register, a: Register, b: Register, where: Flag | None = None) -> None:
        self.write(d, self.get(a) * self.get(b), where)

    def whole(self, d: Register, a: Register, where: Flag | None = None) -> None:
        self.write(d, np.floor(self.get(a) + 0.5), where)

    def times(self, name: str, factor: int) -> Operand:
        multiple = self.temporary(f"{name} times {factor}")
        self.registers[multiple.name] = np.broadcast_to(self.values[name] * factor, self.shape)
        self.units[multiple.name] = COUNT  # no state to be held
        return multiple

    def compare(self, d: Flag, a: Register, how: str, b: Operand, where: Flag | None = None) -> None:
        left, right = self.get(a), self.get(b)
        result = left > right if how == ">" else left >= right if how == ">=" else left == right
        self.flags[d.name] = result if where is None else result & self.flags[where.name]

    def logic(self, d: Flag, a: Flag, how: str, b: Flag) -> None:
        left, right = self.flags[a.name], self.flags[b.name]
        self.flags[d.name] = left & right if how == "and" else left | right if how == "or" else left & ~right

    def spike(self, where: Flag, payload: Register | None = None, signed: bool = False) -> None:
        low, high = (-128, 127) if signed else (0, 255)
        carried = 1.0 if payload is None else np.clip(self.get(payload), low, high)
        self.sent = np.where(self.flags[where.name], carried, self.sent)

    # ------------------------------------------------------------------------------------------- numbers
    def get(self, a: Operand) -> np.ndarray:
        if isinstance(a, Register):
            return self.registers[a.name]
        if isinstance(a, Input):
            return self._input
        return self.values[a] if isinstance(a, str) else np.asarray(a, np.float64)

    def scaled(self, a: Register, factor: str) -> np.ndarray:
        value = self.get(a) * self.values[factor]
        return np.trunc(value) if self.d.exact and self.d.rounding == TOWARD_ZERO else value

    def write(self, d: Register, value: np.ndarray, where: Flag | None) -> None:
        old = self.registers[d.name]
        new = np.broadcast_to(value if where is None else np.where(self.flags[where.name], value, old), self.shape)
        self.registers[d.name] = new
        if self.units[d.name] == STATE:
            self.peak = np.maximum(self.peak, np.maximum(new.max(axis=0), -new.min(axis=0)))


def run_float(discrete: DiscreteNetwork, spikes: Any, batch: int = 250, record: bool = False) -> FloatRun:
    """Simulate the network without the machine's hop latency: a forward projection acts within the timestep.

    Args:
        spikes: SpikeTrains, or (samples, timesteps, inputs) numbers; dense for a batch at a time.
        batch: samples side by side.
        record: keep every population's spikes.
    """
    parts = [_run_batch(discrete, np.asarray(spikes[i : i + batch]), record) for i in range(0, len(spikes), batch)]
    names = list(discrete.dynamics)
    return FloatRun(
        np.concatenate([p.output_counts for p in parts]),
        {name: np.concatenate([p.spike_counts[name] for p in parts]) for name in names},
        np.sum([p.input_counts for p in parts], axis=0),
        {name: np.max([p.peak[name] for p in parts], axis=0) for name in names},
        {name: np.concatenate([p.spikes[name] for p in parts]) for name in names} | {INPUT: spikes} if record else {},
    )


def _run_batch(discrete: DiscreteNetwork, spikes: np.ndarray, record: bool) -> FloatRun:
    network, (samples, timesteps, _) = discrete.network, spikes.shape
    states = {p.name: FloatUpdate(discrete.dynamics[p.name], samples, p.n) for p in network.populations}
    counts = {p.name: np.zeros((samples, p.n), np.int64) for p in network.populations}
    history: dict[str, list[np.ndarray]] = {p.name: [] for p in network.populations}
    inputs: list[np.ndarray] = []
    out = network.population(network.output)
    output = np.zeros((samples, out.n))
    seen = timesteps - discrete.output_delay[out.name]
    incoming = [(p, p.matrix.T.tocsr(), delay) for p, delay in zip(network.projections, discrete.delays, strict=True)]
    longest = max((delay for _, _, delay in incoming), default=0)
    for t in range(timesteps):
        inputs.append(spikes[:, t, :].astype(np.float64))
        for population in network.populations:
            name, state = population.name, states[population.name]
            x = np.zeros((samples, population.n))
            for projection, weights, delay in incoming:
                if projection.target != name or t < delay:
                    continue
                source = inputs if projection.source == INPUT else history[projection.source]
                x += (weights @ source[t - delay].T).T
            sent = state.step(x)
            if name == network.output and t < seen:
                output += sent if out.spiking else state.registers["v"]
            counts[name] += sent != 0
            history[name].append(sent.astype(np.int16))
        if not record and t >= longest:
            for past in (inputs, *history.values()):
                past[t - longest] = np.empty(0)  # nothing looks back further
    return FloatRun(
        output.astype(np.int64) if out.spiking else output,
        counts,
        (spikes != 0).sum(axis=(0, 1)).astype(np.int64),
        {name: state.peak for name, state in states.items()},
        {name: np.stack(past, axis=1) for name, past in history.items()} if record else {},
    )
