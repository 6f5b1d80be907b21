"""The plan of the rooms: which may import which, no circles, and no file or function that does two things."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parent.parent
# A room may import itself and the rooms before it. nmcompile's are in the order of the passes.
MACHINES = (
    "spec",
    "processes",
    "cache",
    "prices",
    "metrics",
    "run_notes",
    "result",
    "energy",
    "reference",
    "kernel",
    "verilog",
    "session",
)
PASSES = ("network", "neurons", "frontends", "coding", "learning", "discretize", "retime", "quantize", "place", "emit")
COMPILER = (
    *PASSES,
    "user_models",
    "pipeline",
    "results",
    "report",
    "fpga",
    "board",
    "study",
    "verbs",
    "cli",
    "__main__",
)
ROOMS = [*(f"emulator.{room}" for room in MACHINES), *(f"nmcompile.{room}" for room in COMPILER)]
LONGEST_FILE, LONGEST_FUNCTION = 450, 80
WHOLE = {"emulator/reference.py"}  # a definition is read in one piece


def modules() -> dict[str, Path]:
    found = {}
    for top in ("emulator", "nmcompile"):
        for path in sorted((ROOT / top).rglob("*.py")):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    assert len(found) > 100
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """Absolute names of everything a file imports, at any depth of it."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found = {f"{module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else module for name in found}
    return names


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_a_room_imports_only_rooms_before_it(module):
    assert room(module) in ROOMS, "a room without a place in the order"
    allowed = {"emulator", *ROOMS[: ROOMS.index(room(module)) + 1]}
    assert {name for name in imported(MODULES[module]) if name in MODULES and room(name) not in allowed} == set()


def test_there_is_no_circle_of_imports():
    graph = nx.DiGraph([(module, name) for module, path in MODULES.items() for name in imported(path) & set(MODULES)])
    assert graph.number_of_edges() > 300
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_order_exists(room):
    assert room in MODULES


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "emulator.spec"])
def test_spec_imports_only_itself_numpy_and_its_schema_library(module):
    for name in imported(MODULES[module]):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names | {"numpy", "msgspec"} or name.startswith("emulator.spec"), name


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in {f"nmcompile.{p}" for p in PASSES}])
def test_passes_see_only_the_specification(module):
    own = {name for name in imported(MODULES[module]) if name.split(".")[0] == "emulator"}
    assert {name for name in own if room(name) not in ("emulator.spec", "emulator.result")} == set()


@pytest.mark.parametrize("module", MODULES)
def test_no_file_or_function_does_too_much(module):
    path = MODULES[module]
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE or str(path.relative_to(ROOT)) in WHOLE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= LONGEST_FUNCTION}
    assert long == {}


def test_help_and_import_load_no_numba():
    code = "import sys, emulator, nmcompile.cli; nmcompile.cli.cli.main(['--help'], standalone_mode=False);"
    code += "assert 'numba' not in sys.modules and 'scipy' not in sys.modules and 'h5py' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
