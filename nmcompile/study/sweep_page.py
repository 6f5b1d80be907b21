"""The page of a co-design study: what is best, what each axis does, every point and every reason, from its Findings."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from emulator.spec.files import write_text

from ..report import figures
from ..report.notebook import framed
from ..report.page import colour, escape, page, section, version
from ..results.metrics import METRICS
from ..results.numbers import count
from .sweep import Findings, place

COLUMNS = [name for name in METRICS if name not in ("spikes", "synaptic_operations")]


def write_page(findings: Findings, path: str | Path) -> None:
    """Write one self-contained HTML file about a study."""
    sections = [_header(findings), _pictures(findings), _axes(findings), _points(findings), _problems(findings)]
    colours = max(len(values) for values in findings.axes.values())
    text = page(findings.title, "\n".join(filter(None, sections)), f"<p>Made by nmcompile {version()}.</p>", colours)
    write_text(path, text)


def draw(findings: Findings) -> str:
    """What a notebook shows of a study: what was found and how the points lie, in a frame."""
    colours = max(len(values) for values in findings.axes.values())
    return framed(findings.title, _header(findings) + _pictures(findings), colours, 820)


def _able(findings: Findings, *names: str) -> list[dict[str, Any]]:
    """The points that are done and have these metrics."""
    return [row for row in findings.rows if row["status"] == "done" and all(name in row for name in names)]


def _header(findings: Findings) -> str:
    headline = "No point of this study could be run"
    rows = _able(findings, *findings.objectives)
    if rows and findings.objectives:
        first, *others = findings.objectives
        metric = METRICS[first]
        best = (max if metric.more else min)(row[first] for row in rows)
        headline = f"Best {metric.title}: {metric.text(best)}"
        if others:
            second = METRICS[others[0]]
            among = [row[others[0]] for row in rows if row[first] == best]
            value = (max if second.more else min)(among)
            headline += f", with {second.text(value)} {second.title}"
    elif _able(findings):
        headline = "No two objectives to compare"
    facts = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in findings.facts())
    return (
        f'<header><p class="eyebrow">{escape(findings.title)}</p><h1>{escape(headline)}</h1></header>'
        f'<dl class="facts">{facts}</dl>'
    )


def _pictures(findings: Findings) -> str:
    if not findings.objectives:
        return ""
    first, *others = findings.objectives
    axis, labels = next(iter(findings.axes.items()))
    drawn = []
    for name in others:
        dots = [
            figures.Dot(row[name], row[first], place(row), labels.index(row["at"][axis]), row["front"])
            for row in _able(findings, first, name)
        ]
        if dots:
            drawn.append(figures.scatter(dots, METRICS[name], METRICS[first]))
    if not drawn:
        return ""
    best = sum(row["front"] for row in findings.rows)
    legend = figures.legend([f"{axis} {label}" for label in labels], [colour(i) for i in range(len(labels))])
    text = "<p>Filled: no other point is better in one objective and worse in none. The line is the front of two.</p>"
    title = f"{count(best, 'point')} of {len(findings.rows):,} to choose from"
    return section("front", title, f'{text}{legend}<div class="two">{"".join(drawn)}</div>')


def _axes(findings: Findings) -> str:
    """For each axis: the median of each objective at each of its values."""
    if not _able(findings):
        return ""
    tables = []
    for axis, labels in findings.axes.items():
        head = "".join(f"<th>{escape(METRICS[name].title)}</th>" for name in findings.objectives)
        lines = []
        for label in labels:
            own = [row for row in findings.rows if row["at"][axis] == label]
            cells = ""
            for name in findings.objectives:
                found = [row[name] for row in own if row["status"] == "done" and name in row]
                cells += f"<td>{escape(METRICS[name].text(median(found))) if found else ''}</td>"
            done = sum(row["status"] == "done" for row in own)
            lines.append(f'<tr><td class="name">{escape(label)}</td>{cells}<td>{done:,} of {len(own):,}</td></tr>')
        tables.append(
            f'<figure class="scroll"><table><tr><th>{escape(axis)}</th>{head}<th>points done</th></tr>'
            f"{''.join(lines)}</table></figure>"
        )
    text = "<p>Medians over all points with that value; what does not fit is left out, so compare with care.</p>"
    return section("axes", "What each axis does", text + "".join(tables))


def _points(findings: Findings) -> str:
    rows = sorted(_able(findings), key=lambda row: not row["front"])
    if not rows:
        return ""
    names = [name for name in COLUMNS if any(name in row for row in rows)]
    head = f"<th>{escape(', '.join(findings.axes))}</th>"
    head += "".join(f"<th>{escape(METRICS[name].title)}</th>" for name in names)
    lines = []
    for row in rows:
        cells = f'<td class="name">{escape(", ".join(map(str, row["at"].values())))}</td>'
        cells += "".join(f"<td>{escape(METRICS[name].text(row[name])) if name in row else ''}</td>" for name in names)
        lines.append(f'<tr class="{"best" if row["front"] else ""}">{cells}</tr>')
    table = f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
    return section("points", "Every point, the front first", f"<figure>{table}</figure>")


def _problems(findings: Findings) -> str:
    rows = [row for row in findings.rows if row["error"]]
    if not rows:
        return ""
    lines = "".join(
        f'<tr><td class="name">{escape(place(row))}</td><td class="text">{escape(row["status"])}</td>'
        f'<td class="text">{"<br>".join(map(escape, row["error"].splitlines()))}</td></tr>'
        for row in rows
    )
    table = f'<div class="scroll"><table><tr><th>point</th><th></th><th></th></tr>{lines}</table></div>'
    return section("problems", f"{count(len(rows), 'point')} could not be run", f"<figure>{table}</figure>")
