"""The Verilog's UART and link in cocotb, bit by bit, with the driver in the loop."""

import os
from pathlib import Path

import pytest
from cocotb_tools.runner import get_runner

from emulator.verilog.build import rtl_directory

HERE = Path(__file__).parent / "rtl_link"


@pytest.mark.parametrize("clocks_per_bit", [5, 13, 24, 104] if os.environ.get("NM_LONG") == "1" else [5])
def test_uart_and_link_in_cocotb(clocks_per_bit, tmp_path, monkeypatch):
    names = ("ram", "uart", "link_receive", "link_send", "link")
    monkeypatch.setenv("CLOCKS_PER_BIT", str(clocks_per_bit))
    monkeypatch.syspath_prepend(HERE)  # the runner hands it on
    runner = get_runner("icarus")
    runner.build(
        sources=[*(rtl_directory() / f"nm_{name}.v" for name in names), HERE / "link_bench.v"],
        includes=[rtl_directory()],
        hdl_toplevel="link_bench",
        parameters={"CLOCKS_PER_BIT": clocks_per_bit},
        build_args=["-g2012"],
        build_dir=tmp_path,
        timescale=("1ns", "1ps"),
        log_file=tmp_path / "build.log",
    )
    results = runner.test(
        hdl_toplevel="link_bench",
        test_module="link_cocotb",
        build_dir=tmp_path,
        test_dir=tmp_path,
        timescale=("1ns", "1ps"),
        results_xml=str(tmp_path / "results.xml"),
        log_file=tmp_path / "run.log",
    )
    text = (tmp_path / "run.log").read_text()
    assert "FAIL=0" in text, text[-4000:]
    assert "PASS=4" in text, text[-4000:]
    assert results.exists()
