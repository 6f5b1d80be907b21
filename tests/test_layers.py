"""The house's import directions: a compiler depends on its target, never the other way round."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {"nmcompile/cli.py", "nmcompile/show.py"}


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
            names.add(module)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def files(pattern: str) -> list[Path]:
    found = sorted(ROOT.glob(pattern))
    assert found, pattern
    return found


@pytest.mark.parametrize("path", files("emulator/spec/**/*.py"), ids=lambda p: p.name)
def test_spec_imports_only_itself_and_numpy(path):
    for name in imported(path):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names | {"numpy"} or name.startswith("emulator.spec"), name


@pytest.mark.parametrize("path", files("emulator/**/*.py"), ids=lambda p: p.name)
def test_emulator_never_imports_the_compiler(path):
    assert not {name for name in imported(path) if name.split(".")[0] == "nmcompile"}


@pytest.mark.parametrize("path", files("nmcompile/*.py") + files("nmcompile/frontends/*.py"), ids=lambda p: p.name)
def test_passes_see_only_the_specification(path):
    if str(path.relative_to(ROOT)) in OUTSIDE:
        return
    machines = {
        n for n in imported(path) if n.startswith("emulator") and not n.startswith("emulator.spec") and n != "emulator"
    }
    assert not machines


def test_help_and_import_load_no_numba():
    code = "import sys, emulator, nmcompile.cli; assert 'numba' not in sys.modules and 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
