"""One sample of a run, by the user's own names: who fired when, and which membranes are worth a look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emulator.result import RunResult
from emulator.spec.image import whose


@dataclass(frozen=True)
class Strip:
    """Spikes of a population (or of the input) in one sample: one strip of the raster.

    Attributes:
        colour: index of the population, -1 for the input.
        neurons: how many there are; rows: how many rows they take, more where lanes are padding.
        times, row: (n,) of each spike.
        in_order: row i is neuron i of the population; otherwise rows are places in the cores.
    """

    name: str
    colour: int
    neurons: int
    rows: int
    times: np.ndarray
    row: np.ndarray
    in_order: bool

    def counts(self) -> np.ndarray:
        """(rows,) spikes of each row."""
        return np.bincount(self.row, minlength=self.rows)


@dataclass(frozen=True)
class Potential:
    """The membrane of one neuron: v is (T + latency,) in state units; fired: its spike times, None if not known."""

    neuron: int
    why: str
    v: np.ndarray
    fired: np.ndarray | None
    threshold: int | None


def recorded(result: RunResult, sample: int) -> np.ndarray:
    """(n, 3) timestep, core, neuron of the spikes of a sample."""
    if result.spikes is None:
        return np.zeros((0, 3), np.int64)
    first, last = np.searchsorted(result.spikes[:, 0], [sample, sample + 1])
    return result.spikes[first:last, 1:].astype(np.int64)


def strips(result: RunResult, sample: int) -> list[Strip]:
    """The input, where its spikes are known, and every population that has a place in a core."""
    found = []
    shown, image = result.notes.shown, result.notes.image
    if shown and shown.sample == sample:
        events = np.array(shown.inputs, np.int64).reshape(-1, 2)
        n = math.prod(image.input_shape) if image else int(events[:, 1].max(initial=0)) + 1
        found.append(Strip("input", -1, n, n, events[:, 0], events[:, 1], True))
    spikes = recorded(result, sample)
    for colour, name in enumerate(result.notes.populations):
        places, neurons, rows, in_order = _places(result, name)
        row = places[spikes[:, 1], spikes[:, 2]]
        mine = row >= 0
        if rows:
            found.append(Strip(name, colour, neurons, rows, spikes[mine, 0], row[mine], in_order))
    return found


def _places(result: RunResult, name: str) -> tuple[np.ndarray, int, int, bool]:
    """((cores, neurons) row of each place, -1 for another's; neurons; rows; whether rows are the neurons in order)."""
    notes, arch = result.notes, result.notes.architecture
    if notes.locations and name in notes.locations:
        location = np.array(notes.locations[name], np.int64).reshape(-1, 2)
        return whose([location], arch).neuron, len(location), len(location), True
    places = np.full(result.neuron_spikes.shape, -1)
    rows = neurons = 0
    parts = [(core, part) for core, part in notes.image.placed if part.population == name] if notes.image else []
    for core, part in parts:
        first, width = part.first_block * arch.lanes, part.blocks * arch.lanes
        places[core, first : first + width] = np.arange(rows, rows + width)
        rows += width
        neurons += part.neurons
    # Without locations: only images are laid out in another order, and which of several parts is first is not known.
    shuffled = notes.image is not None and any(p.convolutional for p in notes.image.onto(name))
    in_order = not shuffled and len(parts) == 1
    return places, neurons, neurons if in_order else rows, in_order


def potentials(result: RunResult, sample: int, strip: Strip) -> list[Potential]:
    """Up to three neurons of a population: those that decide, or the busiest, a middling one and one on the brink."""
    probe = result.probes.get(f"v:{strip.name}")
    if probe is None or sample >= len(probe) or not probe.shape[2]:
        return []
    v = probe[sample].astype(np.int64)
    known = strip.in_order and result.spikes is not None and strip.rows == v.shape[1]
    counts = strip.counts() if known else np.zeros(v.shape[1], np.int64)
    image = result.notes.image
    thresholds = image.thresholds.get(strip.name) if image else None
    found: dict[int, str] = {}
    if image and strip.name == image.output and v.shape[1] == result.output_counts.shape[1]:
        scores = result.output_counts[sample] + 0.5 * _rank(v.sum(axis=0))  # the potential parts equal counts
        best = prediction(result, sample)
        found[best] = "the answer"
        order = [int(i) for i in np.argsort(-scores, kind="stable") if i != best]
        if order:
            found.setdefault(order[0], "the runner-up")
        true = label(result, sample)
        if true is not None and 0 <= true < v.shape[1]:
            found.setdefault(true, "the truth")
        if len(order) > 1:
            found.setdefault(order[-1], "the least likely")
    elif counts.any():
        order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
        order = [i for i in order if counts[i] <= len(v) / 2] or order  # in every timestep, v shows nothing
        found[order[0]] = "fires often"
        found.setdefault(order[len(order) // 2], "fires less")
        silent = np.flatnonzero(counts == 0)
        if len(silent):
            found[int(silent[v[:, silent].max(axis=0).argmax()])] = "silent, nearest to firing"
    else:
        order = [int(i) for i in np.argsort(-v.max(axis=0), kind="stable")]
        found = dict.fromkeys(order[:2], "among the highest")
    return [
        Potential(
            neuron,
            why,
            v[:, neuron],
            strip.times[strip.row == neuron] if known else None,
            thresholds[neuron] if isinstance(thresholds, tuple) else thresholds,
        )
        for neuron, why in list(found.items())[:3]
    ]


def _rank(values: np.ndarray) -> np.ndarray:
    """(n,) from 0 for the least to just below 1."""
    return np.argsort(np.argsort(values, kind="stable")) / len(values)


def prediction(result: RunResult, sample: int) -> int:
    """The class that the run chose, by the readout of the network."""
    return int(result.predictions[sample])


def label(result: RunResult, sample: int) -> int | None:
    """The true class, if labels came with the samples."""
    labels = result.notes.labels
    return None if labels is None else int(labels[sample])
