"""Run the points of a study on Dask, keep what each run found, and look for the best.

A run (compile and emulate) is kept by its content in the cache directory, as bitstreams are: a study that was stopped
goes on, and one that has grown runs only what is new. Prices and clocks come after the run, so they cost none.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from emulator.energy import price
from emulator.spec.arch import load_architecture
from emulator.spec.drawn import Drawn
from emulator.spec.errors import DeviceError, DoesNotFitError, InputError, MachineError, NmError, UsageError
from emulator.spec.files import write_text

from ..results.metrics import METRICS
from .execute import Progress, Run, Synthesis, execute, kept_run, key_of
from .plan import Point, Study, read_study

_RUN: Final = ("=", "+", "-", "@", "\t", "\r")  # how a formula may begin
DEFAULTS: Final = ("accuracy", "energy_j_per_sample", "latency_s_per_sample")  # objectives, as far as there are such


# ----------------------------------------------------------------------------------------------------- the study
@dataclass(frozen=True)
class Findings(Drawn):
    """What a study found. `rows`: of each point its place `at`, its `status`, `error`, and what METRICS names."""

    title: str
    axes: dict[str, list[Any]]
    objectives: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    tasks: int  # runs, and syntheses; points that differ in prices or clock share theirs
    ran: int  # of them, those that were not kept from before
    elapsed_s: float

    def __repr__(self) -> str:
        done = sum(row["status"] == "done" for row in self.rows)
        best = sum(bool(row["front"]) for row in self.rows)
        return f"<Findings of {self.title!r}: {done:,} of {len(self.rows):,} points done, {best:,} on the front>"

    def summary(self) -> dict[str, Any]:
        """The keys of `nmc sweep --json`."""
        return {
            "title": self.title,
            "axes": self.axes,
            "objectives": list(self.objectives),
            "points": list(self.rows),
            "tasks": self.tasks,
            "ran": self.ran,
            "elapsed_s": self.elapsed_s,
        }

    def facts(self) -> list[tuple[str, str]]:
        """What there is to say about all points together."""
        counts = Counter(row["status"] for row in self.rows)
        done = next((row for row in self.rows if row["status"] == "done"), {})
        aims = (f"{METRICS[name].title} ({'more' if METRICS[name].more else 'less'})" for name in self.objectives)
        prices = dict.fromkeys(row["prices"] for row in self.rows if "prices" in row)
        evidence = f", {done['energy_scope']} ({done['energy_evidence']})" if len(prices) == 1 else ""
        return [
            ("points", ", ".join(f"{n:,} {status.replace('does', 'do')}" for status, n in counts.items())),
            *([("front", f"{sum(row['front'] for row in self.rows):,} points, by {', '.join(aims)}")] if done else []),
            *([("energy", f"by {', '.join(prices)}{evidence}")] if prices else []),
            ("took", f"{self.elapsed_s:.1f} s; {self.ran:,} of {self.tasks:,} runs were new"),
        ]

    def problems(self) -> list[str]:
        """A line for each kind of point that was not done: how many, and why the first was not."""
        lines = []
        for status in dict.fromkeys(row["status"] for row in self.rows if row["status"] != "done"):
            rows = [row for row in self.rows if row["status"] == status]
            first = rows[0]["error"].splitlines()
            more = f" (and {len(first) - 1} more)" if len(first) > 1 else ""
            others = f", and {len(rows) - 1:,} more points" if len(rows) > 1 else ""
            lines.append(f"{status}: {place(rows[0])}: {first[0]}{more}{others}")
        return lines

    def failure(self) -> NmError | None:
        """The error to end with: of the first point that failed, after all others were run."""
        failed = [row for row in self.rows if row["status"] == "failed"]
        if not failed:
            return None
        kinds = {kind.exit_code: kind for kind in (UsageError, InputError, MachineError, DeviceError)}
        why = failed[0]["error"].splitlines()[0]
        text = f"{len(failed)} of {len(self.rows)} points failed; the first, {place(failed[0])}: {why}"
        return kinds.get(failed[0]["exit_code"], NmError)(text)


def place(row: Mapping[str, Any]) -> str:
    """Where a point is, in a line."""
    return ", ".join(f"{axis} {value}" for axis, value in row["at"].items())


def run_study(
    study: Study | str | Path,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Run what was not run before, on a cluster of this computer's processors or on one that there is.

    Args:
        study: of `read_study`, or its file.
        workers: processes on this computer; None: as many as it has processors.
        scheduler: address of a Dask scheduler, whose workers have this version of the package (and, for `target`, the
            FPGA tools); files are sent to them.

    Raises:
        DeviceError: Dask is missing, the scheduler does not answer, its workers have another version.
    """
    start = time.perf_counter()
    study = study if isinstance(study, Study) else read_study(study)
    tasks = [_tasks(point) for point in study.points]
    keys = {task: key_of(task, study.inputs) for pair in tasks for task in pair if task}
    found = {key: kept for key in keys.values() if (kept := kept_run(key))}
    missing = {key: task for task, key in keys.items() if key not in found}
    if missing:
        for key, result in execute(missing, study.inputs, workers, scheduler, progress or (lambda *_: None)):
            found[key] = result
    rows = []
    for point, (run, synthesis) in zip(study.points, tasks, strict=True):
        run_found = found[keys[run]] if run else {"error": point.problem, "exit_code": InputError.exit_code}
        rows.append(_row(point, run_found, found[keys[synthesis]] if synthesis else None))
    objectives = study.objectives or tuple(name for name in DEFAULTS if any(name in row for row in rows))
    best = set(front(rows, objectives))
    rows = [row | {"front": i in best} for i, row in enumerate(rows)]
    return Findings(
        study.title, study.axes, objectives, tuple(rows), len(keys), len(missing), time.perf_counter() - start
    )


def _tasks(point: Point) -> tuple[Run | None, Synthesis | None]:
    """What a point needs run; the clock changes nothing in the emulator."""
    if point.problem:
        return None, None
    settings, synthesis, arch = point.settings, None, point.arch
    if "target" in settings:
        if arch is None:
            raise InputError("target without arch: area and clock of which architecture? set arch, too")
        synthesis = Synthesis(arch, settings["target"])
    if arch is not None:
        arch = replace(arch, clock_hz=1e6)
    run = Run(
        point.inputs,
        point.semantics,
        arch,
        settings.get("weight_bits", 8),
        settings.get("readout"),
        settings.get("learn", False),
    )
    return run, synthesis


def _row(point: Point, run: Mapping[str, Any], synthesis: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is known of a point; prices and clock are applied here."""
    row: dict[str, Any] = {"at": point.at, "status": "done", "error": ""}
    for part in filter(None, (run, synthesis)):
        if "error" in part and not row["error"]:
            fits = part["exit_code"] != DoesNotFitError.exit_code
            status = "no such machine" if point.problem else "failed" if fits else "does not fit"
            row |= {"status": status, "error": part["error"], "exit_code": part["exit_code"]}
    if "found" in run:
        arch = point.arch or load_architecture(run["found"]["architecture"])
        row |= run["found"] | {
            "architecture": arch.name,
            "chip_memory_bits": arch.memory_bits(),
            "latency_s_per_sample": run["found"]["cycles_per_sample"] / arch.clock_hz,
        }
        counters = {name: np.array(counts, np.int64) for name, counts in run["counters"].items()}
        try:
            energy = price(arch, counters, run["cycles"], point.prices)
        except InputError as error:
            row |= {"status": "failed", "error": str(error), "exit_code": error.exit_code}
        else:
            row |= {
                "energy_j_per_sample": energy.total_j / run["found"]["samples"],
                "energy_scope": energy.scope,
                "energy_evidence": energy.evidence,
                "prices": energy.table,
            }
    if synthesis and "found" in synthesis:
        row |= synthesis["found"]
        if "found" in run:
            row["latency_s_at_fmax"] = run["found"]["cycles_per_sample"] / row["fmax_hz"]
    return row


def front(rows: Sequence[Mapping[str, Any]], objectives: Iterable[str]) -> list[int]:
    """Indices of the points that no other is better than: nowhere worse, somewhere better (the Pareto front)."""
    names = tuple(objectives)
    able = [i for i, row in enumerate(rows) if row["status"] == "done" and all(name in row for name in names)]
    if not able or not names:
        return []
    signs = np.array([-1.0 if METRICS[name].more else 1.0 for name in names])
    costs = signs * np.array([[rows[i][name] for name in names] for i in able], float)
    left, at = np.arange(len(able)), 0
    while at < len(left):  # each point that is left takes away all that it is better than
        own, others = costs[left[at]], costs[left]
        kept = (others < own).any(axis=1) | (others == own).all(axis=1)
        at = int(kept[:at].sum()) + 1
        left = left[kept]
    return [able[i] for i in left]


def write_csv(findings: Findings, path: str | Path) -> None:
    """A line a point: its place, what became of it, and all that was found; empty where nothing was."""
    names = ["status", "front", *dict.fromkeys(name for row in findings.rows for name in row)]
    names = [name for name in dict.fromkeys(names) if name not in ("at", "error", "exit_code", "warnings")]
    text = io.StringIO(newline="")
    out = csv.writer(text)
    heads = [*findings.axes, *(f"found {n}" if n in findings.axes else n for n in [*names, "error"])]
    out.writerow(map(_cell, heads))
    for row in findings.rows:
        out.writerow(map(_cell, [*row["at"].values(), *(row.get(name, "") for name in names), row["error"]]))
    write_text(path, text.getvalue())


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run is quoted, so that it stays a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_RUN) else value
