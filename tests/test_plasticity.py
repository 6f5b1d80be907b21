"""Learning rules: against floats in the field's notation, on both machines, and the messages of wrong ones."""

import dataclasses
import math
from pathlib import Path

import learning_reference as reference
import numpy as np
import pytest
from networks import conv2d, dense, lif
from test_kernel import run_reference

import emulator
from emulator.spec import isa
from emulator.spec.arch import load_architecture
from emulator.spec.check import check_image
from emulator.spec.errors import DoesNotFitError, InputError
from emulator.spec.ledger import COUNTERS
from emulator.spec.listing import listing
from nmcompile.coding.spikes import SpikeData
from nmcompile.learning import library as plasticity
from nmcompile.learning.attach import attach
from nmcompile.learning.learned import learned_weights, set_learning
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Projection
from nmcompile.network.rule import AdaptiveThreshold, Condition, Eligibility, Rule, Term, Trace
from nmcompile.network.semantics import choose_semantics
from nmcompile.neurons import models
from nmcompile.neurons.update import Dynamics, Value
from nmcompile.pipeline import compile_network
from nmcompile.results.costs import instruction_cycles
from nmcompile.results.evaluate import evaluate
from nmcompile.results.learning_costs import learning_counters

DT = 1e-3
ECP5, LARGE, UP5K = (load_architecture(name) for name in ("ecp5", "large", "up5k"))
TINY = 0.05  # weights that learn, too small to make anything fire


def driven(n_pre, n_post, start, rule, beta=0.0):
    """Inputs 0..n_pre-1 learn; each of the others makes one neuron fire, in the timestep in which it spikes."""
    learning = np.zeros((n_pre + n_post, n_post))
    learning[:n_pre] = start
    drive = np.vstack([np.zeros((n_pre, n_post)), 2.0 * np.eye(n_post)])
    matrix = dense("w", INPUT, "out", learning).matrix
    projections = (Projection("w", INPUT, "out", matrix), dense("drive", INPUT, "out", drive))
    network = Network((n_pre + n_post,), (lif("out", (n_post,), beta, dt=DT),), projections, "out")
    return attach(network, {"w": rule})


def compiled(network, arch=LARGE, bits=16):
    return compile_network(network, arch, choose_semantics("nir", dt=DT), bits)


def learn(network, pre, post, arch=LARGE, bits=16, **options):
    """((n_pre, n_post) learned weights, one unit of weight, the run)."""
    image = compiled(network, arch, bits).image
    inputs = np.concatenate([pre, post], axis=1).astype(np.uint8)[None]
    result = emulator.run(image, inputs, learn=True, record_spikes=True, **options)
    fired = np.zeros_like(post)
    location = [tuple(place) for place in image.population("out").location]
    for _, t, core, neuron in result.spikes:
        fired[t, location.index((core, neuron))] = True
    np.testing.assert_array_equal(fired, post)  # nothing but the drive makes neurons fire
    return learned_weights(result.learned, "w")[: pre.shape[1]], image.notes.projections[0].learning.unit, result


def trains(seed, steps=200, n_pre=6, n_post=5, rate=0.08):
    rng = np.random.default_rng(seed)
    return rng.random((steps, n_pre)) < rate, rng.random((steps, n_post)) < rate


def test_every_rule_of_the_library_is_tested_here():
    text = Path(__file__).read_text()
    assert [name for name, make in plasticity.RULES.items() if f"plasticity.{make.__name__}(" not in text] == []


# ------------------------------------------------------------------------------------- spike-time curves
def curve(rule, arch=LARGE, bits=8, reach=60):
    """Weight change of one pair of spikes against t_post - t_pre, and one unit of weight."""
    difference = np.arange(-reach, reach + 1)
    pre, post = np.zeros((2 * reach + 1, len(difference)), bool), np.zeros((2 * reach + 1, 1), bool)
    pre[reach - difference, np.arange(len(difference))] = post[reach] = True
    start = (rule.w_min + rule.w_max) / 2
    weights, unit, _ = learn(driven(len(difference), 1, start, rule), pre, post, arch, bits)
    return difference * DT, weights[:, 0] - round(start / unit) * unit, unit


@pytest.mark.parametrize(("arch", "bits"), [(ECP5, 8), (UP5K, 8), (LARGE, 16)])
@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_pair_window_is_the_analytic_one_within_one_unit(arch, bits, pairing):
    rule = plasticity.pair_stdp(0.3 * TINY, 0.25 * TINY, 0.020, 0.012, 0, TINY, pairing, rounding="nearest")
    t, change, unit = curve(rule, arch, bits)
    analytic = np.where(t >= 0, 0.3 * TINY * np.exp(-t / 0.020), -0.25 * TINY * np.exp(t / 0.012))
    if bits == 16:  # what the trace's own units lose
        unit = max(unit, 0.3 * TINY / 256)
    assert np.abs(change - analytic).max() <= unit


@pytest.mark.parametrize("arch", [ECP5, UP5K])
def test_rectangular_window_is_flat_and_ends_sharply(arch):
    rule = plasticity.rectangular_stdp(TINY / 10, TINY / 20, 0.010, 0.020, 0, TINY)
    t, change, unit = curve(rule, arch)
    expected = np.where((t >= 0) & (t <= 0.0101), TINY / 10, np.where((t < 0) & (t >= -0.0201), -TINY / 20, 0))
    assert np.abs(change - expected).max() <= unit / 2 + 1e-12


def test_symmetric_window_is_symmetric():
    rule = plasticity.symmetric_stdp(0.3 * TINY, 0.015, TINY, a_minus=0.1 * TINY, rounding="nearest")
    t, change, unit = curve(rule)
    assert np.abs(change - (0.3 * TINY * np.exp(-np.abs(t) / 0.015) - 0.1 * TINY)).max() <= unit


# -------------------------------------------------------------------------------- against papers' floats
LOW, HIGH = 0.0, TINY
A = TINY / 40


def close(weights, unit, expected):
    """Equal to 1 % of the way that a weight has gone, or a few units."""
    end, way = expected
    assert way.max() > TINY / 20
    assert (np.abs(weights - end) <= 0.01 * way + 4 * unit).all()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("rule", "floats"),
    [
        (
            plasticity.rectangular_stdp(A, A, 0.008, 0.012, LOW, HIGH),
            lambda pre, post, w: reference.rectangular(pre, post, w, LOW, HIGH, DT, A, A, 0.008, 0.012),
        ),
        (
            plasticity.pair_stdp(A, A, 0.02, 0.03, LOW, HIGH, rounding="nearest"),
            lambda pre, post, w: reference.pair(pre, post, w, LOW, HIGH, DT, A, A, 0.02, 0.03),
        ),
        (
            plasticity.pair_stdp(A, A, 0.02, 0.03, LOW, HIGH, "nearest", rounding="nearest"),
            lambda pre, post, w: reference.pair(pre, post, w, LOW, HIGH, DT, A, A, 0.02, 0.03, nearest=True),
        ),
        (
            plasticity.pair_stdp(A, A, 0.02, 0.03, LOW, HIGH, soft=True, rounding="nearest"),
            lambda pre, post, w: reference.pair(pre, post, w, LOW, HIGH, DT, A, A, 0.02, 0.03, soft=True),
        ),
        (
            plasticity.triplet_stdp(A / 2, A / 2, A, A / 4, LOW, HIGH, rounding="nearest"),
            lambda pre, post, w: reference.triplet(
                pre, post, w, LOW, HIGH, DT, A / 2, A / 2, A, A / 4, 16.8e-3, 33.7e-3, 101e-3, 125e-3
            ),
        ),
        (
            plasticity.symmetric_stdp(A, 0.02, HIGH, a_minus=A / 2, rounding="nearest"),
            lambda pre, post, w: reference.symmetric(pre, post, w, LOW, HIGH, DT, A, A / 2, 0.02),
        ),
        (
            plasticity.symmetric_stdp(A, 0.02, HIGH, a_minus=A / 2, pairing="nearest", rounding="nearest"),
            lambda pre, post, w: reference.symmetric(pre, post, w, LOW, HIGH, DT, A, A / 2, 0.02, nearest=True),
        ),
        (
            plasticity.post_stdp(A, 0.02, HIGH, x_target=0.4, soft=True, rounding="nearest"),
            lambda pre, post, w: reference.diehl_cook(pre, post, w, LOW, HIGH, DT, A, 0.02, 0.4),
        ),
        (
            plasticity.hebbian(A, 0.02, 0.3, LOW, HIGH, anti=True, rounding="nearest"),
            lambda pre, post, w: reference.hebbian(pre, post, w, LOW, HIGH, DT, -A, 0.02, 0.3),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_rules_are_their_papers_equations(rule, floats, seed):
    pre, post = trains(seed)
    start = np.full((pre.shape[1], post.shape[1]), TINY / 2)
    weights, unit, _ = learn(driven(pre.shape[1], post.shape[1], start, rule), pre, post)
    close(weights, unit, floats(pre, post, start))


def test_symmetric_stdp_with_scaling_and_moving_thresholds_is_the_papers_network():
    """Sample after sample, weights are scaled and then learned; the thresholds rise without end."""
    start = np.random.default_rng(1).uniform(0.2, 0.8, (30, 4)) * TINY
    target = 30 * TINY / 2
    rule = plasticity.symmetric_stdp(
        A / 4, 0.01, TINY, scaling=target, theta_plus=0.001, tau_theta=math.inf, rounding="nearest"
    )
    image = compiled(driven(30, 4, start, rule)).image
    samples = [trains(seed, 60, 30, 4) for seed in range(6)]
    inputs = np.stack([np.concatenate(pair, axis=1) for pair in samples]).astype(np.uint8)
    result = emulator.run(image, inputs, learn=True, probes=["threshold:out"])
    expected, spikes = start, 0
    for pre, post in samples:
        expected = np.clip(expected * target / expected.sum(0), 0, TINY)
        expected, _ = reference.symmetric(pre, post, expected, 0, TINY, DT, A / 4, 0, 0.01)
        spikes = spikes + post.sum(0)
    weights = learned_weights(result.learned, "w")[:30]
    assert np.abs(expected - start).mean() > TINY / 20
    assert np.abs(weights - expected).max() < TINY / 50
    thresholds = result.probes["threshold:out"][-1, -1] / image.population("out").scale
    np.testing.assert_allclose(thresholds, 1 + 0.001 * spikes, atol=1e-4)


def test_triplets_with_one_trace_per_axon_are_the_minimal_model():
    rule = plasticity.triplet_stdp(0, A, A, 0, LOW, HIGH, rounding="nearest")
    pre, post = trains(5)
    start = np.full((pre.shape[1], post.shape[1]), TINY / 2)
    weights, unit, _ = learn(driven(pre.shape[1], post.shape[1], start, rule), pre, post, ECP5)
    expected = reference.triplet(pre, post, start, LOW, HIGH, DT, 0, A, A, 0, 16.8e-3, 33.7e-3, 1, 125e-3)
    close(weights, unit, expected)


def test_sdsp_follows_membrane_and_calcium():
    """A second drive lifts v over the threshold of learning, not of firing."""
    rule = plasticity.sdsp(A, A, 0.5, (0.5, 3.0), (0.2, 2.0), 0.03, LOW, HIGH)
    pre, post = trains(7, n_pre=8)
    up = np.random.default_rng(8).random(post.shape) < 0.4
    network = driven(pre.shape[1], 2 * post.shape[1], TINY / 2, rule)
    n = post.shape[1]
    lift = np.vstack([np.zeros((8 + n, n)), 0.7 * np.eye(n)])
    learning, drive = network.projections
    cut = lambda p: dense(p.name, INPUT, "out", p.matrix.toarray()[:, :n]).matrix  # noqa: E731
    network = Network(
        network.input_shape,
        (lif("out", (n,), 0.0, dt=DT),),
        (
            dataclasses.replace(learning, matrix=cut(learning)),
            dataclasses.replace(drive, matrix=cut(drive)),
            dense("lift", INPUT, "out", lift),
        ),
        "out",
    )
    image = compiled(network).image
    inputs = np.concatenate([pre, post, up & ~post], axis=1).astype(np.uint8)[None]
    result = emulator.run(image, inputs, learn=True, probes=["v:out"])
    v = result.probes["v:out"][0] / image.population("out").scale
    start = np.full((8, n), TINY / 2)
    expected = reference.sdsp(pre, post, start, LOW, HIGH, DT, v, A, A, 0.5, (0.5, 3.0), (0.2, 2.0), 0.03)
    close(learned_weights(result.learned, "w")[:8], image.notes.projections[0].learning.unit, expected)


def test_drift_moves_weights_to_the_nearer_bound_once_a_sample():
    rule = plasticity.sdsp(A, A, 0.5, (0.5, 3.0), (0.2, 2.0), 0.03, -TINY, TINY, drift=TINY / 10)
    start = np.array([[-0.9], [-0.3], [-0.01], [0.01], [0.3], [0.95]]) * TINY
    image = compiled(driven(6, 1, start, rule), ECP5, 8).image
    result = emulator.run(image, np.zeros((3, 4, 7), np.uint8), learn=True)
    expected = np.clip(start + np.sign(start) * 3 * TINY / 10, -TINY, TINY)
    assert np.abs(learned_weights(result.learned, "w")[:6] - expected).max() < TINY / 100


def test_reward_makes_the_changes_that_were_remembered():
    rule = plasticity.reward_stdp(A, A, 0.02, 0.02, LOW, HIGH, largest=20 * A, rate=0.5, rounding="nearest")
    pre, post = trains(11, steps=60)
    start = np.full((pre.shape[1], post.shape[1]), TINY / 2)
    image = compiled(driven(pre.shape[1], post.shape[1], start, rule)).image
    inputs = np.concatenate([pre, post], axis=1).astype(np.uint8)[None].repeat(3, axis=0)
    inputs[1:] = 0  # the second sample brings the reward, the third one a reward for nothing
    result = emulator.run(image, inputs[:1], learn=True)
    np.testing.assert_allclose(learned_weights(result.learned, "w")[:6], start, atol=TINY / 127)
    eligible, _ = reference.pair(pre, post, start * 0, -20 * A, 20 * A, DT, A, A, 0.02, 0.02)
    assert np.abs(eligible).max() > 2 * A
    for reward in (1, -1):
        result = emulator.run(image, inputs, learn=True, reward=np.array([5, reward, 7]))
        weights = learned_weights(result.learned, "w")[:6]
        tolerance = 0.5 * 8 * 20 * A / 127 + TINY / 127  # a tag rounds with every spike; a weight is a byte
        assert np.abs(weights - start - 0.5 * reward * eligible).max() < tolerance


def test_what_is_kept_of_a_tag_can_be_rewarded_later():
    rule = plasticity.reward_stdp(A, 0, 0.02, 0.02, LOW, HIGH, largest=4 * A, keep=0.5)
    pre, post = np.zeros((5, 1), bool), np.zeros((5, 1), bool)
    pre[2], post[2] = True, True
    image = compiled(driven(1, 1, TINY / 2, rule)).image
    inputs = np.concatenate([pre, post], axis=1).astype(np.uint8)[None].repeat(4, axis=0)
    inputs[1:] = 0
    result = emulator.run(image, inputs, learn=True, reward=np.array([0, 0, 0, 4]))
    change = learned_weights(result.learned, "w")[0, 0] - TINY / 2
    assert change == pytest.approx(A, abs=2 * TINY / 127)  # 4 * A / 2 / 2


# ------------------------------------------------------------------------------ scaling, thresholds, chance
@pytest.mark.parametrize(("arch", "bits"), [(ECP5, 8), (LARGE, 16)])
def test_scaling_brings_the_sum_of_weights_to_its_target(arch, bits):
    rng = np.random.default_rng(3)
    start = rng.random((60, 9)) * TINY * np.linspace(0.3, 1, 9)
    target = 60 * TINY * 0.3
    rule = plasticity.symmetric_stdp(A, 0.02, TINY, scaling=target)
    image = compiled(driven(60, 9, start, rule), arch, bits).image
    result = emulator.run(image, np.zeros((6, 3, 69), np.uint8), learn=True)
    weights = learned_weights(result.learned, "w")[:60]
    np.testing.assert_allclose(weights.sum(0), target, rtol=0.02)
    unclipped = start.max(0) * target / start.sum(0) < TINY
    ratio = start / start.sum(0) * target
    assert np.abs(weights - ratio)[:, unclipped].mean() < TINY / 60


def test_threshold_rises_with_spikes_and_decays():
    rule = plasticity.post_stdp(A, 0.02, TINY, theta_plus=0.02, tau_theta=0.2)
    pre, post = trains(2, steps=300, n_post=3, rate=0.2)
    post[150:] = False
    _, _, result = learn(driven(pre.shape[1], 3, TINY / 2, rule), pre, post, ECP5, 8, probes=["threshold:out"])
    theta = result.probes["threshold:out"][0] / result.learned.population("out").scale - 1
    expected = np.zeros(3)
    for t in range(300):
        expected = expected + 0.02 * post[t]
        expected -= expected * DT / 0.2
        assert np.abs(theta[t] - expected).max() < 0.002, t


def test_threshold_and_weights_stay_while_learning_is_off():
    rule = plasticity.post_stdp(A, 0.02, TINY, theta_plus=0.05, tau_theta=0.2, scaling=0.02)
    pre, post = trains(2, n_post=3)
    network = driven(pre.shape[1], 3, TINY / 2, rule)
    image = set_learning(compiled(network, ECP5, 8).image, on=False)
    inputs = np.concatenate([pre, post], axis=1).astype(np.uint8)[None]
    result = emulator.run(image, inputs, learn=True)
    for before, after in zip(image.cores, result.learned.cores, strict=True):
        np.testing.assert_array_equal(before.synapses, after.synapses)
    assert result.total("rows") == 0
    again = set_learning(image, on=True)
    assert emulator.run(again, inputs, learn=True).total("rows") > 0


def test_stochastic_rounding_is_right_on_average_where_changes_are_far_below_a_unit():
    change = TINY / 127 / 50
    rule = plasticity.pair_stdp(change, 0, 0.02, 0.02, 0, TINY)
    pre, post = np.ones((100, 200), bool), np.ones((100, 5), bool)
    pre[1:] = False
    weights, unit, _ = learn(driven(200, 5, 0.2 * TINY, rule), pre, post, ECP5, 8)
    expected = change * np.exp(-np.arange(100) * DT / 0.02).sum()
    moved = weights - round(0.2 * TINY / unit) * unit
    assert moved.mean() == pytest.approx(expected, rel=0.1)
    assert moved.std() > 0


def test_the_same_seed_gives_the_same_weights():
    rule = plasticity.pair_stdp(A, A, 0.02, 0.02, 0, TINY)
    pre, post = trains(4)
    first, second = (learn(driven(6, 5, TINY / 2, rule), pre, post, ECP5, 8)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


# ------------------------------------------------------------------------------------- NeuroCoreX's bugs
def saturating(start, sign, low, high, bits=8):
    """What becomes of a weight that gets `sign` units forty times, in 127ths of the largest one."""
    largest = max(abs(low), abs(high))
    change = sign * largest / (2 ** (bits - 1) - 1)
    rule = Rule("step", (Trace("x", "pre", 0.002),), (Term("post", change, ("x",)),), low, high, rounding="nearest")
    pre, post = np.ones((40, 1), bool), np.ones((40, 1), bool)
    weights, _, _ = learn(driven(1, 1, start, rule), pre, post, ECP5, bits)
    return pytest.approx(127 * weights[0, 0] / largest, abs=0.01)


def test_127_plus_1_stays_127():
    assert saturating(TINY * 126 / 127, +1, -TINY, TINY) == 127
    assert saturating(TINY * 32766 / 32767, +1, -TINY, TINY, 16) == 127


def test_an_inhibitory_weight_depresses_to_its_bound_and_does_not_jump():
    assert saturating(-TINY * 126 / 127, -1, -TINY, TINY) == -127
    assert saturating(-TINY * 100 / 127, -1, -TINY, 0) == -127
    assert saturating(-TINY * 3 / 127, +1, -TINY, 0) == 0
    assert saturating(-TINY * 32766 / 32767, -1, -TINY, TINY, 16) == -127


def test_traces_decay_exponentially_to_zero():
    rule = plasticity.pair_stdp(0.4 * TINY, 0, 0.01, 0.01, 0, TINY, rounding="nearest")
    t, change, unit = curve(rule, ECP5, 8, reach=150)
    assert np.abs(change - np.where(t >= 0, 0.4 * TINY * np.exp(-t / 0.01), 0)).max() <= unit
    assert not change[t > 0.12].any()


def test_the_leak_is_exponential_where_asked():
    """One input of 0.8 of the threshold, then silence: v decays by exp(-dt / tau), rounded."""
    network = Network((1,), (lif("out", (1,), 1 - DT / 0.02, dt=DT),), (dense("w", INPUT, "out", [[0.8]]),), "out")
    image = compile_network(network, LARGE, choose_semantics(dt=DT, integrator="exponential")).image
    spikes = np.zeros((1, 100, 1), np.uint8)
    spikes[0, 0] = 1
    v = emulator.run(image, spikes, probes=["v:out"]).probes["v:out"][0, :, 0].astype(float)
    assert v[0] > 10_000
    rounded = 0.5 + v[:-1] * 2.0**-LARGE.coef_bits  # of the product, and of its factor
    assert (np.abs(v[1:] - v[:-1] * np.exp(-DT / 0.02)) <= rounded).all()


def test_only_the_rows_of_a_projection_that_learns_change():
    network = driven(6, 5, TINY / 2, plasticity.pair_stdp(A, A, 0.02, 0.02, 0, TINY))
    image = compiled(network, ECP5, 8).image
    pre, post = trains(3)
    inputs = np.concatenate([pre, post], axis=1).astype(np.uint8)[None]
    learned = emulator.run(image, inputs, learn=True).learned
    number = next(i for i, parts in enumerate(image.notes.parts) if parts)
    first, second = image.notes.parts[number][0].projections
    changed = np.flatnonzero((image.cores[number].synapses != learned.cores[number].synapses).any(axis=1))
    assert len(changed) >= 6
    assert first.name == "w"
    assert changed.max() < first.first_word + first.words <= second.first_word


def test_missing_synapses_stay_missing_and_others_do_not_die():
    rng = np.random.default_rng(5)
    start = TINY / 4 * (rng.random((12, 10)) < 0.4)
    rule = plasticity.pair_stdp(A, 4 * A, 0.02, 0.02, 0, TINY)
    pre, post = trains(6, n_pre=12, n_post=10)
    weights, unit, _ = learn(driven(12, 10, start, rule), pre, post, ECP5, 8)
    np.testing.assert_array_equal(weights > 0, start > 0)
    assert weights[start > 0].min() == pytest.approx(unit)
    every, _, _ = learn(driven(12, 10, start, dataclasses.replace(rule, all_to_all=True)), pre, post, ECP5, 8)
    assert (every[start == 0] > 0).any()


def test_a_weight_that_may_have_both_signs_passes_zero_and_stays_a_synapse():
    """From one unit it learns down by one a spike, to the unit below 0, and on."""
    rule = Rule("down", (Trace("x", "pre", 0.02),), (Term("pre", -TINY / 127),), -TINY, TINY, rounding="nearest")
    start = np.array([[TINY / 127, 0], [-TINY, TINY]])
    pre = np.array([[0, 0], [1, 0], [1, 0]], bool)
    weights, unit, _ = learn(driven(2, 2, start, rule), pre, np.zeros((3, 2), bool), bits=8)
    assert np.rint(weights / unit).tolist() == [[-2, 0], [-127, 127]]


UP = Rule("up", (Trace("x", "pre", 0.02),), (Term("post", TINY / 10, ("x",)),), 0, TINY, rounding="nearest")


def taught(start, rule, bits=8, masks=None):
    """Weights after each neuron has fired a few times together with all inputs, in units of the change."""
    n_pre, n_post = np.shape(start)
    network = driven(n_pre, n_post, start, UP)
    mask = None if masks is None else {"w": np.vstack([masks, np.zeros((n_post, n_post), bool)])}
    network = attach(network, {"w": rule}, mask)
    spikes = np.ones((1, 4, n_pre + n_post), np.uint8)
    return learned_weights(emulator.run(compiled(network, bits=bits).image, spikes, learn=True).learned, "w")[:n_pre]


@pytest.mark.parametrize("start", [[[0.01, 0.01], [0, 0]], [[0.01, 0], [0, 0.01]], [[0, 0], [0, 0]]])
def test_all_to_all_learns_from_zero(start):
    assert (taught(start, dataclasses.replace(UP, all_to_all=True)) > TINY / 5).all()


def test_a_mask_says_which_weights_of_zero_learn():
    mask = np.array([[1, 0], [1, 1]], bool)
    assert ((taught([[0, 0], [0, 0.01]], UP, masks=mask) > 0) == mask).all()


def test_a_neuron_is_no_synapse_of_its_own_where_all_pairs_learn():
    weights = 0.01 * np.array([[0, 1, 0], [1, 0, 1], [0, 0, 1.0]])
    network = Network(
        (3,), (lif("a", (3,), dt=DT),), (dense("in", INPUT, "a", np.eye(3) * 2), dense("w", "a", "a", weights, 1)), "a"
    )
    network = attach(network, {"w": dataclasses.replace(UP, all_to_all=True)})
    learned = emulator.run(compiled(network).image, np.ones((1, 5, 3), np.uint8), learn=True).learned
    assert ((learned_weights(learned, "w") == 0) == np.diag([True, True, False])).all()


def test_learning_from_zero_asks_for_all_to_all():
    with pytest.raises(InputError) as caught:
        compiled(driven(2, 2, 0, UP))
    assert str(caught.value) == (
        "'w' learns by 'up', but all its weights are 0, and a weight of 0 is no synapse; give the rule all_to_all = "
        "true, or weights to begin with"
    )


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"v": [[1]]}, "network: a mask for 'v', which has no rule; give it one"),
        ({"w": [[1]]}, "network: the mask of 'w' has shape (1, 1), its weights (4, 2)"),
        (
            {"w": np.zeros((4, 2))},
            "network: 'w' has 4 weights that are not 0 where its mask has no synapse; mask them in, or set them to 0",
        ),
    ],
)
def test_a_mask_that_does_not_suit_says_why(masks, message):
    with pytest.raises(InputError) as caught:
        attach(driven(2, 2, 0.01, UP), {"w": UP}, masks)
    assert str(caught.value) == message


@pytest.mark.parametrize("graded", ["source", "target", "input"])
def test_a_rule_takes_no_spike_that_carries_numbers(graded):
    """Three at once, of a multi-spike neuron or an analog input, would teach as one does."""
    network = Network(
        (2,),
        (lif("a", (2,), dt=DT), lif("b", (2,), dt=DT)),
        (dense("in", INPUT, "a", np.full((2, 2), 3.0)), dense("w", "a", "b", np.full((2, 2), 3.0))),
        "b",
    )
    name, carried = ("in", "a") if graded == "target" else ("w", "a") if graded == "source" else ("in", "input")
    network = attach(network, {name: UP})
    network = dataclasses.replace(network, input_levels=3) if graded == "input" else network
    reset = "value" if graded == "input" else "multi-spike"
    with pytest.raises(InputError) as caught:
        compile_network(network, LARGE, choose_semantics("nir", dt=DT, reset=reset), 8)
    assert str(caught.value) == (
        f"{name!r} learns by 'up' from the spikes of {carried!r}, which carry numbers; a rule takes each for 1, so let "
        "it send plain spikes, or learn on another projection"
    )


def test_a_tag_has_sixteen_bits_however_many_the_network_has():
    rule = dataclasses.replace(plasticity.reward_stdp(A, A, 0.02, 0.02, 0, TINY, largest=A), bits=None)
    assert compiled(driven(2, 2, TINY, rule), LARGE, 8).quantized.projections[0].bits == 16


NARROW = dataclasses.replace(UP5K, name="narrow", coef_bits=18, acc_bits=32, registers=8, rtl=False)


@pytest.mark.parametrize("bits", [8, 16])
def test_scaling_works_where_coefficients_are_wider_than_the_state(bits):
    rule = dataclasses.replace(UP, scaling=TINY)
    image = compiled(driven(4, 2, TINY, rule), NARROW, bits).image
    result = emulator.run(image, np.zeros((9, 2, 6), np.uint8), learn=True)
    assert learned_weights(result.learned, "w")[:4].sum(axis=0) == pytest.approx(TINY, rel=0.06)


def test_scaling_to_less_than_a_unit_is_refused():
    with pytest.raises(DoesNotFitError) as caught:
        compiled(driven(2, 2, TINY, dataclasses.replace(UP, scaling=1e-6)), bits=8)
    assert str(caught.value) == (
        "'w': rule 'up' scales weights to a sum of 1e-06, but one unit of it is 0.000394 on 'large'; use a larger "
        "scaling, more bits, or an architecture with more state_bits"
    )


def test_drift_beyond_the_bounds_ends_there():
    rule = dataclasses.replace(UP, drift=1e3)
    start = TINY * np.array([[0.2, 0.8]])
    image = compiled(driven(1, 2, start, rule), NARROW, 16).image
    learned = learned_weights(emulator.run(image, np.zeros((1, 2, 3), np.uint8), learn=True).learned, "w")[:1]
    assert learned == pytest.approx(np.array([[0, TINY]]), rel=0.01)


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (
            Trace("x", "pre", 40.0, "window"),
            "'w': trace 'x' of rule 'up' lasts 40,001 timesteps, traces of 16 bits on 'up5k' last 32,767; use a "
            "shorter time constant, a longer --dt, or an architecture with more state_bits",
        ),
        (
            Trace("x", "pre", 0.5),
            "'w': trace 'x' of rule 'up' lasts 501 timesteps, traces of 16 bits on 'up5k' last 64; use a shorter time "
            "constant, a longer --dt, or an architecture with more state_bits",
        ),
    ],
)
def test_a_trace_too_long_for_its_bits_is_refused(trace, message):
    with pytest.raises(DoesNotFitError) as caught:
        compiled(driven(2, 2, TINY, dataclasses.replace(UP, traces=(trace,))), UP5K, 8)
    assert str(caught.value) == message


# --------------------------------------------------------------------------------- kernel and reference
EVERY = {
    "rectangular": plasticity.rectangular_stdp(0.05, 0.03, 0.004, 0.006, 0, 0.5),
    "pair": plasticity.pair_stdp(0.05, 0.04, 0.005, 0.005, 0, 0.5),
    "triplet": plasticity.triplet_stdp(0.02, 0.02, 0.03, 0.01, -0.2, 0.5),
    "symmetric": plasticity.symmetric_stdp(0.05, 0.004, 0.5, 0.02, scaling=3.0, theta_plus=0.1, tau_theta=0.5),
    "post": plasticity.post_stdp(0.05, 0.01, 0.5, 0.3, 0.01, soft=True, scaling=3.0, theta_plus=0.1),
    "sdsp": plasticity.sdsp(0.1, 0.1, 0.4, (0.1, 3), (0.1, 2), 0.01, 0, 0.5, drift=0.05),
    "reward": plasticity.reward_stdp(0.05, 0.04, 0.005, 0.005, -0.5, 0.5, 0.2, keep=0.25),
    "hebbian": plasticity.hebbian(0.05, 0.005, 0.2, -0.5, 0.0, anti=True),
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", EVERY)
def test_kernel_equals_reference_on_networks_that_learn(name, bits):
    """Two populations, learned forward and recurrently; spikes, weights, registers, cycles and every counter."""
    rng = np.random.default_rng([bits, *name.encode()])
    rule = EVERY[name]
    forward = rng.random((12, 10)) * 0.5
    lateral = rng.random((10, 10)) * min(0.5, rule.w_max or 0.5) * (rng.random((10, 10)) < 0.6)
    network = Network(
        (12,),
        (lif("a", (10,), 0.9, dt=DT), lif("b", (9,), 0.8, dt=DT)),
        (
            dense("in", INPUT, "a", forward),
            dense("lateral", "a", "a", lateral, delay=1),
            dense("out", "a", "b", rng.random((10, 9)) * 0.4),
        ),
        "b",
    )
    small = dataclasses.replace(LARGE, name="small", mesh_width=2, mesh_height=2, neurons=16, rtl=False, clock_hz=1e6)
    chosen = {"in": rule} if name != "hebbian" else {"lateral": rule}
    if name == "pair":
        chosen["lateral"] = rule
    network = attach(network, chosen)
    image = compiled(network, small, bits).image
    assert sum(map(bool, image.notes.parts)) == 2
    spikes = (rng.random((3, 12, 12)) < 0.4).astype(np.uint8)
    rewards = np.array([0, 3, -2])
    expected = run_reference(image, spikes, True, rewards)
    result = emulator.run(image, spikes, learn=True, reward=rewards, record_spikes=True)
    assert len(expected.spikes) > 20
    assert [tuple(map(int, s)) for s in result.spikes] == expected.spikes
    for counter, values in expected.counters.items():
        np.testing.assert_array_equal(result.counters[counter], values, counter)
    assert result.chip == expected.chip
    assert result.total("rows") > 0
    for core, want, registers in zip(result.learned.cores, expected.synapses, expected.registers[-1], strict=True):
        np.testing.assert_array_equal(core.synapses, np.array(want).reshape(core.synapses.shape))
        flat = core.registers.reshape(len(registers), -1)
        np.testing.assert_array_equal(flat, np.array(registers)[:, : flat.shape[1]])


def test_cycles_of_learning_add_up():
    """Every instruction's cycles, rows and their bodies among them, are the core's busy cycles."""
    rng = np.random.default_rng(1)
    image = compiled(driven(12, 9, TINY / 2, EVERY["symmetric"]), ECP5, 8).image
    spikes = (rng.random((1, 30, 21)) < 0.2).astype(np.uint8)
    result = emulator.run(image, spikes, learn=True)
    for number, core in enumerate(image.cores):
        ran = result.executions[number].copy()
        ran[core.reset_entry :] = 0
        if image.notes.parts[number]:
            cycles = instruction_cycles(image, core, ran, result.axon_events[number]).sum()
            assert cycles == result.counters["busy_cycles"][number]


@pytest.mark.parametrize("name", EVERY)
def test_what_learning_cost_is_what_a_run_without_it_lacks(name):
    """Weights too small to make anything fire: all that differs in the ledger is learning's."""
    rule = dataclasses.replace(EVERY[name], threshold=None, w_min=TINY / 5, w_max=TINY)
    rng = np.random.default_rng(2)
    image = compiled(driven(12, 9, TINY / 2, rule), LARGE, 16).image
    data = SpikeData((rng.random((3, 30, 21)) < 0.2).astype(np.uint8), None, {})
    still, learning = evaluate(image, data), evaluate(image, data, learn=True)
    np.testing.assert_array_equal(still.output_counts, learning.output_counts)
    found = learning_counters(image, learning)
    for counter in COUNTERS:
        np.testing.assert_array_equal(learning.counters[counter] - still.counters[counter], found[counter], counter)
    found_run = learning.notes.learning
    assert found_run.cycles == found["busy_cycles"].sum() > 0
    assert found_run.rows == found["rows"].sum() > 0
    difference = learning.notes.energy.incremental_j - still.notes.energy.incremental_j
    assert found_run.energy_j == pytest.approx(difference, rel=1e-9)


# ------------------------------------------------------------------------------------------------ messages
def pair_terms(**changes):
    values = {
        "name": "mine",
        "traces": (Trace("x", "pre", 0.02),),
        "terms": (Term("post", 0.1, ("x",)),),
        "w_min": 0.0,
        "w_max": 1.0,
    }
    return Rule(**values | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"terms": (Term("post", 0.1, ("z",)),)},
            "learning rule 'mine': unknown trace 'z' in a term; its traces are x",
        ),
        (
            {"w_max": math.inf},
            "learning rule 'mine': weights from 0.0 to inf are unbounded; give w_min and w_max",
        ),
        ({"w_min": None}, "learning rule 'mine': weights from None to 1.0 are unbounded; give w_min and w_max"),
        ({"w_min": 2.0}, "learning rule 'mine': w_min = 2 is not below w_max = 1; swap them"),
        ({"bits": 4}, "learning rule 'mine': 4 bits; weights that learn have 8 or 16"),
        (
            {"traces": (Trace("x", "pre", 0.0),)},
            "learning rule 'mine': trace 'x' has tau = 0.0 s; it must be positive",
        ),
        (
            {"terms": (Term("post", 0.1, ("x",), where="up"),)},
            "learning rule 'mine': unknown condition 'up' in a term; its conditions are none",
        ),
        (
            {"traces": (Trace("x", "pre", 0.1), Trace("x", "post", 0.1))},
            "learning rule 'mine': trace names x, x must differ from each other; rename one",
        ),
        (
            {"traces": (Trace("x", "both", 0.1),)},
            "learning rule 'mine': trace 'x' is of 'both'; it is of 'pre' or 'post'",
        ),
        (
            {"traces": (Trace("x", "pre", 0.1, "some"),)},
            "learning rule 'mine': trace 'x' has pairing 'some'; the choices are all, nearest, window",
        ),
        ({"terms": (Term("now", 0.1),)}, "learning rule 'mine': a term is on 'now'; it is on 'pre' or 'post'"),
        (
            {"terms": (Term("post", math.nan),)},
            "learning rule 'mine': a term changes weights by nan; it must be finite",
        ),
        (
            {"terms": (Term("post", 0.1, soft="both"),)},
            "learning rule 'mine': a term is soft 'both'; it is 'up' or 'down'",
        ),
        (
            {"terms": (Term("post", 0.1, ("x", "x", "x")),)},
            "learning rule 'mine': a term multiplies 3 traces; at most 2",
        ),
        (
            {"rounding": "up"},
            "learning rule 'mine': rounding 'up'; the choices are stochastic, nearest",
        ),
        (
            {"eligibility": Eligibility(0)},
            "learning rule 'mine': eligibility needs largest > 0 and keep from 0 to 1",
        ),
        (
            {"threshold": AdaptiveThreshold(0.1, 0)},
            "learning rule 'mine': an adaptive threshold needs a finite plus and tau > 0",
        ),
        ({"scaling": -1}, "learning rule 'mine': scaling to a sum of -1; it must be positive"),
        ({"drift": -1}, "learning rule 'mine': drift = -1; it must be 0 or more"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(changes, message):
    with pytest.raises(InputError) as caught:
        pair_terms(**changes)
    assert str(caught.value) == message


def refused(network, arch=LARGE, bits=16):
    with pytest.raises((InputError, DoesNotFitError)) as caught:
        compiled(network, arch, bits)
    return str(caught.value)


def test_what_never_spikes_teaches_nothing():
    network = Network((2,), (lif("out", (2,), model="LI", dt=DT),), (dense("w", INPUT, "out", np.eye(2)),), "out")
    with pytest.raises(InputError) as caught:
        attach(network, {"w": pair_terms()})
    assert str(caught.value) == (
        "network: 'w' leads to 'out', which never spikes, so rule 'mine' has nothing to learn from; let it spike"
    )


def test_a_threshold_is_moved_by_one_rule_and_from_one_place():
    one, two = (pair_terms(name=name, threshold=AdaptiveThreshold(0.1)) for name in ("one", "two"))
    network = driven(2, 2, 0.001, one)
    both = tuple(dataclasses.replace(p, plasticity=p.plasticity or two) for p in network.projections)
    assert refused(dataclasses.replace(network, projections=both)) == (
        "'out': rules 'one' and 'two' both move its threshold; leave it to one of them"
    )
    uneven = dataclasses.replace(network, populations=(lif("out", (2,), 0.0, np.array([1.0, 2.0]), dt=DT),))
    assert refused(uneven) == (
        "'out': rule 'one' moves its threshold, which must be the same on all neurons at first; give them one"
    )


def test_neurons_of_fixed_units_or_of_two_spikes_do_not_learn(monkeypatch):
    def fires_twice(m):
        v, fired = m.state("v"), m.flag("fired")
        m.add(v, v, m.input())
        m.compare(fired, v, ">=", "threshold")
        m.spike(fired)
        m.spike(fired)

    def refusal(**options):
        def discretize(population, semantics):
            threshold = {"threshold": Value(population.params["v_threshold"])}
            return Dynamics(fires_twice, threshold, gain=np.ones(population.n), **options)

        monkeypatch.setitem(models.MODELS, "LIF", dataclasses.replace(models.MODELS["LIF"], discretize=discretize))
        return refused(driven(2, 1, 0.001, pair_terms()))

    assert refusal(scale=256.0) == (
        "'out' (LIF) fixes its own units, so nothing can learn onto it; use another neuron model"
    )
    assert refusal() == (
        "'out' has no single condition of firing, so 'w' cannot learn from its spikes; use another neuron model"
    )


def test_a_condition_looks_at_what_there_is():
    condition = Condition("up", (("u", 0.0, 1.0),))
    rule = pair_terms(terms=(Term("pre", 0.1, where="up"),), conditions=(condition,))
    assert refused(driven(2, 1, 0.001, rule)) == (
        "'w': condition 'up' looks at 'u', which 'out' does not have; it has v"
    )


def test_changes_and_soft_bounds_fit_the_factors_of_the_machine():
    rule = pair_terms(
        terms=(Term("post", 1e4, ("x",)),), rounding="nearest", traces=(Trace("x", "pre", 1e-3, "window"),)
    )
    assert refused(driven(2, 1, 0.001, rule), ECP5) == (
        "'w': rule 'mine' needs a factor of 3.2767e+08, 'ecp5' has factors up to 131,071; make its changes smaller, or "
        "use fewer bits"
    )
    soft = pair_terms(terms=(Term("post", 0.01, ("x",), "up"),), w_min=-1.0)
    narrow = dataclasses.replace(LARGE, coef_bits=16)
    assert refused(driven(2, 1, 0.001, soft), narrow) == (
        "'w': a soft bound multiplies by up to 65,534, 'large' has factors up to 32,767; use 8-bit weights"
    )


def test_what_a_timestep_of_learning_takes_fits_a_when():
    rule = pair_terms(terms=(Term("post", 0.01, ("x",)),) * 55)
    projections = tuple(dense(f"w{i}", INPUT, "out", np.full((2, 1), 0.001)) for i in range(5))
    network = Network((2,), (lif("out", (1,), 0.0, dt=DT),), projections, "out")
    assert refused(attach(network, {p.name: rule for p in projections})) == (
        "'out' needs 320 instructions to learn in a timestep, a `when` skips 255; use rules with fewer traces and terms"
    )


def test_a_row_takes_as_many_instructions_as_a_body_can_have():
    rule = pair_terms(terms=(Term("post", 0.01, ("x",)),) * 300)
    assert refused(driven(2, 1, 0.001, rule)) == (
        "'w': rule 'mine' needs 303 instructions a row, a body has at most 63; use a rule with fewer terms"
    )


def test_weights_that_cannot_be_as_they_are_told_are_warned_of():
    some = np.where(np.eye(4, dtype=bool), TINY * np.array([1e-4, 1e-4, 1, 1]), 0)
    both_signs = plasticity.pair_stdp(A, A, 0.02, 0.02, -TINY, TINY)
    assert compiled(driven(4, 4, some, both_signs), LARGE, 8).summary()["warnings"] == [
        "'w': 2 of 4 synapses start at 0, which is no synapse where only some pairs are; they start at 0.000394, one "
        "unit; connect all pairs, or none at 0"
    ]
    outside = plasticity.pair_stdp(A, A, 0.02, 0.02, 0, TINY)
    assert compiled(driven(2, 2, 2 * TINY, outside), LARGE, 8).summary()["warnings"] == [
        "'w': 4 of 4 weights start outside 0 .. 0.05 and are clamped; widen w_min and w_max"
    ]
    assert compiled(driven(2, 2, TINY, outside), UP5K, 16).summary()["warnings"] == [
        "'out': 'up5k' leaves 8.3 bits less than its weights' 16; use an architecture with more state_bits or wider "
        "accumulators, or fewer inputs"
    ]


def test_a_rule_for_no_projection_names_those_there_are():
    network = driven(2, 1, 0.001, pair_terms())
    with pytest.raises(InputError) as caught:
        attach(network, {"v": pair_terms()})
    assert str(caught.value) == "network: no projection 'v' to learn; it has w, drive"


def test_a_convolution_does_not_learn():
    network = driven(2, 1, 0.001, pair_terms())
    shared = dataclasses.replace(network.projections[0], convolutional=True, plasticity=None)
    network = dataclasses.replace(network, projections=(shared, network.projections[1]))
    with pytest.raises(InputError) as caught:
        attach(network, {"w": pair_terms()})
    assert str(caught.value) == (
        "network: 'w' shares its weights (a convolution), so rule 'mine' cannot change them one by one; learn on a "
        "dense projection"
    )


def test_nothing_learns_beside_a_convolution():
    """Such a population is padded to whole blocks; the padding would have weights, learn them, and fire."""
    matrix, shape = conv2d(np.ones((3, 1, 3, 3)), (1, 6, 6), (1, 1))
    n = math.prod(shape)
    projections = (
        Projection("conv", INPUT, "image", matrix, 0, True, 27),
        dense("fc", INPUT, "image", np.full((36, n), 0.01)),
    )
    network = Network((1, 6, 6), (lif("image", shape),), projections, "image")
    with pytest.raises(InputError) as caught:
        attach(network, {"fc": pair_terms()})
    assert str(caught.value) == (
        "network: 'fc' leads to 'image', as the convolution 'conv' does, which pads its neurons in memory, and rule "
        "'mine' would teach the padding to fire; let it learn onto a population of its own"
    )


def corrupted(change):
    """An image that learns, with the fields of its second plastic axon changed."""
    image = compiled(driven(2, 9, 0.001, pair_terms()), ECP5, 8).image
    number = next(i for i, parts in enumerate(image.notes.parts) if parts)
    core = image.cores[number]
    axons = core.axons.copy()
    fields = isa.unpack_fields(isa.AXON_FIELDS, int(axons[1]))
    axons[1] = isa.pack_fields(isa.AXON_FIELDS, **change(fields))
    cores = list(image.cores)
    cores[number] = dataclasses.replace(core, axons=axons)
    (address,) = (i for i, word in enumerate(core.program) if isa.decode(word).name == "rows")
    where = f"core {number}: program address {address} ({listing(isa.decode(core.program[address]))}): "
    return where, dataclasses.replace(image, cores=tuple(cores))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f | {"word": 0}, "plastic axon 0 shares synapse words"),
        (
            lambda f: f | {"format": isa.DENSE4},
            "plastic axon 1 must be one dense row of 8 or 16 bits on a word boundary",
        ),
        (lambda f: f | {"beats": 0}, "plastic axon 1 does not cover the blocks in range"),
    ],
)
def test_plastic_rows_in_a_shared_or_small_format_are_refused(change, message):
    where, image = corrupted(change)
    with pytest.raises(InputError) as caught:
        check_image(image)
    assert str(caught.value) == where + message


def test_four_bits_do_not_learn():
    with pytest.raises(InputError) as caught:
        compiled(driven(2, 1, 0.001, pair_terms()), ECP5, 4)
    assert str(caught.value) == (
        "'w' learns by 'mine', so its weights need 8 or 16 bits, not 4; use --weight-bits 8 or 16, or give the rule "
        "its own bits"
    )


def test_bounds_closer_than_one_unit_of_weight_are_refused():
    rule = plasticity.reward_stdp(A, A, 0.02, 0.02, 0, TINY / 1000, largest=A)
    with pytest.raises(DoesNotFitError) as caught:
        compiled(driven(2, 1, TINY, rule), UP5K)
    assert str(caught.value) == (
        "'w' learns between 0 and 5e-05, but one unit of weight is 0.125 on 'up5k'; use an architecture with more "
        "state_bits, or weights that are larger beside the threshold"
    )


def test_too_few_traces_are_named():
    rule = plasticity.triplet_stdp(A, A, A, A, 0, TINY)
    with pytest.raises(DoesNotFitError) as caught:
        compiled(driven(2, 1, 0.001, rule), ECP5)
    assert str(caught.value) == (
        "'w' needs 2 traces per axon for 'triplet-stdp' (r1, r2), 'ecp5' has 1; use an architecture with more traces, "
        "or a rule with fewer"
    )


def test_too_many_registers_are_named():
    rule = plasticity.triplet_stdp(0, A, A, 0, 0, TINY)
    with pytest.raises(DoesNotFitError) as caught:
        compiled(driven(2, 1, 0.001, rule), UP5K, 8)
    assert str(caught.value) == (
        "'out' needs a register for change beside v, weight, o1 of w, o2 of w; 'up5k' has 4; use an architecture with "
        "more registers"
    )


def test_neurons_that_learn_have_one_gain():
    network = driven(2, 2, 0.001, pair_terms())
    uneven = lif("out", (2,), np.array([0.5, 0.9]), dt=DT)
    uneven.params["r"] = uneven.params["r"] * np.array([1, 2])
    with pytest.raises(InputError) as caught:
        compiled(dataclasses.replace(network, populations=(uneven,)))
    assert str(caught.value) == (
        "'out' learns, so a weight must act alike on all its neurons, but their gains are 1 to 2; give them equal time "
        "constants and resistances"
    )


def test_weights_far_finer_than_others_onto_their_neurons_learn_more_coarsely():
    """A shift of 16-bit states ends at 14; the unit of what is finer than that grows, and is said."""
    rule = Rule("step", (Trace("x", "pre", 0.002),), (Term("post", 0.01, ("x",)),), 0.0, 0.1, rounding="nearest")
    network = driven(4, 3, TINY, rule)
    learning, drive = network.projections
    strong = Projection("drive", INPUT, "out", drive.matrix * 1000.0)
    arch = dataclasses.replace(UP5K, name="roomy", acc_bits=32)
    near = compiled(network, arch, 8).quantized.projections[0]
    far = compiled(dataclasses.replace(network, projections=(learning, strong)), arch, 8).quantized
    assert max(p.shift for p in far.projections) <= 14
    assert (far.projections[0].matrix.toarray()[:4] > 0).all()
    assert far.projections[0].matrix.max() < near.matrix.max()
