"""Tables that several verbs print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ..results.numbers import quantity
from ..results.summary import undecided_facts
from .terminal import console, new_table, share, show_table, show_warnings

if TYPE_CHECKING:
    from emulator.result import RunResult


def show_fill(rows: list[dict[str, Any]]) -> None:
    table = new_table("core", "neurons", "axons", "synapse words", "routes", "program", title="How full the cores are")
    for row in rows:
        table.add_row(
            f"{row['core']}  {escape(', '.join(dict.fromkeys(row['populations'])))}",
            *(share(row[k]) for k in ("neurons", "axons", "synapse words", "routes", "program words")),
        )
    show_table(table)


def show_drift(rows: list[dict[str, Any]]) -> None:
    table = new_table("population", "float spikes", "fixed", "error per neuron", "saturated", "silent", "zero weights")
    table.title = "Drift on the calibration inputs"
    for row in rows:
        table.add_row(
            escape(row["name"]),
            f"{row['float_spikes']:,}",
            f"{row['fixed_spikes']:,}",
            f"{100 * row['count_error']:.1f} %",
            f"{row['saturations']:,}",
            f"{row['silent_neurons']:,}",
            f"{100 * row['zero_weights']:.1f} %",
        )
    show_table(table)
    for row in rows:
        if row["advice"]:
            console().print(f"[yellow]![/] {escape(row['advice'])}")


def show_losses(rows: list[dict[str, Any]]) -> None:
    table = new_table("population", "weights to 0", "of their sum", "least threshold", "parameters to 0")
    table.title = "What rounding took"
    for row in rows:
        table.add_row(
            escape(row["population"]),
            share((row["zero_weights"], max(1, row["weights"]))),
            f"{100 * row['zero_weight_sum']:.1f} %",
            "" if row["threshold_units"] is None else f"{row['threshold_units'][0]:,} units",
            escape(", ".join(f"{name} of {count:,}" for name, count in row["vanished"].items())),
        )
    show_table(table)


def show_kept(result: RunResult, output: str | None, learned: str | None) -> None:
    """The files that were written, and what was not."""
    if result.notes.learning:
        show_warnings(result.notes.learning.warnings)
    if result.notes.learning and not learned:
        show_warnings(["what was learned is not kept; give --learned OUT.nmi to write the image that it ends in"])
    for path in (output, learned):
        if path:
            console().print(f"wrote {escape(path)}")


def run_facts(result: RunResult, values: dict[str, Any]) -> list[tuple[str, str]]:
    notes, energy, samples = result.notes, result.notes.energy, values["samples"]
    assert energy is not None
    rows = [("samples", f"{samples:,} of {values['timesteps']} timesteps, on {values['architecture']}")]
    if "accuracy" in values:
        rows.append(("accuracy", f"{100 * values['accuracy']:.1f} %"))
        if notes.float_accuracy is not None:
            rows[-1] = ("accuracy", f"{rows[-1][1]}, float {100 * notes.float_accuracy:.1f} %")
    rows += undecided_facts(values)
    clock = notes.architecture.clock_hz
    rows += [
        ("cycles", f"{values['cycles_per_sample']:,.0f} per sample, {values['cycles_are']}"),
        ("latency", f"{quantity(values['latency_s_per_sample'], 's')} per sample at {quantity(clock, 'Hz')}"),
        ("synaptic ops", f"{values['synaptic_operations'] / samples:,.0f} per sample"),
        ("spikes", f"{values['spikes'] / samples:,.1f} per sample"),
        (
            "energy",
            f"{quantity(values['energy_j_per_sample'], 'J')} per sample, {energy.scope}, by {energy.table} "
            f"({energy.evidence})",
        ),
        ("emulated in", f"{values['elapsed_s']:.3f} s"),
    ]
    return rows


def show_costs(rows: list[dict[str, Any]], samples: int) -> None:
    table = new_table("population", "neurons", "cores", "cycles", "events", "synaptic ops", "spikes")
    table.title = "Cost per sample"
    for row in rows:
        table.add_row(
            escape(row["name"]),
            f"{row['neurons']:,}",
            f"{len(row['cores'])}",
            *(f"{row[k] / samples:,.0f}" for k in ("busy_cycles", "events", "synaptic_operations", "spikes")),
        )
    show_table(table)
