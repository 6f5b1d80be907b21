"""Files: what may be read, the one way to write, TOML tables, and the folders at the top of a checkout.

A checkout has `rtl` and `examples` at its top, a wheel inside its packages.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from .errors import InputError

LARGEST_TEXT: Final = 1 << 24  # bytes of a table that people write
POINTER = b"version https://git-lfs.github.com/spec/"  # what stands in a file's place before it is fetched
LARGEST_FILE: Final = 1 << 33  # bytes of any file
STALE_S: Final = 3600  # after so long without a byte, a part of a file belongs to nobody any more
_PACKAGES = {"rtl": "emulator", "examples": "nmcompile"}


def shipped_folder(name: str) -> Path:
    """The path of `rtl` or `examples`."""
    top = Path(__file__).resolve().parents[2]
    inside = top / _PACKAGES[name] / name
    return inside if inside.is_dir() else top / name


def printable(text: str) -> str:
    """The same, with what a terminal cannot show escaped: names end up in messages and tables."""
    return text if text.isprintable() else repr(text)[1:-1]


# ------------------------------------------------------------------------------------------------------- reading
def input_file(path: str | Path, largest: int = LARGEST_FILE) -> Path:
    """The path of a file that may be read: a regular one, of `largest` bytes at most.

    Raises:
        InputError: it is none, or cannot be read.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: a folder; give a file")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: no regular file; write what comes out of it to one, and give that")
    if found.st_size > largest:
        raise InputError(f"{path}: {found.st_size:,} bytes, of such a file at most {largest:,} are read; split it")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: cannot be read (permission denied); change its permissions")
    with open(path, "rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise InputError(f"{path}: a Git LFS pointer, not the file itself; fetch it with git lfs pull")
    return Path(path)


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: no such file, no TOML, or it cannot be read.
    """
    path = input_file(path, LARGEST_TEXT)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no TOML, a number or a name too odd
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: not a readable TOML file: {reason}") from None


# ------------------------------------------------------------------------------------------------------- writing
@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place when the block ends: whole, on the disk, or not at all.

    Raises:
        InputError: it cannot be written. What was there before is as it was.
    """
    target = Path(os.path.realpath(path))  # behind a link, the file that it leads to
    part = target.with_name(f".nmc-{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        remove_stale(target.parent, ".nmc-*.part", STALE_S)
        with open(part, "xb") as file:
            yield file
            file.flush()
            if target.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(part, target)
        _settle(target.parent)
    except OSError as error:
        kept = "; the former file is as it was" if os.path.exists(path) else ""
        raise InputError(f"{path}: cannot be written ({error.strerror or error}){kept}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text as `writing` does."""
    with writing(path) as file:
        file.write(text.encode())


def remove_stale(folder: Path, pattern: str, seconds: float) -> None:
    """Remove what killed processes left in a folder."""
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > seconds:
                path.unlink()


def _settle(folder: Path) -> None:
    """The new name reaches the disk, too, where folders can be asked for that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
