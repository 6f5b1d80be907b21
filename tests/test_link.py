"""The line to a board: frames, the driver against every kind of noise, and the table the Verilog is made from."""

import random
import time

import numpy as np
import pytest
import rtl_link.model
from hypothesis import given, settings
from hypothesis import strategies as st
from rtl_link.model import ModelBoard, NoisyLine, work

from emulator.spec.errors import DeviceError
from nmcompile.board import link, protocol
from nmcompile.board.flash import read_words, write_chunks
from nmcompile.board.link import Board, Request
from nmcompile.board.protocol import Decoder, Frame, decode, encode
from nmcompile.board.script import Script
from nmcompile.board.segments import Segment

frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    """The lines here answer at once or never."""
    monkeypatch.setattr(link, "QUIET", 0.0)


# --------------------------------------------------------------------------------------------------- frames
@given(st.lists(frames, max_size=5), st.integers(1, 7))
def test_frames_come_back_whatever_the_pieces(sent, piece):
    line = b"".join(map(encode, sent))
    decoder, found = Decoder(300), []
    for at in range(0, len(line), piece):
        found += decoder.feed(line[at : at + piece])
    assert found == sent
    assert decoder.damaged == 0


@given(frames)
def test_the_mark_is_unique(frame):
    line = encode(frame)
    assert line.count(protocol.MARK) == 2
    assert line[0] == line[-1] == protocol.MARK


@given(frames, st.binary(max_size=50))
def test_the_frame_after_noise_is_read(frame, noise):
    assert Decoder(300).feed(noise + encode(frame))[-1:] == [frame]


@settings(max_examples=300)
@given(frames, st.data())
def test_up_to_three_flipped_bits_are_found(frame, data):
    line = bytearray(encode(frame)[1:-1])
    assert decode(bytes(line)) == frame
    for place in data.draw(st.sets(st.integers(0, 8 * len(line) - 1), min_size=1, max_size=3)):
        line[place // 8] ^= 1 << place % 8
    # a flip may make a mark or an escape: then these are other frames, or none
    if protocol.MARK not in line and protocol.ESCAPE not in line and protocol.ESCAPE not in encode(frame):
        assert decode(bytes(line)) is None


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_decoded(noise):
    decoder = Decoder(100)
    for frame in decoder.feed(noise):
        assert encode(frame)[1:-1] in noise


def test_crc_is_the_published_one():
    assert protocol.crc16(b"123456789") == 0x29B1  # CRC-16/IBM-3740


# --------------------------------------------------------------------------------------------------- driver
class Babble:
    """A line that answers with whatever it was told, then with nothing."""

    name = "babble"

    def __init__(self, pieces):
        self.pieces, self.closed = list(pieces), False

    def write(self, data):
        pass

    def read(self, timeout):
        return self.pieces.pop(0) if self.pieces else b""

    def close(self):
        self.closed = True


@given(st.lists(st.one_of(st.binary(max_size=200), frames.map(encode)), max_size=40))
def test_babble_is_a_device_error(pieces):
    line = Babble(pieces)
    with pytest.raises(DeviceError):
        Board(line)
    assert line.closed


@settings(max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=100), frames.map(encode)), max_size=60), st.booleans())
def test_babble_in_the_middle_of_a_session_ends_in_our_error_or_in_nothing(pieces, again):
    board = Board(ModelBoard())
    board.transport = Babble(pieces)
    with pytest.raises(DeviceError) as error:
        board.run([Request(bytes([0x40 | 3, 1]), 4, again)] * 3)
    assert "\n" not in str(error.value)


def test_a_silent_port_says_so():
    with pytest.raises(DeviceError) as error:
        Board(Babble([]))
    assert str(error.value) == (
        "no answer on babble after 4 tries; is the board programmed and powered, is --baud its baud rate?"
    )


def test_what_is_no_board_says_so():
    with pytest.raises(DeviceError) as error:
        Board(Babble([b"", b"login: "] * 4))
    assert str(error.value) == (
        "what answers on babble is no nmcompile board (28 bytes, no answer among them); choose another port, or the "
        "board's baud rate with --baud"
    )


@pytest.mark.parametrize(
    ("register", "value", "message"),
    [
        (0, 0x1234 << 16 | 3, "what answers on model is no nmcore; choose another port"),
        (0, 0x4E4D << 16 | 2, "the board on model has instruction set 2, this version 3; build its bitstream again"),
        (0x1C, 1 << 24 | 0x0909, "the board on model speaks protocol 1, this version 2; build its bitstream again"),
    ],
)
def test_a_board_of_another_version_says_so(register, value, message, monkeypatch):
    model = ModelBoard()
    right = model.value_of
    monkeypatch.setattr(model, "value_of", lambda number: value if number == register else right(number))
    with pytest.raises(DeviceError) as error:
        Board(model)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("link", "says"),
    [
        (
            0x02_20_00_0B,
            "that its request buffer has 2**0 bytes; this version takes 2**8 to 2**15",
        ),
        (
            0x02_20_10_0B,
            "that its request buffer has 2**16 bytes; this version takes 2**8 to 2**15",
        ),
        (0x02_20_09_00, "that its reply buffer has 2**0 bytes; this version takes 2**8 to 2**15"),
        (
            0x02_20_09_FF,
            "that its reply buffer has 2**255 bytes; this version takes 2**8 to 2**15",
        ),
        (0x02_41_09_09, "that its counters have 65 bits; this version takes up to 64"),
    ],
)
def test_what_a_board_says_of_itself_has_bounds(link, says, monkeypatch):
    model = ModelBoard()
    right = model.value_of
    monkeypatch.setattr(model, "value_of", lambda number: link if number == 0x1C else right(number))
    with pytest.raises(DeviceError) as error:
        Board(model)
    assert str(error.value) == f"the board on model says {says}, build its bitstream again"


@pytest.mark.parametrize("bits", [8, 15])
def test_boards_at_the_bounds_are_written_and_read(bits, monkeypatch):
    monkeypatch.setattr(rtl_link.model, "REQUEST_BYTES", 1 << bits)
    monkeypatch.setattr(rtl_link.model, "REPLY_BYTES", 1 << bits)
    model = ModelBoard()
    right = model.value_of
    monkeypatch.setattr(model, "value_of", lambda n: 0x02_20_00_00 | bits << 8 | bits if n == 0x1C else right(n))
    board = Board(model)
    words = np.arange(1000, dtype=np.uint32)[:, None] * 7919
    segment = Segment(0, "routes", 0, words)
    write_chunks(board, [(segment, 0, 1000)])
    (found,) = read_words(board, [segment])
    assert (found == words).all()


class Chatty(Babble):
    """A line that never falls quiet."""

    def __init__(self, what, seconds):
        super().__init__([])
        self.what, self.seconds = what, seconds

    def read(self, timeout):
        time.sleep(min(timeout, self.seconds))
        return self.what


@pytest.mark.parametrize("what", [b"login: ", encode(Frame(1, 0x82, b""))])
def test_a_port_that_never_falls_quiet_is_refused_in_time(what, monkeypatch):
    monkeypatch.setattr(link, "OPENING", 0.3)
    begun = time.monotonic()
    with pytest.raises(DeviceError, match="is no nmcompile board"):
        Board(Chatty(what, 0.01))
    assert 0.3 < time.monotonic() - begun < 2


def test_a_board_that_only_beats_is_waited_for_as_long_as_a_request_may_run(monkeypatch):
    monkeypatch.setattr(link, "OPENING", 0.1)
    monkeypatch.setattr(link, "LONGEST", 0.5)
    begun = time.monotonic()
    with pytest.raises(DeviceError, match="is no nmcompile board"):
        Board(Chatty(b"\x7e", 0.01))
    assert 0.5 < time.monotonic() - begun < 2


def test_opening_whatever_answers_takes_seconds_and_a_busy_board_two_minutes():
    assert link.OPENING <= 10
    assert link.LONGEST <= 120


def test_a_reset_in_a_session_says_so():
    model = ModelBoard()
    board = Board(model)
    model.open = False
    with pytest.raises(DeviceError) as error:
        board.run([Request(bytes([0x40 | 3, 1]), 4)])
    assert str(error.value) == "the board on model was reset meanwhile; start again"
    assert Board(model).run([Request(bytes([0x43, 1]), 4)]) == [bytes(4)]


def test_another_driver_on_the_line_says_so():
    model = ModelBoard()
    board = Board(model)
    model.last = model.last + 100 & 255
    with pytest.raises(DeviceError) as error:
        board.run([Request(bytes([0x43, 1]), 4)])
    assert str(error.value) == (
        "the board on model lost track: it was reset, or another program talks to it; start again"
    )


def test_a_board_that_falls_silent_says_so():
    board = Board(ModelBoard())
    board.transport = Babble([])
    board.transport.name = "/dev/ttyUSB0"
    with pytest.raises(DeviceError) as error:
        board.run([Request(bytes([0x43, 1]), 4)])
    assert str(error.value) == "the board on /dev/ttyUSB0 does not answer any more; plug it in again and repeat"


def test_a_line_that_damages_everything_says_so():
    model = ModelBoard()
    board = Board(model)
    board.transport = NoisyLine(model, 1.0, 1)
    with pytest.raises(DeviceError) as error:
        board.run([Request(bytes(100), 0)] * 20)
    assert str(error.value) == "no undamaged answer from model in 20 tries; check cable and baud rate"


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.3])
def test_noise_changes_nothing_and_no_request_runs_twice(rate):
    model = ModelBoard()
    line = NoisyLine(model, 0.0, 5)
    board = Board(line)
    line.rate = rate
    steps = 0
    for times in work(board, np.random.default_rng(2), 60):
        assert times.tolist() == list(range(steps + 1, steps + 1 + len(times)))
        steps += len(times)
    assert model.chip.steps == steps
    assert (board.retries > 0) == (rate > 0)
    print(f"{line.damaged} damaged frames, {board.retries} repeats")


@given(st.lists(st.integers(0, (1 << 32) - 1) | st.integers(0, 700), max_size=60), st.booleans())
def test_a_script_writes_what_it_was_given(values, again):
    model = ModelBoard()
    board = Board(model)
    script = Script(board.identity, again)
    script.write(3, [7])
    script.write(4, values)
    script.cut()
    board.run(script.requests)
    assert [model.chip.memory[7 + i, 0] for i in range(len(values))] == values


def test_ascending_axons_take_a_byte_each():
    script = Script(Board(ModelBoard()).identity, again=False)
    script.write(5, list(range(0, 300, 3)))
    script.cut()
    assert len(script.requests[0].payload) == 2 + 4 + 2 + 99


def test_zeros_take_no_bytes():
    script = Script(Board(ModelBoard()).identity, again=False)
    script.write(4, [0] * 257)
    script.cut()
    assert len(script.requests[0].payload) == 2 + 4 + 2


@given(st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=256))
def test_the_digest_is_the_boards(words):
    model = ModelBoard()
    board = Board(model)
    model.chip.memory = {(i, 0): word for i, word in enumerate(words)}
    script = Script(board.identity, again=True)
    script.write(3, [0])
    script.digest(4, len(words))
    script.cut()
    assert int.from_bytes(board.run(script.requests)[0], "big") == protocol.fold(words)


def test_a_digest_sees_every_changed_word_and_every_swap():
    rng = random.Random(3)
    words = [rng.randrange(1 << 32) for _ in range(256)]
    right = protocol.fold(words)
    for i in range(255):
        changed, swapped = words.copy(), words.copy()
        changed[i] ^= 1 << rng.randrange(32)
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        assert protocol.fold(changed) != right
        assert protocol.fold(swapped) != right
