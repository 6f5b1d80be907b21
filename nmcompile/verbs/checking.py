"""nmc check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from emulator.spec.errors import MachineError

from .choosing import chosen_semantics, semantics_options
from .options import FILE, JSON, MODELS, Verb, print_values
from .terminal import show_facts

if TYPE_CHECKING:
    from ..results.readings import Findings

SHOWN = 10  # readings that are listed


@click.command(cls=Verb, epilog="Example: nmc check net.nir --reference samples.npz --semantics snntorch")
@click.argument("net", type=FILE)
@click.option("--reference", required=True, type=FILE, help="IN.npz: spikes, and what the framework sent of them.")
@click.option("--limit", type=click.IntRange(1), default=40, show_default=True, help="Compare the first N samples.")
@semantics_options
@MODELS
@JSON
def check(net: str, reference: str, limit: int, as_json: bool, **choices: Any) -> None:
    """Find the reading of NET that reproduces what its framework sent.

    IN.npz holds, beside spikes, float_counts (samples, outputs); or float_spikes (samples, timesteps, outputs), and
    float_spikes:NAME of other populations; or float_membrane (samples, timesteps, outputs). Presets, resets, gains,
    timesteps and bounds are tried, and all that reproduce it are named. Exit code 5 if the reading that was asked for
    does not, or none does.
    """
    from ..coding.spikes import read_spikes
    from ..frontends import read_network
    from ..results.readings import find_readings

    choose = chosen_semantics(choices)
    network = read_network(net)
    data = read_spikes(reference, network.n_inputs, network.input_levels).first(limit)
    found = find_readings(network, data, choose(network))
    print_values({"network": network.origin} | found.summary(), as_json, lambda: checked(found))
    asked = choices["semantics"] or choices["settings"] or network.semantics
    if found.reproduced or (found.readings and not asked):
        return
    share = f"{100 * found.chosen.equal:.1f} % of {found.values:,} output values are equal"
    if found.readings:
        named = f"{found.named()} reproduces the reference"
        raise MachineError(f"{network.origin} read as {found.chosen.semantics.preset}: {share}; {named}")
    nearest = f"{found.best.options} ({100 * found.best.equal:.1f} % of {found.values:,} values)"
    raise MachineError(
        f"{network.origin}: none of {found.tried} readings reproduces the reference; the nearest is {nearest}, and "
        f"what was asked for differs first at {found.first}"
    )


def checked(found: Findings) -> None:
    """After `nmc check`."""
    rows = [
        ("compared", f"{found.samples:,} samples, {found.values:,} values of the reference, {found.tried} readings"),
        ("read as", found.chosen.semantics.describe()),
        ("equal", f"{100 * found.chosen.equal:.2f} %"),
    ]
    if found.first:
        rows.append(("first", found.first))
    for reading in found.readings[:SHOWN]:
        rows.append(("reproduces it", f"{reading.options} ({100 * reading.equal:.2f} %)"))
    if len(found.readings) > SHOWN:
        rows.append(("", f"and {len(found.readings) - SHOWN} more that this reference cannot tell apart (--json)"))
    if not found.readings:
        rows.append(("nearest", f"{found.best.options} ({100 * found.best.equal:.2f} %)"))
    show_facts(*rows)
