"""Mutate the Python and see whether its tests notice: the share of mutants killed, and every survivor by line.

    python tools/mutate_python.py               a seeded sample of 48 mutants, evenly over the rooms
    python tools/mutate_python.py --mutants 320 --state runs.jsonl   the campaign; run again, it goes on
    python tools/mutate_python.py --only place/              mutants of some files

A mutant changes one operator, constant, condition, slice, call or statement of the compiler's passes, `emulator/spec`,
what lays an image out for the kernel, prices, results or reports. Texts, annotations and what Numba compiles stay as
they are: a kernel compiles for minutes, and the reference says whether it is right. Every fast test is run once, in a
process of its own, to see how long it takes and which lines it reaches; a mutant runs those that reach it, the fastest
first, in a process that imports the changed module instead of the file, so that no kernel is compiled anew. Survivors
are listed with their reasons of `tools/mutants_python.toml`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutants import ROOT, Mutant, attempt, campaign, reasons, show

LAYOUT = ("prepare", "instructions", "banks", "synapses", "tables", "counting")
ROOMS = {
    "spec": ["emulator/spec/*.py"],
    "layout": [f"emulator/kernel/{name}.py" for name in LAYOUT],
    "prices": [
        "emulator/energy.py",
        "emulator/metrics.py",
        "emulator/result.py",
        "emulator/run_notes.py",
        "emulator/prices/*.py",
    ],
    **{
        room: [f"nmcompile/{room}/*.py", f"nmcompile/{room}.py"]
        for room in (
            *("network", "neurons", "coding", "frontends", "learning", "discretize", "retime", "quantize", "place"),
            *("emit", "pipeline", "results", "report"),
        )
    },
}
ELSEWHERE = {"bench", "bitstream", "board", "link", "package", "synth", "uart"}  # tests of other rooms
KERNEL = "emulator/kernel/simulate.py"  # who reaches it runs a kernel
SLOW = 3.0  # seconds of processor time, while its lines are noted; tests that take longer are left out
ENOUGH = 60.0  # seconds of tests that a mutant must pass, the fastest first
FEW = 12  # of them run alone before the others, whose files take longer to import
MEMORY = 8 << 30  # bytes that a mutant may ask for
COMPILED = {"inner", "njit", "intrinsic", "overload", "jit"}  # decorators of what Numba compiles
SWAPPED = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*",
    ast.Mod: "*", ast.Pow: "*", ast.MatMult: "*",
    ast.LShift: ">>", ast.RShift: "<<", ast.BitAnd: "|", ast.BitOr: "&", ast.BitXor: "|",
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in", ast.And: "or", ast.Or: "and",
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "rint": "floor",
    "minimum": "maximum", "maximum": "minimum", "argmin": "argmax", "argmax": "argmin", "round": "int",
    "abs": "", "sorted": "list", "zeros": "ones", "ones": "zeros",
}  # fmt: skip
SIDES = {"left": "right", "right": "left"}  # of searchsorted
UNCHANGED_KEYWORDS = {
    "dtype",
    "strict",
    "kind",
    "copy",
    "indent",
    "encoding",
    "help",
    "style",
}  # mostly equivalent, or text


# ------------------------------------------------------------------------------------------------------ mutants
class Finder(ast.NodeVisitor):
    """Collects the mutants of a file."""

    def __init__(self, file: str, text: str):
        self.file, self.text = file, text
        self.lines = self.text.splitlines(keepends=True)
        self.starts = [0, *itertools.accumulate(len(line) for line in self.lines)]
        self.found: list[Mutant] = []
        self.visit(ast.parse(self.text))

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        start = self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return start, self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def source(self, node: ast.AST) -> str:
        return slice_of(self.text, self.span(node))

    def add(self, start: int, end: int, new: str) -> None:
        line = self.text.count("\n", 0, start)
        old = self.text[start:end]
        new += "\n" * (old.count("\n") - new.count("\n"))  # Numba's cache looks at line numbers
        self.found.append(Mutant(self.file, start, old, new, line + 1, self.lines[line].split("  #")[0].strip()))

    def replace(self, node: ast.AST, new: str) -> None:
        self.add(*self.span(node), f"({new})" if isinstance(node, ast.expr) and "\n" in self.source(node) else new)

    def between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> None:
        """An operator between two expressions, whose parentheses lie between them, too."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.text[start:end]
        if gap.count(old) == 1:
            at = start + gap.index(old)
            self.add(at, at + len(old), new)

    # ------------------------------------------------------------------------------------- what is left alone
    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        called = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
        if COMPILED & {getattr(d, "attr", getattr(d, "id", "")) for d in called}:
            return
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        self.block(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.block(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass  # text

    visit_Import = visit_ImportFrom = visit_Assert = visit_JoinedStr  # type: ignore[assignment]

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg == "side" and isinstance(node.value, ast.Constant) and node.value.value in SIDES:
            self.replace(node.value, f'"{SIDES[node.value.value]}"')
        elif node.arg not in UNCHANGED_KEYWORDS:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self.condition(node.test)
        self.visit(node.test)
        self.block(node.body)
        self.block(node.orelse)

    # ------------------------------------------------------------------------------------------- what changes
    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant):
                return  # a docstring
            self.replace(node, "pass")
        elif isinstance(node, ast.Raise):
            self.replace(node, "pass")
            return  # its text stays
        elif isinstance(node, ast.Continue | ast.Break):
            self.replace(node, "pass")
        elif isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple):
            self.replace(node, "pass")  # of an item or attribute, which had another value
        elif isinstance(node, ast.AugAssign):
            self.replace(node, "pass")
            self.between(node.target, node.value, f"{SYMBOLS[type(node.op)]}=", f"{SWAPPED[type(node.op)]}=")
        elif isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):
            self.replace(node, "return None")
        self.visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        for _, value in ast.iter_fields(node):
            if isinstance(value, list):
                for child in value:
                    if isinstance(child, ast.stmt):
                        self.statement(child)
                    elif isinstance(child, ast.AST):
                        self.visit(child)
            elif isinstance(value, ast.AST):
                self.visit(value)

    def condition(self, test: ast.expr) -> None:
        self.replace(test, f"not ({self.source(test)})")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.replace(test, "True")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self.between(left, right, SYMBOLS[type(op)], SWAPPED[type(op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in itertools.pairwise(node.values):
            self.between(left, right, SYMBOLS[type(node.op)], SWAPPED[type(node.op)])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not any(isinstance(side, ast.JoinedStr) or text(side) for side in (node.left, node.right)):
            self.between(node.left, node.right, SYMBOLS[type(node.op)], SWAPPED[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if not isinstance(node.op, ast.UAdd):
            self.replace(node, self.source(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.replace(node, str(not node.value))
        elif isinstance(node.value, int):
            self.replace(node, str(node.value + 1))
            if node.value > 1:
                self.replace(node, str(node.value - 1))
        elif isinstance(node.value, float):
            self.replace(node, repr(node.value * 2 or 1.0))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            if isinstance(part, ast.Slice):
                for bound in filter(None, (part.lower, part.upper)):
                    self.replace(bound, " ")  # from the first, or to the last
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func
        word = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
        if word in NAMES:
            _, end = self.span(name)
            self.add(end - len(word), end, NAMES[word])
        self.generic_visit(node)


SYMBOLS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//",
    ast.Mod: "%", ast.Pow: "**", ast.MatMult: "@",
    ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.And: "and", ast.Or: "or",
}  # fmt: skip


def slice_of(text: str, span: tuple[int, int]) -> str:
    return text[span[0] : span[1]]


def text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def changed(mutant: Mutant) -> str:
    """The whole file with the mutant in it."""
    return applied((ROOT / mutant.file).read_text(), mutant)


def applied(whole: str, mutant: Mutant) -> str:
    return whole[: mutant.start] + mutant.new + whole[mutant.start + len(mutant.old) :]


# -------------------------------------------------------------------------------------------------------- reach
class Modules:
    """Where names are used: for what is not run by a test but when a module is imported."""

    def __init__(self) -> None:
        paths = sorted(path for top in ("emulator", "nmcompile") for path in (ROOT / top).rglob("*.py"))
        self.trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}
        self.used: dict[str, set[tuple[str, int]]] = {}  # name -> lines in functions
        self.known: dict[str, set[str]] = {}  # name -> names whose values it is in
        self.compiled: set[str] = set()
        for file, tree in self.trees.items():
            self.read(file, tree, None)

    def read(self, file: str, node: ast.AST, owner: set[str] | None) -> None:
        """Note the names of a tree; `owner`: the names that its value goes to, None in a function."""
        for child in ast.iter_child_nodes(node):
            inside = owner
            if isinstance(node, ast.Module | ast.ClassDef):
                inside = defined(child)
            if isinstance(child, ast.FunctionDef):
                called = (d.func if isinstance(d, ast.Call) else d for d in child.decorator_list)
                if COMPILED & {getattr(d, "attr", getattr(d, "id", "")) for d in called}:
                    self.compiled |= set(names_in(child))
                for part in child.body:
                    for name, line in names_in(part).items():
                        self.used.setdefault(name, set()).update((file, at) for at in line)
            elif isinstance(child, ast.ClassDef):
                self.read(file, child, inside)
            elif inside:
                for name in names_in(child):
                    self.known.setdefault(name, set()).update(inside)

    def frozen(self, name: str) -> bool:
        """Is it compiled into the kernel?"""
        return bool(self.closure(name) & self.compiled)

    def closure(self, name: str) -> set[str]:
        """The name, and all that are calculated of it when modules are imported."""
        found, new = set(), {name}
        while new:
            found |= new
            new = set().union(*(self.known.get(one, ()) for one in new)) - found
        return found

    def lines(self, names: set[str]) -> set[tuple[str, int]]:
        return set().union(*(self.used.get(one, ()) for name in names for one in self.closure(name)))


def defined(node: ast.AST) -> set[str]:
    """The names that a statement of a module or class gives values to."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {one.id for target in targets if target for one in ast.walk(target) if isinstance(one, ast.Name)}


def names_in(node: ast.AST) -> dict[str, set[int]]:
    """Names and attributes that are read, and on which lines."""
    found: dict[str, set[int]] = {}
    for one in ast.walk(node):
        if isinstance(one, ast.Name | ast.Attribute) and isinstance(one.ctx, ast.Load):
            found.setdefault(one.id if isinstance(one, ast.Name) else one.attr, set()).add(one.lineno)
    return found


@dataclass(frozen=True)
class Site:
    """Where a mutant is: the lines that a test must reach, and whether the kernel has it compiled in."""

    lines: frozenset[tuple[str, int]]
    frozen: bool


def site(mutant: Mutant, modules: Modules) -> Site:
    """The statement around a mutant; of one that runs at import, where its names are used."""
    function, statement, owner = False, None, None
    node: Any = modules.trees[mutant.file]
    while node is not None:
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= mutant.line:
            function = True
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            owner = node
        if isinstance(node, ast.stmt):
            statement = node
        node = next((c for c in statements(node) if first_line(c) <= mutant.line <= c.end_lineno), None)
    assert statement is not None
    if function:
        body = getattr(statement, "body", None)
        last = body[0].lineno - 1 if isinstance(body, list) and body else statement.end_lineno
        lines = range(statement.lineno, max(statement.lineno, last or 0) + 1)
        return Site(frozenset((mutant.file, line) for line in lines), False)
    names = defined(statement) if owner is None or owner is statement else defined(statement) | {owner.name}
    return Site(frozenset(modules.lines(names)), any(modules.frozen(name) for name in names))


def statements(node: ast.AST) -> Iterator[Any]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from statements(child)


def first_line(node: Any) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


# -------------------------------------------------------------------------------------------------------- tests
@dataclass(frozen=True)
class Measured:
    """A test that passes: how long it takes, and the lines it reaches by file."""

    name: str
    seconds: float
    lines: dict[str, list[int]]

    @property
    def file(self) -> str:
        return self.name.split("::")[0]


class Measure:
    """Of pytest: runs each test in a process of its own, so that what another has kept hides nothing.

    What was found is kept in build/ as long as the test and the files that it reaches are as they were.
    """

    def __init__(self, jobs: int):
        self.jobs, self.found, self.digests = jobs, [], {}  # type: ignore[var-annotated]
        self.folder = ROOT / "build" / "reach"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.helpers = digest([path for path in (ROOT / "tests").glob("*.py") if not path.name.startswith("test_")])

    def pytest_runtestloop(self, session: Any) -> bool:
        from rich.progress import track

        gc.freeze()  # or each process copies what it looks through
        running: dict[int, Any] = {}
        for item in track([one for one in session.items if not self.kept(one)], description="measuring tests"):
            if len(running) >= self.jobs:
                self.end(running)
            child = os.fork()
            if child == 0:
                try:
                    self.measure(item)
                finally:
                    os._exit(1)
            running[child] = item
        while running:
            self.end(running)
        return True

    def end(self, running: dict[int, Any]) -> None:
        """Wait for a test; one that did not pass, or not in time, is noted without lines."""
        child, status = os.wait()
        item = running.pop(child)
        if status:
            self.keep(item, None, {})

    def place(self, item: Any) -> Path:
        return self.folder / f"{hashlib.sha256(item.nodeid.encode()).hexdigest()[:24]}.json"

    def own(self, item: Any) -> str:
        return digest([item.path]) + self.helpers

    def keep(self, item: Any, seconds: float | None, lines: dict[str, list[int]]) -> None:
        files = {file: digest([ROOT / file]) for file in lines}
        row = {"name": item.nodeid, "test": self.own(item), "files": files, "seconds": seconds, "lines": lines}
        self.place(item).write_text(json.dumps(row))

    def kept(self, item: Any) -> bool:
        """Is it known already?"""
        with contextlib.suppress(FileNotFoundError, ValueError):
            row = json.loads(self.place(item).read_text())
            same = all((ROOT / file).exists() and digest([ROOT / file]) == was for file, was in row["files"].items())
            return same and row["test"] == self.own(item)
        return False

    def measure(self, item: Any) -> None:
        import coverage
        from _pytest.runner import runtestprotocol

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.addaudithook(alone)
        signal.setitimer(signal.ITIMER_PROF, SLOW)
        where = {"include": [f"{ROOT}/emulator/*", f"{ROOT}/nmcompile/*"], "omit": [f"{ROOT}/emulator/reference.py"]}
        warnings.simplefilter("ignore")  # of a test that reaches nothing
        watch = coverage.Coverage(data_file=None, **where)  # the reference is slow enough, and not changed
        with tempfile.TemporaryDirectory() as temporary:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = temporary
            watch.start()
            reports = runtestprotocol(item, nextitem=None, log=False)
            watch.stop()
        if all(report.passed for report in reports):
            data = watch.get_data()
            lines = {str(Path(f).relative_to(ROOT)): sorted(data.lines(f) or ()) for f in data.measured_files()}
            self.keep(item, sum(os.times()[:4]), lines)
            os._exit(0)


def alone(event: str, _: Any) -> None:
    """A test that starts a process is no use: that would run the files, which do not change."""
    if event in ("subprocess.Popen", "os.system"):
        os._exit(1)


class Chosen:
    """Of pytest: runs some tests, in an order, each within a time of the processor; notes the first that fails."""

    def __init__(self, tests: list[Measured]):
        self.order = {test.name: i for i, test in enumerate(tests)}
        self.tests, self.failed = tests, ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((one for one in items if one.nodeid in self.order), key=lambda one: self.order[one.nodeid])

    def pytest_runtest_setup(self, item: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, 10 + 10 * self.tests[self.order[item.nodeid]].seconds)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = report.nodeid


def pytest(plugin: Any, files: list[str]) -> int:
    """Run the files' tests in this process."""
    import pytest

    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files], plugins=[plugin]))


def preload() -> None:
    """What every process needs and no mutant changes; single threads, as processes are forked."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in (
        *("numpy", "scipy.sparse", "scipy.sparse.csgraph", "scipy.linalg", "numba", "h5py", "networkx", "click"),
        *("rich.progress", "rich.table", "serial", "pytest", "nir", "coverage", "hypothesis.strategies"),
    ):
        importlib.import_module(name)
    from hypothesis import HealthCheck, settings

    calm = {"derandomize": True, "database": None, "deadline": None}
    settings.register_profile("mutants", **calm, suppress_health_check=list(HealthCheck))  # type: ignore[arg-type]
    settings.load_profile("mutants")


def measured(jobs: int) -> list[Measured]:
    """All fast tests, the fastest first."""
    files = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if path.stem[5:] not in ELSEWHERE]
    if ending := attempt(kernel, 3600):
        raise SystemExit(f"the kernel does not compile: {ending}")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        measure = Measure(jobs)
        names = []
        measure.pytest_collection_finish = lambda session: names.extend(map(measure.place, session.items))
        code = pytest(measure, [f"tests/{path.name}" for path in files])
        with os.fdopen(writer, "w") as out:
            out.write(json.dumps([code, *map(str, names)]))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        code, *places = json.loads(pipe.read())
    os.waitpid(child, 0)
    if code:
        raise SystemExit("the tests cannot be collected")
    rows = [json.loads(Path(place).read_text()) for place in places]
    tests = [Measured(row["name"], row["seconds"], row["lines"]) for row in rows if row["seconds"] is not None]
    tests.sort(key=lambda test: test.seconds)
    print(f"{len(tests)} tests of at most {SLOW:g} s, {sum(test.seconds for test in tests):.0f} s; {len(rows)} in all")
    return tests


def kernel() -> None:
    """Run nothing on it: it is compiled then, where it is not kept from before."""
    import numpy as np

    from emulator.kernel.simulate import run
    from emulator.spec.arch import load_architecture
    from emulator.spec.image import Image, empty_core

    arch, none = load_architecture("up5k"), np.zeros((0, 2), np.int32)
    image = Image(arch, (empty_core(arch),), np.zeros(1, np.int64), np.zeros(0, np.uint32), none, 1, ())
    run(image, np.zeros((1, 1, 0), np.uint8))


def sources() -> list[Path]:
    """What tests test."""
    return sorted(path for top in ("emulator", "nmcompile") for path in (ROOT / top).rglob("*.py"))


def digest(paths: list[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths if path.exists())).hexdigest()[:16]


# ------------------------------------------------------------------------------------------------------- trials
class Changed(importlib.abc.MetaPathFinder):
    """Finds the mutant's module before Python finds its file."""

    def __init__(self, mutant: Mutant):
        self.path, self.code = ROOT / mutant.file, changed(mutant)
        self.name = ".".join(Path(mutant.file).with_suffix("").parts).removesuffix(".__init__")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        finder = self

        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> Any:
                return compile(finder.code, str(finder.path), "exec", dont_inherit=True)

        return importlib.util.spec_from_file_location(name, self.path, loader=Loader(name, str(self.path)))


class Killed(Exception):
    """A test that fails, by name."""


KILLED = "Killed: "  # how `attempt` tells of it


def trial(mutant: Mutant | None, tests: list[Measured]) -> None:
    """Raise if a test fails."""
    if mutant is not None:
        sys.meta_path.insert(0, Changed(mutant))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    plugin = Chosen(tests)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        code = pytest(plugin, sorted({test.file for test in tests}))
    if code not in (0, 5):
        raise Killed(plugin.failed or "import")


def chosen_tests(mutant: Mutant, modules: Modules, tests: list[Measured]) -> list[Measured]:
    """The tests that reach a mutant and need not more than enough time; without those that run a kernel in which it
    is compiled in as it was."""
    where = site(mutant, modules)
    reach: list[Measured] = []
    spent = 0.0
    for test in tests:
        if where.frozen and KERNEL in test.lines:
            continue
        if any(line in test.lines.get(file, ()) for file, line in where.lines):
            reach.append(test)
            spent += test.seconds
            if spent > ENOUGH:
                break
    return reach


def depends(mutant: Mutant, by: str) -> str:
    """What a judgement holds for: the mutant's file and the killer's; of a survivor, everything."""
    if by.startswith("tests/"):
        return digest([ROOT / mutant.file, ROOT / by])
    return digest([*sources(), *sorted((ROOT / "tests").glob("*.py"))])


def judge(mutant: Mutant, modules: Modules, tests: list[Measured]) -> dict[str, Any]:
    """How a mutant was killed, and by what; or that it survived."""
    chosen = chosen_tests(mutant, modules, tests)
    begun = time.monotonic()
    for part in filter(None, (chosen[:FEW], chosen[FEW:])):
        budget = int(60 + 4 * sum(test.seconds for test in part))
        if found := attempt(lambda part=part: trial(mutant, part), budget):
            break
    else:
        found = ""
    by = found.removeprefix(KILLED).split("::")[0]
    facts = {
        "sources": depends(mutant, by),
        "by": by,
        "how": found,
        "tests": len(chosen),
        "seconds": round(time.monotonic() - begun, 1),
    }
    return {"result": "killed" if found else "survived", **facts}


# ----------------------------------------------------------------------------------------------------- campaign
def pool(modules: Modules) -> dict[str, list[Mutant]]:
    """All mutants, by room."""
    found: dict[str, list[Mutant]] = {}
    for room, patterns in ROOMS.items():
        for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
            for mutant in Finder(str(path.relative_to(ROOT)), path.read_text()).found:
                kernel = mutant.file.startswith("emulator/kernel/")
                if not (kernel and site(mutant, modules).frozen):  # a name for a number, which the kernel shares
                    found.setdefault(room, []).append(mutant)
    assert set(found) == set(ROOMS)
    return found


def sound(mutant: Mutant) -> bool:
    """Is it Python, and other than it was?"""
    was = ast.dump(ast.parse((ROOT / mutant.file).read_text()))
    with contextlib.suppress(SyntaxError):
        return ast.dump(ast.parse(changed(mutant))) != was
    return False


def sample(possible: dict[str, list[Mutant]], count: int, seed: int, only: str) -> list[Mutant]:
    """A seeded sample, as many of each room; what a mutant is called decides, so that the rest of the code does not."""
    chosen = []
    for mutants in possible.values():
        pick, seen = [], Counter[str]()
        for m in mutants:
            seen[m.key] += 1
            if only in f"{m.file}:{m.line}":
                pick.append((hashlib.sha256(f"{seed} {m.key} {seen[m.key]}".encode()).digest(), m))
        pick.sort(key=lambda pair: pair[0])
        chosen.append(m for _, m in pick if sound(m))
    dealt = (m for turn in itertools.zip_longest(*chosen) for m in turn if m is not None)
    return list(itertools.islice(dealt, count))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a file name, or a file:line")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many are judged at a time")
    parser.add_argument("--state", type=Path, help="file of results, to go on from")
    args = parser.parse_args()
    preload()
    modules = Modules()
    possible = pool(modules)
    chosen = sample(possible, args.mutants, args.seed, args.only)
    tests = measured(args.jobs)
    rows = campaign(
        chosen,
        place=lambda mutant: mutant.place,
        judge=lambda mutant: judge(mutant, modules, tests),
        holds=lambda mutant, row: row["sources"] == depends(mutant, row["by"]),
        begin=lambda: None,
        state=args.state,
        jobs=args.jobs,
    )
    killers = {row["how"].removeprefix(KILLED) for row in rows}
    if ending := attempt(lambda: trial(None, [test for test in tests if test.name in killers]), 3600):
        raise SystemExit(f"what killed mutants fails without one: {ending}")
    unreached = sum(row["tests"] == 0 for row in rows)
    tail = f"of {sum(map(len, possible.values())):,} possible; seed {args.seed}; {unreached} that no fast test reaches"
    show(zip(chosen, rows, strict=True), reasons("mutants_python.toml"), tail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
