"""A cache of a test's own."""

import shutil

from emulator import cache
from emulator.kernel.simulate import warm


def own_cache(monkeypatch, folder):
    """Holds the kernel, which takes long to compile, and nothing else; nothing was said about it yet."""
    warm()
    shutil.copytree(cache.folder() / "kernel", folder / "kernel")
    empty_cache(monkeypatch, folder)


def empty_cache(monkeypatch, folder):
    """Holds nothing."""
    monkeypatch.setenv(cache.ENVIRONMENT, str(folder))
    monkeypatch.setattr(cache, "_told", False)
    monkeypatch.setattr(cache, "_unchecked", cache.LIMIT_BYTES)
    monkeypatch.setattr(cache, "_private", {})
