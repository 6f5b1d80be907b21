"""The cost of each population is what its spikes cause, counted the slow way from a recorded run."""

import numpy as np
from networks import random_network

import emulator
from emulator.spec import isa
from emulator.spec.arch import load_architecture
from nmcompile.pipeline import compile_network
from nmcompile.results.costs import population_costs

SAMPLES, T = 6, 20


def test_costs_by_population_are_what_spikes_cause():
    rng = np.random.default_rng(3)
    network = random_network(rng, sizes=(40, 15))
    image = compile_network(network, load_architecture("ecp5"), weight_bits=16).image
    inputs = (rng.random((SAMPLES, T, 20)) < 0.3).astype(np.uint8)
    result = emulator.run(image, inputs, record_spikes=True)
    costs = {cost.name: cost for cost in population_costs(image, result)}

    location = {p.name: p.location for p in image.populations}
    fired = np.zeros(40, np.int64)  # what layer0 sent and layer1 could still hear
    for _, t, core, neuron in result.spikes:
        if t < T + image.latency - 1:
            fired += (location["layer0"] == (core, neuron)).all(axis=1)
    for name, projection, sent in zip(costs, network.projections, (inputs.sum(axis=(0, 1)), fired), strict=True):
        fan_out = (projection.matrix != 0).sum(axis=1)
        assert costs[name].synaptic_operations == sent @ np.asarray(fan_out).ravel() > 100
        assert costs[name].events == sent[np.asarray(fan_out).ravel() > 0].sum()
        places = {tuple(place) for place in location[name].tolist()}
        assert costs[name].spikes == sum((core, neuron) in places for _, _, core, neuron in result.spikes.tolist()) > 0
    assert sum(cost.synaptic_operations for cost in costs.values()) == result.total("synaptic_operations")
    assert sum(cost.events for cost in costs.values()) == result.total("events")
    ends = isa.END_CYCLES * SAMPLES * (T + image.latency)  # what the one core spends on no population
    assert sum(cost.busy_cycles for cost in costs.values()) + ends == result.chip["compute_cycles"]
