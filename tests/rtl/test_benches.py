"""Each module alone, in cocotb, against a plain model, under Verilator and Icarus; a log begins with its seed.

`benches/` holds the models; NM_SEED=n repeats a run, NM_LONG=1 runs longer ones.
"""

import contextlib
import json
import os
import re
import sys
from pathlib import Path
from unittest import mock

import pytest
from cocotb_tools.runner import get_runner

from emulator.verilog.build import rtl_directory, tool_environment

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
    "lane": (
        "",
        [
            {"STATE_BITS": 24, "ACC_BITS": 24, "COEF_BITS": 18, "X_BITS": 31},
            {"STATE_BITS": 16, "ACC_BITS": 16, "COEF_BITS": 16, "X_BITS": 16},
            {"STATE_BITS": 24, "ACC_BITS": 32, "COEF_BITS": 16, "X_BITS": 31},
            {"STATE_BITS": 32, "ACC_BITS": 32, "COEF_BITS": 18, "X_BITS": 32},
        ],
    ),
    "accumulate": (
        "ram",
        [
            {"LANES": 4, "ACC_BITS": 24, "STATE_BITS": 16, "BLOCKS": 9, "SCARCE": 0},
            {"LANES": 1, "ACC_BITS": 16, "STATE_BITS": 16, "BLOCKS": 1, "SCARCE": 1},
            {"LANES": 8, "ACC_BITS": 28, "STATE_BITS": 24, "BLOCKS": 16, "SCARCE": 1},
            {"LANES": 8, "ACC_BITS": 24, "STATE_BITS": 24, "BLOCKS": 16, "SCARCE": 0},
        ],
    ),
    "ram": (
        "",
        [
            {"WORDS": 20, "WIDTH": 12, "GROUPS": 3, "SINGLE": 0, "ADDRESS": 0},
            {"WORDS": 20, "WIDTH": 12, "GROUPS": 3, "SINGLE": 0, "ADDRESS": 1},
            {"WORDS": 1, "WIDTH": 1, "GROUPS": 1, "SINGLE": 0, "ADDRESS": 1},
            {"WORDS": 16, "WIDTH": 64, "GROUPS": 2, "SINGLE": 1, "ADDRESS": 0},
            {"WORDS": 16, "WIDTH": 64, "GROUPS": 2, "SINGLE": 1, "ADDRESS": 1},
            {"WORDS": 20, "WIDTH": 12, "GROUPS": 3, "SINGLE": 0, "ADDRESS": 1, "HELD": 1},
            {"WORDS": 8, "WIDTH": 4, "GROUPS": 1, "SINGLE": 1, "ADDRESS": 0, "HELD": 1},
        ],
    ),
    "check": (
        "",
        [
            {
                "LANES": 4,
                "STATE_BITS": 24,
                "COEF_BITS": 18,
                "BLOCKS": 9,
                "REGISTERS": 8,
                "AXONS": 64,
                "TRACES": 2,
                "GRADED": 1,
            },
            {
                "LANES": 16,
                "STATE_BITS": 16,
                "COEF_BITS": 16,
                "BLOCKS": 1,
                "REGISTERS": 3,
                "AXONS": 16,
                "TRACES": 0,
                "GRADED": 0,
            },
        ],
    ),
    "integrate": (
        "ram scan",
        [
            {
                "STATE_BITS": 24,
                "BLOCKS": 9,
                "AXONS": 64,
                "SYNAPSE_WORDS": 50,
                "GRADED": 1,
                "SHARED_AXONS": 0,
                "LANES": 4,
            },
            {
                "STATE_BITS": 16,
                "BLOCKS": 24,
                "AXONS": 48,
                "SYNAPSE_WORDS": 64,
                "GRADED": 0,
                "SHARED_AXONS": 1,
                "LANES": 4,
            },
            {
                "STATE_BITS": 32,
                "BLOCKS": 3,
                "AXONS": 16,
                "SYNAPSE_WORDS": 40,
                "GRADED": 1,
                "SHARED_AXONS": 0,
                "LANES": 8,
            },
        ],
    ),
    "emit": (
        "ram scan",
        [
            {"LANES": 4, "BLOCKS": 6, "ROUTES": 20, "AXONS": 80, "DELAY_SLOTS": 4, "CORES": 6},
            {"LANES": 1, "BLOCKS": 1, "ROUTES": 16, "AXONS": 16, "DELAY_SLOTS": 1, "CORES": 1},
            {"LANES": 16, "BLOCKS": 3, "ROUTES": 100, "AXONS": 256, "DELAY_SLOTS": 16, "CORES": 4},
        ],
    ),
    "sequence": (
        "ram check",
        [
            {"BLOCKS": 9, "PROGRAM_WORDS": 48, "SPACE_W": 4, "REGISTERS": 8},
            {"BLOCKS": 64, "PROGRAM_WORDS": 32, "SPACE_W": 7, "REGISTERS": 3},
        ],
    ),
    "host": (
        "",
        [
            {
                "LANES": 4,
                "STATE_BITS": 24,
                "CORES": 4,
                "AXONS": 80,
                "DELAY_SLOTS": 4,
                "WIDTH": 2,
                "HEIGHT": 2,
            },
            {
                "LANES": 1,
                "STATE_BITS": 16,
                "CORES": 1,
                "AXONS": 16,
                "DELAY_SLOTS": 1,
                "WIDTH": 1,
                "HEIGHT": 1,
            },
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


def simulate(module, size, simulator, folder, rtl=None, extra=()):
    """Build and run one bench; the tails of its logs."""
    rtl = rtl or rtl_directory()
    names = [*BENCHES[module][0].split(), module]
    defines = {"NM_POISON": 1} | ({"NM_RAM_ADDRESS": 1} if size.get("ADDRESS") else {})
    environment = {"NM_BENCH": json.dumps(size), "NM_SEED": os.environ.get("NM_SEED", "1")}
    path = [str(HERE / "benches"), str(HERE), str(HERE.parent), str(HERE.parent.parent), *sys.path]
    runner = get_runner(simulator)
    shared = {"build_dir": folder, "timescale": ("1ns", "1ps"), "hdl_toplevel": f"nm_{module}"}
    folder.mkdir(parents=True, exist_ok=True)
    logs = folder / "build.log", folder / "run.log"
    with (
        mock.patch.dict(os.environ, tool_environment()),
        mock.patch.object(sys, "path", path),  # the runner hands it on
        contextlib.suppress(SystemExit),  # the logs say what failed
    ):
        runner.build(
            sources=[file for file in extra if file.suffix == ".v"] + [rtl / f"nm_{name}.v" for name in names],
            includes=[rtl],
            parameters={key: value for key, value in size.items() if key != "ADDRESS"},
            defines=defines,
            build_args=[*VERILATOR, *(str(file) for file in extra if file.suffix != ".v")]
            if simulator == "verilator"
            else ["-g2012"],
            log_file=logs[0],
            **shared,
        )
        runner.test(
            test_module=module,
            test_dir=folder,
            results_xml=str(folder / "results.xml"),
            log_file=logs[1],
            extra_env=environment,
            **shared,
        )
    return "".join(log.read_text()[-6000:] for log in logs if log.exists())


@pytest.mark.parametrize(("module", "size", "simulator"), RUNS)
def test_module(module, size, simulator, tmp_path):
    log = simulate(module, size, simulator, tmp_path / "bench")
    assert re.search(r"PASS=[1-9]\d* FAIL=0 SKIP=0", log), log
