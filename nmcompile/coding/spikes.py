"""Inputs of a run: spike trains, from arrays, or from recordings of events, with labels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from emulator.spec.errors import InputError
from emulator.spec.image import Image
from emulator.spec.spikes import SpikeTrains

from .arrays import Pieces, check_shape, load_array, read_arrays, trains_from_numbers
from .binning import Binning, bin_recordings, size_of
from .recordings import find_recordings, holds_recordings


@dataclass(frozen=True)
class SpikeData:
    """Inputs of a run.

    Attributes:
        spikes: of (samples, timesteps, inputs): 0/1, or payloads up to 255 for graded inputs; an array of them is
            taken, too.
        labels: (samples,) int64, or None.
        extra: other arrays of the file, for example `float_counts`, or `rewards` (samples,) for learning.
        notes: what was merged, dropped, padded or assumed when they were read, a sentence each.
    """

    spikes: SpikeTrains
    labels: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.spikes, SpikeTrains):
            object.__setattr__(self, "spikes", SpikeTrains.from_array(self.spikes))

    def __len__(self) -> int:
        return len(self.spikes)

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else f"{len(np.unique(self.labels)):,} classes"
        return f"<SpikeData: {self.spikes.describe()}, {labels}>"

    def first(self, n: int | None) -> SpikeData:
        """The first n samples."""
        total = len(self.spikes)
        if n is None or n >= total:
            return self
        extra = {k: v[:n] if v.ndim and len(v) == total else v for k, v in self.extra.items()}
        return replace(
            self, spikes=self.spikes[:n], labels=None if self.labels is None else self.labels[:n], extra=extra
        )

    def lasting(self, timesteps: int | None) -> SpikeData:
        """Cut to so many timesteps, or padded with silence; None leaves them as they are."""
        return self if timesteps is None else replace(self, spikes=self.spikes.lasting(timesteps))


def largest_input(image: Image) -> int:
    """The largest input value that the image was compiled for, and whose sums are proven to fit: 1 to 255."""
    return 1 if image.notes is None else image.notes.input_levels


def read_spikes(
    source: Any,
    n_inputs: int | None = None,
    largest: int = 255,
    *,
    limit: int | None = None,
    timesteps: int | None = None,
    **binning: Any,
) -> SpikeData:
    """Inputs from whatever holds them.

    Args:
        source: a path of
            an .npz with `spikes` (samples, timesteps, inputs), or `events` (n, 3) = sample, timestep, input with
            `shape`, or `values` 0..1 (samples[, timesteps], inputs) for analog inputs, and `labels`;
            an .npy with such spikes or values;
            recordings of events: N-MNIST's .bin, AEDAT4, Prophesee's .raw (EVT2, EVT3), SHD's or SSC's .h5, .npy and
            .npz of fields t, x, y, p; or a folder of them, whose subfolders are classes.
            Or an array (samples, timesteps, inputs); or a data set as tonic has them, (events, label) by index; or one
            or several structured arrays of events.
        n_inputs: what the network takes; None accepts any width.
        largest: value that it takes: 1, or more where it was compiled for analog inputs (`largest_input`).
        limit: read the first samples only.
        timesteps: cut to so many, or padded with silence; analog values without a time are repeated so often.
        binning: how events become spikes, the fields of `Binning`: bin="1ms", bin_rule, events, polarity, ...

    Raises:
        InputError: no such file, nothing that is read here, values that are no spikes, a wrong width, or labels or
            rewards of another length than the samples.
    """
    how = Binning(**binning)
    where = str(source) if isinstance(source, (str, Path)) else "inputs"
    if isinstance(source, SpikeData):
        data = source
    elif isinstance(source, SpikeTrains):
        data = SpikeData(source)
    elif holds_recordings(source, how.format):
        trains, labels, notes = bin_recordings(
            find_recordings(source, how.format, size_of("sensor", how.sensor), limit), how, n_inputs, largest, timesteps
        )
        data = SpikeData(trains, labels, {}, tuple(notes))
    elif Path(where).suffix.lower() == ".npy" or not isinstance(source, (str, Path)):
        array = np.asarray(source) if where == "inputs" else load_array(Path(where))
        trains, found = trains_from_numbers(where, Pieces.of(array), largest, timesteps, n_inputs)
        data = SpikeData(trains, notes=tuple(found))
    else:
        trains, arrays, found = read_arrays(Path(where), largest, timesteps, n_inputs)
        data = SpikeData(trains, *_checked(where, trains.shape, arrays), tuple(found))
    data = data.first(limit)
    check_shape(where, data.spikes.shape, n_inputs)
    if data.spikes.largest > largest:
        raise InputError(
            f"{where}: spikes up to {data.spikes.largest}, but this network takes 0 to {largest}; compile it with "
            "--input-levels for analog inputs, or encode them in time"
        )
    return data.lasting(timesteps)


def _checked(
    path: str, shape: tuple[int, ...], arrays: dict[str, np.ndarray]
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """The labels, and the other arrays of a file beside its spikes."""
    (samples, timesteps), labels = shape[:2], arrays.pop("labels", None)
    if labels is not None:
        if samples != timesteps and labels.shape == (timesteps,):
            raise InputError(
                f"{path}: {len(labels)} labels for {samples} samples of {timesteps} timesteps; spikes are (samples, "
                "timesteps, inputs): swap the first two axes"
            )
        if labels.shape != (samples,):
            raise InputError(
                f"{path}: labels of shape {labels.shape} for {samples} samples; one label per sample is needed"
            )
        if labels.dtype.kind not in "biu" and not (
            labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)) and np.isfinite(labels).all()
        ):
            raise InputError(f"{path}: labels of type {labels.dtype} are not whole numbers; give the index of a class")
        labels = labels.astype(np.int64)
    rewards = arrays.get("rewards")
    if rewards is not None and (rewards.shape != (samples,) or rewards.dtype.kind not in "iu"):
        raise InputError(
            f"{path}: rewards are {rewards.dtype} of shape {rewards.shape} for {samples} samples; one integer per "
            "sample is needed"
        )
    accuracy = arrays.get("float_accuracy")
    if accuracy is not None and (accuracy.ndim or accuracy.dtype.kind not in "iuf"):
        raise InputError(f"{path}: float_accuracy is {accuracy.dtype} of shape {accuracy.shape}; give one number")
    return labels, arrays
