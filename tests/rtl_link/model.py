"""rtl/LINK.md as plain Python: a board without a chip, 32 registers and one memory; and lines that lose bytes."""

import random

import numpy as np

from emulator.spec import isa
from nmcompile.board import protocol
from nmcompile.board.protocol import HALF, STEP, Frame
from nmcompile.board.script import Script

REQUEST_BYTES, REPLY_BYTES = 512, 512


class Registers:
    """Stands in for the chip: select points at a word of so many parts, data moves on, command counts."""

    def __init__(self, parts=1):
        self.memory, self.select, self.part, self.steps, self.values = {}, 0, 0, 0, {}
        self.parts = parts

    def move(self):
        """Where the next part is; then to the one behind it."""
        place = self.select, self.part
        self.select, self.part = self.select + (self.part + 1) // self.parts, (self.part + 1) % self.parts
        return place

    def write(self, register, value):
        if register == 3:
            self.select, self.part = value, 0
        elif register == 4:
            self.memory[self.move()] = value
        elif register == 2:
            self.steps += 1
        self.values[register] = value

    def read(self, register):
        if register == 0:
            return 0x4E4D0000 | isa.ISA_VERSION
        if register == 4:
            return self.memory.get(self.move(), 0)
        return {3: self.select, 9: self.steps}.get(register, self.values.get(register, 0))


class ModelBoard:
    """A transport with a board behind it; `answer` takes and gives bytes of the line."""

    name = "model"

    def __init__(self, arch_hash="0123456789abcdef", parts=1):
        self.chip, self.hash = Registers(parts), int(arch_hash, 16)
        self.last, self.open, self.w = 0, False, 0
        self.kept = (protocol.DONE, b"")
        self.unknown = random.Random(1)  # what W is after a read
        self.line, self.out = bytearray(), b""

    # ------------------------------------------------------------------------------------ as a transport
    def write(self, data):
        self.out += self.answer(data)

    def read(self, timeout):
        data, self.out = self.out, b""
        return data

    def close(self):
        pass

    # -------------------------------------------------------------------------------------- as a board
    def answer(self, data):
        out = b""
        for byte in data:
            if byte != protocol.MARK:
                self.line.append(byte)
            elif self.line:
                frame = protocol.decode(bytes(self.line))
                self.line.clear()
                out += self.refuse(protocol.CORRUPT) if frame is None else self.take(frame)
        return out

    def refuse(self, kind):
        return protocol.encode(Frame(self.last, kind, b""))

    def take(self, frame):
        if frame.kind == protocol.OPEN or (
            frame.kind == protocol.RUN and self.open and frame.sequence == self.last + 1 & 255
        ):
            self.open, self.last = True, frame.sequence
            self.kept = self.run(frame.payload)
        elif frame.kind != protocol.RUN:
            return self.refuse(protocol.UNKNOWN)
        elif not self.open:
            return self.refuse(protocol.CLOSED)
        elif frame.sequence != self.last:
            return self.refuse(protocol.SEQUENCE)
        return protocol.encode(Frame(self.last, *self.kept))

    def run(self, payload):
        out, at = b"", 0
        while at < len(payload):
            if at + 2 > len(payload):
                return protocol.MALFORMED, out
            op, count = payload[at], payload[at + 1] or 256
            mode, register, size = op >> 5 & 3, op & 31, protocol.MODE_BYTES[op >> 5 & 3]
            at += 2
            if not op & 0x80 and mode == protocol.DIGEST:
                self.w = 0
            for _ in range(count):
                if op & 0x80:
                    if at + size > len(payload):
                        self.partial(payload[at:], mode)
                        return protocol.MALFORMED, out
                    self.partial(payload[at : at + size], mode)
                    at += size
                    if register < 0x1C:
                        self.chip.write(register, self.w)
                    continue
                value = self.value_of(register)
                if mode == protocol.DIGEST:
                    top = protocol.DIGEST_POLYNOMIAL if self.w >> 31 else 0
                    self.w = (self.w << 1 & 0xFFFFFFFF) ^ top ^ value
                    continue
                self.w = self.unknown.getrandbits(32)
                out += (value & (1 << 8 * size) - 1).to_bytes(size, "big")
                if len(out) > REPLY_BYTES:
                    return protocol.MALFORMED, out[:REPLY_BYTES]
        return protocol.DONE, out

    def partial(self, data, mode):
        for byte in data:
            if mode == protocol.STEP:
                self.w = self.w & 0xFFFF0000 | (self.w + byte & 0xFFFF)
            elif mode == protocol.HALF:
                self.w = self.w & 0xFFFF0000 | (self.w << 8 & 0xFF00) | byte
            else:
                self.w = (self.w << 8 & 0xFFFFFFFF) | byte

    def value_of(self, register):
        if register < 0x1C:
            return self.chip.read(register)
        link = protocol.VERSION << 24 | 48 << 16 | (REQUEST_BYTES.bit_length() - 1) << 8 | REPLY_BYTES.bit_length() - 1
        return (link, self.hash >> 32, self.hash & 0xFFFFFFFF, self.w)[register - 0x1C]


class NoisyLine:
    """A transport that damages frames of another, both ways: flips bits, drops, doubles and inserts bytes."""

    def __init__(self, inner, rate, seed):
        self.inner, self.rate, self.random = inner, rate, random.Random(seed)
        self.name = inner.name
        self.damaged = 0  # frames

    def spoil(self, data):
        out = b""
        for frame in _frames(data):
            if len(frame) > 1 and self.random.random() < self.rate:
                damaged = bytes(frame)
                for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
                    damaged = self.once(damaged)
                self.damaged += damaged != frame
                frame = damaged
            out += frame
        return out

    def once(self, frame):
        at = self.random.randrange(len(frame)) if frame else 0
        head, byte, tail = frame[:at], frame[at : at + 1], frame[at + 1 :]
        match self.random.randrange(6):
            case 0 | 1:
                byte = bytes([byte[0] ^ 1 << self.random.randrange(8)]) if byte else byte
            case 2:
                byte = b""
            case 3:
                byte = byte + byte
            case 4:
                byte = bytes([self.random.choice((0x7E, 0x7D, self.random.randrange(256)))]) + byte
            case 5:  # a burst
                length = self.random.randrange(1, 20)
                byte, tail = self.random.randbytes(length), tail[length:]
        return head + byte + tail

    def write(self, data):
        self.inner.write(self.spoil(data))

    def read(self, timeout):
        return self.spoil(self.inner.read(timeout))

    def close(self):
        self.inner.close()


def _frames(data):
    """Cut behind each mark that ends something."""
    found, at = [], 0
    for i, byte in enumerate(data):
        if byte == 0x7E and i > at:
            found.append(data[at : i + 1])
            at = i + 1
    return [*found, data[at:]] if data[at:] else found


def work(board, rng, rounds, largest=400, select=0, parts=1):
    """Writes, reads and steps through a board; checks every word it reads, and yields the times it was told.

    Args:
        select: of word 0 of a memory of at least 4,096 words, `parts` 32-bit parts each.
    """
    memory = {}
    for _ in range(rounds):
        start, size = int(rng.integers(1 << 12)) - largest, parts * int(rng.integers(1, largest // parts))
        start = max(0, start) * parts
        words = rng.integers(1 << 32, size=size) >> rng.choice([0, 16, 28])
        script = Script(board.identity, again=True)
        for at in range(0, size, 60):
            if not script.fits(8 + 240):
                script.cut()
            script.write(3, [select + (start + at) // parts])
            script.write_block(4, words[at : at + 60].astype(">u4").tobytes())
        script.cut()
        board.run(script.requests)
        memory |= {start + i: int(word) for i, word in enumerate(words)}
        script = Script(board.identity, again=True)
        for at in range(0, size, 60):
            script.cut()
            script.write(3, [select + (start + at) // parts])
            script.read(4, min(60, size - at))
        script.cut()
        found = np.frombuffer(b"".join(board.run(script.requests)), ">u4")
        assert found.tolist() == [memory[start + i] for i in range(size)]
        script = Script(board.identity, again=False)
        for _ in range(int(rng.integers(1, 30))):
            script.write(5, sorted(rng.integers(1000, size=5).tolist()))
            script.write(2, [0x101])
            script.write(3, [select])
            script.read(4, 1, STEP)  # waits for the end of the timestep
            script.read(9, 1, HALF)
        script.cut()
        data = np.frombuffer(b"".join(board.run(script.requests)), np.uint8).reshape(-1, 3)
        yield data[:, 1].astype(int) * 256 + data[:, 2]
