"""What was built is kept, and checked before it is used; without a place to keep it, everything works, only slower.

NMCOMPILE_CACHE names the folder; without it, it is in the user's cache directory. An entry is the folder KIND/KEY with
its files and a seal, which holds the length and the SHA-256 of each. An entry that is not as its seal says was cut
short or damaged: it is removed, and made again. What was not used for longest goes when the limit is reached.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = "NMCOMPILE_CACHE"
KINDS: Final = ("kernel", "verilated", "icarus", "fpga", "study")
LIMIT_BYTES: Final = 4 << 30
SEAL: Final = "seal"
STALE_S: Final = 86_400  # after a day, a folder that was never finished belongs to nobody any more
_UNFINISHED: Final = "unfinished-"
_WORK: Final = "nmcompile-"

_told = False  # that nothing can be kept
_unchecked = LIMIT_BYTES  # bytes that were written since the limit was last looked at
_private: dict[tuple[str, str], Path] = {}  # what could not be kept: of this process


@dataclass(frozen=True)
class Entry:
    kind: str
    key: str
    bytes: int
    used: float  # seconds since 1970


def folder() -> Path:
    """Where entries are kept."""
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "nmcompile"


def be_quiet() -> None:
    """Say nothing, in this process, when nothing can be kept: another one says it."""
    global _told
    _told = True


# ----------------------------------------------------------------------------------------------------- using it
def find(kind: str, key: str) -> Path | None:
    """The folder of an entry that is there, whole, and nobody else's to change."""
    if (kind, key) in _private:
        return _private[kind, key]
    entry = folder() / kind / key
    try:
        _check_owner(folder())
        if not _sealed(entry):
            _remove(entry)
            return None
    except OSError:
        return None
    with contextlib.suppress(OSError):  # of a cache that is only read
        os.utime(entry / SEAL)
    return entry


def read(kind: str, key: str) -> bytes | None:
    """The content of an entry that is one file."""
    entry = find(kind, key)
    return None if entry is None else (entry / "data").read_bytes()


def write(kind: str, key: str, data: bytes) -> None:
    """Keep one file, if that is possible."""
    _keep(kind, key, {"data": data})


def made(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of an entry; `make` fills an empty one if it is not there, and may leave other folders in it."""
    entry = find(kind, key)
    if entry is not None:
        return entry
    work = Path(tempfile.mkdtemp(prefix=_WORK))
    kept = None
    try:
        make(work)
        files = {path.name: path.read_bytes() for path in work.iterdir() if path.is_file()}
        kept = _keep(kind, key, files)
    finally:
        if kept:
            shutil.rmtree(work, ignore_errors=True)
        else:
            atexit.register(shutil.rmtree, work, ignore_errors=True)
    if kept is None:
        _private[kind, key] = kept = work
    return kept


# ------------------------------------------------------------------------------------------------- looking after it
def entries() -> list[Entry]:
    """All that is kept, what was not used for longest first."""
    found = []
    for kind in KINDS:
        for path in _folders(kind):
            with contextlib.suppress(OSError):
                size = sum(file.lstat().st_size for file in path.iterdir())
                found.append(Entry(kind, path.name, size, (path / SEAL).stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear() -> list[Entry]:
    """Remove all that is kept, and nothing else that may lie there; what was removed."""
    found = entries()
    for entry in found:
        _remove(folder() / entry.kind / entry.key)
    for kind in KINDS:
        _remove_unfinished(kind, 0)
        with contextlib.suppress(OSError):
            (folder() / kind).rmdir()
    left = {(entry.kind, entry.key) for entry in entries()}
    return [entry for entry in found if (entry.kind, entry.key) not in left]


def keep_to(limit: int) -> None:
    """Remove what was not used for longest until no more than `limit` bytes are left."""
    found = entries()
    total = sum(entry.bytes for entry in found)
    for entry in found:
        if total <= limit:
            break
        _remove(folder() / entry.kind / entry.key)
        total -= entry.bytes


# ----------------------------------------------------------------------------------------------------- an entry
def _keep(kind: str, key: str, files: Mapping[str, bytes]) -> Path | None:
    """Put files beside their place and rename: the entry's folder, or None if nothing can be kept."""
    global _told, _unchecked
    home, unfinished = folder() / kind, None
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder())
        home.mkdir(mode=0o700, exist_ok=True)
        _unchecked += sum(map(len, files.values()))
        if _unchecked > LIMIT_BYTES // 16:  # not at every small one
            _unchecked = 0
            _remove_unfinished(kind, STALE_S)
            _remove_work()
            keep_to(LIMIT_BYTES)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=home))
        for name, data in files.items():
            (unfinished / name).write_bytes(data)
        (unfinished / SEAL).write_text(_seal(files))
        with contextlib.suppress(OSError):  # somebody else was faster
            os.rename(unfinished, home / key)
            unfinished = None
        if _sealed(home / key):
            return home / key
        why = "an entry there is damaged and cannot be removed"
    except OSError as error:
        why = error.strerror or str(error)
    finally:
        if unfinished:
            shutil.rmtree(unfinished, ignore_errors=True)
    if not _told:
        _told = True
        print(f"nmc: nothing can be kept in {folder()} ({why}); {ENVIRONMENT} names another folder", file=sys.stderr)
    return None


def _seal(files: Mapping[str, bytes]) -> str:
    """A line of JSON, and its own digest in front."""
    text = json.dumps({name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in sorted(files.items())})
    return f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def _sealed(entry: Path) -> bool:
    """Are an entry's files as its seal says? FileNotFoundError if there is no entry."""
    if not stat.S_ISDIR(os.lstat(entry).st_mode):
        return False
    try:
        digest, text = (entry / SEAL).read_text().split("\n")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return False
        for name, (size, digest) in json.loads(text).items():
            found = os.lstat(entry / name)
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                return False
            with open(entry / name, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return False
    except (FileNotFoundError, ValueError):  # a file is lost, a seal is no text of two lines
        return False
    return True


def _check_owner(path: Path) -> None:
    """PermissionError if somebody else could put something there that we would run."""
    found = os.stat(path)
    if found.st_uid not in (0, os.geteuid()):
        raise PermissionError(0, "it belongs to somebody else")
    if found.st_mode & stat.S_IWOTH:
        raise PermissionError(0, "everybody can write to it")


def _folders(kind: str) -> Iterator[Path]:
    """The entries of a kind: folders that have a seal."""
    with contextlib.suppress(OSError):
        for path in (folder() / kind).iterdir():
            if not path.name.startswith(_UNFINISHED) and (path / SEAL).is_file():
                yield path


def _remove(entry: Path) -> None:
    """An entry, at once for everybody who looks for it."""
    with contextlib.suppress(OSError):
        gone = entry.with_name(f"{_UNFINISHED}{os.urandom(4).hex()}")
        os.rename(entry, gone)
        shutil.rmtree(gone, ignore_errors=True)


def _remove_unfinished(kind: str, seconds: float) -> None:
    for path in (folder() / kind).glob(f"{_UNFINISHED}*"):
        _remove_old(path, seconds)


def _remove_work() -> None:
    """What builds left in the folder for temporary files that were killed together with their watchers."""
    for path in Path(tempfile.gettempdir()).glob(f"{_WORK}*"):
        _remove_old(path, STALE_S)


def _remove_old(path: Path, seconds: float) -> None:
    with contextlib.suppress(OSError):
        found = path.lstat()
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime >= seconds:
            shutil.rmtree(path, ignore_errors=True)
