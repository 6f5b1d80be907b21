"""nmc sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.markup import escape

from .options import FILE, JSON, MODELS, OUTPUT, Verb, check_output, print_values
from .terminal import Progress, console, new_table, show_facts, show_table, show_warnings

if TYPE_CHECKING:
    from ..study.sweep import Findings
    from ..user_models import UserModels


@click.command(cls=Verb, epilog="Example: nmc sweep study.toml --html page.html -o points.csv")
@click.argument("study", type=FILE)
@click.option("-o", "--output", type=OUTPUT, help="OUT.csv: every point, for a spreadsheet or pandas.")
@click.option("--html", type=OUTPUT, help="Write a page with pictures, too.")
@click.option("--workers", type=click.IntRange(1), help="Processes; without it, one a processor.")
@click.option("--scheduler", help="Address of a Dask scheduler to run on, for example tcp://host:8786.")
@MODELS
@JSON
@click.pass_obj
def sweep(
    models: UserModels | None,
    study: str,
    output: str | None,
    html: str | None,
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Run a co-design study: every combination of its settings.

    What was run before is not run again, so a study that was stopped goes on.
    """
    from ..study.plan import read_study
    from ..study.sweep import run_study, write_csv

    plan = read_study(study, models)
    for path in filter(None, (output, html)):
        check_output(path, plan.files)
    with Progress() as progress:
        findings = run_study(plan, workers, scheduler, progress)
    if output:
        write_csv(findings, output)
    if html:
        from ..study.sweep_page import write_page

        write_page(findings, html)
    print_values(findings.summary(), as_json, lambda: swept(findings, output, html))
    if failure := findings.failure():
        raise failure


MOST_ROWS, MOST_COLUMNS = 60, 7  # of a study on a terminal; of more points, only the front is shown
SWEEP_COLUMNS = {"accuracy", "energy_j_per_sample", "latency_s_per_sample", "cycles_per_sample", "cores", "memory_bits"}
SWEEP_COLUMNS |= {"logic_cells", "block_rams", "fmax_hz"}


def swept(findings: Findings, output: str | None, html: str | None) -> None:
    """After `nmc sweep`: the points, those of the front marked; `output` and `html` are the files that were written."""
    from ..results.metrics import METRICS

    rows = findings.rows
    some = [n for n in METRICS if n in SWEEP_COLUMNS and n not in findings.objectives and any(n in row for row in rows)]
    chosen = {*findings.objectives, *some[: max(0, MOST_COLUMNS - len(findings.objectives))]}
    names = [name for name in METRICS if name in chosen]
    axes, title = escape(", ".join(findings.axes)), escape(findings.title)
    table = new_table(axes, "", *(METRICS[name].title for name in names), title=title)
    for row in rows if len(rows) <= MOST_ROWS else (row for row in rows if row["front"]):
        at = ", ".join(map(str, row["at"].values()))
        at += "" if row["status"] == "done" else f": {row['status']}"
        cells = [METRICS[name].text(row[name]) if name in row else "" for name in names]
        table.add_row(escape(at), "*" if row["front"] else "", *cells)
    table.columns[0].min_width = max(len(word) for row in rows for v in row["at"].values() for word in f"{v}".split())
    show_table(table)
    show_facts(*findings.facts())
    show_warnings(findings.problems())
    if len(rows) > MOST_ROWS:
        console().print("[dim]Only the front (*) is shown; -o OUT.csv has every point.[/]")
    for path in (output, html):
        if path:
            console().print(f"wrote {escape(path)}")
