"""One file per input format; each returns a Network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.spec.errors import InputError

from ..network.network import Network
from ..neurons import models as models  # makes known the models that files may name beside NIR's


def read_network(source: Any) -> Network:
    """Read a trained network.

    Args:
        source: a file, known by its ending: .nir (NIR), .net (lava-dl), .graphml or .json (networkx); a graph of
            the nir package or of networkx in memory; a Network is given back as it is.

    Raises:
        InputError: something that nobody reads, or whatever the reader finds wrong.
    """
    if isinstance(source, Network):
        return source
    if not isinstance(source, (str, Path)):
        return _from_memory(source)
    path = source
    from .graph import read_graph
    from .lava import read_lava
    from .nir import read_nir

    readers = {".nir": read_nir, ".h5": read_nir, ".hdf5": read_nir, ".net": read_lava}
    readers |= {".graphml": read_graph, ".json": read_graph}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: cannot tell what it is from {suffix!r}; networks end in {', '.join(readers)}")
    return readers[suffix](path)


def _from_memory(source: Any) -> Network:
    kind = type(source)
    if hasattr(source, "adjacency"):
        from .graph import network_from_graph

        return network_from_graph(source)
    if hasattr(source, "nodes") and hasattr(source, "edges"):
        from .nir_memory import from_nir

        return from_nir(source)
    if hasattr(source, "state_dict"):
        raise InputError(f"a module ({kind.__name__}) says too little by itself; use from_torch(module, sample)")
    raise InputError(f"a {kind.__name__} is no network; give a file, a NIR graph or a networkx graph")
