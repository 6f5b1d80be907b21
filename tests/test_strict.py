"""What is unknown, doubled, out of range or points nowhere is refused, or said by name, in every format."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import networkx as nx
import nir
import numpy as np
import pytest
from networks import dense, lif
from nirfiles import LAYERS, chain, edit, give, put, take, two_layers, write

import nmcompile as nm
from emulator.spec.errors import InputError
from nmcompile.coding.spikes import SpikeData, read_spikes
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network


def message(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    return str(error.value)


# ------------------------------------------------------------------------------------------------------ graphs
@pytest.fixture
def graph(tmp_path):
    """Write a node-link file of an eye, a neuron `a` and an output `b`; further parts replace these."""

    def graph(**parts):
        data = {
            "directed": True,
            "nodes": [{"id": "eye", "role": "input"}, {"id": "a"}, {"id": "b", "role": "output"}],
            "edges": [{"source": "eye", "target": "a"}, {"source": "a", "target": "b", "weight": 2.0}],
        }
        (tmp_path / "g.json").write_text(json.dumps(data | parts))
        return tmp_path / "g.json"

    return graph


def output_spikes(network, timesteps=20):
    x = np.ones((1, timesteps, 1), np.uint8)
    return int(run_float(discretize(network, choose_semantics(dt=1.0)), x).output_counts.sum())


def test_parallel_edges_add(graph):
    half = {"source": "eye", "target": "a", "weight": 0.5}
    rest = {"source": "a", "target": "b", "weight": 2.0}
    assert output_spikes(read_network(graph(edges=[half, half, rest]))) == 9
    assert output_spikes(read_network(graph(edges=[half, rest]))) == 6


def test_parallel_edges_of_graphml_add(tmp_path):
    g = nx.MultiDiGraph()
    g.add_node("eye", role="input")
    g.add_node("a")
    g.add_node("b", role="output")
    g.add_edge("eye", "a", weight=0.5)
    g.add_edge("eye", "a", weight=0.5)
    g.add_edge("a", "b", weight=2.0)
    nx.write_graphml(g, tmp_path / "g.graphml")
    assert output_spikes(read_network(tmp_path / "g.graphml")) == 9


def test_an_edge_to_no_node_is_refused(graph):
    path = graph(links=[{"source": 0, "target": 1}])
    assert message(read_network, path) == f"{path}: edge 0 -> 1: 0 is no node; edges name nodes by their id"


def test_a_node_that_is_there_twice_is_refused(graph):
    path = graph(nodes=[{"id": "eye", "role": "input"}, {"id": "a"}, {"id": "a", "decay": 0.5}, {"id": "b"}])
    assert message(read_network, path) == f"{path}: node 'a' is there twice; merge them"


def test_an_attribute_that_is_nearly_known_is_refused(graph):
    nodes = [{"id": "eye", "role": "input"}, {"id": "a", "threshold": 0.4}, {"id": "b", "role": "output"}]
    assert message(read_network, graph(nodes=nodes)) == (
        "g.json: node 'a' has 'threshold', which is nothing here; 'v_threshold' is"
    )
    edges = [{"source": "eye", "target": "a", "weigth": 0.5}]
    assert message(read_network, graph(edges=edges)) == (
        "g.json: edge 'eye' -> 'a' has 'weigth', which is nothing here; 'weight' is"
    )
    assert message(read_network, graph(graph={"dekay": 0.5})) == (
        "g.json: the graph has 'dekay', which is nothing here; 'decay' is"
    )


def test_what_means_nothing_is_said(graph):
    nodes = [{"id": "eye", "role": "input", "gain": 2}, {"id": "a", "refractory": 3, "pos": [0, 1]}]
    nodes.append({"id": "b", "role": "output", "refractory": 3})
    edges = [{"source": "eye", "target": "a", "colour": "red"}, {"source": "a", "target": "b"}]
    assert read_network(graph(nodes=nodes, edges=edges)).notes == (
        "nodes have 'gain', which an input has not: ignored",
        "nodes have 'refractory', which a DiscreteLIF has not: ignored",
        "edges have 'colour', which a synapse has not: ignored",
    )


def test_graphs_and_net_files_are_read_in_a_fresh_process(graph):
    code = f"import nmcompile as nm; print(nm.read_network({str(graph())!r}).populations[0].model)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "DiscreteLIF\n"
    net = Path(__file__).parent / "data" / "lava_dl"
    (file, *_) = sorted(net.glob("*.net"))
    code = f"import nmcompile as nm; print(nm.read_network({str(file)!r}).populations[0].model)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Loihi\n"


# --------------------------------------------------------------------------------------------------------- NIR
def test_an_attribute_that_nir_does_not_know_is_said(tmp_path):
    path = write(tmp_path / "n.nir", two_layers(np.random.default_rng(1)), LAYERS)
    edit(path, lambda file: put(file, "node/nodes/lif1/t_refractory", np.ones(5)))
    assert read_network(path).notes == ("'lif1' (LIF) has 't_refractory', which NIR does not know: ignored",)


def test_a_slash_in_a_name_is_named_as_the_cause(tmp_path):
    path = write(tmp_path / "n.nir", two_layers(np.random.default_rng(1)), LAYERS)
    with h5py.File(path, "r+") as file:
        file.move("node/nodes/fc1", "node/nodes/block/fc1")
    assert message(read_network, path) == (
        f"{path}: node 'block' holds nodes itself: a name with a slash, which HDF5 cannot hold; rename it"
    )


def test_a_delay_that_is_no_whole_number_of_timesteps_is_said(tmp_path):
    nodes = two_layers(np.random.default_rng(1)) | {"late": nir.Delay(np.full(5, 2.5e-4))}
    path = write(tmp_path / "n.nir", nodes, chain("input", "fc1", "lif1", "late", "fc2", "lif2", "output"))
    compilation = compile_network(read_network(path))
    assert compilation.summary()["notes"] == [
        "'late+fc2': a delay of 0.00025 s is 2.5 timesteps, taken as 2",
    ]
    assert compile_network(read_network(path), semantics=choose_semantics(dt=0.5e-4)).summary()["notes"] == []


def test_parameters_of_one_value_a_channel_are_read(tmp_path):
    nodes = {
        "in": give(1, 4, 4),
        "w": nir.Conv2d((4, 4), np.full((2, 1, 3, 3), 1.0), 1, 0, 1, 1, np.zeros(2)),
        "n": nir.IF(np.ones((2, 1, 1)), np.array([1.0, 4.0]).reshape(2, 1, 1), np.zeros((2, 1, 1))),
        "out": take(2, 2, 2),
    }
    network = read_network(write(tmp_path / "n.nir", nodes, chain("in", "w", "n", "out")))
    assert network.populations[0].shape == (2, 2, 2)
    assert network.populations[0].params["v_threshold"].tolist() == [1.0] * 4 + [4.0] * 4


def test_an_image_of_one_row_is_an_image_for_a_convolution(tmp_path):
    nodes = {
        "in": give(1, 1, 6),
        "w": nir.Conv2d((1, 6), np.full((2, 1, 1, 3), 1.0), 1, 0, 1, 1, np.zeros(2)),
        "n": nir.IF(np.ones((2, 1, 4)), np.ones((2, 1, 4)), np.zeros((2, 1, 4))),
        "out": take(2, 1, 4),
    }
    network = read_network(write(tmp_path / "n.nir", nodes, chain("in", "w", "n", "out")))
    assert (network.input_shape, network.populations[0].shape) == ((1, 1, 6), (2, 1, 4))
    assert network.projections[0].matrix.toarray()[:, 0].tolist() == [1, 1, 1, 0, 0, 0]


def test_a_vector_that_an_exporter_wrote_as_1_x_1_x_n_is_a_vector(tmp_path):
    nodes = two_layers(np.random.default_rng(1)) | {"input": give(1, 1, 6)}
    assert read_network(write(tmp_path / "n.nir", nodes, LAYERS)).input_shape == (6,)


# ------------------------------------------------------------------------------------------------- every format
@pytest.mark.parametrize("name", ["n.nir", "n.net", "n.json", "n.graphml"])
def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path, name):
    path = tmp_path / name
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    assert message(read_network, path) == f"{path}: a Git LFS pointer, not the file itself; fetch it with git lfs pull"


def test_inputs_that_are_a_pointer_of_git_lfs_are_named_as_such(tmp_path):
    path = tmp_path / "in.npz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    assert message(read_spikes, path) == f"{path}: a Git LFS pointer, not the file itself; fetch it with git lfs pull"


# ------------------------------------------------------------------------------------------------------- inputs
@pytest.fixture
def events(tmp_path):
    def events(*rows, **others):
        path = tmp_path / "in.npz"
        np.savez(path, events=np.array(rows), shape=np.array([1, 3, 2]), **others)
        return path

    return events


def test_events_that_fall_together_count(events):
    assert read_spikes(events([0, 1, 0], [0, 1, 0], [0, 2, 1])).spikes.dense()[0].tolist() == [[0, 0], [2, 0], [0, 1]]
    path = events([0, 1, 0], [0, 1, 0])
    assert message(read_spikes, path, 2, 1) == (
        f"{path}: spikes up to 2, but this network takes 0 to 1; compile it with --input-levels for analog inputs, or "
        "encode them in time"
    )


def test_more_events_than_a_graded_spike_holds_are_refused(events):
    path = events(*[[0, 1, 0]] * 256)
    assert message(read_spikes, path) == f"{path}: 256 events at one place; at most 255 can fall together"


def test_time_before_samples_is_noticed_by_the_labels(tmp_path):
    np.savez(tmp_path / "in.npz", spikes=np.zeros((20, 4, 3), np.uint8), labels=np.arange(4))
    assert message(read_spikes, tmp_path / "in.npz") == (
        f"{tmp_path / 'in.npz'}: 4 labels for 20 samples of 4 timesteps; spikes are (samples, timesteps, inputs): swap "
        "the first two axes"
    )


def test_labels_that_no_output_has_are_refused():
    network = Network((3,), (lif("n", (2,)),), (dense("w", INPUT, "n", np.ones((3, 2))),), "n")
    image = compile_network(network).image
    data = SpikeData(np.ones((2, 4, 3), np.uint8), np.array([0, 7]), {})
    assert message(nm.evaluate, image, data) == (
        "labels from 0 to 7, but the network has 2 outputs, counted from 0; leave labels out, or number the classes as "
        "the outputs are"
    )
