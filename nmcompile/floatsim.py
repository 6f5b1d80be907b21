"""The network in double precision, as the chosen semantics read it: the measure of fixed point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .network import INPUT, Network
from .semantics import Dynamics, Semantics, dynamics


@dataclass(frozen=True)
class FloatRun:
    """Result of a float run.

    Attributes:
        output_counts: (samples, outputs) spikes; of a population that does not spike, its summed membrane potential.
        spike_counts: by population, (samples, n) spikes.
        input_counts: (inputs,) spikes over all samples.
        peak: by population, (n,) the largest |v| or |current| that was seen.
        spikes: by population, and the input's, (samples, timesteps, n), when asked for.
    """

    output_counts: np.ndarray
    spike_counts: dict[str, np.ndarray]
    input_counts: np.ndarray
    peak: dict[str, np.ndarray]
    spikes: dict[str, np.ndarray]

    @property
    def predictions(self) -> np.ndarray:
        return self.output_counts.argmax(axis=1)


class _State:
    """State of one population for a batch of samples."""

    def __init__(self, d: Dynamics, batch: int, n: int):
        self.d = d
        self.v = np.zeros((batch, n))
        self.j = np.zeros((batch, n))
        self.fired = np.zeros((batch, n), bool)

    def step(self, x: np.ndarray) -> np.ndarray:
        d = self.d
        drive = d.gain * x
        if d.alpha is not None:
            self.j = d.alpha * self.j + drive
            drive = self.j
        self.v = d.beta * self.v + drive + d.leak
        if d.threshold is None:
            return self.fired
        if d.reset == "delayed-subtract":
            self.v -= d.threshold * self.fired
        fired = self.v > d.threshold if d.compare == ">" else self.v >= d.threshold
        self.fired = fired
        return fired

    def reset(self) -> None:
        d = self.d
        if d.threshold is None or d.reset == "delayed-subtract":
            return
        after = d.reset_value if d.reset == "value" else self.v - d.threshold
        self.v = np.where(self.fired, after, self.v)


def run_float(
    network: Network, semantics: Semantics, spikes: np.ndarray, batch: int = 250, record: bool = False
) -> FloatRun:
    """Simulate the network without the machine's hop latency: a forward projection acts within the timestep.

    Args:
        spikes: (samples, timesteps, inputs), numbers.
        batch: samples side by side.
        record: keep every population's spikes.
    """
    parts = [_run_batch(network, semantics, spikes[i : i + batch], record) for i in range(0, len(spikes), batch)]
    names = [p.name for p in network.populations]
    return FloatRun(
        np.concatenate([p.output_counts for p in parts]),
        {name: np.concatenate([p.spike_counts[name] for p in parts]) for name in names},
        np.sum([p.input_counts for p in parts], axis=0),
        {name: np.max([p.peak[name] for p in parts], axis=0) for name in names},
        {name: np.concatenate([p.spikes[name] for p in parts]) for name in names} | {INPUT: spikes} if record else {},
    )


def _run_batch(network: Network, semantics: Semantics, spikes: np.ndarray, record: bool) -> FloatRun:
    samples, timesteps, _ = spikes.shape
    states = {p.name: _State(dynamics(p, semantics), samples, p.n) for p in network.populations}
    counts = {p.name: np.zeros((samples, p.n), np.int64) for p in network.populations}
    peak = {p.name: np.zeros(p.n) for p in network.populations}
    history: dict[str, list[np.ndarray]] = {p.name: [] for p in network.populations}
    inputs: list[np.ndarray] = []
    membrane = np.zeros((samples, network.population(network.output).n))
    weights = {id(p): p.matrix.T.tocsr() for p in network.projections}
    longest = max((p.delay for p in network.projections), default=0)
    for t in range(timesteps):
        inputs.append(spikes[:, t, :].astype(np.float64))
        for population in network.populations:
            name = population.name
            x = np.broadcast_to(population.bias, (samples, population.n)).copy()
            for projection in network.projections:
                if projection.target != name or t < projection.delay:
                    continue
                source = inputs if projection.source == INPUT else history[projection.source]
                x += (weights[id(projection)] @ source[t - projection.delay].T).T
            state = states[name]
            fired = state.step(x)
            peak[name] = np.maximum(peak[name], np.abs(state.v).max(axis=0))
            if state.d.alpha is not None:
                peak[name] = np.maximum(peak[name], np.abs(state.j).max(axis=0))
            if name == network.output:
                membrane += state.v
            state.reset()
            counts[name] += fired
            history[name].append(fired.copy())
        if not record and t >= longest:
            for past in (inputs, *history.values()):
                past[t - longest] = np.empty(0)  # nothing looks back further
    out = network.population(network.output)
    return FloatRun(
        counts[out.name] if out.spiking else membrane,
        counts,
        spikes.sum(axis=(0, 1)).astype(np.int64),
        peak,
        {name: np.stack(past, axis=1) for name, past in history.items()} if record else {},
    )
