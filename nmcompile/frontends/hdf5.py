"""An HDF5 file as a plain tree of values: what the library would follow, or hang on, is looked at before it is read."""

from __future__ import annotations

import math
import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emulator.spec.errors import InputError
from emulator.spec.files import input_file, printable

LARGEST = 1 << 26  # neurons, inputs or values of one node: far beyond any machine, well within memory
LARGEST_IN_ALL = 2 * LARGEST  # values of a file,
LARGEST_TREE = 1 << 16  # its groups and datasets,
LARGEST_UNWRITTEN = 1 << 20  # and the bytes of a dataset that are not in it: the library makes them up
_NUMBERS = {np.dtype(kind) for kind in ("f2", "f4", "f8", *(f"{sign}{n}" for sign in "iu" for n in (1, 2, 4, 8)))}
MOST_PACKED = 1100  # bytes that one of a compressed dataset can stand for
_LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}


@contextmanager
def open_hdf5(path: str | Path, lists: bool = False) -> Iterator[h5py.File]:
    """A file that holds nothing but values of its own, each under one name. InputErrors inside get the path in front.

    Args:
        lists: datasets of lists of numbers, of different lengths, are read, too; see `check_lists`.

    Raises:
        InputError: no such file, or one that is no plain tree. Damage raises whatever h5py does.
    """
    input_file(path)
    try:
        check_heaps(Path(path))
        with h5py.File(path, "r") as file:
            check_tree(file, lists)
            yield file
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def check_tree(file: h5py.File, lists: bool = False) -> None:
    """No links, no second names (a small file could be a tree without an end), and no values that lie elsewhere."""
    seen, total = {h5py.h5o.get_info(file.id).addr}, 0
    waiting = [("", h5py.h5g.open(file.id, b"/"))]
    while waiting:
        path, group = waiting.pop()
        for key in group:
            name = f"{path}/{printable(key.decode(errors='replace'))}"
            kind = group.links.get_info(key).type
            if kind != h5py.h5l.TYPE_HARD:
                what = _LINKS.get(kind, "a link of an unknown kind")
                raise InputError(f"{name!r} is {what}; write what it leads to in its place")
            info = h5py.h5o.get_info(group, key)
            if info.addr in seen:
                raise InputError(f"{name!r} is a second name of another object; write it again in its place")
            seen.add(info.addr)
            if len(seen) > LARGEST_TREE:
                raise InputError(f"more than {LARGEST_TREE:,} groups and datasets; no network has so many")
            if info.type == h5py.h5o.TYPE_GROUP:
                waiting.append((name, h5py.h5o.open(group, key)))
            elif info.type == h5py.h5o.TYPE_DATASET:
                total += _check_dataset(name, h5py.Dataset(h5py.h5o.open(group, key)), lists)
                if total > LARGEST_IN_ALL:
                    raise InputError(f"more than {LARGEST_IN_ALL:,} values in all, up to {name!r}; split the network")
            else:
                raise InputError(f"{name!r} is no group and no dataset; leave it out")


def _check_dataset(name: str, data: h5py.Dataset, lists: bool) -> int:
    """Its number of values."""
    properties = data.id.get_create_plist()
    if properties.get_external_count() or properties.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(f"the values of {name!r} are in another file; write them into this one")
    if data.shape is None:
        return 0
    if data.size > LARGEST:
        raise InputError(f"{name!r} has {data.size:,} values; at most {LARGEST:,}")
    listed = h5py.check_vlen_dtype(data.dtype) if lists else None
    if data.dtype.hasobject and h5py.check_string_dtype(data.dtype) is None and listed not in _NUMBERS:
        raise InputError(f"{name!r} holds neither numbers nor text; leave it out")
    stored = data.id.get_storage_size() * (MOST_PACKED if properties.get_nfilters() else 1)
    if data.size * data.dtype.itemsize > stored + LARGEST_UNWRITTEN:
        raise InputError(f"{name!r} has {data.size:,} values, but they were never written; export it again")
    return data.size


def check_text(data: h5py.Dataset) -> None:
    """Check the lengths of a dataset's strings: the HDF5 library takes all the memory that a damaged one asks for."""
    if h5py.check_string_dtype(data.dtype) and data.dtype.kind == "O":
        _check_lengths(data, 1 << 16, "a string")


def check_lists(data: h5py.Dataset) -> None:
    """Check the lengths of a dataset's lists of numbers; none is longer than its file."""
    kind = h5py.check_vlen_dtype(data.dtype)
    if kind not in _NUMBERS:
        raise TypeError(f"{data.name} holds no lists of numbers")
    _check_lengths(data, Path(data.file.filename).stat().st_size // kind.itemsize, "a list")


def _check_lengths(data: h5py.Dataset, most: int, what: str) -> None:
    if data.chunks:
        found = [_chunk(data, data.id.get_chunk_info(i)) for i in range(data.id.get_num_chunks())]
    elif (where := data.id.get_offset()) is not None:
        with open(data.file.filename, "rb") as file:
            file.seek(where)
            found = [file.read(16 * data.size)]  # each a length of 4 bytes, a heap's address of 8, an index of 4
        if len(found[0]) < 16 * data.size:
            raise InputError(f"damaged ({what} cut short); export it again")
    else:
        return
    for raw in found:
        if len(raw) % 16 or (np.frombuffer(raw, "<u4")[::4] > most).any():
            raise InputError(f"damaged ({what} too long); export it again")


def _chunk(data: h5py.Dataset, info: Any) -> bytes:
    """The bytes of a chunk of text, unpacked if need be; none where it is packed as no exporter does."""
    filters = data.id.get_create_plist()
    if filters.get_nfilters() > 1 or (filters.get_nfilters() and filters.get_filter(0)[0] != h5py.h5z.FILTER_DEFLATE):
        return b""
    skipped, raw = data.id.read_direct_chunk(info.chunk_offset)
    packed = filters.get_nfilters() and not skipped
    return zlib.decompressobj().decompress(raw, 16 * math.prod(data.chunks)) if packed else raw


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
