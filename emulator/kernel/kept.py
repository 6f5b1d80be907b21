"""The compiled kernel is kept in our own cache: Numba loads what is in its files, whole or not.

What is used of Numba here is what its own cache uses: the two methods that a dispatcher calls, and how a result of the
compiler becomes bytes and back.
"""

# mypy: ignore-errors

from __future__ import annotations

import pickle
import sys
from hashlib import sha256
from pathlib import Path

import llvmlite
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from .. import cache


def kernel_sources() -> list[Path]:
    """Every file whose code is compiled in."""
    here = Path(__file__).parent
    return [path for folder in (here, here.parent / "spec") for path in sorted(folder.glob("*.py"))]


def digest_of(sources: list[Path]) -> str:
    """Of the code in these files; a compiled kernel is kept by it."""
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


class KernelCache(NullCache):
    """Keeps one function by its sources, signature, versions and processor."""

    def __init__(self):
        self._sources = digest_of(kernel_sources())

    def _key(self, sig, target_context):
        versions = (sys.version, numba.__version__, llvmlite.__version__)
        parts = (self._sources, *versions, str(target_context.codegen().magic_tuple()), str(sig))
        return sha256("\0".join(parts).encode()).hexdigest()[:32]

    def load_overload(self, sig, target_context):
        """What was compiled before, or None."""
        target_context.refresh()
        data = cache.read("kernel", self._key(sig, target_context))
        return None if data is None else CompileResult._rebuild(target_context, *pickle.loads(data))

    def save_overload(self, sig, cres):
        """Keep what was compiled."""
        cache.write("kernel", self._key(sig, cres.target_context), dumps(cres._reduce()))


def kept(function):
    """A function of `njit` that is compiled once for each content of its sources."""
    function._cache = KernelCache()
    return function
