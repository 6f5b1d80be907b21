"""Encoders against their definitions, decoders, and graded spikes from analog inputs to what outputs carried."""

import dataclasses
import json

import numpy as np
import pytest
from networks import dense, lif, random_network
from nirfiles import write
from scipy import sparse
from test_verify import TINY

import emulator
import nmcompile as nm
from emulator.result import save_result
from emulator.spec.arch import load_architecture
from emulator.spec.errors import InputError, MachineError, UsageError
from nmcompile.board.flash import flash
from nmcompile.board.link import Board
from nmcompile.board.run import run_on_board, summary
from nmcompile.board.simulated import SimulatedBoard, SimulatedTransport
from nmcompile.cli import cli
from nmcompile.coding import decode, encode
from nmcompile.coding.spikes import SpikeData
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Projection
from nmcompile.network.semantics import choose_semantics
from nmcompile.neurons.update import Dynamics
from nmcompile.pipeline import compile_network
from nmcompile.quantize.fixed import fixed_weights
from nmcompile.report.report import write_report
from nmcompile.results.verify import verify

ECP5 = load_architecture("ecp5")
VALUES = np.random.default_rng(1).random((5, 7))
MULTI = choose_semantics("nir", dt=1.0, reset="multi-spike")


# -------------------------------------------------------------------------------------------------- encoders
def test_direct_coding_repeats_the_nearest_level():
    spikes = encode.direct(VALUES, 3, levels=100)
    assert spikes.shape == (5, 3, 7)
    for t in range(3):
        np.testing.assert_allclose(spikes[:, t] / 100, VALUES, atol=0.005 + 1e-12)


def test_rate_coding_fires_with_the_probability_of_the_value():
    spikes = encode.rate(VALUES, 4000, seed=3, largest=0.5)
    assert set(np.unique(spikes)) == {0, 1}
    np.testing.assert_allclose(spikes.mean(axis=1), 0.5 * VALUES, atol=5 * np.sqrt(0.25 / 4000))
    left, right = spikes[:, :-1].astype(float), spikes[:, 1:].astype(float)
    assert abs(np.corrcoef((left - left.mean(1, keepdims=True)).ravel(), right.ravel())[0, 1]) < 0.02
    np.testing.assert_array_equal(spikes, encode.rate(VALUES, 4000, seed=3, largest=0.5))


def test_latency_coding_fires_once_and_larger_values_sooner():
    values = np.array([[0.0, 0.25, 0.5, 1.0]])
    spikes = encode.latency(values, 9)
    assert spikes.sum(axis=1).tolist() == [[0, 1, 1, 1]]
    assert spikes.argmax(axis=1)[0, 1:].tolist() == [6, 4, 0]


def test_latency_with_a_time_constant_is_when_a_driven_membrane_reaches_its_threshold():
    tau, threshold = 6.0, 0.2
    spikes = encode.latency(VALUES, 40, tau=tau, silent=threshold)
    for x, train in zip(VALUES.ravel(), spikes.transpose(0, 2, 1).reshape(-1, 40), strict=True):
        assert train.sum() == (x > threshold) or x < threshold * 1.01
        if train.any():
            v = lambda t, x=x: x * (1 - np.exp(-t / tau))  # noqa: E731
            assert v(train.argmax() - 0.5) <= threshold <= v(train.argmax() + 0.5)


def test_phases_add_up_to_the_value():
    spikes = encode.phase(VALUES, 16, bits=8)
    weights = 2.0 ** -(1 + np.arange(16) % 8)
    decoded = (spikes * weights[:, None])[:, :8].sum(axis=1)
    assert ((decoded <= VALUES) & (decoded + 2**-8 > VALUES)).all()
    np.testing.assert_array_equal(spikes[:, :8], spikes[:, 8:])
    assert encode.phase(np.ones((1, 1)), 8).all()


def test_a_population_responds_most_where_the_value_lies_on_its_centre():
    neurons, beta = 8, 1.5
    response = encode.population(VALUES, neurons, beta).reshape(5, 7, neurons)
    centres = (2 * np.arange(1, neurons + 1) - 3) / 2 / (neurons - 2)  # Bohte et al. 2002, i = 1..m
    np.testing.assert_array_equal(response.argmax(axis=2), np.abs(VALUES[:, :, None] - centres).argmin(axis=2))
    on, off = encode.population(np.full((1, 1), centres[3]), neurons)[0, [3, 4]]
    assert on == 1
    assert off == pytest.approx(np.exp(-(beta**2) / 2))  # one spacing is beta widths
    assert encode.latency(encode.population(VALUES, neurons), 20).shape == (5, 20, 56)


def test_delta_coding_can_be_undone_within_its_threshold():
    t = np.linspace(0, 1, 200)
    signal = np.stack([np.sin(7 * t), 0.3 * np.cos(11 * t)], axis=1)[None]
    spikes = encode.delta(signal, 0.05)
    moves = spikes[:, :, :2].astype(float) - spikes[:, :, 2:]
    rebuilt = signal[:, :1] + 0.05 * moves.cumsum(axis=1)
    assert np.abs(rebuilt - signal).max() < 0.05 + 1e-9
    assert not (spikes[:, :, :2] & spikes[:, :, 2:]).any()
    assert spikes[:, 0].sum() == 0


def test_what_cannot_be_encoded_is_said():
    for call, message in (
        (lambda: encode.rate(VALUES + 1, 3), "values from 1."),
        (lambda: encode.rate(VALUES[0], 3), "values of shape (7,) cannot be encoded; give (samples, inputs)"),
        (lambda: encode.population(VALUES, 2), "2 receptive fields; a population needs 3 or more"),
        (
            lambda: encode.delta(VALUES, 0.1),
            "signals of shape (5, 7), threshold 0.1; give (samples, timesteps, channels)",
        ),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).startswith(message)


# -------------------------------------------------------------------------------------------------- decoders
def test_the_library_is_in_the_python_interface():
    assert nm.encode is encode
    assert nm.decode is decode


def test_decoders_take_the_most_the_first_and_the_highest():
    spikes = np.zeros((3, 5, 3), np.uint8)
    spikes[0, 2:, 1] = 1  # most
    spikes[0, 1, 2] = 1  # first
    spikes[1, 4, 2] = 3
    assert decode.by_count(spikes).tolist() == [1, 2, -1]
    assert decode.by_first_spike(spikes).tolist() == [2, 2, -1]
    assert decode.by_membrane(-spikes.astype(float)).tolist() == [0, 0, 0]


def test_the_lowest_index_of_equals_is_taken_and_counted():
    scores = np.array([[0, 2, 2], [3, 1, 0], [0, 0, 0]])
    found = decode.verdict(scores, decode.chosen(scores, scores.any(axis=1)), np.array([1, 0, 0]))
    assert found == {
        "silent_samples": 1,
        "tied_samples": 1,
        "labels": (1, 0, 0),
        "accuracy": 2 / 3,
    }


def test_every_readout_of_a_run_is_what_the_float_network_says():
    rng = np.random.default_rng(39)
    network = random_network(rng, sizes=(30, 5))
    spikes = (rng.random((20, 15, 20)) < rng.uniform(0.1, 0.5, (20, 1, 20))).astype(np.uint8)
    exact = run_float(discretize(network, choose_semantics()), spikes, record=True).spikes["layer1"]
    assert (decode.by_count(exact) != decode.by_first_spike(exact)).mean() > 0.5
    assert len(set(decode.by_count(exact))) == 4
    image = compile_network(network, ECP5, weight_bits=16).image
    data = SpikeData(spikes, None, {})
    for readout, wanted in (("count", decode.by_count(exact)), ("first-spike", decode.by_first_spike(exact))):
        result = nm.evaluate(image, data, readout=readout)
        assert (result.predictions == wanted).mean() >= 0.9, readout
        assert result.spikes is None
    v = nm.evaluate(image, data, readout="membrane", probes=["v:layer1"])
    window = v.probes["v:layer1"][:, image.latency :][:, :15] / image.population("layer1").scale
    np.testing.assert_array_equal(v.predictions, window.sum(axis=1).argmax(axis=1))
    with pytest.raises(UsageError) as error:
        nm.evaluate(image, data, readout="rank")
    assert str(error.value) == "readout 'rank' of 'layer1'; the choices are count, first-spike, membrane"


# ------------------------------------------------------------------------------------------------- payload bounds
def multi_spiking(rng, sizes=(12, 9, 6), back=True):
    names = [f"m{i}" for i in range(len(sizes) - 1)]
    populations = [lif(name, (n,), model="IF", dt=1.0, threshold=1.0) for name, n in zip(names, sizes[1:], strict=True)]
    projections = [
        dense(f"w{i}", INPUT if i == 0 else names[i - 1], names[i], rng.normal(0.1, 0.35, sizes[i : i + 2]))
        for i in range(len(names))
    ]
    if back:
        projections.append(dense("back", "m0", "m0", rng.normal(0, 0.15, (sizes[1], sizes[1])), delay=1))
    return Network((sizes[0],), tuple(populations), tuple(projections), names[-1])


@pytest.mark.parametrize("seed", range(6))
def test_no_multi_spike_neuron_sends_more_than_was_proven(seed):
    rng = np.random.default_rng(seed)
    network = multi_spiking(rng, back=seed % 2 == 1)
    bounds = {name: d.payload for name, d in discretize(network, MULTI).dynamics.items()}
    for rate in (0.5, 1.0):
        run = run_float(discretize(network, MULTI), (rng.random((20, 30, 12)) < rate).astype(np.uint8), record=True)
        for name, most in bounds.items():
            assert run.spikes[name].max() <= most
    if seed % 2 == 0:
        pushed = np.maximum(network.projections[0].matrix.toarray(), 0).sum(axis=0).max()
        assert bounds["m0"] <= pushed + 2 < 20  # and so an accumulator need not hold 255 times the weights


def test_a_bound_leaves_accumulator_bits_to_the_weights():
    network = multi_spiking(np.random.default_rng(0), back=False)
    compilation = compile_network(network, ECP5, MULTI, 16)
    assert not compilation.quantized.warnings
    assert compilation.quantized.population("m0").payload < 20


# ---------------------------------------------------------------------------------------- what outputs carried
@pytest.fixture(scope="module")
def carrying():
    """(image whose outputs send graded spikes, inputs, what they add up to in floats)."""
    rng = np.random.default_rng(7)
    network = multi_spiking(rng)
    spikes = (rng.random((3, 10, 12)) < 0.6).astype(np.uint8)
    image = compile_network(network, TINY, MULTI, 16, calibrate=spikes).image
    return image, spikes, run_float(discretize(network, MULTI), spikes).output_counts


def test_output_counts_are_what_graded_spikes_carry(carrying):
    image, spikes, wanted = carrying
    assert image.output_payloads == "unsigned"
    result = emulator.run(image, spikes, record_spikes=True)
    np.testing.assert_array_equal(result.output_counts, wanted)
    assert wanted.sum() > decode.trains(image, result).sum() > 20
    np.testing.assert_array_equal(result.predictions, wanted.argmax(axis=1))


def test_the_verilog_carries_the_same(carrying, monkeypatch):
    image, spikes, _ = carrying
    assert verify(image, spikes).summary()["mismatches"] == 0
    right = emulator.run(image, spikes, record_spikes=True)
    wrong = dataclasses.replace(right, output_counts=right.output_counts + 1)
    monkeypatch.setattr(emulator, "run", lambda *a, **k: wrong, raising=False)
    with pytest.raises(MachineError) as error:
        verify(image, spikes)
    assert str(error.value).startswith(
        "the Verilog and the emulator differ in what the output spikes of sample 0 carry"
    )


def test_a_board_tells_what_its_outputs_carry(carrying, monkeypatch):
    image, spikes, wanted = carrying
    monkeypatch.setattr("nmcompile.board.link.QUIET", 0.0)
    result = run_on_board(board_with(image), image, SpikeData(spikes, None, {}), compare=True)
    np.testing.assert_array_equal(result.output_counts, wanted)


@pytest.fixture(scope="module")
def integrating():
    """An image whose outputs are membranes that nothing resets, and its inputs."""
    rng = np.random.default_rng(7)
    populations = (lif("mid", (30,)), lif("out", (5,), model="LI"))
    weights = rng.normal(0.1, 0.3, (20, 30)), rng.normal(0, 0.5, (30, 5))
    projections = (dense("in", INPUT, "mid", weights[0]), dense("on", "mid", "out", weights[1]))
    image = compile_network(Network((20,), populations, projections, "out"), TINY).image
    return image, (rng.random((3, 10, 20)) < 0.3).astype(np.uint8)


def board_with(image, **own):
    board = Board(SimulatedTransport(SimulatedBoard(TINY, seed=2, **own)))
    flash(board, image)
    return board


def test_a_board_predicts_by_membranes(integrating, monkeypatch):
    image, spikes = integrating
    monkeypatch.setattr("nmcompile.board.link.QUIET", 0.0)
    board = board_with(image)
    result = run_on_board(board, image, SpikeData(spikes, None, {}), compare=True)
    v = emulator.run(image, spikes, probes=["v:out"]).probes["v:out"][:, image.latency : image.latency + 10]
    np.testing.assert_array_equal(result.predictions, v.sum(axis=1).argmax(axis=1))
    assert "output membranes" in summary(board, result, compared=True)["compared"]


def test_what_a_board_does_not_count_is_not_made_up(integrating, monkeypatch, tmp_path):
    image, spikes = integrating
    monkeypatch.setattr("nmcompile.board.link.QUIET", 0.0)
    board = board_with(image, COUNTER_BITS=0)
    result = run_on_board(board, image, SpikeData(spikes, None, {}), compare=True)
    said = summary(board, result, compared=True)
    assert (said["spikes"], said["cycles_per_sample"], said["synaptic_operations"]) == (len(result.spikes), None, None)
    assert said["compared"] == ["spikes", "output membranes"]
    assert summary(board, run_on_board(board, image, SpikeData(spikes, None, {})), False)["spikes"] is None
    save_result(result, tmp_path / "run.npz")
    kept = nmc("inspect", tmp_path / "run.npz", "--json")
    assert kept["cycles_are"] == "not counted"
    assert {kept[key] for key in ("cycles_per_sample", "energy_j_per_sample", "energy", "prices")} == {None}
    assert kept["counters"] == {}
    assert kept["spikes"] == len(result.spikes) > 0
    write_report(result, tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text()
    assert "not counted by this board" in page
    assert "Every counter" not in page
    assert "0 cycles" not in page


@pytest.mark.parametrize("what", ["spikes", "sample_cycles", "counters", "output_counts", "chip", "probes"])
def test_a_board_that_differs_is_caught(integrating, monkeypatch, what):
    image, spikes = integrating
    monkeypatch.setattr("nmcompile.board.link.QUIET", 0.0)
    right = emulator.run(image, spikes, record_spikes=True, probes=["v:out"])
    wrong, named = {
        "spikes": (right.spikes[1:], "differ first in sample 0, timestep"),
        "sample_cycles": (right.sample_cycles + np.array([0, 7, -7]), "differ in the cycles of sample 1: "),
        "counters": (right.counters | {"hops": right.counters["hops"] + 1}, "differ in hops of core 0: "),
        "output_counts": (right.output_counts + 1, "differ in what output 0 sent in sample 0: "),
        "chip": (right.chip | {"reset_cycles": right.chip["reset_cycles"] + 1}, "differ in reset_cycles: "),
        "probes": ({"v:out": right.probes["v:out"] + 1}, "differ in the membrane sum of output 0 in sample 0: "),
    }[what]
    changed = dataclasses.replace(right, **{what: wrong})
    monkeypatch.setattr(emulator, "run", lambda *a, **k: changed, raising=False)
    with pytest.raises(MachineError) as error:
        run_on_board(board_with(image), image, SpikeData(spikes, None, {}), compare=True)
    assert str(error.value).startswith(f"board and emulator {named}")


# ---------------------------------------------------------------------------------------------- analog inputs
def nmc(*arguments):
    from click.testing import CliRunner

    done = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_analog_inputs_run_from_the_command_line_as_in_floats(tmp_path):
    """Direct coding: images of 0..255 go in as graded spikes, and mean 0..1 in the network."""
    import nir

    rng = np.random.default_rng(3)
    values, weights = rng.random((25, 30)), rng.normal(0, 0.4, (6, 30))
    neurons = nir.LIF(np.full(6, 1e-3), np.full(6, 10.0), np.zeros(6), np.ones(6), np.zeros(6))
    nodes = {"input": nir.Input(np.array([30])), "fc": nir.Affine(weights, rng.normal(0, 0.1, 6)), "lif": neurons}
    nodes["output"] = nir.Output(np.array([6]))
    net = write(tmp_path / "net.nir", nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")])
    spikes, image, run = tmp_path / "in.npz", tmp_path / "net.nmi", tmp_path / "run.npz"
    np.savez(spikes, spikes=encode.direct(values, 20))
    options = ("--arch", "ecp5", "--weight-bits", 16, "--input-levels", 255, "--calibrate", spikes, "--json")
    compiled = nmc("compile", net, "-o", image, *options)
    assert compiled["warnings"] == [
        "'lif': the 24-bit state leaves 10.7 of 16 weight bits; use an architecture with more state_bits, or fewer "
        "--weight-bits"
    ]
    nmc("emulate", image, "--spikes", spikes, "-o", run, "--json")
    # the framework's own arithmetic on the analog values
    v, counts = np.zeros((25, 6)), np.zeros((25, 6), int)
    for _ in range(20):
        v = 0.9 * v + (np.rint(values * 255) / 255) @ weights.T + nodes["fc"].bias
        fired = v > 1
        counts += fired
        v[fired] = 0
    got = np.load(run)["output_counts"]
    assert counts.sum() > 100
    assert (got == counts).mean() >= 0.99


def test_a_wide_layer_of_analog_inputs_is_told_that_accumulators_cost_it_bits():
    rng = np.random.default_rng(2)
    network = Network((500,), (lif("a", (4,)),), (dense("w", INPUT, "a", rng.normal(0, 1, (500, 4))),), "a")
    assert compile_network(network.graded(255), ECP5, weight_bits=16).quantized.warnings == (
        "'a': sums of spikes of up to 255 in 24-bit accumulators leave 9.8 of 16 weight bits; use an architecture with "
        "more acc_bits, or fewer levels, or fewer --weight-bits",
    )


def test_levels_that_were_not_asked_for_are_refused():
    network = random_network(np.random.default_rng(1))
    image = compile_network(network.graded(16), ECP5).image
    data = SpikeData(np.full((1, 3, 20), 17, np.uint8), None, {})
    with pytest.raises(InputError) as error:
        nm.evaluate(image, data)
    assert str(error.value) == (
        "inputs go up to 17, but this image takes 0 to 16; compile it with --input-levels for analog inputs"
    )
    with pytest.raises(UsageError) as error:
        network.graded(16).graded(8)
    assert str(error.value) == "network: says itself that its inputs go up to 16"
    with pytest.raises(InputError) as error:
        compile_network(network, ECP5, calibrate=data.spikes)
    assert str(error.value) == (
        "inputs: spikes up to 17, but this network takes 0 to 1; compile it with --input-levels for analog inputs, or "
        "encode them in time"
    )


# ---------------------------------------------------------------------------------------------- scales of layers
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_weights_on_a_grid_are_kept_as_they_are(bits):
    """What quantization-aware training leaves: whole multiples of some number, in float32."""
    rng = np.random.default_rng(bits)
    largest = (1 << (bits - 1)) - 1
    whole = rng.integers(-largest, largest + 1, (20, 12))
    matrix = sparse.csr_array((whole * np.float32(0.0371)).astype(np.float64))
    network = Network((20,), (lif("a", (12,)),), (Projection("w", INPUT, "a", matrix),), "a")
    quantized = compile_network(network, ECP5, weight_bits=bits).quantized
    np.testing.assert_array_equal(quantized.projections[0].matrix.toarray(), whole)


def test_grids_of_two_projections_are_kept_only_if_one_shift_can_tell_them_apart():
    rng = np.random.default_rng(9)
    whole = [rng.integers(-7, 8, (n, 12)) for n in (20, 12)]
    for ratio, exact in ((4.0, True), (3.0, False)):
        weights = [0.0371 * whole[0], 0.0371 * ratio * whole[1]]
        projections = (dense("w", INPUT, "a", weights[0]), dense("back", "a", "a", weights[1], delay=1))
        quantized = compile_network(Network((20,), (lif("a", (12,)),), projections, "a"), ECP5).quantized
        scale = quantized.population("a").scale
        for p, w, integers in zip(quantized.projections, weights, whole, strict=True):
            if exact:
                np.testing.assert_array_equal(p.matrix.toarray(), integers)
            error = p.matrix.toarray() * 2.0**p.shift / scale - w
            assert np.abs(error).max() <= 0.51 * np.abs(w).max() / 63


def test_headroom_is_for_what_the_membrane_reaches_within_a_timestep():
    """It rises to 10 thresholds before a multi-spike neuron takes them off again."""
    network = Network(
        (1,), (lif("a", (1,), model="IF", dt=1.0),), (dense("w", INPUT, "a", [[1.0]]),), "a", input_levels=10
    )
    drive = np.full((1, 5, 1), 10, np.uint8)
    run = run_float(discretize(network, MULTI), drive)
    assert run.peak["a"] == pytest.approx([10.0])
    assert run.output_counts.tolist() == [[50]]
    image = compile_network(network, ECP5, MULTI, 16, calibrate=drive).image
    assert emulator.run(image, drive).output_counts.tolist() == [[50]]


def test_thresholds_that_no_state_reaches_are_not_reached():
    """Large multiples of a threshold, beyond the state, are steps of the division that never happen."""
    network = Network(
        (1,), (lif("a", (1,), model="IF", dt=1.0),), (dense("w", INPUT, "a", [[1.0]]),), "a", input_levels=255
    )
    drive = np.ones((1, 4, 1), np.uint8)  # the calibration leaves room for 2 thresholds, the proof for 256
    image = compile_network(network, load_architecture("large"), MULTI, 16, calibrate=drive).image
    assert emulator.run(image, drive).output_counts.tolist() == [[4]]
    drive[0, 0] = 255  # more than the state holds: it saturates, but is not taken for 128 thresholds
    assert 3 <= emulator.run(image, drive).output_counts[0, 0] < 16


@pytest.mark.parametrize("ratio", [2.0**6, 2.0**9, 2.0**20])
def test_a_shift_ends_where_payloads_do_not_fit_a_state(ratio):
    """More than 2^7 between the weights of two projections: 16 bits of state leave the finer ones coarser."""
    arch = dataclasses.replace(load_architecture("up5k"), name="graded16", graded=True)
    network = Network(
        (1,),
        (lif("a", (1,)), lif("b", (1,))),
        (dense("w", INPUT, "a", [[2.0]]), dense("fine", "a", "b", [[1.0]]), dense("coarse", INPUT, "b", [[ratio]])),
        "b",
        input_levels=3,
    )
    quantized = compile_network(network, arch, weight_bits=8).quantized  # and its image is legal
    fine, coarse = (next(p for p in quantized.projections if p.name == name) for name in ("fine", "coarse"))
    scale = quantized.population("b").scale[0]
    assert max(fine.shift, coarse.shift) <= 7
    worth = coarse.matrix.toarray()[0, 0] * 2.0**coarse.shift / scale
    assert worth == pytest.approx(ratio, rel=1 / 127)
    small = fine.matrix.toarray()[0, 0] * 2.0**fine.shift / scale
    assert abs(small - 1) <= 0.5 * 2.0**fine.shift / scale + 1e-9


def test_weights_beyond_the_last_shift_are_an_error_where_a_model_fixes_the_scale():
    d = Dynamics(update=lambda m: None, values={}, gain=np.ones(1), scale=1.0)
    problems = []
    weights = [dense("w", INPUT, "a", [[127.0 * 2**14]]), dense("more", INPUT, "a", [[127.0 * 2**14 + 1]])]
    wide = dataclasses.replace(load_architecture("up5k"), acc_bits=32)
    shifts, _, _ = fixed_weights("a", weights, d, wide, 8, [1, 1], 14, problems)
    assert shifts == [14, 14]
    assert problems == [
        "'more' has weights of up to 2,080,769 units of 'a', 'up5k' has none beyond 2,080,768; use more --weight-bits "
        "or an architecture with more state_bits"
    ]
