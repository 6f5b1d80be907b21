"""A zip of arrays (.npz, .nmi): how large each member is, of what type and shape, is known before any is unpacked."""

from __future__ import annotations

import contextlib
import math
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from .errors import InputError
from .files import LARGEST_FILE, input_file

LARGEST_HEADER: Final = 10_000  # characters that say type and shape of an array


@dataclass(frozen=True)
class Header:
    """What an array is. `offset`: bytes of its member before its values; `fortran`: the first axis is the fastest."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    fortran: bool

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def memory_bytes() -> int:
    """What one file may unpack to: half of this computer's memory."""
    try:
        return min(LARGEST_FILE, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    except (ValueError, OSError, AttributeError):
        return LARGEST_FILE


class Archive:
    """An open zip file. Damage raises all kinds of exceptions, sizes beyond a bound an InputError.

    Attributes:
        sizes: bytes of each member, unpacked, by its name.
    """

    def __init__(self, path: str | Path):
        self.path = input_file(path)
        self._zip = zipfile.ZipFile(self.path)
        self.sizes: dict[str, int] = {}
        for info in self._zip.infolist():
            if info.filename in self.sizes:
                self.close()
                raise ValueError(f"{info.filename} is there twice")
            self.sizes[info.filename] = info.file_size
        self._left = memory_bytes()

    def close(self) -> None:
        self._zip.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, name: str) -> bool:
        return name in self.sizes

    @property
    def arrays(self) -> list[str]:
        """Names of arrays, without their ending."""
        return [name.removesuffix(".npy") for name in self.sizes if name.endswith(".npy")]

    def read(self, name: str, largest: int) -> bytes:
        """A member of `largest` bytes at most."""
        self._take(name, self.sizes[name], largest)
        return self._zip.read(name)

    def header(self, name: str) -> Header:
        """Type and shape of an array; ValueError if it holds Python objects, or not as many bytes as it says."""
        with self._zip.open(f"{name}.npy") as file:
            header = _read_header(file)
        if header.dtype.hasobject or header.offset + header.bytes != self.sizes[f"{name}.npy"]:
            raise ValueError(f"{name} has {self.sizes[f'{name}.npy']} bytes for {header}")
        return header

    def array(self, name: str, largest: int = LARGEST_FILE) -> np.ndarray:
        """An array of `largest` bytes at most."""
        self._take(name, self.header(name).bytes, largest)
        with self._zip.open(f"{name}.npy") as file:
            return np.lib.format.read_array(file, allow_pickle=False, max_header_size=LARGEST_HEADER)

    @contextlib.contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """The values of an array, unpacked as they are read; nobody holds them all."""
        header = self.header(name)
        if header.bytes > LARGEST_FILE:
            raise InputError(
                f"{self.path}: {name} unpacks to {header.bytes:,} bytes, at most {LARGEST_FILE:,} are read"
            )
        with self._zip.open(f"{name}.npy") as file:
            file.read(header.offset)
            yield file

    def _take(self, name: str, size: int, largest: int) -> None:
        """Room for a member, out of what the whole file may take."""
        limit = min(largest, self._left)
        if size > limit:
            raise InputError(f"{self.path}: {name} unpacks to {size:,} bytes, at most {limit:,} are read; split it")
        self._left -= size


def _read_header(file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    readers: dict[tuple[int, int], Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"format {version}")
    shape, fortran, dtype = readers[version](file, max_header_size=LARGEST_HEADER)
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"shape {shape}")
    return Header(shape, dtype, file.tell(), bool(fortran and len(shape) > 1))
