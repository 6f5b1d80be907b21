"""The page about a run: every section, nothing from elsewhere, names escaped, and awkward runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import made

from emulator.energy import price
from emulator.prices import load_prices
from emulator.result import RunResult, load_result, save_result
from emulator.run_notes import RunNotes
from emulator.spec.arch import load_architecture
from emulator.spec.ledger import CHIP_COUNTERS
from emulator.spec.notes import ProjectionNote
from nmcompile.report.report import write_report
from nmcompile.results import numbers

SECTIONS = ("raster", "membranes", "accuracy", "work", "cores", "energy", "drift", "metrics")
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Checks that tags nest, and gathers what a test wants to know."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "srcset", "action", "data") or name.startswith("on"):
                self.links.append(f"{name}={value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())


def written(result: RunResult, folder: Path, sample: int = 0) -> tuple[str, Reader]:
    """(the file, the file read); every page that a test writes is checked to be well-formed and self-contained."""
    write_report(result, str(folder / "page.html"), sample)
    text = (folder / "page.html").read_text(encoding="utf-8")
    reader = Reader(text)
    assert reader.links == []
    assert not re.search(r"https?://|@import|url\(|<script", text)
    assert "nan" not in re.findall(r"[\w.]+", " ".join(re.findall(r'(?:style|d|viewBox)="([^"]*)"', text)).lower())
    assert len(text) < 1_500_000
    return text, reader


# ------------------------------------------------------------------------------------------------------ the page
def test_page_has_every_section_once_and_in_order(tmp_path: Path) -> None:
    assert written(made(), tmp_path)[1].ids == list(SECTIONS)


def test_headline_says_accuracy_cycles_and_energy(tmp_path: Path) -> None:
    result = made()
    words = written(result, tmp_path)[1].text
    assert f"75.0 % right, at {result.sample_cycles.mean():,.0f} cycles and" in words
    assert "incremental, by horowitz45" in words
    assert "in floats 80.0 %" in words


def test_header_says_whether_the_verilog_implements_the_machine(tmp_path: Path) -> None:
    assert "the bundled Verilog implements exactly this architecture" in written(made(), tmp_path)[1].text
    assert "a model: no bundled Verilog" in written(replace(made(), rtl=False), tmp_path)[1].text


def test_cycles_without_the_fabric_are_said_to_be_too_few(tmp_path: Path) -> None:
    words = written(replace(made(), cycles_are="without the fabric"), tmp_path)[1].text
    assert "so true cycles are more" in words


def test_warnings_of_the_prices_are_on_the_page(tmp_path: Path) -> None:
    result = made()
    words = written(result, tmp_path)[1].text
    assert result.notes.energy.warnings
    for warning in result.notes.energy.warnings:
        assert warning in words


def test_static_energy_is_apart_from_incremental(tmp_path: Path) -> None:
    text, reader = written(made(prices="odin28"), tmp_path)
    assert "for leakage and clock (hatched)" in reader.text
    assert 'class="track static"' in text
    assert "prices no leakage and no clock, so this is" in written(made(), tmp_path)[1].text


def test_advice_of_the_drift_report_is_on_the_page(tmp_path: Path) -> None:
    assert "'layer0' bursts; use --weight-bits 8" in written(made(), tmp_path)[1].text


def test_titles_state_what_was_found(tmp_path: Path) -> None:
    words = written(made(), tmp_path)[1].text
    assert "‘layer1’ takes 67 % of the busy cycles" in words
    assert "1 of 4 are wrong; most often " in words
    assert "Fixed point changes ‘layer0’ most: −2 % spikes" in words


def test_folders_of_the_users_machine_stay_off_the_page(tmp_path: Path) -> None:
    text, reader = written(made(), tmp_path)
    assert "/home/somebody" not in text
    assert "hand.nir" in reader.text


def noted(result: RunResult, **changes: Any) -> RunResult:
    """The result of an image with other notes."""
    return result.with_notes(image=replace(result.notes.image, **changes))


def test_the_same_result_gives_the_same_page_after_a_file(tmp_path: Path) -> None:
    save_result(made(), tmp_path / "run.npz")
    assert written(load_result(tmp_path / "run.npz"), tmp_path)[0] == written(made(), tmp_path)[0]


def test_names_are_escaped(tmp_path: Path) -> None:
    nasty = '<b onclick="x">&\'\x00\ud800'
    result = made(names=(nasty, "out</style>"))
    result = noted(result, title="<script>alert(1)</script>", semantics="<i>", warnings=("<u>",))
    result = result.with_notes(architecture=replace(result.notes.architecture, name="<em>"))
    text, reader = written(result, tmp_path)
    assert "onclick" not in re.sub(r"&lt;b onclick=&quot;", "", text)
    assert "<script>alert(1)</script>" in "".join(reader.words)  # as words, not as markup
    assert not {"script", "u", "em"} & set(reader.tags)


def small_mesh() -> RunResult:
    """Three populations in six cores, of which one fills four; static energy; many samples."""
    sizes = {"mesh_width": 3, "mesh_height": 2, "lanes": 4, "neurons": 32, "axons": 64, "rtl": False}
    arch = replace(load_architecture("up5k"), name="mesh", **sizes)
    return made((100, 40, 12), arch, samples=60, timesteps=25, rate=0.05, prices="odin28")


@pytest.mark.parametrize(("name", "make"), [("one_core", made), ("mesh", small_mesh)])
def test_a_page_is_drawn_as_it_was(name: str, make: Callable[[], RunResult], tmp_path: Path) -> None:
    """NM_GOLDEN=1 writes what is drawn now into tests/data: look at the difference, and at the page."""
    page = written(make(), tmp_path)[0].split("</style>")[1]
    drawn = re.sub(r"<p>Made by nmcompile .*?</p>", "", page).replace("><", ">\n<")
    golden = Path(__file__).parent / "data" / "pages" / f"{name}.html"
    if os.environ.get("NM_GOLDEN"):
        golden.write_text(drawn, encoding="utf-8")
    assert drawn.splitlines() == golden.read_text(encoding="utf-8").splitlines()


# -------------------------------------------------------------------------------------------------- awkward runs
def test_raster_draws_every_spike_of_a_small_population(tmp_path: Path) -> None:
    result = made()
    text, _ = written(result, tmp_path)
    assert result.spikes is not None
    raster = text[text.index('id="raster"') : text.index('id="membranes"')]
    drawn = sum(path.count("M") for path in re.findall(r'<path d="([^"]*)" style="stroke:var\(--c\)', raster))
    assert drawn == (result.spikes[:, 0] == 0).sum() + len(result.notes.shown.inputs)


def test_another_sample_can_be_shown(tmp_path: Path) -> None:
    words = written(made(), tmp_path, sample=2)[1].text
    assert "Sample 2: class" in words
    assert "nmc emulate --probe v:LAYER" in words  # only the first one was probed


def test_what_was_not_recorded_says_how_to_get_it(tmp_path: Path) -> None:
    result = noted(replace(made(), spikes=None, probes={}), drift=())
    result = result.with_notes(labels=None, accuracy=None, float_accuracy=None)
    words = written(result, tmp_path)[1].text
    assert "No spikes were recorded" in words
    assert "nmc emulate --probe v:LAYER -o RUN.npz" in words
    assert "nmc compile --calibrate IN.npz" in words
    assert "A sample takes" in words


def test_bare_run_has_a_page(tmp_path: Path) -> None:
    result = made()
    kept = RunNotes(10, 1, load_architecture("up5k"), result.notes.populations, result.notes.image)
    _, reader = written(replace(result, notes=kept, probes={}), tmp_path)
    assert {"raster", "work", "energy", "drift"} <= set(reader.ids)


@pytest.mark.parametrize("sizes", [(1,), (3,) * 20, (5_000, 2_000, 10)])
def test_any_number_of_populations_and_neurons(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    written(made(sizes, load_architecture("large"), timesteps=30), tmp_path)


def test_long_and_busy_samples_are_thinned_out(tmp_path: Path) -> None:
    arch = load_architecture("large")
    text, _ = written(made((4_000, 500), arch, samples=1, timesteps=800, rate=0.25), tmp_path)
    assert "to a row" in text


def test_mesh_of_64_cores_is_drawn_for_each_resource(tmp_path: Path) -> None:
    arch = load_architecture("large")
    text, reader = written(made((40_000, 25_000, 10), arch, samples=1, timesteps=2, rate=0.01), tmp_path)
    assert "64 of 64 cores in use" in reader.text
    assert text.count('class="map"') == 8
    assert text.count("<title>core 63:") == 8


def test_core_of_one_has_bars_and_no_mesh(tmp_path: Path) -> None:
    text, reader = written(made(), tmp_path)
    assert 'class="map"' not in text
    assert "100 of 8,192" in reader.text


def test_output_that_does_not_spike_is_chosen_by_its_potential(tmp_path: Path) -> None:
    result = noted(made(), readout="membrane", thresholds={"layer0": 100})
    silent = replace(result, output_counts=np.zeros_like(result.output_counts))
    assert "the answer" in written(silent, tmp_path)[1].text


def test_silence_has_a_page(tmp_path: Path) -> None:
    result = made(rate=0.0)
    quiet = {name: np.zeros_like(values) for name, values in result.counters.items()}
    energy = price(load_architecture("up5k"), quiet, 1, load_prices("horowitz45")).note()
    result = noted(result, drift=tuple(replace(row, float_spikes=0) for row in result.notes.image.drift))
    nothing = dict.fromkeys(("busy_cycles", "events", "synaptic_operations", "spikes"), 0)
    costs = tuple(replace(cost, **nothing) for cost in result.notes.costs)
    still = replace(result, counters=quiet, chip=dict.fromkeys(CHIP_COUNTERS, 0)).with_notes(energy=energy, costs=costs)
    assert "Nothing that was counted costs energy" in written(still, tmp_path)[1].text


def test_many_classes_show_the_worst_ones(tmp_path: Path) -> None:
    result = made((6, 200), load_architecture("ecp5"), samples=60)
    result = result.with_notes(labels=tuple(range(60)))
    text, reader = written(result, tmp_path)
    assert "Right, of the 20 worst of 60 classes" in reader.text
    assert 'class="matrix"' not in text


def test_places_without_locations_are_found_by_their_parts(tmp_path: Path) -> None:
    result = made((9, 3))
    located = written(result, tmp_path)[0]
    result = result.with_notes(locations=None)
    assert written(result, tmp_path)[0] == located


def test_rows_in_the_order_of_places_are_said_to_be_so(tmp_path: Path) -> None:
    result = made((9, 3))
    projection = ProjectionNote("conv", "input", "layer0", 9, 576, 9, 8, 0, convolutional=True)
    result = noted(result.with_notes(locations=None), projections=(projection,))
    words = written(result, tmp_path)[1].text
    assert "Rows follow the places in the cores" in words
    assert "its spikes are not known" in words


# ------------------------------------------------------------------------------------------------------- numbers
PREFIXES = ("f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (3.2e-6, "3.2 µs"),
        (9.994e-4, "999 µs"),
        (9.995e-4, "0.999 ms"),
        (1.5, "1.5 s"),
        (2.5e9, "2.5 Gs"),
        (1e-18, "0.001 fs"),
        *((2 * 10.0**power, f"2 {prefix}s") for power, prefix in zip(range(-15, 18, 3), PREFIXES, strict=True)),
    ],
)
def test_quantities_have_prefixes(value: float, text: str) -> None:
    assert numbers.quantity(value, "s").replace("\N{NO-BREAK SPACE}", " ") == text


NUMBERS = [(1234567, "1,234,567"), (0.5, "0.5"), (1234.5, "1,234"), (14.23, "14.2"), (99.96, "100"), (-1e3, "-1,000")]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_numbers_have_separators(value: float, text: str) -> None:
    assert numbers.number(value) == text


SHARES = [(0.0, "0 %"), (0.001, "<1 %"), (0.0049, "<1 %"), (0.0051, "1 %"), (0.614, "61 %"), (1.0, "100 %")]


@pytest.mark.parametrize(("share", "text"), SHARES)
def test_shares_are_percent(share: float, text: str) -> None:
    assert numbers.percent(share).replace("\N{NO-BREAK SPACE}", " ") == text


def test_shares_have_as_many_digits_as_asked_for() -> None:
    assert numbers.percent(0.0012, 1) == "0.1\N{NO-BREAK SPACE}%"
    assert numbers.signed(-0.0234) == "\N{MINUS SIGN}2.3\N{NO-BREAK SPACE}%"
    assert numbers.signed(0.0234, 1) == "+2\N{NO-BREAK SPACE}%"


def test_counts_have_a_plural() -> None:
    assert [numbers.count(n, "core") for n in (0, 1, 4096)] == ["0 cores", "1 core", "4,096 cores"]
