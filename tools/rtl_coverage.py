"""Line, branch and toggle coverage of the Verilog, by Verilator, over lockstep, illegal images and module benches.

    python tools/rtl_coverage.py              per file, and what was never reached
    python tools/rtl_coverage.py --toggles    and the bits that never changed

A point counts once, however many instances, sizes and cores it has.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "rtl"), str(ROOT)]
FLAGS = ["--coverage-line", "--coverage-toggle"]  # the state machines of --coverage crash this Verilator
GOAL = 98  # per cent of lines and branches

# what the C wrapper adds: every chip that ends leaves a file
WRITE = """#include <unistd.h>
#include <cstdlib>
#include <string>
#include "verilated_cov.h"
static void nm_cover(VerilatedContext& context) {
  static int chips = 0;
  const char* folder = std::getenv("NM_COVERAGE");
  if (!folder) return;  // the run is over
  const std::string place = std::string(folder) + "/" + std::to_string(getpid());
  context.coveragep()->write((place + "-" + std::to_string(chips++) + ".dat").c_str());
}
"""

Point = tuple[str, int, str, str]  # file, line, kind, what


def read_points(path: Path) -> dict[Point, int]:
    """The points of one .dat file of Verilator: lines of C '\\x01key\\x02value...' count."""
    points: dict[Point, int] = defaultdict(int)
    for row in path.read_text(errors="replace").splitlines():
        match = re.match(r"C '(.*)' (\d+)$", row)
        if not match:
            continue
        field = dict(part.split("\x02", 1) for part in match[1].split("\x01") if "\x02" in part)
        kind = field["page"].split("/")[0].removeprefix("v_")
        points[Path(field["f"]).name, int(field["l"]), kind, f"{field['o']} {field['n']}"] += int(match[2])
    return points


def prepare(folder: Path) -> Path:
    """A copy of rtl/ whose chips write their coverage, which all machines of this process are built from."""
    from emulator.verilog import build

    rtl = Path(shutil.copytree(ROOT / "rtl", folder / "rtl", ignore=shutil.ignore_patterns("boards", "formal")))
    wrapper = rtl / "nm_verilated.cpp"
    text = wrapper.read_text()
    assert text.count("top->final();") == 1
    head, tail = text.split("namespace {", 1)
    wrapper.write_text(head + WRITE + "namespace {" + tail.replace("top->final();", "top->final(); nm_cover(context);"))
    run = build.run_tool

    def covering(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
        if "--cc" in command:
            command = [*command[:2], *FLAGS, *command[2:]]
        elif command[0] == "g++":
            command = [*command, "-DVM_COVERAGE=1"]
        return run(command, cwd, environment)

    build.run_tool = covering
    build.rtl_directory = lambda: rtl
    os.environ["NM_COVERAGE"] = str(folder)
    return rtl


def gather(folder: Path, points: dict[Point, int]) -> None:
    """Add the files that were left, and remove them: there are thousands."""
    for path in folder.glob("*.dat"):
        for point, count in read_points(path).items():
            points[point] += count
        path.unlink()


def run_suite(folder: Path, points: dict[Point, int]) -> None:
    """Everything that exercises the Verilog, at CI's length."""
    import test_benches
    from cases import ARCHITECTURES, architecture
    from illegal import check_fault, illegal_cases
    from test_lockstep import covered

    rtl = prepare(folder)
    for name in track(ARCHITECTURES, description="lockstep, illegal images"):
        covered(name)
        for case in illegal_cases(architecture(name), 6, count=4):
            check_fault(case)
        gather(folder, points)
    test_benches.VERILATOR += FLAGS
    benches = [(name, size) for name, (_, sizes) in test_benches.BENCHES.items() for size in sizes]
    for i, (name, size) in enumerate(track(benches, description="benches")):
        place = folder / f"bench{i}"
        log = test_benches.simulate(name, size, "verilator", place, rtl)
        assert "FAIL=0" in log, log
        gather(place, points)


def report(points: dict[Point, int], toggles: bool) -> float:
    """Print; per cent of lines and branches reached."""
    console = Console(width=120)
    table = Table("file", "lines and branches", "%", "toggles", "%")
    files = sorted({point[0] for point in points if point[0].startswith("nm_")})
    total: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}

    def cells(file: str) -> list[str]:
        row = []
        for is_toggle in (False, True):
            counts = [n for p, n in points.items() if p[0] == file and (p[2] == "toggle") == is_toggle]
            hit = sum(n > 0 for n in counts)
            total[is_toggle][0] += hit
            total[is_toggle][1] += len(counts)
            row += [f"{hit} of {len(counts)}", f"{100 * hit / max(1, len(counts)):.1f}"]
        return row

    for file in files:
        table.add_row(file, *cells(file))
    share = {key: 100 * hit / max(1, count) for key, (hit, count) in total.items()}
    whole = [[f"{total[key][0]} of {total[key][1]}", f"{share[key]:.1f}"] for key in (False, True)]
    table.add_row("all", *whole[0], *whole[1])
    console.print(table)
    for file, line, kind, what in sorted(p for p, n in points.items() if n == 0 and p[0] in files):
        if kind != "toggle" or toggles:
            text = (ROOT / "rtl" / file).read_text().splitlines()[line - 1].strip()
            console.print(f"{file}:{line}  {kind} {what.split()[0]}: {text}", markup=False, highlight=False)
    return share[False]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toggles", action="store_true", help="list the bits that never changed")
    args = parser.parse_args()
    points: dict[Point, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as folder:
        run_suite(Path(folder), points)
        del os.environ["NM_COVERAGE"]
    share: Any = report(points, args.toggles)
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
