"""A run on a board beside the emulator."""

from __future__ import annotations

import numpy as np

from emulator.result import RunResult
from emulator.spec.errors import MachineError
from emulator.spec.image import Image


# ------------------------------------------------------------------------------------------------- comparing
def compare_sample(image: Image, sample: int, found: np.ndarray, cycles: int, wanted: RunResult, counted: bool) -> None:
    """MachineError with the first spike of a sample that only one of them has, or with its cycles."""
    assert wanted.spikes is not None
    first, last = np.searchsorted(wanted.spikes[:, 0], [sample, sample + 1])
    board = {tuple(row) for row in found.tolist()}
    emulated = {tuple(row) for row in wanted.spikes[first:last].tolist()}
    if board != emulated:
        _, t, core, neuron = min(board ^ emulated)
        side = "the emulator" if (sample, t, core, neuron) in emulated else "the board"
        raise MachineError(
            f"board and emulator differ first in sample {sample}, timestep {t}: {neuron_name(image, core, neuron)} "
            f"fires only on {side}; {len(board ^ emulated):,} of {len(board | emulated):,} spikes of this sample differ"
        )
    if counted and cycles != wanted.sample_cycles[sample]:
        raise MachineError(
            f"board and emulator differ in the cycles of sample {sample}: {cycles:,} on the board, "
            f"{int(wanted.sample_cycles[sample]):,} emulated; the spikes are equal"
        )


def compare_outputs(sample: int, found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    """MachineError with the first output whose spikes carried something else, or whose membrane was another."""
    for i in np.flatnonzero(found != wanted)[:1]:
        raise MachineError(
            f"board and emulator differ in {what.format(i)} in sample {sample}: {found[i]:,} on the board, "
            f"{wanted[i]:,} emulated; the spikes are equal"
        )


def neuron_name(image: Image, core: int, neuron: int) -> str:
    whose = image.whose()
    if (number := whose.population[core, neuron]) < 0:
        return f"core {core}, neuron {neuron}"
    name, index = image.populations[number].name, whose.neuron[core, neuron]
    return f"neuron {index} of {name!r} (core {core}, neuron {neuron})"


def compare_counters(ledger: dict[str, np.ndarray], chip: dict[str, int], wanted: RunResult) -> None:
    for name, values in ledger.items():
        if (values != wanted.counters[name]).any():
            core = int(np.flatnonzero(values != wanted.counters[name])[0])
            raise MachineError(
                f"board and emulator differ in {name} of core {core}: {int(values[core]):,} on the board, "
                f"{int(wanted.counters[name][core]):,} emulated; spikes and cycles are equal"
            )
    for name in chip:
        if chip[name] != wanted.chip[name]:
            raise MachineError(
                f"board and emulator differ in {name}: {chip[name]:,} on the board, {wanted.chip[name]:,} emulated"
            )
