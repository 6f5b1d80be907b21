"""Writers of recordings for tests, from the published formats, an event at a time; other libraries write them, too."""

import struct
from pathlib import Path

import numpy as np

EVENT = np.dtype([("t", np.int64), ("x", np.int64), ("y", np.int64), ("p", np.int64)])


def events_of(rows) -> np.ndarray:
    return np.array([tuple(row) for row in rows], EVENT)


def random_events(n: int, width: int, height: int, last: int, seed: int = 3, first: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    events = np.zeros(n, EVENT)
    events["t"] = np.sort(rng.integers(first, last + 1, n))
    for name, size in (("x", width), ("y", height), ("p", 2)):
        events[name] = rng.integers(0, size, n)
    return events


def nmnist(path: Path, events: np.ndarray) -> None:
    """A number of 40 bits an event, as its paper writes them; a mark with y = 240 is written as it is."""
    with open(path, "wb") as file:
        for t, x, y, p in events.tolist():
            file.write((x << 32 | y << 24 | p << 23 | t).to_bytes(5, "big"))


def nmnist_columns(path: Path, events: np.ndarray) -> None:
    """The same, a column of bytes at a time."""
    t, x, y, p = (events[name] for name in "txyp")
    np.stack([x, y, p * 128 + t // 65536, t // 256 % 256, t % 256], axis=1).astype(np.uint8).tofile(path)


def evt2(path: Path, events: np.ndarray, header: str = "% evt 2.0\n% geometry 640x480\n% end\n", before=()) -> None:
    words, high = list(before), None
    for t, x, y, p in events.tolist():
        if (t >> 6) & 0xFFFFFFF != high:
            high = (t >> 6) & 0xFFFFFFF
            words.append(8 << 28 | high)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    path.write_bytes(header.encode() + struct.pack(f"<{len(words)}I", *words))


def evt3(
    path: Path, events: np.ndarray, header: str = "% evt 3.0\n% format EVT3;height=720;width=1280\n% end\n", before=()
) -> None:
    """Single events; runs of neighbours at one time become vectors. The upper time is said whenever it changes."""
    words, high, low, row = list(before), None, None, None
    rows = events.tolist()
    while rows:
        t, x, y, p = rows[0]
        if t >> 12 != high:
            for step in range(t >> 12 if high is None else high + 1, (t >> 12) + 1):  # no round is left out
                words.append(8 << 12 | step & 0xFFF)
            high = t >> 12
        if t & 0xFFF != low:
            low = t & 0xFFF
            words.append(6 << 12 | low)
        if y != row:
            row = y
            words.append(y)
        run = 1
        while run < len(rows) and run < 32 and rows[run] == (t, x + run, y, p):
            run += 1
        if run < 3:
            words.append(2 << 12 | p << 11 | x)
            rows = rows[1:]
            continue
        rows = rows[run:]
        words.append(3 << 12 | p << 11 | x)
        while run > 0:
            kind, width = (5, 8) if run <= 8 else (4, 12)
            words.append(kind << 12 | (1 << min(run, width)) - 1)
            run -= width
    path.write_bytes(header.encode() + struct.pack(f"<{len(words)}H", *words))


def aedat4(path: Path, events: np.ndarray, width: int = 346, height: int = 260, streams: int = 1) -> None:
    """Uncompressed, its flatbuffers by hand: an IOHeader, then packets of a hundred events."""
    info = '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    for i in range(streams):
        info += f'<node name="{i}" path="/mainloop/Recorder/outInfo/{i}/">'
        info += '<attr key="compression" type="string">NONE</attr><attr key="typeIdentifier" type="string">EVTS</attr>'
        info += f'<node name="info" path="/mainloop/Recorder/outInfo/{i}/info/">'
        info += f'<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>'
        info += "</node></node>"
    text = (info + "</node></dv>").encode()
    table = struct.pack("<HHHHH6x", 10, 20, 4, 8, 16) + struct.pack("<iiqI", 16, 0, -1, 4)
    content = sized(b"IOHE", 24, table + struct.pack("<I", len(text)) + text + b"\0")
    packets = b""
    for begin in range(0, len(events), 100):
        part = events[begin : begin + 100]
        rows = b"".join(struct.pack("<qhh?3x", t, x, y, bool(p)) for t, x, y, p in part.tolist())
        table = struct.pack("<HHH2x", 6, 8, 4) + struct.pack("<iI4xI", 8, 8, len(part)) + rows
        packet = sized(b"EVTS", 16, table)
        packets += struct.pack("<ii", begin // 100 % streams, len(packet)) + packet
    path.write_bytes(b"#!AER-DAT4.0\r\n" + content + packets)


def sized(name: bytes, root: int, rest: bytes) -> bytes:
    """A flatbuffer behind its size."""
    buffer = struct.pack("<I", root) + name + rest
    return struct.pack("<I", len(buffer)) + buffer


def faery(path: Path, events: np.ndarray, width: int, height: int, version: str | None = None) -> None:
    """What the library of that name writes, by the file's ending."""
    import faery as library

    rows = np.zeros(len(events), library.EVENTS_DTYPE)
    for ours, theirs in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
        rows[theirs] = events[ours]
    stream = library.events_stream_from_array(rows, (width, height))
    stream.to_file(path, version=version, zero_t0=False)


def shd(path: Path, samples: list[np.ndarray], labels: list[int]) -> None:
    """As the published files: float16 seconds, uint16 units, of different lengths."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, field, kind, unit in (("times", "t", np.float16, 1e-6), ("units", "x", np.uint16, 1)):
            rows = file.create_dataset(f"spikes/{name}", (len(samples),), h5py.vlen_dtype(kind))
            for i, events in enumerate(samples):
                rows[i] = (events[field] * unit).astype(kind)
        file["labels"] = np.array(labels, np.uint16)
