"""The line protocol, in one place: `rtl/nm_link.vh` and `rtl/LINK.md` are made from it, the driver imports it.

Frames go through here too: escape, length, CRC. `python tools/generate.py` writes the two files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VERSION: Final = 2
MARK: Final = 0x7E  # ends every frame, and begins it
ESCAPE: Final = 0x7D  # MARK and ESCAPE inside a frame travel as ESCAPE, byte ^ FLIP
FLIP: Final = 0x20
HEADER_BYTES: Final = 4
CRC_BYTES: Final = 2
CRC_POLYNOMIAL: Final = 0x1021
CRC_START: Final = 0xFFFF
# what a request is
OPEN: Final = 0x01
RUN: Final = 0x02
REQUESTS: Final = {
    OPEN: ("open", "take this frame's sequence number as the first of a session, then run its operations"),
    RUN: ("run", "run the operations; the sequence number is the last one plus one, modulo 256"),
}
# what a reply is
DONE: Final = 0x80
MALFORMED: Final = 0x81
CORRUPT: Final = 0x82
SEQUENCE: Final = 0x83
CLOSED: Final = 0x84
OVERRUN: Final = 0x85
UNKNOWN: Final = 0x86
REPLIES: Final = {
    DONE: ("done", "all operations ran; the payload is what they read"),
    MALFORMED: ("malformed", "an operation was cut short, or read more than the reply holds; those before it ran"),
    CORRUPT: ("corrupt", "refused: wrong CRC or length, a broken byte, or a frame longer than the buffer"),
    SEQUENCE: ("sequence", "refused: neither the next sequence number nor the last one again"),
    CLOSED: ("closed", "refused: no session was opened since the board's reset"),
    OVERRUN: ("overrun", "refused: the request buffer was full"),
    UNKNOWN: ("unknown", "refused: no such request"),
}
# operations: bit 7 write, bits 6:5 mode, bits 4:0 register
WRITE_FLAG: Final = 0x80
STEP, HALF, WORD, SAME = 0, 1, 2, 3
DIGEST = 3
MODE_BYTES: Final = (1, 2, 4, 0)
WRITES: Final = {
    STEP: ("step", "the byte is added to the lower half of W, W is written"),
    HALF: ("half", "the lower half of W becomes the two bytes, W is written"),
    WORD: ("word", "W becomes the four bytes and is written"),
    SAME: ("same", "W is written again; no bytes"),
}
READS: Final = {
    STEP: ("byte", "the lowest byte of the register"),
    HALF: ("half", "its lower half"),
    WORD: ("word", "all of it"),
    DIGEST: ("digest", "nothing: W becomes 0, and the words are folded into it"),
}
MOST: Final = 256  # words of one operation; a count byte of 0
DIGEST_POLYNOMIAL: Final = 0x04C11DB7
# registers of the link itself; the others are the chip's (rtl/nm_host.vh)
R_LINK, R_HASH_HIGH, R_HASH_LOW, R_DIGEST = 0x1C, 0x1D, 0x1E, 0x1F
REGISTERS: Final = {
    R_LINK: (
        "link",
        "bits 31:24 protocol version, 23:16 bits of a counter (0: nothing is counted), "
        "15:8 and 7:0 log2 of the bytes of the request and the reply buffer",
    ),
    R_HASH_HIGH: ("hash_high", "upper half of the architecture's hash"),
    R_HASH_LOW: ("hash_low", "lower half"),
    R_DIGEST: ("digest", "W: the digest, if read once and directly behind its operation"),
}
HEARTBEAT_BITS: Final = 16  # every 2**16 clocks of an unfinished request the board sends a lone MARK


# ------------------------------------------------------------------------------------------------------- frames
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (CRC_POLYNOMIAL if crc & 0x8000 else 0)
        table.append(crc & 0xFFFF)
    return tuple(table)


_CRC: Final = _crc_table()


def crc16(data: bytes, crc: int = CRC_START) -> int:
    """CRC-16/IBM-3740: most significant bit first, nothing inverted; over data and its own CRC it is 0."""
    for byte in data:
        crc = (crc & 0xFF) << 8 ^ _CRC[crc >> 8 ^ byte]
    return crc


@dataclass(frozen=True)
class Frame:
    """One request or reply."""

    sequence: int
    kind: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """The bytes on the line, marks included."""
    body = bytes([frame.sequence, frame.kind]) + len(frame.payload).to_bytes(2, "big") + frame.payload
    body += crc16(body).to_bytes(2, "big")
    # ESCAPE first: the second replacement brings new ones
    body = body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return b"\x7e" + body + b"\x7e"


def decode(body: bytes) -> Frame | None:
    """The frame between two marks, or None if it is damaged."""
    if ESCAPE in body:
        first, *parts = body.split(b"\x7d")
        if any(not part for part in parts):  # an escape escapes something
            return None
        body = first + b"".join(bytes([part[0] ^ FLIP]) + part[1:] for part in parts)
    size = len(body) - HEADER_BYTES - CRC_BYTES
    if size < 0 or int.from_bytes(body[2:4], "big") != size or crc16(body) != 0:
        return None
    return Frame(body[0], body[1], body[HEADER_BYTES:-CRC_BYTES])


class Decoder:
    """Bytes of the line in, frames out; whatever is damaged is counted and left out."""

    def __init__(self, longest: int):
        self._longest = 2 * (longest + HEADER_BYTES + CRC_BYTES)  # all of it escaped
        self._body = bytearray()
        self.damaged = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        frames = []
        *ended, rest = data.split(b"\x7e")
        for part in ended:
            self._body += part
            if self._body:
                frame = decode(bytes(self._body)) if len(self._body) <= self._longest else None
                if frame is None:
                    self.damaged += 1
                else:
                    frames.append(frame)
            self._body.clear()
        if len(self._body) <= self._longest:  # noise without a mark is not kept
            self._body += rest
        return frames


def fold(words: list[int]) -> int:
    """The digest of a list of 32-bit words."""
    digest = 0
    for word in words:
        digest = (digest << 1 & 0xFFFF_FFFF) ^ (DIGEST_POLYNOMIAL if digest >> 31 else 0) ^ word
    return digest


# --------------------------------------------------------------------------------------------- the files made of it
def header() -> str:
    """rtl/nm_link.vh."""
    lines = [
        "// Numbers of the line protocol. Generated from nmcompile/board/protocol.py; do not edit.",
        "`ifndef NM_LINK_VH",
        "`define NM_LINK_VH",
        "",
        f"`define NM_L_VERSION 8'd{VERSION}",
        f"`define NM_L_MARK 8'h{MARK:02x}",
        f"`define NM_L_ESCAPE 8'h{ESCAPE:02x}",
        f"`define NM_L_FLIP 8'h{FLIP:02x}",
        f"`define NM_L_CRC_POLYNOMIAL 16'h{CRC_POLYNOMIAL:04x}",
        f"`define NM_L_CRC_START 16'h{CRC_START:04x}",
        f"`define NM_L_DIGEST_POLYNOMIAL 32'h{DIGEST_POLYNOMIAL:08x}",
        f"`define NM_L_HEARTBEAT_BITS {HEARTBEAT_BITS}",
        "",
    ]
    for prefix, table, width in (("", REQUESTS, "8'h"), ("", REPLIES, "8'h"), ("R_", REGISTERS, "5'h")):
        lines += [f"`define NM_L_{prefix}{name.upper()} {width}{code:02x}" for code, (name, _) in table.items()]
    lines += [f"`define NM_L_WRITE_{name.upper()} 2'd{mode}" for mode, (name, _) in WRITES.items()]
    lines += [f"`define NM_L_READ_{name.upper()} 2'd{mode}" for mode, (name, _) in READS.items()]
    return "\n".join([*lines, "", "`endif", ""])


def manual() -> str:
    """rtl/LINK.md."""

    def rows(table: dict[int, tuple[str, str]], form: str) -> list[str]:
        return [f"| {form.format(code)} | `{name}` | {text} |" for code, (name, text) in table.items()]

    values = {
        "VERSION": VERSION,
        "MARK": f"0x{MARK:02x}",
        "ESCAPE": f"0x{ESCAPE:02x}",
        "FLIP": f"0x{FLIP:02x}",
        "POLYNOMIAL": f"0x{CRC_POLYNOMIAL:04x}",
        "START": f"0x{CRC_START:04x}",
        "DIGEST_POLYNOMIAL": f"0x{DIGEST_POLYNOMIAL:08x}",
        "HEARTBEAT_BITS": str(HEARTBEAT_BITS),
        "MOST": str(MOST),
        "REQUESTS": "\n".join(rows(REQUESTS, "0x{:02x}")),
        "REPLIES": "\n".join(rows(REPLIES, "0x{:02x}")),
        "WRITES": "\n".join(
            f"| {mode} | `{name}` | {MODE_BYTES[mode]} | {text} |" for mode, (name, text) in WRITES.items()
        ),
        "READS": "\n".join(
            f"| {mode} | `{name}` | {MODE_BYTES[mode]} | {text} |" for mode, (name, text) in READS.items()
        ),
        "REGISTERS": "\n".join(rows(REGISTERS, "0x{:02x}")),
    }
    text = _MANUAL
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


_MANUAL: Final = """# The line between a board and its host: protocol @VERSION@

Generated from `nmcompile/board/protocol.py`; do not edit. Hardware: `nm_uart.v` (bytes), `nm_link_receive.v` and
`nm_link_send.v` (frames), `nm_link.v` (operations), `nm_board.v` (all of it with the chip). The driver is
`nmcompile/board/link.py`.

## Bytes
8N1, least significant bit first. A receiver takes the majority of three clocks in the middle of each bit and starts
afresh at each start bit, so that senders may be off by more than 2 %. A byte whose stop bit is low spoils its frame.

## Frames

    MARK | sequence | kind | length (2) | payload (length) | CRC (2) | MARK

- MARK is @MARK@. Inside a frame @MARK@ and @ESCAPE@ travel as @ESCAPE@ and the byte xor @FLIP@ (RFC 1662), so a mark is
  always the end of a frame: after noise of any kind the next mark brings both sides back in step. Nothing between two
  marks is no frame; a mark may be repeated at will.
- Numbers of several bytes are big-endian. The length counts the bytes of the payload before escaping.
- The CRC covers everything before it, unescaped: polynomial @POLYNOMIAL@, start @START@, most significant bit first,
  nothing inverted (CRC-16/IBM-3740). It finds every error of up to three bits and every burst of up to 16; of others
  it misses one in 65,536, unless length or sequence number betray them. Loading a network therefore ends with a
  comparison of digests of the memories.

## Requests

| kind | name | meaning |
|---|---|---|
@REQUESTS@

Nothing of a request runs before its CRC was found right. Frames that arrive while another one runs wait in the
request buffer, which holds two of the longest (its bytes / 2 - 8 of payload).

## Replies
Each request is answered by one reply. The sequence number of a reply, also of a refusal, is that of the last request
that ran: a refusal so tells how far the board got.

| kind | name | meaning |
|---|---|---|
@REPLIES@

While a request is unfinished, the board sends a lone mark every 2^@HEARTBEAT_BITS@ clocks: a long run is no dead board.

## No request takes effect twice
The board keeps its last reply. A `run` with the sequence number of the last request that ran is not run: its reply is
sent again. So a driver that misses a reply repeats the request unchanged. `open` alone always runs, and holds only
reads. With several requests under way the board runs them in order and refuses (`sequence`) all that follow a damaged
one; the driver goes back to the first that did not run. Only the last reply is kept: requests that must not run twice
*and* whose reply matters travel alone; others are writes, of which it is enough to know that they ran, or reads of
memory, which may be asked anew. After the board's reset everything but `open` is refused (`closed`): a driver cannot
go on with a board that forgot its state.

## Operations
The payload of a request is a list of operations on 32-bit registers. Each is an operation byte (bit 7: write; bits
6:5: mode; bits 4:0: register), a count byte n (0 is @MOST@), and, for a write, n words of the mode's bytes. Operations
that need an idle chip wait for it, so one request holds any number of timesteps: `inject`, `command` step, `select` and
read `data` of X
| mode | write | bytes a word | meaning |
|---|---|---|---|
@WRITES@

| mode | read | bytes a word | in the reply |
|---|---|---|---|
@READS@

An ascending list of input axons takes one byte a spike (`step`), a memory of zeros a byte for 128 words (`same`).
To fold a word w into W: W = (W `<<` 1) xor (@DIGEST_POLYNOMIAL@ if bit 31 of W was set) xor w. Digests are of the
chip's registers; of the link's own they are not defined. Nor is W after any other read: the next write is a `word`.

Registers 0x00 to 0x1b are the chip's (`nm_host.vh`). The link's own:

| register | name | meaning |
|---|---|---|
@REGISTERS@
"""
