"""nmc board, flash, run, devices, synth, bitstream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from emulator.spec.errors import DoesNotFitError, UsageError
from emulator.spec.files import write_text, writing

from ..results.numbers import quantity
from .options import (
    ARCHITECTURE,
    BAUD,
    FILE,
    JSON,
    LEARN,
    LEARNED,
    OUTPUT,
    PORT,
    TIMESTEPS,
    Name,
    Verb,
    check_output,
    inputs_option,
    print_values,
    read_inputs,
)
from .tables import show_kept
from .terminal import Progress, console, new_table, show_facts, show_table

if TYPE_CHECKING:
    from emulator.result import RunResult


@click.command(cls=Verb, epilog="Example: nmc board --arch up5k")
@click.option(
    "--arch", type=ARCHITECTURE, default="up5k", show_default=True, help="Architecture: a bundled name or a .toml file."
)
@click.option("--tcp", type=click.IntRange(0, 65535), help="Serve on this TCP port of 127.0.0.1 instead; 0 takes any.")
def board(arch: str, tcp: int | None) -> None:
    """Serve a simulated board: the whole Verilog with its UART.

    Prints its port, and runs until stopped.
    """
    from emulator.spec.arch import load_architecture

    from ..board.simulated import SimulatedBoard, serve

    machine = load_architecture(arch)
    click.echo(f"building the {machine.name} board ...", err=True)
    serve(SimulatedBoard(machine), click.echo, tcp)


@click.command(cls=Verb, epilog="Example: nmc flash net.nmi --port /dev/ttyUSB1")
@click.argument("image", type=FILE)
@PORT
@BAUD
@JSON
def flash(image: str, port: str, baud: int, as_json: bool) -> None:
    """Load IMAGE into a board.

    Only what differs is sent; all is read back on the board and compared.
    """
    from emulator.spec.image_file import load_image

    from ..board.flash import flash as load
    from ..board.link import Board, SerialTransport

    program = load_image(image)
    with Board(SerialTransport(port, baud)) as device, Progress() as progress:
        loaded = load(device, program, progress)
        values = {"port": port, "architecture": device.identity.label} | loaded.__dict__
    print_values(values, as_json, lambda: flashed(values))


@click.command(cls=Verb, epilog="Example: nmc run net.nmi --port /dev/ttyUSB1 --spikes test.npz --verify")
@click.argument("image", type=FILE)
@PORT
@BAUD
@inputs_option()
@click.option("-o", "--output", type=OUTPUT, help="RUN.npz: counts, predictions, every spike, counters.")
@TIMESTEPS
@click.option("--limit", type=click.IntRange(1), help="Run the first N samples only.")
@click.option("--verify", is_flag=True, help="Run the emulator beside it and stop at the first difference.")
@LEARN
@LEARNED
@JSON
def run(
    image: str,
    port: str,
    baud: int,
    spikes: str,
    output: str | None,
    timesteps: int | None,
    limit: int | None,
    verify: bool,
    learn: bool,
    learned: str | None,
    as_json: bool,
    **binning: str | None,
) -> None:
    """Run samples on a board that holds IMAGE.

    While learning, `rewards` in IN.npz, an integer per sample, are what the host gives with each sample.
    """
    from emulator.result import save_result
    from emulator.spec.image_file import load_image, save_image

    from ..board.link import Board, SerialTransport
    from ..board.run import run_on_board, summary
    from ..learning.learned import check_learns

    program = load_image(image)
    learn = learn or learned is not None
    if learn:
        check_learns(program)
    data = read_inputs(spikes, program, binning, limit, timesteps)
    with Board(SerialTransport(port, baud)) as device, Progress() as progress:
        result = run_on_board(device, program, data, output is not None, progress, verify, learn)
        values = summary(device, result, verify)
    if output:
        save_result(result, output)
    if learned and result.learned:
        save_image(result.learned, learned)
    print_values(values, as_json, lambda: ran(result, values, output, learned))


@click.command(cls=Verb, epilog="Example: nmc devices")
@JSON
def devices(as_json: bool) -> None:
    """List the serial ports of this computer."""
    from ..board.link import ports

    found = ports()
    print_values({"ports": found}, as_json, lambda: listed(found))


@click.command(cls=Verb, epilog="Example: nmc synth --arch up5k --target up5k")
@click.option(
    "--arch", type=ARCHITECTURE, default="up5k", show_default=True, help="Architecture: a bundled name or a .toml file."
)
@click.option("--target", type=Name("nmcompile.fpga.targets:TARGETS"), required=True, help="The FPGA.")
@click.option("--no-link", is_flag=True, help="The chip alone, its host port behind a shift register.")
@JSON
def synth(arch: str, target: str, no_link: bool, as_json: bool) -> None:
    """Area and clock of an architecture on an FPGA; takes minutes.

    The whole chip, with its link and UART; or without, as part of a design of your own.
    """
    from emulator.spec.arch import load_architecture

    from ..fpga.implement import measure

    machine = load_architecture(arch)
    with Progress() as progress:
        values, problems = measure(machine, target, progress, link=not no_link)
    print_values(values, as_json, lambda: synthesised(values))
    if problems:
        raise DoesNotFitError(problems)


@click.command(cls=Verb, epilog="Example: nmc bitstream --board icebreaker --program")
@click.option("--board", type=Name("nmcompile.fpga.boards:board_names"), required=True, help="A folder of rtl/boards.")
@click.option("-o", "--output", type=OUTPUT, help="The file to write; without it, BOARD.bin, .bit or .fs here.")
@click.option("--program", is_flag=True, help="Load it into the board with openFPGALoader.")
@JSON
def bitstream(board: str, output: str | None, program: bool, as_json: bool) -> None:
    """Build the bitstream of a board.

    The first time takes minutes to most of an hour; for a board that Vivado builds, it is a script for that.
    """
    from ..fpga import bitstream as boards
    from ..fpga.boards import load_board

    kind = load_board(board)
    path = Path(output or f"{board}.{kind.suffix}")
    check_output(str(path), [])
    if kind.vivado:
        if program:
            raise UsageError(f"{board} is built by Vivado, which {path} is for; program what Vivado makes")
        write_text(path, boards.vivado_script(kind))
        values = {"board": board, "title": kind.title, "file": str(path)}
    else:
        with Progress() as progress:
            made = boards.build(kind, progress)
        with writing(path) as file:
            file.write(made.bitstream)
        values = boards.summary(kind, made, path)
    if program:
        boards.program(kind, path)
    print_values(values, as_json, lambda: built(values))


def flashed(values: dict[str, Any]) -> None:
    """After `nmc flash`."""
    rate = values["line_bytes"] / max(values["elapsed_s"], 1e-9)
    show_facts(
        ("board", f"{values['architecture']} on {values['port']}"),
        ("loaded", f"{values['written_bytes']:,} of {values['total_bytes']:,} bytes differed; read back, equal"),
        ("took", f"{values['elapsed_s']:.2f} s, {values['line_bytes']:,} bytes on the line, {quantity(rate, 'B/s')}"),
        ("repeats", f"{values['retries']:,}"),
    )


def ran(result: RunResult, values: dict[str, Any], output: str | None, learned: str | None) -> None:
    """After `nmc run`; `output` and `learned` are the files that were written."""
    from ..results.learning_costs import learning_facts
    from ..results.summary import undecided_facts

    samples = values["samples"]
    rows = [("samples", f"{samples:,} of {values['timesteps']} timesteps, on {values['architecture']}")]
    if "accuracy" in values:
        rows.append(("accuracy", f"{100 * values['accuracy']:.1f} %"))
    rows += undecided_facts(values)
    if values["spikes"] is not None:
        rows.append(("spikes", f"{values['spikes'] / samples:,.1f} per sample"))
    cycles = values["cycles_per_sample"]
    rows += [
        ("cycles", values["cycles_are"] if cycles is None else f"{cycles:,.0f} per sample, {values['cycles_are']}"),
        *learning_facts(result),
        ("took", f"{values['elapsed_s']:.2f} s, {values['retries']:,} repeats"),
    ]
    if "differences" in values:
        *most, last = values["compared"]
        what = f"{', '.join(most)} and {last}" if most else last
        rows.append(("compared", f"with the emulator: 0 differences in {what}"))
    show_facts(*rows)
    show_kept(result, output, learned)


def listed(found: list[dict[str, str]]) -> None:
    """After `nmc devices`."""
    if not found:
        console().print("no serial port; plug a board in, or start a simulated one with: nmc board")
        return
    table = new_table("port", "device", "serial number")
    for port in found:
        table.add_row(*(escape(port[key]) for key in ("port", "device", "serial_number")))
    show_table(table)


def synthesised(values: dict[str, Any]) -> None:
    """After `nmc synth`."""
    columns = {"luts": "LUT4", "flip_flops": "FF", "block_rams": "RAM", "single_port_rams": "SPRAM"}
    columns |= {"multipliers": "DSP"}
    table = new_table("module", "instances", *columns.values(), title="Yosys, module by module")
    for row in values["modules"]:
        table.add_row(row["module"], f"{row['instances']:,}", *(f"{row[key]:,}" for key in columns))
    table.add_section()
    table.add_row("optimised as one", "", *(f"{values['area'][key]:,}" for key in columns))
    show_table(table)
    clock = "not placed"
    if values["fits"]:
        clock = f"{quantity(values['fmax_hz'], 'Hz')}, asked for {quantity(values['constraint_hz'], 'Hz')}"
    show_facts(
        ("architecture", f"{values['architecture']} on {values['target']} ({values['part']})"),
        *_used(values["used"]),
        ("clock", clock),
    )


def _used(resources: dict[str, list[int]]) -> list[tuple[str, str]]:
    return [(what, f"{n:,} of {there:,} ({100 * n / there:.0f} %)") for what, (n, there) in resources.items()]


def built(values: dict[str, Any]) -> None:
    """After `nmc bitstream`."""
    rows = [("board", values["title"]), ("file", values["file"])]
    if "part" in values:
        rows[1] = ("file", f"{values['file']}, {values['bytes']:,} bytes for {values['part']}")
        rows += [("architecture", f"nmc compile --arch {values['architecture']}"), *_used(values["used"])]
        reached = f"{quantity(values['clock_hz'], 'Hz')}, reached {quantity(values['fmax_hz'], 'Hz')}"
        rows += [("clock", reached), ("line", f"{values['baud']:,} baud")]
    else:
        rows.append(("next", f"vivado -mode batch -source {values['file']}"))
    show_facts(*rows)
