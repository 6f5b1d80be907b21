"""Decoders: what output neurons did becomes a class for each sample, the lowest index of equals.

Spikes are (samples, timesteps, outputs) numbers, what they carry or 0; `trains` makes them of a recorded run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from emulator.result import RunResult
from emulator.spec.errors import InputError
from emulator.spec.image import Image, whose


def trains(image: Image, result: RunResult) -> np.ndarray:
    """(samples, timesteps, outputs) uint8: 1 where an output fired; needs a run with `record_spikes`."""
    if result.spikes is None:
        raise InputError("this run recorded no spikes; run it with record_spikes=True")
    steps, window = result.notes.timesteps + image.latency, image.window(result.notes.timesteps)
    sample, t, core, neuron = result.spikes.T
    output = whose([image.outputs], image.arch).neuron[core, neuron]
    spikes = np.zeros((result.samples, steps, len(image.outputs)), np.uint8)
    spikes[sample[output >= 0], t[output >= 0], output[output >= 0]] = 1
    spikes = spikes[:, window]
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


@dataclass(frozen=True)
class Readout:
    """How predictions are made.

    Attributes:
        predict: a class for each sample, of what `of` names.
        of: "counts": (samples, outputs), what each output sent in all; "trains": (samples, timesteps, outputs), 1 where
            it fired; "membranes": the same, its potentials in floats.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    of: Literal["counts", "trains", "membranes"]

    @property
    def spiking(self) -> bool:
        """Does it need outputs that spike?"""
        return self.of != "membranes"


READOUTS: Final = {
    "count": Readout(lambda counts: counts.argmax(axis=1), "counts"),
    "first-spike": Readout(by_first_spike, "trains"),
    "membrane": Readout(by_membrane, "membranes"),
}
