"""Architectures and random cases of the RTL tests. A case is named by its seeds; failures print them."""

from __future__ import annotations

from typing import Any

import numpy as np
from programs import corner, random_architecture, random_image, random_inputs

from emulator.spec.arch import Architecture
from emulator.spec.image import Image

# Few, because each is built; chosen so that every parameter takes its extremes and every pair of widths meets:
# lanes 1..16, state 16, 24, 32, odd block counts, one granule, one slot, sixteen slots, meshes.
_BASE: dict[str, Any] = {"mesh_width": 1, "mesh_height": 1}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "one narrow lane": _BASE
    | {
        "lanes": 1,
        "state_bits": 24,
        "acc_bits": 28,
        "coef_bits": 16,
        "neurons": 37,
        "axons": 16,
        "delay_slots": 1,
        "registers": 5,
        "traces": 3,
        "graded": True,
    },
    "like up5k": _BASE
    | {
        "lanes": 4,
        "state_bits": 16,
        "acc_bits": 24,
        "coef_bits": 16,
        "neurons": 96,
        "axons": 80,
        "delay_slots": 2,
        "registers": 4,
        "traces": 1,
        "graded": False,
    },
    "like ecp5": {
        "mesh_width": 2,
        "mesh_height": 2,
        "lanes": 8,
        "state_bits": 24,
        "acc_bits": 24,
        "coef_bits": 18,
        "neurons": 96,
        "axons": 64,
        "delay_slots": 4,
        "registers": 8,
        "traces": 1,
        "graded": True,
    },
    "wide": {
        "mesh_width": 3,
        "mesh_height": 1,
        "lanes": 16,
        "state_bits": 32,
        "acc_bits": 32,
        "coef_bits": 18,
        "neurons": 64,
        "axons": 48,
        "delay_slots": 16,
        "registers": 1,
        "traces": 2,
        "graded": True,
    },
    "tall": {
        "mesh_width": 3,
        "mesh_height": 2,
        "lanes": 2,
        "state_bits": 16,
        "acc_bits": 16,
        "coef_bits": 18,
        "neurons": 22,
        "axons": 96,
        "delay_slots": 8,
        "registers": 3,
        "traces": 0,
        "graded": False,
    },
}


def architecture(name: str) -> Architecture:
    """One of ARCHITECTURES; what it leaves open is fixed too."""
    return random_architecture(np.random.default_rng(0), **ARCHITECTURES[name])


def case(
    arch: Architecture, *seed: int, timesteps: int = 6, learning: bool = False
) -> tuple[Image, np.ndarray, list[int]]:
    """A random image, the inputs of two samples, and their rewards."""
    rng = np.random.default_rng(seed)
    image = random_image(rng, arch, learning=learning)
    rewards = [corner(rng, arch.state_bits) for _ in range(2)]
    return image, random_inputs(rng, image, timesteps, samples=2), rewards
