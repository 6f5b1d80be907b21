"""The simulated board: the Verilog's UART, link and chip behind the driver; nmc board, flash, run."""

import json
import os
import pty
import subprocess
import sys
import threading
import time
import tty
from dataclasses import replace

import numpy as np
import pytest
from networks import dense, lif
from programs import corner, random_image, random_inputs
from rtl_link.model import ModelBoard, NoisyLine, work

import emulator
from emulator.spec import isa
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DeviceError, DoesNotFitError, MachineError
from emulator.spec.files import shipped_folder
from emulator.spec.image import CoreImage, Image
from emulator.spec.image_file import save_image
from emulator.spec.isa import Op
from emulator.verilog.build import BOARD_MODULES, board_sources, rtl_directory, tool_environment
from nmcompile.board import link, protocol
from nmcompile.board.flash import differing, flash, read_words, write_chunks
from nmcompile.board.link import Board
from nmcompile.board.run import run_on_board
from nmcompile.board.segments import Segment, segments
from nmcompile.board.simulated import SimulatedBoard, SimulatedTransport
from nmcompile.coding.spikes import SpikeData, read_spikes
from nmcompile.fpga.boards import load_board
from nmcompile.frontends import read_network
from nmcompile.learning.attach import attach
from nmcompile.learning.library import pair_stdp
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

LONG = os.environ.get("NM_LONG") == "1"
SYNAPSES = 7 << 20
NMC = [sys.executable, "-m", "nmcompile.cli"]


@pytest.fixture(scope="module")
def up5k():
    return load_architecture("up5k")


@pytest.fixture(scope="module")
def image(up5k):
    network = read_network(shipped_folder("examples") / "networks" / "mnist_mlp.nir")
    return compile_network(network, up5k, choose_semantics("snntorch"), 8).image


@pytest.fixture(scope="module")
def data(image):
    return read_spikes(shipped_folder("examples") / "data" / "mnist_mlp_test.npz", image.n_inputs)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    """A simulated line in this process answers at once or never."""
    monkeypatch.setattr(link, "QUIET", 0.0)


@pytest.fixture(scope="module")
def loaded(up5k, image):
    """(board that holds the image, what loading took, in clocks too)."""
    simulated = SimulatedBoard(up5k, seed=3)
    board = Board(SimulatedTransport(simulated))
    before = simulated.clocks
    return board, flash(board, image), simulated.clocks - before


def learning_network(arch):
    """(image, inputs) of 20 inputs that four neurons learn by pair STDP."""
    rng = np.random.default_rng(0)
    projection = dense("fc", INPUT, "out", 10 * rng.random((20, 4)))
    network = Network((20,), (lif("out", (4,), 0.9, threshold=40.0, dt=1e-3),), (projection,), "out")
    network = attach(network, {"fc": pair_stdp(0.5, 0.2, 0.01, 0.01, w_min=0.0, w_max=10.0)})
    image = compile_network(network, arch, choose_semantics("nir", dt=1e-3), 8).image
    spikes = (rng.random((5, 60, 20)) < 0.1 * np.arange(20) / 20).astype(np.uint8)
    return image, SpikeData(spikes, None, {})


def quiet_program(board):
    """Nothing but `end` at address 0, so that any number of timesteps may run."""
    program = Segment(0, "program", 0, np.zeros((1, 2), np.uint32))
    write_chunks(board, [(program, 0, 1)])


# -------------------------------------------------------------------------------------------------- the line
@pytest.mark.parametrize(("skew", "gap"), [(0.02, 0), (-0.02, 0), (0.02, 3), (-0.02, 17)])
def test_clocks_apart_and_gaps_between_bytes_cost_no_frame(up5k, skew, gap):
    board = Board(SimulatedTransport(SimulatedBoard(up5k, skew=skew, gap=gap)))
    quiet_program(board)
    for _ in work(board, np.random.default_rng(1), 3, 120, SYNAPSES, 2):
        pass
    assert board.retries == 0


@pytest.mark.parametrize("skew", [7.68, 1.0, -0.5])
def test_a_wrong_baud_rate_is_told_and_does_no_harm(up5k, skew):
    """Bits of 115,200 baud, of half and of twice the board's rate: no session; then one at the right rate."""
    simulated = SimulatedBoard(up5k, skew=skew)
    line = SimulatedTransport(simulated)
    line.close = lambda: None  # the board stays
    with pytest.raises(DeviceError, match="--baud") as error:
        Board(line)
    assert "\n" not in str(error.value)
    simulated.set_line(0.0, 0)
    board = Board(line)
    quiet_program(board)
    assert len(list(work(board, np.random.default_rng(2), 2, 20, SYNAPSES, 2))) == 2
    assert board.retries == 0


def test_damaged_frames_are_never_believed_and_the_link_recovers(up5k):
    """Flipped, dropped, doubled, inserted bytes and bursts, both ways, under writes, reads and steps."""
    simulated = SimulatedBoard(up5k)
    line = NoisyLine(SimulatedTransport(simulated), 0.0, 7)
    board = Board(line)
    quiet_program(board)
    line.rate = 0.15
    steps = rounds = 0
    wanted = 10_000 if LONG else 150
    for times in work(board, np.random.default_rng(3), 1 << 30, 60, SYNAPSES, 2):
        assert times.tolist() == [(steps + i) & 0xFFFF for i in range(1, 1 + len(times))]
        steps += len(times)
        rounds += 1
        if line.damaged >= wanted:
            break
    print(f"{line.damaged:,} damaged frames, {board.retries:,} repeats, {rounds:,} rounds, 0 silent corruptions")
    line.rate = 0.0
    retries = board.retries
    assert len(list(work(board, np.random.default_rng(4), 3, 60, SYNAPSES, 2))) == 3
    assert board.retries <= retries + 1  # what was under way when the noise ended


def test_noise_on_an_idle_line_changes_nothing(up5k):
    transport = SimulatedTransport(SimulatedBoard(up5k))
    board = Board(transport)
    quiet_program(board)
    rng = np.random.default_rng(5)
    for _ in range(20):
        transport.write(rng.bytes(50))
        assert len(list(work(board, rng, 1, 20, SYNAPSES, 2))) == 1


def test_the_verilog_answers_like_the_model(up5k):
    """Requests of every kind and sequence number, whole and cut short, on four synapse words."""
    rng = np.random.default_rng(6)
    model, verilog = ModelBoard(up5k.hash, parts=2), SimulatedTransport(SimulatedBoard(up5k))

    def point():
        return bytes([0xC3, 1, 0, 0x70, 0, int(rng.integers(4))])  # at a synapse word

    whole = bytes([0xC3, 1, 0, 0x70, 0, 0, 0xC4, 8]) + rng.bytes(32) + point() + bytes([0x64, 1])  # all is known now
    for number in range(400):
        kind = (
            int(rng.choice([protocol.OPEN, protocol.RUN, protocol.RUN, protocol.RUN, 9])) if number else protocol.OPEN
        )
        sequence = model.last + int(rng.choice([0, 1, 1, 1, 2, 255, 77])) & 0xFF
        payload = b"" if number else whole
        for _ in range(int(rng.integers(0, 6)) if number else 0):
            mode = int(rng.integers(4))
            if rng.random() < 0.5:
                payload += point() + bytes([0x84 | mode << 5, 1]) + rng.bytes(protocol.MODE_BYTES[mode])
            elif rng.random() < 0.5:
                payload += point() + bytes([0x04 | mode << 5, 1])
            elif rng.random() < 0.5:
                payload += bytes([int(rng.integers(3)) << 5 | int(rng.integers(0x1C, 0x1F)), int(rng.choice([1, 200]))])
            else:
                payload += point() + bytes([0x64, int(rng.integers(1, 3)), int(rng.integers(3)) << 5 | 0x1F, 1])
        if number:
            payload = payload[: int(rng.choice([len(payload), rng.integers(0, len(payload) + 1)]))]
        request = protocol.encode(protocol.Frame(sequence, kind, payload))
        if rng.random() < 0.1 and number:
            request = request[:4] + bytes([request[4] ^ 1]) + request[5:]
        verilog.write(request)
        answer = b""
        while piece := verilog.read(0):
            answer += piece
        assert answer == model.answer(request), (number, kind, sequence, payload.hex())


@pytest.mark.parametrize("timesteps", [1, 40_000])
def test_a_long_run_sends_a_mark_now_and_then(up5k, timesteps):
    """A lone mark each 2^16 clocks until the reply, which is whole whatever the payload's counter counted before."""
    simulated = SimulatedBoard(up5k)
    transport = SimulatedTransport(simulated)
    quiet_program(Board(transport))
    transport.write(protocol.encode(protocol.Frame(9, protocol.OPEN, b"")))
    while transport.read(0):
        pass
    payload = bytes([0xC2, 1]) + (timesteps << 8 | 1).to_bytes(4, "big") + bytes([0x04, 1, 0x49, 1])
    before = simulated.clocks
    transport.write(protocol.encode(protocol.Frame(10, protocol.RUN, payload)))
    answer = b""
    while piece := transport.read(0):
        answer += piece
    expected = (simulated.clocks - before) // (1 << protocol.HEARTBEAT_BITS)
    marks = len(answer) - len(answer.lstrip(b"~")) - 1
    assert abs(marks - expected) <= 1
    assert (marks > 3) == (timesteps > 1)
    frames = protocol.Decoder(64).feed(answer)
    assert [frame.kind for frame in frames] == [protocol.DONE]
    assert frames[0].payload[1:] == (timesteps & 0xFFFFFFFF).to_bytes(4, "big")


def test_bulk_loads_use_the_line(up5k):
    """At least 80 % of the line rate for random data, what else is sent included."""
    simulated = SimulatedBoard(up5k)
    board = Board(SimulatedTransport(simulated))
    words = np.random.default_rng(8).integers(1 << 32, size=(4096, 2), dtype=np.uint32)
    segment = Segment(0, "synapses", 0, words)
    before = simulated.clocks
    write_chunks(board, [(segment, 0, len(words))])
    wire = words.nbytes * 10 * 4
    share = wire / (simulated.clocks - before)
    print(f"{100 * share:.1f} % of the line rate")
    assert share > 0.8
    assert board.retries == 0
    assert differing(board, [segment]) == []


@pytest.mark.parametrize("parts", [1, 2, 8, 16])
def test_what_is_written_is_what_is_read(parts):
    """Words of many parts, some of them all equal, as are some words next to each other."""
    rng = np.random.default_rng(9)
    board = Board(ModelBoard(parts=parts))
    words = rng.integers(1 << 32, size=(300, parts), dtype=np.uint32)
    words[rng.random(300) < 0.3] = 7
    words[100:150] = 7
    segment = Segment(0, "registers", 5, words)
    write_chunks(board, [(segment, 0, len(words))])
    np.testing.assert_array_equal(read_words(board, [segment])[0], words)
    assert differing(board, [segment]) == []
    before = board.received_bytes
    read_words(board, [segment])
    assert board.received_bytes - before < 1.1 * words.nbytes + 200  # in bursts


# ------------------------------------------------------------------------------------------ images, samples
def test_loading_takes_little_more_than_the_wire_and_then_nothing(loaded, image):
    board, first, clocks = loaded
    assert first.written_bytes == first.total_bytes
    assert clocks < 1.3 * first.total_bytes * 10 * 4
    assert board.retries == 0
    assert flash(board, image).written_bytes == 0


def test_only_what_differs_is_loaded(loaded, image):
    changed = segments(image)[3]
    changed.parts[100, 1] ^= 1
    write_chunks(loaded[0], [(changed, 100, 101)])
    assert flash(loaded[0], image).written_bytes == 1024


def test_samples_equal_the_emulator_and_do_not_depend_on_each_other(loaded, image, data):
    count = 20 if LONG else 3
    result = run_on_board(loaded[0], image, data.first(count), compare=True)
    wanted = emulator.run(image, data.first(count).spikes, record_spikes=True)
    np.testing.assert_array_equal(result.spikes, wanted.spikes)
    np.testing.assert_array_equal(result.output_counts, wanted.output_counts)
    np.testing.assert_array_equal(result.sample_cycles, wanted.sample_cycles)
    assert {name: int(v.sum()) for name, v in result.counters.items()} == {
        name: int(v.sum()) for name, v in wanted.counters.items()
    }
    again = run_on_board(loaded[0], image, data.first(1))
    np.testing.assert_array_equal(again.output_counts, wanted.output_counts[:1])


def test_random_programs_equal_the_emulator_sample_after_sample(up5k):
    """Registers, traces and random state that a reset program leaves alone are put back before each sample.

    While learning they carry over, as weights do; rewards come with the samples, and what was learned is compared.
    """
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    rows = 0
    for seed in range(200 if LONG else 8):
        rng, learn = np.random.default_rng(seed), bool(seed % 2)
        image = random_image(rng, up5k, learning=learn)
        flash(board, image)
        spikes = random_inputs(rng, image, 5, 3).astype(np.uint8)
        data = SpikeData(spikes, None, {"rewards": np.array([corner(rng, up5k.state_bits) for _ in range(3)])})
        run_on_board(board, image, data, compare=True)
        result = run_on_board(board, image, data, compare=True, learn=learn)
        rows += result.total("rows") if learn else 0
    assert rows > 100
    assert board.retries == 0


def test_what_the_reset_program_made_is_this_samples(up5k):
    """Neurons that spike in samples behind the first, as its reset saw it, or by the reward that their reset kept."""
    space = Op("range", imm=isa.halves(0, 1), d=3)
    ops = [space, Op("cge", d=1, a=1, imm_b=1, imm=1), Op("spk", pred=1), Op("spk", pred=2)]
    ops += [Op("add", imm_b=1, imm=1), Op("end", imm=1)]
    reset = len(ops)
    ops += [space, Op("cge", imm_b=1, imm=1), Op("mov", d=1, imm=isa.SRC_REWARD), Op("end")]
    core = CoreImage(
        np.array([isa.encode(op) for op in ops], np.uint64),
        reset,
        np.zeros(0, np.uint64),
        np.zeros((0, 4), np.uint16),
        np.zeros((up5k.registers, 1, 4), np.int32),
        np.zeros(0, np.uint32),
        np.zeros(0, np.uint32),
        np.ones(4, np.uint32),
    )
    image = Image(up5k, (core,), np.zeros(2, np.int64), np.zeros(0, np.uint32), np.array([[0, 0]], np.int32), 0, ())
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    flash(board, image)
    data = SpikeData(np.zeros((3, 2, 1), np.uint8), None, {"rewards": np.array([1, 0, -1])})
    assert run_on_board(board, image, data, compare=True).output_counts.tolist() == [[0], [0], [0]]
    assert run_on_board(board, image, data, compare=True, learn=True).output_counts.tolist() == [[2], [2], [2]]
    data.extra["rewards"][0] = -1
    assert run_on_board(board, image, data, compare=True, learn=True).output_counts.tolist() == [[0], [2], [2]]


def test_another_networks_board_is_told(up5k, image, data):
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    with pytest.raises(DeviceError) as error:
        run_on_board(board, image, data.first(1))
    assert str(error.value) == (
        "the board on simulation holds another network (program of core 0 differs); load this one first: nmc flash"
    )


def test_another_threshold_is_another_network(loaded, image, data):
    """Registers that no program writes are compared before a run, as weights are."""
    core = image.cores[0]
    kept = next(s.first >> 6 for s in segments(image) if s.memory == "registers" and not s.changes)
    registers = core.registers.copy()
    registers[kept, 0, 0] += 1
    other = replace(image, cores=(replace(core, registers=registers),))
    with pytest.raises(DeviceError, match="holds another network \\(registers of core 0 differs\\)"):
        run_on_board(loaded[0], other, data.first(1))


def test_the_first_difference_is_named(loaded, image, data, monkeypatch):
    spikes = data.first(2)
    other = np.array(spikes.spikes)
    other[1, 0, :] = 1
    real = emulator.run
    monkeypatch.setattr(emulator, "run", lambda program, _, **options: real(program, other, **options))
    with pytest.raises(MachineError) as error:
        run_on_board(loaded[0], image, spikes, compare=True)
    assert "board and emulator differ first in sample 1, timestep 0: neuron " in str(error.value)
    assert "fires only on the emulator" in str(error.value)


@pytest.mark.parametrize(
    ("what", "change", "place"),
    [
        ("synapses", lambda a: a + (np.arange(a.size).reshape(a.shape) == 9), "slot 1 of synapse word 2 of core 0"),
        ("registers", lambda a: a + (np.arange(a.size).reshape(a.shape) == 1), "r0 of neuron 1 of 'out'"),
        ("seeds", lambda a: a ^ (np.arange(4) == 3), "the random state of lane 3 of core 0"),
    ],
)
def test_the_first_difference_in_what_was_learned_is_named(up5k, monkeypatch, what, change, place):
    image, data = learning_network(up5k)
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    flash(board, image)
    real = emulator.run

    def wrong(*arguments, **options):
        result = real(*arguments, **options)
        (core,) = result.learned.cores
        values = change(getattr(core, what)).astype(getattr(core, what).dtype)
        return replace(result, learned=replace(result.learned, cores=(replace(core, **{what: values}),)))

    monkeypatch.setattr(emulator, "run", wrong)
    with pytest.raises(MachineError) as error:
        run_on_board(board, image, data, compare=True, learn=True)
    assert str(error.value).startswith(f"board and emulator differ in what was learned: {place}")
    assert "; 1 of " in str(error.value)


def test_an_image_for_another_architecture_is_refused(up5k):
    network = read_network(shipped_folder("examples") / "networks" / "mnist_mlp.nir")
    other = compile_network(network, load_architecture("ecp5"), choose_semantics("snntorch"), 8).image
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    with pytest.raises(DeviceError) as error:
        flash(board, other)
    assert str(error.value) == (
        f"the image is for architecture 'ecp5' ({other.arch.hash}), the board on simulation is up5k ({up5k.hash}); "
        "compile it for that one"
    )


def test_a_reset_button_is_noticed(up5k, image):
    simulated = SimulatedBoard(up5k)
    board = Board(SimulatedTransport(simulated))
    simulated.reset()
    with pytest.raises(DeviceError, match="was reset meanwhile; start again"):
        flash(board, image)
    quiet_program(Board(SimulatedTransport(simulated)))


# ------------------------------------------------------------------------------------------- the command line
def nmc(*arguments, timeout=400):
    done = subprocess.run([*NMC, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr.strip()


@pytest.fixture(scope="module")
def served(up5k, image, tmp_path_factory):
    """(port, image file) of `nmc board`."""
    SimulatedBoard(up5k).close()  # build it before the clock ticks
    path = tmp_path_factory.mktemp("board") / "net.nmi"
    save_image(image, path)
    server = subprocess.Popen([*NMC, "board"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield server.stdout.readline().strip(), path
    server.terminate()
    server.wait(10)
    server.stdout.close()


def test_flash_and_run_on_a_served_board(served):
    port, path = served
    code, out, err = nmc("flash", path, "--port", port, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["architecture"] == "up5k"
    inputs = shipped_folder("examples") / "data" / "mnist_mlp_test.npz"
    result = path.with_suffix(".npz")
    code, out, err = nmc(
        *("run", path, "--port", port, "--spikes", inputs, "--limit", 3, "--verify", "--json", "-o", result)
    )
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert values["differences"] == 0
    assert values["samples"] == 3
    assert nmc("inspect", result)[0] == 0


def test_a_board_learns_as_the_emulator_does(served, up5k, tmp_path):
    """The image that a board ends in is the emulator's, byte for byte, and goes on from there."""
    port, _ = served
    image, data = learning_network(up5k)
    net, inputs, mine, emulated, again = (tmp_path / name for name in ("n.nmi", "i.npz", "b.nmi", "e.nmi", "a.nmi"))
    save_image(image, net)
    np.savez(inputs, spikes=data.spikes)
    run = ("--port", port, "--spikes", inputs, "--verify")
    assert nmc("flash", net, "--port", port)[0] == 0
    code, out, err = nmc("run", net, *run, "--learned", mine, "--json", "-o", tmp_path / "run.npz")
    assert (code, err) == (0, "")
    assert nmc("inspect", tmp_path / "run.npz")[0] == 0
    values = json.loads(out)
    assert (values["differences"], values["compared"][-1]) == (0, "what was learned")
    assert values["row_updates"] > 100
    assert nmc("emulate", net, "--spikes", inputs, "--learned", emulated)[0] == 0
    assert mine.read_bytes() == emulated.read_bytes()

    still = json.loads(nmc("run", net, *run, "--json")[1])  # from the image again, without learning
    assert still["spikes"] != values["spikes"]
    said = " ".join(nmc("run", net, *run, "--learned", again)[1].split())
    assert again.read_bytes() == mine.read_bytes()
    assert "learned fc by pair-stdp: mean weight " in said
    assert "0 differences in spikes, cycles, counters and what was learned" in said
    assert nmc("run", served[1], *run, "--learn")[::2] == (
        2,
        "nmc: nothing in this image learns; compile it with --plasticity RULES.toml",
    )


def test_a_board_of_another_architecture_or_without_traces_does_not_learn(up5k):
    plain = replace(up5k, name="plain", traces=0)
    with pytest.raises(DoesNotFitError) as refused:
        learning_network(plain)
    assert str(refused.value) == (
        "'fc' needs 1 traces per axon for 'pair-stdp' (x), 'plain' has 0; use an architecture with more "
        "traces, or a rule with fewer"
    )
    image, _ = learning_network(up5k)
    other = load_board("tang_nano_20k").arch()
    board = Board(ModelBoard(other.hash))
    with pytest.raises(DeviceError) as error:
        flash(board, image)
    assert str(error.value) == (
        f"the image is for architecture 'up5k' ({up5k.hash}), the board on model is tang ({other.hash}); "
        "compile it for that one"
    )
    assert error.value.exit_code == 6


def test_a_client_killed_while_loading_leaves_a_usable_board(served):
    port, path = served
    for moment in (0.0, 0.4):
        client = subprocess.Popen([*NMC, "flash", str(path), "--port", port], stdout=subprocess.DEVNULL)
        time.sleep(1.0 + moment)
        client.kill()
        client.wait()
        assert nmc("flash", path, "--port", port)[0] == 0


def test_a_busy_port_is_named(served):
    import serial

    port, path = served
    with serial.Serial(port, exclusive=True):
        assert nmc("flash", path, "--port", port)[::2] == (
            6,
            f"nmc: port {port} is in use by another program; end that first",
        )


def test_a_busy_tcp_port_is_named_as_a_terminal_is(served):
    import socket

    _, path = served
    server = subprocess.Popen(
        [*NMC, "board", "--tcp", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        port = server.stdout.readline().strip()
        number = port.rsplit(":", 1)[1]
        with socket.create_connection(("127.0.0.1", int(number))):
            time.sleep(0.5)  # until it is the one who is served
            said = f"nmc: port {port} is in use by another program; end that first"
            assert nmc("flash", path, "--port", port)[::2] == (6, said)
            said = f"nmc: port {number} of 127.0.0.1 is in use by another program; choose another, or 0 for any"
            assert nmc("board", "--tcp", number)[0] == 6
            assert nmc("board", "--tcp", number)[2].endswith(said)
        assert nmc("flash", path, "--port", port)[0] == 0
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def test_a_missing_port_is_named(served):
    assert nmc("flash", served[1], "--port", "/dev/ttyUSB99")[::2] == (
        6,
        "nmc: no port /dev/ttyUSB99; nmc devices lists the ports there are",
    )


def test_a_port_without_a_board_is_named(served):
    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    code, _, err = nmc("flash", served[1], "--port", name)
    os.close(master)
    os.close(slave)
    assert (code, err.startswith(f"nmc: no answer on {name} after 4 tries")) == (6, True)


def test_a_board_unplugged_while_loading_is_named(up5k, served):
    """A pseudo-terminal whose other side closes in the middle."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    model = ModelBoard(up5k.hash)

    def play():
        taken = 0
        while taken < 5000:
            data = os.read(master, 4096)
            taken += len(data)
            os.write(master, model.answer(data))
        os.close(slave)
        os.close(master)

    thread = threading.Thread(target=play)
    thread.start()
    code, _, err = nmc("flash", served[1], "--port", name)
    thread.join()
    assert code == 6
    assert err.startswith(f"nmc: lost the board on {name} (")
    assert err.endswith("; plug it in again and repeat")


def test_devices_is_a_list():
    code, out, _ = nmc("devices", "--json")
    assert code == 0
    assert isinstance(json.loads(out)["ports"], list)


@pytest.mark.parametrize(("top", "sizes"), [("nm_uart", (4, 24)), ("nm_link", (512, 4096)), ("nm_board", ())])
def test_the_boards_verilog_is_lint_clean(top, sizes):
    name = "CLOCKS_PER_BIT" if top == "nm_uart" else "REQUEST_BYTES"
    for size in sizes or (None,):
        command = ["verilator", "--lint-only", "-Wall", f"+incdir+{rtl_directory()}", "--top-module", top]
        command += [f"-G{name}={size}"] if size else []
        done = subprocess.run([*command, *board_sources()], capture_output=True, text=True, env=tool_environment())
        # the chip's own modules are linted with their own parameters
        mine = [line for line in done.stderr.splitlines() if any(f"nm_{module}.v" in line for module in BOARD_MODULES)]
        assert mine == []
        assert "%Error" not in done.stderr


def test_icarus_takes_the_boards_verilog(tmp_path):
    command = ["iverilog", "-g2012", "-I", rtl_directory(), "-s", "nm_board", "-o", tmp_path / "board.vvp"]
    done = subprocess.run([*command, *board_sources()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
