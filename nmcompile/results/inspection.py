"""What is in an image or a result, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.result import NOT_COUNTED, RunResult, load_result
from emulator.run_notes import CoreFill
from emulator.spec import isa
from emulator.spec.archive import Archive
from emulator.spec.errors import InputError
from emulator.spec.image import Image
from emulator.spec.image_file import load_compiled
from emulator.spec.listing import listing
from emulator.spec.notes import ProjectionNote, to_plain

from ..learning.learned import learned_thresholds, weight_range
from .costs import core_fill
from .summary import summary


def inspect_file(path: str) -> tuple[str, dict[str, Any]]:
    """("image" or "result", what is in it). InputError if it is neither."""
    try:
        with Archive(path) as file:
            names = set(file.sizes)
    except InputError:
        raise
    except Exception:  # zipfile raises several kinds on what is none
        raise InputError(f"{path}: neither an image nor a result, or truncated") from None
    if "manifest.json" in names:
        return "image", inspect_image(load_compiled(path))
    result = load_result(path)
    if result.notes.energy is None and result.cycles_are != NOT_COUNTED:
        raise InputError(f"{path}: a machine's bare result, without costs and energy; make it with nmc emulate")
    return "result", inspect_result(result)


def inspect_image(image: Image) -> dict[str, Any]:
    """Sizes, populations, projections with their synapse memory, cores with their programs as readable text."""
    notes = image.compiled
    used: dict[str, dict[int, int]] = {p.name: {} for p in notes.projections}  # bits by core
    for number, part in notes.placed:
        for p in part.projections:
            used[p.name][number] = used[p.name].get(number, 0) + p.words * 16 * image.arch.lanes
    return {
        "network": notes.network,
        "architecture": image.arch.name,
        "architecture_hash": image.arch.hash,
        "rtl": image.arch.rtl,
        "semantics": notes.semantics,
        "inputs": image.n_inputs,
        "outputs": len(image.outputs),
        "latency_timesteps": image.latency,
        "memory_bits": image.memory_bits,
        "populations": [
            {"name": p.name, "shape": list(p.shape), "depth": p.depth, "shown": p.shown, "registers": p.registers}
            for p in image.populations
        ],
        "projections": [_projection(image, p, list(used[p.name].values())) for p in notes.projections],
        "thresholds": {
            name: [float(values.min()), float(values.mean()), float(values.max())]
            for name, values in learned_thresholds(image).items()
        },
        "fill": fill_values(core_fill(image)),
        "cores": [
            {
                "core": number,
                "parts": [{k: v for k, v in to_plain(part).items() if v is not None} for part in parts],
                "reset_entry": image.cores[number].reset_entry,
                "program": [listing(isa.decode(word)) for word in image.cores[number].program],
            }
            for number, parts in enumerate(notes.parts)
            if parts
        ],
        "drift": to_plain(notes.drift),
        "warnings": list(notes.warnings),
        "models": to_plain(notes.models) if notes.models else None,
    }


def _projection(image: Image, p: ProjectionNote, bits: list[int]) -> dict[str, Any]:
    """A projection's notes, what it learned and its synapse memory, in one table; `bits` of each core."""
    values = to_plain(p)
    learning = values.pop("learning", None)
    if learning is not None:
        least, mean, largest = weight_range(image, p.name)
        assert p.learning is not None
        values |= learning | {"step": p.learning.step, "weight_min": least, "weight_mean": mean, "weight_max": largest}
    return values | {
        "cores": len(bits),
        "memory_bits": sum(bits),
        "core_memory_bits": max(bits, default=0),
        "distinct_bits": p.parameters * p.weight_bits,
    }


def fill_values(fill: Sequence[CoreFill]) -> list[dict[str, Any]]:
    """A row a core, for JSON: the core, its populations, and of each resource how much is used and there is."""
    return [{"core": f.core, "populations": list(f.populations)} | to_plain(f.resources) for f in fill]


def inspect_result(result: RunResult) -> dict[str, Any]:
    """What `nmc emulate` printed, and every counter summed over cores; none of a board that counted nothing."""
    counters = {name: int(values.sum()) for name, values in result.counters.items()} | dict(result.chip)
    return summary(result) | {
        "costs": to_plain(result.notes.costs),
        "energy": to_plain(result.notes.energy),
        "counters": counters if result.cycles_are != NOT_COUNTED else {},
        "spikes_recorded": result.spikes is not None,
        "probes": list(result.probes),
    }
