"""Boards as folders: what each says, its top under every tool, its README's table, and programming."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import random_image, random_inputs

from emulator.spec.errors import DoesNotFitError, InputError, UsageError
from emulator.verilog.build import (
    CLOCKS_PER_BIT,
    board_parameters,
    board_sources,
    build_library,
    rtl_directory,
    tool_environment,
)
from nmcompile import cli
from nmcompile.board import link, simulated
from nmcompile.board.flash import flash
from nmcompile.board.link import Board
from nmcompile.board.run import run_on_board, summary
from nmcompile.board.simulated import SimulatedBoard, SimulatedTransport
from nmcompile.coding.spikes import SpikeData
from nmcompile.fpga import bitstream, boards, targets
from nmcompile.fpga import implement as fpga
from nmcompile.fpga.bitstream import board_design
from nmcompile.fpga.boards import board_names, load_board
from nmcompile.fpga.implement import Implementation

BUILT = [name for name in board_names() if load_board(name).target]
LONG = os.environ.get("NM_LONG") == "1"

# the ports of what only a part's own library knows
PRIMITIVES = """
module SB_PLL40_PAD #(parameter FEEDBACK_PATH = "", parameter DIVR = 0, parameter DIVF = 0, parameter DIVQ = 0,
    parameter FILTER_RANGE = 0) (input PACKAGEPIN, output PLLOUTGLOBAL, output LOCK, input RESETB, input BYPASS);
endmodule
module EHXPLLL #(parameter CLKI_DIV = 0, parameter CLKFB_DIV = 0, parameter CLKOP_DIV = 0, parameter CLKOP_CPHASE = 0,
    parameter FEEDBK_PATH = "", parameter CLKOP_ENABLE = "") (input CLKI, input CLKFB, output CLKOP, output LOCK,
    input RST, input STDBY, input PHASESEL0, input PHASESEL1, input PHASEDIR, input PHASESTEP, input PHASELOADREG,
    input PLLWAKESYNC, input ENCLKOP);
endmodule
module rPLL #(parameter DEVICE = "", parameter FCLKIN = "", parameter IDIV_SEL = 0, parameter FBDIV_SEL = 0,
    parameter ODIV_SEL = 0) (input CLKIN, output CLKOUT, output LOCK, input CLKFB, input RESET, input RESET_P,
    input [5:0] FBDSEL, input [5:0] IDSEL, input [5:0] ODSEL, input [3:0] PSDA, input [3:0] DUTYDA, input [3:0] FDLY);
endmodule
module MMCME2_BASE #(parameter CLKIN1_PERIOD = 0.0, parameter CLKFBOUT_MULT_F = 0.0, parameter CLKOUT0_DIVIDE_F = 0.0) (
    input CLKIN1, input CLKFBIN, output CLKFBOUT, output CLKOUT0, output LOCKED, input PWRDWN, input RST);
endmodule
module BUFG (input I, output O);
endmodule
"""


def made(**changes):
    values = {
        "target": "up5k",
        "part": "iCE40UP5K-SG48",
        "area": dict.fromkeys(targets.AREA, 1),
        "modules": [],
        "used": {"logic cells": [5000, 5280], "block RAMs": [12, 30]},
        "fmax_hz": 26.3e6,
        "constraint_hz": 24e6,
        "seed": 1,
        "error": "",
        "tools": {"pyosys": "0.70"},
    }
    return Implementation(**(values | changes))


@pytest.mark.parametrize("name", board_names())
def test_a_boards_folder_says_everything(name):
    board = load_board(name)
    assert board.arch().cores >= 1
    assert board.clocks_per_bit * board.baud == board.clock_hz
    assert (board.folder / board.pins).is_file()
    assert f"--board {name}" in (board.folder / "README.md").read_text()


@pytest.mark.parametrize("name", board_names())
def test_every_port_of_a_top_has_a_pin_and_every_pin_a_port(name):
    board = load_board(name)
    ports = set()
    for line in (board.folder / "top.v").read_text().splitlines():
        if line.lstrip().startswith(("input ", "output ")):
            ports.add(line.split()[-1].rstrip(","))
    words = (board.folder / board.pins).read_text().replace('"', " ").replace("]", " ").split()
    assert len(ports) >= 5
    assert ports == {word for word in words if word.endswith(("_i", "_ni", "_o", "_no"))}


@pytest.mark.parametrize("name", board_names())
def test_the_top_is_lint_clean(name, tmp_path):
    board = load_board(name)
    (tmp_path / "primitives.v").write_text(
        f"/* verilator lint_off UNUSED */ /* verilator lint_off UNDRIVEN */{PRIMITIVES}"
    )
    own = fpga.family_parameters(board.arch(), False, board.counter_bits)
    (tmp_path / "nm_parameters.vh").write_bytes(bitstream.parameter_list(board, own))
    top = [board.folder / "top.v", rtl_directory() / "boards" / "nm_start.v"]
    command = [
        "verilator",
        "--lint-only",
        "-Wall",
        "-Wno-DECLFILENAME",
        f"+incdir+{rtl_directory()}",
        f"+incdir+{tmp_path}",
    ]
    command += ["--top-module", "top", tmp_path / "primitives.v", *top, *board_sources()]
    done = subprocess.run(command, capture_output=True, text=True, env=tool_environment())
    mine = [line for line in done.stderr.splitlines() if "top.v" in line or "nm_start.v" in line or "Error" in line]
    assert [line for line in mine if "Exiting" not in line] == []


@pytest.mark.parametrize("name", BUILT)
def test_the_table_in_the_readme_belongs_to_the_sources(name):
    """A build takes minutes: without NM_LONG=1 an old table is only told."""
    stale = bitstream.staleness(load_board(name))
    if stale and not LONG:
        pytest.skip(f"{name}: {stale}")
    assert stale == ""


def test_a_readmes_table_is_replaced_and_nothing_else():
    first = bitstream.with_table("# Board\n\nText.\n", f"{bitstream.BEGIN}\none\n{bitstream.END}")
    second = bitstream.with_table(first + "More.\n", f"{bitstream.BEGIN}\ntwo\n{bitstream.END}")
    assert second == f"# Board\n\nText.\n\n{bitstream.BEGIN}\ntwo\n{bitstream.END}\nMore.\n"


def test_the_table_names_the_sources_that_were_built(tmp_path):
    """Not those of the moment when a build of minutes ends."""
    folder = tmp_path / "0123456789abcdef0123456789abcdef"
    folder.mkdir()
    (folder / "bitstream").write_bytes(bytes(1234))
    section = bitstream.utilisation(load_board("icebreaker"), made(folder=str(folder)))
    assert "from sources 0123456789abcdef." in section
    assert "| logic cells | 5,000 | 5,280 | 95 % |" in section
    assert "reached 26.3 MHz; 1,234 bytes." in section


def test_another_verilog_makes_the_table_stale(monkeypatch):
    board = load_board("icebreaker")
    before = bitstream.digest(board)
    monkeypatch.setattr(bitstream, "source_files", lambda: fpga.source_files() | {"nm_ram.v": b"// changed"})
    assert bitstream.digest(board) != before
    assert bitstream.staleness(board).endswith("run: python tools/boards.py icebreaker")


def test_words_behind_a_line_of_verilog_do_not(monkeypatch):
    board, said = load_board("icebreaker"), fpga.source_files()["nm_ram.v"].replace(b"\n", b"  // more words\n")
    monkeypatch.setattr(bitstream, "source_files", lambda: fpga.source_files() | {"nm_ram.v": said})
    assert bitstream.staleness(board) == ""


# ---------------------------------------------------------------------------------------------- what is refused
@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the boards, to be changed."""
    shutil.copytree(rtl_directory() / "boards", tmp_path / "boards")
    monkeypatch.setattr(boards, "boards_directory", lambda: tmp_path / "boards")
    return tmp_path / "boards"


def test_a_new_board_is_a_folder(folder):
    shutil.copytree(folder / "icebreaker", folder / "mine")
    assert "mine" in board_names()
    text = (folder / "mine" / "board.toml").read_text().replace("baud = 1_000_000", "baud = 500_000")
    (folder / "mine" / "board.toml").write_text(text)
    design = board_design(load_board("mine"))
    assert ".CLOCKS_PER_BIT(48)" in design.files["nm_parameters.vh"].decode()
    assert design.defines == ()
    (folder / "mine" / "board.toml").write_text(text + "lut_ram_bits = 1024\ncounter_bits = 40\n")
    design = board_design(load_board("mine"))
    assert ".COUNTER_BITS(40)" in design.files["nm_parameters.vh"].decode()
    assert design.defines == ("NM_RAM_LUT=1024",)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("baud = 1_000_000", "", "key 'baud' is missing"),
        ("baud =", "bauds = 1\nbaud =", "unknown key 'bauds'; the keys are title, pins, clock_hz,"),
        ('target = "up5k"', "", "needs one of 'target' and 'vivado'"),
        ("1_000_000", "7_000_000", "24,000,000 Hz makes 8,000,000 baud of 7,000,000, more than 1 % off"),
    ],
)
def test_a_boards_file_is_checked(folder, before, after, message):
    path = folder / "icebreaker" / "board.toml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(InputError) as error:
        load_board("icebreaker")
    assert str(error.value).startswith(f"{path}: {message}")


def test_unknown_board_lists_those_there_are():
    with pytest.raises(UsageError) as error:
        load_board("ice")
    assert str(error.value) == "no board 'ice'; there are arty_a7, icebreaker, tang_nano_20k, ulx3s"


def test_too_slow_a_design_is_no_bitstream(monkeypatch):
    board = load_board("icebreaker")
    monkeypatch.setattr(bitstream, "implement", lambda *_: made(fmax_hz=21.5e6))
    with pytest.raises(DoesNotFitError) as error:
        bitstream.build(board)
    assert str(error.value) == (
        f"{board.arch().name!r} reaches 21.5 MHz on icebreaker, whose clock has 24.0 MHz; use a smaller architecture "
        f"or a slower clock in {board.folder}"
    )


def test_a_clock_that_the_pll_does_not_make_is_told(monkeypatch):
    board = load_board("icebreaker")
    monkeypatch.setattr(bitstream, "implement", lambda *_: made(constraint_hz=48e6))
    with pytest.raises(InputError) as error:
        bitstream.build(board)
    assert str(error.value) == (
        f"{board.folder / 'board.toml'}: clock_hz = 24,000,000, but top.v makes 48,000,000 Hz; make them equal"
    )


# ------------------------------------------------------------------------------------------------ the command
@pytest.fixture
def nmc(monkeypatch, capsys, tmp_path):
    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["nmc", *arguments])
        try:
            cli.main()
        except SystemExit as stop:
            return (stop.code, *capsys.readouterr())
        return (0, *capsys.readouterr())

    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "bitstream").write_bytes(b"bits")
    monkeypatch.setattr(bitstream, "implement", lambda *_: made(folder=str(tmp_path / "kept")))
    return run


def test_the_bitstream_is_written(nmc, tmp_path):
    code, out, err = nmc("bitstream", "--board", "icebreaker", "--json")
    assert (code, err) == (0, "")
    assert (tmp_path / "icebreaker.bin").read_bytes() == b"bits"
    assert '"used": {"logic cells": [5000, 5280]' in out


def test_programming_calls_the_loader(nmc, tmp_path, monkeypatch):
    loader = tmp_path / "openFPGALoader"
    loader.write_text('#!/bin/sh\necho "$@" > called\n')
    loader.chmod(loader.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert nmc("bitstream", "--board", "icebreaker", "--program")[0] == 0
    assert (tmp_path / "called").read_text() == "-b ice40_generic icebreaker.bin\n"
    loader.write_text("#!/bin/sh\necho no cable >&2\nexit 1\n")
    code, _, err = nmc("bitstream", "--board", "icebreaker", "--program")
    assert (code, err) == (6, "nmc: openFPGALoader failed (1): no cable; is the board plugged in?\n")


def test_a_missing_loader_is_named_with_the_command_that_installs_it(nmc, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = nmc("bitstream", "--board", "icebreaker", "--program")
    assert (code, err) == (
        6,
        "nmc: openFPGALoader not found, which loads icebreaker.bin into the board; run: apt install openfpgaloader\n",
    )


def test_a_board_for_vivado_gets_its_script(nmc, tmp_path):
    code, out, _ = nmc("bitstream", "--board", "arty_a7")
    assert code == 0
    script = (tmp_path / "arty_a7.tcl").read_text()
    assert "synth_design -top top -part xc7a35ticsg324-1L" in script
    assert ".CLOCKS_PER_BIT(50)" in script
    for line in script.splitlines():
        if line.startswith("read_"):
            assert os.path.isfile(line.split("{")[1].rstrip("}"))
    assert "vivado -mode batch -source arty_a7.tcl" in out
    assert nmc("bitstream", "--board", "arty_a7", "--program")[0] == 2


# ---------------------------------------------------------------------------------------------- what is built runs
def random_programs_equal_the_emulator(simulated_board, programs):
    line, arch = Board(SimulatedTransport(simulated_board)), simulated_board.arch
    for seed in range(programs):
        rng, learn = np.random.default_rng(seed), bool(seed % 2 and arch.traces)
        image = random_image(rng, arch, learning=learn)
        flash(line, image)
        spikes = random_inputs(rng, image, 4, 2).astype(np.uint8)
        result = run_on_board(line, image, SpikeData(spikes, None, {}), compare=True, learn=learn)
        values = summary(line, result, compared=True)
        assert values["spikes"] == len(result.spikes)
        if not line.identity.counter_bits:  # what a board does not count is not made up
            assert {values["cycles_per_sample"], values["synaptic_operations"], result.notes.energy} == {None}
            assert result.cycles_are == "not counted"
            assert {"cycles", "counters"}.isdisjoint(values["compared"])
    assert line.retries == 0


@pytest.mark.parametrize("name", BUILT if LONG else ["icebreaker"])
def test_the_chip_of_a_board_equals_the_emulator(name, monkeypatch):
    """With the parameters and defines of its bitstream, behind its UART."""
    monkeypatch.setattr(link, "QUIET", 0.0)
    board = load_board(name)
    family = fpga.choose_target(board.target).family
    own = fpga.family_parameters(board.arch(), family.scarce, board.counter_bits)
    random_programs_equal_the_emulator(SimulatedBoard(board.arch(), defines=family.defines, **own), 5)


@pytest.mark.skipif(not LONG, reason="Yosys, and a compiler on its netlist: minutes")
def test_the_netlist_of_a_board_equals_the_emulator(tmp_path, monkeypatch):
    """What Yosys made for the iCE40, gate by gate, with its block RAMs and multipliers as Lattice models them."""
    import pyosys

    monkeypatch.setattr(link, "QUIET", 0.0)
    board = load_board("icebreaker")
    family = fpga.choose_target(board.target).family
    parameters = board_parameters(board.arch(), CLOCKS_PER_BIT)
    parameters |= {k: str(v) for k, v in fpga.family_parameters(board.arch(), family.scarce, 0).items()}
    for file, text in fpga.source_files().items():
        (tmp_path / file).write_bytes(text)
    defines = " ".join(f"-D{define}" for define in family.defines)
    script = [f"read_verilog -sv -defer {defines} " + " ".join(path.name for path in board_sources())]
    script += [f"chparam -set {key} {value} nm_board" for key, value in parameters.items()]
    script += [fpga.mapping_bound(board.clock_hz), f"{family.synthesis} -top nm_board"]
    script += ["write_verilog -noattr -noexpr -simple-lhs netlist.v"]
    (tmp_path / "script.ys").write_text("\n".join(script))
    program = "from pyosys import libyosys as ys; ys.run_pass('tee -q -o log script script.ys', ys.Design())"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
    cells = Path(pyosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    sources = [cells, tmp_path / "netlist.v"]
    library = build_library("nm_board", sources, "nm_board_verilated.cpp", {}, ("NO_ICE40_DEFAULT_ASSIGNMENTS",))
    monkeypatch.setattr(simulated, "build_library", lambda *_: library)
    random_programs_equal_the_emulator(SimulatedBoard(board.arch()), 3)
