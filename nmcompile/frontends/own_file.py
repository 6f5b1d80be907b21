"""Our complete file: a NIR file, which every tool of NIR reads, with what NIR cannot say beside it.

Beside NIR's group `node` lies a group `nmcompile` with `semantics` and `notes`, JSON texts, and `input_levels`.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emulator.spec.errors import InputError, NmError, UsageError
from emulator.spec.files import writing

from ..network.network import Network
from ..network.nir_graph import Graph
from ..network.semantics import FIELDS, Semantics, check_value
from .hdf5 import check_text

NIR_VERSION = "1.0.8"  # whose layout is written


def save_network(network: Network, path: str | Path, semantics: Semantics | None = None) -> None:
    """Write a network that was read from NIR or a framework, with the semantics that it is to be read with.

    Args:
        path: ends in .nir, so that it is read again.
        semantics: None: the network's own.

    Raises:
        UsageError: the network came in another way, learns, or says nothing of its semantics; or a name that HDF5
            cannot hold.
    """
    path, graph, chosen = Path(path), network.graph, semantics or network.semantics
    if path.suffix.lower() != ".nir":
        raise UsageError(f"{path}: a network's file ends in .nir")
    if graph is None:
        raise UsageError(f"{network.origin}: only networks of NIR or of a framework's module can be saved")
    if any(p.plasticity for p in network.projections):
        raise UsageError(f"{network.origin}: learning rules are kept in a file of their own; save it before `attach`")
    if chosen is None:
        raise UsageError(f"{network.origin}: says nothing of its semantics; give them (choose_semantics)")
    for name in graph.nodes:
        if "/" in name or name in (".", ""):
            raise UsageError(f"{network.origin}: a node is called {name!r}, which HDF5 cannot hold; rename it")
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        file["version"] = NIR_VERSION
        _write_graph(file.create_group("node"), graph, network)
        own = file.create_group("nmcompile")
        own["semantics"] = json.dumps(asdict(chosen))
        own["notes"] = json.dumps(network.notes)
        own["input_levels"] = network.input_levels
    with writing(path) as out:
        out.write(whole.getvalue())


def _write_graph(group: h5py.Group, graph: Graph, network: Network) -> None:
    group["type"] = "NIRGraph"
    group.create_dataset("edges", data=np.array(graph.edges, dtype=h5py.string_dtype()))
    nodes = group.create_group("nodes")
    for name, node in graph.nodes.items():
        own = nodes.create_group(name)
        own["type"] = node.kind
        values: dict[str, Any] = dict(node.values)
        if node.kind == "Output" and "shape" not in values:
            values["shape"] = np.array(network.population(network.output).shape)
        for key, value in values.items():
            if value.dtype.kind in "US":
                own[key] = str(value)
            elif value.ndim and value.size:
                own.create_dataset(key, data=value, compression="gzip")
            else:
                own[key] = value


def with_own(network: Network, own: dict[str, Any]) -> Network:
    """The network with what its file says beside NIR; InputError if that is damaged, or of a newer version."""
    if not own:
        return network
    try:
        known = {f.name for f in fields(Semantics)}
        said = dict(json.loads(own["semantics"]))
        unknown = sorted(set(said) - known)
        if unknown:
            raise InputError(f"its semantics say {', '.join(unknown)}, which this version does not know; update it")
        for key in ("per_model", "per_population"):
            said[key] = tuple((str(name), str(field), value) for name, field, value in said[key])
        for _, field, value in (*said["per_model"], *said["per_population"]):
            check_value(field, value)
        for field in FIELDS:
            check_value(field, said[field])
        notes = tuple(str(note) for note in json.loads(own["notes"]))
        semantics = Semantics(**said | {"preset": str(said["preset"])})
        for _, field, value in (*semantics.per_model, *semantics.per_population):
            replace(semantics, per_model=(), per_population=(), **{field: value})
        levels = int(own["input_levels"])
    except NmError as error:
        raise InputError(f"{network.origin}: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{network.origin}: what it says beside NIR is damaged ({type(error).__name__}); save it again"
        ) from None
    network = replace(network, semantics=semantics, notes=tuple(dict.fromkeys((*notes, *network.notes))))
    return network.graded(levels) if levels > 1 else network


def read_own(file: h5py.File) -> dict[str, Any]:
    """What a file says beside NIR, {} if nothing."""
    group = file.get("nmcompile")
    if group is None:
        return {}
    if not isinstance(group, h5py.Group):
        raise InputError("what it says beside NIR is damaged (no group); save it again")
    found: dict[str, Any] = {}
    for key in ("semantics", "notes", "input_levels"):
        if key in group:
            data = group[key]
            if not isinstance(data, h5py.Dataset) or data.size != 1:
                raise InputError(f"what it says beside NIR is damaged ({key}); save it again")
            check_text(data)
            value = data[()]
            found[key] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return found
