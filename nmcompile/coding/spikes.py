"""Read IN.npz: spike trains, or events, with labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emulator.spec.archive import Archive
from emulator.spec.errors import InputError
from emulator.spec.files import printable
from emulator.spec.image import Image

LARGEST = 1 << 33  # elements of (samples, timesteps, inputs), a byte each
LARGEST_OTHER = 1 << 28  # bytes of any other array


@dataclass(frozen=True)
class SpikeData:
    """Inputs of a run.

    Attributes:
        spikes: (samples, timesteps, inputs) uint8, 0/1, or payloads up to 255 for graded inputs.
        labels: (samples,) int64, or None.
        extra: other arrays of the file, for example `float_counts`, or `rewards` (samples,) for learning.
    """

    spikes: np.ndarray
    labels: np.ndarray | None
    extra: dict[str, np.ndarray]

    def first(self, n: int | None) -> SpikeData:
        """The first n samples."""
        if n is None or n >= len(self.spikes):
            return self
        total = len(self.spikes)
        extra = {k: v[:n] if v.ndim and len(v) == total else v for k, v in self.extra.items()}
        return SpikeData(self.spikes[:n], None if self.labels is None else self.labels[:n], extra)

    def lasting(self, timesteps: int | None) -> SpikeData:
        """Cut to so many timesteps, or padded with silence; None leaves them as they are."""
        if timesteps is None:
            return self
        longer = np.zeros((len(self.spikes), max(0, timesteps - self.spikes.shape[1]), self.spikes.shape[2]), np.uint8)
        return SpikeData(np.concatenate([self.spikes[:, :timesteps], longer], axis=1), self.labels, self.extra)


def largest_input(image: Image) -> int:
    """The largest input value that the image was compiled for, and whose sums are proven to fit: 1 to 255."""
    return 1 if image.notes is None else image.notes.input_levels


def read_spikes(path: str | Path, n_inputs: int | None = None, largest: int = 255) -> SpikeData:
    """Read IN.npz: `spikes` (samples, timesteps, inputs), or `events` (n, 3) = sample, timestep, input with `shape`.

    Args:
        n_inputs: what the network takes; None accepts any width.
        largest: value that it takes: 1, or more where it was compiled for analog inputs (`largest_input`).

    Raises:
        InputError: no such file, not an .npz, no spikes in it, values that are no spikes, a wrong width, or labels or
            rewards of another length than the samples.
    """
    path = Path(path)
    try:
        with Archive(path) as file:
            spikes, arrays = _unpacked(file, n_inputs)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{path}: larger than the memory of this computer; split the file") from None
    except Exception:  # numpy, zipfile and zlib raise a dozen kinds on what is no .npz file, or a damaged one
        raise InputError(f"{path}: not an .npz file of plain arrays, or truncated; write it with numpy.savez") from None
    if spikes.dtype.kind not in "biu" and not (spikes.dtype.kind == "f" and np.array_equal(spikes, np.rint(spikes))):
        raise InputError(f"{path}: spikes of type {spikes.dtype} are not whole numbers; encode them as spikes first")
    low, high = spikes.min(), spikes.max()
    if low < 0 or high > 255:
        raise InputError(f"{path}: spikes from {low:g} to {high:g}; they must be 0 or 1, or 0..255 for graded inputs")
    if high > largest:
        raise InputError(
            f"{path}: spikes up to {high:g}, but this network takes 0 to {largest}; compile it with --input-levels for "
            "analog inputs, or encode them in time"
        )
    labels = arrays.pop("labels", None)
    if labels is not None:
        if labels.shape != (len(spikes),):
            raise InputError(
                f"{path}: labels of shape {labels.shape} for {len(spikes)} samples; one label per sample is needed"
            )
        if labels.dtype.kind not in "biu" and not (
            labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)) and np.isfinite(labels).all()
        ):
            raise InputError(f"{path}: labels of type {labels.dtype} are not whole numbers; give the index of a class")
        labels = labels.astype(np.int64)
    rewards = arrays.get("rewards")
    if rewards is not None and (rewards.shape != (len(spikes),) or rewards.dtype.kind not in "iu"):
        raise InputError(
            f"{path}: rewards are {rewards.dtype} of shape {rewards.shape} for {len(spikes)} samples; one integer per "
            "sample is needed"
        )
    accuracy = arrays.get("float_accuracy")
    if accuracy is not None and (accuracy.ndim or accuracy.dtype.kind not in "iuf"):
        raise InputError(f"{path}: float_accuracy is {accuracy.dtype} of shape {accuracy.shape}; give one number")
    return SpikeData(np.ascontiguousarray(spikes, np.uint8), labels, arrays)


def _unpacked(file: Archive, n_inputs: int | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Spikes, and the other arrays; what the spikes are is looked at before anything is unpacked."""
    names = file.arrays
    if "spikes" in names:
        _check_shape(file.path, file.header("spikes").shape, n_inputs)
        spikes = file.array("spikes")
    elif "events" in names and "shape" in names:
        shape = file.array("shape", LARGEST_OTHER)
        if shape.shape == (3,) and shape.dtype.kind in "iu" and shape.min() > 0:
            _check_shape(file.path, tuple(shape.tolist()), n_inputs)
        spikes = _from_events(file.path, file.array("events"), shape)
    else:
        held = ", ".join(map(printable, names)) or "nothing"
        raise InputError(f"{file.path}: needs `spikes`, or `events` and `shape`; it holds {held}")
    others = [name for name in names if name not in ("spikes", "events", "shape")]
    return spikes, {printable(name): file.array(name, LARGEST_OTHER) for name in others}


def _check_shape(path: Path, shape: tuple[int, ...], n_inputs: int | None) -> None:
    if len(shape) != 3:
        raise InputError(f"{path}: spikes have shape {shape}, expected (samples, timesteps, inputs); reshape them")
    if n_inputs is not None and shape[2] != n_inputs:
        raise InputError(
            f"{path}: spikes of {shape[2]:,} inputs, but the network takes {n_inputs:,}; "
            "flatten its input shape row-major"
        )
    if 0 in shape:
        raise InputError(f"{path}: spikes have shape {shape}; there is nothing to run")


def _from_events(path: Path, events: np.ndarray, shape: np.ndarray) -> np.ndarray:
    if events.ndim != 2 or events.shape[1] != 3 or (len(events) and events.dtype.kind not in "iu"):
        raise InputError(
            f"{path}: events are {events.dtype} of shape {events.shape}, expected integers (n, 3): "
            "sample, timestep, input"
        )
    if shape.shape != (3,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise InputError(f"{path}: shape is {shape.tolist()}, expected (samples, timesteps, inputs), each at least 1")
    if math.prod(shape.tolist()) > LARGEST:
        raise InputError(
            f"{path}: shape {shape.tolist()} has {math.prod(shape.tolist()):,} elements, at most {LARGEST:,} can be "
            "held; split the file"
        )
    outside = ((events < 0) | (events >= shape)).any(axis=1)
    if outside.any():
        raise InputError(
            f"{path}: event {outside.argmax()}, {events[outside.argmax()].tolist()}, lies outside shape "
            f"{shape.tolist()}; counts start at 0"
        )
    spikes = np.zeros(shape, np.uint8)
    spikes[tuple(events.astype(np.int64).T)] = 1
    return spikes
