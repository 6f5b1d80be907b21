"""Recordings of events: where they are found, and what their files and arrays say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from emulator.spec.archive import Archive
from emulator.spec.errors import InputError, UsageError
from emulator.spec.files import input_file

from .evt import read_raw

SUFFIXES: Final = {".bin": "nmnist", ".aedat4": "aedat4", ".raw": "raw", ".h5": "shd", ".hdf5": "shd"}
FIELDS: Final = {"t", "x", "p"}  # of a structured array; y where there is a second dimension
NMNIST_SENSOR, NMNIST_OVERFLOW = (34, 34), 240
SHD_CHANNELS: Final = 700


@dataclass(frozen=True)
class Recording:
    """Events of one sample, in the order of the file.

    Attributes:
        name: for messages.
        t: (n,) int64 microseconds.
        x, y: (n,) integers; p: (n,) uint8, 1 is ON.
        width, height, channels: of the sensor; channels are the polarities that it has.
        label: its class, or None.
        untimed: events of the file that have no time, and are left out.
    """

    name: str
    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    width: int
    height: int
    channels: int = 2
    label: int | None = None
    untimed: int = 0


def holds_recordings(source: Any, format: str | None) -> bool:
    """Is `source` a path, array or data set of events with times in microseconds? (Else it is of spikes already.)"""
    if format is not None:
        return True
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() in SUFFIXES or path.is_dir():
            return True
        return path.suffix.lower() in (".npy", ".npz") and _fields_of(path) >= FIELDS
    if isinstance(source, np.ndarray):
        return source.dtype.names is not None
    if isinstance(source, (list, tuple)):
        return len(source) > 0 and isinstance(source[0], np.ndarray) and source[0].dtype.names is not None
    return hasattr(source, "__getitem__") and hasattr(source, "sensor_size")


def find_recordings(
    source: Any, format: str | None, sensor: tuple[int, int] | None, limit: int | None
) -> Iterator[Recording]:
    """The recordings of a source, one after the other, the first `limit` of them.

    Args:
        source: a path, a folder, structured arrays, or a data set as tonic has them.
        format: one of FORMATS, where the name of a file does not say it.
        sensor: (width, height), where nothing else says it.
    """
    return itertools.islice(_found(source, format, sensor), limit)


def _found(source: Any, format: str | None, sensor: tuple[int, int] | None) -> Iterator[Recording]:
    if isinstance(source, (str, Path)):
        path = Path(source)
        for file, label in _files(path) if path.is_dir() else [(path, None)]:
            for recording in _read(file, format, sensor):
                yield recording if label is None else _labelled(recording, label)
    elif isinstance(source, np.ndarray):
        yield from_array("events", source, sensor)
    elif isinstance(source, (list, tuple)):
        for i, events in enumerate(source):
            yield from_array(f"recording {i}", events, sensor)
    else:
        channels = source.sensor_size[2] if len(source.sensor_size) > 2 else 2
        for i in range(len(source)):
            events, label = source[i]
            size = sensor or tuple(source.sensor_size[:2])
            number = int(label) if np.ndim(label) == 0 and np.asarray(label).dtype.kind in "iu" else None
            yield from_array(f"recording {i}", events, size, channels, number)


def _labelled(r: Recording, label: int) -> Recording:
    return Recording(r.name, r.t, r.x, r.y, r.p, r.width, r.height, r.channels, label, r.untimed)


def _files(folder: Path) -> Iterator[tuple[Path, int | None]]:
    """Files of recordings of a folder, by name; those of its subfolders have these as classes."""
    known = {*SUFFIXES, ".npy", ".npz"}
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if all(path.name.isdecimal() for path in classes):
        classes.sort(key=lambda path: int(path.name))
    here = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix.lower() in known]
    if here and classes:
        raise InputError(f"{folder}: recordings and folders side by side; give a folder of one or the other")
    found: list[tuple[Path, int | None]] = [(path, None) for path in here]
    for i, each in enumerate(classes):
        label = int(each.name) if each.name.isdecimal() else i
        found += [(path, label) for path in sorted(each.iterdir()) if path.suffix.lower() in known]
    if not found:
        raise InputError(f"{folder}: no recordings in this folder; they end in {', '.join(sorted(known))}")
    return iter(found)


def _read(path: Path, format: str | None, sensor: tuple[int, int] | None) -> Iterator[Recording]:
    kind = format or SUFFIXES.get(path.suffix.lower(), "arrays")
    input_file(path)
    if kind == "nmnist":
        yield read_nmnist(path, sensor)
    elif kind == "aedat4":
        yield read_aedat4(path, sensor)
    elif kind == "shd":
        yield from read_shd(path)
    elif kind == "arrays":
        yield _read_arrays(path, sensor)
    else:
        raw = read_raw(path, None if kind == "raw" else kind)
        yield Recording(str(path), *raw[:4], *_sensor(str(path), sensor, raw.sensor), untimed=raw.untimed)


def _sensor(name: str, given: tuple[int, int] | None, found: tuple[int, int] | None) -> tuple[int, int]:
    size = given or found
    if size is None:
        raise InputError(f"{name}: nothing in it says how large the sensor is; --sensor does, for example 1280x720")
    return size


def read_nmnist(path: Path, sensor: tuple[int, int] | None = None) -> Recording:
    """N-MNIST's and N-Caltech101's .bin: 40 bits an event: x 8, y 8, p 1, microseconds 23.

    A y of 240 is no event: the clock has overflowed, and goes on 2**13 us later.
    Source: G. Orchard et al., Frontiers in Neuroscience 9, 2015, and the format that comes with the data.
    """
    content = np.fromfile(path, np.uint8)
    if len(content) % 5:
        raise InputError(f"{path}: {len(content):,} bytes are no whole number of events of 5 bytes; it is truncated")
    event = content.reshape(-1, 5)
    t = (event[:, 2] & 0x7F).astype(np.int64) << 16 | event[:, 3].astype(np.int64) << 8 | event[:, 4]
    mark = event[:, 1] == NMNIST_OVERFLOW
    t += np.cumsum(mark) << 13
    x, y, p = event[~mark, 0], event[~mark, 1], event[~mark, 2] >> 7
    return Recording(str(path), t[~mark], x, y, p, *(sensor or NMNIST_SENSOR))


def read_aedat4(path: Path, sensor: tuple[int, int] | None = None) -> Recording:
    """AEDAT4 with one stream of events, by the library `aedat`."""
    try:
        import aedat
    except ImportError:
        raise UsageError(f"{path}: AEDAT4 is read by the package aedat; pip install 'nmcompile[events]'") from None
    try:
        decoder = aedat.Decoder(str(path))
        streams = {i: s for i, s in decoder.id_to_stream().items() if s["type"] == "events"}
        if len(streams) != 1:
            raise InputError(f"{path}: {len(streams)} streams of events, one is needed; split the file")
        [(number, stream)] = streams.items()
        parts = [packet["events"] for packet in decoder if packet["stream_id"] == number and "events" in packet]
    except InputError:
        raise
    except Exception as error:  # what the library raises on a damaged file, of several kinds
        raise InputError(f"{path}: no AEDAT4 file, or damaged ({error}); record it again") from None
    columns = [np.concatenate([np.zeros(0, kind), *(part[name] for part in parts)]) for name, kind in AEDAT4_FIELDS]
    size = sensor or (int(stream["width"]), int(stream["height"]))
    t, x, y, on = columns
    return Recording(str(path), t.astype(np.int64), x, y, on.astype(np.uint8), *size)


AEDAT4_FIELDS: Final = (("t", np.uint64), ("x", np.uint16), ("y", np.uint16), ("on", bool))


def read_shd(path: Path) -> Iterator[Recording]:
    """The Heidelberg spiking data sets, SHD and SSC: HDF5 with spikes/times (seconds), spikes/units, labels.

    Times there are float16, whose steps are 0.5 ms above 0.5 s; they are taken for what they are, in whole
    microseconds.
    Source: B. Cramer et al., IEEE Transactions on Neural Networks and Learning Systems 33, 2022.
    """
    from ..frontends.hdf5 import check_lists, open_hdf5

    try:
        with open_hdf5(path, lists=True) as file:
            times, units = file["spikes/times"], file["spikes/units"]
            for data in (times, units):
                check_lists(data)
            labels = file["labels"][:] if "labels" in file else None
            if len(times) != len(units) or (labels is not None and len(labels) != len(times)):
                raise InputError(f"{len(times)} samples of times, {len(units)} of units; it is damaged")
            for i in range(len(times)):
                seconds, unit = times[i].astype(np.float64), units[i].astype(np.int64)
                if len(seconds) != len(unit) or not np.isfinite(seconds).all():
                    raise InputError(f"sample {i} has {len(seconds)} times for {len(unit)} units, or no numbers")
                yield Recording(
                    f"{path}, sample {i}",
                    np.floor(seconds * 1e6).astype(np.int64),
                    unit,
                    np.zeros_like(unit),
                    np.ones(len(unit), np.uint8),
                    SHD_CHANNELS,
                    1,
                    channels=1,
                    label=None if labels is None else int(labels[i]),
                )
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError):
        raise InputError(f"{path}: not HDF5 with spikes/times and spikes/units, as SHD and SSC have it") from None


def _fields_of(path: Path) -> set[str]:
    """Names in a structured .npy or an .npz; nothing where it is neither."""
    if not path.is_file():
        return set()
    try:
        if path.suffix.lower() == ".npz":
            with Archive(path) as file:
                return set(file.arrays)
        return set(np.load(path, mmap_mode="r", allow_pickle=False).dtype.names or ())
    except Exception:  # whoever reads it says what is wrong
        return set()


def _read_arrays(path: Path, sensor: tuple[int, int] | None) -> Recording:
    """A structured .npy, or an .npz with the fields as arrays, as SpikingJelly writes it."""
    try:
        if path.suffix.lower() == ".npz":
            with Archive(path) as file:
                events = {name: file.array(name) for name in file.arrays if name in (*FIELDS, "y")}
        else:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            events = {name: found[name] for name in found.dtype.names}
    except InputError:
        raise
    except Exception:  # as of read_arrays of arrays.py
        raise InputError(f"{path}: no events in it: neither a structured .npy nor an .npz of t, x, y, p") from None
    return _from_fields(str(path), events, sensor)


def from_array(
    name: str, events: Any, sensor: tuple[int, int] | None, channels: int = 2, label: int | None = None
) -> Recording:
    """Of a structured array, as tonic has it."""
    if not isinstance(events, np.ndarray) or events.dtype.names is None:
        raise InputError(f"{name}: no structured array of events; leave out transforms that make frames")
    return _from_fields(name, {field: events[field] for field in events.dtype.names}, sensor, channels, label)


def _from_fields(
    name: str,
    events: dict[str, np.ndarray],
    sensor: tuple[int, int] | None,
    channels: int = 2,
    label: int | None = None,
) -> Recording:
    if not events.keys() >= FIELDS:
        raise InputError(f"{name}: events have the fields {', '.join(events)}; they need t, x, p, and y of an image")
    for field in ("t", "x", "y", "p"):
        if field in events and (events[field].ndim != 1 or events[field].dtype.kind not in "biu"):
            what = f"{events[field].dtype} of shape {events[field].shape}"
            raise InputError(f"{name}: {field} is {what}; give whole numbers, one an event")
    t, x, p = events["t"].astype(np.int64), events["x"], events["p"].astype(np.int64)
    y = events.get("y", np.zeros(len(t), np.int64))
    if not len(t) == len(x) == len(y) == len(p):
        raise InputError(f"{name}: {len(t)} times for {len(x)} x, {len(y)} y and {len(p)} p; one of each an event")
    p = np.where(p == -1, 0, p)
    if len(p) and not (p.min() >= 0 and p.max() <= 1):
        raise InputError(f"{name}: polarities from {p.min()} to {p.max()}; they are 0 and 1, or -1 and 1")
    if "y" not in events:
        channels, sensor = 1, sensor or (SHD_CHANNELS, 1)
    return Recording(name, t, x, y, p.astype(np.uint8), *_sensor(name, sensor, None), channels, label)
