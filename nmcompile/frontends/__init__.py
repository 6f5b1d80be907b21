"""One file per input format; each returns a Network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emulator.spec.errors import InputError

if TYPE_CHECKING:
    from ..network.network import Network

# By the ending of a file: what it is called, and the module and function here that read it.
READERS: Final[dict[str, tuple[str, str]]] = {
    ".nir": ("NIR", "nir.read_nir"),
    ".h5": ("NIR", "nir.read_nir"),
    ".hdf5": ("NIR", "nir.read_nir"),
    ".net": ("lava-dl", "lava.read_lava"),
    ".graphml": ("networkx", "graph.read_graph"),
    ".json": ("networkx node-link", "graph.read_graph"),
}


def read_network(path: str | Path) -> Network:
    """Read a trained network by the ending of its file, one of READERS.

    Raises:
        InputError: an ending that nobody reads, or whatever the reader finds wrong.
    """
    import_module("..neurons.models", __package__)  # makes known the models that files may name beside NIR's
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{path}: cannot tell what it is from {suffix!r}; networks end in {', '.join(READERS)}")
    module, function = READERS[suffix][1].split(".")
    return getattr(import_module(f".{module}", __package__), function)(path)
