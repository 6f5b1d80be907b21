"""The options of the command line that choose a `Semantics`: one for every field of it, made of its own tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..network.semantics import CHOICES, FIELDS, PRESETS, Semantics, choose_semantics, parse_value

if TYPE_CHECKING:
    from ..network.network import Network

_BOOLS = ("clamp", "recurrent_bias")


def semantics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--semantics`, an option for every field, and `--set`; `chosen_semantics` takes what they give."""
    options = [
        click.option(
            "--semantics",
            type=click.Choice(list(PRESETS)),
            help="What trained NET; without it, what NET says itself, else nir.",
        )
    ]
    for field, what in FIELDS.items():
        kind: Any = None
        if field in CHOICES or field in _BOOLS:
            kind = click.Choice(CHOICES.get(field, ("true", "false")))
        elif field in ("max_spikes", "output_delay"):
            kind = int
        elif field != "v_min":
            kind = float
        options.append(click.option(f"--{field.replace('_', '-')}", type=kind, help=what))
    options.append(
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="[NAME:]FIELD=VALUE",
            help="The same for one population, for example --set 'lif2:reset=none'; can be repeated.",
        )
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_semantics(values: dict[str, Any]) -> Callable[[Network], Semantics]:
    """What the options choose for a network: a preset that was named wins over the network's own semantics.

    Raises:
        UsageError: what cannot be chosen, before any network is read.
    """
    preset, settings = values["semantics"], values["settings"]
    overrides = {field: values[field] for field in FIELDS}
    for field in (*_BOOLS, "v_min"):
        if overrides[field] is not None:
            overrides[field] = parse_value(field, overrides[field])
            if overrides[field] is None:
                overrides[field] = float("-inf")  # no bound
    first = choose_semantics(preset or "nir", settings, **overrides)

    def choose(network: Network) -> Semantics:
        return first if preset or not network.semantics else choose_semantics(network.semantics, settings, **overrides)

    return choose
