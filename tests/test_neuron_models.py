"""The examples of neuron models against their papers' equations, in floats and on the machine."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from integers import check_machine, on_machine, simulate
from networks import dense

from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, InputError, UsageError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.graph import network_from_graph
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population
from nmcompile.network.semantics import choose_semantics
from nmcompile.neurons import models
from nmcompile.neurons.update import Dynamics, Value
from nmcompile.pipeline import compile_network

EXAMPLES = Path(__file__).parents[1] / "examples" / "neuron_models"
ECP5 = load_architecture("ecp5")


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


for file in sorted(EXAMPLES.glob("*.py")):
    load(file.stem)


def population(name, model, n, bias=0.0, **params):
    full = lambda value: np.broadcast_to(np.asarray(value, float), (n,)).copy()  # noqa: E731
    return Population(name, (n,), model, {k: full(v) for k, v in params.items()}, full(bias))


def network(neurons, weights, levels=1):
    return Network((len(weights),), (neurons,), (dense("w", INPUT, neurons.name, weights),), neurons.name, "n", levels)


def test_every_example_is_tested_here():
    text = Path(__file__).read_text()
    names = [name for name in models.MODELS if f'"{name}"' not in text]
    assert len(list(EXAMPLES.glob("*.py"))) >= 5
    assert set(names) <= {"I", "IF", "LI", "LIF", "CubaLI", "CubaLIF", "Loihi", "DiscreteLIF", "Threshold"}


def test_adaptive_lif_follows_bellecs_equations():
    rng = np.random.default_rng(1)
    n, dt, timesteps = 12, 1e-3, 300
    tau, tau_a, b0, beta = 20e-3, rng.uniform(0.1, 0.4, n), 0.5, 1.8
    neurons = population("n", "AdaptiveLIF", n, bias=rng.uniform(0.5, 1.5, n), tau=tau, tau_a=tau_a, b0=b0, beta=beta)
    weights = rng.normal(0.5, 1.0, (8, n))
    spikes = (rng.random((timesteps, 8)) < 0.3).astype(np.uint8)
    alpha, rho = np.exp(-dt / tau), np.exp(-dt / tau_a)
    v, b, wanted = np.zeros(n), np.zeros(n), []
    for x in spikes @ weights + neurons.bias:
        limit = b0 + beta * b
        v = alpha * v + (1 - alpha) * x
        z = v > limit
        v = v - limit * z
        b = rho * b + (1 - rho) * z
        wanted.append(z)
    wanted = np.array(wanted)
    net, semantics = network(neurons, weights), choose_semantics(dt=dt)
    np.testing.assert_array_equal(
        run_float(discretize(net, semantics), spikes[None], record=True).spikes["n"][0], wanted
    )
    compilation = compile_network(net, ECP5, semantics, 16)
    check_machine(compilation, spikes)
    assert (on_machine(compilation, spikes)[0]["n"] != wanted).mean() < 0.01
    first, last = wanted[:50].sum(), wanted[-50:].sum()
    assert first > 1.2 * last, "it adapts"


@pytest.mark.parametrize(
    ("kind", "a", "b", "c", "d"),
    [
        ("regular spiking", 0.02, 0.2, -65, 8),
        ("intrinsically bursting", 0.02, 0.2, -55, 4),
        ("chattering", 0.02, 0.2, -50, 2),
        ("fast spiking", 0.1, 0.2, -65, 2),
        ("low-threshold spiking", 0.02, 0.25, -65, 2),
    ],
)
def test_izhikevich_neurons_fire_in_the_papers_patterns(kind, a, b, c, d):
    """Figure 2: a step of current I = 10. Fixed point against doubles of the same Euler steps, spike by spike."""
    dt, timesteps = 0.25, 1600
    neurons = population("n", "Izhikevich", 1, bias=10.0, a=a, b=b, c=c, d=d)
    net, semantics = network(neurons, [[0.0]]), choose_semantics(dt=dt * 1e-3)
    v, u, wanted = float(c), b * c, []
    for t in range(timesteps):
        v = v + dt * (0.04 * v * v + 5 * v + 140 - u + 10)
        u = u + dt * a * (b * v - u)
        if v >= 30:
            v, u = float(c), u + d
            wanted.append(t)
    silence = np.zeros((timesteps, 1), np.uint8)
    exact = np.flatnonzero(run_float(discretize(net, semantics), silence[None], record=True).spikes["n"][0, :, 0])
    assert len(exact) == len(wanted)
    assert np.abs(exact - wanted)[:5].max() == 0  # later, the same sums in another order tell in the fastest
    assert np.abs(exact - wanted).max() <= 0.01 * timesteps
    compilation = compile_network(net, ECP5, semantics)
    check_machine(compilation, silence, least=4)
    fixed = np.flatnonzero(on_machine(compilation, silence)[0]["n"][:, 0])
    assert len(fixed) == len(wanted)
    assert np.abs(fixed - wanted).max() <= 0.01 * timesteps, "late by less than 1 % of the time"
    gaps = np.diff(fixed) * dt
    in_bursts = kind in ("intrinsically bursting", "chattering")
    assert ((gaps < 6).any() and (gaps > 20).any()) == in_bursts, gaps


def test_first_spikes_come_when_the_linear_potentials_reach_the_threshold():
    rng = np.random.default_rng(2)
    n_inputs, n, timesteps = 10, 16, 40
    weights, times = rng.normal(0.3, 0.5, (n_inputs, n)), rng.integers(0, 15, n_inputs)
    spikes = np.zeros((timesteps, n_inputs), np.uint8)
    spikes[times, np.arange(n_inputs)] = 1
    t = np.arange(timesteps)
    potential = np.maximum(0, t[:, None] - times) @ weights
    reached = potential >= 4.0
    wanted = np.zeros_like(reached)
    ever = reached.any(axis=0)
    wanted[reached.argmax(axis=0)[ever], np.flatnonzero(ever)] = True
    net = network(population("n", "FirstSpike", n, v_threshold=4.0), weights)
    np.testing.assert_array_equal(
        run_float(discretize(net, choose_semantics()), spikes[None], record=True).spikes["n"][0], wanted
    )
    compilation = compile_network(net, ECP5, weight_bits=16)
    check_machine(compilation, spikes, least=5)
    np.testing.assert_array_equal(on_machine(compilation, spikes)[0]["n"], wanted)


def test_bipolar_neurons_take_back_what_they_sent():
    """Two layers: the second sees +1 and -1."""
    rng = np.random.default_rng(3)
    weights, second = rng.normal(0, 0.6, (6, 9)), rng.normal(0, 0.6, (9, 5))
    spikes = (rng.random((60, 6)) < 0.4).astype(np.uint8)

    def layer(drive):
        v, sent = np.zeros(drive.shape[1]), []
        for x in drive:
            v = v + x
            s = 1.0 * (v >= 1) - 1.0 * (v <= -1)
            v -= s
            sent.append(s)
        return np.array(sent)

    first_sent = layer(spikes @ weights)
    wanted = layer(first_sent @ second)
    net = Network(
        (6,),
        (population("a", "Bipolar", 9, v_threshold=1.0), population("b", "Bipolar", 5, v_threshold=1.0)),
        (dense("w", INPUT, "a", weights), dense("f", "a", "b", second)),
        "b",
    )
    exact = run_float(discretize(net, choose_semantics()), spikes[None], record=True)
    np.testing.assert_array_equal(exact.spikes["b"][0], wanted)
    compilation = compile_network(net, ECP5, weight_bits=16)
    check_machine(compilation, spikes)
    assert (simulate(compilation, spikes)[0]["b"] != wanted).mean() < 0.02
    assert (wanted < 0).sum() > 10


def test_sigma_delta_neurons_tell_changes_and_their_sum_follows_the_activation():
    rng = np.random.default_rng(4)
    weights = rng.integers(-6, 7, (5, 8))
    values = rng.integers(0, 5, (50, 5)).astype(np.uint8)
    net = network(population("n", "SigmaDelta", 8, bias=10.0, v_threshold=6.0), weights, levels=10)
    sigma = np.cumsum(values.astype(np.int64) @ weights, axis=0)
    activation, told, wanted = np.maximum(0, sigma + 10), np.zeros(8, np.int64), []
    for now in activation:
        change = np.clip(now - told, -128, 127)
        change[np.abs(change) < 6] = 0
        told = told + change
        wanted.append(change)
    exact = run_float(discretize(net, choose_semantics()), values[None], record=True).spikes["n"][0]
    np.testing.assert_array_equal(exact, wanted)
    assert np.abs(np.cumsum(exact, axis=0) - activation).max() < 6 + 60
    compilation = compile_network(net, ECP5)
    check_machine(compilation, values)
    np.testing.assert_array_equal(simulate(compilation, values)[0]["n"], wanted)


def test_plif_neurons_follow_fangs_equations():
    rng = np.random.default_rng(5)
    n, timesteps = 14, 80
    a, v_th, v_reset = rng.normal(-0.5, 1.0, n), 1.0, -0.1
    neurons = population("n", "PLIF", n, bias=rng.normal(0.2, 0.2, n), a=a, v_threshold=v_th, v_reset=v_reset)
    weights = rng.normal(0.8, 1.2, (9, n))
    spikes = (rng.random((timesteps, 9)) < 0.3).astype(np.uint8)
    v, wanted, membrane = np.zeros(n), [], []
    for x in spikes @ weights + neurons.bias:
        h = v + (x - (v - v_reset)) / (1 + np.exp(-a))
        s = h >= v_th
        v = np.where(s, v_reset, h)
        wanted.append(s)
        membrane.append(v)
    net = network(neurons, weights)
    np.testing.assert_array_equal(
        run_float(discretize(net, choose_semantics()), spikes[None], record=True).spikes["n"][0], wanted
    )
    compilation = compile_network(net, ECP5, weight_bits=16)
    check_machine(compilation, spikes)
    sent, fixed, _ = on_machine(compilation, spikes)
    assert (sent["n"] != wanted).mean() < 0.01
    assert np.median(np.abs(fixed["n"] / compilation.quantized.populations[0].scale - membrane)) < 1e-3


def test_multi_level_neurons_send_the_rounded_membrane():
    rng = np.random.default_rng(6)
    weights, second = rng.normal(0.3, 0.9, (7, 11)), rng.normal(0.1, 0.4, (11, 4))
    spikes = (rng.random((60, 7)) < 0.4).astype(np.uint8)

    def layer(drive):
        v, sent = np.zeros(drive.shape[1]), []
        last = np.zeros(drive.shape[1])
        for x in drive:
            v = 0.25 * (v - last) + x
            last = np.clip(np.floor(v + 0.5), 0, 4)
            sent.append(last)
        return np.array(sent)

    first_sent = layer(spikes @ weights)
    wanted = layer(first_sent @ second)
    parts = [population(name, "MultiLevel", n, decay=0.25, v_threshold=1.0) for name, n in (("a", 11), ("b", 4))]
    net = Network((7,), tuple(parts), (dense("w", INPUT, "a", weights), dense("f", "a", "b", second)), "b")
    exact = run_float(discretize(net, choose_semantics()), spikes[None], record=True)
    np.testing.assert_array_equal(exact.spikes["a"][0], first_sent)
    np.testing.assert_array_equal(exact.spikes["b"][0], wanted)
    assert set(np.unique(first_sent)) == {0, 1, 2, 3, 4}
    compilation = compile_network(net, ECP5, weight_bits=16)
    result = check_machine(compilation, spikes)
    assert (simulate(compilation, spikes)[0]["b"] != wanted).mean() < 0.02
    assert np.abs(result.output_counts[0] - wanted.sum(axis=0)).max() <= 2


def test_event_gates_follow_the_egru_between_events_and_send_their_value():
    rng = np.random.default_rng(7)
    n, timesteps, levels = 10, 70, 64
    update, threshold = rng.uniform(0.05, 0.4, n), 0.35
    neurons = population("n", "EventGate", n, bias=0.1, update=update, v_threshold=threshold)
    weights = rng.normal(0.4, 0.8, (6, n))
    spikes = (rng.random((timesteps, 6)) < 0.4).astype(np.uint8)
    c, y, wanted, told = np.zeros(n), np.zeros(n), [], []
    for z in spikes @ weights + 0.1:
        c = update * z + (1 - update) * c - y
        y = np.where(c > threshold, c, 0)
        wanted.append(c)
        told.append(y)
    told = np.array(told)
    net = network(neurons, weights)
    exact = run_float(discretize(net, choose_semantics()), spikes[None], record=True).spikes["n"][0]
    np.testing.assert_array_equal(exact, np.floor(levels * told + 0.5))
    compilation = compile_network(net, ECP5, weight_bits=16)
    result = check_machine(compilation, spikes)
    fixed = simulate(compilation, spikes)[0]["n"]
    assert ((fixed != 0) != (told != 0)).mean() < 0.01
    both = (fixed != 0) & (told != 0)
    assert both.sum() > 50
    assert np.abs(fixed - levels * told)[both].max() < 2
    np.testing.assert_array_equal(result.output_counts[0], fixed.sum(axis=0))


def test_a_registered_model_can_be_named_in_a_graph():
    import networkx as nx

    graph = nx.DiGraph(model="FirstSpike", v_threshold=2.0)
    graph.add_node("x", role="input")
    graph.add_node("y", role="output")
    graph.add_edge("x", "y")
    assert network_from_graph(graph).population("outputs").model == "FirstSpike"


# -------------------------------------------------------------------------------------------------- messages
def test_a_model_that_needs_too_much_or_does_wrong_is_told_so():
    def greedy(m):
        for i in range(9):
            m.add(m.state(f"s{i}"), m.state(f"s{i}"), "one")

    def twice(m):
        m.add(m.state("v"), m.state("v"), m.input())
        m.add(m.state("v"), m.state("v"), m.input())

    def square(m):
        m.product(m.state("v"), m.state("v"), m.state("v"))

    def compiled(step, scale):
        ones = np.ones(1)
        models.register("Odd", (), lambda p, s: Dynamics(step, {"one": Value(ones)}, ones, amplitude=ones, scale=scale))
        return compile_network(network(population("n", "Odd", 1), [[1.0]]), ECP5)

    with pytest.raises(DoesNotFitError) as error:
        compiled(greedy, None)
    assert error.value.problems == [
        "'n' needs a register for s8 beside s0, s1, s2, s3, s4, s5, s6, s7; 'ecp5' has 8; "
        "use an architecture with more registers"
    ]
    with pytest.raises(UsageError) as wrong:
        compiled(twice, None)
    assert str(wrong.value) == "the model of 'n' reads its input twice; copy it to a register"
    with pytest.raises(UsageError) as wrong:
        compiled(square, 3.0)
    assert str(wrong.value) == (
        "the model of 'n' multiplies registers, so its Dynamics.scale must be a power of two, 1 or more, not 3"
    )


def test_a_model_nobody_registered_is_refused():
    with pytest.raises(InputError) as error:
        network(population("n", "HodgkinHuxley", 1), [[1.0]])
    assert str(error.value).startswith("n: 'n' is a 'HodgkinHuxley'; neuron models are I, IF, LI, LIF, CubaLI, ")
