"""Modules of frameworks in memory: what each class says of itself, and how a graph is made of layers.

The classes here only look like the frameworks' (name, package, attributes); `NM_FRAMEWORKS=1` runs the real ones, where
they are installed, through `tools/conformance.py`.
"""

import importlib.util
import os
from types import SimpleNamespace

import nir
import numpy as np
import pytest
from nirfiles import LAYERS, two_layers

import nmcompile as nm
from emulator.spec.errors import InputError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.frameworks import read_neurons
from nmcompile.frontends.layers import fold_norm, linear_layer
from nmcompile.frontends.modules import from_spyx, semantics_of
from nmcompile.network.nir_graph import Node
from nmcompile.network.semantics import choose_semantics

REAL = os.environ.get("NM_FRAMEWORKS") == "1"


def module(package, kind, **attributes):
    """An object of a class of that name in that package."""
    cls = type(kind, (), {"__module__": f"{package}.layers"})
    made = cls()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


class Param:
    """A flax variable: its value is [...]"""

    def __init__(self, value):
        self.value = np.asarray(value, float)

    def __getitem__(self, _):
        return self.value


def leaky(kind="Leaky", **options):
    given = {
        "beta": 0.9,
        "threshold": 1.0,
        "inhibition": False,
        "state_quant": False,
        "_reset_mechanism": "subtract",
        "reset_delay": True,
        "graded_spikes_factor": 1.0,
    }
    return module("snntorch", kind, **given | options)


def decay_and_gain(neuron):
    """At the neuron's own timestep, by Euler's rule, as `from_torch` reads it."""
    tau, r = neuron.values["tau"], neuron.values["r"]
    with np.errstate(invalid="ignore"):
        return 1 - neuron.dt / tau, np.where(np.isinf(tau) & np.isinf(r), 1.0, r * neuron.dt / tau)


# ------------------------------------------------------------------------------------------------------ classes
@pytest.mark.parametrize(
    ("kind", "mechanism", "delayed", "reset"),
    [
        ("Leaky", "subtract", True, "delayed-subtract"),
        ("Leaky", "subtract", False, "recharged-subtract"),
        ("Leaky", "zero", True, "value"),
        ("Synaptic", "zero", True, "delayed-value"),
        ("Synaptic", "zero", False, "value"),
        ("Leaky", "none", True, "none"),
    ],
)
def test_snntorchs_resets(kind, mechanism, delayed, reset):
    given = leaky(kind, _reset_mechanism=mechanism, reset_delay=delayed, alpha=0.8)
    assert read_neurons("lif", given, (3,)).fields["reset"] == reset


def test_snntorchs_betas_are_clamped_and_broadcast():
    found = read_neurons("lif", leaky(beta=np.array([1.3, -0.2, 1.0, 0.75])), (4,))
    decay, gain = decay_and_gain(found)
    np.testing.assert_allclose(decay, [1, 0, 1, 0.75])
    np.testing.assert_allclose(gain, 1)
    per_channel = read_neurons("lif", leaky(beta=np.array([0.5, 0.75]).reshape(2, 1, 1)), (2, 3, 3))
    np.testing.assert_allclose(decay_and_gain(per_channel)[0][:, 0, 0], [0.5, 0.75])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"inhibition": True},
            "'lif' (Leaky): inhibition=True lets one neuron of a layer fire, which needs all of them; train without",
        ),
        (
            {"state_quant": abs},
            "'lif' (Leaky): state_quant rounds its state in a way of its own; set state_quant=False",
        ),
        (
            {"graded_spikes_factor": np.ones(3)},
            "'lif' (Leaky): graded_spikes_factor differs among neurons; put it into the weights behind them",
        ),
        ({"beta": np.ones(5)}, "the decay has shape (5,), which does not fit neurons of shape (3,)"),
    ],
)
def test_what_snntorch_does_and_no_neuron_here_is_refused(options, text):
    with pytest.raises(InputError) as error:
        read_neurons("lif", leaky(**options), (3,))
    assert str(error.value) == text


def parameters(**values):
    given = {"tau_mem_inv": 100.0, "tau_syn_inv": 200.0, "v_leak": 0.0, "v_th": 1.0, "v_reset": 0.0}
    return SimpleNamespace(**given | values)


def test_norses_cell_jumps_by_its_input():
    found = read_neurons("lif", module("norse", "LIFCell", p=parameters(v_leak=0.5), dt=1e-3), (2,))
    v = found.values
    np.testing.assert_allclose(1 - found.dt / v["tau_mem"], 0.9)
    np.testing.assert_allclose(1 - found.dt / v["tau_syn"], 0.8)
    np.testing.assert_allclose(v["w_in"] * found.dt / v["tau_syn"], 1)
    np.testing.assert_allclose(v["r"] * found.dt / v["tau_mem"], 0.1)
    assert (found.kind, found.fields["initial"], v["v_leak"][0]) == ("CubaLIF", "leak", 0.5)


def test_norses_integrate_and_fire_knows_no_dt():
    found = read_neurons("if", module("norse", "IAFCell", p=parameters(v_reset=-0.5), dt=1e-3), (2,))
    assert (found.kind, found.values["r"][0] * found.dt, found.values["v_reset"][0]) == ("IF", 1.0, -0.5)


def test_norses_recurrent_cell_brings_its_weights():
    given = module("norse", "LIFRecurrentCell", p=parameters(), dt=1e-3)
    given.input_weights, given.recurrent_weights = np.ones((2, 5)), np.eye(2)
    found = read_neurons("lif", given, (2,))
    assert (found.before[0].shape, found.feedback[0].shape, found.fields["recurrent_bias"]) == ((2, 5), (2, 2), False)


def sinabs_layer(kind="IAF", fire="MultiSpike", after=None, **options):
    reset = after or module("sinabs", "MembraneSubtract", subtract_value=None)
    given = {
        "alpha_mem_calculated": 1.0,
        "alpha_syn_calculated": None,
        "norm_input": False,
        "min_v_mem": None,
        "spike_fn": type(fire, (), {}),
        "reset_fn": reset,
        "spike_threshold": 1.0,
    }
    return module("sinabs", kind, **given | options)


def test_sinabs_says_how_often_it_fires_and_how_low_v_goes():
    assert dict(read_neurons("n", sinabs_layer(), (2,)).fields) == {
        "recurrent_bias": False,
        "compare": ">=",
        "reset": "multi-spike",
    }
    single = read_neurons("n", sinabs_layer(fire="SingleSpike", min_v_mem=-1.0), (2,)).fields
    assert (single["reset"], single["v_min"]) == ("subtract", -1.0)
    capped = sinabs_layer(spike_fn=module("sinabs", "MaxSpike", max_num_spikes_per_bin=3))
    assert read_neurons("n", capped, (2,)).fields["max_spikes"] == 3
    to_zero = sinabs_layer(after=module("sinabs", "MembraneReset", reset_value=0.0))
    assert read_neurons("n", to_zero, (2,)).fields["reset"] == "multi-spike-value"


def test_sinabs_gain_is_of_norm_input_and_of_the_synapse():
    for norm, gain in ((True, 0.1), (False, 1.0)):
        given = sinabs_layer("LIF", alpha_mem_calculated=0.9, norm_input=norm)
        np.testing.assert_allclose(decay_and_gain(read_neurons("n", given, (2,)))[1], gain)
    given = sinabs_layer("LIF", alpha_mem_calculated=0.9, alpha_syn_calculated=0.8, norm_input=True)
    found = read_neurons("n", given, (2,)).values
    np.testing.assert_allclose(found["w_in"] * found["r"] / found["tau_syn"] / found["tau_mem"], 0.1 * 0.8)


def test_a_reset_of_sinabs_that_is_added_every_timestep_is_refused():
    given = sinabs_layer(after=module("sinabs", "MembraneReset", reset_value=-0.2))
    with pytest.raises(InputError) as error:
        read_neurons("n", given, (2,))
    assert str(error.value) == "'n' (IAF): MembraneReset adds its reset_value (-0.2) in every timestep; use 0"


def test_spikingjellys_reset_is_hard_or_soft_and_v_starts_there():
    given = {"v_threshold": 1.0, "v_reset": -0.5, "tau": 4.0, "decay_input": False}
    found = read_neurons("n", module("spikingjelly", "LIFNode", **given), (2,))
    decay, gain = decay_and_gain(found)
    assert (decay[0], gain[0], found.values["v_leak"][0]) == (0.75, 1.0, -0.5)
    assert (found.fields["reset"], found.fields["initial"], found.fields["compare"]) == ("value", "reset", ">=")
    soft = read_neurons("n", module("spikingjelly", "IFNode", v_threshold=1.0, v_reset=None), (2,))
    assert (soft.fields["reset"], soft.values["v_reset"][0]) == ("subtract", 0.0)


def lif_torch(**options):
    given = {
        "dt": 1e-3,
        "tau_mem": 0.02,
        "beta": np.full((2, 1), 0.95),
        "noise_std": 0.0,
        "bias": 0.0,
        "threshold": 1.0,
    }
    given |= {"max_spikes_per_dt": 2.0**16, "size_in": 2, "size_out": 2}
    return module("rockpool", "LIFTorch", **given | options)


def test_rockpools_bias_is_of_v_and_its_cap_is_a_graded_spikes():
    found = read_neurons("n", lif_torch(bias=0.25), (2,))
    alpha = np.exp(-1e-3 / 0.02)
    np.testing.assert_allclose(found.values["v_leak"] * (1 - alpha), 0.25)
    assert found.fields["max_spikes"] == 255
    assert found.notes == (
        "up to 255 spikes a timestep (max_spikes_per_dt is 65,536, a graded spike holds 255)",
        "a bias of v, which its exporter leaves out",
    )
    assert read_neurons("n", lif_torch(max_spikes_per_dt=31), (2,)).fields["max_spikes"] == 31


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"noise_std": 0.1}, "'n' (LIFTorch): noise_std = 0.1; the machine has no noise, set it to 0"),
        ({"size_in": 4}, "'n' (LIFTorch): more than one synapse a neuron cannot be expressed; give it one"),
    ],
)
def test_what_rockpool_does_and_no_neuron_here_is_refused(options, text):
    with pytest.raises(InputError) as error:
        read_neurons("n", lif_torch(**options), (2,))
    assert str(error.value) == text


# --------------------------------------------------------------------------------------------------------- Spyx
def spyx_model():
    rng = np.random.default_rng(5)
    first = module("flax", "Linear", kernel=Param(rng.normal(0.2, 0.5, (6, 5))), bias=Param(rng.normal(0, 0.1, 5)))
    hidden = module("spyx", "RLIF", beta=Param(0.8), threshold=1.0, recurrent_w=Param(rng.normal(0, 0.3, (5, 5))))
    second = module("flax", "Linear", kernel=Param(rng.normal(0.2, 0.5, (5, 3))), bias=None)
    last = module("spyx", "CuBaLIF", alpha=Param(0.6), beta=Param(1.4), threshold=1)
    return SimpleNamespace(layers=[first, hidden, second, last])


def run_spyx(model, x):
    """The equations of spyx/nn.py, on one sample."""
    first, hidden, second, _ = model.layers
    v, u, current, out = np.zeros(5), np.zeros(3), np.zeros(3), []
    for frame in x:
        fired = (v > 1).astype(float)
        v = 0.8 * v + frame @ first.kernel.value + first.bias.value + fired @ hidden.recurrent_w.value - fired
        sent = (u > 1).astype(float)
        u = u - sent
        current = 0.6 * current + fired @ second.kernel.value
        u = 1.0 * u + current  # a beta above 1 is clipped
        out.append(sent)
    return np.array(out)


def test_a_spyx_model_in_memory_fires_as_its_equations_do():
    model, x = spyx_model(), (np.random.default_rng(6).random((60, 6)) < 0.4).astype(np.uint8)
    network = from_spyx(model, (6,))
    wanted = run_spyx(model, x).sum(axis=0)
    assert wanted.sum() > 10
    found = run_float(discretize(network, network.semantics), x[None]).output_counts[0]
    np.testing.assert_array_equal(found, wanted)


def test_channels_of_flax_come_first():
    rng = np.random.default_rng(7)
    kernel, weight = rng.normal(size=(3, 3, 1, 2)), rng.normal(size=(4 * 4 * 2, 3))
    beta = rng.random((4, 4, 2))
    conv = module("flax", "Conv", kernel=Param(kernel), bias=None, strides=1, padding="SAME")
    model = SimpleNamespace(
        layers=[
            conv,
            module("spyx", "LIF", beta=Param(beta), threshold=1.0),
            module("spyx", "Flatten"),
            module("flax", "Linear", kernel=Param(weight), bias=None),
            module("spyx", "IF", threshold=1.0),
        ]
    )
    network = from_spyx(model, (1, 4, 4))
    np.testing.assert_allclose(
        1 - 1e-4 / network.populations[0].params["tau"].reshape(2, 4, 4), np.moveaxis(beta, -1, 0)
    )
    dense = network.projections[-1].matrix.toarray().reshape(2, 4, 4, 3)
    np.testing.assert_allclose(dense, np.moveaxis(weight.reshape(4, 4, 2, 3), 2, 0))


def test_a_layer_of_spyx_that_is_unknown_is_named():
    model = SimpleNamespace(layers=[module("spyx", "ResonateFire")])
    with pytest.raises(InputError) as error:
        from_spyx(model, (4,))
    assert str(error.value) == (
        "'layer_0' is a ResonateFire of spyx.layers, which is unknown; leave it out, or replace it"
    )


# ------------------------------------------------------------------------------------------------------- layers
def batch_norm(n, kind="BatchNorm2d"):
    rng = np.random.default_rng(8)
    values = {name: rng.uniform(0.5, 2, n) for name in ("running_mean", "running_var", "weight", "bias")}
    return module("torch", kind, eps=1e-5, **values)


def test_a_normalisation_goes_into_the_weights_before_it():
    rng, norm = np.random.default_rng(9), batch_norm(3, "BatchNorm1d")
    weight, bias = rng.normal(size=(3, 4)), rng.normal(size=3)
    nodes = {"fc": Node("fc", "Affine", {"weight": weight, "bias": bias})}
    layer, shape = linear_layer("bn", norm, (3,))
    assert fold_norm(nodes, [("input", "fc")], ["fc"], layer)
    x = rng.normal(size=4)
    wanted = (weight @ x + bias - norm.running_mean) / np.sqrt(norm.running_var + 1e-5) * norm.weight + norm.bias
    np.testing.assert_allclose(nodes["fc"].values["weight"] @ x + nodes["fc"].values["bias"], wanted)
    assert shape == (3,)


def test_a_normalisation_that_nothing_can_take_up_stands_alone():
    layer, _ = linear_layer("bn", batch_norm(3), (3, 4, 4))
    assert not fold_norm({"in": Node("in", "Input", {})}, [], ["in"], layer)
    (suffix, kind, values) = layer.nodes[0]
    assert (suffix, kind, values["weight"].shape, int(values["groups"])) == ("", "Conv2d", (3, 1, 1, 1), 3)


def test_a_maximum_of_spikes_is_an_or():
    pool = module("torch", "MaxPool2d", kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    layer, shape = linear_layer("pool", pool, (2, 4, 4))
    assert [(suffix, kind) for suffix, kind, _ in layer.nodes] == [("", "SumPool2d"), (".or", "Threshold")]
    assert (shape, layer.nodes[1][2]["threshold"].shape) == ((2, 2, 2), (2, 2, 2))


# ---------------------------------------------------------------------------------------------------- semantics
def test_what_most_populations_choose_is_for_all_and_the_rest_by_name():
    chosen = {
        "a": read_neurons("a", leaky(), (2,)),
        "b": read_neurons("b", leaky(), (2,)),
        "c": read_neurons("c", leaky(_reset_mechanism="none"), (2,)),
    }
    semantics = semantics_of(chosen, "net")
    assert (semantics.reset, semantics.per_population) == ("delayed-subtract", (("c", "reset", "none"),))


def test_a_nir_graph_in_memory_is_read_as_its_file_would_be(tmp_path):
    graph = nir.NIRGraph(two_layers(np.random.default_rng(1)), LAYERS)
    nir.write(tmp_path / "net.nir", graph)
    x = (np.random.default_rng(2).random((4, 30, 6)) < 0.4).astype(np.uint8)
    runs = [
        run_float(discretize(network, choose_semantics()), x).output_counts
        for network in (nm.from_nir(graph), nm.read_network(tmp_path / "net.nir"))
    ]
    assert runs[0].sum() > 50
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (7, "a int is no NIR graph; give a nir.NIRGraph"),
        (
            SimpleNamespace(nodes={"lif": None}, edges=[]),
            "graph: node 'lif' is a NoneType: a layer that its exporter does not know; hand the module over "
            "(nm.from_torch)",
        ),
    ],
)
def test_what_is_no_nir_graph_is_refused(graph, text):
    with pytest.raises(InputError) as error:
        nm.from_nir(graph)
    assert str(error.value) == text


def test_what_is_no_torch_module_is_refused():
    with pytest.raises(InputError) as error:
        nm.from_torch(object(), np.zeros(3))
    assert str(error.value) == "object: a object is no PyTorch module; give the trained torch.nn.Module"


# ------------------------------------------------------------------------------------------------ the real ones
@pytest.mark.skipif(not REAL, reason="NM_FRAMEWORKS=1 runs the frameworks that are installed")
def test_every_cell_of_the_matrix_that_is_installed_is_read_right():
    import conformance

    names = [name for name in conformance.FRAMEWORKS if importlib.util.find_spec(name)]
    assert names, "NM_FRAMEWORKS=1, but none of the frameworks is installed"
    for cell in conformance.cells(names):
        row = conformance.measure(cell)
        if cell.refused:
            assert cell.refused in row.memory, cell.name
        else:
            assert row.memory[0] >= conformance.EXACT, (cell.framework, cell.name, row.memory)
            assert max(row.memory[1:]) >= 0.95, (cell.framework, cell.name, row.memory)
        if not cell.lost and not isinstance(row.file, str):
            assert row.file[0] >= conformance.EXACT, (cell.framework, cell.name, row.file)
