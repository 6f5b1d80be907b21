"""What a timestep means: every preset against what its framework recorded, every variant against its equations."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from integers import check_machine, on_machine
from networks import conv_network, dense, lif, random_network

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, UsageError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.nir import read_nir
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population
from nmcompile.network.semantics import PRESETS, RESETS, choose_semantics
from nmcompile.pipeline import compile_network

CASES = Path(__file__).parent / "data" / "nir_paper"
RECORDS = dict(np.load(CASES / "records.npz"))
ECP5 = load_architecture("ecp5")


# ----------------------------------------------------------------------------------- what frameworks recorded
@pytest.mark.parametrize(
    ("platform", "preset", "override"),
    [
        ("norse", "norse", {"dt": 1e-4}),
        ("snntorch", "snntorch-zero", {}),
        ("spyx", "spyx", {}),
        ("nengo", "nir", {}),
        ("loihi", "lava", {}),
    ],
)
@pytest.mark.parametrize("weight_bits", [8, 16])
def test_the_papers_lif_neuron_fires_as_recorded(platform, preset, override, weight_bits):
    network = read_nir(CASES / "lif_norse.nir")
    semantics = choose_semantics(preset, **override)
    spikes = RECORDS["lif_input"][:, None]
    compilation = compile_network(network, ECP5, semantics, weight_bits)
    check_machine(compilation, spikes, least=3)
    np.testing.assert_array_equal(recorded(compilation, spikes, network.output)[:, 0], RECORDS[f"lif_{platform}"])


@pytest.mark.parametrize(
    ("net", "platform", "preset", "override"),
    [
        ("zero", "norse", "norse", {"dt": 1e-4}),
        ("zero", "snntorch", "snntorch-zero", {"reset": "value"}),  # trained with reset_delay=False
        ("zero", "spyx", "spyx", {}),
        ("subtract", "norse", "norse", {"dt": 1e-4}),
        ("subtract", "snntorch", "snntorch", {"reset": "recharged-subtract"}),  # trained with reset_delay=False
        ("subtract", "spyx", "spyx", {}),
    ],
)
def test_the_papers_braille_networks_fire_as_recorded(net, platform, preset, override):
    """In floats, and on the machine with 16-bit weights whose headroom is calibrated."""
    network = read_nir(CASES / f"braille_{net}.nir")
    semantics = choose_semantics(preset, **override)
    spikes, wanted = RECORDS["braille_input"], RECORDS[f"braille_{net}_{platform}"]
    exact = run_float(discretize(network, semantics), spikes[None], record=True).spikes["lif1.lif"][0]
    late = semantics.output_delay
    np.testing.assert_array_equal(np.concatenate([0 * exact[:late], exact])[: len(wanted)], wanted)
    compilation = compile_network(network, ECP5, semantics, 16, calibrate=spikes[None])
    np.testing.assert_array_equal(recorded(compilation, spikes, "lif1.lif"), wanted)
    assert wanted.sum() > 100


def test_the_papers_nmnist_network_reads_as_recorded_and_calls_a_real_digit_a_four():
    """Float counts of four digits are those on record; at 8 bits, over several cores, a real recording is a "4"."""
    network, semantics = read_nir(CASES / "nmnist_cnn.nir"), choose_semantics("nir", dt=1.0)
    record = np.load(CASES / "nmnist.npz")
    digits = np.zeros((8, 300, 2, 34, 34), np.uint8)
    digits[tuple(record["digits"].T)] = 1
    digits = digits.reshape(8, 300, -1)
    np.testing.assert_array_equal(
        run_float(discretize(network, semantics), digits[:4]).output_counts, record["counts"][:4]
    )
    real = np.zeros((1, 300, 2, 34, 34), np.uint8)
    real[0][tuple(record["recording"][record["recording"][:, 0] < 300].T)] = 1
    compilation = compile_network(network, load_architecture("large"), semantics, calibrate=digits[:2])
    assert compilation.summary()["cores"] == 10
    found = emulator.run(compilation.image, np.concatenate([digits, real.reshape(1, 300, -1)]), fabric="off")
    assert found.predictions.tolist() == [*record["labels"], 4]


def recorded(compilation, spikes, name):
    """(timesteps, n) spikes as the framework shows them: as much later as its output comes."""
    sent, _, _ = on_machine(compilation, spikes)
    late = compilation.quantized.timing.depth[name] - compilation.quantized.timing.shown[name]
    return np.concatenate([0 * sent[name][:late], sent[name]])[: len(spikes)]


# ------------------------------------------------------------------------------------------------- variants
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("model", ["IF", "LIF", "CubaLIF"])
def test_every_preset_runs_exactly_as_quantized(preset, model):
    rng = np.random.default_rng(1)
    semantics = choose_semantics(preset)
    network = random_network(
        rng, sizes=(30, 12), recurrent=True, model=model, dt=semantics.dt / semantics.tau_scale, bias=0.02
    )
    spikes = (rng.random((30, 20)) < 0.3).astype(np.uint8)
    check_machine(compile_network(network, ECP5, semantics), spikes)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("synapse", ["before", "after"])
@pytest.mark.parametrize("v_min", [None, -0.3])
def test_every_variant_agrees_with_floats_where_weights_are_wide(reset, synapse, v_min):
    rng = np.random.default_rng(2)
    semantics = choose_semantics("nir", reset=reset, synapse=synapse, v_min=v_min, max_spikes=7)
    hidden = lif("a", (24,), 0.9, rng.uniform(0.4, 1.2, 24), model="CubaLIF")
    network = Network(
        (20,),
        (hidden, lif("b", (10,), 0.8)),
        (dense("in", INPUT, "a", rng.normal(0.05, 0.3, (20, 24))), dense("ab", "a", "b", rng.normal(0, 0.4, (24, 10)))),
        "b",
    )
    spikes = (rng.random((40, 20)) < 0.3).astype(np.uint8)
    compilation = compile_network(network, ECP5, semantics, 16)
    check_machine(compilation, spikes)
    exact = run_float(discretize(network, semantics), spikes[None], record=True)
    sent, v, _ = on_machine(compilation, spikes)
    for name in ("a", "b"):
        wrong = (sent[name] != (exact.spikes[name][0] != 0)).mean()
        assert wrong <= 0.01, (name, wrong)
    if v_min is not None:
        assert v["a"].min() >= np.floor(v_min * compilation.quantized.population("a").scale.max())


def single(model="IF", **values):
    """One neuron behind an input of weight 1 whose gain is 1."""
    params = {"r": 1.0, "v_threshold": 1.0, "v_reset": 0.0} | values
    population = Population("n", (1,), model, {k: np.full(1, v) for k, v in params.items()}, np.zeros(1))
    return Network((1,), (population,), (dense("w", INPUT, "n", [[1.0]]),), "n", input_levels=255)


def sent_by(network, semantics, drive):
    run = run_float(discretize(network, semantics), np.asarray(drive)[None, :, None], record=True)
    return run.spikes["n"][0, :, 0].tolist()


def test_multi_spike_fires_as_often_as_the_threshold_fits():
    semantics = choose_semantics("nir", dt=1.0, reset="multi-spike", max_spikes=5)
    assert sent_by(single(v_threshold=2.0), semantics, [1, 1, 5, 0, 9, 11, 0]) == [0, 1, 2, 0, 5, 5, 0]


def test_31_spikes_at_once_as_on_rockpool_s_chips_leave_the_rest_for_the_next_timestep():
    semantics = choose_semantics("rockpool", dt=1.0, max_spikes=31)
    assert sent_by(single(v_threshold=1.0), semantics, [30, 31, 32, 0, 100, 0, 0, 0]) == [30, 31, 31, 1, 31, 31, 31, 7]


def test_a_multi_spike_neuron_sends_one_graded_spike_that_weighs_as_much():
    semantics = choose_semantics("nir", dt=1.0, reset="multi-spike")
    first = single(v_threshold=1.0)
    second = dataclasses.replace(
        first.populations[0], name="m", params=first.populations[0].params | {"v_threshold": np.full(1, 4.0)}
    )
    network = Network(
        (1,),
        (first.populations[0], second),
        (first.projections[0], dense("f", "n", "m", [[1.0]])),
        "m",
        input_levels=255,
    )
    spikes = np.array([[3], [2], [0], [8], [1], [1]], np.uint8)
    compilation = compile_network(network, ECP5, semantics)
    result = check_machine(compilation, spikes, least=5)
    assert result.counters["spikes"].sum() == 5 + 2
    wanted = run_float(discretize(network, semantics), spikes[None], record=True).spikes["m"][0, :, 0]
    assert wanted.tolist() == [0, 1, 0, 2, 0, 0]
    assert on_machine(compilation, spikes)[0]["m"][:, 0].tolist() == [False, True, False, True, False, False]


def test_delayed_value_loses_the_input_after_a_spike():
    semantics = choose_semantics("nir", dt=1.0, reset="delayed-value")
    assert sent_by(single(), semantics, [2, 2, 2, 1, 1]) == [1, 0, 1, 0, 0]


def test_recharged_subtract_spikes_less_often_above_twice_the_threshold():
    """v = 3.5 fires; 2.5 is left, the next comparison sees 1.5 and fires; then 1.5 is left and 0.5 is compared."""
    semantics = choose_semantics("nir", dt=1.0, reset="recharged-subtract")
    assert sent_by(single(v_threshold=2.0), semantics, [7, 0, 0, 0]) == [1, 1, 0, 0]


def test_the_membrane_may_see_the_current_a_timestep_later():
    params = {"tau_mem": 2.0, "tau_syn": 1.0, "r": 2.0, "v_leak": 0.0, "w_in": 1.0, "v_threshold": 0.5, "v_reset": 0.0}
    before, after = (choose_semantics("nir", dt=1.0, synapse=order) for order in ("before", "after"))
    assert sent_by(single("CubaLIF", **params), before, [1, 0, 0, 0]) == [1, 0, 0, 0]
    assert sent_by(single("CubaLIF", **params), after, [1, 0, 0, 0]) == [0, 1, 0, 0]


def test_the_gain_of_every_integrator():
    tau, dt, r = 4.0, 1.0, 3.0
    decay = np.exp(-dt / tau)
    wanted = {
        "euler": (1 - dt / tau, r * dt / tau),
        "exponential": (decay, r * (1 - decay)),
        "given": (decay, r * dt / tau),
        "decay-input": (decay, decay),
        "unit-input": (decay, 1.0),
        "spyx": (1 - dt / tau, r * dt / tau),
    }
    params = {"tau": tau, "r": r, "v_leak": 0.0, "v_threshold": 1e9, "v_reset": 0.0}
    from nmcompile.neurons.models import dynamics

    for integrator, (beta, gain) in wanted.items():
        d = dynamics(single("LIF", **params).populations[0], choose_semantics("nir", dt=dt, integrator=integrator))
        np.testing.assert_allclose((d.values["beta"].array[0], d.gain[0]), (beta, gain))
    spyx = single("LIF", **params | {"r": 1 - dt / tau}).populations[0]  # as Spyx 1.0 exports it
    assert dynamics(spyx, choose_semantics("spyx", dt=dt)).gain[0] == 1.0


def test_a_recurrent_bias_may_be_absent_in_the_first_timestep():
    neuron = single(v_threshold=2.5).populations[0]
    neuron = dataclasses.replace(neuron, bias=np.ones(1), late_bias=np.full(1, 0.75))
    network = Network((1,), (neuron,), (dense("w", INPUT, "n", [[1.0]]),), "n")
    for there, wanted in ((True, [0, 0, 1, 0]), (False, [0, 0, 0, 1])):
        semantics = choose_semantics("nir", dt=1.0, recurrent_bias=there)
        assert sent_by(network, semantics, [0, 0, 0, 0]) == wanted
        compilation = compile_network(network, ECP5, semantics)
        check_machine(compilation, np.zeros((4, 1), np.uint8), least=0)
        assert on_machine(compilation, np.zeros((4, 1), np.uint8))[0]["n"][:, 0].tolist() == wanted


def test_output_a_timestep_later_shifts_what_others_see_and_not_the_own_recurrence():
    rng = np.random.default_rng(3)
    network = random_network(rng, recurrent=True)
    spikes = (rng.random((20, 20)) < 0.3).astype(np.uint8)
    runs = [
        run_float(discretize(network, choose_semantics("nir", output_delay=late)), spikes[None], record=True)
        for late in (0, 1)
    ]
    np.testing.assert_array_equal(runs[0].spikes["layer0"], runs[1].spikes["layer0"])
    np.testing.assert_array_equal(runs[0].spikes["layer1"][0, :-1], runs[1].spikes["layer1"][0, 1:])
    np.testing.assert_array_equal(runs[1].output_counts[0], runs[1].spikes["layer1"][0, :-1].sum(axis=0))
    compilation = compile_network(network, ECP5, choose_semantics("nir", output_delay=1), 16)
    result = check_machine(compilation, spikes)
    np.testing.assert_array_equal(result.output_counts, runs[1].output_counts)


# -------------------------------------------------------------------------------------------------- messages
def test_what_was_assumed_is_one_line():
    assert choose_semantics().describe() == "nir: dt 0.0001 s, euler, reset value, fires at v > v_th"
    assert choose_semantics("sinabs").describe() == (
        "sinabs: dt 1 s, exponential, reset multi-spike, fires at v >= v_th, up to 255 times, no recurrent bias at "
        "t = 0"
    )
    assert choose_semantics("norse").describe() == (
        "norse: dt 0.001 s, euler, reset value, fires at v > v_th, time constants times 1000, r of a neuron without a "
        "leak a timestep's, a synaptic current jumps by the input where w_in is 1, no recurrent bias at t = 0, v "
        "starts at v_leak"
    )
    assert choose_semantics("slayer").describe() == (
        "slayer: dt 0.0001 s, euler, reset value, fires at v >= v_th, output 1 later, decays round toward zero"
    )


def test_an_override_holds_for_every_model():
    assert choose_semantics("sinabs", v_min=-2.0).of(lif("a", 1, model="IF")).v_min == -2.0
    assert choose_semantics("rockpool", integrator="euler").of(lif("a", 1, model="CubaLIF")).integrator == "euler"
    assert choose_semantics("rockpool").of(lif("a", 1, model="CubaLIF")).integrator == "decay-input"


def test_snntorchs_zero_of_recurrent_neurons_acts_a_step_later():
    alone, recurrent = lif("a", 1), dataclasses.replace(lif("a", 1), late_bias=np.zeros(1))
    zero = choose_semantics("snntorch-zero")
    assert (zero.of(alone).reset, zero.of(recurrent).reset) == ("value", "delayed-value")
    assert choose_semantics("snntorch-zero", reset="subtract").of(recurrent).reset == "subtract"
    assert zero.describe().endswith("; LIF: recurrent_reset delayed-value; CubaLIF: reset delayed-value")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reset": "zero"}, f"reset 'zero'; the choices are {', '.join(RESETS)}"),
        ({"compare": "<"}, "compare '<'; the choices are >, >="),
        ({"synapse": "never"}, "synapse 'never'; the choices are before, after"),
        ({"rounding": "up"}, "rounding 'up'; the choices are nearest, zero"),
        (
            {"integrator": "rk4"},
            "integrator 'rk4'; the choices are euler, exponential, given, decay-input, unit-input, spyx",
        ),
        ({"dt": -1.0}, "dt = -1.0 s; a timestep must be positive"),
        ({"max_spikes": 300}, "max_spikes = 300; a graded spike stands for 1 to 255"),
        ({"output_delay": -1}, "output_delay = -1; it must be 0 or more timesteps"),
    ],
)
def test_choices_that_do_not_exist_are_refused(fields, message):
    with pytest.raises(UsageError) as error:
        choose_semantics("nir", **fields)
    assert str(error.value) == message


def test_a_time_constant_shorter_than_dt_is_named():
    with pytest.raises(UsageError) as error:
        compile_network(random_network(np.random.default_rng(4)), ECP5, choose_semantics(dt=0.1))
    assert str(error.value) == (
        "'layer0' has a time constant of 0.001 s, shorter than dt = 0.1 s; "
        "use another --semantics, a smaller --dt or --integrator exponential"
    )


def test_a_time_constant_that_is_dt_but_for_rounding_leaves_nothing_of_the_past():
    """As float32 files have it: the membrane is each timestep's input, so 0.6 twice does not reach 1."""
    base = single("LIF", tau=1e-3 * (1 - 1e-7), v_leak=0.0)
    network = dataclasses.replace(base, projections=(dense("w", INPUT, "n", [[0.6]]),))
    run = run_float(discretize(network, choose_semantics(dt=1e-3)), np.ones((1, 9, 1), np.uint8))
    assert run.output_counts.sum() == 0


def test_multi_spike_wants_a_positive_threshold_and_an_architecture_with_graded_spikes():
    semantics = choose_semantics("nir", dt=1.0, reset="multi-spike", max_spikes=3)
    with pytest.raises(UsageError) as error:
        compile_network(single(v_threshold=-1.0), ECP5, semantics)
    assert str(error.value) == (
        "'n' has a threshold of -1; multi-spike neurons divide by it and need a positive one; choose another --reset"
    )
    network = dataclasses.replace(single(), input_levels=1)
    with pytest.raises(DoesNotFitError) as refused:
        compile_network(network, load_architecture("up5k"), semantics)
    assert refused.value.problems == [
        "'n' sends graded spikes (up to 3), 'up5k' has none; use an architecture that is graded"
    ]


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("compare", [">", ">="])
def test_slots_between_the_neurons_of_an_image_stay_silent(reset, compare):
    """Five channels on eight lanes; a bias, a recurrent bias and a threshold below 0 for some must not wake padding."""
    rng = np.random.default_rng(5)
    base = conv_network(rng, channels=5, size=6)
    image, out = base.populations
    late = np.full(image.n, 0.2)
    image = dataclasses.replace(image, bias=np.full(image.n, 0.3), late_bias=late)
    if not reset.startswith("multi-spike"):
        image.params["v_threshold"][:3] = -0.1
    network = dataclasses.replace(base, populations=(image, out))
    semantics = choose_semantics("nir", reset=reset, compare=compare, recurrent_bias=False, v_min=-1.0)
    compilation = compile_network(network, ECP5, semantics)
    spikes = (rng.random((10, 72)) < 0.2).astype(np.uint8)
    result = check_machine(compilation, spikes)
    sent, _, _ = on_machine(compilation, spikes)
    assert result.total("spikes") == sum(s.sum() for s in sent.values())
