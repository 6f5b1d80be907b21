"""TOML tables that people write, and the folders that a checkout has at its top and a wheel inside its packages."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from .errors import InputError

_PACKAGES = {"rtl": "emulator", "examples": "nmcompile"}


def shipped_folder(name: str) -> Path:
    """The path of `rtl` or `examples`."""
    top = Path(__file__).resolve().parents[2]
    inside = top / _PACKAGES[name] / name
    return inside if inside.is_dir() else top / name


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: no such file, no TOML, or it cannot be read.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, a number or a name too odd
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: not a readable TOML file: {reason}") from None
