"""When which neurons send what, as the host has to read it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from emulator.spec import isa
from emulator.spec.image import Image

from .protocol import HALF, STEP, WORD
from .segments import address_bits


@dataclass(frozen=True)
class Window:
    """Consecutive words of a memory, read after every timestep."""

    core: int
    memory: str
    first: int
    words: int
    mode: int  # how much of each 32-bit part
    parts: int  # of a word

    @property
    def size(self) -> int:
        """Bytes of a reading."""
        return self.words * self.parts * {STEP: 1, HALF: 2, WORD: 4}[self.mode]


def spike_windows(image: Image, places: np.ndarray) -> list[Window]:
    """The blocks that hold these neurons, (n, 2) core and neuron; small holes are read along."""
    mode = STEP if image.arch.lanes <= 8 else HALF
    return [Window(core, "spikes", first, count, mode, 1) for core, first, count in _stretches(image, places)]


def emitting(image: Image) -> np.ndarray:
    """(n, 2) core and first neuron of every block whose spikes an `end` sends out."""
    found = []
    for number, core in enumerate(image.cores):
        ends = [op.lo for op in (isa.decode(word) for word in core.program) if op.name == "end"]
        found += [(number, block * image.arch.lanes) for block in range(max(ends, default=0))]
    return np.array(found, np.int64).reshape(-1, 2)


def register_windows(image: Image, places: np.ndarray, register: int) -> list[Window]:
    """The words of one register that hold these neurons."""
    first = register << address_bits(image.arch.blocks)
    mode = HALF if image.arch.state_bits <= 16 else WORD
    return [
        Window(core, "registers", first + at, n, mode, image.arch.lanes) for core, at, n in _stretches(image, places)
    ]


def payload_windows(image: Image) -> list[Window]:
    """The words that hold what the outputs' spikes carry."""
    parts = -(-8 * image.arch.lanes // 32)
    return [
        Window(core, "spike_payloads", first, n, WORD, parts) for core, first, n in _stretches(image, image.outputs)
    ]


def _stretches(image: Image, places: np.ndarray) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    blocks = sorted({(int(core), int(neuron) // image.arch.lanes) for core, neuron in places})
    for core, group in groupby(blocks, key=lambda place: place[0]):
        numbers = [block for _, block in group]
        first = last = numbers[0]
        for block in [*numbers[1:], 1 << 30]:
            if block - last > 8 or block - first >= 256:
                found.append((core, first, last - first + 1))
                first = block
            last = block
    return found
