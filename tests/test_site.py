"""The documentation site builds, its warnings being errors."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", out / "doctrees", ROOT / "docs", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_the_site_has_the_command_line_and_the_python_interface(site):
    assert "nmc compile" in (site / "reference" / "made" / "commands.html").read_text()
    assert "compile_network" in (site / "reference" / "made" / "python.html").read_text()


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text()
        assert not any(f'{what}="http' in text for what in ("src", 'rel="stylesheet" href')), page
