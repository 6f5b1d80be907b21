"""Text for people: rich tables that follow the width of the terminal."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table


class Output(Console):
    """Standard output; a reader that has seen enough, as `head` has, ends the program and is no error."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console() -> Console:
    """Standard output, as wide as the terminal is now."""
    return Output(highlight=False, soft_wrap=False)


def new_table(*columns: str, title: str = "") -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def show_table(table: Table) -> None:
    """Print a table; in a terminal too narrow for it, headings and texts break between words, numbers never."""
    if Measurement.get(console(), console().options.update(width=10_000), table).maximum > console().width:
        table.padding, table.show_edge = 0, False
        for column in table.columns[1:]:
            words = [
                word
                for text in (column.header, *column.cells)
                for word in re.findall(r"\S+ (?:%|x|KiB)|\S+", str(text))
            ]
            column.width = max(map(len, words))
    console().print(table)


def show_facts(*rows: tuple[str, str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, escape(text))
    console().print(table)


def share(pair: list[int] | tuple[int, int]) -> str:
    return f"{pair[0]:,} ({100 * pair[0] / pair[1]:.0f}%)"


def show_warnings(texts: Iterable[str]) -> None:
    for text in texts:
        console().print(f"[yellow]![/] {escape(text)}")


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


def as_text(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
