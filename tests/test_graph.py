"""Graphs of single neurons: what they mean, what is wrong with them, and that large ones compile in seconds."""

import json
import time

import networkx as nx
import numpy as np
import pytest
from integers import check_machine

from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, InputError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.frontends.graph import network_from_graph
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

ECP5 = load_architecture("ecp5")


def small():
    graph = nx.DiGraph(decay=0.5)
    graph.add_node("eye", role="input")
    graph.add_node("a", v_threshold=1.5)
    graph.add_node("b", role="output", bias=0.25, decay=1.0)
    graph.add_edge("eye", "a", weight=1.0)
    graph.add_edge("a", "b", weight=1.0, delay=2)
    graph.add_edge("b", "a", weight=-1.0)
    return graph


def by_hand(inputs, timesteps):
    """The graph above, one neuron at a time."""
    v = {"a": 0.0, "b": 0.0}
    fired = {"a": [], "b": []}
    for t in range(timesteps):
        x = {"a": inputs[t] - (fired["b"][t - 1] if t >= 1 else 0), "b": 0.25 + (fired["a"][t - 2] if t >= 2 else 0)}
        for name, decay, threshold in (("a", 0.5, 1.5), ("b", 1.0, 1.0)):
            v[name] = decay * v[name] + x[name]
            fired[name].append(v[name] > threshold)
            if v[name] > threshold:
                v[name] = 0.0
    return fired


@pytest.mark.parametrize("file", ["net.graphml", "net.json", "old.json", None])
def test_a_graph_means_what_it_says(tmp_path, file):
    graph = small()
    if file is None:
        network = network_from_graph(graph)
    else:
        if file.endswith(".graphml"):
            nx.write_graphml(graph, tmp_path / file)
        else:
            key = "links" if file.startswith("old") else "edges"
            (tmp_path / file).write_text(json.dumps(nx.node_link_data(graph, edges=key)))
        network = read_network(tmp_path / file)
    inputs = (np.random.default_rng(1).random((60, 1)) < 0.7).astype(np.uint8)
    wanted = by_hand(inputs[:, 0].astype(float), 60)
    run = run_float(discretize(network, choose_semantics()), inputs[None], record=True)
    assert run.spikes["neurons"][0, :, 0].tolist() == wanted["a"]
    assert run.spikes["outputs"][0, :, 0].tolist() == wanted["b"]
    check_machine(compile_network(network, ECP5), inputs)
    assert sum(wanted["a"]) > 5
    assert sum(wanted["b"]) > 5
    assert [(p.name, p.delay) for p in network.projections] == [
        ("input->neurons", 0),
        ("neurons->outputs after 2", 2),
        ("outputs->neurons", 1),
    ]


def test_models_units_and_parameters_may_differ_between_nodes():
    graph = small()
    graph.nodes["a"].update(model="LIF", tau=2e-4, r=2.0)
    network = network_from_graph(graph)
    assert {p.name: p.model for p in network.populations} == {"neurons": "LIF", "outputs": "DiscreteLIF"}
    assert network.population("neurons").params["v_threshold"].tolist() == [1.5]
    assert network.population("outputs").params["decay"].tolist() == [1.0]


def test_parallel_edges_add_and_undirected_ones_work_both_ways():
    many = nx.MultiDiGraph(small())
    many.add_edge("a", "b", weight=0.5, delay=2)
    matrix = network_from_graph(many).projections[1].matrix
    assert matrix.toarray().tolist() == [[1.5]]
    both = nx.Graph(small())
    names = {p.name for p in network_from_graph(both).projections}
    assert names == {"input->neurons", "outputs->neurons after 2", "neurons->outputs after 2"}


def random_graph(kind, n, rng):
    """(graph with inputs and outputs, shuffled)."""
    if kind == "small-world":
        base = nx.watts_strogatz_graph(n, 20, 0.1, seed=1)
    else:
        base = nx.barabasi_albert_graph(n, 10, seed=1)
    names = rng.permutation(n)
    graph = nx.DiGraph(decay=0.9)
    graph.add_nodes_from(range(n))
    for a, b in base.edges():
        a, b = (a, b) if rng.random() < 0.5 else (b, a)
        graph.add_edge(int(names[a]), int(names[b]), weight=float(rng.normal(0.02, 0.3)), delay=int(rng.integers(1, 4)))
    for i in range(50):
        graph.add_node(f"in{i}", role="input")
        for target in rng.choice(n, 20, replace=False):
            graph.add_edge(f"in{i}", int(target), weight=1.5)
    for node in rng.choice(n, 20, replace=False):
        graph.nodes[int(node)]["role"] = "output"
    return graph


@pytest.mark.parametrize("kind", ["small-world", "scale-free"])
def test_a_graph_over_several_cores_runs_as_quantized(kind):
    rng = np.random.default_rng(2)
    compilation = compile_network(network_from_graph(random_graph(kind, 700, rng)), ECP5)
    assert compilation.summary()["cores"] > 1
    check_machine(compilation, (rng.random((12, 50)) < 0.3).astype(np.uint8))


@pytest.mark.parametrize("kind", ["small-world", "scale-free"])
def test_a_hundred_thousand_synapses_compile_in_seconds(kind):
    """2 to 5 s where this was written; the bound leaves room for a busy machine."""
    graph = random_graph(kind, 10_000, np.random.default_rng(3))
    start = time.perf_counter()
    compilation = compile_network(network_from_graph(graph), load_architecture("large"))
    assert time.perf_counter() - start < 20
    assert compilation.summary()["synapses"] > 99_000


def test_neighbours_get_places_close_together():
    """A shuffled ring takes as many axons as one in order, not as many as a random graph."""
    rng = np.random.default_rng(4)
    axons = {}
    for shuffled in (False, True):
        names = rng.permutation(2000) if shuffled else np.arange(2000)
        graph = nx.DiGraph()
        graph.add_node("in", role="input")
        for i in range(2000):
            for step in range(1, 6):
                graph.add_edge(int(names[i]), int(names[(i + step) % 2000]))
        graph.add_edge("in", 0)
        graph.nodes[0]["role"] = "output"
        if shuffled:  # and the file lists them in another order
            mixed = nx.DiGraph()
            mixed.add_nodes_from(sorted(graph.nodes(data=True), key=lambda item: str(item[0])))
            mixed.add_edges_from(graph.edges(data=True))
            graph = mixed
        axons[shuffled] = compile_network(network_from_graph(graph), load_architecture("large")).summary()["axons"]
    assert axons[True] <= 1.02 * axons[False]


# -------------------------------------------------------------------------------------------------- messages
def altered(change):
    graph = small()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: g.nodes["a"].update(role="hidden"),
            "graph: node 'a' has the role 'hidden'; it is 'input', 'output' or none",
        ),
        (
            lambda g: g.nodes["a"].update(model="HH"),
            "graph: node 'a' is a 'HH'; neuron models are I, IF, LI, LIF, CubaLI, CubaLIF, ",
        ),
        (lambda g: g.remove_node("eye"), "graph: no node has the role 'input'; mark at least one"),
        (lambda g: g.nodes["b"].pop("role"), "graph: no node has the role 'output'; mark at least one"),
        (
            lambda g: g.nodes["a"].update(role="output", model="IF"),
            "graph: its outputs are of different models (IF, DiscreteLIF); give them one",
        ),
        (
            lambda g: g.nodes["a"].update(model="LIF"),
            "graph: node 'a' has no 'tau', and the graph has no default for it; give it a number",
        ),
        (lambda g: g.nodes["a"].update(decay="half"), "graph: node 'a': decay is 'half'; it must be a number"),
        (
            lambda g: g.edges["a", "b"].update(weight=float("nan")),
            "graph: edge 'a' -> 'b': weight is nan; it must be a number",
        ),
        (
            lambda g: g.add_edge("a", "eye"),
            "graph: edge 'a' -> 'eye' leads into an input; only neurons take synapses",
        ),
        (
            lambda g: g.edges["a", "b"].update(delay=0),
            "graph: edge 'a' -> 'b': delay is 0; it must be a whole number of timesteps, 1 or more",
        ),
        (
            lambda g: g.edges["eye", "a"].update(delay=0.5),
            "graph: edge 'eye' -> 'a': delay is 0.5; it must be a whole number of timesteps, 0 or more",
        ),
    ],
)
def test_what_is_wrong_with_a_graph_is_named(change, message):
    with pytest.raises(InputError) as error:
        network_from_graph(altered(change))
    assert str(error.value) == message or (message.endswith(", ") and str(error.value).startswith(message))


@pytest.mark.parametrize(("file", "kind"), [("a.json", "node-link JSON"), ("a.graphml", "GraphML")])
def test_a_file_that_is_none_is_one_line(tmp_path, file, kind):
    (tmp_path / file).write_text("[1, 2")
    with pytest.raises(InputError) as error:
        read_network(tmp_path / file)
    assert str(error.value).startswith(f"{tmp_path / file}: not a {kind} file (")
    assert str(error.value).endswith("); write it with networkx")
    with pytest.raises(InputError) as error:
        read_network(tmp_path / f"no{file}")
    assert str(error.value) == f"{tmp_path / f'no{file}'}: no such file"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.edges["a", "b"].update(weight=1e308), "'neurons->outputs after 2' has a weight beyond 1e+30; "),
        (lambda g: g.nodes["a"].update(v_threshold=1e308), "'neurons': v_threshold is beyond 1e+30; "),
    ],
)
def test_numbers_of_no_size_are_refused(change, message):
    with pytest.raises(InputError) as error:
        network_from_graph(altered(change))
    assert str(error.value) == f"graph: {message}rescale the network"


def test_a_decay_beyond_coefficients_is_named():
    network = network_from_graph(altered(lambda g: g.nodes["a"].update(decay=2.0**31)))
    with pytest.raises(DoesNotFitError) as error:
        compile_network(network, ECP5)
    assert str(error.value) == (
        "'neurons': a decay of 2.14748e+09 is beyond coefficients of 18 bits; decays lie between 0 and 1"
    )


@pytest.mark.parametrize("change", [{"graph": ""}, {"nodes": ["eye"]}, {"edges": [7]}])
def test_json_whose_parts_are_no_objects_is_no_graph(tmp_path, change):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(nx.node_link_data(small(), edges="edges") | change))
    with pytest.raises(InputError) as error:
        read_network(path)
    assert str(error.value) == f"{path}: not a node-link JSON file (TypeError); write it with networkx"
