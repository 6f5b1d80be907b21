"""Prophesee's raw files: EVT2 and EVT3, decoded as their published formats say; tests compare with another decoder.

Source: Prophesee, "Data encoding formats", EVT 2.0 and EVT 3.0; the header is lines that begin with "% ".
Where we differ from some: the clock goes on when its upper part wraps, an event before the first time is dropped, and
what the header names is obeyed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.spec.errors import InputError

NOT_READ = {"21": "EVT2.1", "2.1": "EVT2.1", "4": "EVT4", "4.0": "EVT4"}
PIECE = 1 << 20  # words of EVT3 decoded together
ROW, COLUMN, VECTOR_BASE, VECTOR_12, VECTOR_8, TIME_LOW, TIME_HIGH = 0, 2, 3, 4, 5, 6, 8  # kinds of EVT3's words


class Raw(NamedTuple):
    """Events of a file: t int64 microseconds, x, y, p; the sensor's (width, height), if the header says it."""

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    sensor: tuple[int, int] | None
    untimed: int


def read_raw(path: Path, format: str | None = None) -> Raw:
    """Read a .raw file; `format`, "evt2" or "evt3", where no header says it.

    Raises:
        InputError: neither says it, they contradict each other, or it is a format that is not read here.
    """
    content = path.read_bytes()
    fields, begin = read_header(content)
    named = _named(path, fields)
    if named and format and named != format:
        raise InputError(f"{path}: its header says {named}, not {format}; leave --format out")
    kind = named or format
    if kind is None:
        raise InputError(f"{path}: no header that names its format; say --format evt2 or evt3")
    size = 4 if kind == "evt2" else 2
    words = np.frombuffer(content, f"<u{size}", (len(content) - begin) // size, begin)
    decode = decode_evt2 if kind == "evt2" else decode_evt3
    return decode(words)._replace(sensor=_geometry(fields))


def read_header(content: bytes) -> tuple[dict[str, str], int]:
    """The keys of a header, and where the data begin: behind "% end", or at the first line that is none of it."""
    fields: dict[str, str] = {}
    at = 0
    while content.startswith(b"% ", at):
        end = content.find(b"\n", at, at + 4096)
        if end < 0 or not content[at:end].isascii():
            break
        key, _, value = content[at + 2 : end].decode("ascii").strip().partition(" ")
        at = end + 1
        if key == "end":
            break
        fields[key] = value.strip()
    return fields, at


def _named(path: Path, fields: dict[str, str]) -> str | None:
    found = fields.get("evt", "") or fields.get("format", "").split(";")[0].upper().removeprefix("EVT")
    if not found:
        return None
    if found in ("2", "2.0"):
        return "evt2"
    if found in ("3", "3.0"):
        return "evt3"
    name = NOT_READ.get(found, found)
    raise InputError(f"{path}: its format is {name}; EVT2 and EVT3 are read, convert it to one of them")


def _geometry(fields: dict[str, str]) -> tuple[int, int] | None:
    text = fields.get("geometry", "")
    if found := re.fullmatch(r"(\d+)x(\d+)", text):
        return int(found[1]), int(found[2])
    found = re.search(r"height=(\d+);width=(\d+)", fields.get("format", ""))
    return (int(found[2]), int(found[1])) if found else None


def decode_evt2(words: np.ndarray) -> Raw:
    """32-bit words: kind 4, then of an event the time's lower 6, x 11, y 11; of kind 8 the time's upper 28."""
    kind = words >> 28
    high = np.flatnonzero(kind == 8)
    event = np.flatnonzero(kind < 2)
    upper = unwrapped((words[high] & 0xFFFFFFF).astype(np.int64), 1 << 28)
    last = np.searchsorted(high, event) - 1
    timed = last >= 0
    word, last = words[event[timed]], last[timed]
    t = upper[last] << 6 | (word >> 22 & 0x3F).astype(np.int64)
    x, y = (word >> 11 & 0x7FF).astype(np.int32), (word & 0x7FF).astype(np.int32)
    return Raw(t, x, y, (word >> 28).astype(np.uint8), None, int(np.count_nonzero(~timed)))


def decode_evt3(words: np.ndarray, piece: int = PIECE) -> Raw:
    """16-bit words: kind 4, then what changes: y, x, a vector's first x, 12 or 8 events of it, time low or high.

    Decoded piece by piece; each begins with words that say again what was in force at its begin.
    """
    parts, before, rounds = [], np.zeros(0, np.uint16), 0
    for begin in range(0, len(words), piece):
        part, before, rounds = _piece(np.concatenate([before, words[begin : begin + piece]]), rounds)
        parts.append(part)
    columns = [np.concatenate([np.zeros(0, np.int64), *(part[i] for part in parts)]) for i in range(4)]
    t, x, y, p = columns
    return Raw(t, x, y, p, None, sum(part.untimed for part in parts))


def _piece(words: np.ndarray, rounds: int) -> tuple[Raw, np.ndarray, int]:
    """Events of some words, after so many rounds of the clock; words that say what is in force, and rounds, then."""
    kind, value = (words >> 12).astype(np.uint8), (words & 0xFFF).astype(np.int32)
    high = np.flatnonzero(kind == TIME_HIGH)
    upper = unwrapped(value[high].astype(np.int64), 1 << 12) + (rounds << 12)

    def latest(what: int) -> np.ndarray:
        """For each word the position of the last of this kind up to it; -1 before the first."""
        return np.maximum.accumulate(np.where(kind == what, np.arange(len(kind)), -1))

    width = np.select([kind == VECTOR_12, kind == VECTOR_8], [12, 8], 0)
    passed = np.cumsum(width) - width  # columns of all vectors before
    first, row, low = latest(VECTOR_BASE), latest(ROW), latest(TIME_LOW)
    single, vector = np.flatnonzero(kind == COLUMN), np.flatnonzero(width)
    bits = value[vector, None] >> np.arange(12) & 1 & (np.arange(12) < width[vector, None])
    which, column = np.nonzero(bits)
    carrier = vector[which]
    base = first[carrier]
    word = np.concatenate([single, carrier])
    x = np.concatenate([value[single] & 0x7FF, (value[base] & 0x7FF) + passed[carrier] - passed[base] + column])
    p = np.concatenate([value[single], value[base]]) >> 11
    known = np.concatenate([np.ones(len(single), bool), base >= 0])
    order = np.argsort(word, kind="stable")
    word, x, p = word[order], x[order], p[order]
    last = np.searchsorted(high, word) - 1
    timed = (last >= 0) & (row[word] >= 0) & known[order]
    word, last = word[timed], last[timed]
    t = upper[last] << 12 | np.where(low[word] >= 0, value[low[word]], 0)
    y = (value[row[word]] & 0x7FF).astype(np.int32)
    raw = Raw(t, x[timed].astype(np.int32), y, p[timed].astype(np.uint8), None, int(np.count_nonzero(~timed)))
    before = [words[last] for last in (*high[-1:], *low[-1:], *row[-1:]) if last >= 0]
    if first[-1] >= 0:
        at = int(value[first[-1]] & 0x7FF) + int(passed[-1] + width[-1] - passed[first[-1]])
        before.append(VECTOR_BASE << 12 | int(value[first[-1]]) & 0x800 | at & 0x7FF)
    rounds = int(upper[-1] >> 12) if len(upper) else rounds
    return raw, np.array(before, np.uint16), rounds


def unwrapped(values: np.ndarray, size: int) -> np.ndarray:
    """The upper part of a clock as it goes on: a value smaller than the last is one more round of `size`."""
    rounds = np.zeros(len(values), np.int64)
    rounds[1:] = np.cumsum(values[1:] < values[:-1])
    return values + rounds * size
