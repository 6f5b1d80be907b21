"""Where the folders lie that live at the top of a checkout and inside the packages of an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGES = {"rtl": "emulator", "examples": "nmcompile"}


def shipped_folder(name: str) -> Path:
    """The path of `rtl` or `examples`."""
    top = Path(__file__).resolve().parents[2]
    inside = top / _PACKAGES[name] / name
    return inside if inside.is_dir() else top / name
