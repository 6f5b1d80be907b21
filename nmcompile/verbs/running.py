"""nmc emulate, verify, demo, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from emulator.spec.errors import UsageError

from .options import (
    FILE,
    JSON,
    LEARN,
    LEARNED,
    OUTPUT,
    PRICES,
    THREADS,
    TIMESTEPS,
    Name,
    Verb,
    inputs_option,
    print_values,
    read_inputs,
)
from .tables import run_facts, show_costs, show_drift, show_fill, show_kept
from .terminal import console, show_facts, show_warnings

if TYPE_CHECKING:
    from emulator.result import RunResult

    from ..pipeline import Compilation


@click.command(cls=Verb)
@click.argument("image", type=FILE)
@inputs_option()
@click.option("-o", "--output", type=OUTPUT, help="RUN.npz: counts, predictions, every spike, counters.")
@TIMESTEPS
@click.option("--limit", type=click.IntRange(1), help="Run the first N samples only.")
@THREADS
@click.option("--probe", "probes", multiple=True, help="Record a register, for example v:conv2; can be repeated.")
@click.option(
    "--readout",
    type=Name("nmcompile.coding.decode:READOUTS"),
    help="What predictions go by; without it, the count, or the membrane of outputs that do not spike.",
)
@LEARN
@LEARNED
@click.option("--models", "own", type=FILE, help="FILE.py that the image was compiled with; another is refused.")
@PRICES
@JSON
def emulate(
    image: str,
    spikes: str,
    output: str | None,
    timesteps: int | None,
    limit: int | None,
    threads: int,
    probes: tuple[str, ...],
    readout: str | None,
    learn: bool,
    learned: str | None,
    own: str | None,
    prices: str,
    as_json: bool,
    **binning: str | None,
) -> None:
    """Run samples on the emulator.

    While learning, `rewards` in IN.npz, an integer a sample, are what the host gives with each sample.
    """
    from emulator.result import save_result
    from emulator.spec.image_file import load_compiled, save_image

    from ..results.evaluate import evaluate
    from ..results.summary import summary
    from ..user_models import check_models

    for probe in probes:
        if ":" not in probe:
            raise UsageError(f"probe {probe!r}; it is REGISTER:POPULATION, for example v:{probe}")
    program = load_compiled(image)
    if own:
        check_models(program, own)
    data = read_inputs(spikes, program, binning, limit, timesteps)
    result = evaluate(
        program,
        data,
        threads=threads,
        probes=probes,
        prices=prices,
        record_spikes=output is not None,
        learn=learn or learned is not None,
        readout=readout,
    )
    if output:
        save_result(result, output)
    if learned and result.learned:
        save_image(result.learned, learned)
    values = summary(result)
    print_values(values, as_json, lambda: emulated(result, values, output, learned))


@click.command(cls=Verb)
@click.argument("image", type=FILE)
@inputs_option()
@click.option(
    "--simulator",
    type=Name("nmcompile.results.verify:SIMULATORS"),
    default="verilator",
    show_default=True,
    help="What runs the Verilog.",
)
@TIMESTEPS
@click.option("--limit", type=click.IntRange(1), help="Verify the first N samples only.")
@JSON
def verify(
    image: str,
    spikes: str,
    simulator: str,
    timesteps: int | None,
    limit: int | None,
    as_json: bool,
    **binning: str | None,
) -> None:
    """Run the Verilog beside the emulator and compare them.

    Every spike, counter and clock cycle; stops at the first difference.
    """
    from emulator.spec.image_file import load_image

    from ..results.verify import verify as compare

    program = load_image(image)
    data = read_inputs(spikes, program, binning, limit, timesteps)
    verdict = compare(program, data.spikes, simulator, data.extra.get("rewards", 0))
    print_values(verdict.summary(), as_json, lambda: verified(verdict.summary()))


@click.command(cls=Verb)
@click.argument("run", type=FILE)
@click.option("--html", type=OUTPUT, required=True, help="The page to write.")
@JSON
def report(run: str, html: str, as_json: bool) -> None:
    """Write an HTML page about a result of `nmc emulate -o`."""
    from emulator.result import load_result

    from ..report.report import write_report

    write_report(load_result(run), html)
    print_values({"html": html}, as_json, lambda: click.echo(f"wrote {html}"))


@click.command(cls=Verb)
@click.argument("name", default="mnist_mlp")
@click.option("--weight-bits", type=int, default=8, show_default=True, help="16, 8, 4, 2 or 1.")
@click.option("--limit", type=click.IntRange(1), help="Run the first N test images only.")
@click.option("--html", type=OUTPUT, help="Write a page with pictures, too.")
@THREADS
@PRICES
@JSON
def demo(
    name: str, weight_bits: int, limit: int | None, html: str | None, threads: int, prices: str, as_json: bool
) -> None:
    """Compile and run a bundled network on real test images.

    NAME is mnist_mlp, mnist_conv or mnist_rows.
    """
    from ..results.demo import EXAMPLES, run_demo
    from ..results.summary import summary

    if name not in EXAMPLES:
        raise click.UsageError(f"no bundled network {name!r}; there are {', '.join(EXAMPLES)}")
    compilation, _, result = run_demo(name, weight_bits, limit, threads, prices)
    values = {"network": name} | summary(result) | {"compile": compilation.summary()}
    if result.notes.float_accuracy is not None:
        values["float_accuracy"] = result.notes.float_accuracy
    if html:
        from ..report.report import write_report

        write_report(result, html)
    print_values(values, as_json, lambda: demonstrated(compilation, result, values, html))


def emulated(result: RunResult, values: dict[str, Any], output: str | None, learned: str | None) -> None:
    """After `nmc emulate`; `output` and `learned` are the files that were written."""
    from emulator.spec.notes import to_plain

    from ..results.learning_costs import learning_facts

    show_facts(*run_facts(result, values), *learning_facts(result))
    show_costs(to_plain(result.notes.costs), result.samples)
    show_warnings(result.notes.energy.warnings if result.notes.energy else ())
    show_kept(result, output, learned)


def demonstrated(compilation: Compilation, result: RunResult, values: dict[str, Any], html: str | None) -> None:
    """After `nmc demo`."""
    from emulator.spec.notes import to_plain

    from ..results.inspection import fill_values

    image, compiled = compilation.image, values["compile"]
    facts = run_facts(result, values)
    facts[0:0] = [
        (
            "network",
            f"{image.compiled.title}: {compiled['neurons']:,} neurons, {compiled['synapses']:,} synapses",
        ),
        ("semantics", compiled["semantics"]),
        ("weights", f"{image.compiled.weight_bits} bits, {compiled['memory_bits'] / 8192:,.1f} KiB in all"),
    ]
    show_facts(*facts)
    show_costs(to_plain(result.notes.costs), result.samples)
    show_fill(fill_values(result.notes.fill))
    show_drift(to_plain(image.compiled.drift))
    show_warnings([*compiled["warnings"], *(result.notes.energy.warnings if result.notes.energy else ())])
    if html:
        console().print(f"wrote {escape(html)}")


def verified(values: dict[str, Any]) -> None:
    """After `nmc verify`."""
    show_facts(
        ("verdict", f"the Verilog under {values['simulator']} is the emulator: 0 mismatches"),
        ("compared", f"{values['samples']:,} samples, {values['timesteps']:,} timesteps, {values['spikes']:,} spikes"),
        ("cycles", f"{values['cycles_rtl']:,}, equal"),
        ("counters", f"{values['counters']:,} ledger lines, equal"),
        *([("learned", f"{values['weights']:,} words of weights, equal")] if values["weights"] else []),
        ("took", f"{values['elapsed_s']:.1f} s"),
    )
