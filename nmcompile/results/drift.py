"""The drift report: what fixed point changed, per population, and which parameter to change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import emulator
from emulator.spec.image import Image

from ..discretize.floatsim import run_float
from ..learning.learned import set_learning
from ..pipeline import Compilation

SILENT, BURST = 0.5, 2.0  # a population below or above this share of its float spikes is called silent or bursting


@dataclass(frozen=True)
class Drift:
    """One population on the calibration inputs.

    Attributes:
        float_spikes, fixed_spikes: all samples.
        count_error: mean over neurons and samples of |fixed - float| spikes, over the mean float count.
        saturations: neuron-timesteps in which v ended at the limit of the state.
        silent_neurons: fired in float, never in fixed point; new_neurons: the other way round.
        zero_weights: share of its trained weights that became 0.
        advice: which parameter to change; empty if nothing needs it.
    """

    name: str
    neurons: int
    float_spikes: int
    fixed_spikes: int
    count_error: float
    saturations: int
    silent_neurons: int
    new_neurons: int
    zero_weights: float
    advice: str


def drift_report(compilation: Compilation, spikes: Any) -> list[Drift]:
    """Run sample inputs in floats and on the emulator and compare every population.

    Args:
        spikes: SpikeTrains, or (samples, timesteps, inputs).
    """
    image, network = set_learning(compilation.image, on=False), compilation.network
    exact = run_float(compilation.discrete, spikes)
    probes = [f"v:{p.name}" for p in image.populations]
    fixed = emulator.run(image, spikes, fabric="off", record_spikes=True, probes=probes)
    assert fixed.spikes is not None
    limit = (1 << (image.arch.state_bits - 1)) - 1
    rows = []
    for population in image.populations:
        counts = _counts(image, population.name, fixed.spikes, len(spikes))
        wanted = exact.spike_counts[population.name]
        v = fixed.probes[f"v:{population.name}"]
        saturated = int((np.abs(v.astype(np.int64)) >= limit).sum())
        before = [p for p in network.projections if p.target == population.name]
        after = [p for p in compilation.quantized.projections if p.target == population.name]
        kept, trained = sum(p.matrix.nnz for p in after), sum(int(np.count_nonzero(p.matrix.data)) for p in before)
        silent = int(((wanted.sum(axis=0) > 0) & (counts.sum(axis=0) == 0)).sum())
        new = int(((wanted.sum(axis=0) == 0) & (counts.sum(axis=0) > 0)).sum())
        error = float(np.abs(counts - wanted).mean() / wanted.mean()) if wanted.any() else float(counts.any())
        total, ideal = int(counts.sum()), int(wanted.sum())
        zero = 1 - kept / trained if trained else 0.0
        advice = _advice(population.name, total, ideal, saturated, zero, image)
        rows.append(
            Drift(population.name, len(population.location), ideal, total, error, saturated, silent, new, zero, advice)
        )
    return rows


def _counts(image: Image, name: str, spikes: np.ndarray, samples: int) -> np.ndarray:
    """(samples, n) spikes of each neuron of a population."""
    population = image.population(name)
    flat = np.full((image.arch.cores, image.arch.neurons), -1)
    flat[population.location[:, 0], population.location[:, 1]] = np.arange(len(population.location))
    neuron = flat[spikes[:, 2], spikes[:, 3]]
    mine = neuron >= 0
    counts = np.zeros((samples, len(population.location)), np.int64)
    np.add.at(counts, (spikes[mine, 0], neuron[mine]), 1)
    return counts


def _advice(name: str, fixed: int, ideal: int, saturated: int, zero: float, image: Image) -> str:
    bits, state = image.meta["weight_bits"], image.arch.state_bits
    if ideal and fixed < SILENT * ideal:
        what = f"{name!r} is silenced ({fixed:,} spikes for {ideal:,})"
    elif fixed > BURST * max(ideal, 1):
        what = f"{name!r} bursts ({fixed:,} spikes for {ideal:,})"
    elif saturated:
        return f"{name!r}: v saturates {saturated:,} times; use an architecture with more than {state} state_bits"
    else:
        return ""
    if bits < 16 and (zero > 0.2 or not saturated):
        return f"{what}: {100 * zero:.0f} % of its weights are 0 at {bits} bits; use --weight-bits {_next(bits)}"
    return f"{what}; use an architecture with more than {state} state_bits"


def _next(bits: int) -> int:
    return next(b for b in (2, 4, 8, 16) if b > bits)


def as_meta(rows: list[Drift]) -> list[dict[str, Any]]:
    """Plain values, for JSON and the image's meta."""
    return [asdict(row) for row in rows]
