"""Our complete file: NIR, with the semantics beside it, that comes back as it was."""

import dataclasses
import json

import h5py
import nir
import numpy as np
import pytest
from networks import random_network
from nirfiles import LAYERS, edit, put, two_layers, write

from emulator.spec.errors import InputError, UsageError
from nmcompile.coding.spikes import SpikeData
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.frontends.own_file import save_network
from nmcompile.network.semantics import FIELDS, choose_semantics
from nmcompile.pipeline import compile_network

SEMANTICS = choose_semantics("snntorch-zero", ["lif2:reset=none", "lif1:v_min=-2"])


@pytest.fixture
def network(tmp_path):
    return read_network(write(tmp_path / "net.nir", two_layers(np.random.default_rng(1)), LAYERS))


@pytest.fixture
def saved(tmp_path, network):
    save_network(dataclasses.replace(network, notes=("said",)), tmp_path / "own.nir", SEMANTICS)
    return tmp_path / "own.nir"


def message(path):
    with pytest.raises(InputError) as error:
        read_network(path)
    return str(error.value)


def test_a_saved_network_comes_back_with_its_semantics_and_notes(saved, network):
    again = read_network(saved)
    assert (again.semantics, again.notes) == (SEMANTICS, ("said",))
    x = (np.random.default_rng(2).random((5, 30, 6)) < 0.4).astype(np.uint8)
    wanted = run_float(discretize(network, SEMANTICS), x).output_counts
    assert wanted.sum() > 50
    np.testing.assert_array_equal(run_float(discretize(again, again.semantics), x).output_counts, wanted)


def test_it_is_compiled_by_its_own_semantics_and_by_a_preset_that_is_named(saved):
    again = read_network(saved)
    assert compile_network(again).semantics == SEMANTICS
    assert compile_network(again, semantics=choose_semantics("nir")).semantics.preset == "nir"


def test_other_tools_read_it_as_nir(saved):
    graph = nir.read(saved)
    assert set(graph.nodes) == {"input", "fc1", "lif1", "fc2", "lif2", "output"}
    assert set(graph.edges) == set(LAYERS)


def test_analog_inputs_are_kept(tmp_path, network):
    save_network(network.graded(15), tmp_path / "own.nir", SEMANTICS)
    again = read_network(tmp_path / "own.nir")
    assert again.input_levels == 15
    np.testing.assert_allclose(again.projections[0].matrix.toarray(), network.projections[0].matrix.toarray() / 15)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda said: said | {"colour": 1},
            "its semantics say colour, which this version does not know; update it",
        ),
        (
            lambda said: said | {"reset": "later"},
            "reset is 'later', which it cannot be",
        ),
        (
            lambda said: said | {"per_population": [["lif2", "colour", 1]]},
            "'colour' is nothing that can be chosen; there are " + ", ".join(FIELDS),
        ),
        (lambda said: said | {"v_min": "low"}, "v_min is 'low', which it cannot be"),
        (lambda said: said | {"dt": 0}, "dt = 0 s; a timestep must be positive"),
        (lambda said: said | {"clamp": 1}, "clamp is 1, which it cannot be"),
        (lambda said: said | {"max_spikes": 0.5}, "max_spikes is 0.5, which it cannot be"),
        (lambda said: {}, "what it says beside NIR is damaged (KeyError); save it again"),
    ],
)
def test_semantics_that_are_damaged_or_newer_are_refused(saved, change, text):
    with h5py.File(saved) as file:
        said = json.loads(file["nmcompile/semantics"][()])
    edit(saved, lambda file: put(file, "nmcompile/semantics", json.dumps(change(said))))
    assert message(saved) == f"own.nir: {text}"


def test_semantics_nested_without_end_are_refused(saved):
    edit(saved, lambda file: put(file, "nmcompile/notes", "[" * 60_000))
    assert message(saved) == "own.nir: what it says beside NIR is damaged (RecursionError); save it again"


def test_semantics_that_are_no_text_are_refused(saved):
    edit(saved, lambda file: put(file, "nmcompile/semantics", np.arange(3)))
    assert message(saved) == f"{saved}: what it says beside NIR is damaged (semantics); save it again"


def test_what_cannot_be_saved_is_said(tmp_path, network):
    def refused(network, semantics=SEMANTICS, path=tmp_path / "own.nir"):
        with pytest.raises(UsageError) as error:
            save_network(network, path, semantics)
        assert not path.exists()
        return str(error.value)

    assert refused(network, path=tmp_path / "own.h5") == f"{tmp_path / 'own.h5'}: a network's file ends in .nir"
    assert refused(network, None) == "net.nir: says nothing of its semantics; give them (choose_semantics)"
    assert refused(random_network(np.random.default_rng(3))) == (
        "network: only networks of NIR or of a framework's module can be saved"
    )
    nodes = dict(network.graph.nodes)
    nodes["a/b"] = nodes.pop("fc1")
    other = dataclasses.replace(network, graph=dataclasses.replace(network.graph, nodes=nodes))
    assert refused(other) == "net.nir: a node is called 'a/b', which HDF5 cannot hold; rename it"


def test_a_saved_network_runs_on_the_machine_as_in_floats(saved):
    import nmcompile as nm

    x = (np.random.default_rng(2).random((5, 30, 6)) < 0.4).astype(np.uint8)
    network = read_network(saved)
    image = compile_network(network, nm.load_architecture("ecp5"), weight_bits=16, calibrate=x).image
    wanted = run_float(discretize(network, network.semantics), x).output_counts
    np.testing.assert_array_equal(nm.evaluate(image, SpikeData(x, None, {})).output_counts, wanted)
