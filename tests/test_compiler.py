"""The compiler against independent arithmetic: what runs on the emulator is what was quantized."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from networks import conv_network, dense, lif, random_network, simulate_integers
from scipy import signal, sparse

import emulator
from emulator.reference import Reference
from emulator.spec import isa
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, InputError, UsageError
from emulator.spec.image_file import load_image, save_image
from emulator.spec.rows import expand
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.frontends.linear import conv2d, pool2d
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Projection
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.place.pack import pack_rows
from nmcompile.results.inspection import inspect_image
from nmcompile.retime import retime

EXAMPLES = Path(__file__).parents[1] / "examples" / "networks"
ECP5 = load_architecture("ecp5")
UP5K = load_architecture("up5k")
SMALL = dataclasses.replace(ECP5, name="small", mesh_width=3, mesh_height=2, neurons=16, axons=128, rtl=False)


# ---------------------------------------------------------------------------------------------- linear layers
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "kernel"),
    [
        ((1, 1), (0, 0), (1, 1), 1, (3, 3)),
        ((2, 1), (1, 2), (1, 1), 1, (3, 5)),
        ((1, 1), "same", (2, 1), 1, (3, 4)),
        ((3, 2), (0, 1), (1, 2), 2, (2, 3)),
        ((1, 1), "valid", (1, 1), 4, (1, 1)),
    ],
)
def test_convolution_matrix_is_the_convolution(stride, padding, dilation, groups, kernel):
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(8, 4 // groups, *kernel))
    image = rng.normal(size=(4, 9, 11))
    matrix, shape = conv2d(weight, image.shape, stride, padding, dilation, groups)
    full = np.zeros((8, 4 // groups, dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1))
    full[:, :, :: dilation[0], :: dilation[1]] = weight
    pad = {"valid": ((0, 0), (0, 0))}.get(padding) if isinstance(padding, str) else tuple((p, p) for p in padding)
    if pad is None:
        pad = tuple(((s - 1) // 2, (s - 1) - (s - 1) // 2) for s in full.shape[2:])
    padded = np.pad(image, ((0, 0), *pad))
    per = 4 // groups
    out = np.stack(
        [
            sum(signal.correlate2d(padded[o // (8 // groups) * per + i], full[o, i], mode="valid") for i in range(per))[
                :: stride[0], :: stride[1]
            ]
            for o in range(8)
        ]
    )
    assert shape == out.shape
    np.testing.assert_allclose(image.reshape(-1) @ matrix, out.reshape(-1), atol=1e-12)


def test_pooling_sums_or_averages_windows():
    image = np.arange(2 * 4 * 6, dtype=float).reshape(2, 4, 6)
    blocks = image.reshape(2, 2, 2, 3, 2).transpose(0, 1, 3, 2, 4).reshape(2, 2, 3, 4)
    matrix, shape = pool2d(image.shape, (2, 2), (2, 2))
    assert shape == (2, 2, 3)
    np.testing.assert_allclose((image.reshape(-1) @ matrix).reshape(shape), blocks.sum(axis=-1))
    matrix, _ = pool2d(image.shape, (2, 2), (2, 2), average=True)
    np.testing.assert_allclose((image.reshape(-1) @ matrix).reshape(shape), blocks.mean(axis=-1))


# ------------------------------------------------------------------------------------------------------ packing
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("density", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("lanes", [1, 4, 8])
def test_packed_rows_hold_exactly_the_weights(bits, density, lanes):
    rng = np.random.default_rng(bits * 100 + lanes)
    high = max(1, (1 << (bits - 1)) - 1)
    matrix = rng.integers(-high, high + 1, (23, lanes * 6)) * (rng.random((23, lanes * 6)) < density)
    if bits == 1:
        matrix = np.where(rng.random((23, lanes * 6)) < 0.5, 1, -1)
    csr = sparse.csr_array(matrix.astype(np.int32))
    packed = pack_rows(csr, lanes, bits)
    np.testing.assert_array_equal(unpacked(packed, lanes, matrix.shape[1])[packed.sources], matrix[packed.sources])
    assert not matrix[np.setdiff1d(np.arange(23), packed.sources)].any()


def unpacked(packed, lanes, columns):
    """(rows, columns) weights that a machine would deliver."""
    arch = dataclasses.replace(ECP5, lanes=lanes, neurons=256 * lanes)
    core = dataclasses.replace(emulator.spec.image.empty_core(arch), axons=packed.encode(0, 0), synapses=packed.words)
    rows = expand(arch, core, core.axons)
    dense_rows = np.zeros((int(packed.sources.max()) + 1, columns), int)
    for i, source in enumerate(packed.sources):
        span = slice(rows.pointers[i], rows.pointers[i + 1])
        dense_rows[source, rows.targets[span]] = rows.weights[span]
    return dense_rows


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (16, 2), (5, 1), (3, 2)])
def test_a_convolution_stores_its_kernels_once(channels, stride):
    network = conv_network(np.random.default_rng(3), channels=channels, size=12, stride=stride)
    image = compile_network(network, ECP5).image
    words = sum(p.words for _, part in image.notes.placed for p in part.projections if p.name == "conv")
    if channels % 8 == 0:  # the kernels, and as much again for rounding to words
        assert words * 128 <= 2 * channels * 2 * 9 * 8
    assert words * 128 <= 0.5 * network.projections[0].matrix.nnz * 8


@pytest.mark.parametrize(("arch", "cores"), [("ecp5", 3), ("large", 2)])
def test_a_trained_convolution_has_one_copy_of_its_kernels_in_as_few_cores_as_hold_its_neurons(arch, cores):
    """1,152 neurons behind 200 weights: 25 beats of eight lanes, 12.5 words."""
    network = read_network(EXAMPLES / "mnist_conv.nir")
    image = compile_network(network, load_architecture(arch), choose_semantics("snntorch")).image
    conv1, conv2 = inspect_image(image)["projections"][:2]
    assert cores == -(-1152 // image.arch.neurons)
    assert (conv1["cores"], conv1["distinct_bits"]) == (cores, 200 * 8)
    assert conv1["core_memory_bits"] == 13 * 128
    assert conv1["memory_bits"] == cores * conv1["core_memory_bits"]
    assert conv2["cores"] == 1
    assert conv2["memory_bits"] <= 1.05 * conv2["distinct_bits"]


# ---------------------------------------------------------------------------------- the machine runs what was quantized
@pytest.mark.parametrize("arch", [ECP5, UP5K, SMALL], ids=lambda a: a.name)
@pytest.mark.parametrize("reset", ["value", "subtract", "delayed-subtract"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_spikes_are_those_of_the_integer_network(arch, reset, recurrent):
    rng = np.random.default_rng(7)
    network = random_network(rng, recurrent=recurrent, bias=0.03, beta=0.85)
    check_integers(network, arch, choose_semantics("nir", reset=reset), rng)


def test_synaptic_currents_decays_and_thresholds_of_their_own_run_exactly():
    rng = np.random.default_rng(8)
    a = lif("a", (19,), rng.uniform(0.5, 0.95, 19), rng.uniform(0.5, 2, 19), rng.normal(0, 0.05, 19), -0.2, "CubaLIF")
    b = lif("b", (6,), model="IF", threshold=2.0)
    network = Network(
        (20,),
        (a, b),
        (dense("in", INPUT, "a", rng.normal(0.1, 0.4, (20, 19))), dense("ab", "a", "b", rng.normal(0.2, 0.5, (19, 6)))),
        "b",
    )
    check_integers(network, ECP5, choose_semantics("nir", compare=">="), rng)


def test_skip_connections_arrive_with_the_layer_they_skip():
    rng = np.random.default_rng(9)
    base = random_network(rng, sizes=(14, 11, 9))
    skip = (
        dense("skip", "layer0", "layer2", rng.normal(0, 0.4, (14, 9))),
        dense("in2", INPUT, "layer2", rng.normal(0, 0.4, (20, 9))),
    )
    network = dataclasses.replace(base, projections=base.projections + skip)
    check_integers(network, ECP5, choose_semantics(), rng)


def test_a_convolution_over_several_cores_runs_exactly():
    rng = np.random.default_rng(10)
    network = conv_network(rng, channels=4, size=6)
    check_integers(network, dataclasses.replace(SMALL, neurons=32, axons=256), choose_semantics(), rng, timesteps=6)


def check_integers(network, arch, semantics, rng, timesteps=12):
    compilation = compile_network(network, arch, semantics)
    spikes = (rng.random((2, timesteps, network.n_inputs)) < 0.3).astype(np.uint8)
    probes = [f"v:{p.name}" for p in compilation.image.populations]
    result = emulator.run(compilation.image, spikes, record_spikes=True, probes=probes)
    total = 0
    for sample in range(2):
        integers = {"network": compilation.quantized, "state_bits": arch.state_bits}
        wanted, membranes = simulate_integers(integers, spikes[sample])
        for population in compilation.image.populations:
            mine = {tuple(place): i for i, place in enumerate(population.location.tolist())}
            got = np.zeros_like(wanted[population.name])
            for s, t, core, neuron in result.spikes.tolist():
                if s == sample and (core, neuron) in mine:
                    got[t - population.depth, mine[core, neuron]] = True
            np.testing.assert_array_equal(got, wanted[population.name], err_msg=population.name)
            v = result.probes[f"v:{population.name}"][sample][population.depth :][:timesteps]
            np.testing.assert_array_equal(v, membranes[population.name][: len(v)], err_msg=population.name)
            total += got.sum()
    assert total > 20, "a silent network proves nothing"


def test_reference_and_kernel_agree_on_a_compiled_network():
    rng = np.random.default_rng(11)
    image = compile_network(random_network(rng, recurrent=True), SMALL).image
    spikes = (rng.random((1, 8, 20)) < 0.3).astype(np.uint8)
    fast = emulator.run(image, spikes)
    slow = Reference(image)
    slow.reset(8)
    for t in range(8 + image.latency):
        if t < 8:
            for i in np.flatnonzero(spikes[0, t]):
                for route in image.input_routes[image.input_pointers[i] : image.input_pointers[i + 1]]:
                    slow.inject(route)
        slow.step()
    assert slow.cycles() == fast.sample_cycles[0]
    for name, values in fast.counters.items():
        assert [core.counters[name] for core in slow.cores] == values.tolist(), name


def test_an_image_survives_its_file(tmp_path):
    image = compile_network(random_network(np.random.default_rng(12)), ECP5).image
    save_image(image, tmp_path / "a.nmi")
    again = load_image(tmp_path / "a.nmi")
    save_image(again, tmp_path / "b.nmi")
    assert (tmp_path / "a.nmi").read_bytes() == (tmp_path / "b.nmi").read_bytes()
    assert again.arch == image.arch


# --------------------------------------------------------------------------------------------- precision, operations
def test_wide_weights_and_state_follow_the_float_network():
    rng = np.random.default_rng(13)
    network = random_network(rng, sizes=(40, 20))
    spikes = (rng.random((20, 30, 20)) < 0.3).astype(np.uint8)
    exact = run_float(discretize(network, choose_semantics()), spikes)
    result = emulator.run(compile_network(network, ECP5, weight_bits=16).image, spikes)
    assert exact.output_counts.sum() > 100
    assert (result.output_counts == exact.output_counts).all(axis=1).mean() >= 0.95


def test_synaptic_operations_are_neurobenchs_effective_acs():
    """weight != 0 and input != 0, bias excluded, on the spikes that the machine itself fired."""
    rng = np.random.default_rng(14)
    network = random_network(rng, density=0.4, recurrent=True, bias=0.02)
    compilation = compile_network(network, ECP5, weight_bits=4)
    spikes = (rng.random((3, 10, 20)) < 0.3).astype(np.uint8)
    result = emulator.run(compilation.image, spikes, record_spikes=True)
    q = compilation.quantized
    wanted = 0
    for p in q.projections:
        fan_out = np.diff(p.matrix.indptr)
        if p.source == INPUT:
            wanted += int((spikes.sum(axis=(0, 1)) * fan_out).sum())
            continue
        population = compilation.image.population(p.source)
        last = population.depth + 10 - 1 - (1 if p.name == "rec" else 0)  # the last recurrent spikes find no timestep
        place = {tuple(x): i for i, x in enumerate(population.location.tolist())}
        for _, t, core, neuron in result.spikes.tolist():
            if (core, neuron) in place and t <= last:
                wanted += int(fan_out[place[core, neuron]])
    assert result.total("synaptic_operations") == wanted > 0


# ------------------------------------------------------------------------------------------------------ errors
def test_a_loop_without_delay_is_named():
    rng = np.random.default_rng(15)
    base = random_network(rng, sizes=(5, 4))
    back = dense("back", "layer1", "layer0", rng.normal(size=(4, 5)), delay=1)
    network = dataclasses.replace(base, projections=(*base.projections, back), origin="net")
    with pytest.raises(InputError) as error:
        retime(discretize(network, choose_semantics()), 4)
    assert str(error.value) == (
        "net: the loop layer0 -> layer1 -> layer0 takes 2 hops but carries less delay than that; "
        "add a Delay of a timestep per hop to one of its edges, or read every edge as a timestep with --edges step"
    )
    slower = dataclasses.replace(base, projections=(*base.projections, dataclasses.replace(back, delay=2)))
    assert retime(discretize(slower, choose_semantics()), 4).delays == (0, 0, 0)


def test_a_delay_beyond_the_slots_is_named():
    base = random_network(np.random.default_rng(16), sizes=(5, 4))
    far = dense("far", INPUT, "layer1", np.ones((20, 4)), delay=7)
    with pytest.raises(DoesNotFitError) as error:
        retime(discretize(dataclasses.replace(base, projections=(*base.projections, far)), choose_semantics()), 4)
    assert error.value.problems == [
        "'far' needs an axonal delay of 8 timesteps, the architecture has delays up to 3; use one with more delay_slots"
    ]


def test_everything_that_does_not_fit_is_gathered():
    rng = np.random.default_rng(17)
    tiny = dataclasses.replace(ECP5, name="tiny", mesh_width=1, mesh_height=1, synapse_words=2, neurons=8, rtl=False)
    network = random_network(rng, n_inputs=100, sizes=(8, 8))
    beyond = [
        f"{name!r}: 8 of its neurons alone need {words} synapse words in a core, which holds 2; use fewer "
        "--weight-bits or a larger --arch"
        for name, words in (("layer0", 50), ("layer1", 4))
    ]
    with pytest.raises(DoesNotFitError) as error:
        compile_network(network, tiny)
    assert error.value.problems == [
        "the network's 16 neurons need 2 cores or more, 'tiny' has 1 core; "
        "use a larger --arch, or fewer --weight-bits where synapses fill the cores",
        *beyond,
    ]
    wide = dataclasses.replace(tiny, neurons=64)
    with pytest.raises(DoesNotFitError) as error:
        compile_network(network, wide)
    assert len(error.value.problems) >= 2
    assert error.value.problems[0] == (
        "'layer0': 8 of its neurons alone need 50 synapse words in a core, which holds 2; "
        "use fewer --weight-bits or a larger --arch"
    )


def test_a_neuron_that_does_not_spike_may_only_be_the_output():
    rng = np.random.default_rng(18)
    network = Network(
        (4,),
        (lif("mid", (3,), model="LI"), lif("out", (2,))),
        (dense("a", INPUT, "mid", rng.normal(size=(4, 3))), dense("b", "mid", "out", rng.normal(size=(3, 2)))),
        "out",
        "net",
    )
    with pytest.raises(InputError) as error:
        compile_network(network, ECP5)
    assert str(error.value) == (
        "net: 'mid' (LI) does not spike, so nothing can follow it; only the output may be an I, LI or CubaLI"
    )


def test_unknown_semantics_and_weight_bits_are_refused():
    with pytest.raises(UsageError) as error:
        choose_semantics("lavaa")
    assert str(error.value).startswith("no semantics 'lavaa'; the presets are nir, ")
    with pytest.raises(UsageError) as error:
        compile_network(random_network(np.random.default_rng(19)), ECP5, weight_bits=3)
    assert str(error.value) == "3 weight bits; the choices are 1, 2, 4, 8, 16"


def test_weights_of_the_wrong_shape_are_named():
    with pytest.raises(InputError) as error:
        Network((4,), (lif("a", (3,)),), (dense("w", INPUT, "a", np.ones((5, 3))),), "a", "net")
    assert str(error.value) == (
        "net: 'w' connects 'input' to 'a', which needs weights of shape (4, 3), but they have (5, 3)"
    )


def test_windows_survive_a_projection_object():
    """A projection marked convolutional whose rows have nothing in common is still packed correctly."""
    rng = np.random.default_rng(20)
    base = random_network(rng, density=0.3)
    odd = tuple(Projection(p.name, p.source, p.target, p.matrix, p.delay, True) for p in base.projections)
    check_integers(dataclasses.replace(base, projections=odd), ECP5, choose_semantics(), rng)


def test_programs_keep_to_four_passes_for_a_plain_lif():
    network = random_network(np.random.default_rng(21))
    image = compile_network(network, load_architecture("large")).image
    core = next(c for c, parts in zip(image.cores, image.notes.parts, strict=True) if parts)
    ops = [isa.decode(word) for word in core.program]
    first_end = next(i for i, op in enumerate(ops) if op.name == "end")
    vectors = [op.name for op in ops[:first_end] if op.row.vector]
    assert vectors == ["mac", "cgt", "mov", "spk"] * 2
