"""The metrics of a point of a study: their names, units, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .numbers import percent, quantity


@dataclass(frozen=True)
class Metric:
    """What a point is judged by: what it is called, its unit ("": a count), and whether more of it is better."""

    title: str
    unit: str = ""
    more: bool = False

    def text(self, value: float) -> str:
        """A value for people."""
        if self.unit == "%":
            return percent(value, 1)
        if self.unit == "KiB":
            return f"{value / 8192:,.1f} KiB"
        return quantity(value, self.unit) if self.unit else f"{value:,.0f}"


METRICS: Final = {
    "accuracy": Metric("accuracy", "%", more=True),
    "energy_j_per_sample": Metric("energy per sample", "J"),
    "latency_s_per_sample": Metric("latency per sample", "s"),
    "cycles_per_sample": Metric("cycles per sample"),
    "spikes": Metric("spikes"),
    "synaptic_operations": Metric("synaptic operations"),
    "cores": Metric("cores used"),
    "memory_bits": Metric("memory used", "KiB"),
    "chip_memory_bits": Metric("memory of the chip", "KiB"),
    "logic_cells": Metric("logic cells"),
    "block_rams": Metric("block RAMs"),
    "multipliers": Metric("multipliers"),
    "fmax_hz": Metric("clock reached", "Hz", more=True),
    "latency_s_at_fmax": Metric("latency at the clock reached", "s"),
}
FPGA_METRICS: Final = ("logic_cells", "block_rams", "multipliers", "fmax_hz", "latency_s_at_fmax")
