"""One file per input format; each returns a Network."""

from __future__ import annotations

from pathlib import Path

from emulator.spec.errors import InputError

from ..network.network import Network
from ..neurons import models as models  # makes known the models that files may name beside NIR's


def read_network(path: str | Path) -> Network:
    """Read a trained network by the ending of its file: .nir (NIR), .net (lava-dl), .graphml or .json (networkx).

    Raises:
        InputError: an ending that nobody reads, or whatever the reader finds wrong.
    """
    from .graph import read_graph
    from .lava import read_lava
    from .nir import read_nir

    readers = {".nir": read_nir, ".h5": read_nir, ".hdf5": read_nir, ".net": read_lava}
    readers |= {".graphml": read_graph, ".json": read_graph}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: cannot tell what it is from {suffix!r}; networks end in {', '.join(readers)}")
    return readers[suffix](path)
