"""What is in an image or a result, as plain values."""

from __future__ import annotations

from typing import Any

from emulator.result import NOT_COUNTED, RunResult, load_result
from emulator.spec import isa
from emulator.spec.archive import Archive
from emulator.spec.errors import InputError
from emulator.spec.image import Image
from emulator.spec.image_file import load_image
from emulator.spec.listing import listing

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
        return "image", inspect_image(load_image(path))
    result = load_result(path)
    if "costs" not in result.meta:
        raise InputError(f"{path}: a machine's bare result, without costs and energy; make it with nmc emulate")
    return "result", inspect_result(result)


def inspect_image(image: Image) -> dict[str, Any]:
    """Sizes, populations, projections with their synapse memory, cores with their programs as readable text."""
    if "projections" not in image.meta:
        raise InputError("no compiler's notes in this image; compile it again")
    used: dict[str, dict[int, int]] = {p["name"]: {} for p in image.meta["projections"]}  # bits by core
    for number, where in enumerate(image.meta["cores"]):
        for part in where["parts"]:
            for p in part["projections"]:
                bits = p["words"] * 16 * image.arch.lanes
                used[p["name"]][number] = used[p["name"]].get(number, 0) + bits
    projections = []
    for p in image.meta["projections"]:
        if "learns" in p:
            p = p | dict(zip(("weight_min", "weight_mean", "weight_max"), weight_range(image, p["name"]), strict=True))
        bits = list(used[p["name"]].values())
        projections.append(
            p
            | {
                "cores": len(bits),
                "memory_bits": sum(bits),
                "core_memory_bits": max(bits, default=0),
                "distinct_bits": p["parameters"] * p["weight_bits"],
            }
        )
    cores = []
    for number, where in enumerate(image.meta["cores"]):
        if where["parts"]:
            core = image.cores[number]
            cores.append(
                {
                    "core": number,
                    "parts": where["parts"],
                    "reset_entry": core.reset_entry,
                    "program": [listing(isa.decode(word)) for word in core.program],
                }
            )
    return {
        "network": image.meta["network"],
        "architecture": image.arch.name,
        "architecture_hash": image.arch.hash,
        "rtl": image.arch.rtl,
        "semantics": image.meta["semantics"],
        "inputs": image.n_inputs,
        "outputs": len(image.outputs),
        "latency_timesteps": image.latency,
        "memory_bits": image.memory_bits,
        "populations": [
            {"name": p.name, "shape": list(p.shape), "depth": p.depth, "registers": p.registers}
            for p in image.populations
        ],
        "projections": projections,
        "thresholds": {
            name: [float(values.min()), float(values.mean()), float(values.max())]
            for name, values in learned_thresholds(image).items()
        },
        "fill": core_fill(image),
        "cores": cores,
        "drift": image.meta.get("drift", []),
        "warnings": image.meta["warnings"],
    }


def inspect_result(result: RunResult) -> dict[str, Any]:
    """What `nmc emulate` printed, and every counter summed over cores; none of a board that counted nothing."""
    counters = {name: int(values.sum()) for name, values in result.counters.items()} | dict(result.chip)
    return summary(result) | {
        "costs": result.meta["costs"],
        "energy": result.meta.get("energy"),
        "counters": counters if result.cycles_are != NOT_COUNTED else {},
        "spikes_recorded": result.spikes is not None,
        "probes": list(result.probes),
    }
