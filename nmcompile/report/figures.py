"""Pictures as HTML and inline SVG: each function draws one kind of figure from plain numbers and returns its text.

Drawings are stretched to the width they get (`preserveAspectRatio="none"`), words stay HTML beside them; colours come
from the page. Names arrive as plain text and are escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..results.metrics import Metric
from ..results.numbers import number, percent, signed
from .page import colour, escape
from .sample import Potential, Strip

COLUMNS, ROWS, CELLS = 600, 180, 90_000  # of a raster, at most; beyond that, neighbours are drawn as one
LEVELS = 4  # of ink, where a cell stands for many


@dataclass(frozen=True)
class Dot:
    """A point of a study: where it is, what it is called, its colour, and whether it is on the front."""

    x: float
    y: float
    name: str
    colour: int
    best: bool


# ------------------------------------------------------------------------------------------------------------ bars
def bars(rows: Sequence[tuple[str, float, str, str]], static: Sequence[bool] = ()) -> str:
    """Horizontal bars: (name, share of the whole width, text behind it, CSS colour); static ones are hatched."""
    cells = []
    for i, (name, share, text, c) in enumerate(rows):
        hatch = " static" if i < len(static) and static[i] else ""
        ink = f'<i style="width:{100 * min(1.0, share):.2f}%;--c:{c}"></i>' if share > 0 else ""
        cells.append(
            f'<span class="name">{escape(name)}</span><span class="track{hatch}">{ink}</span>'
            f'<span class="n">{text}</span>'
        )
    return f'<div class="bars">{"".join(cells)}</div>'


def columns(values: Sequence[int], colours: Sequence[str], marked: Sequence[str]) -> str:
    """Upright bars, numbered from 0, with the value on top; `marked` are words below, or empty."""
    most = max(1, *values)
    cells = "".join(
        f'<div><span>{value or ""}</span><i style="height:{100 * value / most:.1f}px;--c:{c}"></i><b>{i}</b>'
        f"<small>{escape(mark)}</small></div>"
        for i, (value, c, mark) in enumerate(zip(values, colours, marked, strict=True))
    )
    return f'<div class="columns">{cells}</div>'


def stacks(rows: Sequence[tuple[str, Sequence[float], str]], colours: Sequence[str], names: Sequence[str]) -> str:
    """Bars of 100 %, cut into the same parts: (what, amount of each part, text behind it)."""
    cells = []
    for what, amounts, text in rows:
        whole = sum(amounts)
        parts = "".join(
            f'<i style="flex:{amount / whole:.5f} 1 0;--c:{c}" title="{escape(name)}: {percent(amount / whole)}"></i>'
            for amount, c, name in zip(amounts, colours, names, strict=True)
            if amount > 0
        )
        cells.append(
            f'<span class="name">{escape(what)}</span><span class="track tall">{parts}</span>'
            f'<span class="n">{text}</span>'
        )
        if len(rows) == 1:
            return f'<div class="track tall">{parts}</div>'
    return f'<div class="bars">{"".join(cells)}</div>'


def legend(names: Sequence[str], colours: Sequence[str]) -> str:
    """A dot and a name each."""
    items = (
        f'<li><span class="dot" style="--c:{c}"></span>{escape(n)}</li>' for n, c in zip(names, colours, strict=True)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def histogram(values: np.ndarray, unit: str) -> str:
    """How a number spreads over the samples, with its least, mean and largest."""
    low, high, mean = int(values.min()), int(values.max()), float(values.mean())
    if low == high:
        return ""
    bins = np.histogram(values, min(48, max(8, len(values) // 8)), (low, high))[0]
    heights = 60 * bins / bins.max()
    path = "".join(f"M{i} 60v{-h:.1f}h.9v{h:.1f}z" for i, h in enumerate(heights) if h)
    at = 100 * (mean - low) / (high - low)
    centre = f'<span style="left:{min(78.0, max(22.0, at)):.1f}%">mean {number(mean)} {unit}</span>'
    return (
        f'<div class="plot"><svg viewBox="0 0 {len(bins)} 60" preserveAspectRatio="none" style="height:60px">'
        f'<path d="{path}" style="fill:var(--accent)"/></svg></div>'
        f'<div class="axis"><span class="first" style="left:0">{number(low)}</span>{centre}'
        f'<span class="last" style="left:100%">{number(high)}</span></div>'
    )


def dumbbells(rows: Sequence[tuple[str, float | None, str, str]]) -> str:
    """Fixed against float: (name, fixed / float - 1 or None, text behind it, CSS colour), on one scale around float."""
    changes = [0.0, *(change for _, change, _, _ in rows if change is not None)]
    reach = max(0.02, 1.1 * (max(changes) - min(changes)))
    step = next(m * 10**e for e in range(-3, 9) for m in (1, 2, 5) if reach <= 4 * m * 10**e)
    low, high = (math.floor(min(changes) / step) - 0.4) * step, (math.ceil(max(changes) / step) + 0.4) * step

    def at(change: float) -> float:
        return 100 * (change - low) / (high - low)

    cells = []
    for name, change, text, c in rows:
        marks = ""
        if change is not None:
            left, right = sorted((at(0), at(change)))
            marks = (
                f'<i style="left:{left:.2f}%;width:{right - left:.2f}%"></i>'
                f'<b class="hollow" style="left:{at(0):.2f}%"></b>'
                f'<b style="left:{at(change):.2f}%"></b>'
            )
        cells.append(
            f'<span class="name">{escape(name)}</span><span class="dumb" style="--c:{c}">{marks}</span>'
            f'<span class="n">{text}</span>'
        )
    steps = range(math.ceil(low / step), math.floor(high / step) + 1)
    ends = "".join(
        f'<span style="left:{at(k * step):.2f}%">{signed(k * step, 3) if k else "as in float"}</span>' for k in steps
    )
    return f'<div class="bars">{"".join(cells)}<span></span><span class="axis">{ends}</span><span></span></div>'


# ------------------------------------------------------------------------------------------------- over timesteps
def ticks(limit: int, most: int = 8) -> list[int]:
    """0 and round steps below `limit`."""
    step = next(m * 10**e for e in range(12) for m in (1, 2, 5) if limit <= most * m * 10**e)
    return list(range(0, limit, step))


def time_axis(steps: int) -> str:
    """The axis below a stack of lanes."""
    labels = "".join(f'<span style="left:{100 * (t + 0.5) / steps:.2f}%">{t:,}</span>' for t in ticks(steps))
    return (
        f'<div class="lane axes"><span class="label"></span><div><div class="axis">{labels}</div>'
        f'<div class="under">timestep</div></div></div>'
    )


def _grid(steps: int, height: float) -> str:
    path = "".join(f"M{t + 0.5} 0v{height:g}" for t in ticks(steps) if t)
    return f'<path class="grid" d="{path}" vector-effect="non-scaling-stroke"/>' if path else ""


def raster(strips: Sequence[Strip], steps: int) -> str:
    """Spikes over time, a lane for each population, its neurons from top to bottom."""
    lanes = []
    tallest = min(190, max(56, 900 // max(1, len(strips))))
    for strip in strips:
        height = min(tallest, max(20, 7 * strip.rows))
        paths, wide, rows, merged = _cells(strip, steps, min(ROWS, height), CELLS // len(strips))
        thick = 0.86 if rows * 3 <= height else 1
        ink = "".join(
            f'<path d="{path}" style="stroke:var(--c);stroke-width:{thick};opacity:{opacity:g}"/>'
            for opacity, path in paths
        )
        note = f"<span>{merged} to a row</span>" if merged > 1 else ""
        what = "inputs" if strip.colour < 0 else "neuron" + "s" * (strip.neurons != 1)
        spikes = f"{len(strip.times):,} spike{'s' * (len(strip.times) != 1)}"
        lanes.append(
            f'<div class="lane" style="--c:{colour(strip.colour)}"><div class="label"><span class="dot"></span>'
            f'<b class="name">{escape(strip.name)}</b>'
            f"<small><span>{strip.neurons:,} {what}</span><span>{spikes}</span>{note}</small></div>"
            f'<div class="plot" role="img" aria-label="{escape(strip.name)}: {spikes} over {steps} timesteps">'
            f'<svg viewBox="0 0 {steps / wide:g} {rows}" preserveAspectRatio="none" style="height:{height}px">'
            f'<g transform="scale({1 / wide:g} 1)">{_grid(steps, rows)}</g>'
            f'<g transform="translate(0 .5)">{ink}</g></svg></div></div>'
        )
    return f'<div class="raster">{"".join(lanes)}{time_axis(steps)}</div>'


def _cells(strip: Strip, steps: int, rows: int, budget: int) -> tuple[list[tuple[float, str]], int, int, int]:
    """((opacity, path) of each level of ink, timesteps in a column, rows, neurons in a row), in `budget` cells."""
    wide, tall = -(-steps // COLUMNS), -(-strip.rows // rows)
    while True:
        columns, height = -(-steps // wide), -(-strip.rows // tall)
        cells = np.bincount(strip.row // tall * columns + strip.times // wide, minlength=columns * height)
        used = np.flatnonzero(cells)
        if len(used) <= max(1000, budget):
            break
        wide, tall = (wide * 2, tall) if columns > 2 * height else (wide, tall * 2)
    most = cells.max(initial=1)
    level = np.ceil(cells[used] * LEVELS / most) if most > 1 else np.full(len(used), LEVELS)
    paths = []
    for i in range(1, LEVELS + 1):
        y, x = np.divmod(used[level == i], columns)
        if len(x):
            path = "".join(f"M{a} {b}h.82" if columns <= 120 else f"M{a} {b}h1" for a, b in zip(x, y, strict=True))
            paths.append((0.1 + 0.9 * i / LEVELS, path))
    return paths, wide, height, tall


def membranes(name: str, index: int, found: Sequence[Potential], steps: int) -> str:
    """The potential of some neurons of a population over time, spikes marked above, the threshold dashed."""
    lanes = []
    for trace in found:
        threshold = max(0, trace.threshold or 0)  # one that is not positive is no unit to draw in
        times, v = _outline(trace.v / (threshold or 1))
        top, bottom = max(float(v.max()), 0.0), min(float(v.min()), 0.0)
        if threshold:
            top = max(top, 1.0)
        span = (top - bottom) or 1.0
        height = 78.0

        def y(value: float, top: float = top, span: float = span, height: float = height) -> float:
            return 16 + (height - 22) * (top - value) / span

        line = "M" + "L".join(
            f"{t + 0.5:g} {y(value):.1f}" for t, value in zip(times.tolist(), v.tolist(), strict=True)
        )
        drawn = _grid(steps, height)
        zero = f"M0 {y(0):.1f}h{steps}"
        drawn += f'<path class="grid" d="{zero}" vector-effect="non-scaling-stroke"/>'
        marks = f'<span class="tick" style="top:{y(0):.1f}px">0</span>'
        if threshold:
            drawn += (
                f'<path d="M0 {y(1):.1f}h{steps}" vector-effect="non-scaling-stroke" '
                'style="stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4"/>'
            )
        else:
            marks += f'<span class="tick" style="top:{y(top):.1f}px">{number(float(trace.v.max()))}</span>'
        drawn += f'<path class="line" d="{line}" vector-effect="non-scaling-stroke"/>'
        fired = "its spikes are not known"
        if trace.fired is not None:
            fired = f"{len(trace.fired):,} spike{'s' * (len(trace.fired) != 1)}"
            wide = -(-steps // COLUMNS)
            ink = "".join(f"M{t + 0.5:g} 2v9" for t in np.unique(trace.fired // wide * wide).tolist())
            if ink:
                drawn += (
                    f'<path d="{ink}" vector-effect="non-scaling-stroke" style="stroke:var(--c);stroke-width:2.6"/>'
                )
        lanes.append(
            f'<div class="lane" style="--c:{colour(index)}"><div class="label"><span class="dot"></span>'
            f'<b class="name">{escape(name)}[{trace.neuron}]</b>'
            f"<small><span>{escape(trace.why)}</span><span>{fired}</span></small></div>"
            f'<div class="plot" role="img" aria-label="membrane potential of neuron {trace.neuron} of {escape(name)}">'
            f'<svg viewBox="0 0 {steps} {height:g}" preserveAspectRatio="none" style="height:{height:g}px">'
            f"{drawn}</svg>{marks}</div></div>"
        )
    return "".join(lanes)


def _outline(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(times, values) of a line: all of it, or the least and the largest of each column where there are too many."""
    wide = -(-len(v) // COLUMNS)
    times = np.arange(len(v))
    if wide > 2:
        parts = np.split(times, range(wide, len(v), wide))
        times = np.unique([part[pick(v[part])] for part in parts for pick in (np.argmin, np.argmax)])
    return times, v[times]


# ------------------------------------------------------------------------------------------------------ squares
def pixels(values: np.ndarray, what: str) -> str:
    """(height, width) amounts as a small grey picture."""
    height, width = values.shape
    most = max(1.0, float(values.max()))
    paths = []
    for level in range(1, 9):
        ys, xs = np.nonzero(np.ceil(values * 8 / most) == level)
        if len(xs):
            path = "".join(f"M{x} {y}h1.02" for y, x in zip(ys, xs, strict=True))
            paths.append(f'<path d="{path}" style="stroke:var(--text);stroke-width:1.02;opacity:{level / 8:g}"/>')
    return (
        f'<svg class="pixels" viewBox="-1 -1 {width + 2} {height + 2}" role="img" aria-label="{escape(what)}">'
        f'<g transform="translate(0 .5)">{"".join(paths)}</g></svg>'
    )


def mesh(
    width: int, height: int, title: str, shares: Sequence[float], texts: Sequence[str], colours: Sequence[str] = ()
) -> str:
    """The cores in their places, each inked by a share of 1; `colours` instead gives it a colour of its own."""
    links = "".join(f"M0 {y}h{width - 1}" for y in range(height)) + "".join(
        f"M{x} 0v{height - 1}" for x in range(width)
    )
    cores = []
    for core, (share, text) in enumerate(zip(shares, texts, strict=True)):
        x, y = core % width, core // width
        ink = colours[core] if colours else "var(--accent)"
        alpha = 0.0 if share <= 0 else 0.08 + 0.54 * min(1.0, share)
        box = f'x="{x - 0.41:.2f}" y="{y - 0.41:.2f}" width=".82" height=".82" rx=".1"'
        words = ""
        if text and width <= 8:
            size = min(0.19 if width <= 4 else 0.23, 1.2 / len(text))
            words = f'<text x="{x}" y="{y}" font-size="{size:.2f}">{escape(text)}</text>'
        cores.append(
            f'<g><title>core {core}: {escape(text)}</title><rect class="core" {box} style="fill:var(--card)"/>'
            f'<rect {box} style="fill:{ink};fill-opacity:{alpha:.2f}"/>{words}</g>'
        )
    return (
        f'<figure class="map"><h3>{escape(title)}</h3><svg viewBox="-.5 -.5 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><path class="link" d="{links}"/>{"".join(cores)}</svg></figure>'
    )


def confusion(matrix: np.ndarray) -> str:
    """(true, predicted) counts as a coloured table; errors have a scale of their own, or none would be seen."""
    n = len(matrix)
    right = max(1, int(np.diag(matrix).max()))
    wrong = max(1, int((matrix - np.diag(np.diag(matrix))).max()))
    head = "".join(f"<th>{i}</th>" for i in range(n))
    rows = []
    for true in range(n):
        cells = []
        for chosen in range(n):
            value = int(matrix[true, chosen])
            share = 0.62 * value / (right if true == chosen else wrong)
            ink = "var(--accent)" if true == chosen else "var(--bad)"
            cells.append(f'<td style="--c:{ink};--a:{share:.2f}">{value or ""}</td>')
        rows.append(f"<tr><th>{true}</th>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table class="matrix"><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'
        "<figcaption>Rows: the truth. Columns: the answer.</figcaption>"
    )


# ------------------------------------------------------------------------------------------------------- a study
def scatter(dots: Sequence[Dot], x: Metric, y: Metric) -> str:
    """Points by two metrics, the best filled; the line is the front of these two, an axis of decades logarithmic."""
    across, up = _Scale([dot.x for dot in dots], not x.unit), _Scale([dot.y for dot in dots], not y.unit)
    grid = "".join(f"M{100 * across(v):.2f} 0V100" for v in across.ticks)
    grid += "".join(f"M0 {100 - 100 * up(v):.2f}H100" for v in up.ticks)
    line, edge = "", math.inf if y.more else -math.inf
    for dot in sorted(dots, key=lambda d: (-d.x if x.more else d.x, -d.y if y.more else d.y)):
        if not line or (dot.y > edge if y.more else dot.y < edge):
            here = f"{100 * across(dot.x):.2f}"
            line += f"H{here}V{100 - 100 * up(dot.y):.2f}" if line else f"M{here} {100 - 100 * up(dot.y):.2f}"
            edge = dot.y
    marks = "".join(
        f'<b class="{"best" if dot.best else "other"}" style="left:{100 * across(dot.x):.2f}%;'
        f'bottom:{100 * up(dot.y):.2f}%;--c:{colour(dot.colour)}" title="{escape(dot.name)}: {escape(x.text(dot.x))}, '
        f'{escape(y.text(dot.y))}"></b>'
        for dot in sorted(dots, key=lambda dot: dot.best)
    )
    levels = "".join(
        f'<span class="tick" style="top:{100 - 100 * up(v):.2f}%">{escape(y.text(v))}</span>' for v in up.ticks
    )
    ends = "".join(f'<span style="left:{100 * across(v):.2f}%">{escape(x.text(v))}</span>' for v in across.ticks)
    return (
        f'<figure><h3>{escape(y.title)}, by {escape(x.title)}</h3><div class="plot scatter">'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none"><path class="grid" d="{grid}" '
        f'vector-effect="non-scaling-stroke"/><path class="line" d="{line}" vector-effect="non-scaling-stroke" '
        f'style="--c:var(--soft)"/></svg>{levels}{marks}</div><div class="axis">{ends}</div>'
        f'<div class="under">{escape(x.title)}</div></figure>'
    )


class _Scale:
    """Values to 0..1 with a margin at both ends; round values on the way, of counts whole ones, are `ticks`."""

    def __init__(self, values: Sequence[float], whole: bool):
        low, high = min(values), max(values)
        self.log = low > 0 and high > 10 * low
        if low == high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        ends = [math.log(v) if self.log else v for v in (low, high)]
        margin = 0.08 * (ends[1] - ends[0])
        self.low, self.high = ends[0] - margin, ends[1] + margin
        if self.log:
            decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
            steps = (1.0,) if high > 300 * low else (1.0, 2.0, 5.0)
            found = [m * 10.0**e for e in decades for m in steps]
        else:
            size = (high - low) / 4
            power = 10.0 ** math.floor(math.log10(size))
            step = next(m * power for m in (1, 2, 5, 10) if m * power >= size)
            step = max(1.0, step) if whole else step
            found = [step * k for k in range(math.floor(low / step), math.ceil(high / step) + 1)]
        self.ticks = [v for v in found if 0.02 <= self(v) <= 0.98 and not (whole and v % 1)]

    def __call__(self, value: float) -> float:
        if self.log and value <= 0:
            return -1.0
        return ((math.log(value) if self.log else value) - self.low) / (self.high - self.low)
