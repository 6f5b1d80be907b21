"""The machines: `run` an image on the fast one, or step through `reference.Reference`, the definition.

Nothing is loaded until it is used: `import emulator` needs neither Numba nor a compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "run": "kernel.simulate",
    "prepare": "kernel.prepare",
    "Session": "session",
    "Machine": "kernel.tables",
    "RunResult": "result",
    "load_result": "result",
    "save_result": "result",
}
__all__ = ["Machine", "RunResult", "Session", "load_result", "prepare", "run", "save_result"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
