"""The host's port: memories as words, faults, and the commands that read and write them."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..spec import isa
from ..spec.errors import InputError, MachineError
from ..spec.image import Image
from .build import build, load_library, rtl_directory

COMMAND_LIMIT: Final = 200_000_000  # clocks until a command counts as hung
FAULTS: Final = (
    "no fault",
    "unknown instruction",
    "illegal operand",
    "the program runs past its memory",
    "an axon entry of unknown format",
    "a synapse beyond the last block",
    "a window beyond the synapse memory",
    "a route or pointer that leads nowhere",
    "an injected spike that leads nowhere",
)


def host_constants() -> dict[str, int]:
    """The numbers of rtl/nm_host.vh, without their prefix."""
    return _constants(rtl_directory() / "nm_host.vh")


@functools.cache
def _constants(path: Path) -> dict[str, int]:
    found = re.findall(r"`define NM_(\w+) \d+'([hd])(\w+)", path.read_text())
    return {name: int(value, 16 if base == "h" else 10) for name, base, value in found}


# Of the select register: it points at a word of a memory of a core.
SELECT_FIELDS: Final[dict[str, tuple[int, int]]] = {"core": (24, 8), "memory": (20, 4), "word": (0, 20)}
HOST_CORE: Final = (1 << SELECT_FIELDS["core"][1]) - 1  # whose control is the host port's own


def select(core: int, memory: str, word: int) -> int:
    """The value of the select register that points at a word."""
    number = host_constants()[f"MEM_{memory.upper()}"]
    return isa.pack_fields(SELECT_FIELDS, core=core, memory=number, word=word)


def instructions() -> set[str]:
    """Names of the instructions that the Verilog implements: those that rtl/nm_check.v finds legal."""
    text = (rtl_directory() / "nm_check.v").read_text()
    return {name.lower() for name in re.findall(r"`NM_OP_(\w+)", text)}


def refuse_unknown(machine: str, image: Image) -> None:
    """MachineError that names an instruction of an image which the Verilog lacks; on a word that is none it faults."""
    known = instructions()
    for core in image.cores:
        for word in core.program:
            with contextlib.suppress(InputError):
                isa.refuse_unknown(machine, known, [isa.decode(word)])


# --------------------------------------------------------------------------------------------- bits of words
def pack_words(values: np.ndarray, bits: int) -> np.ndarray:
    """(words, fields) integers -> (words, parts) uint32 of a memory word, field 0 lowest."""
    values = np.ascontiguousarray(values, np.int64)
    words, fields = values.shape
    raw = ((values[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(words, fields * bits)
    raw = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 32)))
    return np.packbits(raw, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def unpack_words(parts: np.ndarray, fields: int, bits: int, signed: bool = False) -> np.ndarray:
    """The inverse of `pack_words`, as int64."""
    raw = np.unpackbits(np.ascontiguousarray(parts, "<u4").view(np.uint8), axis=1, bitorder="little")
    raw = raw[:, : fields * bits].reshape(len(parts), fields, bits).astype(np.int64)
    values = (raw << np.arange(bits)).sum(axis=2)
    if signed and bits < 64:
        values -= (values >> (bits - 1)) << bits
    return values


# memories whose parts are lanes, of 32 bits each
LANES_APART: Final = ("registers", "accumulators", "traces", "random")


def memory_parts(memory: str, values: np.ndarray, bits: int) -> np.ndarray:
    """(words, fields) integers of `bits` bits -> (words, parts) uint32 as the host port takes them."""
    if memory in LANES_APART:
        return (np.asarray(values).astype(np.int64) & ((1 << bits) - 1)).astype(np.uint32)
    return pack_words(values, bits)


def memory_values(memory: str, parts: np.ndarray, fields: int, bits: int, signed: bool = False) -> np.ndarray:
    """The inverse of `memory_parts`, as int64."""
    if memory in LANES_APART:
        return unpack_words(parts.reshape(-1, 1), 1, bits, signed).reshape(len(parts), fields)
    return unpack_words(parts, fields, bits, signed)


class HostPort:
    """The chip's bus as plain reads and writes; a driver for a board has the same four methods."""

    def __init__(self, parameters: dict[str, int], seed: int):
        self._lib = load_library(build(parameters))
        self._chip: Any = self._lib.nm_new(seed)

    def close(self) -> None:
        if self._chip:
            self._lib.nm_delete(self._chip)
            self._chip = None

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self.close()

    def write(self, address: int, data: int) -> None:
        if not self._lib.nm_write(self._chip, address, data & 0xFFFF_FFFF):
            raise MachineError(f"the chip does not take a write to host register {address}")

    def read(self, address: int) -> int:
        data = ctypes.c_uint32()
        if not self._lib.nm_read(self._chip, address, ctypes.byref(data)):
            raise MachineError(f"the chip does not answer a read of host register {address}")
        return data.value

    def write_many(self, address: int, data: np.ndarray) -> None:
        data = np.ascontiguousarray(data, np.uint32)
        if not self._lib.nm_write_many(self._chip, address, data.ctypes.data, data.size):
            raise MachineError(f"the chip does not take a write to host register {address}")

    def read_many(self, address: int, count: int) -> np.ndarray:
        data = np.empty(count, np.uint32)
        if not self._lib.nm_read_many(self._chip, address, data.ctypes.data, count):
            raise MachineError(f"the chip does not answer a read of host register {address}")
        return data

    def command(self, address: int, data: int) -> int:
        """Write a command and wait until the chip is idle; the clocks it took."""
        clocks = self._lib.nm_command(self._chip, address, data, COMMAND_LIMIT)
        if clocks < 0:
            raise MachineError(f"the chip is still busy after {COMMAND_LIMIT:,} cycles")
        return clocks

    def events(self) -> np.ndarray:
        """What the retire port said since the last call: (n, 6) kind, core, clock, a, b, c."""
        data = ctypes.POINTER(ctypes.c_int64)()
        count = self._lib.nm_events(self._chip, ctypes.byref(data))
        if count == 0:
            return np.zeros((0, 6), np.int64)
        rows = np.ctypeslib.as_array(data, (count,)).reshape(-1, 6).copy()
        self._lib.nm_forget(self._chip)
        return rows
