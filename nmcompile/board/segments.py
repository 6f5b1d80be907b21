"""An image as what it is on a board: 32-bit parts of words of memories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from emulator.reference import Core
from emulator.spec import isa
from emulator.spec.image import CoreImage, Image
from emulator.verilog.host import memory_parts

CHUNK: Final = 256  # parts that one digest covers, at most


def address_bits(count: int) -> int:
    """Address bits of `count` things in the Verilog: one at least."""
    return max(1, (count - 1).bit_length())


@dataclass(frozen=True)
class Segment:
    """Consecutive words of one memory.

    Attributes:
        parts: (words, parts) uint32, lowest part first.
        changes: running a network changes it.
    """

    core: int
    memory: str
    first: int
    parts: np.ndarray
    changes: bool = False

    def chunks(self) -> Iterator[tuple[int, int]]:
        """(start, stop) words of the chunks that have a digest each."""
        step = CHUNK // self.parts.shape[1]
        for start in range(0, len(self.parts), step):
            yield start, min(start + step, len(self.parts))


def segments(image: Image) -> list[Segment]:
    """All that an image puts into a board's memories."""
    return [segment for number in range(image.arch.cores) for segment in _core(image, number)]


def _core(image: Image, number: int) -> Iterator[Segment]:
    arch, core = image.arch, image.cores[number]
    block_bits = address_bits(arch.blocks)
    changed = _changed(core)

    def halves(words: np.ndarray, count: int) -> np.ndarray:
        full = np.zeros(count, np.uint64)
        full[: len(words)] = words
        return np.stack([full & np.uint64(0xFFFF_FFFF), full >> np.uint64(32)], axis=1).astype(np.uint32)

    def padded(words: np.ndarray, count: int) -> np.ndarray:
        full = np.zeros((count, 1), np.uint32)
        full[: len(words), 0] = words
        return full

    yield Segment(number, "program", 0, halves(core.program, arch.program_words))
    yield Segment(number, "control", 32, np.array([[core.reset_entry, 0]], np.uint32))
    yield Segment(number, "axons", 0, halves(core.axons, arch.axons))
    if len(core.synapses):
        yield Segment(number, "synapses", 0, memory_parts("synapses", core.synapses, 16), "synapses" in changed)
    yield Segment(number, "pointers", 0, padded(core.pointers, arch.neurons))
    if len(core.routes):
        yield Segment(number, "routes", 0, padded(core.routes, len(core.routes)))
    for r in range(arch.registers):
        values = np.zeros((arch.blocks, arch.lanes), np.int64)
        values[: core.registers.shape[1]] = core.registers[r]
        parts = memory_parts("registers", values, arch.state_bits)
        yield Segment(number, "registers", r << block_bits, parts, f"r{r}" in changed)
    yield Segment(number, "random", 0, np.asarray(core.seeds, np.uint32)[None, :], "random" in changed)
    for x in range(arch.traces):
        zeros = np.zeros((arch.axon_blocks, arch.lanes), np.int64)
        first = x << address_bits(arch.axon_blocks)
        yield Segment(number, "traces", first, memory_parts("traces", zeros, arch.state_bits), "traces" in changed)


def restored(image: Image, timesteps: int, reward: int) -> list[Segment]:
    """What must be in the memories that running changes once a sample's reset is done.

    A sample starts from the image's own state, but the board's reset keeps what the last sample left. What the reset
    program does not set again has to be written.
    """
    found = []
    for number, core in enumerate(image.cores):
        changed = _changed(core)
        if not changed:
            continue
        after = Core(image.arch, core, number)
        after.reward = reward
        after.clear()
        after.run(core.reset_entry, 0, timesteps)
        for segment in _core(image, number):
            if not segment.changes:
                continue
            if segment.memory == "random":
                segment = replace(segment, parts=np.array(after.random, np.uint32)[None, :])
            elif segment.memory == "registers":
                r = segment.first >> address_bits(image.arch.blocks)
                used = max(1, core.registers.shape[1], changed[f"r{r}"])
                values = np.array(after.registers[r]).reshape(-1, image.arch.lanes)[:used]
                segment = replace(segment, parts=memory_parts("registers", values, image.arch.state_bits))
            found.append(segment)
        if any(isa.decode(word).row.writes == "predicate" for word in core.program[core.reset_entry :]):
            # what the reset program compared may have been the last sample's
            bits = np.array(after.predicates).reshape(isa.N_PREDICATES, image.arch.blocks, -1).transpose(1, 0, 2)
            parts = memory_parts("predicates", bits.reshape(image.arch.blocks, -1), 1)
            found.append(Segment(number, "predicates", 0, parts, True))
    return found


def _changed(core: CoreImage) -> dict[str, int]:
    """What a core's program writes: the memory, or r0..r7 with the number of blocks it reaches."""
    changed: dict[str, int] = {}
    space = None
    for op in (isa.decode(word) for word in core.program):
        if op.name == "range":
            space = op
        elif op.name == "rows":
            changed["synapses"] = 1
            changed[f"r{op.d}"] = 256
        elif op.row.unit == "random":
            changed["random"] = 1
        if op.row.vector and op.row.writes == "register" and space is not None:
            if space.flag:
                changed["traces"] = 1
            else:
                changed[f"r{op.d}"] = max(changed.get(f"r{op.d}", 0), space.lo + space.hi)
    return changed
