"""Verilator, Icarus, slang and Yosys accept the same sources without a warning, at several sizes."""

import subprocess
import sys

import pytest
from cases import ARCHITECTURES, architecture

from emulator.spec.arch import load_architecture
from emulator.verilog.build import rtl_directory, rtl_parameters, rtl_sources, tool_environment

CASES = {
    "up5k": (load_architecture("up5k"), {"SHARED_AXONS": 1, "SCARCE": 1, "COUNTER_BITS": 0}),
    "ecp5": (load_architecture("ecp5"), {}),
    **{name: (architecture(name), {}) for name in ARCHITECTURES},
}
INCLUDE = str(rtl_directory())
SOURCES = [str(path) for path in rtl_sources()]


@pytest.fixture(params=CASES)
def parameters(request):
    arch, override = CASES[request.param]
    return rtl_parameters(arch, **override)


def output(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and not line.startswith("- ")]


@pytest.mark.parametrize("defines", [[], ["+define+NM_RETIRE"]], ids=["plain", "retire"])
def test_verilator_has_no_warning(parameters, defines):
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "nm_chip", f"+incdir+{INCLUDE}", *defines]
    command += [f"-G{name}={value}" for name, value in parameters.items()]
    assert output([*command, *SOURCES], env=tool_environment()) == []


def test_verilator_has_no_warning_on_the_chip_alone():
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "nm_alone", f"+incdir+{INCLUDE}", *SOURCES]
    assert output([*command, str(rtl_directory() / "synth" / "nm_alone.v")], env=tool_environment()) == []


def test_icarus_has_no_warning(parameters, tmp_path):
    command = [
        "iverilog",
        "-g2012",
        "-Wall",
        "-Wno-timescale",
        "-I",
        INCLUDE,
        "-s",
        "nm_chip",
        "-o",
        str(tmp_path / "o"),
    ]
    command += [f"-Pnm_chip.{name}={value}" for name, value in parameters.items()]
    assert output([*command, *SOURCES]) == []


def test_slang_has_no_diagnostic(parameters):
    from pyslang.driver import Driver

    driver = Driver()
    driver.addStandardArgs()
    words = ["slang", "--top", "nm_chip", "-I", INCLUDE, "--single-unit", *SOURCES]
    words += [f"-G{name}={value}" for name, value in parameters.items()]
    assert driver.parseCommandLine(" ".join(words))
    assert driver.processOptions()
    assert driver.parseAllSources()
    driver.reportCompilation(driver.createCompilation(), True)
    driver.reportDiagnostics(True)
    assert driver.diagEngine.numErrors == driver.diagEngine.numWarnings == 0


def test_yosys_has_no_warning(parameters):
    script = [f"read_verilog -sv -defer -I{INCLUDE} {' '.join(SOURCES)}"]
    script += ["chparam " + " ".join(f"-set {n} {v}" for n, v in parameters.items()) + " nm_chip"]
    script += ["hierarchy -check -top nm_chip", "proc", "check -assert"]
    lines = "".join(f"ys.run_pass({line!r}, design)\n" for line in script)
    program = f"from pyosys import libyosys as ys\ndesign = ys.Design()\n{lines}"
    # in a process of its own: Yosys ends the process when it finds an error
    log = output([sys.executable, "-c", program])
    assert [line for line in log if "arning" in line] == []
