"""The host port alone: what is written is what is read, of every memory of every core, and what spikes carry."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.reference import Reference
from emulator.spec.fixedpoint import LFSR_BITS
from emulator.spec.image import Image
from emulator.verilog.verilated import Verilated


def check_host(image: Image, spikes: np.ndarray, **override: int) -> None:
    """An image's contents, then random state, core after core: what one core is told, no other hears."""
    chip, arch, rng = Verilated(image, **override), image.arch, np.random.default_rng(5)
    written: dict[tuple[int, str, int], tuple[np.ndarray, int]] = {}
    for core in range(arch.cores):
        for memory, first, values, bits in chip.contents(core):
            written[core, memory, first] = values, bits
    compare(chip, written)
    check_payloads(chip, spikes)

    block_bits, granule_bits = (arch.blocks - 1).bit_length() or 1, (arch.granules - 1).bit_length() or 1
    axon_bits = (arch.axons - 1).bit_length()
    shapes = {  # first words, words, fields, bits
        "registers": ([i << block_bits for i in range(arch.registers)], arch.blocks, arch.lanes, arch.state_bits),
        "accumulators": ([0, 1 << block_bits], arch.blocks, arch.lanes, arch.acc_bits),
        "predicates": ([0], arch.blocks, arch.lanes * 4, 1),
        "pending": ([i << granule_bits for i in range(arch.delay_slots)], arch.granules, 16, 1),
        "random": ([0], 1, arch.lanes, 32),
    }
    if arch.graded:
        shapes["payloads"] = [i << axon_bits for i in range(arch.delay_slots)], arch.axons, 1, 8
    for core in range(arch.cores):
        for memory, (firsts, words, fields, bits) in shapes.items():
            for first in firsts:
                values = rng.integers(0, 1 << (LFSR_BITS if memory == "random" else bits), (words, fields))
                chip.write_memory(core, memory, first, values, bits)
                written[core, memory, first] = values, bits
    compare(chip, {key: value for key, value in written.items() if key[1] in shapes})


def compare(chip: Verilated, written: dict[tuple[int, str, int], tuple[np.ndarray, int]]) -> None:
    """Read all of it back."""
    for (core, memory, first), (values, bits) in written.items():
        if len(values):
            got = chip.read_memory(core, memory, first, *values.shape, bits)
            np.testing.assert_array_equal(
                got, values.astype(np.int64) & (1 << bits) - 1, f"{memory} of core {core}, from word {first}"
            )


def check_payloads(chip: Any, spikes: np.ndarray) -> None:
    """What the spikes of a timestep carry, as the host reads it; fails if there are none."""
    arch, any_fired = chip.arch, False
    chip.reset(len(spikes))
    for _ in spikes:
        fired = chip.step()
        any_fired = any_fired or fired != []
        for core in range(arch.cores if arch.graded else 0):
            carried = chip.read_memory(core, "spike_payloads", 0, arch.blocks, arch.lanes, 8).reshape(-1)
            assert [(c, n, carried[n]) for c, n, _ in fired if c == core] == [row for row in fired if row[0] == core]
    assert any_fired


def fires(image: Image, timesteps: int) -> bool:
    """Does any neuron fire, without inputs?"""
    machine = Reference(image)
    machine.reset(timesteps)
    return any(machine.step() for _ in range(timesteps))
