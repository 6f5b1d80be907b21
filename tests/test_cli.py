"""The command line: every verb, its JSON, its exit codes, and one line for everything that is wrong with an input."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace

import click
import nir
import numpy as np
import pytest
from nirfiles import LAYERS, chain, edit, give, lif, put, take, two_layers, write
from recordings import events_of, evt2

import emulator
from emulator.result import load_result, save_result
from emulator.spec.arch import load_architecture
from emulator.spec.errors import InputError
from emulator.spec.image_file import load_image, save_image
from nmcompile import cli
from nmcompile.verbs.options import Verb
from nmcompile.verbs.tables import show_costs

COMPILE_KEYS = {
    "cores",
    "neurons",
    "synapses",
    "axons",
    "latency_timesteps",
    "memory_bits",
    "semantics",
    "warnings",
}
EMULATE_KEYS = {
    "samples",
    "timesteps",
    "synaptic_operations",
    "spikes",
    "cycles_per_sample",
    "cycles_are",
    "energy_j_per_sample",
    "elapsed_s",
}


@pytest.fixture
def fails(nmc):
    """Run `nmc` and expect nothing on stdout, a line per message on stderr and an exit code."""

    def fails(code, *lines, run):
        assert nmc(*run) == (code, "", "".join(f"nmc: {line}\n" for line in lines))

    return fails


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with net.nir, its image net.nmi for ecp5 and inputs in.npz: 4 samples of 5 timesteps, labelled."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(3)
    write(folder / "net.nir", two_layers(rng), LAYERS)
    np.savez(folder / "in.npz", spikes=rng.random((4, 5, 6)) < 0.5, labels=[0, 1, 2, 0])
    run = [sys.executable, "-m", "nmcompile.cli"]
    subprocess.run([*run, "compile", folder / "net.nir", "-o", folder / "net.nmi", "--arch", "ecp5"], check=True)
    emulate = ["emulate", folder / "net.nmi", "--spikes", folder / "in.npz", "-o", folder / "run.npz"]
    subprocess.run([*run, *emulate, "--probe", "v:lif1"], check=True)
    return folder


# --------------------------------------------------------------------------------------------------------- verbs
def test_compile_prints_one_json_object_with_the_promised_keys(nmc, made, tmp_path):
    code, out, err = nmc("compile", made / "net.nir", "-o", tmp_path / "x.nmi", "--json")
    values = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert set(values) >= COMPILE_KEYS
    assert (values["neurons"], values["latency_timesteps"], values["cores"]) == (8, 1, 1)
    assert load_image(tmp_path / "x.nmi").arch.name == values["architecture"] == "up5k"


def test_compile_with_calibration_adds_the_drift_report(nmc, made, tmp_path):
    code, out, err = nmc(
        "compile", made / "net.nir", "-o", tmp_path / "x.nmi", "--calibrate", made / "in.npz", "--json"
    )
    assert (code, err) == (0, "")
    assert [row["name"] for row in json.loads(out)["drift"]] == ["lif1", "lif2"]


def test_a_layer_silenced_by_two_bits_is_named_with_the_parameter_that_wakes_it(nmc, tmp_path):
    """One of 16 taps of each kernel inhibits, and is far larger than those that drive the neurons."""
    rng = np.random.default_rng(5)
    kernels = np.full((4, 1, 4, 4), 0.06)
    kernels[:, 0, 0, 0] = -1.5
    nodes = {
        "input": give(1, 8, 8),
        "edges": nir.Conv2d((8, 8), kernels, 1, 0, 1, 1, np.zeros(4)),
        "quiet": lif(4, 5, 5),
        "flat": nir.Flatten({"input": np.array([4, 5, 5])}, 0, -1),
        "readout": nir.Linear(rng.uniform(0.1, 0.4, (3, 100))),
        "out": lif(3),
        "output": take(3),
    }
    net = write(tmp_path / "net.nir", nodes, chain(*nodes))
    samples = tmp_path / "in.npz"
    np.savez(samples, spikes=np.repeat(rng.random((6, 1, 64)) < 0.4, 20, axis=1) & (rng.random((6, 20, 64)) < 0.9))
    options = ("compile", net, "-o", tmp_path / "x.nmi", "--arch", "ecp5", "--calibrate", samples)

    def drift(*more):
        code, out, err = nmc(*options, *more, "--json")
        assert (code, err) == (0, "")
        return {row["name"]: row for row in json.loads(out)["drift"]}

    at_two = drift("--weight-bits", 2)["quiet"]
    assert at_two["float_spikes"] > 1000 > 2 * at_two["fixed_spikes"]
    assert at_two["advice"] == (
        f"'quiet' is silenced ({at_two['fixed_spikes']:,} spikes for {at_two['float_spikes']:,}): "
        "94 % of its weights are 0 at 2 bits; use --weight-bits 4"
    )
    _, out, _ = nmc(*options, "--weight-bits", 2)
    assert "'quiet' is silenced" in out
    advice = at_two
    while advice["advice"]:  # following it ends with a layer that fires
        bits = int(advice["advice"].rsplit(" ", 1)[1])
        advice = drift("--weight-bits", bits)["quiet"]
    assert bits <= 16
    assert advice["fixed_spikes"] > 0.5 * advice["float_spikes"]


def test_compile_obeys_every_option(nmc, made, tmp_path):
    options = ["--arch", "large", "--semantics", "snntorch", "--dt", "2e-4", "--weight-bits", "4"]
    options += ["--reset", "subtract", "--compare", ">=", "--integrator", "exponential"]
    code, _, err = nmc("compile", made / "net.nir", "-o", tmp_path / "x.nmi", *options)
    image = load_image(tmp_path / "x.nmi")
    assert (code, err, image.arch.name, image.notes.weight_bits) == (0, "", "large", 4)
    assert image.notes.semantics == ("snntorch: dt 0.0002 s, exponential, reset subtract, fires at v >= v_th")


def test_compile_takes_an_architecture_from_a_file(nmc, made, tmp_path):
    arch = replace(load_architecture("up5k"), name="mine", axons=32, rtl=False)
    (tmp_path / "mine.toml").write_text(toml(arch.as_dict()))
    code, out, _ = nmc(
        "compile", made / "net.nir", "-o", tmp_path / "x.nmi", "--arch", tmp_path / "mine.toml", "--json"
    )
    assert (code, json.loads(out)["architecture"]) == (0, "mine")


def test_emulate_prints_one_json_object_with_the_promised_keys(nmc, made):
    code, out, err = nmc("emulate", made / "net.nmi", "--spikes", made / "in.npz", "--json")
    values = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert set(values) >= EMULATE_KEYS | {"accuracy"}
    assert (values["samples"], values["timesteps"], values["cycles_are"]) == (4, 5, "exact")


def test_emulate_without_labels_claims_no_accuracy(nmc, made, tmp_path):
    np.savez(tmp_path / "in.npz", spikes=np.ones((1, 2, 6), int))
    code, out, _ = nmc("emulate", made / "net.nmi", "--spikes", tmp_path / "in.npz", "--json")
    assert code == 0
    assert "accuracy" not in json.loads(out)


def test_emulate_obeys_limit_timesteps_and_threads(nmc, made):
    run = ["emulate", made / "net.nmi", "--spikes", made / "in.npz", "--json"]
    values = json.loads(nmc(*run, "--limit", 2, "--timesteps", 9, "--threads", 2)[1])
    assert (values["samples"], values["timesteps"]) == (2, 9)


def test_a_recording_of_events_is_run_and_what_was_merged_is_told(nmc, made, tmp_path):
    evt2(tmp_path / "a.raw", events_of([(64, 0, 0, 0), (65, 0, 0, 0), (2064, 2, 0, 1)]), "% evt 2.0\n% geometry 3x1\n")
    np.savez(tmp_path / "same.npz", spikes=[[[1, 0, 0, 0, 0, 0], [0] * 6, [0, 0, 0, 0, 0, 1]]])
    runs = [
        nmc("emulate", made / "net.nmi", "--spikes", *inputs, "-o", tmp_path / f"{i}.npz", "--json")
        for i, inputs in enumerate([(tmp_path / "a.raw", "--bin", "1ms"), (tmp_path / "same.npz",)])
    ]
    assert [code for code, *_ in runs] == [0, 0]
    told = "! 1 of 3 events fell on an input and timestep that had one already: one spike for all\n"
    assert [err for *_, err in runs] == [told, ""]
    one, other = (load_result(tmp_path / f"{i}.npz") for i in range(2))
    np.testing.assert_array_equal(one.spikes, other.spikes)
    assert one.notes.input_spikes == 2


def test_a_run_file_holds_what_was_promised(made):
    with np.load(made / "run.npz", allow_pickle=False) as run:
        assert run["output_counts"].shape == (4, 3)
        assert run["predictions"].shape == (4,)
        assert run["spikes"].dtype == np.int32
        assert run["spikes"].shape[1] == 4
        assert len(run["counters"]) == len(run["counter_names"])
        assert isinstance(json.loads(str(run["meta"])), dict)


def test_inspect_tells_an_image_from_a_result(nmc, made):
    code, out, err = nmc("inspect", made / "net.nmi", "--json")
    assert (code, err, json.loads(out)["architecture"]) == (0, "", "ecp5")
    code, out, err = nmc("inspect", made / "run.npz", "--json")
    assert (code, err, json.loads(out)["samples"]) == (0, "", 4)


def test_report_writes_a_page_and_names_it(nmc, made, tmp_path):
    code, out, err = nmc("report", made / "run.npz", "--html", tmp_path / "page.html")
    assert (code, out.replace("\n", ""), err) == (0, f"wrote {tmp_path / 'page.html'}", "")
    assert "<html" in (tmp_path / "page.html").read_text()
    code, out, err = nmc("report", made / "run.npz", "--html", tmp_path / "page.html", "--json")
    assert (code, json.loads(out), err) == (0, {"html": str(tmp_path / "page.html")}, "")


def test_demo_prints_one_json_object(nmc):
    code, out, err = nmc("demo", "mnist_rows", "--limit", 3, "--json")
    values = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert set(values) >= EMULATE_KEYS | {"accuracy", "float_accuracy", "network", "compile"}
    assert values["samples"] == 3


def test_text_for_people_goes_to_stdout_and_nothing_to_stderr(nmc, made, tmp_path):
    runs = [
        ["compile", made / "net.nir", "-o", tmp_path / "x.nmi"],
        ["emulate", made / "net.nmi", "--spikes", made / "in.npz"],
        ["inspect", made / "net.nmi"],
        ["inspect", made / "run.npz"],
    ]
    for run in runs:
        code, out, err = nmc(*run)
        assert (code, err) == (0, ""), run
        assert out, run


def test_names_that_look_like_markup_are_printed_as_they_are(nmc, tmp_path):
    nodes = {"in": give(2), "[red]x": nir.Linear(np.ones((3, 2))), "[b]": lif(3), "out": take(3)}
    write(tmp_path / "n.nir", nodes, chain("in", "[red]x", "[b]", "out"))
    code, _, err = nmc("compile", tmp_path / "n.nir", "-o", tmp_path / "n.nmi")
    assert (code, err) == (0, "")
    code, out, err = nmc("inspect", tmp_path / "n.nmi")
    assert (code, err) == (0, "")
    assert "[b]" in out


@pytest.mark.parametrize("verb", [[], ["compile"], ["emulate"], ["inspect"], ["report"], ["demo"]])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help(nmc, verb, flag):
    code, out, err = nmc(*verb, flag)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: nmc")


def test_no_arguments_show_the_help_with_exit_code_2(nmc):
    code, out, err = nmc()
    assert (code, out) == (2, "")
    assert "compile" in err


# --------------------------------------------------------------------------------------------- in its own process
def spawn(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nmcompile.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_help_needs_neither_numba_nor_scipy():
    code = (
        "import sys; from nmcompile.cli import main\n"
        "for arguments in (['--help'], ['compile', '--help']):\n"
        "    sys.argv = ['nmc', *arguments]\n"
        "    try: main()\n"
        "    except SystemExit as stop: assert not stop.code\n"
        "assert not {'numba', 'scipy', 'h5py', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_real_process_ends_with_the_exit_code_and_one_line():
    done = spawn("emulate", "none.nmi", "--spikes", "none.npz")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "nmc: none.nmi: no such file\n")


def test_a_reader_that_stops_early_is_no_error(made):
    command = f"set -o pipefail; {sys.executable} -m nmcompile.cli inspect {made / 'net.nmi'} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", ["net.nmi", "run.npz"])
def test_a_narrow_terminal_cuts_no_number(made, file):
    wide, narrow = (spawn("inspect", made / file, COLUMNS=str(width)) for width in (240, 60))
    assert (wide.returncode, narrow.returncode, narrow.stderr) == (0, 0, "")
    assert max(map(len, narrow.stdout.splitlines())) <= 60
    numbers = [Counter(re.findall(r"[0-9][0-9.,]*[0-9]", text)) for text in (wide.stdout, narrow.stdout)]
    assert numbers[0] - numbers[1] == Counter()


def test_tables_in_a_narrow_terminal_break_between_words(monkeypatch, capsys):
    row = {"name": "lif1", "neurons": 65_536, "cores": [0], "spikes": 2_083}
    row |= {"busy_cycles": 147_460, "events": 76_019, "synaptic_operations": 150_673}
    monkeypatch.setenv("COLUMNS", "60")
    show_costs([row], 1)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "Cost per sample",
        "                                        synaptic",
        "population neurons cores  cycles events      ops spikes",
        "───────────────────────────────────────────────────────",
        "lif1        65,536     1 147,460 76,019  150,673  2,083",
    ]


# ------------------------------------------------------------------------------------------------------ bad usage
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["fly"], "No such command 'fly'; see nmc --help"),
        (["compile"], "Missing argument 'NET'; see nmc compile --help"),
        (["compile", "x.nir"], "Missing option '-o' / '--output'; see nmc compile --help"),
        (["emulate", "x.nmi"], "Missing option '--spikes'; see nmc emulate --help"),
        (["inspect", "x", "--hurry"], "No such option '--hurry'; see nmc inspect --help"),
        (
            ["emulate", "x.nmi", "--spikes", "x.npz", "--limit", "0"],
            "Invalid value for '--limit': 0 is not in the range x>=1; see nmc emulate --help",
        ),
        (
            ["emulate", "x.nmi", "--spikes", "x.npz", "--timesteps", "-3"],
            "Invalid value for '--timesteps': -3 is not in the range 1<=x<=16777215; see nmc emulate --help",
        ),
        (
            ["emulate", "x.nmi", "--spikes", "x.npz", "--probe", "v"],
            "probe 'v'; it is REGISTER:POPULATION, for example v:v",
        ),
        (
            ["compile", "x.nir", "-o", "x.nmi", "--dt", "soon"],
            "Invalid value for '--dt': 'soon' is not a valid float; see nmc compile --help",
        ),
        (["compile", "x.nir", "-o", "x.nmi", "--dt", "0"], "dt = 0.0 s; a timestep must be positive"),
        (["compile", "x.nir", "-o", "x.nmi", "--dt", "nan"], "dt = nan s; a timestep must be positive"),
        (
            ["compile", "x.nir", "-o", "x.nmi", "--compare", "<"],
            "Invalid value for '--compare': '<' is not one of '>', '>='; see nmc compile --help",
        ),
        (
            ["demo", "cifar"],
            "no bundled network 'cifar'; there are mnist_mlp, mnist_conv, mnist_rows; see nmc demo --help",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_a_line(fails, tmp_path, monkeypatch, arguments, wanted):
    monkeypatch.chdir(tmp_path)
    fails(2, wanted, run=arguments)


def test_an_unknown_preset_is_answered_with_the_presets(nmc, made, tmp_path):
    code, out, err = nmc("compile", made / "net.nir", "-o", tmp_path / "x.nmi", "--semantics", "brian")
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"nmc: Invalid value for '--semantics': 'brian' is not one of 'nir', 'snntorch', 'snntorch-zero'[-a-z, ']*; "
        r"see nmc compile --help\n",
        err,
    )


def test_impossible_weight_bits_are_answered_with_the_choices(fails, made, tmp_path):
    fails(
        2,
        "3 weight bits; the choices are 1, 2, 4, 8, 16",
        run=["compile", made / "net.nir", "-o", tmp_path / "x.nmi", "--weight-bits", 3],
    )


# ------------------------------------------------------------------------------------------------------ bad input
def compiling(net, folder):
    return ["compile", net, "-o", folder / "out.nmi"]


def test_a_network_that_is_wrong_is_exit_code_3(fails, tmp_path):
    net = tmp_path / "n.nir"
    rng = np.random.default_rng(1)
    fails(3, f"{net}: no such file", run=compiling(net, tmp_path))
    write(net, two_layers(rng), LAYERS)
    net.write_bytes(net.read_bytes()[:-500])
    fails(3, f"{net}: not a NIR file, or truncated (OSError); export it again", run=compiling(net, tmp_path))
    nodes = two_layers(rng)
    nodes["fc1"].weight[0, 0] = np.nan
    write(net, nodes, LAYERS)
    fails(
        3,
        "n.nir: 'fc1' (Affine) has a weight or bias that is not finite; retrain or repair it",
        run=compiling(net, tmp_path),
    )
    write(net, two_layers(rng), [*LAYERS, ("lif2", "nowhere")])
    fails(
        3,
        f"{net}: edge 'lif2' -> 'nowhere' names 'nowhere', which is no node; "
        "there are fc1, fc2, input, lif1, lif2, output",
        run=compiling(net, tmp_path),
    )
    write(net, two_layers(rng), LAYERS)
    edit(net, lambda file: put(file, "node/nodes/lif1/type", "Resonator"))
    reads = (
        "I, IF, LI, LIF, CubaLI, CubaLIF, Threshold, Affine, Linear, Scale, Conv1d, Conv2d, SumPool2d, AvgPool2d, "
        "Flatten, Delay"
    )
    fails(
        3,
        f"n.nir: 'lif1' is of type Resonator, which this compiler cannot express; put it in terms of {reads}",
        run=compiling(net, tmp_path),
    )
    assert not (tmp_path / "out.nmi").exists()


def test_a_time_constant_shorter_than_dt_is_named(fails, made, tmp_path):
    fails(
        2,
        "'lif1' has a time constant of 0.002 s, shorter than dt = 0.01 s; "
        "use another --semantics, a smaller --dt or --integrator exponential",
        run=[*compiling(made / "net.nir", tmp_path), "--dt", "0.01"],
    )


def test_files_of_the_wrong_kind_are_named(nmc, fails, made, tmp_path):
    net, image, inputs, run = (made / name for name in ("net.nir", "net.nmi", "in.npz", "run.npz"))
    code, out, err = nmc(*compiling(image, tmp_path))
    assert (code, out) == (3, "")
    endings = r"networks end in \.nir, \.h5, \.hdf5(, \.[a-z]+)*"
    assert re.fullmatch(rf"nmc: {image}: cannot tell what it is from '\.nmi'; {endings}\n", err)
    for wrong in (net, inputs, run):
        fails(
            3,
            f"{wrong}: not an nmcompile image, or damaged; compile it again",
            run=["emulate", wrong, "--spikes", inputs],
        )
    npz = "not an .npz file of plain arrays, or truncated; write it with numpy.savez"
    fails(3, f"{net}: {npz}", run=["emulate", image, "--spikes", net])
    fails(
        3,
        f"{image}: not a result of a run, or damaged; run it again",
        run=["report", image, "--html", tmp_path / "x.html"],
    )
    fails(3, f"{net}: neither an image nor a result, or truncated", run=["inspect", net])
    fails(3, f"{inputs}: not a result of a run, or damaged; run it again", run=["inspect", inputs])
    fails(3, f"{made / 'none'}: no such file", run=["inspect", made / "none"])


def test_a_result_that_nmc_emulate_did_not_write_whole_is_refused(fails, made, tmp_path):
    image, path = load_image(made / "net.nmi"), tmp_path / "run.npz"
    save_result(emulator.run(image, np.ones((2, 3, 6), np.uint8)), path)
    bare = f"{path}: a machine's bare result, without costs and energy; make it with nmc emulate"
    fails(3, bare, run=["inspect", path])
    with np.load(path) as file:
        arrays = dict(file)
    for name, value in (("counters", np.int64(0)), ("predictions", np.zeros(3)), ("output_counts", arrays["meta"])):
        np.savez(path, **arrays | {name: value})
        fails(3, f"{path}: a result with parts missing; run it again", run=["inspect", path])


def test_inputs_that_do_not_suit_the_network_are_named(fails, made, tmp_path):
    inputs = tmp_path / "in.npz"
    run = ["emulate", made / "net.nmi", "--spikes", inputs]
    calibrate = [*compiling(made / "net.nir", tmp_path), "--calibrate", inputs]
    for wanted, arrays in (
        ("spikes of 7 inputs, but the network takes 6; flatten its input shape row-major", {"spikes": zeros(2, 3, 7)}),
        (
            "labels of shape (3,) for 2 samples; one label per sample is needed",
            {"spikes": zeros(2, 4, 6), "labels": [1, 2, 3]},
        ),
        # ecp5 could carry payloads, but this program would take every one of them for a plain spike
        (
            "spikes up to 9, but this network takes 0 to 1; compile it with --input-levels for "
            "analog inputs, or encode them in time",
            {"spikes": zeros(2, 3, 6) + 9},
        ),
        ("spikes have shape (0, 3, 6); there is nothing to run", {"spikes": zeros(0, 3, 6)}),
    ):
        np.savez(inputs, **arrays)
        fails(3, f"{inputs}: {wanted}", run=run)
        fails(3, f"{inputs}: {wanted}", run=calibrate)


def zeros(*shape):
    return np.zeros(shape, np.int64)


def test_unknown_probes_and_prices_are_answered_with_what_there_is(nmc, fails, made):
    run = ["emulate", made / "net.nmi", "--spikes", made / "in.npz"]
    fails(3, "no population 'lif9' in this image; it has lif1, lif2", run=[*run, "--probe", "v:lif9"])
    fails(
        3,
        "probe 'j:lif1': population 'lif1' has no register 'j'; it has drive, threshold, v",
        run=[*run, "--probe", "j:lif1"],
    )
    code, out, err = nmc(*run, "--prices", "free")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "horowitz45" in err


def test_an_output_that_cannot_be_written_is_known_before_any_work(fails, made, tmp_path):
    nowhere = tmp_path / "none" / "x"
    missing = f"{nowhere}: no folder {str(tmp_path / 'none')!r} to write it in; create it first"
    emulate = ["emulate", made / "net.nmi", "--spikes", made / "in.npz"]
    fails(3, missing, run=["compile", "none.nir", "-o", nowhere])
    fails(3, missing, run=[*emulate, "-o", nowhere])
    fails(3, missing, run=["report", made / "run.npz", "--html", nowhere])
    fails(3, missing, run=["demo", "--html", nowhere])
    fails(3, f"{tmp_path}: a folder; give a file to write", run=[*emulate, "-o", tmp_path])
    fails(3, "/dev/null: no regular file; give a file to write", run=[*emulate, "-o", "/dev/null"])


def test_no_input_is_overwritten(fails, made, tmp_path):
    net, image, inputs, run = (made / name for name in ("net.nir", "net.nmi", "in.npz", "run.npz"))
    own = {name: tmp_path / f"{name}.toml" for name in ("arch", "rules", "prices", "link")}
    for name in ("arch", "rules", "prices"):
        own[name].write_text("")
    own["link"].symlink_to(inputs)
    for path, arguments in (
        (net, ["compile", net, "-o", net]),
        (inputs, ["compile", net, "-o", inputs, "--calibrate", inputs]),
        (image, ["emulate", image, "--spikes", inputs, "-o", image]),
        (inputs, ["emulate", image, "--spikes", inputs, "-o", inputs]),
        (run, ["report", run, "--html", run]),
        (own["arch"], ["compile", net, "-o", own["arch"], "--arch", own["arch"]]),
        (own["rules"], ["compile", net, "-o", own["rules"], "--plasticity", own["rules"]]),
        (own["prices"], ["emulate", image, "--spikes", inputs, "-o", own["prices"], "--prices", own["prices"]]),
        (own["prices"], ["demo", "--html", own["prices"], "--prices", own["prices"]]),
        (image, ["emulate", image, "--spikes", inputs, "--learned", image]),
        (image, ["run", image, "--spikes", inputs, "--port", "none", "--learned", image]),
        (net, ["export", image, "--into", net, "-o", net]),
        (inputs, ["emulate", image, "--spikes", inputs, "-o", own["link"]]),
    ):
        before = path.read_bytes()
        output = arguments[max(i for i, a in enumerate(arguments) if a in ("-o", "--html", "--learned")) + 1]
        fails(2, f"{output}: would be overwritten while it is read; choose another name", run=arguments)
        assert path.read_bytes() == before


def test_two_outputs_are_two_files(fails, made, tmp_path):
    run = ["emulate", made / "net.nmi", "--spikes", made / "in.npz", "-o", tmp_path / "s", "--learned", tmp_path / "s"]
    fails(2, f"{tmp_path / 's'}: --output and --learned cannot be one file; choose another name", run=run)


NO_FILES = {
    *("--bin", "--crop", "--downscale", "--sensor"),  # options that take a text which is no file
    *("--port", "--scheduler", "--probe", "--set", "--v-min"),
}


def test_every_text_that_a_verb_takes_is_a_file_or_known_to_be_none():
    texts = Counter()
    for name in cli.VERBS:
        verb = cli.cli.get_command(None, name)
        assert isinstance(verb, Verb), name
        for parameter in verb.params:
            if isinstance(parameter.type, click.types.StringParamType):
                texts[parameter.opts[-1]] += 1
    assert texts.keys() == NO_FILES


# ------------------------------------------------------------------------------------------------- architectures
def toml(values):
    """TOML of an architecture; JSON writes strings, numbers and booleans the same way."""
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())


KEYS = ", ".join(load_architecture("up5k").as_dict())


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"neurones": 5}, f"PATH: unknown key 'neurones'; the keys are {KEYS}"),
        ({"lanes": None}, "PATH: key 'lanes' is missing"),
        ({"lanes": "four"}, "PATH: lanes = 'four' should be of type int"),
        ({"lanes": 4.0}, "PATH: lanes = 4.0 should be of type int"),
        ({"neurons": True}, "PATH: neurons = True should be of type int"),
        ({"name": 5}, "PATH: name = 5 should be of type str"),
        ({"graded": 1}, "PATH: graded = 1 should be of type bool"),
        ({"clock_hz": [1]}, "PATH: clock_hz = [1] should be of type float"),
        ({"lanes": 5}, "architecture 'up5k': lanes = 5, but it must be 1, 2, 4, 8 or 16"),
        ({"clock_hz": -1.0}, "architecture 'up5k': clock_hz = -1.0, but it must be a positive frequency in hertz"),
        ({"axons": 10}, "architecture 'up5k': axons = 10, but it must be a positive multiple of 16"),
        ({"neurons": 4096}, "architecture 'up5k': neurons = 4096, but it must be at most 256 blocks of lanes"),
    ],
)
def test_what_is_wrong_with_an_architecture_file_is_named(fails, made, tmp_path, changes, wanted):
    values = {k: v for k, v in (load_architecture("up5k").as_dict() | changes).items() if v is not None}
    path = tmp_path / "a.toml"
    path.write_text(toml(values))
    run = [*compiling(made / "net.nir", tmp_path), "--arch", path]
    fails(3, wanted.replace("PATH", str(path)), run=run)


def test_an_architecture_that_is_no_toml_or_not_there_is_named(nmc, fails, made, tmp_path):
    path = tmp_path / "a.toml"
    run = [*compiling(made / "net.nir", tmp_path), "--arch", path]
    fails(3, f"{path}: no such file", run=run)
    path.write_text("lanes = ")
    code, out, err = nmc(*run)
    assert (code, out) == (3, "")
    assert re.fullmatch(rf"nmc: {path}: not a readable TOML file: Invalid value .*\n", err)
    for content in (b"\xff\xfe", b"a = " + b"[" * 5000):
        path.write_bytes(content)
        code, out, err = nmc(*run)
        assert (code, out, err.count("\n")) == (3, "", 1)
    fails(
        3,
        "no architecture 'loihi'; the bundled ones are up5k, ecp5, large, or give a .toml file",
        run=[*compiling(made / "net.nir", tmp_path), "--arch", "loihi"],
    )


def test_everything_that_does_not_fit_is_gathered_line_by_line(fails, tmp_path):
    nodes = {"in": give(20), "a": nir.Linear(np.ones((300, 20))), "wide": lif(300)}
    nodes |= {"b": nir.Linear(np.ones((40, 300))), "fan": lif(40), "out": take(40)}
    net = write(tmp_path / "n.nir", nodes, chain("in", "a", "wide", "b", "fan", "out"))
    small = replace(load_architecture("up5k"), name="small", mesh_width=8, neurons=64, axons=16, rtl=False)
    (tmp_path / "small.toml").write_text(toml(small.as_dict()))
    advice = "; use fewer --weight-bits or a larger --arch"
    fails(
        4,
        f"'wide': 4 of its neurons alone need 32 axons in a core, which holds 16{advice}",
        f"'fan': 4 of its neurons alone need 304 axons in a core, which holds 16{advice}",
        run=[*compiling(net, tmp_path), "--arch", tmp_path / "small.toml"],
    )
    assert not (tmp_path / "out.nmi").exists()


# --------------------------------------------------------------------------------------------------------- images
def rewritten(source, target, change, sealed=True):
    """A copy of an image whose manifest `change` has edited, with or without its checksum made right again."""
    with zipfile.ZipFile(source) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest, members)
    members["manifest.json"] = json.dumps(manifest).encode()
    if sealed:
        members["seal"] = hashlib.sha256(members["manifest.json"]).hexdigest().encode()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target


def set_key(key, value):
    return lambda manifest, members: manifest.update({key: value})


DAMAGED = "an image with parts missing or of a wrong kind; compile it again"


@pytest.mark.parametrize(
    ("change", "sealed", "wanted"),
    [
        (set_key("latency", 3), False, "the manifest was edited (checksum differs); compile it again"),
        (
            lambda manifest, members: members.update({"outputs.npy": members["input_pointers.npy"]}),
            True,
            "outputs.npy was edited or lost (checksum differs); compile it again",
        ),
        (
            set_key("architecture_hash", "0123456789abcdef"),
            True,
            f"made for an architecture with hash 0123456789abcdef, but 'ecp5' has {load_architecture('ecp5').hash}; "
            "compile it again",
        ),
        (set_key("format", "a cake"), True, "not an nmcompile image; compile a network first"),
        (set_key("format_version", 99), True, "format_version 99, this version reads 2; compile it again"),
        (set_key("latency", -1), True, DAMAGED),
        (set_key("latency", 1 << 40), True, DAMAGED),
        (set_key("populations", [{"name": "x"}]), True, DAMAGED),
        (set_key("reset_entries", [0]), True, "the image has 1 cores, architecture 'ecp5' has 4; compile it again"),
    ],
)
def test_an_edited_image_is_refused(fails, made, tmp_path, change, sealed, wanted):
    path = rewritten(made / "net.nmi", tmp_path / "x.nmi", change, sealed)
    fails(3, f"{path}: {wanted}", run=["emulate", path, "--spikes", made / "in.npz"])
    fails(3, f"{path}: {wanted}", run=["inspect", path])


def test_an_image_for_another_architecture_is_refused(fails, made, tmp_path):
    def widen(manifest, members):
        manifest["architecture"]["neurons"] *= 2

    path = rewritten(made / "net.nmi", tmp_path / "x.nmi", widen)
    arch = load_architecture("ecp5")
    fails(
        3,
        f"{path}: made for an architecture with hash {arch.hash}, "
        f"but 'ecp5' has {replace(arch, neurons=1024).hash}; compile it again",
        run=["inspect", path],
    )


def test_an_image_without_one_of_its_parts_is_refused(made, tmp_path):
    with zipfile.ZipFile(made / "net.nmi") as file:
        manifest = json.loads(file.read("manifest.json"))
        names = file.namelist()
    assert len(manifest) > 8
    assert len(names) > 20
    for key in manifest:
        path = rewritten(made / "net.nmi", tmp_path / "x.nmi", lambda manifest, members, key=key: manifest.pop(key))
        with pytest.raises(InputError):
            load_image(path)
    for name in names:
        if name in ("manifest.json", "seal"):
            continue

        def lose(manifest, members, name=name):
            del members[name], manifest["sha256"][name]

        with pytest.raises(InputError, match="an image with parts missing or of a wrong kind; compile it again"):
            load_image(rewritten(made / "net.nmi", tmp_path / "x.nmi", lose))


def refusal(path):
    """What is wrong with an image, or None."""
    try:
        load_image(path)
    except InputError as error:
        return str(error)
    return None


def test_a_flipped_byte_anywhere_is_refused_or_changes_nothing(made, tmp_path):
    data = (made / "net.nmi").read_bytes()
    path, again = tmp_path / "x.nmi", tmp_path / "again.nmi"
    rng = np.random.default_rng(5)
    refused = 0
    for where in rng.choice(len(data), 150, replace=False):
        path.write_bytes(data[:where] + bytes([data[where] ^ int(rng.integers(1, 256))]) + data[where + 1 :])
        complaint = refusal(path)
        if complaint is None:  # dates and flags in the zip's own tables mean nothing
            save_image(load_image(path), again)
            assert again.read_bytes() == data
        else:
            assert complaint.startswith(f"{path}: ")
            assert "\n" not in complaint
            refused += 1
    assert refused > 75


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1, -30])
def test_a_truncated_image_is_refused(fails, made, tmp_path, keep):
    data = (made / "net.nmi").read_bytes()
    path = tmp_path / "x.nmi"
    path.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    fails(
        3,
        f"{path}: not an nmcompile image, or damaged; compile it again",
        run=["emulate", path, "--spikes", made / "in.npz"],
    )


def test_an_image_that_no_compiler_wrote_is_refused_by_emulate(fails, made, tmp_path):
    path = rewritten(made / "net.nmi", tmp_path / "x.nmi", set_key("notes", None))
    fails(
        3,
        f"{path}: no compiler's notes in this image; compile it again, or run it with emulator.run",
        run=["emulate", path, "--spikes", made / "in.npz"],
    )


# ------------------------------------------------------------------------------------------------- our own faults
def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(cli.cli, "main", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main()


@pytest.mark.parametrize(
    ("error", "code", "wanted"),
    [
        (MemoryError(), 3, "nmc: more than the memory of this computer holds; use --limit, or split the inputs\n"),
        (OSError(28, "No space left on device", "x.nmi"), 3, "nmc: x.nmi: No space left on device\n"),
        (InputError("one\ntwo"), 3, "nmc: one\nnmc: two\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_the_computer_lacks_is_said_in_a_line(monkeypatch, nmc, error, code, wanted):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("nmcompile.results.inspection.inspect_file", fail)
    found = nmc("inspect", "x")
    assert (found[0], found[1], found[2].lstrip("\n")) == (code, "", wanted)
