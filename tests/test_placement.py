"""Placement: neurons that share sources share cores, packets go short ways, all that does not fit is said at once."""

import itertools
import time
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import placement
import pytest
from networks import dense, lif
from scipy import sparse

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError
from nmcompile.coding.spikes import read_spikes
from nmcompile.frontends import read_network
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Projection
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.place.arrange import arrange
from nmcompile.place.order import joined

ROOT = Path(__file__).parents[1]
LARGE = load_architecture("large")


def axons(compilation):
    return compilation.summary()["axons"]


def test_a_shuffled_small_world_of_100000_edges_is_put_back_in_order():
    graph = nx.watts_strogatz_graph(12_500, 16, 0.1, 1)
    shuffled = compile_network(placement.recurrent(graph), LARGE)
    ordered = compile_network(placement.recurrent(graph, shuffled=False), LARGE)
    assert shuffled.summary()["cores"] == ordered.summary()["cores"] == -(-12_500 // 1024)
    assert axons(shuffled) <= 1.25 * axons(ordered)


def test_a_scale_free_graph_of_100000_edges_needs_fewer_axons_in_order():
    graph = nx.barabasi_albert_graph(12_500, 8, 1)
    compilation = compile_network(placement.recurrent(graph), LARGE)
    assert compilation.summary()["cores"] <= 36
    assert axons(compilation) < 0.95 * 144_000  # in 36 cores as they come


def test_a_million_synapses_take_less_than_ten_seconds():
    arch, make = placement.TIMED["small world of 62,500 neurons, 10^6 synapses"]
    network = make()
    begun = time.process_time()
    assert compile_network(network, arch).summary()["synapses"] > 1e6
    assert time.process_time() - begun < 10


def test_an_order_has_every_node_once_and_keeps_groups_together():
    rng = np.random.default_rng(1)
    community = rng.permutation(np.repeat(np.arange(8), 25))
    links = sparse.csr_array(((community[:, None] == community) & (rng.random((200, 200)) < 0.4)).astype(float))
    order = joined(links, 25)
    assert sorted(order) == list(range(200))
    assert (np.diff(community[order]) != 0).sum() == 7


def test_reordered_neurons_run_as_before():
    """The user's numbering survives: outputs of a network in 5 cores equal those of one in 1 core."""
    graph = nx.watts_strogatz_graph(300, 8, 0.1, 1)
    network = placement.recurrent(graph)
    spikes = (np.random.default_rng(2).random((2, 15, network.n_inputs)) < 0.5).astype(np.uint8)
    spread = compile_network(network, replace(LARGE, name="spread", neurons=64, rtl=False))
    assert spread.summary()["cores"] >= 5
    one, many = (emulator.run(c.image, spikes) for c in (compile_network(network, LARGE), spread))
    assert one.output_counts.sum() > 100
    np.testing.assert_array_equal(one.output_counts, many.output_counts)


def test_packet_hops_of_a_bundled_network_are_within_a_fifth_of_annealing():
    network = read_network(ROOT / "examples" / "networks" / "mnist_conv.nir")
    spikes = read_spikes(ROOT / "examples" / "data" / "mnist_conv_test.npz").spikes[:5]
    image = compile_network(network, placement.SMALL, choose_semantics("snntorch")).image
    flow, hops = placement.traffic(image, spikes), placement.mesh_hops(image.arch)
    assert (flow * hops).sum() == emulator.run(image, spikes).total("hops") > 0
    assert (flow * hops).sum() <= 1.2 * placement.anneal(flow, hops, 60_000)


@pytest.mark.parametrize("seed", [26, 80, 147])
def test_swaps_from_several_starts_find_the_shortest_ways(seed):
    """Traffic of six cores for which one start, two or three end higher, against all placements there are."""
    rng = np.random.default_rng(seed)
    flow = rng.integers(0, 10, (6, 6)) * (rng.random((6, 6)) < 0.5)
    arch = replace(LARGE, name="six", mesh_width=3, mesh_height=2, rtl=False)
    hops = placement.mesh_hops(arch)
    at = np.array(list(itertools.permutations(range(6))))
    least = (flow * hops[at[:, :, None], at[:, None, :]]).sum(axis=(1, 2)).min()
    found = arrange(flow, arch)
    assert sorted(found) == list(range(6))
    assert (flow * hops[np.ix_(found, found)]).sum() == least


def test_fewer_cores_than_places_stay_together():
    """A chain of three in a mesh of eight: two hops."""
    flow = np.zeros((3, 3))
    flow[0, 2] = flow[2, 1] = 5
    arch = replace(LARGE, name="eight", mesh_width=4, mesh_height=2, rtl=False)
    found = arrange(flow, arch)
    assert len(set(found.tolist())) == 3
    assert (flow * placement.mesh_hops(arch)[np.ix_(found, found)]).sum() == 10


def test_annealing_finds_a_better_placement_of_a_bad_one():
    """A chain of 16 cores, shuffled over a 4 x 4 mesh: 15 hops are possible."""
    chain = np.random.default_rng(1).permutation(16)
    flow = np.zeros((16, 16))
    flow[chain[:-1], chain[1:]] = 10
    arch = replace(LARGE, name="16", mesh_width=4, mesh_height=4)
    assert (flow * placement.mesh_hops(arch)).sum() > 300
    assert placement.anneal(flow, placement.mesh_hops(arch), 60_000) == pytest.approx(150, abs=20.1)


def test_all_that_does_not_fit_is_said_at_once():
    """Too many neurons for the mesh, and two populations of which no core takes even a block."""
    tiny = replace(LARGE, name="tiny", mesh_width=2, mesh_height=1, neurons=16, axons=64, synapse_words=64, rtl=False)
    rng = np.random.default_rng(3)
    network = Network(
        (200,),
        (lif("a", (40,)), lif("b", (8,)), lif("c", (8,))),
        (
            Projection("in", INPUT, "a", sparse.csr_array(np.eye(200)[:, :40])),
            dense("wide", INPUT, "b", rng.normal(1, 0.1, (200, 8))),
            dense("deep", INPUT, "c", rng.normal(1, 0.1, (200, 8))),
        ),
        "c",
        "net",
    )
    with pytest.raises(DoesNotFitError) as error:
        compile_network(network, tiny)
    assert error.value.problems == [
        "the network's 56 neurons need 4 cores or more, 'tiny' has 2 cores; use a larger --arch, or fewer "
        "--weight-bits where synapses fill the cores",
        "'b': 8 of its neurons alone need 208 axons in a core, which holds 64 and 100 synapse words in a core, which "
        "holds 64; use fewer --weight-bits or a larger --arch",
        "'c': 8 of its neurons alone need 208 axons in a core, which holds 64 and 100 synapse words in a core, which "
        "holds 64; use fewer --weight-bits or a larger --arch",
    ]
