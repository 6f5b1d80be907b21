"""Text for people: rich tables of what the verbs found; follows the width of the terminal."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from emulator.result import RunResult
from emulator.spec.image import Image

from .pipeline import Compilation
from .study.learning import learning_facts
from .study.page import count, quantity
from .study.sweep import Findings


def _console() -> Console:
    """Standard output, as wide as the terminal is now."""
    return Console(highlight=False, soft_wrap=False)


def _table(*columns: str, title: str = "") -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _show(table: Table) -> None:
    """Print a table; in a terminal too narrow for it, headings and texts break between words, numbers never."""
    if Measurement.get(_console(), _console().options.update(width=10_000), table).maximum > _console().width:
        table.padding, table.show_edge = 0, False
        for column in table.columns[1:]:
            words = [
                word
                for text in (column.header, *column.cells)
                for word in re.findall(r"\S+ (?:%|x|KiB)|\S+", str(text))
            ]
            column.width = max(map(len, words))
    _console().print(table)


def _facts(*rows: tuple[str, str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, escape(text))
    _console().print(table)


def _share(pair: list[int] | tuple[int, int]) -> str:
    return f"{pair[0]:,} ({100 * pair[0] / pair[1]:.0f}%)"


def _fill(rows: list[dict[str, Any]]) -> None:
    table = _table("core", "neurons", "axons", "synapse words", "routes", "program", title="How full the cores are")
    for row in rows:
        table.add_row(
            f"{row['core']}  {escape(', '.join(dict.fromkeys(row['populations'])))}",
            *(_share(row[k]) for k in ("neurons", "axons", "synapse words", "routes", "program words")),
        )
    _show(table)


def _drift(rows: list[dict[str, Any]]) -> None:
    table = _table("population", "float spikes", "fixed", "error per neuron", "saturated", "silent", "zero weights")
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
    _show(table)
    for row in rows:
        if row["advice"]:
            _console().print(f"[yellow]![/] {escape(row['advice'])}")


def _warnings(texts: list[str]) -> None:
    for text in texts:
        _console().print(f"[yellow]![/] {escape(text)}")


def compiled(image: Image, values: dict[str, Any], output: str) -> None:
    """After `nmc compile`."""
    _facts(
        ("image", f"{output} for {image.arch.name}, {values['cores']} of {image.arch.cores} cores"),
        ("semantics", values["semantics"]),
        ("network", f"{values['neurons']:,} neurons, {values['synapses']:,} synapses, {values['axons']:,} axons"),
        ("memory", f"{values['memory_bits'] / 8192:,.1f} KiB"),
        ("latency", count(values["latency_timesteps"], "timestep")),
        *(("learns", _learns(p)) for p in image.meta["projections"] if "learns" in p),
    )
    _fill_of(image)
    if "drift" in values:
        _drift(values["drift"])
    _warnings(values["warnings"])


def _learns(p: dict[str, Any]) -> str:
    low, high = p["bounds"]
    steps = f"from {low:.4g} to {high:.4g} in steps of {_step(p):.3g}"
    return f"{p['name']} by {p['learns']}, {p['weight_bits']} bits, {steps}"


def _step(p: dict[str, Any]) -> float:
    """The least difference between two weights of a projection that learns; a tag below them does not count."""
    return p["unit"] * 2 ** p["tag_bits"]


def _fill_of(image: Image) -> None:
    from .study.costs import core_fill

    _fill(core_fill(image))


def emulated(result: RunResult, values: dict[str, Any], output: str | None, learned: str | None) -> None:
    """After `nmc emulate`; `output` and `learned` are the files that were written."""
    _facts(*_run_facts(result, values), *learning_facts(result))
    _costs(result.meta["costs"], result.samples)
    _warnings(result.meta["energy"]["warnings"])
    _kept(result, output, learned)


def _kept(result: RunResult, output: str | None, learned: str | None) -> None:
    """The files that were written, and what was not."""
    _warnings(result.meta.get("learning", {}).get("warnings", []))
    if "learning" in result.meta and not learned:
        _warnings(["what was learned is not kept; give --learned OUT.nmi to write the image that it ends in"])
    for path in (output, learned):
        if path:
            _console().print(f"wrote {escape(path)}")


def _run_facts(result: RunResult, values: dict[str, Any]) -> list[tuple[str, str]]:
    meta, samples = result.meta, values["samples"]
    rows = [("samples", f"{samples:,} of {values['timesteps']} timesteps, on {values['architecture']}")]
    if "accuracy" in values:
        rows.append(("accuracy", f"{100 * values['accuracy']:.1f} %"))
        if "float_accuracy" in meta:
            rows[-1] = ("accuracy", f"{rows[-1][1]}, float {100 * meta['float_accuracy']:.1f} %")
    clock, energy = meta["architecture"]["clock_hz"], meta["energy"]
    rows += [
        ("cycles", f"{values['cycles_per_sample']:,.0f} a sample, {values['cycles_are']}"),
        ("latency", f"{quantity(values['latency_s_per_sample'], 's')} a sample at {quantity(clock, 'Hz')}"),
        ("synaptic ops", f"{values['synaptic_operations'] / samples:,.0f} a sample"),
        ("spikes", f"{values['spikes'] / samples:,.1f} a sample"),
        (
            "energy",
            f"{quantity(values['energy_j_per_sample'], 'J')} a sample, {energy['scope']}, by {energy['table']} "
            f"({energy['evidence']})",
        ),
        ("emulated in", f"{values['elapsed_s']:.3f} s"),
    ]
    return rows


def _costs(rows: list[dict[str, Any]], samples: int) -> None:
    table = _table("population", "neurons", "cores", "cycles", "events", "synaptic ops", "spikes")
    table.title = "Cost per sample"
    for row in rows:
        table.add_row(
            escape(row["name"]),
            f"{row['neurons']:,}",
            f"{len(row['cores'])}",
            *(f"{row[k] / samples:,.0f}" for k in ("busy_cycles", "events", "synaptic_operations", "spikes")),
        )
    _show(table)


def demonstrated(compilation: Compilation, result: RunResult, values: dict[str, Any], html: str | None) -> None:
    """After `nmc demo`."""
    image, compiled = compilation.image, values["compile"]
    facts = _run_facts(result, values)
    facts[0:0] = [
        (
            "network",
            f"{image.meta['title']}: {compiled['neurons']:,} neurons, {compiled['synapses']:,} synapses",
        ),
        ("semantics", compiled["semantics"]),
        ("weights", f"{image.meta['weight_bits']} bits, {compiled['memory_bits'] / 8192:,.1f} KiB in all"),
    ]
    _facts(*facts)
    _costs(result.meta["costs"], result.samples)
    _fill(result.meta["fill"])
    _drift(image.meta["drift"])
    _warnings(compiled["warnings"] + result.meta["energy"]["warnings"])
    if html:
        _console().print(f"wrote {escape(html)}")


def verified(values: dict[str, Any]) -> None:
    """After `nmc verify`."""
    _facts(
        ("verdict", f"the Verilog under {values['simulator']} is the emulator: 0 mismatches"),
        ("compared", f"{values['samples']:,} samples, {values['timesteps']:,} timesteps, {values['spikes']:,} spikes"),
        ("cycles", f"{values['cycles_rtl']:,}, equal"),
        ("counters", f"{values['counters']:,} ledger lines, equal"),
        *([("learned", f"{values['weights']:,} words of weights, equal")] if values["weights"] else []),
        ("took", f"{values['elapsed_s']:.1f} s"),
    )


class Progress:
    """A bar on a terminal for work over a second; call it with what is done, how much, and of how much."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._since = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._since < 1:
                return
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(what, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=what)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def flashed(values: dict[str, Any]) -> None:
    """After `nmc flash`."""
    rate = values["line_bytes"] / max(values["elapsed_s"], 1e-9)
    _facts(
        ("board", f"{values['architecture']} on {values['port']}"),
        ("loaded", f"{values['written_bytes']:,} of {values['total_bytes']:,} bytes differed; read back, equal"),
        ("took", f"{values['elapsed_s']:.2f} s, {values['line_bytes']:,} bytes on the line, {quantity(rate, 'B/s')}"),
        ("repeats", f"{values['retries']:,}"),
    )


def ran(result: RunResult, values: dict[str, Any], output: str | None, learned: str | None) -> None:
    """After `nmc run`; `output` and `learned` are the files that were written."""
    samples = values["samples"]
    rows = [("samples", f"{samples:,} of {values['timesteps']} timesteps, on {values['architecture']}")]
    if "accuracy" in values:
        rows.append(("accuracy", f"{100 * values['accuracy']:.1f} %"))
    if values["spikes"] is not None:
        rows.append(("spikes", f"{values['spikes'] / samples:,.1f} a sample"))
    cycles = values["cycles_per_sample"]
    rows += [
        ("cycles", values["cycles_are"] if cycles is None else f"{cycles:,.0f} a sample, {values['cycles_are']}"),
        *learning_facts(result),
        ("took", f"{values['elapsed_s']:.2f} s, {values['retries']:,} repeats"),
    ]
    if "differences" in values:
        *most, last = values["compared"]
        what = f"{', '.join(most)} and {last}" if most else last
        rows.append(("compared", f"with the emulator: 0 differences in {what}"))
    _facts(*rows)
    _kept(result, output, learned)


def devices(found: list[dict[str, str]]) -> None:
    """After `nmc devices`."""
    if not found:
        _console().print("no serial port; plug a board in, or start a simulated one with: nmc board")
        return
    table = _table("port", "device", "serial number")
    for port in found:
        table.add_row(*(escape(port[key]) for key in ("port", "device", "serial_number")))
    _show(table)


def _text(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def inspected(kind: str, values: dict[str, Any]) -> None:
    """After `nmc inspect`."""
    if kind == "result":
        shown = [(name, values[name]) for name in _SUMMARY if values.get(name) is not None]
        _facts(*((name, f"{value:,}" if isinstance(value, int) else _text(value)) for name, value in shown))
        if values["costs"]:
            _costs(values["costs"], values["samples"])
        if not values["counters"]:
            return
        table = _table("counter", "total")
        for name, total in values["counters"].items():
            table.add_row(name, f"{total:,}")
        _show(table)
        return
    _facts(
        ("network", f"{values['network']}: {values['inputs']:,} inputs, {values['outputs']:,} outputs"),
        ("architecture", f"{values['architecture']} ({values['architecture_hash']})"),
        ("semantics", values["semantics"]),
        ("latency", count(values["latency_timesteps"], "timestep")),
        ("memory", f"{values['memory_bits'] / 8192:,.1f} KiB"),
    )
    table = _table(
        "projection", "synapses", "weights", "bits", "synapse memory", "of its weights", "cores", "in a core"
    )
    for p in values["projections"]:
        table.add_row(
            f"{escape(p['name'])}: {escape(p['source'])} -> {escape(p['target'])}",
            f"{p['synapses']:,}",
            f"{p['parameters']:,}",
            f"{p['weight_bits']}",
            f"{p['memory_bits'] / 8192:,.2f} KiB",
            f"{p['memory_bits'] / max(1, p['distinct_bits']):.2f} x",
            f"{p['cores']}",
            f"{p['core_memory_bits'] / max(1, p['distinct_bits']):.2f} x",
        )
    _show(table)
    if any(p["convolutional"] and p["cores"] > 1 for p in values["projections"]):
        _console().print("[dim]Every core with neurons of a convolution holds its kernels once.[/]")
    learning = [p for p in values["projections"] if "learns" in p]
    if learning:
        table = _table("learns", "rule", "least weight", "mean", "largest", "in steps of")
        for p in learning:
            numbers = (p["weight_min"], p["weight_mean"], p["weight_max"], _step(p))
            table.add_row(escape(p["name"]), escape(p["learns"]), *(f"{number:.4g}" for number in numbers))
        _show(table)
    if values["thresholds"]:
        table = _table("moving threshold", "least", "mean", "largest")
        for name, numbers in values["thresholds"].items():
            table.add_row(escape(name), *(f"{number:.4g}" for number in numbers))
        _show(table)
    _fill(values["fill"])
    for core in values["cores"]:
        _console().print(f"[bold]Program of core {core['core']}[/]")
        starts = {part["program"][0]: part for part in core["parts"]}
        for address, line in enumerate(core["program"]):
            if address in starts:
                part = starts[address]
                _console().print(f"[dim]{escape(part['population'])}, {part['neurons']:,} neurons[/]")
            if address == core["reset_entry"]:
                _console().print("[dim]between samples[/]")
            _console().print(f"{address:4}  {escape(line)}")
    if values["drift"]:
        _drift(values["drift"])
    _warnings(values["warnings"])


_SUMMARY = (
    "samples",
    "timesteps",
    "accuracy",
    "synaptic_operations",
    "spikes",
    "cycles_per_sample",
    "cycles_are",
    "energy_j_per_sample",
    "energy_scope",
    "learning_cycles_per_sample",
    "learning_energy_j_per_sample",
    "row_updates",
    "prices",
    "architecture",
)


def synthesised(values: dict[str, Any]) -> None:
    """After `nmc synth`."""
    columns = {"luts": "LUT4", "flip_flops": "FF", "block_rams": "RAM", "single_port_rams": "SPRAM"}
    columns |= {"multipliers": "DSP"}
    table = _table("module", "instances", *columns.values(), title="Yosys, module by module")
    for row in values["modules"]:
        table.add_row(row["module"], f"{row['instances']:,}", *(f"{row[key]:,}" for key in columns))
    table.add_section()
    table.add_row("optimised as one", "", *(f"{values['area'][key]:,}" for key in columns))
    _show(table)
    clock = "not placed"
    if values["fits"]:
        clock = f"{quantity(values['fmax_hz'], 'Hz')}, asked for {quantity(values['constraint_hz'], 'Hz')}"
    _facts(
        ("architecture", f"{values['architecture']} on {values['target']} ({values['part']})"),
        *_used(values["used"]),
        ("clock", clock),
    )


def _used(resources: dict[str, list[int]]) -> list[tuple[str, str]]:
    return [(what, f"{n:,} of {there:,} ({100 * n / there:.0f} %)") for what, (n, there) in resources.items()]


def built(values: dict[str, Any]) -> None:
    """After `nmc bitstream`."""
    rows = [("board", values["title"]), ("file", values["file"])]
    if "part" in values:
        rows[1] = ("file", f"{values['file']}, {values['bytes']:,} bytes for {values['part']}")
        rows += [("architecture", f"nmc compile --arch {values['architecture']}"), *_used(values["used"])]
        reached = f"{quantity(values['clock_hz'], 'Hz')}, reached {quantity(values['fmax_hz'], 'Hz')}"
        rows += [("clock", reached), ("line", f"{values['baud']:,} baud")]
    else:
        rows.append(("next", f"vivado -mode batch -source {values['file']}"))
    _facts(*rows)


MOST_ROWS, MOST_COLUMNS = 60, 7  # of a study on a terminal; of more points, only the front is shown
SWEEP_COLUMNS = {"accuracy", "energy_j_per_sample", "latency_s_per_sample", "cycles_per_sample", "cores", "memory_bits"}
SWEEP_COLUMNS |= {"logic_cells", "block_rams", "fmax_hz"}


def swept(findings: Findings, output: str | None, html: str | None) -> None:
    """After `nmc sweep`: the points, those of the front marked; `output` and `html` are the files that were written."""
    from .study.plan import METRICS

    rows = findings.rows
    some = [n for n in METRICS if n in SWEEP_COLUMNS and n not in findings.objectives and any(n in row for row in rows)]
    chosen = {*findings.objectives, *some[: max(0, MOST_COLUMNS - len(findings.objectives))]}
    names = [name for name in METRICS if name in chosen]
    axes, title = escape(", ".join(findings.axes)), escape(findings.title)
    table = _table(axes, "", *(METRICS[name].title for name in names), title=title)
    for row in rows if len(rows) <= MOST_ROWS else (row for row in rows if row["front"]):
        at = ", ".join(map(str, row["at"].values()))
        at += "" if row["status"] == "done" else f": {row['status']}"
        cells = [METRICS[name].text(row[name]) if name in row else "" for name in names]
        table.add_row(escape(at), "*" if row["front"] else "", *cells)
    table.columns[0].min_width = max(len(word) for row in rows for v in row["at"].values() for word in f"{v}".split())
    _show(table)
    _facts(*findings.facts())
    _warnings(findings.problems())
    if len(rows) > MOST_ROWS:
        _console().print("[dim]Only the front (*) is shown; -o OUT.csv has every point.[/]")
    for path in (output, html):
        if path:
            _console().print(f"wrote {escape(path)}")
