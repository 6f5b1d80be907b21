"""The report's sections on what a run cost: cycles and operations by population, the time of a sample, and energy."""

from __future__ import annotations

from emulator.prices import PriceTable, bundled_prices
from emulator.result import RunResult

from ..results.numbers import number, percent, quantity
from . import figures
from .page import colour, escape, quoted, section

FEW = 20  # samples: of fewer, a histogram says nothing


# ------------------------------------------------------------------------------------------------------- the work
def work_section(result: RunResult) -> str:
    costs, samples = result.notes.costs, max(1, result.samples)
    time = _time(result)
    if not costs:
        hint = "Costs of each population come with <code>nmc emulate</code>; this result is of a bare run."
        return section("work", "Where the cycles go", f'<p class="soft">{hint}</p>{time}')
    names = [c.name for c in costs]
    colours = [colour(i) for i in range(len(costs))]
    busy = sum(c.busy_cycles for c in costs)
    top = max(costs, key=lambda c: c.busy_cycles)
    title = f"All the work is that of {quoted(top.name)}"
    if len(costs) > 1 and busy:
        title = f"{quoted(top.name)} takes {percent(top.busy_cycles / busy)} of the busy cycles"
    kinds = (
        ("neurons", "neurons", 1),
        ("spikes", "spikes", samples),
        ("synaptic_operations", "synaptic operations", samples),
        ("busy_cycles", "busy cycles", samples),
    )
    stacked = [
        (what, [getattr(c, k) / by for c in costs], number(round(sum(getattr(c, k) for c in costs) / by)))
        for k, what, by in kinds
    ]
    text = (
        "<p>What each population has a share in, per sample. Cycles are those in which its cores work for it; cores "
        "work side by side, so a sample takes less time than their sum.</p>"
    )
    head = "<tr><th>population</th><th>neurons</th><th>cores</th><th>events</th><th>synaptic operations</th>"
    head += "<th>spikes</th><th>busy cycles</th><th>synapse words</th></tr>"
    rows = "".join(
        f'<tr><td class="name"><span class="dot" style="--c:{c}"></span>{escape(cost.name)}</td>'
        f"<td>{cost.neurons:,}</td><td>{len(cost.cores):,}</td>"
        + "".join(
            f"<td>{number(round(getattr(cost, k) / samples, 1))}</td>"
            for k in ("events", "synaptic_operations", "spikes", "busy_cycles")
        )
        + f"<td>{cost.synapse_words:,}</td></tr>"
        for c, cost in zip(colours, costs, strict=True)
    )
    body = (
        f"{text}{figures.legend(names, colours)}<figure>{figures.stacks(stacked, colours, names)}</figure>"
        f'<figure class="scroll"><table>{head}{rows}</table></figure>{time}'
    )
    return section("work", title, body)


def _time(result: RunResult) -> str:
    """How the time of a sample is made up, and how it spreads over the samples."""
    parts = [result.chip[k] for k in ("compute_cycles", "fabric_cycles", "barrier_cycles")]
    names, colours = (
        ("slowest core", "packets in the fabric", "barriers"),
        ("var(--accent)", "var(--accent2)", "var(--input)"),
    )
    shares = ""
    if sum(parts):
        per_step = [f"{name} {percent(part / sum(parts))}" for name, part in zip(names, parts, strict=True)]
        whole = number(round(sum(parts) / max(1, result.samples)))
        shares = f"<div><h3>A sample's {whole} cycles</h3>{figures.stacks([('', parts, '')], colours, names)}"
        shares += f"{figures.legend(per_step, colours)}</div>"
    spread = figures.histogram(result.sample_cycles, "cycles") if result.samples >= FEW else ""
    if spread:
        spread = f"<div><h3>Cycles of the {result.samples:,} samples</h3>{spread}</div>"
    return f'<figure class="two">{shares}{spread}</figure>' if shares or spread else ""


def energy_section(result: RunResult) -> str:
    energy, samples = result.notes.energy, max(1, result.samples)
    if not energy:
        hint = "<code>nmc emulate --prices TABLE</code> prices what was counted."
        return section("energy", "No energy was priced", f'<p class="soft">{hint}</p>')
    table = bundled_prices().get(energy.table)
    idle = {item.component for item in table.prices if item.static} if table else set()
    parts = sorted(energy.components_j.items(), key=lambda item: (item[0] in idle, -item[1]))
    parts = [(name, joules) for name, joules in parts if joules > 0]
    total = energy.total_j or 1.0
    title = "Nothing that was counted costs energy"
    if parts:
        name, joules = max(parts, key=lambda item: item[1])
        title = f"{percent(joules / total)} of the energy goes into {escape(name)}"
    most = max((joules for _, joules in parts), default=1.0)
    rows = [
        (
            name,
            joules / most,
            f"{quantity(joules / samples, 'J')} · {percent(joules / total)}",
            "var(--accent)",
        )
        for name, joules in parts
    ]
    static = energy.static_j
    scope = (
        "The table prices no leakage and no clock, so this is what the counted events cost, not all that a chip draws."
        if static is None
        else f"{quantity(energy.incremental_j / samples, 'J')} for what was counted, "
        f"{quantity(static / samples, 'J')} for leakage and clock (hatched), paid whether or not anything happens."
    )
    about = f", {escape(table.description)}" if table else ""
    text = (
        f"<p>{quantity(energy.total_j / samples, 'J')} per sample by <b>{escape(energy.table)}</b>{about}. {scope} "
        f"Every event was counted; what each costs is <b>{escape(energy.evidence)}</b> at its weakest.</p>"
    )
    drawn = figures.bars(rows, [name in idle for name, _ in parts])
    return section("energy", title, f"{text}<figure>{drawn}</figure>{_sources(table)}")


def _sources(prices: PriceTable | None) -> str:
    if prices is None:
        return '<p class="soft">Sources stand in the price table, which is none of the bundled ones.</p>'
    rows = "".join(
        f'<tr><td>{escape(p.component)}</td><td class="text">{escape(p.evidence)}</td>'
        f'<td class="text">{escape(p.node)}, {p.voltage:g} V</td><td class="text">{escape(p.source)}</td></tr>'
        for p in prices.prices
    )
    table = f'<div class="scroll"><table>{rows}</table></div>'
    return f"<details><summary>Where the prices come from</summary>{table}</details>"
