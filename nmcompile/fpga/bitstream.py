"""Boards, each a folder of rtl/boards/: board.toml, the top with its clock, the pin file; and their bitstreams.

A new board of a known part is a new folder:

    title = "iCEBreaker 1.0, iCE40UP5K"
    target = "up5k"               # of nmc synth; or vivado = "PART", which is not built here
    pins = "icebreaker.pcf"       # for the ports of module `top` in top.v
    clock_hz = 24e6               # of nm_board, which top.v makes
    baud = 1_000_000
    architecture = "up5k"         # a bundled name, or a .toml file in the folder
    counter_bits = 0              # of the ledger's counters; 0 leaves the ledger out
    lut_ram_bits = 512            # the largest memory in LUTs, where a part has LUT RAM
    loader = ["-b", "ice40_generic"]   # for openFPGALoader
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from emulator.spec.errors import DeviceError, DoesNotFitError, InputError
from emulator.verilog.build import board_parameters, board_sources, rtl_directory

from .boards import BoardType, boards_directory
from .implement import Design, Implementation, design_digest, family_parameters, implement, source_files
from .targets import choose_target

INSTALL_LOADER: Final = "apt install openfpgaloader"


def board_design(board: BoardType) -> Design:
    """The Verilog of a board with its top, and what place and route need."""
    target = choose_target(board.target)
    own = family_parameters(board.arch(), target.family.scarce, board.counter_bits)
    files = source_files() | {"nm_parameters.vh": parameter_list(board, own)}
    for path in (boards_directory() / "nm_start.v", board.folder / "top.v", board.folder / board.pins):
        files[path.name] = path.read_bytes()
    defines = (f"NM_RAM_LUT={board.lut_ram_bits}",) if board.lut_ram_bits else ()
    return Design(files, "top", {}, board.clock_hz, board.pins, pack=True, defines=defines)


def parameter_list(board: BoardType, own: dict[str, int]) -> bytes:
    """nm_parameters.vh: the parameters of a board's `nm_board`."""
    values = board_parameters(board.arch(), board.clocks_per_bit) | {name: str(value) for name, value in own.items()}
    return ",\n".join(f"    .{name}({value})" for name, value in values.items()).encode() + b"\n"


def build(board: BoardType, progress: Callable[[str, int, int], None] | None = None) -> Implementation:
    """The board's bitstream, from the cache if nothing changed.

    Raises:
        DoesNotFitError: the architecture is too large for the part, or too slow for the board's clock.
        InputError: the clock of top.v is not the one in board.toml.
        DeviceError: a tool is missing or failed.
    """
    made = implement(board_design(board), choose_target(board.target), progress)
    problems = made.problems(board.arch().name)
    if made.constraint_hz and abs(made.constraint_hz / board.clock_hz - 1) > 0.001:
        raise InputError(
            f"{board.folder / 'board.toml'}: clock_hz = {board.clock_hz:,.0f}, but top.v makes "
            f"{made.constraint_hz:,.0f} Hz; make them equal"
        )
    if made.fmax_hz and made.constraint_hz and made.fmax_hz < made.constraint_hz:
        problems = [
            f"{board.arch().name!r} reaches {made.fmax_hz / 1e6:.1f} MHz on {board.name}, whose clock has "
            f"{made.constraint_hz / 1e6:.1f} MHz; use a smaller architecture or a slower clock in {board.folder}"
        ]
    if problems:
        raise DoesNotFitError(problems)
    return made


def summary(board: BoardType, made: Implementation, path: Path) -> dict[str, Any]:
    """The keys of `nmc bitstream --json`."""
    return {
        "board": board.name,
        "title": board.title,
        "architecture": board.arch_option,
        "part": made.part,
        "file": str(path),
        "bytes": path.stat().st_size,
        "baud": board.baud,
        "used": made.used,
        "fmax_hz": made.fmax_hz,
        "clock_hz": board.clock_hz,
    }


def vivado_script(board: BoardType) -> str:
    """A Tcl script that builds the board in Vivado, from the files of this installation."""
    files = [*board_sources(), boards_directory() / "nm_start.v", board.folder / "top.v"]
    own = family_parameters(board.arch(), False, board.counter_bits)
    lines = [
        f"# {board.title}: vivado -mode batch -source THIS_FILE makes {board.name}.bit",
        "set parameters [open nm_parameters.vh w]",
        f"puts $parameters {{{parameter_list(board, own).decode().rstrip()}}}",
        "close $parameters",
        *(f"read_verilog -sv {{{path}}}" for path in files),
        f"read_xdc {{{board.folder / board.pins}}}",
        f"synth_design -top top -part {board.vivado} -include_dirs [list [pwd] {{{rtl_directory()}}}]",
        "opt_design",
        "place_design",
        "route_design",
        "report_utilization",
        "report_timing_summary",
        f"write_bitstream -force {board.name}.bit",
    ]
    return "\n".join(lines) + "\n"


def program(board: BoardType, bitstream: Path) -> None:
    """Load a bitstream into a board that is plugged in.

    Raises:
        DeviceError: openFPGALoader is not installed, or failed.
    """
    loader = shutil.which("openFPGALoader")
    if loader is None:
        raise DeviceError(f"openFPGALoader not found, which loads {bitstream} into the board; run: {INSTALL_LOADER}")
    done = subprocess.run([loader, *board.loader, str(bitstream)], capture_output=True, text=True)
    if done.returncode:
        log = (done.stdout + done.stderr).strip().splitlines()
        raise DeviceError(
            f"openFPGALoader failed ({done.returncode}): {log[-1] if log else 'no output'}; is the board plugged in?"
        )


# -------------------------------------------------------------------------------------- the table in a README
BEGIN: Final = "<!-- written by tools/boards.py: begin -->"
END: Final = "<!-- written by tools/boards.py: end -->"


def utilisation(board: BoardType, made: Implementation) -> str:
    """The marked section of a board's README."""
    rows = [
        f"| {what} | {used:,} | {there:,} | {100 * used / there:.0f} % |" for what, (used, there) in made.used.items()
    ]
    assert made.fmax_hz is not None
    tools = ", ".join(f"{name} {version}" for name, version in made.tools.items())
    lines = [
        BEGIN,
        f"Architecture `{board.arch().name}` on {made.part}; clock {board.clock_hz / 1e6:g} MHz, reached "
        f"{made.fmax_hz / 1e6:.1f} MHz; {len(made.bitstream):,} bytes.",
        "",
        "| | used | there are | |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Built with {tools} from sources {Path(made.folder).name[:16]}.",
        END,
    ]
    return "\n".join(lines)


def with_table(readme: str, section: str) -> str:
    """A README with its marked section replaced, or with one at its end."""
    if BEGIN not in readme:
        return f"{readme.rstrip()}\n\n{section}\n"
    return readme[: readme.index(BEGIN)] + section + readme[readme.index(END) + len(END) :]


def digest(board: BoardType) -> str:
    """What a bitstream depends on, as 16 hex digits."""
    return design_digest(board_design(board), choose_target(board.target))[:16]


def staleness(board: BoardType) -> str:
    """What is wrong with the table in the board's README; nothing if it belongs to the sources as they are."""
    readme = (board.folder / "README.md").read_text()
    found = re.search(r"from sources ([0-9a-f]{16})\.", readme[readme.find(BEGIN) :])
    if BEGIN not in readme or not found:
        return f"no table; run: python tools/boards.py {board.name}"
    if found[1] != digest(board):
        return f"its table is of sources {found[1]}, now {digest(board)}; run: python tools/boards.py {board.name}"
    return ""
