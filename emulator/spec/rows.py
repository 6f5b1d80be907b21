"""Synapses as rows: what the axon entries of a core mean, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import isa
from .arch import Architecture
from .image import CoreImage


@dataclass(frozen=True)
class Rows:
    """The rows of some axons of a core.

    Attributes:
        beats, words: (axons,) int64 accumulator beats and synapse words of one delivery.
        pointers: (axons + 1,) int64; row i is targets[pointers[i]:pointers[i + 1]], ascending.
        targets: (n,) uint16 neurons; weights: (n,) int16, none of them zero.
    """

    beats: np.ndarray
    words: np.ndarray
    pointers: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def unpack(layout: dict[str, tuple[int, int]], words: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of many words, int64."""
    words = np.asarray(words, np.uint64)
    return {
        name: ((words >> np.uint64(low)) & np.uint64((1 << width) - 1)).astype(np.int64)
        for name, (low, width) in layout.items()
    }


def beat_table(entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every beat of every window: (axon, beat address, block, 1 where a new word is read, format), each (beats,)."""
    part = unpack(isa.AXON_FIELDS, entries)
    used = part["format"] != isa.NONE
    per_run = part["beats"] + 1
    total = np.where(used, per_run * (part["runs"] + 1), 0)
    axon = np.repeat(np.arange(len(entries)), total)
    index = np.arange(len(axon)) - np.repeat(np.cumsum(total) - total, total)
    run, j = index // per_run[axon], index % per_run[axon]
    kind = part["format"][axon]
    per_word = np.array(isa.BEATS_PER_WORD)[kind]
    beat = part["word"][axon] * per_word + part["beat"][axon] + run * part["weight_stride"][axon] + j
    block = part["block"][axon] + run * part["block_stride"][axon] + j
    fresh = (j == 0) | (beat % per_word == 0)
    return axon, beat, block, fresh, kind


def expand(arch: Architecture, core: CoreImage, entries: np.ndarray) -> Rows:
    """The rows of the axon entries given, with their weights that are not zero."""
    axon, beat, block, fresh, kind = beat_table(entries)
    n = len(entries)
    beats = np.bincount(axon, minlength=n)
    words = np.bincount(axon, weights=fresh, minlength=n).astype(np.int64)
    lanes = np.arange(arch.lanes)
    weight = np.zeros((len(axon), arch.lanes), np.int16)
    target = (block[:, None] * arch.lanes + lanes).astype(np.int32)
    for form in range(1, len(isa.FORMATS)):
        here = np.flatnonzero(kind == form)
        if not len(here):
            continue
        bits, per_word = isa.FORMAT_BITS[form], isa.BEATS_PER_WORD[form]
        word = core.synapses[beat[here] // per_word]
        if form == isa.SPARSE:
            weight[here] = (word & 0xFF).astype(np.uint8).view(np.int8)
            target[here] = (word >> 8).astype(np.int32) * arch.lanes + lanes
            continue
        position = ((beat[here] % per_word)[:, None] * arch.lanes + lanes) * bits
        raw = np.take_along_axis(word, position // 16, axis=1) >> (position % 16).astype(np.uint16)
        if form == isa.DENSE1:
            weight[here] = np.where(raw & 1, 1, -1)
        else:
            up = 16 - bits  # to the top of the word and back: sign extension
            weight[here] = (raw << np.uint16(up)).view(np.int16) >> up
    b, lane = np.nonzero(weight)
    row, targets, weights = axon[b], target[b, lane], weight[b, lane]
    order = np.lexsort((targets, row)) if np.any(kind == isa.SPARSE) else slice(None)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int64)
    return Rows(beats, words, pointers, targets[order].astype(np.uint16), weights[order])
