"""Values of an HDF5 file, checked: what the library does not check itself, and would hang on, and what they are."""

from __future__ import annotations

import mmap
from pathlib import Path

import h5py
import numpy as np

from emulator.spec.errors import InputError

LARGEST = 1 << 26  # neurons, inputs or values of one node: far beyond any machine, well within memory


def check_text(data: h5py.Dataset) -> None:
    """Check the lengths of a dataset's strings: the HDF5 library takes all the memory that a damaged one asks for."""
    where = data.id.get_offset() if h5py.check_string_dtype(data.dtype) and data.dtype.kind == "O" else None
    if where is None:
        return
    with open(data.file.filename, "rb") as file:
        file.seek(where)
        raw = file.read(16 * data.size)  # each a length of 4 bytes, a heap's address of 8, an index of 4
    if len(raw) < 16 * data.size or (np.frombuffer(raw, "<u4")[::4] > 1 << 16).any():
        raise InputError("damaged (a string too long); export it again")


def check_heaps(path: Path) -> None:
    """Walk the heaps that hold a file's text: the HDF5 library follows a damaged one in circles for ever.

    Layout: HDF5 File Format Specification 3.0, section III.E (global heap), with lengths of 8 bytes.
    """
    if path.stat().st_size == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(b"GCOL\x01\0\0\0")
        while start >= 0:
            at, end = start + 16, start + int.from_bytes(data[start + 8 : start + 16], "little")
            while end - at >= 16:
                index, size = (int.from_bytes(data[at + a : at + b], "little") for a, b in ((0, 2), (8, 16)))
                at += size if index == 0 else 16 + -(-size // 8) * 8  # free space counts its own header
                if (index == 0 and size < 16) or at > end or end > len(data):
                    raise InputError("damaged (a heap of text); export it again")
            start = data.find(b"GCOL\x01\0\0\0", start + 8)


def numbers(values: np.ndarray, what: str) -> np.ndarray:
    """As float64; ValueError if they are text, complex or something else."""
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{what} is of type {values.dtype}, expected real numbers")
    return values.astype(np.float64)


def integers(values: np.ndarray, what: str) -> tuple[int, ...]:
    """Sizes, strides and the like, as a flat tuple; ValueError if they are not whole or absurdly large."""
    flat = numbers(values, what).reshape(-1)
    if not (np.abs(flat) <= LARGEST).all() or (flat != np.rint(flat)).any():
        raise ValueError(f"{what} = {flat.tolist()}, expected whole numbers")
    return tuple(int(v) for v in flat)


def printable(text: str) -> str:
    """The same, with what a terminal cannot show escaped: names end up in messages."""
    return text if text.isprintable() else repr(text)[1:-1]
