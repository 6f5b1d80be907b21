"""Loops: which edge takes a timestep is the network's, no name's; and every edge a timestep, where chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import dense, lif
from nirfiles import chain
from test_fuzz import attempt, fuzz

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, InputError
from nmcompile.coding.decode import trains
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.nir import network_of
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.nir_graph import Graph, Node
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.retime import retime

LARGE = load_architecture("large")
OUTCOMES = []


def semantics(**choices):
    return choose_semantics("nir", dt=1.0, **choices)


def neurons(n):
    return Node("", "IF", {"r": np.ones(n), "v_threshold": np.ones(n)})


def graph_of(links, sizes, output, called=lambda name: name, shuffled=list):
    """A NIR graph: a link is (source, target, weights (n, n), delay or None), in which a Linear and a Delay stand."""
    nodes = {INPUT: Node(INPUT, "Input", {"shape": np.array([sizes[INPUT]])}), "end": Node("end", "Output", {})}
    edges = [(called(output), "end")]
    nodes |= {called(name): neurons(n) for name, n in sizes.items() if name != INPUT}
    for i, (source, target, weights, delay) in enumerate(links):
        w, d = called(f"w{i}"), called(f"d{i}")
        nodes[w] = Node(w, "Linear", {"weight": weights})
        edges += (
            chain(called(source), w, called(target)) if delay is None else chain(called(source), w, d, called(target))
        )
        if delay is not None:
            nodes[d] = Node(d, "Delay", {"delay": np.full(len(weights), float(delay))})
    nodes = {name: Node(name, nodes[name].kind, nodes[name].values) for name in shuffled(list(nodes))}
    return Graph(nodes, shuffled(edges), [INPUT], ["end"])


@st.composite
def random_links(draw):
    """(links, sizes, output) of a random graph in which all hear the input; numbers are exact in floats."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32), label="seed"))
    names = [f"p{i}" for i in range(draw(st.integers(2, 5), label="populations"))]
    sizes = {name: int(rng.integers(1, 4)) for name in (INPUT, *names)}
    delays = draw(st.sampled_from([(None,), (None, None, 1, 2), (1, 2)]), label="delays")
    pairs = [((INPUT, *names)[rng.integers(0, i + 1)], name) for i, name in enumerate(names)]
    pairs += [tuple(rng.choice(names, 2)) for _ in range(draw(st.integers(1, 6), label="more edges"))]
    weights = [rng.integers(-8, 20, (sizes[b], sizes[a])) / 8 for a, b in pairs]
    picked = [delays[rng.integers(len(delays))] if a != INPUT else None for a, b in pairs]
    return [(a, b, w, d) for (a, b), w, d in zip(pairs, weights, picked, strict=True)], sizes, str(rng.choice(names))


@fuzz(60, 2000)
@given(random_links(), st.randoms(use_true_random=False), st.sampled_from(["instant", "step"]))
def test_names_and_orders_never_change_a_spike(drawn, random, edges):
    links, sizes, output = drawn
    labels = [f"{letter}{n}" for letter in "awz" for n in range(40)]
    random.shuffle(labels)
    new = dict(zip([*sizes, *(f"{k}{i}" for k in "wd" for i in range(len(links)))], labels, strict=False)) | {
        INPUT: INPUT
    }
    mixed = list(links)
    random.shuffle(mixed)
    spikes = np.random.default_rng(len(links)).integers(0, 2, (2, 25, sizes[INPUT]), dtype=np.uint8)
    one = network_of(graph_of(links, sizes, output), "one")
    two = network_of(graph_of(mixed, sizes, output, new.get, lambda x: random.sample(x, len(x))), "two")
    chosen = semantics(edges=edges)
    first, second = (run_float(discretize(n, chosen), spikes, record=True) for n in (one, two))
    for name in sizes:
        np.testing.assert_array_equal(first.spikes[name], second.spikes[new[name]])
    made, refused = attempt(compile_network, one, LARGE, chosen, 16)
    again, too = attempt(compile_network, two, LARGE, chosen, 16)
    assert type(refused) is type(too)
    if refused is not None:
        assert isinstance(refused, DoesNotFitError) or "loop" in str(refused)
    else:
        ran = [trains(m.image, emulator.run(m.image, spikes, record_spikes=True)) for m in (made, again)]
        np.testing.assert_array_equal(*ran)
        if first.spikes[output].any():
            OUTCOMES.append(ran[0].sum())


def test_random_graphs_ran_on_the_machine_and_spiked():
    assert len(OUTCOMES) > 15


def loop_network(*projections):
    return Network((2,), (lif("p", 2), lif("q", 2)), projections, "p", "net")


W = np.eye(2)
DRIVE = dense("in p", INPUT, "p", W), dense("in q", INPUT, "q", W)


def delays_of(network, **choices):
    made = discretize(network, choose_semantics("nir", **choices))
    return dict(zip((p.name for p in network.projections), made.delays, strict=True))


def test_the_edge_that_leads_back_to_the_input_takes_the_timestep():
    network = loop_network(dense("back", "q", "p", W), dense("there", "p", "q", W), DRIVE[0])
    assert delays_of(network) == {"in p": 0, "there": 0, "back": 1}


def test_two_that_both_hear_the_input_hear_each_other_a_timestep_later():
    network = loop_network(dense("there", "p", "q", W), dense("back", "q", "p", W), *DRIVE)
    assert delays_of(network) == {"in p": 0, "in q": 0, "there": 1, "back": 1}
    assert retime(discretize(network, choose_semantics()), 4).delays == (0, 0, 0, 0)


def test_an_edge_with_a_delay_breaks_its_loop_alone():
    network = loop_network(dense("there", "p", "q", W, delay=2), dense("back", "q", "p", W), DRIVE[0])
    assert delays_of(network) == {"in p": 0, "there": 2, "back": 0}


def test_a_population_that_hears_itself_does_so_a_timestep_later():
    assert delays_of(loop_network(dense("self", "p", "p", W), *DRIVE))["self"] == 1


def test_neurons_that_others_see_later_need_no_more_in_a_loop():
    network = loop_network(dense("there", "p", "q", W), dense("back", "q", "p", W), *DRIVE)
    assert delays_of(network, output_delay=1) == {"in p": 0, "in q": 0, "there": 1, "back": 1}


def test_every_edge_takes_a_timestep_where_that_is_chosen():
    network = loop_network(dense("there", "p", "q", W), dense("back", "q", "p", W, delay=3), DRIVE[0])
    assert delays_of(network, edges="step") == {"in p": 0, "there": 1, "back": 3}


def test_an_edge_in_no_loop_takes_no_time_wherever_it_leads():
    assert delays_of(loop_network(dense("aside", "q", "p", W), *DRIVE))["aside"] == 0


def test_populations_come_in_an_order_in_which_signals_flow():
    network = loop_network(dense("there", "q", "p", W), DRIVE[1])
    assert [p.name for p in discretize(network, choose_semantics()).network.populations] == ["q", "p"]


E, I = (np.array([[0.5, 0.25], [0.25, 0.5]]), -np.array([[0.5, 0.25], [0.25, 0.5]]))  # noqa: E741
EI = [(INPUT, "e", np.array([[0.6, 0.3], [0.3, 0.6]]), None), ("e", "i", E, None), ("i", "e", I, None)]
EI_SIZES = {INPUT: 2, "e": 2, "i": 2}


def test_excitation_and_inhibition_need_a_choice():
    with pytest.raises(InputError) as error:
        compile_network(network_of(graph_of(EI, EI_SIZES, "e"), "ei"), LARGE, semantics())
    assert str(error.value) == (
        "ei: the loop e -> i -> e takes 2 hops but carries less delay than that; "
        "add a Delay of a timestep per hop to one of its edges, or read every edge as a timestep with --edges step"
    )


def test_excitation_and_inhibition_with_a_timestep_an_edge_run_as_their_equations():
    compilation = compile_network(network_of(graph_of(EI, EI_SIZES, "e"), "ei"), LARGE, semantics(edges="step"), 16)
    spikes = np.random.default_rng(0).integers(0, 2, (1, 40, 2), dtype=np.uint8)
    v, fired = {"e": np.zeros(2), "i": np.zeros(2)}, {"e": np.zeros(2), "i": np.zeros(2)}
    wanted = []
    for frame in spikes[0]:
        v["e"] = v["e"] + EI[0][2] @ frame + I @ fired["i"]
        v["i"] = v["i"] + E @ fired["e"]
        fired = {name: (v[name] > 1).astype(float) for name in v}
        v = {name: np.where(fired[name] > 0, 0, v[name]) for name in v}
        wanted.append(fired["e"])
    got = trains(compilation.image, emulator.run(compilation.image, spikes, record_spikes=True))[0]
    np.testing.assert_array_equal(got, np.array(wanted))
    assert np.array(wanted).sum() > 10
    assert compilation.image.latency == 0
    assert compilation.semantics.describe().endswith(", every edge takes a timestep")
