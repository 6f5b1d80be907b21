"""One file per input format; each returns a Network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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


def read_network(source: Any) -> Network:
    """Read a trained network.

    Args:
        source: a file, known by its ending, one of READERS; a graph of the nir package or of networkx in memory; a
            Network is given back as it is.

    Raises:
        InputError: something that nobody reads, or whatever the reader finds wrong.
    """
    import_module("..neurons.models", __package__)  # makes known the models that files may name beside NIR's
    from ..network.network import Network

    if isinstance(source, Network):
        return source
    if not isinstance(source, (str, Path)):
        return _from_memory(source)
    suffix = Path(source).suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{source}: cannot tell what it is from {suffix!r}; networks end in {', '.join(READERS)}")
    module, function = READERS[suffix][1].split(".")
    return getattr(import_module(f".{module}", __package__), function)(source)


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
