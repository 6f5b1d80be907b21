"""The compiler on random legal requests, corners first: an image that equals the reference, or a refusal that helps.

CI runs the first few hundred seeds; NM_LONG=n runs n of them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from corners import Request, request
from integers import on_machine, simulate
from networks import dense, lif
from test_kernel import check_image_equal

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import CompilerError, DoesNotFitError, InputError, NmError, UsageError
from emulator.spec.image import Image
from nmcompile import pipeline
from nmcompile.frontends.linear import conv2d
from nmcompile.frontends.nir import read_nir
from nmcompile.learning.attach import attach
from nmcompile.learning.learned import learned_thresholds
from nmcompile.learning.library import pair_stdp, symmetric_stdp
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population, Projection
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import Compilation, compile_network
from nmcompile.place.place import place
from nmcompile.results.demo import EXAMPLES

SEEDS = max(500, int(os.environ.get("NM_LONG", "0")))
CHUNKS = 20
ADVICE = (
    "use|another --semantics|round them|give|choose|connect|let it|learn on|leave it|make its|take|rescale|mask them|"
    "decays lie between 0 and 1"
)
HELPS = re.compile(rf"('[^']+'|core \d+|the network's|^network:).*[;,] (so )?({ADVICE})", re.DOTALL)
outcomes: Counter[str] = Counter()


def compiled(asked: Request) -> Compilation | NmError:
    """What the compiler makes of a request; any error but our own passes through, and so do warnings."""
    try:
        return compile_network(asked.ruled(), asked.arch, asked.semantics, asked.weight_bits, asked.calibrate)
    except (InputError, DoesNotFitError, UsageError) as error:
        return error


def helps(error: NmError) -> bool:
    """Does every problem name something and say what to do?"""
    return all(HELPS.search(problem) for problem in getattr(error, "problems", [str(error)]))


def check_integers(made: Compilation, spikes: np.ndarray) -> None:
    """Spikes and v of every population are those of its quantized network, in plain integers."""
    wanted, v_wanted = simulate(made, spikes)
    sent, v, result = on_machine(made, spikes)
    for name in wanted:
        steps = len(v[name])
        np.testing.assert_array_equal(sent[name][:steps], wanted[name][:steps] != 0, name)
        np.testing.assert_array_equal(v[name], v_wanted[name][:steps], name)
    places = {tuple(place) for p in made.image.populations for place in p.location.tolist()}
    assert {tuple(place) for place in result.spikes[:, 2:].tolist()} <= places  # padding is silent


def check_synapses(asked: Request, made: Compilation) -> None:
    """What can learn is what was asked for, and learns from plain spikes only."""
    for p in made.quantized.projections:
        if not p.plastic:
            continue
        source = next(q for q in asked.network.projections if q.name == p.name)
        there = source.matrix.toarray() != 0
        if p.name in asked.masks:
            there = asked.masks[p.name]
        elif asked.rules[p.name].get("all_to_all"):
            there |= ~np.eye(len(there), dtype=bool) if source.source == source.target else True
        assert there.any()
        held = p.matrix.tocoo()
        assert set(zip(held.row.tolist(), held.col.tolist(), strict=True)) == set(zip(*np.nonzero(there), strict=True))
        assert p.payload == made.quantized.population(p.target).payload == 1
        assert not p.signed


def judge(seed: int) -> Image | None:
    asked = request(seed)
    made = compiled(asked)
    if isinstance(made, NmError):
        outcomes[type(made).__name__] += 1
        assert helps(made), f"seed {seed}: {made}"
        if asked.arch is None and not isinstance(made, DoesNotFitError):  # a larger machine would not take it, either
            assert isinstance(compiled(replace(asked, arch=LARGE)), type(made))
        return None
    learns = any(p.plastic for p in made.quantized.projections)
    outcomes["learns" if learns else "image"] += 1
    check_synapses(asked, made)
    if not learns:
        check_integers(made, asked.spikes[0])
    check_image_equal(made.image, np.random.default_rng(seed), f"seed {seed}")
    return made.image


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_request_becomes_an_image_that_is_right_or_a_refusal_that_helps(chunk):
    for seed in range(chunk, SEEDS, CHUNKS):
        try:
            judge(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


# ------------------------------------------------------------------------------------------- one of each kind
NARROW = replace(load_architecture("up5k"), name="narrow", coef_bits=18, rtl=False)
LARGE = load_architecture("large")
SPIKES = (np.random.default_rng(0).random((1, 20, 3)) < 0.6).astype(np.uint8)


def one_layer(population: Population, weights: np.ndarray) -> Network:
    return Network((len(weights),), (population,), (dense("w", INPUT, population.name, weights),), population.name)


def test_decays_of_their_own_fit_a_state_narrower_than_coefficients():
    network = one_layer(lif("a", (3,), np.array([0.9, 0.8, 0.5])), np.full((3, 3), 0.5))
    check_integers(compile_network(network, NARROW), SPIKES[0])


def test_a_neuron_that_fires_once_at_most_needs_no_graded_machine():
    """Inputs that inhibit: a multi-spike neuron can then be proven to send no more than plain spikes."""
    network = one_layer(lif("a", (3,)), -np.ones((3, 3)))
    assert compile_network(network, semantics=choose_semantics(reset="multi-spike")).image.arch.name == "up5k"


def test_a_readout_of_zeros_is_calibrated_to_zeros():
    network = one_layer(lif("out", (2,), model="LI"), np.zeros((3, 2)))
    made = compile_network(network, calibrate=SPIKES)
    assert not emulator.run(made.image, SPIKES, probes=["v:out"]).probes["v:out"].any()


def test_a_multiple_of_a_threshold_beyond_the_state_is_never_reached():
    """Multi-spike neurons with thresholds of their own, one of which sees v at the top of the state."""
    judge(2852)


def test_what_learns_without_a_pair_that_is_a_synapse_is_refused():
    """All to all of one neuron is itself alone."""
    network = one_layer(lif("a", (1,)), np.full((3, 1), 0.5))
    network = replace(network, projections=(*network.projections, dense("r", "a", "a", np.zeros((1, 1)), delay=1)))
    network = attach(network, {"r": pair_stdp(0.01, 0.01, 0.02, 0.02, 0, 1, all_to_all=True)})
    with pytest.raises(InputError) as error:
        compile_network(network)
    assert str(error.value) == (
        "'r' learns by 'pair-stdp', but none of its pairs is a synapse, and a neuron is none to itself; "
        "give it a mask with synapses, or take the rule away"
    )


def test_what_is_too_coarse_to_learn_on_the_smallest_machine_goes_on_to_the_next():
    """One unit of weight beside such a threshold is 0.125 with 16 bits of state."""
    rule = pair_stdp(0.01, 0.01, 0.02, 0.02, 0, 0.1)
    network = attach(one_layer(lif("a", (3,), threshold=1000.0), np.full((3, 3), 0.1)), {"w": rule})
    assert compile_network(network).image.arch.name == "ecp5"


@pytest.mark.parametrize("start", ["reset", "leak"])
def test_padding_of_an_image_is_silent_wherever_its_neurons_start(start):
    """One channel of five pixels in two lanes: every row has a place that is no neuron."""
    neurons = lif("image", (1, 4, 5), v_reset=2.0)
    neurons.params["v_leak"][:] = 2.0
    matrix, _ = conv2d(np.ones((1, 1, 1, 1)), (1, 4, 5))
    network = Network((1, 4, 5), (neurons,), (Projection("w", INPUT, "image", matrix, 0, True, 1),), "image")
    semantics = choose_semantics(initial=start, reset="subtract")
    made = compile_network(network, replace(LARGE, name="two", lanes=2, neurons=64, rtl=False), semantics)
    check_integers(made, np.zeros((4, 20), np.uint8))


def test_a_register_has_one_number_in_all_cores():
    """Only the neurons in one of the cores differ in their decay, so only there it takes a register."""
    rule = symmetric_stdp(0.01, 0.02, 0.5, theta_plus=0.25)
    decays = np.where(np.arange(16) < 8, 0.5, np.linspace(0.1, 0.9, 16))
    values = {"decay": decays, "v_threshold": np.ones(16), "v_reset": np.zeros(16)}
    neurons = Population("a", (16,), "DiscreteLIF", values, np.zeros(16))
    network = attach(one_layer(neurons, np.full((3, 16), 0.5)), {"w": rule})
    arch = replace(LARGE, name="small", neurons=8, axons=16, rtl=False)
    made = compile_network(network, arch, choose_semantics(dt=1e-3))
    learned = emulator.run(made.image, np.ones((1, 9, 3), np.uint8), learn=True).learned
    assert (learned_thresholds(learned)["a"] > 1.2).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_windows_of_a_convolution_stay_in_their_core(bits):
    example = EXAMPLES["mnist_conv"]
    arch = replace(LARGE, name="tight", lanes=2, mesh_width=3, mesh_height=1, neurons=512, rtl=False)
    made = compile_network(read_nir(example.network_path()), arch, choose_semantics(example.preset), bits)
    assert len({part.core for part in place(made.quantized, arch).parts}) == 3


def test_an_image_that_its_own_check_refuses_is_our_bug(monkeypatch):
    def refuse(_):
        raise InputError("core 0: a wrong word")

    monkeypatch.setattr(pipeline, "check_image", refuse)
    with pytest.raises(CompilerError) as caught:
        compile_network(one_layer(lif("a", (3,)), np.ones((3, 3))), LARGE)
    assert str(caught.value) == (
        "network: the compiler made an image that its own check refuses (core 0: a wrong word); this is our bug, not "
        "yours: please report it with the network, the command and what nmc --version says"
    )
    assert caught.value.exit_code == 1
