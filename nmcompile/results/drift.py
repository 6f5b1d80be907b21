"""The drift report: what fixed point changed, per population, and which parameter to change."""

from __future__ import annotations

from typing import Any

import numpy as np

import emulator
from emulator.spec.image import Image
from emulator.spec.notes import DriftNote
from emulator.spec.spikes import SpikeTrains

from ..coding.spikes import read_spikes
from ..discretize.floatsim import run_float
from ..learning.learned import set_learning
from ..pipeline import Compilation

SILENT, BURST = 0.5, 2.0  # a population below or above this share of its float spikes is called silent or bursting


def drift_report(compilation: Compilation, spikes: Any) -> tuple[DriftNote, ...]:
    """Run sample inputs in floats and on the emulator and compare every population.

    Args:
        spikes: SpikeTrains, or (samples, timesteps, inputs).
    """
    image, network = set_learning(compilation.image, on=False), compilation.network
    if not isinstance(spikes, (np.ndarray, SpikeTrains)):
        network = compilation.network
        spikes = read_spikes(spikes, network.n_inputs, network.input_levels).spikes
    exact = run_float(compilation.discrete, spikes)
    probes = [f"v:{p.name}" for p in image.populations]
    fixed = emulator.run(image, spikes, fabric="off", record_spikes=True, probes=probes)
    assert fixed.spikes is not None
    limit = (1 << (image.arch.state_bits - 1)) - 1
    rows = []
    whose = image.whose()
    sample, _, core, neuron = fixed.spikes.T
    for number, population in enumerate(image.populations):
        mine = whose.population[core, neuron] == number
        counts = np.zeros((len(spikes), len(population.location)), np.int64)
        np.add.at(counts, (sample[mine], whose.neuron[core[mine], neuron[mine]]), 1)
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
            DriftNote(
                population.name, len(population.location), ideal, total, error, saturated, silent, new, zero, advice
            )
        )
    return tuple(rows)


def _advice(name: str, fixed: int, ideal: int, saturated: int, zero: float, image: Image) -> str:
    bits, state = image.compiled.weight_bits, image.arch.state_bits
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
