"""The command line: verbs, exit codes, JSON; no logic.

stdout carries the result, stderr everything else. Exit codes: 0 done, 1 our bug, 2 usage, 3 bad input, 4 does not fit,
5 machine fault or mismatch, 6 device.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from emulator.spec.errors import DoesNotFitError, InputError, NmError, UsageError

from .choosing import chosen_semantics, semantics_options

_JSON = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
_PRICES = click.option("--prices", default="horowitz45", show_default=True, help="Price table: a name or a .toml file.")
_PORT = click.option("--port", required=True, help="Serial port of the board; nmc devices lists them.")
_BAUD = click.option("--baud", type=click.IntRange(300), default=1_000_000, show_default=True, help="Bits a second.")
_LEARN = click.option(
    "--learn", is_flag=True, help="Samples follow each other and change the weights; else nothing learns."
)
_LEARNED = click.option("--learned", help="OUT.nmi: the image with what was learned; implies --learn.")
_TIMESTEPS = click.option(
    "--timesteps",
    type=click.IntRange(1, (1 << 24) - 1),
    help="Cut the inputs to T timesteps, or pad them with silence.",
)
_THREADS = click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Samples side by side.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nmcompile", prog_name="nmc")
def cli() -> None:
    """Compile trained spiking networks for the nmcore, and run them: spikes, accuracy, cycles, energy."""


@cli.command("compile")
@click.argument("net")
@click.option("-o", "--output", required=True, help="The image to write, NET.nmi.")
@click.option("--arch", help="Architecture: a bundled name or a .toml file; without it, the smallest that fits.")
@semantics_options
@click.option("--weight-bits", type=int, default=8, show_default=True, help="16, 8, 4, 2 or 1.")
@click.option(
    "--input-levels",
    type=click.IntRange(2, 255),
    help="Analog inputs (direct coding): k, 0 to N, stands for k / N and is sent as one graded spike.",
)
@click.option("--calibrate", help="IN.npz: sample inputs that set the scales, and give a drift report.")
@click.option("--plasticity", help="RULES.toml: learning rules by the name of the projection that learns.")
@_JSON
def compile_command(
    net: str,
    output: str,
    arch: str | None,
    weight_bits: int,
    input_levels: int | None,
    calibrate: str | None,
    plasticity: str | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Compile a trained network to an image.

    NET is a .nir file, lava-dl's .net, or a networkx graph (.graphml, node-link .json).
    """
    from emulator.spec.arch import load_architecture
    from emulator.spec.image import save_image

    from . import show
    from .frontends import read_network
    from .pipeline import compile_network
    from .spikes import read_spikes

    _check_output(output, net, calibrate, plasticity)
    choose = chosen_semantics(choices)
    network = read_network(net)
    chosen = choose(network)
    if plasticity:
        from .plasticity import attach
        from .rule_files import read_rules

        network = attach(network, read_rules(plasticity))
    if input_levels:
        network = network.graded(input_levels)
    target = load_architecture(arch) if arch else None
    samples = read_spikes(calibrate, network.n_inputs, network.input_levels).spikes if calibrate else None
    result = compile_network(network, target, chosen, weight_bits, samples)
    image, values = result.image, result.summary()
    if samples is not None:
        from .study.drift import as_meta, drift_report

        values["drift"] = as_meta(drift_report(result, samples))
        image = replace(image, meta=image.meta | {"drift": values["drift"]})
    save_image(image, output)
    _print(values, as_json, lambda: show.compiled(image, values, output))


@cli.command()
@click.argument("image")
@click.option("--spikes", required=True, help="IN.npz: spikes or events, and labels.")
@click.option("-o", "--output", help="RUN.npz: counts, predictions, every spike, counters.")
@_TIMESTEPS
@click.option("--limit", type=click.IntRange(1), help="Run the first N samples only.")
@_THREADS
@click.option("--probe", "probes", multiple=True, help="Record a register, for example v:conv2; can be repeated.")
@click.option("--readout", help="count (the default for spikes), first-spike or membrane: what predictions go by.")
@_LEARN
@_LEARNED
@_PRICES
@_JSON
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
    prices: str,
    as_json: bool,
) -> None:
    """Run samples on the emulator.

    While learning, `rewards` in IN.npz, an integer a sample, are what the host gives with each sample.
    """
    from emulator.result import save_result
    from emulator.spec.image import load_image, save_image

    from . import show
    from .spikes import largest_input, read_spikes
    from .study.evaluate import evaluate, summary

    _check_output(output, image, spikes)
    _check_output(learned, image, spikes)
    for probe in probes:
        if ":" not in probe:
            raise UsageError(f"probe {probe!r}; it is REGISTER:POPULATION, for example v:{probe}")
    program = load_image(image)
    if "output" not in program.meta:
        raise InputError(f"{image}: no compiler's notes in this image; compile it again, or run it with emulator.run")
    data = read_spikes(spikes, program.n_inputs, largest_input(program)).first(limit).lasting(timesteps)
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
    _print(values, as_json, lambda: show.emulated(result, values, output, learned))


@cli.command()
@click.argument("image")
@click.option("--into", required=True, help="NET.nir: the network that the image was compiled from.")
@click.option("-o", "--output", required=True, help="The NIR file to write: NET with the learned weights.")
@_JSON
def export(image: str, into: str, output: str, as_json: bool) -> None:
    """Write learned weights back into a NIR file."""
    from emulator.spec.image import load_image

    from .learned import write_nir

    _check_output(output, image, into)
    values = {"nir": output, "projections": write_nir(load_image(image), into, output)}
    _print(values, as_json, lambda: click.echo(f"wrote {output}: {', '.join(values['projections'])}"))


@cli.command()
@click.argument("file")
@_JSON
def inspect(file: str, as_json: bool) -> None:
    """Show what is in an image or a result."""
    from . import show
    from .study.inspection import inspect_file

    kind, values = inspect_file(file)
    _print(values, as_json, lambda: show.inspected(kind, values))


@cli.command()
@click.argument("image")
@click.option("--spikes", required=True, help="IN.npz: spikes or events.")
@click.option("--simulator", default="verilator", show_default=True, help="verilator or icarus.")
@_TIMESTEPS
@click.option("--limit", type=click.IntRange(1), help="Verify the first N samples only.")
@_JSON
def verify(image: str, spikes: str, simulator: str, timesteps: int | None, limit: int | None, as_json: bool) -> None:
    """Run the Verilog beside the emulator and compare them.

    Every spike, counter and clock cycle; stops at the first difference.
    """
    from emulator.spec.image import load_image

    from . import show
    from .spikes import largest_input, read_spikes
    from .study.verify import verify as compare

    program = load_image(image)
    data = read_spikes(spikes, program.n_inputs, largest_input(program)).first(limit).lasting(timesteps)
    verdict = compare(program, data.spikes, simulator, data.extra.get("rewards", 0))
    _print(verdict.summary(), as_json, lambda: show.verified(verdict.summary()))


@cli.command()
@click.option("--arch", default="up5k", show_default=True, help="Architecture: a bundled name or a .toml file.")
@click.option("--tcp", type=click.IntRange(0, 65535), help="Serve on this TCP port of 127.0.0.1 instead; 0 takes any.")
def board(arch: str, tcp: int | None) -> None:
    """Serve a simulated board: the whole Verilog with its UART.

    Prints its port, and runs until stopped.
    """
    from emulator.spec.arch import load_architecture

    from .board.simulated import SimulatedBoard, serve

    machine = load_architecture(arch)
    click.echo(f"building the {machine.name} board ...", err=True)
    serve(SimulatedBoard(machine), click.echo, tcp)


@cli.command()
@click.argument("image")
@_PORT
@_BAUD
@_JSON
def flash(image: str, port: str, baud: int, as_json: bool) -> None:
    """Load IMAGE into a board.

    Only what differs is sent; all is read back on the board and compared.
    """
    from emulator.spec.image import load_image

    from . import show
    from .board.flash import flash as load
    from .board.link import Board, SerialTransport

    program = load_image(image)
    with Board(SerialTransport(port, baud)) as device, show.Progress() as progress:
        loaded = load(device, program, progress)
        values = {"port": port, "architecture": device.identity.label} | loaded.__dict__
    _print(values, as_json, lambda: show.flashed(values))


@cli.command()
@click.argument("image")
@_PORT
@_BAUD
@click.option("--spikes", required=True, help="IN.npz: spikes or events, and labels.")
@click.option("-o", "--output", help="RUN.npz: counts, predictions, every spike, counters.")
@_TIMESTEPS
@click.option("--limit", type=click.IntRange(1), help="Run the first N samples only.")
@click.option("--compare", is_flag=True, help="Run the emulator beside it and stop at the first difference.")
@_LEARN
@_LEARNED
@_JSON
def run(
    image: str,
    port: str,
    baud: int,
    spikes: str,
    output: str | None,
    timesteps: int | None,
    limit: int | None,
    compare: bool,
    learn: bool,
    learned: str | None,
    as_json: bool,
) -> None:
    """Run samples on a board that holds IMAGE.

    While learning, `rewards` in IN.npz, an integer a sample, are what the host gives with each sample.
    """
    from emulator.result import save_result
    from emulator.spec.image import load_image, save_image

    from . import show
    from .board.link import Board, SerialTransport
    from .board.run import run_on_board, summary
    from .learned import check_learns
    from .spikes import largest_input, read_spikes

    _check_output(output, image, spikes)
    _check_output(learned, image, spikes)
    program = load_image(image)
    learn = learn or learned is not None
    if learn:
        check_learns(program)
    data = read_spikes(spikes, program.n_inputs, largest_input(program)).first(limit).lasting(timesteps)
    with Board(SerialTransport(port, baud)) as device, show.Progress() as progress:
        result = run_on_board(device, program, data, output is not None, progress, compare, learn)
        values = summary(device, result, compare)
    if output:
        save_result(result, output)
    if learned and result.learned:
        save_image(result.learned, learned)
    _print(values, as_json, lambda: show.ran(result, values, output, learned))


@cli.command()
@_JSON
def devices(as_json: bool) -> None:
    """List the serial ports of this computer."""
    from . import show
    from .board.link import ports

    found = ports()
    _print({"ports": found}, as_json, lambda: show.devices(found))


@cli.command()
@click.option("--arch", default="up5k", show_default=True, help="Architecture: a bundled name or a .toml file.")
@click.option("--target", required=True, help="up5k, ecp5-25k, ecp5-45k, ecp5-85k or gw2ar-18.")
@click.option("--no-link", is_flag=True, help="The chip alone, its host port behind a shift register.")
@_JSON
def synth(arch: str, target: str, no_link: bool, as_json: bool) -> None:
    """Area and clock of an architecture on an FPGA; takes minutes.

    The whole chip, with its link and UART; or without, as part of a design of your own.
    """
    from emulator.spec.arch import load_architecture

    from . import show
    from .board.fpga import measure

    machine = load_architecture(arch)
    with show.Progress() as progress:
        values, problems = measure(machine, target, progress, link=not no_link)
    _print(values, as_json, lambda: show.synthesised(values))
    if problems:
        raise DoesNotFitError(problems)


@cli.command()
@click.option("--board", required=True, help="icebreaker, ulx3s, tang_nano_20k or arty_a7.")
@click.option("-o", "--output", help="The file to write; without it, BOARD.bin, .bit or .fs here.")
@click.option("--program", is_flag=True, help="Load it into the board with openFPGALoader.")
@_JSON
def bitstream(board: str, output: str | None, program: bool, as_json: bool) -> None:
    """Build the bitstream of a board.

    The first time takes minutes, for ulx3s most of an hour; for arty_a7 it is a script for Vivado.
    """
    from . import show
    from .board import bitstream as boards

    kind = boards.load_board(board)
    path = Path(output or f"{board}.{kind.suffix}")
    _check_output(str(path))
    if kind.vivado:
        if program:
            raise UsageError(f"{board} is built by Vivado, which {path} is for; program what Vivado makes")
        path.write_text(boards.vivado_script(kind))
        values = {"board": board, "title": kind.title, "file": str(path)}
    else:
        with show.Progress() as progress:
            made = boards.build(kind, progress)
        path.write_bytes(made.bitstream)
        values = boards.summary(kind, made, path)
    if program:
        boards.program(kind, path)
    _print(values, as_json, lambda: show.built(values))


@cli.command()
@click.argument("study")
@click.option("-o", "--output", help="OUT.csv: every point, for a spreadsheet or pandas.")
@click.option("--html", help="Write a page with pictures, too.")
@click.option("--workers", type=click.IntRange(1), help="Processes; without it, one a processor.")
@click.option("--scheduler", help="Address of a Dask scheduler to run on, for example tcp://host:8786.")
@_JSON
def sweep(
    study: str, output: str | None, html: str | None, workers: int | None, scheduler: str | None, as_json: bool
) -> None:
    """Run a co-design study: every combination of its settings.

    What was run before is not run again, so a study that was stopped goes on.
    """
    from . import show
    from .study.plan import read_study
    from .study.sweep import run_study, write_csv

    _check_output(output, study)
    _check_output(html, study)
    if output and html and Path(output).resolve() == Path(html).resolve():
        raise UsageError(f"{output}: the table and the page cannot be one file; choose another name")
    plan = read_study(study)
    _check_output(output, *plan.files)
    _check_output(html, *plan.files)
    with show.Progress() as progress:
        findings = run_study(plan, workers, scheduler, progress)
    if output:
        write_csv(findings, output)
    if html:
        from .study.sweep_page import write_page

        write_page(findings, html)
    _print(findings.summary(), as_json, lambda: show.swept(findings, output, html))
    if failure := findings.failure():
        raise failure


@cli.command()
@click.argument("run")
@click.option("--html", required=True, help="The page to write.")
@_JSON
def report(run: str, html: str, as_json: bool) -> None:
    """Write an HTML page about a result of `nmc emulate -o`."""
    from emulator.result import load_result

    from .study.report import write_report

    _check_output(html, run)
    write_report(load_result(run), html)
    _print({"html": html}, as_json, lambda: click.echo(f"wrote {html}"))


@cli.command()
@click.argument("name", default="mnist_mlp")
@click.option("--weight-bits", type=int, default=8, show_default=True, help="16, 8, 4, 2 or 1.")
@click.option("--limit", type=click.IntRange(1), help="Run the first N test images only.")
@click.option("--html", help="Write a page with pictures, too.")
@_THREADS
@_PRICES
@_JSON
def demo(
    name: str, weight_bits: int, limit: int | None, html: str | None, threads: int, prices: str, as_json: bool
) -> None:
    """Compile and run a bundled network on real test images.

    NAME is mnist_mlp, mnist_conv or mnist_rows.
    """
    from . import show
    from .study.demo import EXAMPLES, run_demo
    from .study.evaluate import summary

    _check_output(html)
    if name not in EXAMPLES:
        raise click.UsageError(f"no bundled network {name!r}; there are {', '.join(EXAMPLES)}")
    compilation, _, result = run_demo(name, weight_bits, limit, threads, prices)
    values = {"network": name} | summary(result) | {"compile": compilation.summary()}
    if "float_accuracy" in result.meta:
        values["float_accuracy"] = result.meta["float_accuracy"]
    if html:
        from .study.report import write_report

        write_report(result, html)
    _print(values, as_json, lambda: show.demonstrated(compilation, result, values, html))


def _check_output(path: str | None, *inputs: str | None) -> None:
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


def _print(values: dict[str, Any], as_json: bool, otherwise: Callable[[], None]) -> None:
    if as_json:
        click.echo(json.dumps(values))
    else:
        otherwise()


def main() -> None:
    """Entry point of `nmc`: every error of ours becomes one line and its exit code."""
    try:
        cli.main(prog_name="nmc", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        text = " ".join(error.format_message().split()).rstrip(".")
        _fail(f"{text}; see {context.command_path if context else 'nmc'} --help", 2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except NmError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or 'file'}: {error.strerror or error}", InputError.exit_code)
    except MemoryError:
        _fail("more than the memory of this computer holds; use --limit, or split the inputs", InputError.exit_code)


def _fail(message: str, code: int) -> None:
    click.echo("\n".join(f"nmc: {line}" for line in message.splitlines()), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
