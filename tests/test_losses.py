"""What rounding takes is told when a network is compiled, without samples, with what would help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import conv_network, dense, lif

from emulator.spec.arch import load_architecture
from nmcompile.learning.attach import attach
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.rule import AdaptiveThreshold, Rule, Term, Trace
from nmcompile.network.semantics import choose_semantics
from nmcompile.neurons import models
from nmcompile.pipeline import compile_network

UP5K, ECP5, LARGE = (load_architecture(name) for name in ("up5k", "ecp5", "large"))
ROOMY = replace(UP5K, name="roomy", acc_bits=32, rtl=False)


def compiled(weights, neurons=None, arch=UP5K, bits=8, **more):
    weights = np.asarray(weights, float)
    neurons = neurons or lif("a", (weights.shape[1],), 0.5)
    return compile_network(
        Network((len(weights),), (neurons,), (dense("w", INPUT, "a", weights),), "a"), arch, weight_bits=bits, **more
    )


def lost(made):
    """(the loss of `a`, the warnings)."""
    (loss,) = made.quantized.losses
    assert list(made.image.compiled.warnings) == list(made.quantized.warnings) == made.summary()["warnings"]
    return loss, made.summary()["warnings"]


HEAVY = np.vstack([np.full((1, 4), 1000.0), np.full((15, 4), 1.0)])


def test_weights_beside_a_heavy_one_round_away_and_more_bits_are_named():
    loss, warnings = lost(compiled(HEAVY))
    assert (loss.weights, loss.zero_weights) == (64, 60)
    assert loss.zero_weight_sum == pytest.approx(15 / 1015)
    assert warnings == [
        "'a': 60 of 64 weights, 1.48 % of their absolute sum, round to 0 at 8 bits; use --weight-bits 16"
    ]


def test_with_the_bits_that_are_named_nothing_is_lost():
    loss, warnings = lost(compiled(HEAVY, bits=16))
    assert (loss.zero_weights, loss.zero_weight_sum, warnings) == (0, 0.0, [])


def test_a_few_small_weights_are_counted_and_not_warned_of():
    loss, warnings = lost(compiled([[1.0, 1.0], [1.0, 0.001]]))
    assert (loss.zero_weights, warnings) == (1, [])
    assert loss.zero_weight_sum == pytest.approx(0.001 / 3.001)


def test_a_weight_that_no_bits_go_beside_is_named():
    _, warnings = lost(compiled(np.where(HEAVY > 1, 1e6, HEAVY), arch=ROOMY))
    assert warnings[:1] == [
        "'a': 60 of 64 weights, 0.0015 % of their absolute sum, round to 0 at 8 bits; rescale the network: its "
        "largest weight is 1e+06, half of them are below 1"
    ]


def test_weights_that_the_state_has_no_bits_for_ask_for_a_wider_one():
    weights = np.repeat([0.5, 0.008], [50, 60])[:, None]
    _, warnings = lost(compiled(weights, lif("a", (1,), 0.5, threshold=40.0), ROOMY))
    assert warnings == [
        "'a': the 16-bit state leaves 5.7 of 8 weight bits; use an architecture with more state_bits, or fewer "
        "--weight-bits",
        "'a': 60 of 110 weights, 1.88 % of their absolute sum, round to 0 at 8 bits; use an architecture with more "
        "state_bits or acc_bits than 'roomy'",
    ]


def test_a_threshold_of_less_than_two_units_fires_at_anything():
    loss, warnings = lost(compiled([[100.0]], lif("a", (1,), 0.5, threshold=1e-4), ROOMY))
    assert loss.threshold_units == (1, 1)
    assert warnings == [
        "'a': the threshold of 1 of 1 neurons is 1 of the 16-bit state's units, so they fire at anything; use an "
        "architecture with more state_bits, or weights that are smaller beside the threshold"
    ]


def test_thresholds_are_told_in_units_of_the_state():
    made = compiled([[1.0, 1.0]], lif("a", (2,), 0.5, threshold=np.array([0.5, 2.0])))
    units = made.quantized.population("a").threshold
    assert lost(made)[0].threshold_units == (min(units), max(units))


def test_a_bias_below_a_unit_is_told():
    loss, warnings = lost(compiled([[1.0, 1.0]], lif("a", (2,), 0.5, bias=1e-5)))
    assert loss.vanished == {"drive": 2}
    assert warnings == [
        "'a': drive of 1e-05 rounds to 0 on 2 of 2 neurons; use an architecture with more state_bits, or rescale it"
    ]


def test_a_decay_that_rounds_to_none_is_told():
    loss, warnings = lost(compiled([[1.0, 1.0]], lif("a", (2,), 1 - 1e-5)))
    assert loss.vanished == {"beta": 2}
    assert warnings == [
        "'a': beta of 0.99999 rounds to 0 or 1 on 2 of 2 neurons; use an architecture with more coef_bits, or "
        "rescale it"
    ]


def test_what_an_exporter_rounds_is_no_loss():
    assert lost(compiled([[1.0]], lif("a", (1,), 0.5, bias=1e-9)))[0].vanished == {}


def test_weights_of_a_model_that_fixes_its_units_are_told(monkeypatch):
    lif_model = models.MODELS["LIF"]
    fixed = replace(lif_model, discretize=lambda p, s: replace(lif_model.discretize(p, s), scale=16.0))
    monkeypatch.setitem(models.MODELS, "LIF", fixed)
    _, warnings = lost(compiled([[0.01], [1.0], [0.01]]))
    assert warnings == [
        "'a': 2 of 3 weights, 1.96 % of their absolute sum, round to 0 at 8 bits; rescale them: 0.0625 is a unit of "
        "this neuron model"
    ]


# ---------------------------------------------------------------------------------------------- calibration
def calibrated(network, **more):
    spikes = np.ones((1, 3, network.n_inputs), np.uint8)
    return compile_network(network, LARGE, calibrate=spikes, **more)


def test_a_calibration_says_which_layers_are_too_large_for_it():
    network = Network((2049,), (lif("a", (1,)),), (dense("w", INPUT, "a", np.ones((2049, 1))),), "a")
    made = calibrated(network)
    assert made.quantized.left_out == {"a": "2,049 sources, 2,048 at most"}
    assert made.summary()["warnings"] == [
        "'a': the calibration does not weigh its rounding errors against each other (2,049 sources, 2,048 at most); "
        "use more --weight-bits, or fewer sources"
    ]


def test_a_calibration_says_that_it_leaves_a_convolution_out():
    made = calibrated(conv_network(np.random.default_rng(0)))
    assert made.summary()["calibration_left_out"] == {"image": "a convolution shares its weights"}


def test_a_calibration_that_weighs_all_leaves_nothing_out():
    assert (
        calibrated(Network((2,), (lif("a", (1,)),), (dense("w", INPUT, "a", [[1], [2]]),), "a")).quantized.left_out
        == {}
    )


# ---------------------------------------------------------------------------------------------------- rules
def learning(**change):
    rule = Rule("mine", (Trace("x", "pre", 0.02),), (Term("post", 0.01, ("x",)),), 0.0, 1.0, rounding="nearest")
    network = Network((2,), (lif("a", (1,), dt=1e-3),), (dense("w", INPUT, "a", [[1], [1]]),), "a")
    network = attach(network, {"w": replace(rule, **change)})
    return compile_network(network, ECP5, choose_semantics(dt=1e-3)).summary()["warnings"]


@pytest.mark.parametrize(
    ("change", "warnings"),
    [
        ({}, []),
        (
            {"terms": (Term("post", 1e-4, ("x",)),)},
            [
                "'w': rule 'mine' changes weights by 0.00205 at most on a post spike, which always rounds to none of "
                'their units of 0.00787; use rounding = "stochastic", or more bits'
            ],
        ),
        ({"terms": (Term("post", 1e-4, ("x",)),), "rounding": "stochastic"}, []),
        (
            {"threshold": AdaptiveThreshold(1e-7)},
            [
                "'w': rule 'mine' raises thresholds by 1e-07, which rounds to 0 units of the state; use an "
                "architecture with more state_bits, or a larger one"
            ],
        ),
        (
            {"drift": 1e-3},
            [
                "'w': rule 'mine' drifts by 0.00787, one unit of weight, as 0.001 is less than half of it; use more "
                "bits, or a larger drift"
            ],
        ),
    ],
)
def test_what_of_a_rule_does_nothing_is_told(change, warnings):
    assert learning(**change) == warnings
