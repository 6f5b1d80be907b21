"""Co-design studies: what STUDY.toml may say, points against the single verbs, what is kept, and what goes wrong."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

import cloudpickle
import numpy as np
import pytest
from caches import own_cache
from hypothesis import given
from hypothesis import strategies as st
from nirfiles import LAYERS, two_layers, write
from test_report import Reader

from emulator.spec.arch import load_architecture
from emulator.spec.errors import DeviceError
from emulator.spec.files import shipped_folder
from nmcompile.fpga import implement as fpga
from nmcompile.report import figures
from nmcompile.results.metrics import FPGA_METRICS, METRICS
from nmcompile.study import execute, sweep
from nmcompile.study.plan import read_study
from nmcompile.study.sweep import front, run_study

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

SETTINGS = """
[settings]
network = "net.nir"
spikes = "in.npz"
arch = "up5k"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a network and its spikes, and a cache of its own."""
    own_cache(monkeypatch, tmp_path / "cache")
    rng = np.random.default_rng(5)
    write(tmp_path / "net.nir", two_layers(rng), LAYERS)
    spikes = (rng.random((40, 12, 6)) < 0.4).astype(np.uint8)
    np.savez(tmp_path / "in.npz", spikes=spikes, labels=rng.integers(0, 3, 40))
    return tmp_path


def study_of(folder, text):
    path = folder / "study.toml"
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------------------ reading a study
@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", 3, "nothing to vary; add a table [axes], for example weight_bits = [4, 8]"),
        ("lanes = 3", 3, "unknown key 'lanes'; the keys are title, objectives, settings, axes"),
        ("title = 3\n[axes]\nweight_bits = [4]", 3, "title = 3 should be a text"),
        ("[settings]\nlane = 3", 3, "no setting 'lane'; there are network, spikes,"),
        ("[settings]\nlimit = '3'", 3, "limit = '3' should be a whole number"),
        ("[settings]\nlimit = true", 3, "limit = True should be a whole number"),
        ("[axes]\nlanes = 4", 3, "[axes] lanes = 4 should be a list of values, at least one"),
        ("[axes]\nlanes = []", 3, "[axes] lanes = [] should be a list of values, at least one"),
        ("[axes]\nlanes = [4, 4]", 3, "[axes] lanes: 4 is there twice; give each value another label"),
        (
            "[axes]\nwidth = [4]",
            3,
            "[axes] width: no setting of that name; the values of an axis of your own are tables",
        ),
        ("[axes]\nwidth = [{lanes = 'x'}]", 3, "[axes] width: lanes = 'x' should be a whole number"),
        (f"{SETTINGS}[axes]\narch = ['up5k']", 3, "arch is set by [settings] and by axis 'arch'; take one away"),
        ("objectives = ['speed']\n[axes]\nlanes = [4]", 3, "no objective 'speed'; there are accuracy,"),
        ("objectives = ['cores']\n[axes]\nlanes = [4]", 3, "objectives ['cores']; a front needs two different ones"),
        ("[axes]\nweight_bits = [4]", 3, "no network in [settings] or on an axis; give a file"),
        (f"{SETTINGS}limit = 0\n[axes]\nweight_bits = [4]", 3, "limit = 0 should be 1 or more"),
        (f"{SETTINGS}learn = true\n[axes]\nweight_bits = [4]", 3, "learn = true, but nothing learns; set plasticity"),
        (f"{SETTINGS}[axes]\nweight_bits = [4, 3]", 3, "weight_bits = 3 should be 16, 8, 4, 2 or 1"),
        (f"{SETTINGS}[axes]\nreadout = ['vote']", 3, "readout = 'vote' should be count"),
        (f"{SETTINGS}[axes]\nnetwork = ['no.nir']", 3, "network is set by [settings] and by axis 'network'"),
        (f"{SETTINGS}calibrate = 'no.npz'\n[axes]\nweight_bits = [4]", 3, "no.npz: no such file"),
        (f"{SETTINGS}semantics = 'brian'\n[axes]\nweight_bits = [4]", 2, "'brian'"),
        (f"{SETTINGS}target = 'virtex'\n[axes]\nweight_bits = [4]", 2, "no target 'virtex'; there are up5k"),
        (f"{SETTINGS}prices = 'free'\n[axes]\nweight_bits = [4]", 3, "'free'"),
        (f"{SETTINGS.replace('arch', '#')}[axes]\nlanes = [4]", 3, "lanes of which architecture? set arch, too"),
        ("objectives = [[1], [2]]\n[axes]\nlanes = [4]", 3, "no objective [1]; there are accuracy,"),
        ("[axes]\nc = [{label = 2020-01-01, lanes = 4}]", 3, "label = datetime.date(2020, 1, 1) should be a text or a"),
        ('[axes]\nc = [{label = "a\\nb", lanes = 4}]', 3, "[axes] c: label = 'a\\nb': a text that cannot be printed"),
        ('[axes]\n"a\\nb" = [4]', 3, "[axes] a\\nb': a name that cannot be printed; give the axis another"),
        ("[axes]\nc = [{label = 1, lanes = 4}, {label = true, lanes = 8}]", 3, "c: True is there twice"),
        ("[axes]\nclock_hz = [20000000, 20e6]", 3, "clock_hz: 20000000.0 is there twice"),
        ("[axes]\nclock_hz = [inf]", 3, "clock_hz: clock_hz = inf should be finite"),
        (f"[axes]\nclock_hz = [1{400 * '0'}]", 3, "clock_hz: clock_hz is a number of 1329 bits, which is too large"),
        (f"[axes]\nlanes = [1{5000 * '0'}]", 3, "not a readable TOML file: Exceeds the limit"),
        (f"{SETTINGS}[axes]\nclock_hz = [1e-20]", 3, "clock_hz = 1e-20 should be 1 to 1e12 hertz"),
        (f'{SETTINGS}prices = "a\\u0000.toml"\n[axes]\nlanes = [4]', 3, "a text that cannot be printed"),
        (f"objectives = ['cores', 'fmax_hz']\n{SETTINGS}[axes]\nlanes = [4]", 3, "'fmax_hz', which needs an FPGA; set"),
        (f"[axes]\nweight_bits = {list(range(400))}\nlimit = {list(range(400))}", 3, "160,000 points, at most 100,000"),
    ],
)
def test_a_study_that_is_wrong_gets_one_line(folder, nmc, text, code, says):
    found, out, err = nmc("sweep", study_of(folder, text))
    assert found == code
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_points_are_every_combination_and_sizes_that_no_machine_has_are_told(folder):
    text = SETTINGS + '[axes]\nweight_bits = [8, 4]\ncore = [{lanes = 8, limit = 2}, {label = "odd", lanes = 3}]\n'
    study = read_study(study_of(folder, text))
    places = [(point.at["weight_bits"], point.at["core"]) for point in study.points]
    assert places == [(8, "lanes 8, limit 2"), (8, "odd"), (4, "lanes 8, limit 2"), (4, "odd")]
    assert [point.settings["weight_bits"] for point in study.points] == [8, 8, 4, 4]
    assert study.points[0].arch.lanes == 8
    assert study.points[1].arch is None
    assert "lanes = 3, but it must be 1, 2, 4, 8 or 16" in study.points[1].problem
    assert len(study.inputs) == 2  # with and without the limit
    assert len(study.inputs[study.points[0].inputs].data.spikes) == 2


def test_the_documented_study_and_those_that_are_bundled_can_be_read(folder):
    page = (Path(__file__).parent.parent / "docs" / "studies.md").read_text()
    text = re.findall("```toml\n(.*?)```", page, re.DOTALL)[0].replace("test.npz", "in.npz")
    assert len(read_study(study_of(folder, text)).points) == 6
    for path in (shipped_folder("examples") / "studies").glob("*.toml"):
        study = read_study(path)
        assert not any(point.problem for point in study.points), path


# ------------------------------------------------------------------------------------------------------ the front
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=25))
def test_front_is_what_nothing_dominates(values):
    names = ("accuracy", "energy_j_per_sample", "cores")
    rows = [{"status": "done"} | dict(zip(names, v, strict=True)) for v in values]
    better = {name: (lambda a, b: a > b) if METRICS[name].more else (lambda a, b: a < b) for name in names}

    def dominated(row):
        return any(
            any(better[n](other[n], row[n]) for n in names) and not any(better[n](row[n], other[n]) for n in names)
            for other in rows
        )

    assert front(rows, names) == [i for i, row in enumerate(rows) if not dominated(row)]


def test_front_leaves_out_what_is_not_done_or_lacks_an_objective():
    rows = [{"status": "done", "cores": 2, "spikes": 1}, {"status": "failed", "cores": 1, "spikes": 0}]
    rows += [{"status": "done", "cores": 1}]
    assert front(rows, ("cores", "spikes")) == [0]
    assert front(rows, ()) == []


# -------------------------------------------------------------------------------------------------------- running
STUDY = f"""
title = "lanes & <bits>"
{SETTINGS}
[axes]
weight_bits = [8, 2]
core = [{{label = "four", lanes = 4}}, {{label = "eight", lanes = 8, clock_hz = 12e6}}, {{label = "tiny", neurons = 4}}]
prices = ["horowitz45", "loihi14"]
"""


def test_points_are_what_the_single_verbs_say_and_nothing_is_run_twice(folder, nmc):
    path = study_of(folder, STUDY)
    code, out, err = nmc("sweep", path, "--workers", 2, "--json", "-o", folder / "out.csv", "--html", folder / "p.html")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert len(found["points"]) == 12
    assert found["tasks"] == found["ran"] == 6  # prices need no run
    assert found["objectives"] == ["accuracy", "energy_j_per_sample", "latency_s_per_sample"]
    sizes = {"four": {"lanes": 4}, "eight": {"lanes": 8, "clock_hz": 12e6}}
    for point in found["points"]:
        bits, core, prices = point["at"].values()
        if core == "tiny":
            assert point["status"] == "does not fit"
            assert "neurons" in point["error"]
            continue
        arch = load_architecture("up5k").as_dict() | sizes[core]
        (folder / "arch.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in arch.items()))
        image = folder / "net.nmi"
        made = nmc("compile", folder / "net.nir", "-o", image, "--arch", folder / "arch.toml", "--weight-bits", bits)
        ran = nmc("emulate", image, "--spikes", folder / "in.npz", "--prices", prices, "--json")
        assert (made[0], ran[0]) == (0, 0)
        for name, value in json.loads(ran[1]).items():
            if name not in ("elapsed_s", "architecture"):
                assert point[name] == value, name
    assert any(point["front"] for point in found["points"])

    assert METRICS.keys() - FPGA_METRICS == METRICS.keys() & set().union(*found["points"])

    again = json.loads(nmc("sweep", path, "--json")[1])
    assert again["ran"] == 0
    assert again["points"] == found["points"]
    with open(folder / "out.csv", newline="") as file:
        table = list(csv.DictReader(file))
    for row, point in zip(table, found["points"], strict=True):
        assert [row[axis] for axis in found["axes"]] == [str(value) for value in point["at"].values()]
        assert row["cycles_per_sample"] == str(point.get("cycles_per_sample", ""))
        assert row["error"] == point["error"]
    page = Reader((folder / "p.html").read_text())
    assert page.ids == ["front", "axes", "points", "problems"]
    assert page.links == []
    assert "lanes & <bits>" in page.text
    _, out, _ = nmc("sweep", path)
    assert "8 done, 4 do not fit" in " ".join(out.split())
    assert "0 of 6 runs were new" in " ".join(out.split())


def test_a_study_that_grew_runs_what_is_new_and_another_input_is_another_run(folder):
    axes = "[axes]\nweight_bits = [8]\n"
    assert run_study(read_study(study_of(folder, SETTINGS + axes)), 1).ran == 1
    assert run_study(read_study(study_of(folder, SETTINGS + axes.replace("8", "8, 4"))), 1).ran == 1
    arrays = dict(np.load(folder / "in.npz"))
    np.savez(folder / "in.npz", **arrays | {"spikes": 1 - arrays["spikes"]})
    assert run_study(read_study(study_of(folder, SETTINGS + axes)), 1).ran == 1


def test_more_points_than_a_screen_shows(folder, nmc):
    clocks = [1e6 * k for k in range(1, 71)]
    path = study_of(folder, f"{SETTINGS}[axes]\nclock_hz = {clocks}\n")
    code, out, _ = nmc("sweep", path)
    assert code == 0
    assert "Only the front (*) is shown" in out
    assert "1 of 1 runs were new" in " ".join(out.split())


def test_an_objective_needs_labels(folder, nmc):
    np.savez(folder / "in.npz", spikes=np.load(folder / "in.npz")["spikes"])
    text = f"objectives = ['accuracy', 'cores']\n{SETTINGS}[axes]\nweight_bits = [8]\n"
    code, _, err = nmc("sweep", study_of(folder, text))
    assert (code, err.count("\n")) == (3, 1)
    assert "objective 'accuracy', but no spikes have labels; add `labels` to them" in err


def at_home(tasks, inputs, *_):
    """Runs here and now, in place of Dask."""
    for key, task in tasks.items():
        result = {"exit_code": 0} | execute.perform(task, inputs[task.inputs] if isinstance(task, sweep.Run) else None)
        execute.keep_run(key, result)
        yield key, result


RULES = """[fc1]
rule = "pair-stdp"
a_plus = 0.05
a_minus = 0.02
tau_plus = 0.02
tau_minus = 0.02
w_min = -2.0
w_max = 2.0
"""


@pytest.mark.parametrize(
    ("setting", "compiled", "emulated"),
    [
        ({"semantics": "snntorch"}, ["--semantics", "snntorch"], []),
        ({"reset": "subtract"}, ["--reset", "subtract"], []),
        ({"compare": ">="}, ["--compare", ">="], []),
        ({"integrator": "exponential"}, ["--integrator", "exponential"], []),
        ({"dt": 1.5e-3}, ["--dt", "1.5e-3"], []),
        ({"weight_bits": 16}, ["--weight-bits", "16"], []),
        ({"calibrate": "other.npz"}, ["--calibrate", "other.npz"], []),
        ({"spikes": "other.npz"}, [], ["--spikes", "other.npz"]),
        ({"network": "other.nir"}, ["other.nir"], []),
        ({"readout": "first-spike"}, [], ["--readout", "first-spike"]),
        ({"timesteps": 7}, [], ["--timesteps", "7"]),
        ({"limit": 2}, [], ["--limit", "2"]),
        ({"prices": "truenorth28"}, [], ["--prices", "truenorth28"]),
        ({"arch": "large"}, ["--arch", "large"], []),
        ({"arch": "ecp5", "input_levels": 3}, ["--arch", "ecp5", "--input-levels", "3"], []),
        ({"plasticity": "rules.toml", "learn": True}, ["--plasticity", "rules.toml"], ["--learn"]),
    ],
)
def test_every_setting_is_the_option_of_that_name(folder, nmc, monkeypatch, setting, compiled, emulated):
    monkeypatch.setattr(sweep, "execute", at_home)
    monkeypatch.chdir(folder)
    rng = np.random.default_rng(8)
    write(folder / "other.nir", two_layers(rng), LAYERS)
    spikes = (rng.random((5, 12, 6)) < 0.5).astype(np.uint8)
    np.savez(folder / "other.npz", spikes=spikes, labels=rng.integers(0, 3, 5))
    (folder / "rules.toml").write_text(RULES)
    defaults = {"network": "net.nir", "spikes": "in.npz", "arch": "up5k", "dt": 1e-3}

    def point(**changed):
        values = "\n".join(f"{key} = {json.dumps(value)}" for key, value in (defaults | changed).items())
        code, out, err = nmc("sweep", study_of(folder, f"[settings]\n{values}\n[axes]\nregisters = [8]\n"), "--json")
        assert code == 0, err
        return json.loads(out)

    base, found = point(), point(**setting)
    assert found["ran"] == ("prices" not in setting)
    net, arch, dt = (setting.get(name, defaults[name]) for name in ("network", "arch", "dt"))
    (folder / "arch.toml").write_text(
        "".join(f"{k} = {json.dumps(v)}\n" for k, v in (load_architecture(arch).as_dict() | {"registers": 8}).items())
    )
    options = [*compiled[compiled[:1] == ["other.nir"] :], "--arch", "arch.toml", "--dt", dt]
    made = nmc("compile", net, "-o", "net.nmi", *options, "--json")
    ran = nmc("emulate", "net.nmi", "--spikes", "in.npz", *emulated, "--json")
    assert (made[0], ran[0]) == (0, 0), made[2] + ran[2]
    wanted, got = json.loads(made[1]) | json.loads(ran[1]), found["points"][0]
    for name in wanted.keys() - {"elapsed_s", "seconds", "architecture", "drift", "learning_energy_j_per_sample"}:
        assert got[name] == wanted[name], name
    assert "learning_energy_j_per_sample" not in got
    if "calibrate" not in setting:  # which changes nothing of so small a network
        assert [name for name in got if name != "elapsed_s" and got[name] != base["points"][0].get(name)]


def test_what_a_run_depends_on_is_in_its_key():
    """Every module of ours that a run loads, but the look of numbers."""
    program = "import sys, nmcompile.study.sweep, emulator.kernel.samples; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    top = Path(sweep.__file__).resolve().parents[2]
    known = {path for pattern in sweep.Run.SOURCES for path in top.glob(pattern)}
    names = [name.replace(".", "/") for name in loaded if name.split(".")[0] in ("emulator", "nmcompile")]
    files = {top / f"{name}{end}" for name in names for end in (".py", "/__init__.py")}
    missing = sorted(str(path.relative_to(top)) for path in files - known if path.exists())
    assert missing == ["nmcompile/study/__init__.py", "nmcompile/study/sweep.py"]


def test_prices_that_lack_one_fail_their_points_alone(folder, nmc, monkeypatch):
    monkeypatch.setattr(sweep, "execute", at_home)
    text = prices_text("horowitz45")
    (folder / "mine.toml").write_text(
        text.replace('name = "horowitz45"', 'name = "mine"').replace('"instructions"', '"spikes"')
    )
    path = study_of(folder, f"{SETTINGS}[axes]\nprices = ['mine.toml', 'horowitz45']\n")
    code, out, err = nmc("sweep", path, "--json")
    assert code == 3
    assert [point["status"] for point in json.loads(out)["points"]] == ["failed", "done"]
    assert (
        "1 of 2 points failed; the first, prices mine.toml: price table 'mine' has no price for 'instructions'" in err
    )
    assert err.count("\n") == 1


def prices_text(name):
    return resources.files("emulator.prices").joinpath(f"{name}.toml").read_text()


def test_what_is_read_is_never_written_over(folder, nmc):
    path = study_of(folder, f"{SETTINGS}[axes]\nweight_bits = [8]\n")
    for output in ("in.npz", "net.nir", "study.toml"):
        before = (folder / output).read_bytes()
        for option in ("-o", "--html"):
            code, _, err = nmc("sweep", path, option, folder / output)
            assert code == 2
            assert "would be overwritten while it is read" in err
        assert (folder / output).read_bytes() == before
    code, _, err = nmc("sweep", path, "-o", folder / "x", "--html", folder / "x")
    assert code == 2
    assert "--output and --html cannot be one file" in err


def test_odd_names_are_shown_as_they_are(folder, nmc, monkeypatch):
    monkeypatch.setattr(sweep, "execute", at_home)
    axes = (
        "'core [/b]' = [{label = '[red]', lanes = 4}, {label = '<b>', lanes = 8}]\n'error' = [{label = 'x', limit = 2}]"
    )
    path = study_of(folder, f"title = 'weights [lanes] [/]'\n{SETTINGS}[axes]\n{axes}\n")
    code, out, err = nmc("sweep", path, "-o", folder / "o.csv", "--html", folder / "o.html")
    assert (code, err) == (0, "")
    assert "weights [lanes] [/]" in out
    assert "core [/b], error" in out
    assert "[red], x" in out
    with open(folder / "o.csv", newline="") as file:
        header = next(csv.reader(file))
    assert len(set(header)) == len(header)
    assert "core [/b] <b>" in Reader((folder / "o.html").read_text()).text


@pytest.mark.parametrize(
    ("values", "whole"), [([1, 1], True), ([1, 3], True), ([1e-20, 2e-20], False), ([5, 4e5], True)]
)
def test_ticks_are_round_and_of_counts_whole(values, whole):
    scale = figures._Scale(values, whole)
    assert scale.ticks
    assert all(0 <= scale(v) <= 1 for v in [*values, *scale.ticks])
    if whole:
        assert all(v == int(v) for v in scale.ticks)


def test_area_and_clock_come_from_the_synthesis_of_each_machine_and_clock(folder, monkeypatch):
    seen = []

    def measure(arch, target):
        seen.append((arch.lanes, arch.clock_hz, target))
        problems = ["'up5k' needs more"] if arch.lanes == 8 else []
        return {"used": {"logic cells": [4000, 5280], "block RAMs": [30, 30]}, "fmax_hz": 3e7, "part": "x"}, problems

    monkeypatch.setattr(fpga, "measure", measure)
    monkeypatch.setattr(sweep, "execute", at_home)
    text = f"{SETTINGS}target = 'up5k'\n[axes]\nlanes = [4, 8]\nclock_hz = [12e6, 24e6]\nweight_bits = [8, 4]\n"
    found = run_study(read_study(study_of(folder, text)))
    assert sorted(seen) == [(4, 12e6, "up5k"), (4, 24e6, "up5k"), (8, 12e6, "up5k"), (8, 24e6, "up5k")]
    assert found.tasks == 8
    for row in found.rows:
        if row["at"]["lanes"] == 8:
            assert (row["status"], row["error"]) == ("does not fit", "'up5k' needs more")
        else:
            assert (row["logic_cells"], row["block_rams"], row["fmax_hz"]) == (4000, 30, 3e7)
            assert row["latency_s_at_fmax"] == row["cycles_per_sample"] / 3e7


# ----------------------------------------------------------------------------------------------- what goes wrong
@dataclass(frozen=True)
class Deadly:
    """A task that takes its worker along, as a system short of memory does."""

    SOURCES: ClassVar = ()
    kill: bool

    def __call__(self, _):
        if self.kill:
            os._exit(9)
        return {"found": {}}


def test_a_worker_that_dies_costs_its_point_alone_and_is_not_kept(folder):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    found = dict(execute.execute({"a": Deadly(False), "b": Deadly(True)}, {}, 1, None, lambda *_: None))
    assert found["a"]["found"] == {}
    assert "its worker died" in found["b"]["error"]
    assert found["b"]["exit_code"] == 6
    assert execute.kept_run("a")
    assert not execute.kept_run("b")


DEATH = """
import cloudpickle, test_sweep
from nmcompile.study import execute

if __name__ == "__main__":
    cloudpickle.register_pickle_by_value(test_sweep)
    list(execute.execute({"a": test_sweep.Deadly(True)}, {}, 1, None, lambda *_: None))
"""


def test_a_worker_that_dies_writes_no_page_of_log(folder):
    """In a process of its own, as pytest takes logs away."""
    (folder / "death.py").write_text(DEATH)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, folder / "death.py"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_failures_are_told_after_all_else(folder, nmc, monkeypatch):
    def one_after_the_other(tasks, inputs, *_):
        for i, key in enumerate(tasks):
            yield (
                key,
                {"error": "its worker died", "exit_code": 6} if i else execute.perform(tasks[key], *inputs.values()),
            )

    monkeypatch.setattr(sweep, "execute", one_after_the_other)
    code, out, err = nmc("sweep", study_of(folder, SETTINGS + "[axes]\nweight_bits = [8, 4, 2]\n"))
    assert code == 6
    assert "1 done, 2 failed" in out
    assert err == "nmc: 2 of 3 points failed; the first, weight_bits 4: its worker died\n"


def test_a_scheduler_that_there_is(folder, nmc):
    from distributed import LocalCluster

    path = study_of(folder, SETTINGS + "[axes]\nweight_bits = [8, 4]\n")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        code, out, _ = nmc("sweep", path, "--scheduler", cluster.scheduler_address, "--json")
        address = cluster.scheduler_address
    assert code == 0
    assert json.loads(out)["ran"] == 2
    study_of(folder, SETTINGS + "[axes]\nweight_bits = [16]\n")
    code, _, err = nmc("sweep", path, "--scheduler", address)
    assert code == 6
    assert f"no Dask scheduler answers at {address}" in err
    assert err.count("\n") == 1


def test_workers_of_another_version_are_refused():
    class Future:
        status = "finished"

        def result(self):
            return {"found": {}, "sources": "another"}

    with pytest.raises(DeviceError, match="another version of nmcompile"):
        execute._outcome("key", Deadly(False), Future())


def test_without_dask_the_command_that_installs_it(folder, nmc, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    code, _, err = nmc("sweep", study_of(folder, SETTINGS + "[axes]\nweight_bits = [8]\n"))
    assert (code, err) == (
        6,
        "nmc: Dask is not installed, which runs the points; run: pip install 'nmcompile[sweep]'\n",
    )
