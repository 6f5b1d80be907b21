"""What a run comes to, as the keys of `--json`."""

from __future__ import annotations

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
    if "accuracy" in meta:
        values["accuracy"] = meta["accuracy"]
    learning = meta.get("learning", {})
    if "cycles" in learning:  # a board does not know what each instruction took
        values["learning_cycles_per_sample"] = learning["cycles"] / samples
        values["learning_energy_j_per_sample"] = learning["energy_j"] / samples
    if "rows" in learning:
        values["row_updates"] = learning["rows"]
    return values
