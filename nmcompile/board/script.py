"""Operations on a board's registers, gathered into requests as full as its buffers allow."""

from __future__ import annotations

from collections.abc import Sequence

from .link import Identity, Request
from .protocol import DIGEST, HALF, MODE_BYTES, MOST, R_DIGEST, SAME, STEP, WORD, WRITE_FLAG


class Script:
    """A list of operations; `requests` cuts it up.

    Args:
        again: the requests may run twice. Each then starts with an unknown W, and has to be whole in itself.
    """

    def __init__(self, identity: Identity, again: bool):
        self._most, self._most_read, self.again = identity.request_bytes, identity.reply_bytes, again
        self.requests: list[Request] = []
        self._payload = bytearray()
        self._reads = 0
        self._slow = False  # few bytes, many accesses
        self._w: int | None = None

    def cut(self) -> None:
        """The next operation begins another request."""
        if self._payload:
            self.requests.append(Request(bytes(self._payload), self._reads, self.again, self._slow))
            self._payload.clear()
            self._reads = 0
            self._slow = False
            if self.again:
                self._w = None

    def room(self) -> int:
        """Bytes until the next cut."""
        return self._most - len(self._payload)

    def fits(self, size: int, reads: int = 0) -> bool:
        """Do operations of `size` bytes that read `reads` go into the request that is being filled?"""
        return len(self._payload) + size <= self._most and self._reads + reads <= self._most_read

    def write(self, register: int, values: Sequence[int]) -> None:
        """Write 32-bit values to a register, each in as few bytes as W allows."""
        at = 0
        while at < len(values):
            if not self.fits(6):
                self.cut()
            mode = self._mode(values[at])
            room = (self._most - len(self._payload) - 2) // MODE_BYTES[mode] if MODE_BYTES[mode] else MOST
            words = bytearray()
            count = 0
            while at < len(values) and count < min(room, MOST) and (count == 0 or self._mode(values[at]) == mode):
                value = values[at]
                if mode == STEP:
                    words.append(value - (self._w or 0) & 0xFF)
                else:
                    words += (value & (1 << 8 * MODE_BYTES[mode]) - 1).to_bytes(MODE_BYTES[mode], "big")
                self._w = value
                count += 1
                at += 1
            self._slow |= mode == SAME
            self._payload += bytes([WRITE_FLAG | mode << 5 | register, count & 0xFF]) + words

    def _mode(self, value: int) -> int:
        if self._w is None or value >> 16 != self._w >> 16:
            return WORD
        if value == self._w:
            return SAME
        return STEP if 0 < value - self._w < 256 else HALF

    def write_block(self, register: int, data: bytes) -> None:
        """Write big-endian words as they are; the caller has made sure that they fit."""
        self._payload += bytes([WRITE_FLAG | WORD << 5 | register, len(data) // 4 & 0xFF]) + data
        self._w = int.from_bytes(data[-4:], "big")

    def read(self, register: int, count: int, mode: int = WORD) -> None:
        """Read the lowest byte, lower half or all of a register, `count` times."""
        while count:
            size = MODE_BYTES[mode]
            if not self.fits(2, size):
                self.cut()
            some = min(count, MOST, (self._most_read - self._reads) // size)
            self._payload += bytes([mode << 5 | register, some & 0xFF])
            self._reads += some * size
            self._w = None
            count -= some

    def digest(self, register: int, count: int) -> None:
        """Read the digest of `count` words that the register gives."""
        if not self.fits(4, 4):
            self.cut()
        self._payload += bytes([DIGEST << 5 | register, count & 0xFF])
        self._slow = True
        self.read(R_DIGEST, 1)
