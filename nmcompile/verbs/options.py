"""Options that several verbs share, what a verb checks before it begins, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from emulator.spec.errors import InputError, UsageError

from ..coding.choices import EVENTS, FORMATS, POLARITIES, RULES

if TYPE_CHECKING:
    from emulator.spec.image import Image

    from ..coding.spikes import SpikeData
    from ..network.network import Network

F = TypeVar("F", bound=Callable[..., Any])


class FileName(click.ParamType):
    """The name of a file, or of something bundled in its place."""

    name = "file"


class OutputName(FileName):
    """The name of a file that is written."""


class Name(click.ParamType):
    """A name of a table, which is imported when it is asked for: by help and by the shell, not when a verb is defined.

    Args:
        table: "module:attribute", the names or a function that returns them, in the order that people see.
    """

    name = "name"

    def __init__(self, table: str):
        self.table = table

    def names(self) -> list[str]:
        module, attribute = self.table.split(":")
        found = getattr(import_module(module), attribute)
        return list(found() if callable(found) else found)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self.names())}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


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


_EVENTS = (
    click.option(
        "--bin", help="Of recordings: how long a timestep is, for example 1ms; or into how many they are cut."
    ),
    click.option("--bin-rule", type=click.Choice(RULES), help="What happens at their ends; all drops nothing."),
    click.option("--events", type=click.Choice(EVENTS), help="Events that fall together: one spike, or their number."),
    click.option("--polarity", type=click.Choice(POLARITIES), help="Which events are inputs; both: OFF first."),
    click.option("--downscale", help="New size of the sensor, for example 17x17; or what divides x and y."),
    click.option("--crop", help="Drop what is beyond this size, for example 32x32."),
    click.option("--sensor", help="Size of the sensor where no file says it, for example 1280x720."),
    click.option("--format", type=click.Choice(FORMATS), help="Of recordings whose names do not say it."),
)


def inputs_option(name: str = "--spikes", what: str = "Inputs of the run", required: bool = True) -> Callable[[F], F]:
    """The option that names inputs, and those that say how recordings of events become spikes, as `Binning` has it."""
    about = f"{what}: .npz, .npy, or recordings: .bin, .aedat4, .raw, .h5, a folder of them."

    def add(command: F) -> F:
        for option in reversed(_EVENTS):
            command = option(command)
        return click.option(name, type=FILE, required=required, help=about)(command)

    return add


def read_inputs(
    path: str,
    taker: Image | Network,
    options: dict[str, Any],
    limit: int | None = None,
    timesteps: int | None = None,
) -> SpikeData:
    """The inputs at `path`, as their taker needs them; what was merged, dropped or assumed is told on standard error.

    Args:
        options: of a verb, among them those that `inputs_option` added.
    """
    from emulator.spec.image import Image

    from ..coding.binning import Binning
    from ..coding.spikes import largest_input, read_spikes

    largest = largest_input(taker) if isinstance(taker, Image) else taker.input_levels
    given = {f.name: options[f.name] for f in fields(Binning) if options.get(f.name) is not None}
    data = read_spikes(path, taker.n_inputs, largest, limit=limit, timesteps=timesteps, **given)
    for note in data.notes:
        click.echo(f"! {note}", err=True)
    return data


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
