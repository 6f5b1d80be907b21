"""What a run comes to, as the keys of `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.result import NOT_COUNTED, RunResult

DEFAULT_PRICES = "horowitz45"


def summary(result: RunResult) -> dict[str, Any]:
    """The keys of `nmc emulate --json`; null is what a board without counters could not say."""
    meta, samples = result.meta, result.samples
    counted, energy = result.cycles_are != NOT_COUNTED, meta.get("energy", {})
    cycles = float(result.sample_cycles.mean()) if counted else None
    values: dict[str, Any] = {
        "samples": samples,
        "timesteps": meta["timesteps"],
        "synaptic_operations": result.total("synaptic_operations") if counted else None,
        "spikes": result.total("spikes") if counted else int(result.neuron_spikes.sum()),
        "cycles_per_sample": cycles,
        "cycles_are": result.cycles_are,
        "latency_s_per_sample": cycles / meta["architecture"]["clock_hz"] if counted else None,
        "energy_j_per_sample": energy["total_j"] / samples if counted else None,
        "energy_scope": energy.get("scope"),
        "prices": energy.get("table"),
        "architecture": meta["architecture"]["name"],
        "rtl": result.rtl,
        "elapsed_s": result.elapsed_s,
    }
    for name in ("accuracy", "silent_samples", "tied_samples", "neurobench"):
        if name in meta:
            values[name] = meta[name]
    learning = meta.get("learning", {})
    if "cycles" in learning:  # a board does not know what each instruction took
        values["learning_cycles_per_sample"] = learning["cycles"] / samples
        values["learning_energy_j_per_sample"] = learning["energy_j"] / samples
    if "rows" in learning:
        values["row_updates"] = learning["rows"]
    return values


def undecided_facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What to say of samples whose class nothing decides, by a summary or a result's meta."""
    silent, tied = values.get("silent_samples", 0), values.get("tied_samples", 0)
    samples, rows = values.get("samples", len(values.get("predictions", ()))), []
    if silent:
        rows.append(("silent", f"{silent:,} of {samples:,} samples have no output spike: undecided, counted as wrong"))
    if tied:
        rows.append(("tied", f"{tied:,} of {samples:,} samples have equal largest outputs: the lowest index is taken"))
    return rows
