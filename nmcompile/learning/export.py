"""Learned weights and thresholds go back into the NIR file that they came from."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from emulator.spec.errors import InputError
from emulator.spec.files import writing
from emulator.spec.image import Image

from ..frontends.hdf5 import open_hdf5
from .learned import learned_thresholds, learned_weights


def write_nir(image: Image, into: str | Path, output: str | Path) -> list[str]:
    """Copy a NIR file with what was learned in it, weights and thresholds; the names of the nodes that changed.

    Raises:
        InputError: nothing has learned; a file that is no NIR, or has no such nodes.
    """
    import h5py

    weights = {name: ("weight", learned_weights(image, name).T) for name in image.compiled.plastic}
    if not weights:
        raise InputError("nothing in this image learns, so there is nothing to export; compile it with --plasticity")
    changed = weights | {name: ("v_threshold", values) for name, values in learned_thresholds(image).items()}
    try:
        with open_hdf5(into):
            copy = io.BytesIO(Path(into).read_bytes())
        with h5py.File(copy, "r+") as file:
            for name, (what, values) in changed.items():
                place = _find(file["node/nodes"], name, what, values.shape, into)
                file[place][...] = values.reshape(file[place].shape)
    except (OSError, KeyError):
        raise InputError(f"{into}: not a NIR file, or damaged; give the one that was compiled") from None
    with writing(output) as out:
        out.write(copy.getbuffer())
    return list(changed)


def _find(nodes: Any, name: str, what: str, shape: tuple[int, ...], into: str | Path) -> str:
    """The path of dataset `what` in the node of that name, which may be nested: outer.inner."""
    place = nodes
    for part in name.split("."):
        place = place.get(part) if part in place else place.get(f"nodes/{part}") if "nodes" in place else None
        if place is None:
            break
    if place is None or what not in place or place[what].size != math.prod(shape):
        has = "has no such node" if place is None or what not in place else f"has shape {place[what].shape}"
        raise InputError(
            f"{into}: {name!r} has learned a {what} of shape {shape}, but the file {has}; give the one that was "
            "compiled"
        )
    return place[what].name
