"""Decoders: what output neurons did becomes a class for each sample: the lowest index of equals, -1 where none spiked.

Spikes are (samples, timesteps, outputs) numbers, what they carry or 0; `trains` makes them of a recorded run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from emulator.result import RunResult
from emulator.spec.errors import InputError
from emulator.spec.image import Image, whose

UNDECIDED = -1  # the class of a sample without an output spike


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
    return chosen(spikes.sum(axis=1, dtype=np.int64), np.asarray(spikes.any(axis=(1, 2))))


def by_first_spike(spikes: np.ndarray) -> np.ndarray:
    """(samples,) the output that fired first; one that never did comes last."""
    return chosen(earliness(spikes), np.asarray(spikes.any(axis=(1, 2))))


def by_membrane(v: np.ndarray) -> np.ndarray:
    """(samples,) the output with the largest sum of its potentials v (samples, timesteps, outputs)."""
    return chosen(v.sum(axis=1, dtype=np.float64))


def earliness(spikes: np.ndarray) -> np.ndarray:
    """(samples, outputs) timesteps from an output's first spike to the end; 0 without one."""
    return np.where(spikes.any(axis=1), spikes.shape[1] - (spikes != 0).argmax(axis=1), 0)


def chosen(scores: np.ndarray, spoke: np.ndarray | None = None) -> np.ndarray:
    """(samples,) the output of the largest score (samples, outputs), -1 where `spoke` (samples,) is false."""
    best = scores.argmax(axis=1) if scores.shape[1] else np.full(len(scores), UNDECIDED)
    return best if spoke is None else np.where(spoke, best, UNDECIDED)


def verdict(scores: np.ndarray, predictions: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    """What a result's notes keep of its predictions. A sample that nothing decides counts as wrong."""
    decided = predictions != UNDECIDED
    equal = (scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1
    kept: dict[str, Any] = {
        "silent_samples": int((~decided).sum()),
        "tied_samples": int((equal & decided).sum()),
    }
    if labels is not None:
        kept |= {"labels": tuple(labels.tolist()), "accuracy": float((predictions == labels).mean())}
    return kept


@dataclass(frozen=True)
class Readout:
    """How predictions are made.

    Attributes:
        score: (samples, outputs), the largest wins, of what `of` names; of spikes, 0 for an output without any.
        of: "counts": (samples, outputs), what each output sent in all; "trains": (samples, timesteps, outputs), 1 where
            it fired; "membranes": the same, its potentials in floats.
    """

    score: Callable[[np.ndarray], np.ndarray]
    of: Literal["counts", "trains", "membranes"]

    @property
    def spiking(self) -> bool:
        """Does it need outputs that spike?"""
        return self.of != "membranes"

    def predict(self, scores: np.ndarray) -> np.ndarray:
        """(samples,) the class of each sample; -1 where no output spiked."""
        return chosen(scores, np.asarray(scores.any(axis=1)) if self.spiking else None)


READOUTS: Final = {
    "count": Readout(lambda counts: counts, "counts"),
    "first-spike": Readout(earliness, "trains"),
    "membrane": Readout(lambda v: v.sum(axis=1, dtype=np.float64), "membranes"),
}
