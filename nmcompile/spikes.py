"""Read IN.npz: spike trains, or events, with labels."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emulator.spec.errors import InputError


@dataclass(frozen=True)
class SpikeData:
    """Inputs of a run.

    Attributes:
        spikes: (samples, timesteps, inputs) uint8, 0/1, or payloads up to 255 for graded inputs.
        labels: (samples,) int64, or None.
        extra: other arrays of the file, for example `float_counts`.
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


def read_spikes(path: str | Path, n_inputs: int | None = None) -> SpikeData:
    """Read IN.npz: `spikes` (samples, timesteps, inputs), or `events` (n, 3) = sample, timestep, input with `shape`.

    Args:
        n_inputs: what the network takes; None accepts any width.

    Raises:
        InputError: no such file, not an .npz, no spikes in it, values that are no spikes, a wrong width, or labels of
            another length than the samples.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError):
        raise InputError(f"{path}: not an .npz file of plain arrays, or truncated; write it with numpy.savez") from None
    if "spikes" in arrays:
        spikes = arrays.pop("spikes")
    elif "events" in arrays and "shape" in arrays:
        spikes = _from_events(path, arrays.pop("events"), arrays.pop("shape"))
    else:
        held = ", ".join(arrays) or "nothing"
        raise InputError(f"{path}: needs `spikes`, or `events` and `shape`; it holds {held}")
    if spikes.ndim != 3:
        raise InputError(f"{path}: spikes have shape {spikes.shape}, expected (samples, timesteps, inputs)")
    if n_inputs is not None and spikes.shape[2] != n_inputs:
        raise InputError(f"{path}: spikes of {spikes.shape[2]} inputs, but the network takes {n_inputs}")
    if 0 in spikes.shape:
        raise InputError(f"{path}: spikes have shape {spikes.shape}; there is nothing to run")
    if spikes.dtype.kind not in "biu" and not (spikes.dtype.kind == "f" and np.array_equal(spikes, np.rint(spikes))):
        raise InputError(f"{path}: spikes are {spikes.dtype} with fractions; encode them as integers 0..255 first")
    low, high = spikes.min(), spikes.max()
    if low < 0 or high > 255:
        raise InputError(f"{path}: spikes from {low} to {high}; they must be 0/1, or 0..255 for graded inputs")
    labels = arrays.pop("labels", None)
    if labels is not None:
        if labels.shape != (len(spikes),):
            raise InputError(
                f"{path}: labels of shape {labels.shape} for {len(spikes)} samples; one label per sample is needed"
            )
        labels = labels.astype(np.int64)
    return SpikeData(np.ascontiguousarray(spikes, np.uint8), labels, arrays)


def _from_events(path: Path, events: np.ndarray, shape: np.ndarray) -> np.ndarray:
    if events.ndim != 2 or events.shape[1] != 3 or events.dtype.kind not in "iu":
        raise InputError(f"{path}: events are {events.dtype} of shape {events.shape}, expected integers (n, 3)")
    if shape.shape != (3,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise InputError(f"{path}: shape is {shape.tolist()}, expected (samples, timesteps, inputs)")
    if int(np.prod(shape.astype(object))) > 1 << 34:
        raise InputError(f"{path}: shape {shape.tolist()} is too large to hold; split the file")
    if len(events) and (events.min() < 0 or np.any(events.max(axis=0) >= shape)):
        raise InputError(
            f"{path}: an event lies outside shape {shape.tolist()}: {events.max(axis=0).tolist()} is the largest"
        )
    spikes = np.zeros(shape, np.uint8)
    spikes[tuple(events.T)] = 1
    return spikes
