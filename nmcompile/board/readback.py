"""What a board learned: read back in bursts, as an image, and compared with what the emulator learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from emulator.spec.errors import MachineError
from emulator.spec.image import Image
from emulator.verilog.host import memory_values

from .flash import read_words
from .link import Board
from .segments import Segment, address_bits, segments


def read_learned(board: Board, image: Image) -> Image:
    """The image with the weights, registers and random state that running it left on the board.

    The counterpart of `RunResult.learned` of `emulator.run`; what its programs never write is not read.
    """
    cores = list(image.cores)
    wanted = [_shown(image, s) for s in segments(image) if s.changes and s.memory != "traces"]
    for segment, parts in zip(wanted, read_words(board, wanted), strict=True):
        core, lanes = cores[segment.core], image.arch.lanes
        if segment.memory == "synapses":
            values = memory_values("synapses", parts, lanes, 16)
            cores[segment.core] = replace(core, synapses=values.astype(np.uint16))
        elif segment.memory == "registers":
            registers = core.registers.copy()
            register = segment.first >> address_bits(image.arch.blocks)
            registers[register] = memory_values("registers", parts, lanes, image.arch.state_bits, signed=True)
            cores[segment.core] = replace(core, registers=registers)
        else:
            cores[segment.core] = replace(core, seeds=parts[0])
    return replace(image, cores=tuple(cores))


def _shown(image: Image, segment: Segment) -> Segment:
    """The part of a segment that the image has a place for: it holds the registers of the first blocks."""
    blocks = image.cores[segment.core].registers.shape[1]
    return replace(segment, parts=segment.parts[:blocks]) if segment.memory == "registers" else segment


def compare_learned(board: Image, emulated: Image, neuron: Callable[[int, int], str]) -> None:
    """Weights, registers and random state, word by word.

    Args:
        neuron: what to call (core, neuron) in a message.

    Raises:
        MachineError: they differ; the message is the first difference.
    """
    for number, pair in enumerate(zip(board.cores, emulated.cores, strict=True)):
        for name in ("synapses", "registers", "seeds"):
            mine, wanted = (getattr(core, name) for core in pair)
            odd = np.argwhere(mine != wanted)
            if not len(odd):
                continue
            first = tuple(odd[0].tolist())
            if name == "synapses":
                place = f"slot {first[1]} of synapse word {first[0]} of core {number}"
            elif name == "registers":
                place = f"r{first[0]} of {neuron(number, first[1] * board.arch.lanes + first[2])}"
            else:
                place = f"the random state of lane {first[0]} of core {number}"
            raise MachineError(
                f"board and emulator differ in what was learned: {place} is {_number(mine[first])} on the board, "
                f"{_number(wanted[first])} emulated; {len(odd):,} of {mine.size:,} such values differ, the spikes are "
                "equal"
            )


def _number(value: Any) -> str:
    return f"{int(value):,}" if np.issubdtype(value.dtype, np.signedinteger) else f"{int(value):#06x}"
