"""nmc compile, export, inspect."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from ..frontends import READERS
from ..results.numbers import count
from .choosing import chosen_semantics, semantics_options
from .options import ARCHITECTURE, FILE, JSON, MODELS, OUTPUT, Verb, inputs_option, print_values, read_inputs
from .tables import show_costs, show_drift, show_fill, show_losses
from .terminal import as_text, console, new_table, show_facts, show_table, show_warnings

if TYPE_CHECKING:
    from emulator.spec.image import Image
    from emulator.spec.notes import ProjectionNote

    from ..user_models import UserModels


_ENDINGS = ", ".join(f"{ending} ({what})" for ending, (what, _) in READERS.items())


@click.command(
    "compile",
    cls=Verb,
    help=f"Compile a trained network to an image.\n\nNET is a file that ends in {_ENDINGS}.",
    epilog="Example: nmc compile net.nir -o net.nmi --semantics snntorch --calibrate samples.npz",
)
@click.argument("net", type=FILE)
@click.option("-o", "--output", type=OUTPUT, required=True, help="The image to write, NET.nmi.")
@click.option(
    "--arch",
    type=ARCHITECTURE,
    help="Architecture: a bundled name or a .toml file; else the smallest that fits.",
)
@semantics_options
@click.option("--weight-bits", type=int, default=8, show_default=True, help="16, 8, 4, 2 or 1.")
@click.option(
    "--input-levels",
    type=click.IntRange(2, 255),
    help="Analog inputs (direct coding): k, 0 to N, stands for k / N and is sent as one graded spike.",
)
@inputs_option("--calibrate", "Sample inputs that set the scales, and give a drift report", required=False)
@click.option("--plasticity", type=FILE, help="RULES.toml: learning rules by the name of the projection that learns.")
@click.option(
    "--dump",
    "stages",
    multiple=True,
    type=click.Choice(["network", "discretize", "retime", "quantize", "place", "emit"]),
    help="Print what this pass made, too; can be repeated.",
)
@MODELS
@JSON
@click.pass_obj
def compile_command(
    models: UserModels | None,
    net: str,
    output: str,
    arch: str | None,
    weight_bits: int,
    input_levels: int | None,
    calibrate: str | None,
    plasticity: str | None,
    stages: tuple[str, ...],
    as_json: bool,
    **choices: Any,
) -> None:
    """Compile a trained network to an image."""
    from emulator.spec.arch import load_architecture
    from emulator.spec.image_file import save_image
    from emulator.spec.notes import to_plain

    from ..frontends import read_network
    from ..pipeline import compile_network

    choose = chosen_semantics(choices)
    network = read_network(net)
    chosen = choose(network)
    if plasticity:
        from ..learning.attach import attach
        from ..learning.files import read_rules

        network = attach(network, read_rules(plasticity))
    if input_levels:
        network = network.graded(input_levels)
    target = load_architecture(arch) if arch else None
    data = read_inputs(calibrate, network, choices) if calibrate else None
    samples = data.spikes if data else None
    result = compile_network(network, target, chosen, weight_bits, samples)
    image, values = result.image, result.summary()
    if models:
        image = replace(image, notes=replace(image.compiled, models=models.note))
    if data is not None and samples is not None:
        from ..results.drift import drift_report
        from ..results.readings import warn_of_reading

        values["warnings"] += warn_of_reading(network, data, result.semantics)

        drift = drift_report(result, samples)
        values["drift"] = to_plain(drift)
        image = replace(image, notes=replace(image.compiled, drift=drift))
    save_image(image, output)
    if stages:
        from ..results.stages import dump

        values["dump"] = {stage: dump(result, stage) for stage in stages}
    print_values(values, as_json, lambda: compiled(image, values, output))


@click.command(cls=Verb, epilog="Example: nmc export learned.nmi --into net.nir -o learned.nir")
@click.argument("image", type=FILE)
@click.option("--into", type=FILE, required=True, help="NET.nir: the network that the image was compiled from.")
@click.option("-o", "--output", type=OUTPUT, required=True, help="The NIR file to write: NET with the learned weights.")
@JSON
def export(image: str, into: str, output: str, as_json: bool) -> None:
    """Write learned weights back into a NIR file."""
    from emulator.spec.image_file import load_compiled

    from ..learning.export import write_nir

    values = {"nir": output, "projections": write_nir(load_compiled(image), into, output)}
    print_values(values, as_json, lambda: click.echo(f"wrote {output}: {', '.join(values['projections'])}"))


@click.command(cls=Verb, epilog="Example: nmc inspect net.nmi")
@click.argument("file", type=FILE)
@JSON
def inspect(file: str, as_json: bool) -> None:
    """Show what is in an image or a result."""
    from ..results.inspection import inspect_file

    kind, values = inspect_file(file)
    print_values(values, as_json, lambda: inspected(kind, values))


def compiled(image: Image, values: dict[str, Any], output: str) -> None:
    """After `nmc compile`."""
    from ..results.costs import core_fill
    from ..results.inspection import fill_values

    for stage, text in values.get("dump", {}).items():
        click.echo(f"{stage}\n{text}")
    show_facts(
        ("image", f"{output} for {image.arch.name}, {values['cores']} of {image.arch.cores} cores"),
        ("semantics", values["semantics"]),
        *(("read", note) for note in values["notes"]),
        ("network", f"{values['neurons']:,} neurons, {values['synapses']:,} synapses, {values['axons']:,} axons"),
        ("memory", f"{values['memory_bits'] / 8192:,.1f} KiB"),
        ("latency", count(values["latency_timesteps"], "timestep")),
        *(("learns", _learns(p)) for p in image.compiled.projections if p.learning),
        *(
            ("calibration", f"rounding errors of {name} are not weighed against each other: {why}")
            for name, why in values["calibration_left_out"].items()
        ),
    )
    show_fill(fill_values(core_fill(image)))
    show_losses(values["losses"])
    if "drift" in values:
        show_drift(values["drift"])
    show_warnings(values["warnings"])


def _learns(p: ProjectionNote) -> str:
    assert p.learning is not None
    low, high = p.learning.bounds
    steps = f"from {low:.4g} to {high:.4g} in steps of {p.learning.step:.3g}"
    pairs = f"{p.synapses:,} of {p.connections:,} pairs"
    return f"{p.name} by {p.learning.learns}, {pairs}, {p.weight_bits} bits, {steps}"


def inspected(kind: str, values: dict[str, Any]) -> None:
    """After `nmc inspect`."""
    if kind == "result":
        shown = [(name, values[name]) for name in _SUMMARY if values.get(name) is not None]
        show_facts(*((name, f"{value:,}" if isinstance(value, int) else as_text(value)) for name, value in shown))
        if values["costs"]:
            show_costs(values["costs"], values["samples"])
        if not values["counters"]:
            return
        table = new_table("counter", "total")
        for name, total in values["counters"].items():
            table.add_row(name, f"{total:,}")
        show_table(table)
        return
    show_facts(
        ("network", f"{values['network']}: {values['inputs']:,} inputs, {values['outputs']:,} outputs"),
        ("architecture", f"{values['architecture']} ({values['architecture_hash']})"),
        ("semantics", values["semantics"]),
        ("latency", count(values["latency_timesteps"], "timestep")),
        *([("models", f"{escape(m['name'])} (SHA-256 {m['sha256']})")] if (m := values["models"]) else []),
        ("memory", f"{values['memory_bits'] / 8192:,.1f} KiB"),
    )
    table = new_table(
        "projection", "synapses", "weights", "bits", "synapse memory", "of its weights", "cores", "in a core"
    )
    for p in values["projections"]:
        table.add_row(
            f"{escape(p['name'])}: {escape(p['source'])} -> {escape(p['target'])}",
            f"{p['synapses']:,}",
            f"{p['parameters']:,}",
            f"{p['weight_bits']}",
            f"{p['memory_bits'] / 8192:,.2f} KiB",
            f"{p['memory_bits'] / max(1, p['distinct_bits']):.2f} x",
            f"{p['cores']}",
            f"{p['core_memory_bits'] / max(1, p['distinct_bits']):.2f} x",
        )
    show_table(table)
    if any(p["convolutional"] and p["cores"] > 1 for p in values["projections"]):
        console().print("[dim]Every core with neurons of a convolution holds its kernels once.[/]")
    learning = [p for p in values["projections"] if "learns" in p]
    if learning:
        table = new_table("learns", "rule", "least weight", "mean", "largest", "in steps of")
        for p in learning:
            numbers = (p["weight_min"], p["weight_mean"], p["weight_max"], p["step"])
            table.add_row(escape(p["name"]), escape(p["learns"]), *(f"{number:.4g}" for number in numbers))
        show_table(table)
    if values["thresholds"]:
        table = new_table("moving threshold", "least", "mean", "largest")
        for name, numbers in values["thresholds"].items():
            table.add_row(escape(name), *(f"{number:.4g}" for number in numbers))
        show_table(table)
    show_fill(values["fill"])
    for core in values["cores"]:
        console().print(f"[bold]Program of core {core['core']}[/]")
        starts = {part["program"][0]: part for part in core["parts"]}
        for address, line in enumerate(core["program"]):
            if address in starts:
                part = starts[address]
                console().print(f"[dim]{escape(part['population'])}, {part['neurons']:,} neurons[/]")
            if address == core["reset_entry"]:
                console().print("[dim]between samples[/]")
            console().print(f"{address:4}  {escape(line)}")
    if values["drift"]:
        show_drift(values["drift"])
    show_warnings(values["warnings"])


_SUMMARY = (
    "samples",
    "timesteps",
    "accuracy",
    "synaptic_operations",
    "spikes",
    "cycles_per_sample",
    "cycles_are",
    "energy_j_per_sample",
    "energy_scope",
    "learning_cycles_per_sample",
    "learning_energy_j_per_sample",
    "row_updates",
    "prices",
    "architecture",
)
