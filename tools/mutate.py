"""Mutate the Verilog and see whether lockstep notices: the share of mutants killed, and every survivor by line.

    python tools/mutate.py                      a seeded sample of 40 mutants
    python tools/mutate.py --mutants 300        the campaign
    python tools/mutate.py --only nm_router     mutants of one file

A mutant changes one operator or constant of one line. It is built for the architectures of tests/rtl/cases.py and runs
in lockstep with the reference on random programs until the first difference. One that does not build is not counted.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = ("one narrow lane", "like up5k", "like ecp5")
IMAGES = 25  # random programs per architecture before a mutant counts as a survivor
SECONDS = 600  # for one mutant, builds included; a mutant that hangs is killed

# (what is found, what it becomes); applied to code without comments, away from declarations
OPERATORS = [
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r" == ", " != "),
    (r" != ", " == "),
    (r" < ", " >= "),
    (r" >= ", " < "),
    (r" > ", " <= "),
    (r" & ", " | "),
    (r" \| ", " & "),
    (r" \^ ", " & "),
    (r" >> ", " << "),
    (r"(?<=[ (])!(?=[a-z(])", ""),
    (r"(?<=[ (,{])~(?=[a-z({])", ""),
    (r"1'b0", "1'b1"),
    (r"1'b1", "1'b0"),
    (r"(?<=')\(1\)", "(2)"),
    (r"\[0\]", "[1]"),
    (r"\? ([\w'\[\]:.]+) : ([\w'\[\]:.]+);", r"? \2 : \1;"),
]
DECLARATION = re.compile(r"^\s*(parameter|localparam|input|output|typedef|`|module|endmodule|function|\.)")


@dataclass(frozen=True)
class Mutant:
    """One change: `old` becomes `new` in a line of a file."""

    file: str
    line: int
    old: str
    new: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}"


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a file."""
    found = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        code = text.split("//")[0]
        if DECLARATION.match(code):
            continue
        for pattern, change in OPERATORS:
            for match in re.finditer(pattern, code):
                new = code[: match.start()] + match.expand(change) + code[match.end() :]
                found.append(Mutant(path.name, number, code, new))
    return found


def run(mutant: Mutant) -> str:
    """ "killed", "survived" or "stillborn" (does not build)."""
    with tempfile.TemporaryDirectory() as folder:
        rtl = Path(folder) / "rtl"
        shutil.copytree(ROOT / "rtl", rtl, ignore=shutil.ignore_patterns("boards"))
        lines = (rtl / mutant.file).read_text().splitlines()
        assert lines[mutant.line - 1].startswith(mutant.old)
        lines[mutant.line - 1] = mutant.new
        (rtl / mutant.file).write_text("\n".join(lines) + "\n")
        environment = os.environ | {"NMC_CACHE": str(Path(folder) / "cache")}
        command = [sys.executable, __file__, "--run", str(rtl)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return "killed"
        return {0: "survived", 3: "stillborn"}.get(done.returncode, "killed")


def lockstep_with(rtl: Path) -> int:
    """Exit code of one mutant's own process: 0 nothing noticed, 1 a difference, 3 it does not build."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "rtl")]
    from cases import architecture, case
    from test_lockstep import has_rows

    from emulator import verilated
    from emulator.lockstep import lockstep
    from emulator.spec.errors import DeviceError, MachineError

    verilated.rtl_directory = lambda: rtl
    for name in ARCHITECTURES:
        arch = architecture(name)
        for i in range(IMAGES):
            image, inputs, rewards = case(arch, 9, i)
            if has_rows(image):
                continue
            try:
                lockstep(image, inputs, rewards)
            except DeviceError:
                return 3
            except MachineError:
                return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a file name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        return lockstep_with(args.run)

    from emulator.verilated import rtl_sources

    pool = [m for path in rtl_sources() if args.only in path.name for m in mutants_of(path)]
    chosen = random.Random(args.seed).sample(pool, min(args.mutants, len(pool)))
    with ThreadPoolExecutor(args.jobs) as workers:
        results = list(track(workers.map(run, chosen), total=len(chosen), description="mutants"))
    console = Console(width=120)
    alive = [m for m, result in zip(chosen, results, strict=True) if result == "survived"]
    counted = len(chosen) - results.count("stillborn")
    table = Table("survivor", "was", "became")
    for m in sorted(alive, key=lambda m: (m.file, m.line)):
        table.add_row(m.name, m.old.strip(), m.new.strip())
    if alive:
        console.print(table, markup=False)
    killed = counted - len(alive)
    console.print(
        f"{killed} of {counted} mutants killed ({100 * killed / max(1, counted):.1f} %), of {len(pool):,} possible; "
        f"{results.count('stillborn')} did not build; seed {args.seed}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
