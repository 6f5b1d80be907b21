"""Frames that tonic, SpikingJelly and snnTorch make of one recording: written to tests/data/binning.npz.

Run by hand, where these are installed (tonic 1.7.0, spikingjelly 2.0.0, snntorch 1.0.0); nothing here needs them again:

    python tools/binning.py
"""

from pathlib import Path

import numpy as np
import snntorch.spikevision._transforms as snntorch
import tonic
from spikingjelly.datasets import utils as spikingjelly

WIDTH, HEIGHT, WINDOW, BINS = 34, 34, 1000, 7
OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "binning.npz"


def recording(last: int) -> np.ndarray:
    """400 events from 5,000 us on, some at the same place and time, on boundaries of bins, and the last at `last`."""
    rng = np.random.default_rng(7)
    events = np.zeros(400, [("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
    for name, size in (("x", WIDTH), ("y", HEIGHT), ("p", 2)):
        events[name] = rng.integers(0, size, len(events))
    events["t"] = np.sort(rng.integers(0, last + 1, len(events)))
    events["t"][100:140] -= events["t"][100:140] % WINDOW  # on a boundary, where they end up together
    events["t"].sort()
    events["t"][[0, -1]] = 0, last
    events[10:13] = events[10]
    events["t"] += 5000
    return events


def frames(events: np.ndarray) -> dict[str, np.ndarray]:
    """By rule and kind of bin: (timesteps, polarity, y, x) as each of them has it."""
    sensor = (WIDTH, HEIGHT, 2)
    fields = {name: events[name] for name in "txyp"}
    columns = np.stack([events[name] for name in ("t", "p", "x", "y")], axis=1)
    columns[:, 0] -= columns[0, 0]
    crop = snntorch.CropDims(low_crop=[0, 0], high_crop=[32, 32], dims=[2, 3])
    counted = snntorch.ToCountFrame(T=20, size=[2, 32, 32])
    window, parts = (
        tonic.transforms.ToFrame(sensor, **{k: v}) for k, v in (("time_window", WINDOW), ("n_time_bins", BINS))
    )
    return {
        "tonic window": window(events.copy()),
        "tonic bins": parts(events.copy()),
        "spikingjelly window": spikingjelly.integrate_events_by_fixed_duration(fields, WINDOW, HEIGHT, WIDTH),
        "spikingjelly bins": spikingjelly.integrate_events_by_fixed_frames_number(fields, "time", BINS, HEIGHT, WIDTH),
        "snntorch window": counted(snntorch.Downsample([WINDOW, 1, 1, 1])(crop(columns))).swapaxes(2, 3),
    }


if __name__ == "__main__":
    arrays = {}
    for name, last in (("unfinished", 23_456), ("whole", 24_000)):
        events = recording(last)
        arrays[f"{name} events"] = events
        arrays |= {f"{name} {key}": value.astype(np.uint8) for key, value in frames(events).items()}
    np.savez_compressed(OUT, **arrays)
    print({name: value.shape for name, value in arrays.items()})
