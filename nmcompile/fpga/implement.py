"""Area, clock and bitstream of a design with the open FPGA tools from PyPI: Yosys, then nextpnr, then the packer.

A design is Verilog text and its parameters; a target is a part. What the tools made of it is kept by content.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from emulator import cache, processes
from emulator.spec.arch import Architecture
from emulator.spec.errors import DeviceError
from emulator.verilog.build import board_parameters, board_sources, rtl_directory, rtl_parameters

from .area import area_statistics, leave_unused, measure_area, module_areas
from .targets import Family, Target, choose_target

INSTALL_TOOLS: Final = "pip install 'nmcompile[fpga]'"
LOGIC_SHARE: Final = 0.33  # of a clock period that a path may spend in logic before mapping prefers speed to area
SEEDS: Final = (1, 2, 3, 4)  # of the placement, tried one after the other until the clock is met,
NEAR: Final = 0.9  # unless this share of it is not
KEPT: Final = ("routed", "report.json", "nextpnr.log")  # of the best of them


@dataclass(frozen=True)
class Design:
    """Verilog files by name, the module at the top, and the parameters of `nm_board`."""

    files: dict[str, bytes]
    top: str
    parameters: dict[str, str]
    clock_hz: float  # what place and route aim at, where no pin file says so
    pins: str | None = None  # the name of the pin file among the files
    pack: bool = False  # make the bitstream, too
    defines: tuple[str, ...] = ()  # beside, or instead of, the family's


@dataclass(frozen=True)
class Implementation:
    """What the tools made of a design.

    `area` and each of `modules` (its own cells, without those of modules inside, times its instances) have the columns
    of AREA as Yosys counted them; `used` holds [used, available] of each resource after packing.
    """

    target: str
    part: str
    area: dict[str, int]
    modules: list[dict[str, Any]]
    used: dict[str, list[int]]
    fmax_hz: float | None  # of the slowest clock; None: not placed
    constraint_hz: float | None  # the frequency asked for on that clock
    error: str  # why nextpnr gave up, or nothing
    seed: int  # of the placement
    tools: dict[str, str]
    folder: str = field(compare=False, default="")  # where the files are kept

    @property
    def fits(self) -> bool:
        return self.fmax_hz is not None

    def problems(self, name: str) -> list[str]:
        """Why it does not fit, one line each; nothing if it does."""
        if self.fits:
            return []
        found = [
            f"{name!r} needs {used:,} {what} of {self.part}, which has {there:,}; "
            "use a smaller architecture or a larger target"
            for what, (used, there) in self.used.items()
            if used > there
        ]
        return found or [f"{name!r} cannot be placed and routed on {self.part}: {self.error}; use a larger target"]

    @property
    def bitstream(self) -> bytes:
        return (Path(self.folder) / "bitstream").read_bytes()


# --------------------------------------------------------------------------------------------------- designs
def family_parameters(arch: Architecture, scarce: bool, counter_bits: int) -> dict[str, int]:
    """What the part decides about the chip: where axon entries are, what shifts, and whether a ledger is kept."""
    return {
        "SHARED_AXONS": int(scarce and arch.lanes == 4),
        "SCARCE": int(scarce),
        "COUNTER_BITS": counter_bits,
    }


def source_files() -> dict[str, bytes]:
    """The Verilog of a board, by name."""
    paths = [*board_sources(), *sorted(rtl_directory().glob("*.vh"))]
    return {path.name: path.read_bytes() for path in paths}


def chip_design(arch: Architecture, target: Target, link: bool = True) -> Design:
    """Chip, link and UART, or the chip alone, without the pins of a board: what `nmc synth` measures."""
    own = {name: str(value) for name, value in family_parameters(arch, target.family.scarce, 0).items()}
    if not link:
        alone = rtl_directory() / "synth" / "nm_alone.v"
        values = {name: str(value) for name, value in rtl_parameters(arch).items()}
        return Design(source_files() | {alone.name: alone.read_bytes()}, "nm_alone", values | own, arch.clock_hz)
    parameters = board_parameters(arch, 12) | own
    files = source_files() | {"pins": target.any_pins.encode()}
    return Design(files, "nm_board", parameters, arch.clock_hz, "pins" if target.any_pins else None)


def measure(
    arch: Architecture,
    target_name: str,
    progress: Callable[[str, int, int], None] | None = None,
    link: bool = True,
) -> tuple[dict[str, Any], list[str]]:
    """What `nmc synth` prints, and, if it does not fit the part, why.

    Raises:
        UsageError: no such target, or no such chip in the Verilog.
        DeviceError: a tool is missing or failed.
    """
    target = choose_target(target_name)
    made = implement(chip_design(arch, target, link), target, progress)
    values = {"architecture": arch.name} | asdict(made) | {"fits": made.fits}
    del values["folder"]
    return values, made.problems(arch.name)


# --------------------------------------------------------------------------------------------------- the flow
def design_digest(design: Design, target: Target) -> str:
    """Everything that a result depends on: Verilog, parameters, pins, part, tools. A comment in a line is nothing.

    Raises:
        DeviceError: a tool is missing.
    """
    settings = [design.top, design.parameters, design.clock_hz, design.pins, design.pack, design.defines]
    settings += [LOGIC_SHARE, SEEDS, NEAR]
    tools = tool_versions(target.family)
    digest = hashlib.sha256(json.dumps([asdict(target), tools, settings], sort_keys=True).encode())
    for name, data in sorted(design.files.items()):
        digest.update(name.encode() + b"\0" + re.sub(rb"[ \t]*//[^\n]*", b"", data))
    return digest.hexdigest()


def implement(
    design: Design, target: Target, progress: Callable[[str, int, int], None] | None = None
) -> Implementation:
    """Synthesise, place, route and, if asked, pack a design; from the cache if nothing changed.

    Raises:
        DeviceError: a tool is missing, with the command that installs it, or failed, with the end of its log.
    """

    def make(work: Path) -> None:
        values = _build(design, target, work, progress or (lambda *_: None))
        (work / "result.json").write_text(json.dumps(values | {"tools": tool_versions(target.family)}))
        for name in design.files.keys() | {"design.json", "routed", "yosys.log", "pack.log"}:
            (work / name).unlink(missing_ok=True)

    kept = cache.made("fpga", design_digest(design, target)[:32], make)
    return Implementation(**json.loads((kept / "result.json").read_text()), folder=str(kept))


def tool_versions(family: Family) -> dict[str, str]:
    """The tools of a family and their versions.

    Raises:
        DeviceError: one is missing.
    """
    packages = ["pyosys", f"yowasp-nextpnr-{family.router}"]
    modules = ["pyosys", f"yowasp_nextpnr_{family.router.replace('-', '_')}", family.pack[0].split(".")[0]]
    if modules[-1] == "apycula":
        packages.append("apycula")
    for module in modules:
        if find_spec(module) is None:
            raise DeviceError(f"{module} is not installed, which {family.name} parts need; run: {INSTALL_TOOLS}")
    return {package: metadata.version(package) for package in packages}


def _build(design: Design, target: Target, work: Path, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    family = target.family
    for name, data in design.files.items():
        (work / name).write_bytes(data)
    progress("synthesis", 0, 3)
    area, modules = _synthesise(design, family, work)
    values: dict[str, Any] = {"target": target.name, "part": target.part, "area": area, "modules": modules}
    placed: dict[str, Any] = {}
    for seed in SEEDS:
        progress("place and route", 1, 3)
        found = _place(design, target, work, seed)
        reached = (found["fmax_hz"] or 0) / (found["constraint_hz"] or 1)
        if not placed or (found["fmax_hz"] or 0) > placed["fmax_hz"]:
            placed = found | {"seed": seed}
            kept = {name: (work / name).read_bytes() for name in KEPT if (work / name).exists()}
        if not NEAR <= reached < 1:
            break
    for name, data in kept.items():
        (work / name).write_bytes(data)
    if placed["fmax_hz"] and design.pack:
        progress("bitstream", 2, 3)
        options = [*target.pack_device, *family.pack_options, *_files(family)]
        code, log = _python(*family.pack, options, work, "pack.log")
        if code:
            raise DeviceError(f"{family.pack[1]} failed ({code}):\n{log.strip()[-4000:]}")
    return values | placed


def _place(design: Design, target: Target, work: Path, seed: int) -> dict[str, Any]:
    """Place and route once; `fmax_hz` None if it does not fit."""
    family = target.family
    router = f"nextpnr_{family.router.replace('-', '_')}"
    options = [*target.device, *family.router_options, "--json", "design.json", "--report", "report.json"]
    options += ["--freq", f"{design.clock_hz / 1e6:g}", "--timing-allow-fail", "--seed", str(seed)]
    options += [family.routed, "routed"]
    if design.pins:
        options += [f"{family.pins}={design.pins}"]
    code, log = _python(f"yowasp_{router}", f"run_{router}", options, work, "nextpnr.log")
    found = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", log, re.M)
    counts = {name: [int(count), int(there)] for name, count, there in found}
    used = {words: counts[name] for name, words in family.resources.items() if name in counts}
    values: dict[str, Any] = {"used": used, "fmax_hz": None, "constraint_hz": None, "error": ""}
    if code:
        errors = [line.removeprefix("ERROR: ") for line in log.splitlines() if line.startswith("ERROR: ")]
        if not used or not errors:  # stopped or crashed: another run may end otherwise, so nothing is kept
            raise DeviceError(f"nextpnr-{family.router} failed ({code}):\n{log.strip()[-4000:]}")
        return values | {"error": errors[0]}
    clocks = json.loads((work / "report.json").read_text())["fmax"]
    slowest = min(clocks.values(), key=lambda clock: clock["achieved"] / clock["constraint"])
    return values | {"fmax_hz": slowest["achieved"] * 1e6, "constraint_hz": slowest["constraint"] * 1e6}


def _files(family: Family) -> list[str]:
    return ["-o", "bitstream", "routed"] if family.name == "gowin" else ["routed", "bitstream"]


def _python(module: str, function: str, arguments: list[str], work: Path, log: str) -> tuple[int, str]:
    """Call a tool that is a Python package in a process of its own: (exit code, what it said).

    File names are relative, as YoWASP needs them. What it says can be followed in the file `log`.
    """
    call = "run()" if function == "main" else "run(sys.argv[1:])"
    program = f"import sys; from {module} import {function} as run; sys.exit({call})"
    with (work / log).open("w") as file:
        done = processes.run([sys.executable, "-c", program, *arguments], work, log=file)
    return done.returncode, (work / log).read_text()


def mapping_bound(clock_hz: float) -> str:
    """The Yosys command that has it map for area where this clock allows it."""
    return f"scratchpad -set abc9.D {round(1e12 / clock_hz * LOGIC_SHARE)}"


def _synthesise(design: Design, family: Family, work: Path) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Twice: module by module for the table, then as one for the part."""
    sources = " ".join(name for name in design.files if name.endswith(".v"))
    defines = "".join(f"-D{name} " for name in family.defines + design.defines)
    script = [f"read_verilog -sv -defer {defines}{sources}"]
    script += [f"chparam -set {name} {value} {design.top}" for name, value in design.parameters.items()]
    script += ["design -save start", mapping_bound(design.clock_hz)]
    script += [f"{family.synthesis} -noflatten -top {design.top}", "tee -q -o modules.json stat -json"]
    script += ["design -load start", f"{family.synthesis} -top {design.top} -json design.json"]
    script += ["tee -q -o whole.json stat -json"]
    (work / "synth.ys").write_text("\n".join(script) + "\n")
    program = "from pyosys import libyosys as ys; ys.run_pass('tee -q -o yosys.log script synth.ys', ys.Design())"
    done = processes.run([sys.executable, "-c", program], work)
    if done.returncode:
        log = (work / "yosys.log").read_text() + done.stderr
        raise DeviceError(f"Yosys failed ({done.returncode}):\n{log.strip()[-4000:]}")
    if family.carry_out:
        leave_unused(work / "design.json", *family.carry_out)
    whole = area_statistics(work / "whole.json")
    by_module = area_statistics(work / "modules.json")
    return measure_area(whole[design.top], family), module_areas(by_module, design.top, family)
