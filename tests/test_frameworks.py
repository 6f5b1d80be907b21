"""What frameworks' exporters wrote (tests/data/frameworks, made by tools/conformance.py) is read as they ran it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from networks import dense, lif

import nmcompile as nm
from emulator.spec.errors import InputError, MachineError
from nmcompile.coding.spikes import SpikeData, read_spikes
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.semantics import PRESETS, choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.readings import find_readings, reference_of, warn_of_reading

FOLDER = Path(__file__).parent / "data" / "frameworks"
CASES = json.loads((FOLDER / "index.json").read_text())
ECP5 = nm.load_architecture("ecp5")
EXACT = 0.985  # of 400 output counts at 16 bits; in floats all of them are equal
assert len(CASES) > 10


def case(name):
    return read_network(FOLDER / f"{name}.nir"), read_spikes(FOLDER / f"{name}.npz")


def reading(name):
    return choose_semantics(CASES[name]["semantics"], CASES[name]["options"])


@pytest.mark.parametrize("name", CASES)
def test_a_frameworks_file_sends_what_the_framework_sent(name):
    network, data = case(name)
    wanted = data.extra["float_counts"]
    assert wanted.sum() > 100
    np.testing.assert_array_equal(run_float(discretize(network, reading(name)), data.spikes).output_counts, wanted)
    for calibrate in (None, data.spikes):
        image = compile_network(network, ECP5, reading(name), 16, calibrate).image
        found = nm.evaluate(image, data).output_counts
        assert (found == wanted).mean() >= EXACT


@pytest.mark.parametrize("name", CASES)
def test_the_reading_is_found_from_what_the_framework_sent(name):
    """Out of more than fifty that are compared; with it all that do the same to the network."""
    network, data = case(name)
    data = data.first(8)
    found = find_readings(network, data, choose_semantics("lava"))
    assert found.tried > 50
    assert not found.reproduced
    right = find_readings(network, data, reading(name)).chosen
    assert right.equal == 1
    assert right.key in {r.key for r in found.readings}


def test_every_preset_is_compared_with_what_its_framework_recorded():
    elsewhere = {"nir", "lava", "slayer"}  # test_semantics.py and test_lava.py
    assert {entry["semantics"] for entry in CASES.values()} | elsewhere == set(PRESETS)


def test_inputs_with_a_reference_warn_of_a_wrong_reading():
    network, data = case("sinabs_iaf")
    assert warn_of_reading(network, data, choose_semantics("sinabs")) == []
    assert warn_of_reading(network, SpikeData(data.spikes, None, {}), choose_semantics("norse")) == []
    (text,) = warn_of_reading(network, data, choose_semantics("norse"))
    share = text.split(", ")[1]
    assert share.endswith(
        " % of the output values equal the reference beside the inputs; --semantics sinabs reproduces it"
    )
    assert text.startswith("read as norse, ")


def test_a_reference_that_nothing_reproduces_is_said():
    network, data = case("sinabs_iaf")
    other = SpikeData(data.spikes, None, {"float_counts": data.extra["float_counts"] + 7})
    (text,) = warn_of_reading(network, other, choose_semantics("sinabs"))
    assert text == (
        "read as sinabs, 0.0 % of the output values equal the reference beside the inputs, and no reading that nmc "
        "check knows reproduces it"
    )


def test_the_first_layer_neuron_and_timestep_that_differ_are_named():
    network, data = case("snntorch_betas")
    run = run_float(discretize(network, reading("snntorch_betas")), data.spikes, record=True)
    trains = {f"float_spikes:{name}": run.spikes[name].copy() for name in ("1", "3")}
    trains["float_spikes:1"][2, 5, 7] += 1
    found = find_readings(network, SpikeData(data.spikes, None, trains), reading("snntorch_betas"))
    was = int(run.spikes["1"][2, 5, 7])
    assert found.first == f"sample 2, '1', timestep 5, neuron 7: {was} spikes, not {was + 1}"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"other": np.zeros(3)},
            "no reference beside the spikes: needs float_counts, float_spikes, float_spikes:NAME or float_membrane; it "
            "holds other",
        ),
        (
            {"float_counts": np.ones((3, 10))},
            "float_counts is float64 of shape (3, 10), expected numbers of shape (40, 10)",
        ),
        (
            {"float_spikes": np.zeros((40, 20, 10), np.uint8)},
            "the reference is silent: every reading that never fires would do; give one with spikes",
        ),
        (
            {"float_spikes:lif9": np.ones((40, 20, 10))},
            "spyx_if.nir: no population 'lif9'; it has layer_1, layer_3",
        ),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused(extra, message):
    network, data = case("spyx_if")
    with pytest.raises(InputError) as error:
        reference_of(SpikeData(data.spikes, None, extra), network)
    assert str(error.value) == message


def test_potentials_of_a_readout_are_compared():
    network, data = case("norse_iafcell")
    last = network.populations[-1]
    readout = dataclasses.replace(last, model="I", params={"r": last.params["r"]})
    network = dataclasses.replace(network, populations=(*network.populations[:-1], readout))
    x = np.asarray(data.spikes)[:4]
    right = discretize(network, choose_semantics("norse"))
    sums = [run_float(right, x[:, : t + 1]).output_counts for t in range(x.shape[1])]
    v = np.diff(np.stack(sums, axis=1), axis=1, prepend=0)
    found = find_readings(network, SpikeData(x, None, {"float_membrane": v}), choose_semantics("norse"))
    assert found.reproduced
    assert found.chosen.equal == 1


# --------------------------------------------------------------------------------------------------- command line
def test_check_names_the_reading_of_a_bundled_network(nmc):
    examples = Path(__file__).parent.parent / "examples"
    net, reference = examples / "networks" / "mnist_rows.nir", examples / "data" / "mnist_rows_test.npz"
    code, out, err = nmc("check", net, "--reference", reference, "--limit", 10, "--json")
    values = json.loads(out)
    assert (code, err, values["readings"][0]["options"]) == (0, "", "--semantics snntorch")
    assert values["chosen"]["equal"] < 0.5
    assert not values["reproduced"]
    assert values["tried"] > 10


def test_check_fails_where_the_reading_that_was_asked_for_is_wrong(nmc):
    file = FOLDER / "sinabs_iaf"
    code, out, err = nmc("check", f"{file}.nir", "--reference", f"{file}.npz", "--semantics", "norse", "--limit", 5)
    assert code == MachineError.exit_code
    assert err.startswith("nmc: sinabs_iaf.nir read as norse: ")
    assert err.endswith(" % of 50 output values are equal; --semantics sinabs reproduces the reference\n")
    assert "reproduces it  --semantics sinabs" in out


def test_check_is_content_with_the_right_reading(nmc):
    file = FOLDER / "sinabs_iaf_single"
    options = ["--semantics", "sinabs", "--reset", "subtract", "--compare", ">="]
    code, out, err = nmc("check", f"{file}.nir", "--reference", f"{file}.npz", "--limit", 5, *options)
    assert (code, err) == (0, "")
    assert "100.00 %" in out


def test_compile_warns_of_a_wrong_reading_where_the_samples_say_so(nmc, tmp_path):
    file = FOLDER / "norse_iafcell"
    run = ["compile", f"{file}.nir", "-o", tmp_path / "x.nmi", "--json", "--calibrate", f"{file}.npz"]
    code, out, _ = nmc(*run, "--semantics", "spyx")
    assert code == 0
    assert json.loads(out)["warnings"][-1].endswith("; --semantics norse reproduces it")
    code, out, _ = nmc(*run, "--semantics", "norse")
    assert not [w for w in json.loads(out)["warnings"] if "reference" in w]


def test_one_population_is_set_from_the_command_line(nmc, tmp_path):
    file = FOLDER / "snntorch_output_none"
    options = ["--semantics", "snntorch", "--set", "3:reset=none", "--weight-bits", 16, "--arch", "ecp5"]
    assert nmc("compile", f"{file}.nir", "-o", tmp_path / "x.nmi", *options)[0] == 0
    data = read_spikes(f"{file}.npz")
    found = nm.evaluate(nm.load_image(tmp_path / "x.nmi"), data).output_counts
    assert (found == data.extra["float_counts"]).mean() >= EXACT


# ---------------------------------------------------------------------------------------- readings that cannot be
def test_a_timestep_hundreds_too_short_is_named_as_the_cause():
    network, _ = case("sinabs_iaf")
    with pytest.raises(InputError) as error:
        compile_network(network, ECP5, choose_semantics("nir"))
    text = str(error.value)
    assert text.startswith("sinabs_iaf.nir: at dt 0.0001 s the strongest input moves v of '1' by ")
    assert text.endswith(" of the threshold; another --semantics or --dt? (nmc check names the reading of a reference)")


def test_a_reading_in_which_nothing_can_fire_is_named_as_the_cause():
    """An input of 0.1 a timestep, which decays by half, reaches 0.2 of the threshold."""
    neurons = lif("n", (2,), 0.5, dt=1.0)
    network = Network((1,), (neurons,), (dense("w", INPUT, "n", [[0.1, 0.05]]),), "n")
    with pytest.raises(InputError) as error:
        compile_network(network, ECP5, choose_semantics("nir", dt=1.0))
    assert str(error.value) == (
        "network: at dt 1 s the strongest input moves v of 'n' by 0.1 of the threshold, and all together never make it "
        "fire (v stays below 0.2 of it); another --semantics or --dt? (nmc check names the reading of a reference)"
    )


def test_neurons_that_their_bias_makes_fire_need_no_input():
    neurons = dataclasses.replace(lif("n", (2,), 0.5, dt=1.0), bias=np.full(2, 0.6))
    network = Network((1,), (neurons,), (dense("w", INPUT, "n", [[0.001, 0.0005]]),), "n")
    assert compile_network(network, ECP5, choose_semantics("nir", dt=1.0)).image


def test_weights_that_all_vanish_are_refused():
    neurons = lif("n", (2,), 1 - 1e-9, threshold=1e7, dt=1.0)
    network = Network((1,), (neurons,), (dense("w", INPUT, "n", [[-1e-3, -1e-3]]),), "n")
    with pytest.raises(InputError) as error:
        compile_network(network, ECP5)
    assert str(error.value) == (
        "network: every weight rounds to 0 at 8 bits; use more --weight-bits, another --semantics or --dt, or "
        "--calibrate"
    )
