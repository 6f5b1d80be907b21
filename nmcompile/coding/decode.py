"""Decoders: what output neurons did becomes a class for each sample, the lowest index of equals.

Spikes are (samples, timesteps, outputs) numbers, what they carry or 0; `trains` makes them of a recorded run.
"""

from __future__ import annotations

import numpy as np

from emulator.result import RunResult
from emulator.spec.errors import InputError
from emulator.spec.image import Image

READOUTS = ("count", "first-spike", "membrane")


def trains(image: Image, result: RunResult) -> np.ndarray:
    """(samples, timesteps, outputs) uint8: 1 where an output fired; needs a run with `record_spikes`."""
    if result.spikes is None:
        raise InputError("this run recorded no spikes; run it with record_spikes=True")
    timesteps = int(result.meta["timesteps"])
    place = np.full((image.arch.cores, image.arch.neurons), -1)
    place[image.outputs[:, 0], image.outputs[:, 1]] = np.arange(len(image.outputs))
    sample, t, core, neuron = result.spikes.T
    output, t = place[core, neuron], t - image.latency
    shown = (output >= 0) & (t >= 0) & (t < timesteps)
    spikes = np.zeros((result.samples, timesteps, len(image.outputs)), np.uint8)
    spikes[sample[shown], t[shown], output[shown]] = 1
    return spikes


def by_count(spikes: np.ndarray) -> np.ndarray:
    """(samples,) the output that sent most."""
    return spikes.sum(axis=1, dtype=np.int64).argmax(axis=1)


def by_first_spike(spikes: np.ndarray) -> np.ndarray:
    """(samples,) the output that fired first; one that never did comes last."""
    when = np.where(spikes.any(axis=1), (spikes != 0).argmax(axis=1), spikes.shape[1])
    return when.argmin(axis=1)


def by_membrane(v: np.ndarray) -> np.ndarray:
    """(samples,) the output with the largest sum of its potentials v (samples, timesteps, outputs)."""
    return v.sum(axis=1, dtype=np.float64).argmax(axis=1)
