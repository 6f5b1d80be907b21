"""What frameworks write by default is read as they run it: gains, decays, resets, where v starts, one population."""

import dataclasses

import numpy as np
import pytest
from integers import check_machine, on_machine
from networks import dense, lif

from emulator.spec.arch import load_architecture
from emulator.spec.errors import InputError, UsageError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population
from nmcompile.network.semantics import FIELDS, choose_semantics, parse_setting
from nmcompile.neurons.models import dynamics
from nmcompile.pipeline import compile_network

ECP5 = load_architecture("ecp5")
LEAKY = {"tau": 4.0, "r": 4.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
CURRENT = {"tau_mem": 2.0, "tau_syn": 4.0, "r": 2.0, "v_leak": 0.0, "w_in": 1.0, "v_threshold": 1.0, "v_reset": 0.0}


def single(model="LIF", n=1, **values):
    """Neurons of one kind, each behind an input of its own with weight 1."""
    params = {key: np.broadcast_to(np.asarray(value, float), (n,)).copy() for key, value in values.items()}
    population = Population("n", (n,), model, params, np.zeros(n))
    return Network((n,), (population,), (dense("w", INPUT, "n", np.eye(n)),), "n", input_levels=255)


def gain_and_decay(network, semantics):
    d = dynamics(network.populations[0], semantics)
    return d.gain[0], d.values["beta"].array[0]


def sent_by(network, semantics, drive):
    """Spikes in floats, which the machine must fire, too."""
    spikes = np.asarray(drive, np.uint8)[:, None]
    wanted = run_float(discretize(network, semantics), spikes[None], record=True).spikes[network.output][0, :, 0]
    compilation = compile_network(network, ECP5, semantics, 16, calibrate=spikes[None])
    check_machine(compilation, spikes, least=0)
    return wanted.tolist()


# ---------------------------------------------------------------------------------------------- time constants
def test_an_infinite_time_constant_integrates_without_a_leak():
    """snnTorch's exporter writes tau = r = inf for beta = 1."""
    network = single(**LEAKY | {"tau": np.inf, "r": np.inf})
    assert gain_and_decay(network, choose_semantics("snntorch")) == (1.0, 1.0)


def test_an_infinite_time_constant_beside_finite_ones_is_read_too():
    network = single(n=2, **LEAKY | {"tau": [np.inf, 2e-4], "r": [np.inf, 2.0]})
    d = dynamics(network.populations[0], choose_semantics("snntorch"))
    assert (d.gain.tolist(), d.values["beta"].array.tolist()) == ([1.0, 1.0], [1.0, 0.5])


def test_an_infinite_synaptic_time_constant_keeps_its_current():
    network = single("CubaLIF", **CURRENT | {"tau_syn": np.inf, "w_in": np.inf, "tau_mem": 2.0})
    d = dynamics(network.populations[0], choose_semantics(dt=1.0))
    assert (d.values["alpha"].array[0], d.gain[0]) == (1.0, 1.0)


def test_an_infinite_resistance_with_a_finite_time_constant_is_refused():
    with pytest.raises(InputError) as error:
        single(**LEAKY | {"r": np.inf})
    assert str(error.value) == "network: 'n': r is not finite; retrain or repair it"


@pytest.mark.parametrize(("beta", "wanted"), [(1.25, 1.0), (-0.25, 0.0)])
def test_a_learned_decay_beyond_its_range_is_clamped_as_the_class_does(beta, wanted):
    tau = 1e-4 / (1 - beta)
    network = single(**LEAKY | {"tau": tau, "r": tau / 1e-4})
    assert gain_and_decay(network, choose_semantics("snntorch")) == (pytest.approx(1.0), wanted)


def test_a_negative_time_constant_is_refused_where_nothing_is_clamped():
    network = single(**LEAKY | {"tau": -1.0, "r": -1.0})
    with pytest.raises(UsageError) as error:
        compile_network(network, ECP5, choose_semantics("nir"))
    assert str(error.value) == (
        "'n' has a time constant of -1 s; it must be positive, unless decays beyond 1 are clamped, as snnTorch and "
        "Spyx do: --clamp true"
    )


def test_time_constants_that_an_exporter_scaled_are_scaled_back():
    """Norse 1.1 writes 1e-5 s for 0.01 s at dt = 1e-3 s."""
    network = single(**LEAKY | {"tau": 1e-5, "r": 1.0})
    assert gain_and_decay(network, choose_semantics("norse")) == (pytest.approx(0.1), pytest.approx(0.9))


def test_a_dt_of_ones_own_takes_time_constants_as_they_are_written():
    network = single(**LEAKY | {"tau": 1e-5, "r": 1.0})
    assert choose_semantics("norse", dt=1e-6).tau_scale == 1
    assert gain_and_decay(network, choose_semantics("norse", dt=1e-6)) == (pytest.approx(0.1), pytest.approx(0.9))
    assert choose_semantics("norse", dt=2e-3, tau_scale=500.0).tau_scale == 500.0


def test_an_input_counts_as_it_is_where_the_framework_does_not_normalise_it():
    gain, decay = gain_and_decay(single(**LEAKY | {"r": 1.0}), choose_semantics("sinabs", integrator="unit-input"))
    assert (gain, decay) == (1.0, pytest.approx(np.exp(-1 / 4)))


# ------------------------------------------------------------------------------------------------------- gains
@pytest.mark.parametrize(("charge", "gain"), [("seconds", 0.5), ("step", 1.0)])
def test_r_of_a_neuron_without_a_leak_is_per_second_or_per_timestep(charge, gain):
    network = single("IF", r=1.0, v_threshold=1.0, v_reset=0.0)
    assert gain_and_decay(network, choose_semantics(dt=0.5, charge=charge))[0] == gain


@pytest.mark.parametrize(("w_in", "gain"), [(1.0, 0.5), (4.0, 0.5), (2.0, 0.25)])
def test_a_current_jumps_by_the_input_where_the_exporter_says_nothing_of_it(w_in, gain):
    """tau_syn / dt is 4; the membrane takes half of the current."""
    network = single("CubaLIF", **CURRENT | {"w_in": w_in, "r": 1.0})
    assert gain_and_decay(network, choose_semantics(dt=1.0, current="jump"))[0] == gain


def test_a_current_is_filtered_as_nir_says_without_a_jump():
    network = single("CubaLIF", **CURRENT | {"r": 1.0})
    assert gain_and_decay(network, choose_semantics(dt=1.0))[0] == 0.125


# ------------------------------------------------------------------------------------------------------ resets
def test_without_a_reset_v_goes_on():
    network = single("IF", r=1.0, v_threshold=2.0, v_reset=0.0)
    assert sent_by(network, choose_semantics(dt=1.0, reset="none"), [1, 2, 0, 0]) == [0, 1, 1, 1]


def test_a_multi_spike_neuron_may_go_to_its_reset_value():
    network = single("IF", r=1.0, v_threshold=2.0, v_reset=1.0)
    semantics = choose_semantics(dt=1.0, reset="multi-spike-value")
    assert sent_by(network, semantics, [5, 1, 0, 3]) == [2, 1, 0, 2]


def test_a_synaptic_neuron_of_snntorch_loses_the_input_after_a_spike():
    semantics = choose_semantics("snntorch-zero")
    network = single("CubaLIF", **CURRENT)
    assert semantics.of(network.populations[0]).reset == "delayed-value"
    assert semantics.of(single(**LEAKY).populations[0]).reset == "value"


# ------------------------------------------------------------------------------------------------ initial state
@pytest.mark.parametrize(("initial", "first"), [("leak", 0), ("zero", 1), ("reset", 2)])
def test_v_starts_where_the_framework_starts_it(initial, first):
    """v := v / 2 + 1 / 2 + 1 from 1, 0 or -2 passes 1.9 in the timestep `first`."""
    network = single(**LEAKY | {"tau": 2.0, "r": 2.0, "v_leak": 1.0, "v_threshold": 1.9, "v_reset": -2.0})
    assert sent_by(network, choose_semantics(dt=1.0, initial=initial), [1, 1, 1]).index(1) == first


def test_a_second_layer_starts_there_when_its_first_timestep_comes():
    """Layers live a timestep later each; until then nothing may leak away."""
    first = lif("a", (3,), 0.5, dt=1.0)
    second = lif("b", (2,), 0.5, threshold=[0.9, 1.4], v_reset=-2.0, dt=1.0)
    network = Network(
        (3,), (first, second), (dense("w", INPUT, "a", 2 * np.eye(3)), dense("f", "a", "b", np.ones((3, 2)))), "b"
    )
    semantics = choose_semantics(dt=1.0, initial="reset")
    spikes = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]], np.uint8)
    wanted = run_float(discretize(network, semantics), spikes[None], record=True).spikes["b"][0]
    compilation = compile_network(network, ECP5, semantics, 16, calibrate=spikes[None])
    check_machine(compilation, spikes, least=3)
    np.testing.assert_array_equal(on_machine(compilation, spikes)[0]["b"], wanted != 0)


# ---------------------------------------------------------------------------------------------- one population
def test_one_population_can_be_read_in_another_way():
    network = single("IF", r=1.0, v_threshold=2.0, v_reset=0.0)
    assert sent_by(network, choose_semantics("nir", ["n:reset=none"], dt=1.0), [3, 0, 0]) == [1, 1, 1]
    assert sent_by(network, choose_semantics("nir", ["reset=none"], dt=1.0), [3, 0, 0]) == [1, 1, 1]


def test_what_is_set_for_a_population_goes_before_what_is_set_for_its_model():
    semantics = choose_semantics("snntorch-zero", ["n:reset=none"])
    assert semantics.of(single("CubaLIF", **CURRENT).populations[0]).reset == "none"
    recurrent = dataclasses.replace(single(**LEAKY).populations[0], late_bias=np.zeros(1))
    assert semantics.of(recurrent).reset == "none"
    assert semantics.describe().endswith("; CubaLIF: reset delayed-value; n: reset none")


def test_a_population_that_there_is_not_is_named():
    with pytest.raises(UsageError) as error:
        compile_network(single(**LEAKY), ECP5, choose_semantics("nir", ["lif2:reset=none"], dt=1.0))
    assert str(error.value) == "reset is set for 'lif2', which is no population; there are n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("lif2:reset=none", ("lif2", "reset", "none")),
        ("a:b:v-min=-0.5", ("a:b", "v_min", -0.5)),
        ("v_min=none", ("", "v_min", None)),
        ("lif:compare=>=", ("lif", "compare", ">=")),
        ("compare=>", ("", "compare", ">")),
        ("x:recurrent_bias=false", ("x", "recurrent_bias", False)),
        ("x:max_spikes=7", ("x", "max_spikes", 7)),
        ("dt=1e-3", ("", "dt", 1e-3)),
    ],
)
def test_a_setting_is_a_population_a_field_and_a_value(text, wanted):
    assert parse_setting(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "lif2",
            "setting 'lif2'; it is FIELD=VALUE or POPULATION:FIELD=VALUE, with a field of " + ", ".join(FIELDS),
        ),
        (
            "lif2:rest=none",
            "setting 'lif2:rest=none'; it is FIELD=VALUE or POPULATION:FIELD=VALUE, with a field of "
            + ", ".join(FIELDS),
        ),
        ("x:dt=1", "setting 'x:dt=1': all populations share one dt"),
        ("x:clamp=yes", "clamp 'yes'; the choices are true, false"),
        ("x:v_min=low", "v_min 'low'; it must be a number"),
        ("x:initial=one", "initial 'one'; the choices are zero, reset, leak"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(text, message):
    with pytest.raises(UsageError) as error:
        parse_setting(text)
    assert str(error.value) == message


def test_a_lower_bound_can_be_taken_away():
    assert choose_semantics("nir", v_min=-1.0).v_min == -1.0
    assert choose_semantics(choose_semantics("nir", v_min=-1.0), v_min=float("-inf")).v_min is None
