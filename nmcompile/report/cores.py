"""The report's section on cores: who lives where, how busy each one is and how full."""

from __future__ import annotations

import numpy as np

from emulator.result import RunResult
from emulator.run_notes import CoreFill
from emulator.spec.arch import Architecture

from ..results.numbers import count, number, percent, quantity
from . import figures
from .page import colour, escape, section

MOST_CARDS = 8  # cores with bars of their own; more are shown as maps of the mesh


def cores_section(result: RunResult) -> str:
    """HTML of the section; empty for a result that does not know its machine."""
    arch, fill = result.notes.architecture, result.notes.fill
    if not fill:
        return ""
    n = arch.cores
    busy = _busy(result, n)
    used = [row.core for row in fill]
    core, what, share = max(
        ((row.core, name, used / there) for row in fill for name, (used, there) in row.resources.items()),
        key=lambda x: x[2],
    )
    resource = {"synapse words": "synapse memory", "program words": "program memory"}.get(what, what)
    verb = "is" if "memory" in resource else "are"
    title = f"The core is busy {percent(busy[used[0]])} of the time; {percent(share)} of its {resource} {verb} in use"
    if n > 1:
        most = max(used, key=lambda i: busy[i])
        title = f"Core {most} is busiest, {percent(busy[most])} of the time; "
        title += f"core {core} is fullest, {percent(share)} of its {resource}"
    text = f"{len(used):,} of {count(n, 'core')} in use. Busy: from the start of a timestep to the core's own end."
    if n > 1 and any(len(set(row.populations)) > 1 for row in fill):
        text += " A + marks a core that more than one population shares."
    maps = _maps(result, arch, fill, busy) if n > 1 else ""
    cards = ""
    if len(used) <= MOST_CARDS:
        cards = f'<div class="cards">{"".join(_card(result, row, busy, n) for row in fill)}</div>'
    return section("cores", title, f"<p>{text}</p>{maps}{cards}")


def _busy(result: RunResult, n: int) -> np.ndarray:
    """(cores,) share of the samples' cycles in which a core ran its program."""
    cycles = np.asarray(result.counters["busy_cycles"], float)[:n]
    return cycles / max(1, int(result.sample_cycles.sum()))


def _card(result: RunResult, row: CoreFill, busy: np.ndarray, n: int) -> str:
    names = result.notes.populations
    inside = list(dict.fromkeys(row.populations))
    dots = ", ".join(
        f'<span class="dot" style="--c:{colour(names.index(name)) if name in names else "var(--input)"}"></span>'
        f"{escape(name)}"
        for name in inside
    )
    bars = [("busy", float(busy[row.core]), percent(float(busy[row.core])), "var(--accent2)")]
    for what, (used, limit) in row.resources.items():
        bars.append((what, used / limit, f"{used:,} of {limit:,}", "var(--accent)"))
    title = f"Core {row.core}: " if n > 1 else ""
    return f'<div><h3 class="name">{title}{dots}</h3>{figures.bars(bars)}</div>'


def _maps(result: RunResult, arch: Architecture, fill: tuple[CoreFill, ...], busy: np.ndarray) -> str:
    """Maps of the mesh: populations, busy cycles, energy; and with many cores each resource."""
    width, height = arch.mesh_width, arch.mesh_height
    n, names = arch.cores, result.notes.populations
    used = {row.core: row.resources for row in fill}
    owners, inks, tenants = [0.0] * n, ["var(--input)"] * n, [""] * n
    for core, parts in enumerate(result.notes.image.parts if result.notes.image else ()):
        if parts:
            most = max(parts, key=lambda part: part.neurons).population
            shared = "+" if len({part.population for part in parts}) > 1 else ""
            owners[core], tenants[core] = 0.62, (most if len(most) <= 7 else most[:6] + "…") + shared
            inks[core] = colour(names.index(most)) if most in names else "var(--input)"

    def heat(title: str, values: list[float]) -> str:
        texts = [percent(v) if core in used else "" for core, v in enumerate(values)]
        return figures.mesh(width, height, title, [v if i in used else 0.0 for i, v in enumerate(values)], texts)

    maps = [figures.mesh(width, height, "Populations", owners, tenants, inks), heat("Busy", busy.tolist())]
    joules = result.notes.energy.cores_j if result.notes.energy else ()
    if len(joules) == n and sum(joules) > 0:
        each = [quantity(j / max(1, result.samples), "J") for j in joules]
        top = "Energy per sample" if width <= 4 else f"Energy per sample, up to {each[int(np.argmax(joules))]}"
        texts = each if width <= 4 else [""] * n
        maps.append(figures.mesh(width, height, top, [j / max(joules) for j in joules], texts))
    if len(fill) > MOST_CARDS:
        for what in fill[0].resources:
            shares = [used[core][what][0] / used[core][what][1] if core in used else 0.0 for core in range(n)]
            title = f"{what.capitalize()}, of {number(fill[0].resources[what][1])}"
            maps.append(heat(title, shares))
    size = 60 + 65 * width if width <= 3 else 290
    return f'<div class="maps" style="--map:{size}px">{"".join(maps)}</div>'
