"""The drift report's numbers, counted the slow way from runs in floats and in fixed point."""

from dataclasses import replace

import numpy as np
import pytest
from networks import dense, lif, random_network

import emulator
from emulator.spec.arch import load_architecture
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.drift import drift_report

UP5K = load_architecture("up5k")


def test_numbers_of_coarse_weights_are_what_the_runs_say():
    rng = np.random.default_rng(5)
    network = random_network(rng, sizes=(30, 12))
    spikes = (rng.random((4, 20, 20)) < 0.2).astype(np.uint8)
    compilation = compile_network(network, UP5K, weight_bits=2)
    exact = run_float(discretize(network, choose_semantics()), spikes, record=True)
    fixed = emulator.run(compilation.image, spikes, record_spikes=True).spikes
    rows = {row.name: row for row in drift_report(compilation, spikes)}
    for name, row in rows.items():
        counts = np.zeros((4, row.neurons), int)
        for sample, _, core, neuron in fixed:
            counts[sample] += (compilation.image.population(name).location == (core, neuron)).all(axis=1)
        wanted = exact.spikes[name].sum(axis=1)
        assert (row.float_spikes, row.fixed_spikes) == (wanted.sum(), counts.sum())
        fires, fired = counts.any(axis=0), wanted.any(axis=0)
        assert row.silent_neurons == sum(a and not b for a, b in zip(fired, fires, strict=True))
        assert row.new_neurons == sum(b and not a for a, b in zip(fired, fires, strict=True))
        assert row.count_error == pytest.approx(abs(counts - wanted).mean() / wanted.mean())
    assert sum(row.silent_neurons for row in rows.values()) > 0
    assert sum(row.new_neurons for row in rows.values()) > 0


def test_a_membrane_that_runs_into_its_limit_is_counted_and_said():
    """Without leak, what inhibits goes on forever: 16 bits end somewhere."""
    network = Network(
        (1,),
        (lif("deep", (2,), model="IF", dt=1.0, threshold=1.0),),
        (dense("w", INPUT, "deep", [[-5.0, 0.1]]),),
        "deep",
    )
    semantics = replace(choose_semantics(), dt=1.0)
    spikes = np.ones((2, 3000, 1), np.uint8)
    compilation = compile_network(network, UP5K, semantics)
    row = drift_report(compilation, spikes)[0]
    v = emulator.run(compilation.image, spikes, probes=["v:deep"]).probes["v:deep"]
    assert row.saturations == (v == v.min()).sum() > 100
    assert v.min() <= -(2**15) + 1
    assert row.advice == (
        f"'deep': v saturates {row.saturations:,} times; use an architecture with more than 16 state_bits"
    )


def counter(threshold):
    """A neuron that fires once for so many inputs, rounded up."""
    population = lif("n", (1,), model="IF", dt=1.0, threshold=threshold - 0.5)
    return Network((1,), (population,), (dense("w", INPUT, "n", [[1.0]]),), "n")


@pytest.mark.parametrize(
    ("fixed", "ideal", "inputs", "advice"),
    [
        (1, 2, 20, ""),  # twice as many
        (1, 2, 21, "'n' bursts (21 spikes for 10); use an architecture with more than 16 state_bits"),
        (2, 1, 20, ""),  # half
        (2, 1, 21, "'n' is silenced (10 spikes for 21); use an architecture with more than 16 state_bits"),
        (1, 30, 2, ""),  # none is as good as one
        (1, 30, 3, "'n' bursts (3 spikes for 0); use an architecture with more than 16 state_bits"),
    ],
)
def test_twice_the_spikes_are_a_burst_and_half_of_them_silence(fixed, ideal, inputs, advice):
    semantics = choose_semantics(dt=1.0)
    compilation = compile_network(counter(fixed), UP5K, semantics, weight_bits=16)
    other = replace(compilation, discrete=discretize(counter(ideal), semantics))
    row = drift_report(other, np.ones((1, inputs, 1), np.uint8))[0]
    assert (row.fixed_spikes, row.float_spikes, row.advice) == (inputs // fixed, inputs // ideal, advice)


def test_a_silenced_population_with_narrow_weights_is_told_the_next_width():
    semantics = choose_semantics(dt=1.0)
    for bits, wider in ((2, 4), (4, 8), (8, 16)):
        compilation = compile_network(counter(9), UP5K, semantics, weight_bits=bits)
        other = replace(compilation, discrete=discretize(counter(1), semantics))
        row = drift_report(other, np.ones((1, 9, 1), np.uint8))[0]
        assert row.advice == (
            f"'n' is silenced (1 spikes for 9): 0 % of its weights are 0 at {bits} bits; use --weight-bits {wider}"
        )
