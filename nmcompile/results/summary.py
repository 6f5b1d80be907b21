"""What a run comes to, as the keys of `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.result import NOT_COUNTED, RunResult

DEFAULT_PRICES = "horowitz45"


def summary(result: RunResult) -> dict[str, Any]:
    """The keys of `nmc emulate --json`; null is what a board without counters could not say."""
    notes, samples = result.notes, result.samples
    counted, energy = result.cycles_are != NOT_COUNTED, notes.energy
    cycles = float(result.sample_cycles.mean()) if counted else None
    values: dict[str, Any] = {
        "samples": samples,
        "timesteps": notes.timesteps,
        "synaptic_operations": result.total("synaptic_operations") if counted else None,
        "spikes": result.total("spikes") if counted else int(result.neuron_spikes.sum()),
        "cycles_per_sample": cycles,
        "cycles_are": result.cycles_are,
        "latency_s_per_sample": cycles / notes.architecture.clock_hz if cycles is not None else None,
        "energy_j_per_sample": energy.total_j / samples if energy and counted else None,
        "energy_scope": energy.scope if energy else None,
        "prices": energy.table if energy else None,
        "architecture": notes.architecture.name,
        "rtl": result.rtl,
        "elapsed_s": result.elapsed_s,
    }
    values |= decided(result)
    if notes.neurobench:
        values["neurobench"] = notes.neurobench
    learning = notes.learning
    if learning and learning.cycles is not None and learning.energy_j is not None:
        # a board does not know what each instruction took
        values["learning_cycles_per_sample"] = learning.cycles / samples
        values["learning_energy_j_per_sample"] = learning.energy_j / samples
    if learning and learning.rows is not None:
        values["row_updates"] = learning.rows
    return values


def decided(result: RunResult) -> dict[str, Any]:
    """How many samples are right, and how many nothing decided."""
    notes = result.notes
    accuracy = {} if notes.accuracy is None else {"accuracy": notes.accuracy}
    return accuracy | {"silent_samples": notes.silent_samples, "tied_samples": notes.tied_samples}


def undecided_facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What to say of samples whose class nothing decides, by a summary."""
    samples, silent, tied = values["samples"], values["silent_samples"], values["tied_samples"]
    rows = []
    if silent:
        rows.append(("silent", f"{silent:,} of {samples:,} samples have no output spike: undecided, counted as wrong"))
    if tied:
        rows.append(("tied", f"{tied:,} of {samples:,} samples have equal largest outputs: the lowest index is taken"))
    return rows
