"""The matrix: each framework's own run of its own layers against the compiled network, through the public path only.

    python tools/conformance.py [--write docs/conformance.md] [FRAMEWORK ...]

For every class of neurons and every option of it that changes what it does (`tools/frameworks/`), a network of two
default layers runs 40 samples of 20 timesteps in its framework. It is handed over in memory (`nm.from_torch`,
`nm.from_spyx`) and as the file that the framework's exporter writes (`nir.write`, `nm.read_network`, the preset, and
the options that the row names), compiled at 16 bits for `ecp5`, with calibration and without, and emulated. A cell is
the share of output values (spike counts; of a readout, potentials within 1 %) that equal the framework's own.

The frameworks must be installed in the same environment: torch first, then norse, spikingjelly and sinabs with
--no-deps, snntorch, rockpool, spyx, nir, nirtorch, and what they miss (pbr, loguru, matplotlib, tqdm). One that is
missing is said.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from frameworks.cell import SAMPLES, TIMESTEPS, Cell, Trained, inputs

import nmcompile as nm
from emulator.spec.errors import NmError
from nmcompile.coding.spikes import SpikeData
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float

FRAMEWORKS = ("snntorch", "norse", "sinabs", "spikingjelly", "rockpool", "spyx")
RECORDED = {
    ("snnTorch", "Leaky, reset_delay=False"): "snntorch_leaky_at_once",
    ("snnTorch", "Leaky, reset none at the output"): "snntorch_output_none",
    ("snnTorch", "Leaky, beta mixed"): "snntorch_betas",
    ("snnTorch", "Synaptic, reset zero"): "snntorch_synaptic_zero",
    ("Norse", "LIFCell"): "norse_lifcell",
    ("Norse", "IAFCell"): "norse_iafcell",
    ("Norse", "LIFBoxCell, v_leak"): "norse_lifbox_leak",
    ("sinabs", "IAFSqueeze"): "sinabs_iaf",
    ("sinabs", "IAFSqueeze, SingleSpike"): "sinabs_iaf_single",
    ("sinabs", "LIFSqueeze, norm_input=False, one tau a neuron"): "sinabs_lif_unit",
    ("SpikingJelly", "IFNode, v_reset=-0.5"): "spikingjelly_if_reset",
    ("Rockpool", "LIFTorch, above 31 spikes a timestep"): "rockpool_many",
    ("Spyx", "IF"): "spyx_if",
}
EXACT = 0.995  # of the output values
Shares = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """What was found for a cell; shares of equal output values, or a text where there is none.

    Attributes:
        memory: in floats, without calibration and with it.
        file: the same of the exporter's file.
        how: the way of the exporter: "file", or "graph" where `nir.write` fails on it.
    """

    cell: Cell
    spikes: int
    memory: Shares | str
    file: Shares | str
    how: str = "file"
    why: str = ""


def agreement(network: Any, semantics: Any, cell: Cell, x: np.ndarray, out: np.ndarray) -> Shares:
    """Shares of equal output values: in floats, at 16 bits without calibration, and with it."""
    floats = run_float(discretize(network, semantics or network.semantics), x).output_counts
    wanted = out.sum(axis=1)
    close = np.abs(floats - wanted) <= (1e-3 * np.abs(wanted).max() if cell.membrane else 0)
    found = [float(close.mean())]
    for calibrate in (None, x):
        compilation = nm.compile_network(network, nm.load_architecture("ecp5"), semantics, 16, calibrate)
        image = compilation.image
        probe = f"v:{image.compiled.output}"
        run = nm.evaluate(image, SpikeData(x, None, {}), probes=[probe] if cell.membrane else [])
        if cell.membrane:
            v = run.probes[probe][:, image.latency :][:, : x.shape[1]] / image.population(image.compiled.output).scale
            found.append(float((np.abs(v - out) <= 0.01 * np.abs(out).max()).mean()))
        else:
            found.append(float((run.output_counts == out.sum(axis=1)).mean()))
    return found[0], found[1], found[2]


def measure(cell: Cell) -> Row:
    """Run a cell in its framework, in memory and from its exporter's file."""
    trained, x = cell.build(), inputs()
    out = trained.run(x)
    sent = int(out.sum()) if not cell.membrane else int((out != 0).sum())
    try:
        network = in_memory(cell, trained)
        memory: Shares | str = agreement(network, None, cell, x, out)
    except NmError as error:
        memory = f"refused: {error}"
    try:
        graph = trained.export()
    except Exception as error:
        return Row(cell, sent, memory, f"its exporter fails ({type(error).__name__})", why=first_line(error))
    how, why = "file", ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            try:
                import nir

                nir.write(Path(folder) / "net.nir", graph)
                read = nm.read_network(Path(folder) / "net.nir")
            except NmError:
                raise
            except Exception as error:
                how, why = "graph", first_line(error)
                read = nm.from_nir(graph)
        semantics = nm.choose_semantics(cell.preset, cell.options)
        return Row(cell, sent, memory, agreement(read, semantics, cell, x, out), how, why)
    except NmError as error:
        return Row(cell, sent, memory, f"refused: {error}", how, why)


def in_memory(cell: Cell, trained: Trained) -> Any:
    return (nm.from_spyx if "Spyx" in cell.framework else nm.from_torch)(trained.module, trained.sample)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:90]


def cells(names: list[str]) -> Iterator[Cell]:
    """Of the frameworks that are installed."""
    for name in names:
        try:
            yield from import_module(f"frameworks.{name}_cells").cells()
        except ModuleNotFoundError as error:
            print(f"{name}: not installed ({error.name})", file=sys.stderr)


def record(cell: Cell, folder: Path) -> None:
    """Keep what the exporter wrote of a cell, and what the framework sent, for tests that run without frameworks."""
    name = RECORDED.get((cell.framework.split()[0], cell.name))
    if name is None:
        return
    import nir

    trained, x = cell.build(), inputs()
    nir.write(folder / f"{name}.nir", trained.export())
    counts = trained.run(x).sum(axis=1).astype(np.float32)
    np.savez_compressed(folder / f"{name}.npz", spikes=x, float_counts=counts)
    known = json.loads((folder / "index.json").read_text()) if (folder / "index.json").exists() else {}
    known[name] = {
        "made by": cell.framework,
        "class": cell.name,
        "semantics": cell.preset,
        "options": list(cell.options),
    }
    (folder / "index.json").write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


# ----------------------------------------------------------------------------------------------------------- the page
def share(found: Shares) -> str:
    floats, plain, calibrated = found
    if min(plain, calibrated) == 1:
        return "exact"
    if min(plain, calibrated) >= EXACT:
        return f"exact ({percent(min(plain, calibrated))})"
    if calibrated >= EXACT:
        return f"exact with `--calibrate` ({percent(calibrated)}), without {percent(plain)}: rounding"
    text = percent(min(plain, calibrated))
    return f"{text}: rounding, in floats {percent(floats)}" if floats >= EXACT else text


def percent(value: float) -> str:
    return f"{100 * value:.1f} %" if value < 1 else "100 %"


def verdict(row: Row) -> tuple[str, str]:
    """What the two columns say."""
    cell = row.cell
    memory = row.memory if isinstance(row.memory, str) else share(row.memory)
    if isinstance(row.file, str):
        file = row.file
        if cell.lost:
            file = f"lost: {cell.lost}"
    elif cell.lost:
        file = f"lost: {cell.lost} ({100 * min(row.file):.0f} % equal)"
    else:
        file = share(row.file)
        if cell.options:
            file = f"needs {' '.join(map(option, cell.options))}: {file}"
        if row.how == "graph":
            file = f"nir.write fails; its graph by `nm.from_nir`: {file}"
    return memory, file


def option(setting: str) -> str:
    """As one types it."""
    name, _, value = setting.partition("=")
    if ":" in name:
        return f"`--set {setting}`"
    value = f"'{value}'" if ">" in value else value
    return f"`--{name.replace('_', '-')} {value}`"


def page(rows: list[Row]) -> str:
    """The matrix as Markdown."""
    good = sum(verdict(row)[0].startswith("exact") for row in rows)
    text = f"""
        Made by `tools/conformance.py`: {len(rows)} cells, {good} of them exact in memory. Each is a network of two
        layers as the framework initialises them, run by the framework itself on {SAMPLES} samples of {TIMESTEPS}
        timesteps, and compiled at 16 bits for `ecp5`, with `--calibrate` and without. *exact*: every output value
        (spike count; of a readout, potential within 1 %) equals the framework's own, both times; with a number, at
        least {100 * EXACT:g} % do (the worse of the two), and the rest is rounding. *in memory* is
        `nm.from_torch(module, sample)` or `nm.from_spyx(model, shape)`; *from its exporter's file* is what `nir.write`
        wrote of the exporter's graph, read with the preset in the heading and the options named. *lost*: the file does
        not hold it and no option brings it back; hand the module over in memory."""
    lines = [
        "# What frameworks run, and what the compiled network sends",
        "",
        *textwrap.wrap(" ".join(text.split()), 120),
    ]
    for framework in dict.fromkeys(row.cell.framework for row in rows):
        mine = [row for row in rows if row.cell.framework == framework]
        lines += ["", f"## {framework} (`--semantics {mine[0].cell.preset}`)", ""]
        lines += ["| class and option | spikes | in memory | from its exporter's file |", "|---|---|---|---|"]
        for row in mine:
            memory, file = verdict(row)
            if row.cell.preset != mine[0].cell.preset:
                file = f"`--semantics {row.cell.preset}`, {file}"
            lines.append(f"| {row.cell.name} | {row.spikes:,} | {plain(memory)} | {plain(file)} |")
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frameworks", nargs="*", metavar="FRAMEWORK", help=", ".join(FRAMEWORKS))
    parser.add_argument("--write", help="the page to write; without it, it is printed")
    parser.add_argument("--record", help="a folder for files of RECORDED cells, with inputs and the framework's counts")
    parser.add_argument("--only", help="cells whose name holds this text")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # frameworks warn of much that is not ours
    rows = []
    for cell in cells(options.frameworks or list(FRAMEWORKS)):
        if options.only and options.only not in cell.name:
            continue
        if options.record:
            record(cell, Path(options.record))
            continue
        rows.append(measure(cell))
        memory, file = verdict(rows[-1])
        print(
            f"{cell.framework:20} {cell.name:45} {rows[-1].spikes:7} | {memory[:110]} | {file[:150]} {rows[-1].why}",
            flush=True,
        )
    if options.write:
        Path(options.write).write_text(page(rows))


if __name__ == "__main__":
    main()
