"""Arrays of .npz and .npy files as spike trains, read piece by piece: what is dense in the file is never dense here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from emulator.spec.archive import Archive
from emulator.spec.errors import InputError
from emulator.spec.files import input_file, printable
from emulator.spec.spikes import SpikeTrains, nonzero_places

from ..network.limits import LARGEST_PAYLOAD

LARGEST = 1 << 40  # elements of (samples, timesteps, inputs)
LARGEST_OTHER = 1 << 28  # bytes of any other array
MOST_ROWS = 1 << 27  # samples * timesteps, each 8 bytes
PIECE = 1 << 20  # bytes of a file that are looked at together
STREAMED = ("spikes", "values", "events")  # of these, the largest is read in pieces


@dataclass
class Pieces:
    """An array, given out in pieces along its first axis; of a file, each is read when it is asked for."""

    shape: tuple[int, ...]
    dtype: np.dtype
    file: IO[bytes] | None = None
    array: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """The rows in order, once; EOFError if the file ends before them."""
        row = math.prod(self.shape[1:])
        step = max(1, PIECE // max(1, row * self.dtype.itemsize))
        for begin in range(0, self.shape[0], step):
            n = min(step, self.shape[0] - begin)
            if self.array is not None:
                yield self.array[begin : begin + n]
                continue
            assert self.file is not None
            content = self.file.read(n * row * self.dtype.itemsize)
            if len(content) < n * row * self.dtype.itemsize:
                raise EOFError
            yield np.frombuffer(content, self.dtype).reshape(n, *self.shape[1:])
        if self.file is not None and self.file.read(1):  # a damaged .zip is known when its member ends
            raise EOFError

    @classmethod
    def of(cls, array: np.ndarray) -> Pieces:
        return cls(array.shape, array.dtype, array=array)


def read_arrays(
    path: Path, largest: int, timesteps: int | None, n_inputs: int | None
) -> tuple[SpikeTrains, dict[str, np.ndarray], list[str]]:
    """The trains of an .npz file, its other arrays, and notes; arguments as of `read_spikes`.

    What the spikes are is looked at before anything is unpacked.
    """
    try:
        with Archive(path) as file:
            names = file.arrays
            main = next((name for name in STREAMED if name in names and (name != "events" or "shape" in names)), None)
            if main is None:
                held = ", ".join(map(printable, names)) or "nothing"
                raise InputError(f"{path}: needs `spikes`, or `events` and `shape`, or `values` 0..1; it holds {held}")
            if main == "events":
                shape = file.array("shape", LARGEST_OTHER)
                if shape.shape == (3,) and shape.dtype.kind in "iu" and shape.min() > 0:
                    check_shape(str(path), tuple(shape.tolist()), n_inputs)
                with _pieces(file, main) as pieces:
                    trains, notes = trains_from_events(str(path), pieces, shape)
            else:
                with _pieces(file, main) as pieces:
                    trains, notes = trains_from_numbers(
                        str(path), pieces, largest, timesteps, n_inputs, analog=main == "values"
                    )
            others = [name for name in names if name != main and not (main == "events" and name == "shape")]
            return trains, {printable(name): file.array(name, LARGEST_OTHER) for name in others}, notes
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{path}: larger than the memory of this computer; split the file") from None
    except Exception:  # numpy, zipfile and zlib raise a dozen kinds on what is no .npz file, or a damaged one
        raise InputError(f"{path}: not an .npz file of plain arrays, or truncated; write it with numpy.savez") from None


@contextmanager
def _pieces(file: Archive, name: str) -> Iterator[Pieces]:
    header = file.header(name)
    if not header.shape or header.fortran or header.dtype.kind not in "biu":
        yield Pieces.of(file.array(name))
        return
    with file.stream(name) as values:
        yield Pieces(header.shape, header.dtype, values)


def load_array(path: Path) -> np.ndarray:
    """The array of an .npy file, mapped and not read where that is possible."""
    input_file(path)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # as of read_arrays
        raise InputError(f"{path}: not an .npy file of plain numbers, or truncated; write it with numpy.save") from None


def check_shape(path: str, shape: tuple[int, ...], n_inputs: int | None) -> None:
    """InputError where spikes of such a shape cannot be run, or are not for a network of so many inputs."""
    if len(shape) != 3:
        raise InputError(f"{path}: spikes have shape {shape}, expected (samples, timesteps, inputs); reshape them")
    if n_inputs is not None and shape[2] != n_inputs:
        raise InputError(
            f"{path}: spikes of {shape[2]:,} inputs, but the network takes {n_inputs:,}; "
            "flatten its input shape row-major"
        )
    if 0 in shape:
        raise InputError(f"{path}: spikes have shape {shape}; there is nothing to run")
    if math.prod(shape) > LARGEST or shape[0] * shape[1] > MOST_ROWS:
        raise InputError(
            f"{path}: shape {list(shape)} has {math.prod(shape):,} elements and {shape[0] * shape[1]:,} timesteps in "
            f"all, at most {LARGEST:,} and {MOST_ROWS:,} can be held; split the file"
        )


def trains_from_numbers(
    path: str,
    pieces: Pieces,
    largest: int,
    timesteps: int | None = None,
    n_inputs: int | None = None,
    analog: bool = False,
) -> tuple[SpikeTrains, list[str]]:
    """Of a dense array: whole numbers are what spikes carry; numbers with fractions, 0 to 1, are analog inputs.

    Args:
        largest: value that the network takes: what an analog 1 becomes.
        timesteps: that analog values (samples, inputs), which have no time, last.
        analog: values between 0 and 1 are meant, whatever they are.
    """
    what, notes = "values" if analog else "spikes", []
    if analog and len(pieces.shape) == 2:
        if timesteps is None:
            raise InputError(
                f"{path}: values of shape {pieces.shape} have no time; --timesteps says how long they last"
            )
        given = np.concatenate([np.zeros((0, pieces.shape[1])), *pieces])
        pieces = Pieces.of(np.broadcast_to(given[:, None], (len(given), timesteps, given.shape[1])))
    shape = pieces.shape
    check_shape(path, shape, n_inputs)
    if pieces.dtype.kind not in "biuf":
        raise InputError(f"{path}: {what} of type {pieces.dtype} are not whole numbers; encode them as spikes first")
    if analog or pieces.dtype.kind == "f":
        floats = np.concatenate(list(pieces))
        if analog or not np.array_equal(floats, np.rint(floats)):
            pieces = Pieces.of(_levels(path, what, floats, largest))
            notes = [f"{path}: numbers from 0 to 1 are analog inputs here, in steps of 1 / {largest}"]
        else:
            pieces = Pieces.of(floats)
            if largest > 1 and floats.max() <= 1:
                notes = [
                    f"{path}: 1.0 is one step of {largest} here; call the array `values` if it is the largest input"
                ]
    low, high, begin = math.inf, -math.inf, 0
    keys, values = bytearray(), bytearray()  # they grow in place
    for part in pieces:
        flat = part.reshape(-1)
        low, high = min(low, flat.min()), max(high, flat.max())
        places = nonzero_places(flat)
        if low < 0 or high > 255:
            continue  # refused below
        values += flat[places].astype(np.uint8).data
        keys += (places + begin).astype(_key_type(shape)).data
        begin += len(flat)
    if low < 0 or high > 255:
        raise InputError(f"{path}: spikes from {low:g} to {high:g}; they must be 0 or 1, or 0..255 for graded inputs")
    if high > largest:
        raise InputError(
            f"{path}: spikes up to {high:g}, but this network takes 0 to {largest}; compile it with --input-levels for "
            "analog inputs, or encode them in time"
        )
    at: np.ndarray = np.frombuffer(keys, _key_type(shape))
    carried = np.frombuffer(values, np.uint8)
    return SpikeTrains.from_keys((shape[0], shape[1], shape[2]), at, carried), notes


def _levels(path: str, what: str, floats: np.ndarray, largest: int) -> np.ndarray:
    """uint8: values 0 to 1 in whole steps of 1 / largest."""
    low, high = (floats.min(), floats.max()) if np.isfinite(floats).all() else (math.nan, math.nan)
    if largest == 1:
        raise InputError(
            f"{path}: {what} of type {floats.dtype} are not whole numbers; encode them as spikes first, or compile the "
            "network with --input-levels for analog inputs"
        )
    if not (low >= 0 and high <= 1):
        raise InputError(f"{path}: {what} from {low:g} to {high:g} are no analog inputs; scale them to 0..1")
    return np.rint(floats * largest).astype(np.uint8)


def _key_type(shape: tuple[int, ...]) -> type:
    return np.uint32 if math.prod(shape) < 1 << 32 else np.int64


def trains_from_events(path: str, events: Pieces, shape: np.ndarray) -> tuple[SpikeTrains, list[str]]:
    """Of events (n, 3) = sample, timestep, input, in any order; equal ones count, and the notes say so."""
    if len(events.shape) != 2 or events.shape[1] != 3 or (events.shape[0] and events.dtype.kind not in "iu"):
        raise InputError(
            f"{path}: events are {events.dtype} of shape {events.shape}, expected integers (n, 3): "
            "sample, timestep, input"
        )
    if shape.shape != (3,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise InputError(f"{path}: shape is {shape.tolist()}, expected (samples, timesteps, inputs), each at least 1")
    samples, timesteps, inputs = map(int, shape)
    check_shape(path, (samples, timesteps, inputs), None)
    keys: np.ndarray = np.empty(events.shape[0], _key_type((samples, timesteps, inputs)))
    begin = 0
    for part in events:
        columns = np.ascontiguousarray(part.T)
        if columns.min() < 0 or any(column.max() >= n for column, n in zip(columns, shape, strict=True)):
            row = int(((part < 0) | (part >= shape)).any(axis=1).argmax())
            raise InputError(
                f"{path}: event {begin + row}, {part[row].tolist()}, lies outside shape {shape.tolist()}; counts start "
                "at 0"
            )
        sample, timestep, source = columns.astype(np.int64, copy=False)
        keys[begin : begin + len(part)] = (sample * timesteps + timestep) * inputs + source
        begin += len(part)
    keys, times, most = _counted(keys)
    twice = events.shape[0] - len(keys)
    if not twice:
        return SpikeTrains.from_keys((samples, timesteps, inputs), keys), []
    if most > LARGEST_PAYLOAD:
        raise InputError(f"{path}: {most:,} events at one place; at most {LARGEST_PAYLOAD} can fall together")
    notes = [f"{path}: {twice:,} events fall together with others, and count"]
    return SpikeTrains.from_keys((samples, timesteps, inputs), keys, times), notes


def _counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The keys in order, each once, in the memory that they were in; how often each was there, and the most of that."""
    keys.sort()
    n, start, last, times, most = 0, 0, -1, bytearray(), 0  # no key is negative
    step = max(1, PIECE // 8)
    for begin in range(0, len(keys), step):
        part = keys[begin : begin + step]
        new = np.ones(len(part), bool)
        new[1:] = part[1:] != part[:-1]
        new[0] = int(part[0]) != last
        last = int(part[-1])
        first = np.flatnonzero(new) + begin
        if len(first):
            runs = np.diff(first, prepend=start)[1 if begin == 0 else 0 :]  # the first run of all begins here
            most = max(most, int(runs.max(initial=0)))
            times += np.minimum(runs, 255).astype(np.uint8).data
            start = int(first[-1])
        keys[n : n + len(first)] = part[new]
        n += len(first)
    if n:
        most = max(most, len(keys) - start)
        times.append(min(255, len(keys) - start))
    return keys[:n], np.frombuffer(times, np.uint8), most
