"""The file of an image: a zip without pickles.

`manifest.json` holds format, ISA version, architecture and its hash, the compiler's notes, and a SHA-256 of every
member; there is one `.npy` per array. A truncated, edited or foreign file is an InputError.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from . import isa
from .arch import Architecture, architecture_from_dict
from .archive import LARGEST_HEADER, Archive
from .check import check_image
from .check_notes import check_notes
from .errors import InputError
from .files import printable, writing
from .image import CORE_ARRAYS, NO_NOTES, CoreImage, Image, PopulationMap
from .notes import Notes, from_plain, to_plain

FORMAT: Final = "nmcompile image"
FORMAT_VERSION: Final = 2
LARGEST_MANIFEST: Final = 1 << 26  # bytes of the JSON text,
LARGEST_TABLE: Final = 1 << 28  # and of a table that is no core's memory
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the same image gives the same file


def save_image(image: Image, path: str | Path) -> None:
    """Write the image; the same image always gives the same bytes."""
    arrays: dict[str, np.ndarray] = {
        "input_pointers": np.asarray(image.input_pointers, np.int64),
        "input_routes": np.asarray(image.input_routes, np.uint32),
        "outputs": np.asarray(image.outputs, np.int32),
    }
    for i, core in enumerate(image.cores):
        for name in CORE_ARRAYS:
            arrays[f"core{i}/{name}"] = getattr(core, name)
    for i, population in enumerate(image.populations):
        arrays[f"population{i}/location"] = np.asarray(population.location, np.int32)
        arrays[f"population{i}/scale"] = np.asarray(population.scale, np.float64)
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "isa_version": isa.ISA_VERSION,
        "architecture": image.arch.as_dict(),
        "architecture_hash": image.arch.hash,
        "latency": image.latency,
        "reset_entries": [core.reset_entry for core in image.cores],
        "populations": [
            {"name": p.name, "shape": list(p.shape), "depth": p.depth, "shown": p.shown, "registers": p.registers}
            for p in image.populations
        ],
        "notes": to_plain(image.notes),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    text = json.dumps(manifest, sort_keys=True, indent=1).encode()
    seal = hashlib.sha256(text).hexdigest().encode()
    with writing(path) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for name, data in (("manifest.json", text), ("seal", seal), *members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, data)


def load_image(path: str | Path) -> Image:
    """Read an image and check every checksum, shape and instruction.

    Raises:
        InputError: no such file; not an image; truncated or edited; of another format or ISA version; or holding
            a program that a machine could not run.
    """
    path = Path(path)
    try:
        with Archive(path) as file:
            image, notes = _load(file)
    except InputError:
        raise
    except Exception:  # zipfile and zlib raise a dozen kinds on what is no zip file, or a damaged one
        raise InputError(f"{path}: not an nmcompile image, or damaged; compile it again") from None
    try:
        check_image(image)
        if notes is not None:
            image = replace(image, notes=from_plain(Notes, notes, "the compiler's notes"))
            check_notes(image)
    except InputError as error:
        raise InputError(f"{path}: {error}; compile it again") from None
    return image


def _load(file: Archive) -> tuple[Image, Any]:
    """(the image, its notes as they stand in the file)."""
    path, text = file.path, file.read("manifest.json", LARGEST_MANIFEST)
    if hashlib.sha256(text).hexdigest() != file.read("seal", 64).decode():
        raise InputError(f"{path}: the manifest was edited (checksum differs); compile it again")
    try:
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise InputError(f"{path}: not an nmcompile image; compile a network first")
        for key, mine in (("format_version", FORMAT_VERSION), ("isa_version", isa.ISA_VERSION)):
            if manifest[key] != mine:
                raise InputError(f"{path}: {key} {manifest[key]}, this version reads {mine}; compile it again")
        arch = architecture_from_dict(manifest["architecture"], str(path))
        if arch.hash != manifest["architecture_hash"]:
            raise InputError(
                f"{path}: made for an architecture with hash {manifest['architecture_hash']}, "
                f"but {arch.name!r} has {arch.hash}; compile it again"
            )
        members = {}
        for name, digest in manifest["sha256"].items():
            if name in file:
                members[name] = file.read(name, _largest(arch, name))
            if name not in members or hashlib.sha256(members[name]).hexdigest() != digest:
                raise InputError(f"{path}: {printable(name)} was edited or lost (checksum differs); compile it again")
        return _build(arch, manifest, members), manifest["notes"]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
        raise InputError(f"{path}: an image with parts missing or of a wrong kind; compile it again") from None


def load_compiled(path: str | Path) -> Image:
    """Read an image that a compiler made; InputError, too, if it has no compiler's notes."""
    image = load_image(path)
    if image.notes is None:
        raise InputError(f"{path}: {NO_NOTES}")
    return image


def _largest(arch: Architecture, name: str) -> int:
    """Bytes of an array: of a core at most twice its memory, as registers of 16 bits are stored in 32."""
    return LARGEST_HEADER + arch.memory_bits() // arch.cores // 4 if name.startswith("core") else LARGEST_TABLE


def _build(arch: Architecture, manifest: dict[str, Any], members: dict[str, bytes]) -> Image:
    """The image of a manifest; KeyError, TypeError or ValueError if it is not as `save_image` writes it."""

    def array(name: str, kind: type, ndim: int) -> np.ndarray:
        values = np.lib.format.read_array(io.BytesIO(members[f"{name}.npy"]), allow_pickle=False)
        if values.dtype != kind or values.ndim != ndim:
            raise ValueError(name)
        return values

    def count(value: object) -> int:
        if type(value) is not int or not 0 <= value < 1 << 16:
            raise ValueError(value)
        return value

    cores = tuple(
        CoreImage(
            reset_entry=count(entry),
            **{name: array(f"core{i}/{name}", kind, ndim) for name, (kind, ndim) in CORE_ARRAYS.items()},
        )
        for i, entry in enumerate(manifest["reset_entries"])
    )
    populations = tuple(
        PopulationMap(
            printable(str(p["name"])),
            tuple(int(size) for size in p["shape"]),
            count(p["depth"]),
            count(p["shown"]),
            array(f"population{i}/location", np.int32, 2),
            {printable(str(name)): count(register) for name, register in p["registers"].items()},
            array(f"population{i}/scale", np.float64, 1),
        )
        for i, p in enumerate(manifest["populations"])
    )
    for p in populations:
        if not (math.prod(p.shape) == len(p.location) == len(p.scale)) or max(p.registers.values(), default=0) >= (
            arch.registers
        ):
            raise ValueError(p.name)
    pointers = array("input_pointers", np.int64, 1)
    if len(pointers) == 0:
        raise ValueError("input_pointers")
    return Image(
        arch,
        cores,
        pointers,
        array("input_routes", np.uint32, 1),
        array("outputs", np.int32, 2),
        count(manifest["latency"]),
        populations,
    )
