"""Boards: folders of data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulator.spec.arch import Architecture, load_architecture
from emulator.spec.errors import InputError, UsageError
from emulator.verilog.build import rtl_directory

from .targets import choose_target

LARGEST_ERROR: Final = 0.01  # of the baud rate
KEYS: Final = ("title", "pins", "clock_hz", "baud", "architecture", "loader")
OPTIONAL: Final = ("target", "vivado", "counter_bits", "lut_ram_bits")


@dataclass(frozen=True)
class BoardType:
    """What a board's folder says; its `target` is one of `nmc synth`, or else Vivado builds for the part `vivado`."""

    name: str
    folder: Path
    title: str
    pins: str
    clock_hz: float
    baud: int
    architecture: str
    loader: list[str]
    target: str = ""
    vivado: str = ""
    counter_bits: int = 0
    lut_ram_bits: int = 0  # 0: as `nmc synth` has it

    @property
    def arch_option(self) -> str:
        """What `nmc compile --arch` takes for it: a bundled name, or the folder's own file."""
        own = self.folder / self.architecture
        return str(own) if own.is_file() else self.architecture

    def arch(self) -> Architecture:
        """Its architecture."""
        return load_architecture(self.arch_option)

    @property
    def suffix(self) -> str:
        """Of the file that is built."""
        return choose_target(self.target).family.suffix if self.target else "tcl"

    @property
    def clocks_per_bit(self) -> int:
        return round(self.clock_hz / self.baud)


def boards_directory() -> Path:
    return rtl_directory() / "boards"


def board_names() -> list[str]:
    """The boards there are."""
    return sorted(path.parent.name for path in boards_directory().glob("*/board.toml"))


def load_board(name: str) -> BoardType:
    """A board by its name.

    Raises:
        UsageError: there is none of that name.
        InputError: a key of its board.toml is missing or unknown, or its clock cannot make its baud rate.
    """
    if name not in board_names():
        raise UsageError(f"no board {name!r}; there are {', '.join(board_names())}")
    folder = boards_directory() / name
    values = tomllib.loads((folder / "board.toml").read_text())
    for key in KEYS:
        if key not in values:
            raise InputError(f"{folder / 'board.toml'}: key {key!r} is missing")
    for key in values:
        if key not in KEYS + OPTIONAL:
            raise InputError(f"{folder / 'board.toml'}: unknown key {key!r}; the keys are {', '.join(KEYS + OPTIONAL)}")
    if ("target" in values) == ("vivado" in values):
        raise InputError(f"{folder / 'board.toml'}: needs one of 'target' and 'vivado'")
    board = BoardType(name, folder, **values)
    got = board.clock_hz / board.clocks_per_bit
    if board.clocks_per_bit < 4 or abs(got / board.baud - 1) > LARGEST_ERROR:
        raise InputError(
            f"{folder / 'board.toml'}: {board.clock_hz:,.0f} Hz makes {got:,.0f} baud of {board.baud:,}, more than "
            f"{100 * LARGEST_ERROR:.0f} % off or with fewer than 4 clocks a bit; choose another baud"
        )
    return board
