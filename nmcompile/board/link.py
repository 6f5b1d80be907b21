"""The driver of a board: one class, any transport. Failures are DeviceErrors of one line; nothing waits forever."""

from __future__ import annotations

import contextlib
import errno
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from emulator.spec import isa
from emulator.spec.arch import Architecture, bundled_architectures
from emulator.spec.errors import DeviceError
from emulator.verilog.host import host_constants

from . import protocol
from .protocol import Frame

BAUD: Final = 1_000_000
SILENCE: Final = 1.0  # seconds without a byte until a request counts as lost; a busy board sends heartbeats
QUIET: Final = 0.02  # seconds without a byte until the line counts as quiet
LONGEST: Final = 120.0  # seconds that one request may run
OPENING: Final = 5.0  # seconds of bytes, heartbeats apart, until what answers is taken for no board
RETRIES: Final = 20  # without any progress
SILENT: Final = 5  # of them without a byte
WINDOW: Final = 8  # requests under way
SLOW_WINDOW: Final = 2  # of those that have to wait in the board's buffer
BATCH: Final = 128  # half of the sequence numbers: each is unambiguous
TRIES_TO_OPEN: Final = 4
BUFFER_BITS: Final = range(8, 16)  # log2 of the bytes of a buffer, for which requests are made
COUNTER_BITS: Final = 64  # of a counter at most
STRANGE: Final = 3  # refusals with an impossible number: one may be an old one, late


class Transport(Protocol):
    """A line to a board."""

    name: str

    def write(self, data: bytes) -> None: ...

    def read(self, timeout: float) -> bytes:
        """What has come, as soon as there is anything; nothing after `timeout` seconds of silence."""

    def close(self) -> None: ...


class SerialTransport:
    """A serial port, a pseudo-terminal, or whatever else pyserial has a URL for (socket://HOST:PORT)."""

    def __init__(self, port: str, baud: int = BAUD):
        import serial

        self.name = port
        options: dict[str, Any] = {} if "://" in port else {"exclusive": True}
        try:
            self._line = serial.serial_for_url(port, baud, timeout=SILENCE, write_timeout=5.0, **options)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise DeviceError(_why_not(port, error)) from None
        with contextlib.suppress(AttributeError, ValueError, OSError, NotImplementedError):
            self._line.set_low_latency_mode(True)  # an FTDI chip otherwise keeps bytes for 16 ms
        self._timeout: float | None = SILENCE
        self._heard = False

    def write(self, data: bytes) -> None:
        try:
            self._line.write(data)
        except (OSError, TypeError) as error:
            raise self._lost(error) from None

    def read(self, timeout: float) -> bytes:
        try:
            if timeout != self._timeout:
                self._line.timeout = self._timeout = timeout
            data = self._line.read(1)
            if data:
                self._heard = True
                with contextlib.suppress(AttributeError, NotImplementedError):
                    data += self._line.read(self._line.in_waiting)
            return data
        except (OSError, TypeError) as error:  # pyserial closed in another thread ends in a TypeError
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> DeviceError:
        if "://" in self.name and not self._heard:  # who serves somebody else hangs up on us at once
            return _in_use(self.name)
        return DeviceError(f"lost the board on {self.name} ({_reason(error)}); plug it in again and repeat")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.close()


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is not None:
        import os

        return os.strerror(number)
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return "the other end hung up" if "readiness to read" in text else text


def _in_use(port: str) -> DeviceError:
    return DeviceError(f"port {port} is in use by another program; end that first")


def _why_not(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "FileNotFoundError" in str(error):
        return f"no port {port}; nmc devices lists the ports there are"
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return str(_in_use(port))
    if number in (errno.EACCES, errno.EPERM):
        return f"no permission for port {port}; add yourself to its group (often dialout) and log in again"
    return f"cannot open port {port}: {_reason(error)}"


def ports() -> list[dict[str, str]]:
    """The serial ports of this computer."""
    from serial.tools.list_ports import comports

    found = sorted(comports(), key=lambda port: port.device)
    return [{"port": p.device, "device": p.description, "serial_number": p.serial_number or ""} for p in found]


@dataclass(frozen=True)
class Request:
    """A list of operations (rtl/LINK.md) and how many bytes they read.

    `again`: it may run twice, its reads included: a lost reply can be asked for anew.
    `slow`: it may take longer to run than to send.
    """

    payload: bytes
    reads: int
    again: bool = True
    slow: bool = False


@dataclass(frozen=True)
class Identity:
    """What a board says about itself."""

    version: int
    counter_bits: int
    request_bytes: int  # of a payload at most
    reply_bytes: int
    hash: str

    @property
    def architecture(self) -> Architecture | None:
        """The architecture of that hash, bundled or of a board."""
        from ..fpga.boards import board_names, load_board

        known = [*bundled_architectures().values(), *(load_board(name).arch() for name in board_names())]
        return next((arch for arch in known if arch.hash == self.hash), None)

    @property
    def label(self) -> str:
        """Its name, for messages."""
        return self.architecture.name if self.architecture else f"the architecture {self.hash}"


class Board:
    """A session with a board.

    Raises (from every method):
        DeviceError: no answer, an answer of something else, errors beyond all retries, a board that was reset, or a
            line that is gone. The board itself can be opened again.
    """

    def __init__(self, transport: Transport):
        self.transport = transport
        self.retries = 0  # recoveries so far
        self.sent_bytes = self.received_bytes = 0
        self._decoder = protocol.Decoder(1 << 15)
        self._frames: list[Frame] = []
        self._last = 0  # sequence number of the last request that ran
        self._opening: float | None = time.monotonic()  # since when, until it is open
        self._talk = 0.0  # seconds of bytes that were no heartbeats
        try:
            self.identity = self._open()
            self._opening = None
        except BaseException:
            transport.close()
            raise

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------- opening
    def _open(self) -> Identity:
        """Begin a session: whatever ran before is ended, by the next mark at the latest."""
        host = host_constants()
        ask = bytes([0x40 | protocol.R_LINK, 1, 0x40 | protocol.R_HASH_HIGH, 1, 0x40 | protocol.R_HASH_LOW, 1])
        ask += bytes([0x40 | host["H_VERSION"], 1])
        # a board that still executes an old request answers when it is done, and beats meanwhile
        for _ in range(TRIES_TO_OPEN):
            self._drain()
            if self._late():
                break
            # a number that no stale reply is likely to have
            sequence = random.randrange(256)
            self._write(protocol.encode(Frame(sequence, protocol.OPEN, ask)))
            while (frame := self._next(SILENCE)) is not None and not self._late():
                if frame.sequence == sequence and frame.kind == protocol.DONE and len(frame.payload) == 16:
                    self._last = sequence
                    return self._identify(frame.payload)
                if frame.kind == protocol.CORRUPT:
                    break
        name = self.transport.name
        if self.received_bytes:
            raise DeviceError(
                f"what answers on {name} is no nmcompile board ({self.received_bytes:,} bytes, no answer among them); "
                "choose another port, or the board's baud rate with --baud"
            )
        raise DeviceError(
            f"no answer on {name} after {TRIES_TO_OPEN} tries; is the board programmed and powered, "
            "is --baud its baud rate?"
        )

    def _identify(self, payload: bytes) -> Identity:
        link, high, low, version = (int.from_bytes(payload[i : i + 4], "big") for i in range(0, 16, 4))
        if version >> 16 != 0x4E4D:
            raise DeviceError(f"what answers on {self.transport.name} is no nmcore; choose another port")
        if link >> 24 != protocol.VERSION:
            raise DeviceError(
                f"the board on {self.transport.name} speaks protocol {link >> 24}, this version {protocol.VERSION}; "
                "build its bitstream again"
            )
        if version & 0xFFFF != isa.ISA_VERSION:
            raise DeviceError(
                f"the board on {self.transport.name} has instruction set {version & 0xFFFF}, this version "
                f"{isa.ISA_VERSION}; build its bitstream again"
            )
        counter, request, reply = link >> 16 & 0xFF, link >> 8 & 0xFF, link & 0xFF
        for what, bits in (("request", request), ("reply", reply)):
            if bits not in BUFFER_BITS:
                raise DeviceError(
                    f"the board on {self.transport.name} says that its {what} buffer has 2**{bits} bytes; this version "
                    f"takes 2**{BUFFER_BITS[0]} to 2**{BUFFER_BITS[-1]}, build its bitstream again"
                )
        if counter > COUNTER_BITS:
            raise DeviceError(
                f"the board on {self.transport.name} says that its counters have {counter} bits; this version takes up "
                f"to {COUNTER_BITS}, build its bitstream again"
            )
        room = (1 << request) // 2 - 8  # two requests fit, with their headers
        return Identity(link >> 24, counter, room, 1 << reply, f"{high:08x}{low:08x}")

    # ------------------------------------------------------------------------------------------- requests
    def run(self, requests: Sequence[Request], progress: Callable[[int], None] | None = None) -> list[bytes]:
        """Run requests in order, each exactly once (or, where that does no harm, at least once); what they read.

        Args:
            progress: told the number of requests that are done.
        """
        replies: list[bytes | None] = [None] * len(requests)
        waiting = list(range(len(requests)))  # to be sent, in order
        while waiting:
            alone = next((k for k, i in enumerate(waiting) if not requests[i].again), len(waiting))
            batch = waiting[: min(max(1, alone), BATCH)]
            waiting = self._batch(requests, batch, replies) + waiting[len(batch) :]
            if progress:
                progress(len(requests) - len(waiting))
        return [reply if reply is not None else b"" for reply in replies]

    def _batch(self, requests: Sequence[Request], batch: list[int], replies: list[bytes | None]) -> list[int]:
        """Send a batch with go-back-N; the requests that ran but whose replies were lost and matter."""
        first = self._last + 1  # batch[k] has sequence number first + k
        base = ahead = sent = 0  # batch[:base] ran; batch[base:ahead] are under way; batch[:sent] once were
        failures = strange = silent = 0
        heard = self.received_bytes
        lost: list[int] = []
        started = time.monotonic()

        def ran(upto: int) -> None:
            nonlocal base, failures, strange, started
            for k in range(base, upto):
                if replies[batch[k]] is None and requests[batch[k]].reads:
                    lost.append(batch[k])
            if upto > base:
                base, failures, strange, started = upto, 0, 0, time.monotonic()
            self._last = first + base - 1 & 0xFF

        while base < len(batch):
            out = b""
            while ahead < len(batch) and ahead - base < self._window(requests, batch[base : ahead + 1], failures):
                out += protocol.encode(Frame(first + ahead & 0xFF, protocol.RUN, requests[batch[ahead]].payload))
                ahead += 1
            sent = max(sent, ahead)
            if out:
                self._write(out)
            frame = self._next(SILENCE)
            if time.monotonic() - started > LONGEST:
                raise DeviceError(f"the board on {self.transport.name} is still busy after {LONGEST:.0f} s; reset it")
            if frame is not None and frame.kind in (protocol.DONE, protocol.MALFORMED):
                k = (frame.sequence - first) & 0xFF
                if k < base or k >= sent:
                    continue  # the reply to a repetition: known already
                if frame.kind == protocol.MALFORMED or len(frame.payload) != requests[batch[k]].reads:
                    raise DeviceError(
                        f"the board on {self.transport.name} did not understand a request of "
                        f"{len(requests[batch[k]].payload)} bytes; its bitstream and this version do not go together"
                    )
                ahead = max(ahead, k + 1)
                replies[batch[k]] = frame.payload
                ran(k + 1)
                continue
            failures += 1
            self.retries += 1
            frame = self._drain(frame)
            silent = 0 if self.received_bytes != heard else silent + 1
            heard = self.received_bytes
            if silent > SILENT:
                raise DeviceError(
                    f"the board on {self.transport.name} does not answer any more; plug it in again and repeat"
                )
            if failures > RETRIES:
                raise DeviceError(
                    f"no undamaged answer from {self.transport.name} in {RETRIES} tries; check cable and baud rate"
                )
            if frame is not None and frame.kind == protocol.CLOSED:
                raise DeviceError(f"the board on {self.transport.name} was reset meanwhile; start again")
            if frame is not None and frame.kind in (protocol.SEQUENCE, protocol.CORRUPT, protocol.OVERRUN):
                k = (frame.sequence + 1 - first) & 0xFF  # the next that it expects
                if base <= k <= sent:
                    # those before it ran; a reply that must not be lost is asked for by repeating its request
                    if k > base and not requests[batch[k - 1]].again and replies[batch[k - 1]] is None:
                        k = base
                    ran(k)
                elif frame.kind == protocol.SEQUENCE and (strange := strange + 1) == STRANGE:
                    raise DeviceError(
                        f"the board on {self.transport.name} lost track: it was reset, or another program "
                        "talks to it; start again"
                    )
            ahead = base
        return lost

    @staticmethod
    def _window(requests: Sequence[Request], under_way: list[int], failures: int) -> int:
        if failures:
            return 1
        return SLOW_WINDOW if any(requests[i].slow for i in under_way) else WINDOW

    # ---------------------------------------------------------------------------------------------- frames
    def _write(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        self.transport.write(data)

    def _read(self, timeout: float) -> bytes:
        before = time.monotonic()
        data = self.transport.read(timeout)
        self.received_bytes += len(data)
        if data.strip(b"\x7e"):
            self._talk += time.monotonic() - before
        return data

    def _late(self) -> bool:
        """Was there time enough for a board to be opened?"""
        if self._opening is None:
            return False
        return self._talk > OPENING or time.monotonic() - self._opening > LONGEST

    def _next(self, timeout: float) -> Frame | None:
        """The next frame; None after silence, or when only damaged frames came and the line fell quiet."""
        started = time.monotonic()
        while not self._frames:
            damaged = self._decoder.damaged
            data = self._read(timeout)
            if not data or time.monotonic() - started > LONGEST or self._late():
                return None
            self._frames += self._decoder.feed(data)
            if self._decoder.damaged != damaged:
                timeout = QUIET
        return self._frames.pop(0)

    def _drain(self, frame: Frame | None = None) -> Frame | None:
        """Wait until the line is quiet but for heartbeats; the last frame that came."""
        started = spoken = time.monotonic()
        while (now := time.monotonic()) - started < LONGEST and not self._late():
            data = self._read(QUIET)
            self._frames += self._decoder.feed(data)
            if data.strip(b"\x7e"):
                spoken = now
            elif not data or now - spoken > QUIET:
                break
        if self._frames:
            frame = self._frames[-1]
            self._frames.clear()
        return frame
