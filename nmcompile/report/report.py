"""The report: one page about one run that one likes to look at, from nothing but its RunResult.

Every section is a function that returns HTML, its title says what was found, and a section whose facts were not
recorded says in a line how to get them.
"""

from __future__ import annotations

from pathlib import Path

from emulator.result import FORMAT_VERSION, NOT_COUNTED, RunResult
from emulator.spec import isa
from emulator.spec.files import write_text
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS

from ..results.learning_costs import learning_facts
from ..results.numbers import count, number, percent, quantity, signed
from ..results.summary import decided, undecided_facts
from . import figures
from .activity import classes_section, membranes_section, sample_section
from .cores import cores_section
from .page import colour, escape, page, page_notes, quoted, section, version
from .spending import energy_section, work_section


def write_report(result: RunResult, path: str, sample: int = 0) -> None:
    """Write one self-contained HTML file about a run.

    Args:
        result: of `nmcompile.evaluate`; of a bare `emulator.run` it shows what there is.
        sample: the one whose spikes and membranes are shown.
    """
    sections = [
        header(result),
        sample_section(result, sample),
        membranes_section(result, sample),
        classes_section(result),
        work_section(result),
        cores_section(result),
        energy_section(result),
        _drift(result),
        _metrics(result),
    ]
    text = page(_name(result), "\n".join(filter(None, sections)), _footer(result), len(result.notes.populations))
    write_text(path, text)


def _name(result: RunResult) -> str:
    image = result.notes.image
    return "a network" if image is None else image.title or Path(image.network).name


# --------------------------------------------------------------------------------------------------- the headline
def header(result: RunResult) -> str:
    """The headline, and a tile for each number that matters most."""
    notes, samples = result.notes, result.samples
    cycles = float(result.sample_cycles.mean()) if samples else 0.0
    energy, clock = notes.energy, notes.architecture.clock_hz
    counted = result.cycles_are != NOT_COUNTED
    cost = f"{number(round(cycles))} cycles"
    if energy:
        cost += f" and {quantity(energy.total_j / max(1, samples), 'J')}"
    headline = f"A sample takes {cost}" if counted else "A run on a board that counts nothing"
    if notes.accuracy is not None:
        headline = f"{percent(notes.accuracy, 1)} right{f', at {cost} per sample' if counted else ''}"
    tiles, spikes = [], int(result.neuron_spikes.sum())
    if counted:
        tiles.append(("cycles per sample", number(round(cycles)), result.cycles_are))
        tiles.append(("latency per sample", quantity(cycles / clock, "s"), f"at {quantity(clock, 'Hz')}"))
        operations, spikes = result.total("synaptic_operations") / max(1, samples), result.total("spikes")
        tiles.append(("synaptic operations", number(round(operations)), "per sample"))
    tiles.append(("spikes", number(round(spikes / max(1, samples))), "per sample"))
    if energy:
        scope = f"{energy.scope}, by {energy.table}"
        tiles.append(("energy per sample", quantity(energy.total_j / max(1, samples), "J"), scope))
    if notes.accuracy is not None:
        floats = "fixed point" if notes.float_accuracy is None else f"in floats {percent(notes.float_accuracy, 1)}"
        tiles.insert(0, ("accuracy", percent(notes.accuracy, 1), floats))
    boxes = "".join(
        f'<div class="tile"><span>{escape(a)}</span><b>{b}</b><span>{escape(c)}</span></div>' for a, b, c in tiles
    )
    facts = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in _facts(result) if b)
    undecided = [text for _, text in undecided_facts(decided(result) | {"samples": result.samples})]
    told = [*undecided, *(notes.image.warnings if notes.image else ()), *(energy.warnings if energy else ())]
    return (
        f'<header><p class="eyebrow">{escape(_name(result))}, on {escape(notes.architecture.name)}</p>'
        f"<h1>{headline}</h1></header>\n"
        f'<div class="tiles">{boxes}</div><dl class="facts">{facts}</dl>{page_notes(told)}'
    )


def _facts(result: RunResult) -> list[tuple[str, str]]:
    notes, image, arch, energy = result.notes, result.notes.image, result.notes.architecture, result.notes.energy
    where = f"{arch.mesh_width} x {arch.mesh_height} cores in a mesh, each" if arch.cores > 1 else "one core"
    sizes = f"{arch.neurons:,} neurons, {arch.lanes} lanes wide, {arch.state_bits}-bit state"
    return [
        ("network", f"{Path(image.network).name}, {image.weight_bits}-bit weights" if image else ""),
        ("semantics", image.semantics if image else ""),
        ("architecture", f"{arch.name}: {where} of {sizes}"),
        (
            "hardware",
            "the bundled Verilog implements exactly this architecture"
            if result.rtl
            else "a model: no bundled Verilog has these sizes; its cycles are the specification's, seen on no hardware",
        ),
        ("samples", f"{result.samples:,} of {count(notes.timesteps, 'timestep')}"),
        ("latency", f"{count(notes.latency, 'timestep')} from input to output"),
        (
            "cycles",
            "exact: instructions, packets in the fabric and barriers, clock by clock; resets between samples apart"
            if result.cycles_are == "exact"
            else "not counted by this board"
            if result.cycles_are == NOT_COUNTED
            else f"{result.cycles_are}: packets were taken to travel in no time, so true cycles are more",
        ),
        (
            "energy",
            f"price table {energy.table}; scope: {energy.scope}; weakest evidence used: {energy.evidence}"
            if energy
            else "",
        ),
        *learning_facts(result),
        ("emulated in", f"{quantity(result.elapsed_s, 's')}"),
    ]


def _drift(result: RunResult) -> str:
    rows = result.notes.image.drift if result.notes.image else ()
    if not rows:
        hint = (
            "<code>nmc compile --calibrate IN.npz</code> runs sample inputs in floats and in fixed point and compares."
        )
        return section("drift", "No drift report", f'<p class="soft">{hint}</p>')
    changes = [(r.fixed_spikes / r.float_spikes - 1) if r.float_spikes else None for r in rows]
    known = [i for i, change in enumerate(changes) if change is not None]
    title = "Fixed point fires as floats do"
    most = max(known, key=lambda i: abs(changes[i] or 0.0), default=None)
    if most is not None and abs(largest := changes[most] or 0.0) >= 0.0005:
        title = f"Fixed point changes {quoted(rows[most].name)} most: {signed(largest)} spikes"
    marks = []
    for i, (row, change) in enumerate(zip(rows, changes, strict=True)):
        text = signed(change) if change is not None else f"{row.fixed_spikes:,} for none"
        marks.append((row.name, change, text, colour(i)))
    head = "<tr><th>population</th><th>float spikes</th><th>fixed</th><th>error per neuron</th><th>saturated</th>"
    head += "<th>fell silent</th><th>fire anew</th><th>zero weights</th></tr>"
    cells = "".join(
        f'<tr><td class="name"><span class="dot" style="--c:{colour(i)}"></span>{escape(r.name)}</td>'
        f"<td>{r.float_spikes:,}</td><td>{r.fixed_spikes:,}</td><td>{percent(r.count_error, 1)}</td>"
        f"<td>{r.saturations:,}</td><td>{r.silent_neurons:,}</td><td>{r.new_neurons:,}</td>"
        f"<td>{percent(r.zero_weights, 1)}</td></tr>"
        for i, r in enumerate(rows)
    )
    advice = [r.advice for r in rows if r.advice]
    said = page_notes(advice) or '<p class="soft">No population needs another parameter.</p>'
    text = "<p>Spikes on the calibration inputs: the ring is the trained network in floats, the dot its image.</p>"
    return section(
        "drift",
        title,
        f"{text}<figure>{figures.dumbbells(marks)}</figure>{said}"
        f'<figure class="scroll"><table>{head}{cells}</table></figure>',
    )


# ------------------------------------------------------------------------------------------- metrics and footer
def _metrics(result: RunResult) -> str:
    found = result.notes.neurobench
    if not found:
        return ""
    ratio = found["dense_operations"] / max(1.0, found["effective_acs"] + found["effective_macs"])
    every = found["membrane_updates_are"]
    rows = (
        ("footprint", quantity(found["footprint_bytes"], "B"), "everything that the image fills"),
        ("connection sparsity", percent(found["connection_sparsity"], 1), "zeros among the stored weights"),
        ("activation sparsity", percent(found["activation_sparsity"], 1), "chances to fire that were not taken"),
        (
            "effective ACs",
            number(round(found["effective_acs"])),
            "accumulates with weight and input not zero, a sample",
        ),
        ("effective MACs", number(round(found["effective_macs"])), "the same with graded inputs, a sample"),
        ("dense operations", number(found["dense_operations"]), "what hardware blind to zeros would do, a sample"),
        ("membrane updates", number(round(found["membrane_updates"])), f"a sample: {every}"),
        ("S-ACE", number(found["s_ace"]), "connections times Bit Budget (timesteps x weight bits x spike bits)"),
        ("NS-ACE", number(round(found["ns_ace"])), "the same, weighted by the rate of the inputs"),
        (
            "STEP energy proxy",
            quantity(found["step_pj"] * 1e-12, "J"),
            "a convention of 45 nm floats, a sample; not our price",
        ),
    )
    cells = "".join(f'<tr><td>{a}</td><td>{b}</td><td class="text">{escape(c)}</td></tr>' for a, b, c in rows)
    layers = "".join(
        f'<tr><td class="name">{escape(name)}</td><td>{number(one["bit_budget"])}</td>'
        f"<td>{percent(one['input_rate'], 1)}</td><td>{number(round(one['synaptic_operations']))}</td>"
        f"<td>{number(round(one['s_ace']))}</td><td>{number(round(one['ns_ace']))}</td></tr>"
        for name, one in found["layers"].items()
    )
    head = (
        "<tr><th>layer</th><th>Bit Budget</th><th>input rate</th><th>operations</th><th>S-ACE</th><th>NS-ACE</th></tr>"
    )
    title = "For comparison: NeuroBench and Bit Budget"
    if ratio >= 1.5:
        title = f"Hardware blind to zeros would do {number(float(f'{ratio:.2g}'))} times the operations"
    pooled = ", ".join(found.get("pooled", []))
    folded = (
        f" Pools in front of {escape(pooled)} are folded into weights: these are the machine's counts, not "
        "those of the layers that were trained."
        if pooled
        else ""
    )
    return section(
        "metrics",
        title,
        f"<p>NeuroBench's metrics and the Bit Budget, from exact counts.{folded}</p>"
        f'<figure class="scroll"><table>{cells}</table></figure>'
        f'<details><summary>By layer</summary><div class="scroll"><table>{head}{layers}</table></div></details>',
    )


def _footer(result: RunResult) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td>{result.total(name):,}</td><td class="text">{escape(what)}</td></tr>'
        for name, what in {**COUNTERS, **CHIP_COUNTERS}.items()
    )
    ledger = (
        "<details><summary>Every counter, all cores and samples</summary>"
        f'<div class="scroll"><table>{rows}</table></div></details>'
    )
    return (
        f"{'' if result.cycles_are == NOT_COUNTED else ledger}"
        f"<p>Made by nmcompile {escape(version())}, instruction set {isa.ISA_VERSION}, "
        f"result format {FORMAT_VERSION}.</p>"
    )
