"""Options that several verbs share, what a verb checks before it begins, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from emulator.spec.errors import InputError, UsageError


class FileName(click.ParamType):
    """The name of a file, or of something bundled in its place."""

    name = "file"


class OutputName(FileName):
    """The name of a file that is written."""


FILE, OUTPUT = FileName(), OutputName()


class Verb(click.Command):
    """A verb. Before it begins, what it will write is looked at, beside every other file that was named."""

    def invoke(self, ctx: click.Context) -> Any:
        named = [(p.opts[-1], p.type, ctx.params[p.name]) for p in self.params if p.name and ctx.params.get(p.name)]
        outputs = [(option, str(path)) for option, kind, path in named if isinstance(kind, OutputName)]
        inputs = [str(path) for _, kind, path in named if type(kind) is FileName]
        for at, (option, path) in enumerate(outputs):
            check_output(path, inputs)
            for other, same in outputs[:at]:
                if os.path.realpath(path) == os.path.realpath(same):
                    raise UsageError(f"{path}: {other} and {option} cannot be one file; choose another name")
        models = ctx.params.pop("models", None)
        if models is None:
            return super().invoke(ctx)
        from ..user_models import read_models, using

        ctx.obj = read_models(models)
        with using(ctx.obj):
            return super().invoke(ctx)


MODELS = click.option("--models", type=FILE, help="FILE.py: neuron models and rules of your own, which it registers.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
PRICES = click.option(
    "--prices", type=FILE, default="horowitz45", show_default=True, help="Price table: a name or a .toml file."
)
PORT = click.option("--port", required=True, help="Serial port of the board; nmc devices lists them.")
BAUD = click.option("--baud", type=click.IntRange(300), default=1_000_000, show_default=True, help="Bits a second.")
LEARN = click.option(
    "--learn", is_flag=True, help="Samples follow each other and change the weights; else nothing learns."
)
LEARNED = click.option("--learned", type=OUTPUT, help="OUT.nmi: the image with what was learned; implies --learn.")
TIMESTEPS = click.option(
    "--timesteps",
    type=click.IntRange(1, (1 << 24) - 1),
    help="Cut the inputs to T timesteps, or pad them with silence.",
)
THREADS = click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Samples side by side.")


def check_output(path: str, inputs: Sequence[str]) -> None:
    """Before any work: can `path` be written, and is it none of the inputs?"""
    target = Path(path)
    if target.is_dir() or not target.name:
        raise InputError(f"{path}: a folder; give a file to write")
    if target.exists() and not target.is_file():
        raise InputError(f"{path}: no regular file; give a file to write")
    if not target.parent.is_dir():
        raise InputError(f"{path}: no folder {str(target.parent)!r} to write it in; create it first")
    if not (
        os.access(target.resolve().parent, os.W_OK | os.X_OK) and (not target.exists() or os.access(target, os.W_OK))
    ):
        raise InputError(f"{path}: cannot be written (permission denied); choose another place")
    for name in inputs:
        if target.exists() and os.path.exists(name) and target.samefile(name):
            raise UsageError(f"{path}: would be overwritten while it is read; choose another name")


def print_values(values: dict[str, Any], as_json: bool, otherwise: Callable[[], None]) -> None:
    if as_json:
        click.echo(json.dumps(values))
    else:
        otherwise()
