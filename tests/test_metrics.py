"""Proxy metrics against their definitions, computed the slow way on random spike trains and weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emulator.metrics import LayerActivity, bit_budget, metrics
from emulator.spec.errors import InputError

SAMPLES, T = 3, 7
Rng = np.random.Generator


# ------------------------------------------------------- what a machine counts: events, one spike after the other
def counted(name: str, matrix: np.ndarray, inputs: np.ndarray, outputs: np.ndarray, **more) -> LayerActivity:
    """A layer's activity as an event-driven machine sees it.

    Args:
        matrix: (neurons, inputs) unrolled weights; nan where there is no connection.
        inputs: (samples, timesteps, inputs); outputs: (samples, timesteps, neurons).
    """
    fan_out = [sum(1 for w in column if w == w and w != 0) for column in matrix.T]
    operations = 0
    for sample, step, i in zip(*np.nonzero(inputs), strict=True):
        assert inputs[sample, step, i]
        operations += fan_out[i]
    return LayerActivity(
        name=name,
        neurons=matrix.shape[0],
        inputs=matrix.shape[1],
        connections=int((~np.isnan(matrix)).sum()),
        synapses=sum(fan_out),
        input_spikes=len(np.nonzero(inputs)[0]),
        spikes=len(np.nonzero(outputs)[0]),
        synaptic_operations=operations,
        accumulates=set(inputs.flat) <= {-1, 0, 1},
        **more,
    )


# ---------------------------------------- NeuroBench's definitions: binarised layers, dense, as its harness does
def neurobench_operations(matrix: np.ndarray, inputs: np.ndarray) -> tuple[int, int, int]:
    """(effective MACs, effective ACs, dense operations) of a layer; inputs: (samples, timesteps, n)."""
    connected = ~np.isnan(matrix)
    binary = (connected & (matrix != 0)).astype(np.int64)
    effective = dense = 0
    for step in range(inputs.shape[1]):  # one call of the layer: a batch in, a batch out
        batch = inputs[:, step]
        effective += ((batch != 0).astype(np.int64) @ binary.T).sum()
        dense += (np.ones_like(batch, dtype=np.int64) @ connected.astype(np.int64).T).sum()
    accumulates = np.isin(inputs, (-1, 0, 1)).all()
    return (0, effective, dense) if accumulates else (effective, 0, dense)


def random_weights(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-3, 4, shape).astype(float) * (rng.random(shape) < 0.6)


def random_spikes(rng: Rng, n: int, graded: bool = False) -> np.ndarray:
    fired = rng.random((SAMPLES, T, n)) < rng.uniform(0, 0.6)
    return fired * (rng.integers(1, 9, fired.shape) if graded else rng.choice([-1, 1], fired.shape))


def unrolled(kernel: np.ndarray, size: int) -> np.ndarray:
    """(out * size * size, in * size * size) matrix of a same-padded 3 x 3 convolution; nan: no connection."""
    channels_out, channels_in = kernel.shape[:2]
    matrix = np.full((channels_out, size, size, channels_in, size, size), np.nan)
    for y, x, ky, kx in np.ndindex(size, size, 3, 3):
        v, u = y + ky - 1, x + kx - 1
        if 0 <= v < size and 0 <= u < size:
            matrix[:, y, x, :, v, u] = kernel[:, :, ky, kx]
    return matrix.reshape(channels_out * size * size, channels_in * size * size)


@pytest.mark.parametrize("seed", range(20))
def test_counts_of_events_equal_neurobench_on_random_networks(seed):
    rng = np.random.default_rng(seed)
    kernel = random_weights(rng, (2, 1, 3, 3))
    weights = [unrolled(kernel, 5), random_weights(rng, (9, 50)), random_weights(rng, (4, 9))]
    spikes = [random_spikes(rng, n, graded) for n, graded in ((25, seed % 2 == 0), (50, False), (9, False), (4, False))]
    shared = {"weights": kernel.size, "nonzero_weights": int((kernel != 0).sum())}
    layers = [
        counted(f"layer{i}", w, spikes[i], spikes[i + 1], weight_bits=8, **more)
        for i, (w, more) in enumerate(zip(weights, (shared, {}, {}), strict=True))
    ]
    result = metrics(layers, T, SAMPLES)

    expected = np.sum([neurobench_operations(w, s) for w, s in zip(weights, spikes, strict=False)], axis=0)
    counts = [result[name] for name in ("effective_macs", "effective_acs", "dense_operations")]
    assert counts == list(expected / SAMPLES)
    outputs = np.concatenate([s.reshape(-1) for s in spikes[1:]])
    assert result["activation_sparsity"] == pytest.approx((outputs == 0).mean(), abs=1e-12)
    stored = np.concatenate([kernel.reshape(-1), *(w.reshape(-1) for w in weights[1:])])
    assert result["connection_sparsity"] == pytest.approx((stored == 0).mean(), abs=1e-12)
    assert result["footprint_bytes"] == stored.size  # 8 bits each


def test_graded_inputs_make_macs_and_signed_spikes_make_acs():
    layer = small()
    assert metrics([layer], T, SAMPLES)["effective_macs"] == 0
    graded = metrics([dataclasses.replace(layer, accumulates=False)], T, SAMPLES)
    assert (graded["effective_acs"], graded["effective_macs"]) == (0, 21 / SAMPLES)


def test_a_readout_of_potentials_is_no_activation():
    silent = small(name="silent", spikes=0)
    readout = small(name="readout", spikes=0, spiking=False)
    busy = small(name="busy", spikes=21)
    assert metrics([busy, readout], T, SAMPLES)["activation_sparsity"] == pytest.approx(1 - 21 / (2 * 21))
    assert metrics([busy, silent], T, SAMPLES)["activation_sparsity"] == pytest.approx(1 - 21 / (4 * 21))
    assert metrics([readout], T, SAMPLES)["activation_sparsity"] == 0.0


# ----------------------------------------------------------------------------------------------- Bit Budget
def small(**change) -> LayerActivity:
    """Three inputs, two neurons, five of six weights not zero, over 7 timesteps and 3 samples."""
    values = {
        "name": "small",
        "neurons": 2,
        "inputs": 3,
        "connections": 6,
        "synapses": 5,
        "weight_bits": 4,
        "input_spikes": 9,
        "spikes": 4,
        "synaptic_operations": 21,
    }
    return LayerActivity(**(values | change))


def test_bit_budget_is_timesteps_times_weight_bits_times_spike_bits():
    assert bit_budget(4, 8, 2) == 64


def test_s_ace_sums_the_bit_budgets_of_all_dense_products():
    layers = [small(), small(name="other", weight_bits=8, spike_bits=2, connections=10)]
    assert metrics(layers, T, SAMPLES)["s_ace"] == 6 * (T * 4 * 1) + 10 * (T * 8 * 2)


def test_ns_ace_weighs_each_layer_by_its_input_rate():
    layers = [small(), small(name="other", weight_bits=8, spike_bits=2, connections=10, input_spikes=0)]
    result = metrics(layers, T, SAMPLES)
    assert result["ns_ace"] == pytest.approx(9 / (3 * T * SAMPLES) * 6 * T * 4)
    assert result["layers"]["small"]["input_rate"] == pytest.approx(1 / 7)
    assert result["layers"]["other"]["ns_ace"] == 0


def test_ns_ace_equals_exact_bit_operations_when_inputs_have_equal_fan_out():
    rng = np.random.default_rng(3)
    weights, inputs = np.ones((6, 8)), random_spikes(rng, 8)
    layer = counted("full", weights, inputs, random_spikes(rng, 6), weight_bits=4)
    result = metrics([layer], T, SAMPLES)
    assert result["ns_ace"] == pytest.approx(layer.synaptic_operations / SAMPLES * 4)


# ----------------------------------------------------------------------------------------------------- STEP
def test_step_counts_operations_and_every_read_and_write_of_a_potential():
    layers = [small(), small(name="graded", accumulates=False)]
    expected = 0.9 * 21 / SAMPLES + 4.6 * 21 / SAMPLES + 3.12 * 2 * (2 + 2) * T
    assert metrics(layers, T, SAMPLES)["step_pj"] == pytest.approx(expected)


# ------------------------------------------------------------------------------------ footprint and membranes
def test_footprint_is_stored_weights_and_state_unless_it_is_known():
    layer = small(weights=3, nonzero_weights=2, state_bits=24)
    assert metrics([layer], T, SAMPLES)["footprint_bytes"] == (3 * 4 + 2 * 24) / 8
    assert metrics([layer], T, SAMPLES, footprint_bytes=1000)["footprint_bytes"] == 1000


def test_membrane_updates_equal_neurobench_where_they_are_counted():
    """NeuroBench: neurons in the first step, then each potential that differs before and after a step."""
    rng = np.random.default_rng(5)
    potential = np.cumsum(rng.integers(0, 2, (SAMPLES, T, 2)), axis=1)  # after each step
    updates = potential[:, 0].size
    for step in range(1, T):
        updates += np.count_nonzero(potential[:, step] - potential[:, step - 1])
    result = metrics([small(membrane_updates=int(updates))], T, SAMPLES)
    assert result["membrane_updates"] == updates / SAMPLES
    assert result["membrane_updates_are"] == "counted"


def test_membrane_updates_that_nobody_counted_are_every_neuron_in_every_timestep():
    layers = [small(membrane_updates=3), small(name="other")]
    result = metrics(layers, T, SAMPLES)
    assert result["membrane_updates"] == (2 + 2) * T
    assert result["membrane_updates_are"] == "every neuron in every timestep"


# --------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neurons": 0}, "layer 'small': neurons = 0 must be at least 1"),
        ({"synapses": 7}, "layer 'small': synapses = 7 is more than its connections, 6"),
        (
            {"weights": 2, "nonzero_weights": 3},
            "layer 'small': nonzero_weights = 3 is more than its weights, 2",
        ),
        ({"input_spikes": 64}, "layer 'small': input_spikes = 64 is more than its inputs times the steps, 63"),
        ({"spikes": 43}, "layer 'small': spikes = 43 is more than its neurons times the steps, 42"),
        (
            {"synaptic_operations": 1106},
            "layer 'small': synaptic_operations = 1,106 is more than its synapses times the steps, 105",
        ),
        (
            {"membrane_updates": 43},
            "layer 'small': membrane_updates = 43 is more than its neurons times the steps, 42",
        ),
    ],
)
def test_a_count_beyond_what_the_layer_can_do_is_an_error(change, message):
    with pytest.raises(InputError) as caught:
        metrics([small(**change)], T, SAMPLES)
    assert str(caught.value) == message


def test_no_layers_and_twin_names_are_errors():
    with pytest.raises(InputError) as caught:
        metrics([], T, 0)
    assert str(caught.value) == "metrics need at least one layer, timestep and sample, not 0, 7 and 0"
    with pytest.raises(InputError) as caught:
        metrics([small(), small()], T, SAMPLES)
    assert str(caught.value) == "two layers are named 'small'"
