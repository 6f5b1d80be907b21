"""What the two mutation tools share: a mutant, a trial in a process of its own, a campaign that can go on, a score."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Mutant:
    """One change: text `old` at an offset of a file becomes `new`."""

    file: str
    start: int
    old: str
    new: str
    line: int
    code: str  # the line that it begins on

    @property
    def key(self) -> str:
        """A name that outlives changes elsewhere in the file."""
        return " | ".join(" ".join(text.split()) for text in (self.file, self.code, self.old, self.new))

    @property
    def place(self) -> str:
        """The key, and which of several mutants of this name it is."""
        return f"{self.key} @ {self.start}"


def attempt(trial: Callable[[], Any], seconds: int) -> str:
    """Run a trial in a process of its own: "" if it passes, else how it ended.

    Args:
        seconds: of processor time; four times as many may pass on the clock, as its children have clocks of their own.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(4 * seconds)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        ending = "passed"
        try:
            trial()
        except BaseException as error:
            ending = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        os.write(writer, ending.encode()[:400])
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it may have left running
    with os.fdopen(reader) as pipe:
        ending = pipe.read()
    return "" if ending == "passed" else ending or "hang or crash"


def reasons(name: str) -> dict[str, str]:
    """Known survivors, from a file of this folder: key -> why the mutant computes the same, or nobody can see it."""
    entries = tomllib.loads(Path(__file__).with_name(name).read_text())["survivor"]
    return {entry["mutant"]: entry["reason"] for entry in entries}


def campaign(
    todo: list[Any],
    place: Callable[[Any], str],
    judge: Callable[[Any], dict[str, str]],
    holds: Callable[[Any, dict], bool],
    begin: Callable[[], None],
    state: Path | None,
    jobs: int,
) -> list[dict]:
    """Judge each, or take what an earlier campaign found of the same sources.

    Args:
        place: names one of `todo`. judge: its judgement, whose "result" is "killed" or "survived", in a forked process.
        holds: is an earlier judgement of it true still? begin: called before the first is judged. state: file of
            results; None keeps none.
    """
    known: dict[str, dict] = {}
    if state and state.exists():
        rows = {row["mutant"]: row for row in map(json.loads, state.read_text().splitlines())}
        known = {place(one): rows[place(one)] for one in todo if place(one) in rows and holds(one, rows[place(one)])}
    new = [one for one in todo if place(one) not in known]
    if new:
        begin()
        JUDGES.append((place, judge))
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            for name, row in track(pool.imap_unordered(_judged, new), description="mutants", total=len(new)):
                known[name] = row | {"mutant": name}
                if state:
                    with state.open("a") as out:
                        out.write(json.dumps(known[name]) + "\n")
    return [known[place(one)] for one in todo]


JUDGES: list[tuple[Callable, Callable]] = []  # what the processes that judge inherit; it cannot be sent to them


def _judged(one: Any) -> tuple[str, dict[str, str]]:
    place, judge = JUDGES[-1]
    return place(one), judge(one)


def show(found: Iterable[tuple[Mutant, dict]], explained: dict[str, str], tail: str) -> None:
    """Every survivor by line, and the score."""
    found, console = list(found), Console(width=140)
    alive = sorted((m for m, row in found if row["result"] == "survived"), key=lambda m: (m.file, m.line))
    table = Table("survivor", "was", "became", "why")
    for m in alive:
        table.add_row(f"{m.file}:{m.line}", m.old, m.new, explained.get(m.key, ""))
    if alive:
        console.print(table, markup=False)
    killed = sum(row["result"] == "killed" for _, row in found)
    meant = len(found) - sum(m.key in explained for m in alive)
    console.print(
        f"{killed} of {len(found)} mutants killed ({100 * killed / max(1, len(found)):.1f} %; "
        f"{100 * killed / max(1, meant):.1f} % without the explained), {tail}",
        markup=False,
    )
