"""Part and Placement: what lies where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emulator.spec.arch import Architecture

from ..quantize.quantized import QuantizedNetwork, QuantizedPopulation
from .pack import PackedRows


@dataclass(frozen=True)
class Part:
    """A slab of a population in one core.

    Attributes:
        first_block: in the core.
        slots: (n,) flat index in the population of each lane of its blocks, -1 for padding.
        rows: packed rows of each projection onto it, by index into the network's projections.
    """

    population: str
    core: int
    first_block: int
    slots: np.ndarray
    rows: dict[int, PackedRows]


@dataclass(frozen=True)
class Placement:
    """Parts in the order their programs run; `part.core` is a place in the mesh."""

    network: QuantizedNetwork
    arch: Architecture
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Every neuron has one slot, and parts of a core do not overlap."""
        taken: set[tuple[int, int]] = set()
        for part in self.parts:
            blocks = range(part.first_block, part.first_block + -(-len(part.slots) // self.arch.lanes))
            assert 0 <= part.core < self.arch.cores, part.population
            assert blocks.stop <= self.arch.blocks, part.population
            assert taken.isdisjoint((part.core, block) for block in blocks), part.population
            taken.update((part.core, block) for block in blocks)
        for population in self.network.populations:
            slots = [p.slots[p.slots >= 0] for p in self.parts if p.population == population.name]
            assert (np.sort(np.concatenate(slots)) == np.arange(population.n)).all(), population.name


def layout(population: QuantizedPopulation, lanes: int, convolutional: bool) -> tuple[np.ndarray, int | None]:
    """(slots, pitch): the order of neurons over blocks and lanes.

    An image is laid out position by position, channels innermost and every row of it padded to whole blocks, so that
    the kernels of a convolution repeat at a pitch of whole blocks. Channels are padded too where that costs little.
    """
    if not convolutional:
        return np.arange(population.n), None
    if len(population.shape) < 2:
        return np.arange(population.n), 0
    channels, width = population.shape[0], population.shape[-1]
    height = population.n // (channels * width)
    padded = -(-channels // lanes) * lanes
    if padded > 1.25 * channels:
        padded = channels
    row = -(-width * padded // lanes) * lanes
    slots = np.full((height, row), -1)
    image = np.full((height, width, padded), -1)
    image[:, :, :channels] = np.arange(population.n).reshape(channels, height, width).transpose(1, 2, 0)
    slots[:, : width * padded] = image.reshape(height, -1)
    flat = slots.reshape(-1)
    return flat[: np.flatnonzero(flat >= 0)[-1] + 1], row // lanes
