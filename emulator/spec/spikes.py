"""SpikeTrains: the inputs of many samples, held as the spikes that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

BATCH: Final = 1 << 24  # elements that are looked at together


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of (samples, timesteps, inputs), sample by sample, timestep by timestep, inputs ascending.

    It stands for the dense array: `numpy.asarray(trains)` makes it, `trains[3]` that of one sample (timesteps, inputs),
    `trains[10:20]` are ten samples, not dense.

    Attributes:
        shape: samples, timesteps, inputs.
        first: (samples * timesteps + 1,) int64: the spikes of a timestep are first[row]..first[row + 1] - 1.
        source: (n,) int32 the input of each spike.
        value: (n,) uint8 what each carries, 1..255; empty where all carry 1.
    """

    shape: tuple[int, int, int]
    first: np.ndarray
    source: np.ndarray
    value: np.ndarray

    @classmethod
    def from_array(cls, array: Any) -> SpikeTrains:
        """Of (samples, timesteps, inputs) whole numbers 0..255, 0 for no spike."""
        array = np.asarray(array)
        samples, timesteps, inputs = array.shape
        keys, values = [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)]
        step = max(1, BATCH // max(1, timesteps * inputs))
        for begin in range(0, samples, step):
            part = np.ascontiguousarray(array[begin : begin + step]).reshape(-1)
            found = nonzero_places(part)
            values.append(part[found].astype(np.uint8))
            keys.append(found + begin * timesteps * inputs)
        return cls.from_keys((samples, timesteps, inputs), np.concatenate(keys), np.concatenate(values))

    @classmethod
    def from_keys(cls, shape: tuple[int, int, int], keys: np.ndarray, values: np.ndarray | None = None) -> SpikeTrains:
        """Of flat indices into the dense array, strictly ascending, which may be overwritten.

        Args:
            keys: (n,) of an integer type that holds the product of `shape`.
            values: (n,) uint8, or None: all are 1.
        """
        samples, timesteps, inputs = shape
        rows = np.arange(samples * timesteps + 1, dtype=np.int64) * inputs
        first = np.searchsorted(keys, rows.astype(keys.dtype)).astype(np.int64)
        np.remainder(keys, keys.dtype.type(max(1, inputs)), out=keys)
        source = keys.view(np.int32) if keys.dtype.itemsize == 4 else keys.astype(np.int32)
        if values is None or (values == 1).all():
            values = np.zeros(0, np.uint8)
        return cls(shape, first, source, values)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<SpikeTrains: {self.describe()}>"

    def describe(self) -> str:
        """In a line."""
        samples, timesteps, inputs = self.shape
        return f"{self.count:,} spikes in {samples:,} samples of {timesteps:,} timesteps, {inputs:,} inputs"

    @property
    def count(self) -> int:
        """How many spikes there are."""
        return len(self.source)

    @property
    def largest(self) -> int:
        """The largest value of a spike; 0 where there is none."""
        return int(self.value.max()) if len(self.value) else min(1, self.count)

    def per_input(self) -> np.ndarray:
        """(inputs,) int64 spikes of each input in all samples."""
        return np.bincount(self.source, minlength=self.shape[2])

    def __getitem__(self, index: Any) -> Any:
        """One sample, dense (timesteps, inputs) uint8; or the samples of a slice without a step, as SpikeTrains."""
        samples, timesteps, inputs = self.shape
        if isinstance(index, slice):
            begin, end, step = index.indices(samples)
            if step != 1:
                raise IndexError("samples can be cut out in one piece only; use numpy.asarray(trains) for more")
            end = max(begin, end)
            first = self.first[begin * timesteps : end * timesteps + 1]
            part = slice(first[0], first[-1])
            return SpikeTrains((end - begin, timesteps, inputs), first - first[0], self.source[part], self.value[part])
        if not -samples <= index < samples:
            raise IndexError(f"sample {index} of {samples}")
        return self[index % samples : index % samples + 1].dense()[0]

    def lasting(self, timesteps: int) -> SpikeTrains:
        """Cut to so many timesteps, or padded with silence."""
        samples, before, inputs = self.shape
        if timesteps == before:
            return self
        ends = np.diff(self.first).reshape(samples, before)[:, :timesteps]
        counts = np.zeros((samples, timesteps), np.int64)
        counts[:, : ends.shape[1]] = ends
        first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        source, value = self.source, self.value
        if timesteps < before:
            row = np.arange(samples * before).reshape(samples, before)[:, :timesteps].reshape(-1)
            places = np.repeat(self.first[row] - first[:-1], counts.reshape(-1)) + np.arange(first[-1])
            source, value = source[places], value[places] if len(value) else value
        return SpikeTrains((samples, timesteps, inputs), first, source, value)

    def dense(self) -> np.ndarray:
        """(samples, timesteps, inputs) uint8, 0 for no spike."""
        array = np.zeros((self.shape[0] * self.shape[1], self.shape[2]), np.uint8)
        row = np.repeat(np.arange(len(array)), np.diff(self.first))
        array[row, self.source] = self.value if len(self.value) else 1
        return array.reshape(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a dense array of spikes is always a copy")
        array = self.dense()
        return array if dtype is None else array.astype(dtype, copy=False)

    def events(self) -> np.ndarray:
        """(n, 3) int64: sample, timestep, input of each spike."""
        row = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        return np.stack([row // self.shape[1], row % self.shape[1], self.source], axis=1)


def nonzero_places(flat: np.ndarray) -> np.ndarray:
    """(n,) int64 where a flat, contiguous array is not 0; of bytes that are mostly 0, eight are looked at together."""
    if flat.dtype.itemsize > 1 or len(flat) % 8:
        return np.flatnonzero(flat != 0)
    words = np.flatnonzero(flat.view(np.uint64) != 0)
    word, byte = np.nonzero(flat.reshape(-1, 8)[words] != 0)
    return words[word] * 8 + byte
