"""Each module alone, in cocotb, against a plain model, under Verilator and Icarus; a log begins with its seed.

`benches/` holds the models; NM_SEED=n repeats a run, NM_LONG=1 runs longer ones.
"""

import json
import os
from pathlib import Path

import pytest
from cocotb_tools.runner import get_runner

from emulator.verilated import rtl_directory, tool_environment

HERE = Path(__file__).parent
LONG = bool(os.environ.get("NM_LONG"))

# module: (what it needs beside itself, sizes); Icarus runs the first size only, but all with NM_LONG=1
BENCHES = {
    "router": (
        "",
        [
            {"X_W": 2, "Y_W": 2, "X": 1, "Y": 1, "DATA_W": 8},
            {"X_W": 1, "Y_W": 1, "X": 0, "Y": 0, "DATA_W": 1},
            {"X_W": 4, "Y_W": 3, "X": 9, "Y": 7, "DATA_W": 33},
        ],
    ),
    "mesh": ("router", [{"WIDTH": 3, "HEIGHT": 2, "DATA_W": 16}, {"WIDTH": 1, "HEIGHT": 1, "DATA_W": 12}]),
    "scan": (
        "",
        [{"WIDTH": 16, "ADDR_W": 3}, {"WIDTH": 1, "ADDR_W": 4}, {"WIDTH": 4, "ADDR_W": 6}],
    ),
    "pending": (
        "ram",
        [
            {"AXONS": 80, "DELAY_SLOTS": 4, "GRADED": 1},
            {"AXONS": 16, "DELAY_SLOTS": 1, "GRADED": 1},
            {"AXONS": 256, "DELAY_SLOTS": 2, "GRADED": 0},
        ],
    ),
}
RUNS = [
    pytest.param(module, size, simulator, id=f"{module}-{'-'.join(map(str, size.values()))}-{simulator}")
    for simulator in ("verilator", "icarus")
    for module, (_, sizes) in BENCHES.items()
    for size in (sizes if LONG or simulator == "verilator" else sizes[:1])
]
VERILATOR = ["-O1", "--x-initial", "unique", "--x-assign", "unique", "-Wno-fatal", "-Wno-lint", "-CFLAGS", "-O0"]


@pytest.mark.parametrize(("module", "size", "simulator"), RUNS)
def test_module(module, size, simulator, tmp_path, monkeypatch):
    for name, value in tool_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NM_BENCH", json.dumps(size))
    monkeypatch.setenv("NM_SEED", os.environ.get("NM_SEED", "1"))
    monkeypatch.syspath_prepend(HERE / "benches")  # the runner hands it on
    monkeypatch.syspath_prepend(HERE.parent.parent)
    names = [*BENCHES[module][0].split(), module]
    runner = get_runner(simulator)
    shared = {"build_dir": tmp_path, "timescale": ("1ns", "1ps"), "hdl_toplevel": f"nm_{module}"}
    runner.build(
        sources=[rtl_directory() / f"nm_{name}.v" for name in names],
        includes=[rtl_directory()],
        parameters=size,
        defines={"NM_POISON": 1},
        build_args=VERILATOR if simulator == "verilator" else ["-g2012"],
        log_file=tmp_path / "build.log",
        **shared,
    )
    runner.test(
        test_module=module,
        test_dir=tmp_path,
        results_xml=str(tmp_path / "results.xml"),
        log_file=tmp_path / "run.log",
        **shared,
    )
    text = (tmp_path / "run.log").read_text()
    assert "FAIL=0" in text, text[-6000:]
    assert "PASS=0" not in text, text[-6000:]
