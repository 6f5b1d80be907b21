"""What is installed: every folder of the sources, and a wheel that runs by itself."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import emulator
from emulator import cache
from emulator.kernel.kept import digest_of, kernel_sources

ROOT = Path(__file__).resolve().parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_the_packages_of_pyproject_are_the_folders_there_are():
    moved = SETUPTOOLS["package-dir"]
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("emulator", "nmcompile")
        for pattern in ("*.py", "*.toml")
        for path in (ROOT / top).rglob(pattern)
    }
    assert folders
    assert set(SETUPTOOLS["packages"]) == folders | set(moved)
    assert all((ROOT / folder).is_dir() for folder in moved.values())


def test_whatever_the_kernel_is_compiled_from_is_in_its_key():
    code = (
        "import json, sys, emulator.kernel.samples;"
        "print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'emulator']))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    beside = {Path(emulator.__file__), Path(cache.__file__)}  # which hold no code of the kernel
    loaded = {Path(name) for name in json.loads(out)} - beside
    assert len(loaded) > 10
    assert loaded <= set(kernel_sources())


@pytest.mark.parametrize("path", kernel_sources(), ids=lambda path: path.name)
def test_a_changed_source_is_another_kernel(path, tmp_path):
    changed = tmp_path / path.name
    changed.write_bytes(path.read_bytes() + b"\n")
    assert digest_of([changed if p == path else p for p in kernel_sources()]) != digest_of(kernel_sources())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the unpacked wheel, as an installer lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("emulator", "nmcompile", "rtl", "examples"):  # a build leaves files beside its sources
        shutil.copytree(ROOT / name, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "tree")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "-w", str(folder), str(folder / "tree")], check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


def python(installed: Path, *arguments: str) -> str:
    """What an interpreter prints that sees the unpacked wheel before anything else."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    run = [sys.executable, *arguments]
    return subprocess.run(run, check=True, cwd=installed.parent, env=environment, capture_output=True, text=True).stdout


def test_a_wheel_holds_every_source(installed):
    mine = {
        path.relative_to(ROOT)
        for top in ("emulator", "nmcompile")
        for path in (ROOT / top).rglob("*")
        if path.suffix in (".py", ".toml", ".md")
    }
    moved = {
        Path(*package.split("."), path.relative_to(ROOT / folder))
        for package, folder in SETUPTOOLS["package-dir"].items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".v", ".vh", ".cpp", ".nir", ".npz", ".toml")
        and "formal" not in path.parts
        and "neuron_models" not in path.parts
    }
    assert mine
    assert moved
    assert sorted(str(path) for path in mine | moved if not (installed / path).is_file()) == []


def test_a_wheel_runs_the_demo(installed):
    where = python(installed, "-c", "import emulator, nmcompile; print(emulator.__file__); print(nmcompile.__file__)")
    assert all(Path(line).is_relative_to(installed) for line in where.splitlines())
    values = json.loads(python(installed, "-m", "nmcompile.cli", "demo", "--json"))
    assert values["samples"] == 1000
    assert values["accuracy"] > 0.96
