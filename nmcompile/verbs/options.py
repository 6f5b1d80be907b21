"""Options that several verbs share, and how a verb ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from emulator.spec.errors import InputError, UsageError

JSON = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
PRICES = click.option("--prices", default="horowitz45", show_default=True, help="Price table: a name or a .toml file.")
PORT = click.option("--port", required=True, help="Serial port of the board; nmc devices lists them.")
BAUD = click.option("--baud", type=click.IntRange(300), default=1_000_000, show_default=True, help="Bits a second.")
LEARN = click.option(
    "--learn", is_flag=True, help="Samples follow each other and change the weights; else nothing learns."
)
LEARNED = click.option("--learned", help="OUT.nmi: the image with what was learned; implies --learn.")
TIMESTEPS = click.option(
    "--timesteps",
    type=click.IntRange(1, (1 << 24) - 1),
    help="Cut the inputs to T timesteps, or pad them with silence.",
)
THREADS = click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Samples side by side.")


def check_output(path: str | None, *inputs: str | None) -> None:
    """Before any work: can `path` be written, and is it none of the inputs?"""
    if path is None:
        return
    target = Path(path)
    if target.is_dir() or not target.name:
        raise InputError(f"{path}: a folder; give a file to write")
    if target.exists() and not target.is_file():
        raise InputError(f"{path}: no regular file; give a file to write")
    if not target.parent.is_dir():
        raise InputError(f"{path}: no folder {str(target.parent)!r} to write it in; create it first")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written (permission denied); choose another place")
    for name in inputs:
        if name and target.exists() and os.path.exists(name) and target.samefile(name):
            raise UsageError(f"{path}: would be overwritten while it is read; choose another name")


def print_values(values: dict[str, Any], as_json: bool, otherwise: Callable[[], None]) -> None:
    if as_json:
        click.echo(json.dumps(values))
    else:
        otherwise()
