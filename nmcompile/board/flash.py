"""Loading an image: only what differs, each memory read back on the board and compared by digests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emulator.spec.errors import DeviceError, MachineError
from emulator.spec.image import Image
from emulator.verilog.host import FAULTS, HOST_CORE, host_constants, refuse_unknown, select

from .link import Board
from .protocol import MOST, WORD, fold
from .script import Script
from .segments import Segment, segments

Chunk = tuple[Segment, int, int]  # words start..stop of a segment
Progress = Callable[[str, int, int], None]  # what is being done, how much of it, of how much
REWRITES = 2  # of what reads back wrong


@dataclass(frozen=True)
class Loaded:
    """What loading an image took."""

    total_bytes: int  # of the image's memories
    written_bytes: int  # of those that differed
    line_bytes: int  # bytes both ways
    elapsed_s: float
    retries: int


def check_match(board: Board, image: Image) -> None:
    """DeviceError unless the image is for this board's architecture, MachineError if it lacks an instruction."""
    refuse_unknown("the board", image)
    if board.identity.hash != image.arch.hash:
        raise DeviceError(
            f"the image is for architecture {image.arch.name!r} ({image.arch.hash}), the board on "
            f"{board.transport.name} is {board.identity.label} ({board.identity.hash}); compile it for that one"
        )


def _select(segment: Segment, word: int) -> int:
    """The value of the select register that points at a word of a segment."""
    return select(segment.core, segment.memory, segment.first + word)


def differing(board: Board, wanted: Sequence[Segment]) -> list[Chunk]:
    """The chunks of memory that do not hold what they should."""
    host = host_constants()
    script = Script(board.identity, again=True)
    chunks = [(segment, *span) for segment in wanted for span in segment.chunks()]
    for segment, start, stop in chunks:
        if not script.fits(10, 4):
            script.cut()
        script.write(host["H_SELECT"], [_select(segment, start)])
        script.digest(host["H_DATA"], (stop - start) * segment.parts.shape[1])
    script.cut()
    found = np.frombuffer(b"".join(board.run(script.requests)), ">u4")
    mine = [fold(segment.parts[start:stop].reshape(-1).tolist()) for segment, start, stop in chunks]
    return [chunk for chunk, a, b in zip(chunks, found.tolist(), mine, strict=True) if a != b]


def write_chunks(board: Board, chunks: Sequence[Chunk], progress: Callable[[int], None] | None = None) -> None:
    """Write chunks; long stretches of one value travel as one."""
    script = Script(board.identity, again=True)
    for segment, start, stop in chunks:
        _write_words(script, segment, start, stop)
    script.cut()
    board.run(script.requests, progress and (lambda done: progress(done * 100 // max(1, len(script.requests)))))


def _write_words(script: Script, segment: Segment, start: int, stop: int) -> None:
    host = host_constants()
    parts = segment.parts.shape[1]
    words = segment.parts[start:stop]
    constant = (words == words[:, :1]).all(axis=1)
    same = np.concatenate([[False], constant[1:] & constant[:-1] & (words[1:, 0] == words[:-1, 0])])
    # stretches of equal parts, as (first word, words): 0 words where a word has different ones
    edges = np.flatnonzero(~same)
    lengths = np.diff(np.append(edges, len(words))) * constant[edges]
    at = 0
    while at < len(words):
        k = int(np.searchsorted(edges, at, side="right")) - 1
        stretch = int(edges[k] + lengths[k]) - at
        if not script.fits(6 + 2 + 4 * max(parts, 8)):
            script.cut()
        script.write(host["H_SELECT"], [_select(segment, start + at)])
        if stretch * parts >= 8:
            count = min(stretch, 256 // parts)
            script.write(host["H_DATA"], [int(words[at, 0])] * (count * parts))
        else:
            longer = [int(e) for e, n in zip(edges[k:], lengths[k:], strict=True) if n * parts >= 8]
            end = longer[0] if longer else len(words)
            count = min(end - at, (script.room() - 2) // (4 * parts), 256 // parts)
            script.write_block(host["H_DATA"], words[at : at + count].astype(">u4").tobytes())
        at += count


def read_words(board: Board, wanted: Sequence[Segment]) -> list[np.ndarray]:
    """(words, parts) uint32 that the board holds in the place of each segment; read in bursts as long as a reply."""
    host = host_constants()
    script = Script(board.identity, again=True)
    for segment in wanted:
        words, parts = segment.parts.shape
        most = min(MOST, board.identity.reply_bytes // 4) // parts
        for start in range(0, words, most):
            count = min(most, words - start) * parts
            if not script.fits(6 + 2, 4 * count):
                script.cut()
            script.write(host["H_SELECT"], [_select(segment, start)])
            script.read(host["H_DATA"], count, WORD)
    script.cut()
    found = np.frombuffer(b"".join(board.run(script.requests)), ">u4").astype(np.uint32)
    cuts = np.cumsum([segment.parts.size for segment in wanted])
    return [part.reshape(s.parts.shape) for part, s in zip(np.split(found, cuts)[:-1], wanted, strict=True)]


def check_fault(board: Board, doing: str, cores: int) -> None:
    """MachineError if the chip reports a fault; the fault is cleared."""
    host = host_constants()
    script = Script(board.identity, again=True)
    script.read(host["H_STATUS"], 1, 0)
    script.cut()
    if not board.run(script.requests)[0][0] & 2:
        return
    for core in [*range(cores), HOST_CORE]:
        script = Script(board.identity, again=True)
        script.write(host["H_SELECT"], [select(core, "control", 0)])
        script.read(host["H_FAULT"], 1, 0)
        script.cut()
        code = board.run(script.requests)[0][0]
        if code:
            where = f"core {core}" if core < cores else "the host port"
            clear_fault(board)
            raise MachineError(f"the board faulted on {where} {doing}: {FAULTS[min(code, len(FAULTS) - 1)]}")


def clear_fault(board: Board) -> None:
    host = host_constants()
    script = Script(board.identity, again=True)
    script.write(host["H_COMMAND"], [host["CMD_CLEAR_FAULT"]])
    script.cut()
    board.run(script.requests)


def flash(board: Board, image: Image, progress: Progress | None = None) -> Loaded:
    """Load an image.

    Raises:
        DeviceError: the board has another architecture, the line failed, or a memory does not keep what is written.
        MachineError: the chip refused a route.
    """
    check_match(board, image)
    started, before = time.monotonic(), board.sent_bytes + board.received_bytes
    wanted = segments(image)
    clear_fault(board)
    chunks = differing(board, wanted)
    written = sum((stop - start) * segment.parts.shape[1] * 4 for segment, start, stop in chunks)
    for _ in range(1 + REWRITES):
        if not chunks:
            break
        write_chunks(board, chunks, progress and (lambda done: progress("loading", done, 100)))
        check_fault(board, "while it was loaded", image.arch.cores)
        chunks = differing(board, list({id(s): s for s, _, _ in chunks}.values()))
    if chunks:
        raise _bad_memory(board, *chunks[0])
    return Loaded(
        sum(segment.parts.size * 4 for segment in wanted),
        written,
        board.sent_bytes + board.received_bytes - before,
        time.monotonic() - started,
        board.retries,
    )


def _bad_memory(board: Board, segment: Segment, start: int, stop: int) -> DeviceError:
    """Read the chunk, and name the first word that is wrong."""
    (found,) = read_words(board, [replace(segment, first=segment.first + start, parts=segment.parts[start:stop])])
    wrong = np.argwhere(found != segment.parts[start:stop])
    if len(wrong) == 0:
        return DeviceError(
            f"{segment.memory} of core {segment.core} read differently each time; check the board's clock"
        )
    word, part = wrong[0].tolist()
    return DeviceError(
        f"{segment.memory} of core {segment.core}, word {segment.first + start + word}: wrote "
        f"{int(segment.parts[start + word, part]):#010x}, read {int(found[word, part]):#010x}; "
        "the board is damaged or clocked too fast"
    )
