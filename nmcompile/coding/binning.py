"""Events become spikes: which timestep, which input, and what becomes of events that fall together.

Times are whole microseconds, and the first timestep begins at a recording's first event. A bin is [start, end), so that
an event on a boundary belongs to the later one. Frameworks differ in the ends, hence the rules:

| rule | bin = a duration d | bin = n timesteps |
|---|---|---|
| all | floor((last - first) / d) + 1 timesteps, nothing is dropped | n equal parts, nothing is dropped |
| tonic | the unfinished timestep at the end is dropped | each (last - first) // n, what is left is dropped |
| spikingjelly | ceil((last - first) / d); the last one is closed | the same, the last takes what is left |
| snntorch | as many as `timesteps` says, later events are dropped | (no such thing) |

Each equals, frame by frame, `tonic.transforms.ToFrame` 1.7 (time_window, n_time_bins), SpikingJelly's
`integrate_events_by_fixed_duration` and `..._frames_number` 2.0 with split_by="time", and snnTorch's spikevision 1.0.
Events need not be in order: each goes to its own timestep. (tonic and SpikingJelly cut by index.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from emulator.spec.errors import InputError, UsageError
from emulator.spec.spikes import SpikeTrains

from .choices import EVENTS, FORMATS, POLARITIES, RULES
from .recordings import Recording

UNITS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000}
MOST_TIMESTEPS: Final = 1 << 24


@dataclass(frozen=True)
class Binning:
    """How recordings of events become spikes.

    Attributes:
        bin: how long a timestep is, for example "1ms" or "500us"; or into how many a recording is cut, an integer.
        bin_rule: what happens at the end of a recording, see above.
        events: "once": an input that has any event in a timestep sends one spike; "count": it sends their number.
        polarity: "both": inputs are (polarity, y, x), OFF first; "merge": (y, x), whatever the polarity; "on", "off":
            (y, x) of events of that polarity. None: both, where the network has that many inputs.
        downscale: (width, height) of what is left, or its text "17x17": x * new // old; or a number that divides x
            and y.
        crop: (width, height): events beyond it are dropped, before downscaling.
        sensor: (width, height), where a file does not say it.
        start: microseconds, where the first timestep begins; None: at the first event.
        format: of the files, one of FORMATS, where their names do not say it.
    """

    bin: str | int | None = None
    bin_rule: str = "all"
    events: str = "once"
    polarity: str | None = None
    downscale: str | int | tuple[int, int] | None = None
    crop: str | tuple[int, int] | None = None
    sensor: str | tuple[int, int] | None = None
    start: int | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("bin_rule", self.bin_rule, RULES),
            ("events", self.events, EVENTS),
            ("polarity", self.polarity or "both", POLARITIES),
            ("format", self.format or FORMATS[0], FORMATS),
        ):
            if value not in choices:
                raise UsageError(f"{name} {value!r}; the choices are {', '.join(choices)}")
        _ = self.duration, self.timesteps, size_of("crop", self.crop), size_of("sensor", self.sensor)
        if self.bin_rule == "snntorch" and self.timesteps:
            raise UsageError(f"bin {self.bin!r} is a number of timesteps, the rule of snntorch needs a duration")
        if isinstance(self.factor, int) and self.factor < 1:
            raise UsageError(f"downscale {self.downscale!r}; it divides by 1 or more, or gives a size such as 17x17")

    @property
    def duration(self) -> int | None:
        """Microseconds of a timestep."""
        if not isinstance(self.bin, str) or self.bin.isdecimal():
            return None
        found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(us|ms|s)", self.bin)
        length = float(found[1]) * UNITS[found[2]] if found else 0.0
        if length < 1 or length != int(length) or length > 1 << 40:
            raise UsageError(
                f"bin {self.bin!r}; give a duration of whole microseconds, for example 1ms or 500us, or how many "
                "timesteps a recording is cut into"
            )
        return int(length)

    @property
    def timesteps(self) -> int | None:
        """Into how many a recording is cut."""
        if self.bin is None or self.duration:
            return None
        if not 1 <= int(self.bin) <= MOST_TIMESTEPS:
            raise UsageError(f"bin {self.bin!r}; a recording is cut into 1 to {MOST_TIMESTEPS:,} timesteps")
        return int(self.bin)

    @property
    def factor(self) -> int | tuple[int, int] | None:
        """What downscaling divides by, or the size that it gives."""
        if isinstance(self.downscale, int) or (isinstance(self.downscale, str) and self.downscale.isdecimal()):
            return int(self.downscale)
        return size_of("downscale", self.downscale)


def size_of(name: str, value: str | tuple[int, int] | None) -> tuple[int, int] | None:
    """(width, height) of "34x34", or of a pair."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", value) if isinstance(value, str) else None
    pair = (found[1], found[2]) if found else () if isinstance(value, str) else tuple(value)
    if len(pair) != 2 or min(map(int, pair)) < 1:
        raise UsageError(f"{name} {value!r}; give WIDTHxHEIGHT, for example 34x34")
    return int(pair[0]), int(pair[1])


def bin_recordings(
    recordings: Iterable[Recording],
    how: Binning,
    n_inputs: int | None,
    largest: int,
    timesteps: int | None,
) -> tuple[SpikeTrains, np.ndarray | None, list[str]]:
    """The trains of recordings, a sample each, their labels if all have one, and what was merged or dropped.

    Args:
        n_inputs, largest: what the network takes, if that is known.
        timesteps: of each sample; None: as many as the longest has.
    """
    tally = _Tally()
    sources, values = bytearray(), bytearray()  # they grow in place
    counts, labels, width = [], [], n_inputs
    for recording in recordings:
        source, value, count, width = _bin(recording, how, width, timesteps, tally)
        sources += source.data
        values += value.data
        counts.append(count)
        labels.append(recording.label)
    if not counts or not width:
        raise InputError("no recording to read; give at least one")
    lengths = [len(count) for count in counts]
    steps = timesteps or max(lengths)
    table = np.zeros((len(counts), steps), np.int64)
    for row, count in zip(table, counts, strict=True):
        row[: len(count)] = count
    carried = np.frombuffer(values, np.uint8)
    trains = SpikeTrains(
        (len(counts), steps, width),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(table)]),
        np.frombuffer(sources, np.int32),
        carried if (carried > 1).any() else np.zeros(0, np.uint8),
    )
    if trains.largest > largest:
        raise InputError(
            f"an input counts up to {trains.largest} events in a timestep, but this network takes 0 to {largest}; use "
            "--events once, a shorter --bin, or compile it with --input-levels"
        )
    known = np.array(labels, np.int64) if all(label is not None for label in labels) else None
    return trains, known, tally.notes(how, lengths, steps)


@dataclass
class _Tally:
    """What happened to events, over all recordings."""

    events: int = 0
    merged: int = 0
    late: int = 0
    early: int = 0
    cropped: int = 0
    other: int = 0
    backwards: int = 0
    untimed: int = 0

    def notes(self, how: Binning, lengths: list[int], steps: int) -> list[str]:
        def of(n: int) -> str:
            return f"{n:,} of {self.events:,} events"

        found = []
        if self.untimed:
            found.append(f"{self.untimed:,} events come before the first time in their file and were dropped")
        if self.cropped:
            found.append(f"{of(self.cropped)} lie beyond the crop and were dropped")
        if self.other:
            found.append(f"{of(self.other)} are of the other polarity and were dropped")
        if self.backwards:
            found.append(f"{of(self.backwards)} are earlier than the event before them; each goes to its own timestep")
        if self.early:
            found.append(f"{of(self.early)} come before the start and were dropped")
        if self.late:
            found.append(
                f"{of(self.late)} come after the last timestep by the rule of {how.bin_rule!r} and were dropped"
            )
        if self.merged:
            what = "one spike" if how.events == "once" else "a graded spike"
            found.append(f"{of(self.merged)} fell on an input and timestep that had one already: {what} for all")
        if min(lengths) < steps:
            found.append(
                f"recordings last {min(lengths):,} to {max(lengths):,} timesteps; {steps:,} for all, with silence"
            )
        return found


def _bin(
    r: Recording, how: Binning, n_inputs: int | None, timesteps: int | None, tally: _Tally
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """One recording: source and value of its spikes in order, spikes in each timestep, inputs."""
    tally.events += len(r.t)
    tally.untimed += r.untimed
    tally.backwards += int(np.count_nonzero(r.t[1:] < r.t[:-1]))
    x, y, width, height = r.x.astype(np.int64), r.y.astype(np.int64), r.width, r.height
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    if outside.any():
        i = int(outside.argmax())
        raise InputError(f"{r.name}: event {i} at x = {x[i]}, y = {y[i]} lies outside the sensor of {width}x{height}")
    keep = np.ones(len(r.t), bool)
    if how.crop is not None:
        across, down = size_of("crop", how.crop) or (width, height)
        width, height = min(width, across), min(height, down)
        keep = (x < width) & (y < height)
        tally.cropped += int(np.count_nonzero(~keep))
    x, y, width, height = _downscaled(x, y, width, height, how.factor)
    polarity = _polarity(r, how, width * height, n_inputs)
    if polarity in ("on", "off"):
        mine = r.p == (polarity == "on")
        tally.other += int(np.count_nonzero(keep & ~mine))
        keep &= mine
    place = y * width + x
    if polarity == "both":
        place += r.p.astype(np.int64) * width * height
    inputs = width * height * (2 if polarity == "both" else 1)
    if n_inputs is not None and inputs != n_inputs:
        raise InputError(
            f"{r.name}: {inputs:,} inputs ({width}x{height}{', two polarities' if polarity == 'both' else ''}), but "
            f"the network takes {n_inputs:,}; --downscale, --crop and --polarity change them"
        )
    step, length = _timesteps(r, how, timesteps)
    length = min(length, timesteps) if timesteps else length
    if length > MOST_TIMESTEPS:
        raise InputError(f"{r.name}: {length:,} timesteps, at most {MOST_TIMESTEPS:,} can be held; use a longer --bin")
    tally.early += int(np.count_nonzero(keep & (step < 0)))
    tally.late += int(np.count_nonzero(keep & (step >= length)))
    keep &= (step >= 0) & (step < length)
    keys = np.sort(step[keep] * inputs + place[keep])
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
    tally.merged += len(keys) - len(begins)
    value = np.ones(len(begins), np.uint8)
    if how.events == "count":
        count = np.diff(np.append(begins, len(keys)))
        if count.max(initial=0) > 255:
            raise InputError(
                f"{r.name}: an input has {count.max():,} events in a timestep; a graded spike counts 255 at most, use "
                "a shorter --bin or --events once"
            )
        value = count.astype(np.uint8)
    keys = keys[begins]
    return (keys % inputs).astype(np.int32), value, np.bincount(keys // inputs, minlength=length), inputs


def _downscaled(
    x: np.ndarray, y: np.ndarray, width: int, height: int, factor: int | tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray, int, int]:
    if factor is None:
        return x, y, width, height
    if isinstance(factor, int):
        return x // factor, y // factor, -(-width // factor), -(-height // factor)
    if factor[0] > width or factor[1] > height:
        raise UsageError(f"downscale {factor[0]}x{factor[1]} is larger than {width}x{height}; give a smaller size")
    return x * factor[0] // width, y * factor[1] // height, *factor


def _polarity(r: Recording, how: Binning, pixels: int, n_inputs: int | None) -> str:
    if r.channels == 1:
        return "merge"
    if how.polarity is None and n_inputs == pixels:
        raise InputError(
            f"{r.name}: events of two polarities, but the network takes one input a pixel; say --polarity merge, on or "
            "off"
        )
    return how.polarity or "both"


def _timesteps(r: Recording, how: Binning, timesteps: int | None) -> tuple[np.ndarray, int]:
    """The timestep of each event, which may lie outside, and how many there are."""
    if how.bin is None:
        raise InputError(f"{r.name}: a recording in microseconds; --bin says how long a timestep is, for example 1ms")
    if how.bin_rule == "snntorch" and timesteps is None:
        raise UsageError("the rule of snntorch has a fixed number of timesteps; give --timesteps")
    if not len(r.t):
        return r.t, timesteps or how.timesteps or 1
    first = int(r.t.min()) if how.start is None else how.start
    t, span = r.t - first, max(0, int(r.t.max()) - first)
    if how.duration:
        step = t // how.duration
        if how.bin_rule == "all":
            return step, span // how.duration + 1
        if how.bin_rule == "snntorch":
            return step, timesteps or 1
        if how.bin_rule == "tonic":
            return step, max(1, span // how.duration)
        length = max(1, -(-span // how.duration))
        return np.minimum(step, length - 1), length
    n = how.timesteps or 1
    if how.bin_rule == "all":
        return t * n // (span + 1), n
    step = t // (span // n) if span >= n else np.full(len(t), n)
    return np.minimum(step, n - 1) if how.bin_rule == "spikingjelly" else step, n
