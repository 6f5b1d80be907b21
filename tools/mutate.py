"""Mutate the Verilog and see whether its tests notice: the share of mutants killed, and every survivor by line.

    python tools/mutate.py                      a seeded sample of 40 mutants
    python tools/mutate.py --mutants 300 --state runs.jsonl   the campaign; run again, it goes on where it stopped
    python tools/mutate.py --only nm_router     mutants of one file

A mutant changes one operator, constant, condition, choice or assignment. A sample is built into one model of each
architecture, every mutant beside what it replaces, and a number picks one when the model starts: a mutant costs no
build. It runs in lockstep with recordings of the reference on a few random programs, then on illegal images, through
the host port, in the benches of its module and, if it still lives, on many programs. Survivors are listed with
their reasons of `tools/mutants.toml`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mutants import ROOT, Mutant, attempt, campaign, reasons, show
from rich.progress import track

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "rtl"), str(ROOT)]

ARCHITECTURES = {"one narrow lane": {}, "like up5k": {"SHARED_AXONS": 1, "SCARCE": 1}, "like ecp5": {}}
IMAGES = 25  # random programs of one core that a mutant must pass; half of it for a mesh
FIRST = 4  # of them, which find most mutants, before the other trials
SECONDS = 300  # of processor time of one trial on one architecture; a mutant that hangs is killed
SWAPS = {
    "+": "-", "-": "+", "&&": "||", "||": "&&", "==": "!=", "!=": "==", "<": "<=", ">=": ">", ">": ">=", "<=": "<",
    "&": "|", "|": "&", "^": "|", ">>": "<<", "<<": ">>", ">>>": ">>",
}  # fmt: skip
BINARY = re.compile(
    r"(Add|Subtract|Logical(And|Or)|Equality|Inequality|(Less|Greater)Than(Equal)?|Binary(And|Or|Xor)"
    r"|(Logical|Arithmetic)Shift(Left|Right))Expression"
)
# where a value must be constant, or is a name: nothing inside is changed
CONSTANT = re.compile(
    r"Declaration|Declarator|Dimension|Select$|ParameterValueAssignment|EventControl|InstanceName|MacroUsage|Port$"
)
PACKAGE = """package nm_mutant;
  import "DPI-C" function int nm_mutant_number();
  int number = nm_mutant_number();
endpackage
"""
NUMBER = """#include <cstdlib>
extern "C" int nm_mutant_number() {
  const char* number = std::getenv("NM_MUTANT");
  return number ? std::atoi(number) : 0;
}
"""


# ------------------------------------------------------------------------------------------------------ mutants
def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a file."""
    import pyslang
    from pyslang.parsing import PreprocessorOptions, Token
    from pyslang.syntax import SyntaxTree

    options = PreprocessorOptions()
    options.predefines = ["NM_POISON 1", "VERILATOR 1"]
    options.additionalIncludePaths = [str(path.parent)]
    manager = pyslang.SourceManager()
    text = path.read_text()
    tree = SyntaxTree.fromText(text, manager, path.name, str(path), pyslang.Bag([options]))
    lines = text.splitlines()
    found: list[Mutant] = []

    def span(node: Any) -> tuple[int, int] | None:
        """Offsets of a node in the file; an end that a macro wrote is where the macro was used."""
        start, end = node.sourceRange.start, node.sourceRange.end
        if not manager.isFileLoc(start) or manager.getFileName(start) != manager.getFileName(
            tree.root.sourceRange.start
        ):
            return None
        if not manager.isFileLoc(end):
            end = manager.getExpansionRange(end).end
        return (start.offset, end.offset) if end.offset > start.offset else None

    def add(node: Any, new: str) -> None:
        place = span(node)
        if place is None:
            return
        line = text.count("\n", 0, place[0])
        old = text[place[0] : place[1]]
        found.append(Mutant(path.name, place[0], old, new, line + 1, lines[line].split("//")[0].strip()))

    def source(node: Any) -> str:
        place = span(node)
        return text[place[0] : place[1]] if place else ""

    def visit(node: Any) -> None:
        kind = node.kind.name
        if CONSTANT.search(kind) and kind not in ("ModuleDeclaration", "FunctionDeclaration"):
            return
        children = [child for child in node if not isinstance(child, Token) and hasattr(child, "sourceRange")]
        if kind in ("IfGenerate", "LoopGenerate"):  # their conditions are constant
            children = [
                child for child in children if child.kind.name == "GenerateBlock" or "Clause" in child.kind.name
            ]
        elif kind == "ForLoopStatement":
            children = [node.statement]
        elif kind == "CastExpression":
            children = [node.right]
        elif kind == "MultipleConcatenationExpression":
            children = [node.concatenation]
        elif kind == "StandardCaseItem":
            children = [node.clause]
        elif BINARY.fullmatch(kind) and span(node):
            operator = node.operatorToken
            at, (start, _) = operator.location.offset - span(node)[0], span(node)
            old, word = source(node), operator.rawText
            if word in SWAPS and text[start + at : start + at + len(word)] == word:
                add(node, old[:at] + SWAPS[word] + old[at + len(word) :])
        elif kind in ("UnaryLogicalNotExpression", "UnaryBitwiseNotExpression"):
            add(node, source(node.operand))
        elif kind in ("UnaryBitwiseAndExpression", "UnaryBitwiseOrExpression"):
            other = "|" if "And" in kind else "&"
            add(node, f"({other}{source(node.operand)})")
        elif kind == "ConditionalExpression":
            add(node, f"{source(node.predicate)} ? {source(node.right)} : {source(node.left)}")
        elif kind == "IntegerVectorExpression":
            match = re.fullmatch(r"(\d+)'([bdh])([0-9a-f]+)", source(node))
            if match:
                bits, base = int(match[1]), {"b": 2, "d": 10, "h": 16}[match[2]]
                add(node, f"{bits}'d{(int(match[3], base) + 1) % (1 << bits)}")
        elif kind == "ConditionalPattern":  # of if; the pieces of its condition are mutated below
            add(node, f"!({source(node)})")
        elif kind == "NonblockingAssignmentExpression":
            add(node.right, source(node.left))  # it is left out
            children = [node.right]
        elif kind == "AssignmentExpression":
            children = [] if source(node.left).startswith("unused") else [node.right]
        for child in children:
            visit(child)

    visit(tree.root)
    return [m for m in found if m.old != m.new and m.new]


def woven(text: str, mutants: list[tuple[int, Mutant]]) -> str:
    """A file's text with all its numbered mutants in it, each behind a choice; ranges nest or are apart."""
    ordered = sorted(mutants, key=lambda pair: (pair[1].start, -len(pair[1].old)))

    def render(start: int, end: int, inner: list[tuple[int, Mutant]]) -> str:
        parts, at = [], start
        while inner:
            number, mutant = inner[0]
            stop = mutant.start + len(mutant.old)
            nested = [pair for pair in inner[1:] if pair[1].start < stop]
            inner = [pair for pair in inner[1:] if pair[1].start >= stop]
            parts.append(text[at : mutant.start])
            original = render(mutant.start, stop, nested)
            parts.append(f"((nm_mutant::number == {number}) ? ({mutant.new}) : ({original}))")
            at = stop
        return "".join(parts) + text[at:end]

    return render(0, len(text), ordered)


def weave(folder: Path, mutants: list[tuple[int, Mutant]]) -> None:
    """Copy rtl/ to `folder`, with these numbered mutants in it."""
    shutil.copytree(ROOT / "rtl", folder, ignore=shutil.ignore_patterns("boards", "formal"))
    for file, group in itertools.groupby(sorted(mutants, key=lambda p: p[1].file), key=lambda p: p[1].file):
        path = folder / file
        path.write_text(woven(path.read_text(), list(group)))
    (folder / "nm_mutant.v").write_text(PACKAGE)
    (folder / "nm_mutant.cpp").write_text(NUMBER)
    wrapper = folder / "nm_verilated.cpp"
    wrapper.write_text(wrapper.read_text() + NUMBER)


# ------------------------------------------------------------------------------------------------------- trials
class Recording:
    """A run of the reference: what it told, fired and held after each reset and step."""

    def __init__(self, case: tuple[Any, Any, Any]):
        from emulator.reference import Reference
        from emulator.verilog.lockstep import Lockstep

        self.case, self.frames = case, []

        def recorded(image: Any, retire: Any) -> Any:
            machine = Reference(image, lambda *row: (self.rows.append(row), retire(*row)))
            self.rows: list[Any] = []
            reset, step = machine.reset, machine.step
            machine.reset = lambda *a: self.keep(machine, reset(*a))  # type: ignore[method-assign]
            machine.step = lambda: self.keep(machine, step())  # type: ignore[method-assign]
            return machine

        # lockstep of two references: the right one sees to nothing but that the driver does its part
        run = Lockstep(case[0], left=recorded, right=Reference)
        run.recorders[1].clocked = False
        run.run(case[1], case[2])

    def keep(self, machine: Any, result: Any) -> Any:
        from emulator.verilog.lockstep import reference_state, weights_of

        cores = range(machine.arch.cores)
        self.frames.append(
            SimpleNamespace(
                rows=self.rows[:],
                result=result,
                counters=dict(machine.counters),
                core_counters=[dict(core.counters) for core in machine.cores],
                states=[reference_state(core) for core in machine.cores],
                weights=[weights_of(machine, core) for core in cores],
                cycles=machine.cycles(),
            )
        )
        self.rows.clear()
        return result

    def machine(self, image: Any, retire: Any) -> Any:
        return Replay(self.frames, retire)


class Replay:
    """The interface of a machine, from a recording."""

    def __init__(self, frames: list[Any], retire: Any):
        self.coming, self.retire = iter(frames), retire

    def next(self, *_: Any) -> Any:
        self.frame = next(self.coming)
        for row in self.frame.rows:
            self.retire(*row)
        return self.frame.result

    reset = step = next

    def inject(self, *_: Any) -> None:
        pass

    @property
    def counters(self) -> dict[str, int]:
        return self.frame.counters

    @property
    def cores(self) -> list[Any]:
        return [SimpleNamespace(counters=counters) for counters in self.frame.core_counters]

    def cycles(self) -> int:
        return self.frame.cycles

    def state(self, core: int) -> Any:
        return self.frame.states[core]

    def synapses(self, core: int) -> Any:
        return self.frame.weights[core]


class Trials:
    """Everything that a mutant must pass; made before the mutants run, so that each of them only replays."""

    def __init__(self, rtl: Path):
        from cases import architecture, case
        from illegal import illegal_cases

        from emulator.verilog import build, host

        self.rtl = rtl
        build.rtl_directory = host.rtl_directory = lambda: rtl
        sources = build.rtl_sources
        build.rtl_sources = lambda: [rtl / "nm_mutant.v", *sources()]
        host.COMMAND_LIMIT = 300_000  # type: ignore[misc]
        self.recordings, self.illegal = {}, {}
        for name, override in track(ARCHITECTURES.items(), description="building, recording"):
            arch = architecture(name)
            build.build(build.rtl_parameters(arch, **override))
            images = range(IMAGES if arch.cores == 1 else IMAGES // 2)  # of which every third learns
            cases = (case(arch, 9, i, timesteps=4, learning=i % 3 == 0) for i in images)
            self.recordings[name] = [Recording(c) for c in cases]
            self.illegal[name] = list(illegal_cases(arch, 9, count=6))
            for trial in (self.programs, self.faults, self.host):  # without a mutant everything passes
                ending = mutated(0, lambda name=name, trial=trial: trial(name))
                if ending:
                    raise SystemExit(f"the Verilog as it is fails on {name!r}: {ending}")

    def programs(self, name: str, which: slice = slice(None)) -> None:
        """Lockstep with the recordings; raises at a difference."""
        from emulator.verilog.lockstep import Lockstep
        from emulator.verilog.verilated import Verilated

        def right(image: Any, retire: Any) -> Verilated:
            return Verilated(image, retire, **ARCHITECTURES[name])

        for recording in self.recordings[name][which]:
            image, inputs, rewards = recording.case
            every = 2 if image.arch.cores == 1 else 8  # as in test_lockstep
            Lockstep(image, left=recording.machine, right=right, every=every).run(inputs, rewards)

    def faults(self, name: str) -> None:
        from illegal import check_fault

        for case in self.illegal[name]:
            check_fault(case, **ARCHITECTURES[name])

    def host(self, name: str) -> None:
        """What the host writes is what it reads."""
        from host import check_host, fires

        cases = (recording.case for recording in self.recordings[name])
        image, inputs = next((image, inputs[0]) for image, inputs, _ in cases if fires(image, len(inputs[0])))
        check_host(image, inputs, **ARCHITECTURES[name])

    def benches(self, module: str) -> None:
        """Raise if a bench of the module fails; a bench is built once for all mutants."""
        from test_benches import BENCHES, simulate

        for name, (others, sizes) in BENCHES.items():
            if module in (name, *others.split()):
                for i, size in enumerate(sizes):
                    folder = self.rtl.parent / f"bench-{name}-{i}-{os.getpid()}"
                    extra = (self.rtl / "nm_mutant.v", self.rtl / "nm_mutant.cpp")
                    log = simulate(name, size, "verilator", folder, self.rtl, extra)
                    shutil.rmtree(folder, ignore_errors=True)
                    assert "FAIL=0" in log


def mutated(number: int, trial: Any) -> str:
    """How a trial ends with a mutant; "" if it passes."""

    def run() -> None:
        os.environ["NM_MUTANT"] = str(number)
        trial()

    return attempt(run, SECONDS)


def judge(number: int, mutant: Mutant, trials: Trials) -> dict[str, str]:
    """How a mutant was killed, and by what; or that it survived."""
    module = mutant.file.removeprefix("nm_").removesuffix(".v")
    stages: list[tuple[str, list[Any]]] = [
        ("lockstep", [lambda n=n: trials.programs(n, slice(FIRST)) for n in ARCHITECTURES]),
        ("illegal images", [lambda n=n: trials.faults(n) for n in ARCHITECTURES]),
        ("host port", [lambda n=n: trials.host(n) for n in ARCHITECTURES]),
        ("benches", [lambda: trials.benches(module)]),
        ("lockstep", [lambda n=n: trials.programs(n, slice(FIRST, None)) for n in ARCHITECTURES]),
    ]
    for by, stage in stages:
        for trial in stage:
            if found := mutated(number, trial):
                return {"result": "killed", "by": by, "how": found}
    return {"result": "survived", "by": "", "how": ""}


# ----------------------------------------------------------------------------------------------------- campaign
def sound(rtl: Path) -> str:
    """What is wrong with a woven copy of rtl/: Verilator's first complaint, or nothing."""
    import subprocess

    from emulator.verilog.build import CHIP_MODULES, tool_environment

    files = [str(rtl / "nm_mutant.v"), *(str(rtl / f"nm_{name}.v") for name in CHIP_MODULES)]
    command = ["verilator", "--lint-only", "-Wno-fatal", "-Wno-lint", f"-I{rtl}", "+define+NM_POISON", *files]
    done = subprocess.run([*command, "--top-module", "nm_chip"], env=tool_environment(), capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def buildable(numbered: list[tuple[int, Mutant]], folder: Path) -> list[tuple[int, Mutant]]:
    """Without those that Verilator refuses, found by its messages."""
    for attempt_ in range(10):
        rtl = folder / f"try{attempt_}"
        weave(rtl, numbered)
        complaint = sound(rtl)
        if not complaint:
            return numbered
        bad = set()
        for file, line in re.findall(r"%Error[^:]*: \S*?(nm_\w+\.v):(\d+):", complaint):
            text = (rtl / file).read_text().splitlines()[int(line) - 1]
            bad |= {int(n) for n in re.findall(r"nm_mutant::number == (\d+)", text)}
        if not bad:
            raise SystemExit(complaint)
        numbered = [(n, m) for n, m in numbered if n not in bad]
    raise SystemExit("the mutants do not build together")


def sample(only: str, count: int, seed: int) -> tuple[list[Mutant], int]:
    """A seeded sample, and how many there are."""
    from emulator.verilog.build import CHIP_MODULES

    names = [f"nm_{name}.v" for name in CHIP_MODULES]
    pool = [m for name in names if only in name for m in mutants_of(ROOT / "rtl" / name)]
    return random.Random(seed).sample(pool, min(count, len(pool))), len(pool)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a file name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many are judged at a time")
    parser.add_argument("--state", type=Path, help="file of results, to go on from")
    args = parser.parse_args()
    chosen, possible = sample(args.only, args.mutants, args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbered = buildable(list(enumerate(chosen, 1)), folder)
        weave(folder / "rtl", numbered)
        trials: list[Trials] = []
        digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted((ROOT / "rtl").glob("nm_*")))).hexdigest()[:16]
        rows = campaign(
            numbered,
            place=lambda pair: pair[1].place,
            judge=lambda pair: judge(*pair, trials[0]) | {"rtl": digest},
            holds=lambda _, row: row["rtl"] == digest,
            begin=lambda: trials.append(Trials(folder / "rtl")),
            state=args.state,
            jobs=args.jobs,
        )
    found = [(mutant, row) for (_, mutant), row in zip(numbered, rows, strict=True)]
    stages = ("lockstep", "illegal images", "host port", "benches")
    killers = ", ".join(f"{by} {sum(row['by'] == by for row in rows)}" for by in stages)
    dead = len(chosen) - len(numbered)
    tail = f"of {possible:,} possible; seed {args.seed}; by {killers}; {dead} did not build"
    show(found, reasons("mutants.toml"), tail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
