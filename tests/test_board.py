"""The simulated board: the Verilog's UART, link and chip behind the driver; nmc board, flash, run."""

import json
import os
import pty
import subprocess
import sys
import threading
import time
import tty

import numpy as np
import pytest
from programs import random_image, random_inputs
from rtl_link.model import ModelBoard, NoisyLine, work

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DeviceError, MachineError
from emulator.spec.files import shipped_folder
from emulator.spec.image import save_image
from emulator.verilated import rtl_directory, tool_environment
from nmcompile.board import link, protocol
from nmcompile.board.flash import differing, flash, write_chunks
from nmcompile.board.layout import Segment, segments
from nmcompile.board.link import Board
from nmcompile.board.run import run_on_board
from nmcompile.board.simulated import BOARD_MODULES, SimulatedBoard, SimulatedTransport, board_sources
from nmcompile.frontends import read_network
from nmcompile.pipeline import compile_network
from nmcompile.semantics import choose_semantics
from nmcompile.spikes import SpikeData, read_spikes

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
            else:
                payload += bytes(
                    [int(rng.choice([0, 1, 2])) << 5 | int(rng.integers(0x1C, 0x20)), int(rng.choice([1, 200]))]
                )
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
    """Registers, traces and random state that a reset program leaves alone are put back before each sample."""
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    ran = 0
    for seed in range(200 if LONG else 8):
        rng = np.random.default_rng(seed)
        image = random_image(rng, up5k)
        flash(board, image)
        spikes = random_inputs(rng, image, 5, 3).astype(np.uint8)
        run_on_board(board, image, SpikeData(spikes, None, {}), compare=True)
        ran += 1
    assert ran > 4
    assert board.retries == 0


def test_another_networks_board_is_told(up5k, image, data):
    board = Board(SimulatedTransport(SimulatedBoard(up5k)))
    with pytest.raises(DeviceError) as error:
        run_on_board(board, image, data.first(1))
    assert str(error.value) == (
        "the board on simulation holds another network (program of core 0 differs); load this one first: nmc flash"
    )


def test_the_first_difference_is_named(loaded, image, data, monkeypatch):
    spikes = data.first(2)
    other = spikes.spikes.copy()
    other[1, 0, :] = 1
    real = emulator.run
    monkeypatch.setattr(emulator, "run", lambda program, _, **options: real(program, other, **options))
    with pytest.raises(MachineError) as error:
        run_on_board(loaded[0], image, spikes, compare=True)
    assert "board and emulator differ first in sample 1, timestep 0: neuron " in str(error.value)
    assert "fires only on the emulator" in str(error.value)


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
        *("run", path, "--port", port, "--spikes", inputs, "--limit", 3, "--compare", "--json", "-o", result)
    )
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert values["differences"] == 0
    assert values["samples"] == 3
    assert nmc("inspect", result)[0] == 0


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


def test_a_board_unplugged_while_loading_is_named(up5k, image, served):
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
