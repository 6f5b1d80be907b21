"""The NIR reader: every node that it reads against arithmetic done in another way, and every trap of real files."""

import math
import re

import h5py
import nir
import numpy as np
import pytest
from nirfiles import LAYERS, chain, edit, give, lif, put, take, two_layers, write

from emulator.spec.errors import InputError
from nmcompile.discretize.discretize import discretize
from nmcompile.frontends import read_network
from nmcompile.frontends.nir import read_nir
from nmcompile.network.limits import INPUT
from nmcompile.network.semantics import choose_semantics


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.nir"


def read_layer(path, node, given, out):
    """The only projection of input -> node -> LIF, and the LIF population."""
    write(
        path,
        {"in": give(*given), "node": node, "lif": lif(*out), "out": take(*out)},
        chain("in", "node", "lif", "out"),
    )
    network = read_nir(path)
    (projection,) = network.projections
    (population,) = network.populations
    assert network.input_shape == given
    return projection, population


def loop_conv(image, weight, stride, padding, dilation, groups):
    """A convolution one output at a time; image (channels, height, width)."""
    out_channels, per, kh, kw = weight.shape
    (top, bottom), (left, right) = padding
    padded = np.pad(image, ((0, 0), (top, bottom), (left, right)))
    oh = (padded.shape[1] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (padded.shape[2] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((out_channels, oh, ow))
    for o, y, x in np.ndindex(*out.shape):
        for i, ky, kx in np.ndindex(per, kh, kw):
            channel = o // (out_channels // groups) * per + i
            out[o, y, x] += (
                weight[o, i, ky, kx]
                * padded[channel, y * stride[0] + ky * dilation[0], x * stride[1] + kx * dilation[1]]
            )
    return out


# ------------------------------------------------------------------------------------------------- linear nodes
def test_affine_gives_its_weights_transposed_and_its_bias(path, rng):
    weight, bias = rng.normal(size=(3, 4)), rng.normal(size=3)
    projection, population = read_layer(path, nir.Affine(weight, bias), (4,), (3,))
    np.testing.assert_array_equal(projection.matrix.toarray(), weight.T)
    np.testing.assert_array_equal(population.bias, bias)
    assert (projection.name, projection.source, projection.target) == ("node", INPUT, "lif")
    assert (projection.delay, projection.convolutional, projection.parameters) == (0, False, 12)


def test_linear_gives_its_weights_and_no_bias(path, rng):
    weight = rng.normal(size=(3, 4)).astype(np.float32)
    projection, population = read_layer(path, nir.Linear(weight), (4,), (3,))
    np.testing.assert_array_equal(projection.matrix.toarray(), weight.T.astype(np.float64))
    assert not population.bias.any()


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "kernel"),
    [
        (1, 0, 1, 1, (3, 3)),
        ((2, 1), (1, 2), (1, 1), 1, (3, 5)),
        ((1, 1), "same", (2, 1), 1, (3, 4)),
        ((1, 1), "same", (1, 1), 1, (2, 2)),
        ((3, 2), (0, 1), (1, 2), 2, (2, 3)),
        ((2, 2), "valid", (1, 1), 4, (1, 2)),
    ],
)
def test_conv2d_is_the_convolution_by_loops(path, rng, stride, padding, dilation, groups, kernel):
    weight, bias = rng.normal(size=(8, 4 // groups, *kernel)), rng.normal(size=8)
    image = rng.normal(size=(4, 7, 9))
    pair = lambda v: (v, v) if isinstance(v, int) else v  # noqa: E731
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(pair(dilation), kernel, strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in ((0, 0) if padding == "valid" else pair(padding))]
    wanted = loop_conv(image, weight, pair(stride), pads, pair(dilation), groups)
    node = nir.Conv2d(None, weight, stride, padding, dilation, groups, bias)
    projection, population = read_layer(path, node, (4, 7, 9), wanted.shape)
    np.testing.assert_allclose(image.reshape(-1) @ projection.matrix, wanted.reshape(-1), atol=1e-12)
    np.testing.assert_array_equal(population.bias.reshape(wanted.shape), bias[:, None, None] + np.zeros(wanted.shape))
    assert population.shape == wanted.shape
    assert projection.convolutional
    assert projection.parameters == weight.size


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 2, 2), (1, "same", 1, 1)])
def test_conv1d_is_the_convolution_by_loops(path, rng, stride, padding, dilation, groups):
    weight, bias = rng.normal(size=(6, 4 // groups, 3)), rng.normal(size=6)
    signal = rng.normal(size=(4, 11))
    around = dilation if padding == "same" else padding
    wanted = loop_conv(
        signal[:, None], weight[:, :, None], (1, stride), ((0, 0), (around, around)), (1, dilation), groups
    )[:, 0]
    node = nir.Conv1d(None, weight, stride, padding, dilation, groups, bias)
    projection, population = read_layer(path, node, (4, 11), wanted.shape)
    np.testing.assert_allclose(signal.reshape(-1) @ projection.matrix, wanted.reshape(-1), atol=1e-12)
    np.testing.assert_array_equal(population.bias.reshape(wanted.shape), bias[:, None] + np.zeros(wanted.shape))


def test_shapes_of_a_non_square_kernel_are_computed_and_not_taken_from_the_file(path, rng):
    # nir takes the kernel's height for both axes and writes what follows from it into the next node
    nodes = {
        "in": give(1, 6, 8),
        "a": nir.Conv2d((6, 8), rng.normal(size=(2, 1, 1, 5)), 1, 0, 1, 1, np.zeros(2)),
        "b": nir.Conv2d((6, 8), rng.normal(size=(3, 2, 3, 1)), 1, 0, 1, 1, np.zeros(3)),
        "lif": lif(3, 4, 4),
        "out": take(3, 4, 4),
    }
    network = read_nir(write(path, nodes, chain("in", "a", "b", "lif", "out")))
    (projection,) = network.projections
    assert projection.matrix.shape == (48, 48)
    assert projection.name == "a+b"


@pytest.mark.parametrize("kind", [nir.SumPool2d, nir.AvgPool2d])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 0)), (2, 2, 0)]
)
def test_pools_sum_or_average_every_channel(path, rng, kind, kernel, stride, padding):
    image = rng.normal(size=(3, 6, 8))
    k, s, p = (np.broadcast_to(v, 2) for v in (kernel, stride, padding))
    weight = np.ones((3, 1, *k)) / (k.prod() if kind is nir.AvgPool2d else 1)
    wanted = loop_conv(image, weight, s, ((p[0], p[0]), (p[1], p[1])), (1, 1), 3)
    whole = [np.array(v) for v in (kernel, stride, padding)]
    projection, _ = read_layer(path, kind(*whole), (3, 6, 8), wanted.shape)
    np.testing.assert_allclose(image.reshape(-1) @ projection.matrix, wanted.reshape(-1), atol=1e-12)


def test_a_pool_without_a_stride_steps_by_its_kernel(path):
    node = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    nodes = {"in": give(1, 4, 4), "pool": node, "lif": lif(1, 2, 2), "out": take(1, 2, 2)}
    write(path, nodes, chain("in", "pool", "lif", "out"))
    with_stride = read_nir(path).projections[0].matrix
    edit(path, lambda file: file["node/nodes/pool"].__delitem__("stride"))
    assert (read_nir(path).projections[0].matrix != with_stride).nnz == 0


@pytest.mark.parametrize(("start", "given"), [(0, (2, 3, 4)), (1, (2, 3, 4))])
def test_flatten_disappears_whatever_its_start(path, rng, start, given):
    weight = rng.normal(size=(5, 24))
    nodes = {
        "in": give(*given),
        "flat": nir.Flatten({"input": np.array(given)}, start, -1),
        "fc": nir.Linear(weight),
        "lif": lif(5),
        "out": take(5),
    }
    (projection,) = read_nir(write(path, nodes, chain("in", "flat", "fc", "lif", "out"))).projections
    np.testing.assert_array_equal(projection.matrix.toarray(), weight.T)
    assert projection.name == "fc"


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 1, 1), (), (1,)])
def test_scale_multiplies_each_value_or_channel_or_all(path, rng, shape):
    scale, image = rng.normal(size=shape), rng.normal(size=(2, 3, 4))
    projection, _ = read_layer(path, nir.Scale(np.array(scale)), (2, 3, 4), (2, 3, 4))
    np.testing.assert_allclose(image.reshape(-1) @ projection.matrix, (image * scale).reshape(-1))


def test_linear_nodes_in_a_row_fold_into_one_projection_with_their_biases(path, rng):
    a, b, scale = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=4)
    bias_a, bias_b = rng.normal(size=4), rng.normal(size=2)
    nodes = {
        "in": give(3),
        "a": nir.Affine(a, bias_a),
        "scale": nir.Scale(scale),
        "b": nir.Affine(b, bias_b),
        "lif": lif(2),
        "out": take(2),
    }
    network = read_nir(write(path, nodes, chain("in", "a", "scale", "b", "lif", "out")))
    (projection,) = network.projections
    np.testing.assert_allclose(projection.matrix.toarray(), (b @ np.diag(scale) @ a).T, atol=1e-12)
    np.testing.assert_allclose(network.populations[0].bias, b @ (scale * bias_a) + bias_b, atol=1e-12)
    assert projection.name == "a+scale+b"


# ------------------------------------------------------------------------------------------------ neuron models
NEURONS = {
    "I": (nir.I, ("r",)),
    "IF": (nir.IF, ("r", "v_threshold", "v_reset")),
    "LI": (nir.LI, ("tau", "r", "v_leak")),
    "LIF": (nir.LIF, ("tau", "r", "v_leak", "v_threshold", "v_reset")),
    "CubaLI": (nir.CubaLI, ("tau_syn", "tau_mem", "r", "v_leak", "w_in")),
    "CubaLIF": (nir.CubaLIF, ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")),
}


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_keep_their_model_and_every_parameter(path, rng, name):
    kind, keys = NEURONS[name]
    params = {key: rng.uniform(0.5, 2, 3) for key in keys}
    nodes = {"in": give(3), "neurons": kind(**params), "out": take(3)}
    (population,) = read_nir(write(path, nodes, chain("in", "neurons", "out"))).populations
    assert (population.name, population.model, population.shape) == ("neurons", name, (3,))
    assert set(population.params) == set(keys)
    for key in keys:
        np.testing.assert_array_equal(population.params[key], params[key])


@pytest.mark.parametrize("name", NEURONS)
def test_scalar_parameters_take_the_size_of_what_flows_in(path, rng, name):
    kind, keys = NEURONS[name]
    nodes = {
        "in": give(4),
        "fc": nir.Linear(rng.normal(size=(3, 4))),
        "neurons": kind(**{key: np.array(0.5) for key in keys}),
        "out": take(3),
    }
    (population,) = read_nir(write(path, nodes, chain("in", "fc", "neurons", "out"))).populations
    assert population.shape == (3,)
    assert all((values == 0.5).all() and values.shape == (3,) for values in population.params.values())


@pytest.mark.parametrize("first", ["a_rec", "z_rec"])
def test_scalar_parameters_in_a_loop_take_the_size_of_the_feed_forward_path(path, rng, first):
    nodes = {
        "in": give(4),
        "fc": nir.Conv1d(None, rng.normal(size=(3, 1, 2)), 1, 0, 1, 1, np.zeros(3)),
        first: nir.Scale(np.array(0.5)),
        "neurons": nir.IF(r=np.array(1.0), v_threshold=np.array(1.0), v_reset=np.array(0.0)),
        "out": take(3, 3),
    }
    edges = [*chain("in", "fc", "neurons", "out"), ("neurons", first), (first, "neurons")]
    nodes["in"] = give(1, 4)
    network = read_nir(write(path, nodes, edges))
    assert network.populations[0].shape == (3, 3)
    assert {(p.source, p.delay) for p in network.projections} == {(INPUT, 0), ("neurons", 1)}


@pytest.mark.parametrize("name", ["IF", "LIF", "CubaLIF"])
def test_a_missing_v_reset_is_zero(path, name):
    kind, keys = NEURONS[name]
    write(
        path,
        {"in": give(2), "n": kind(**{key: np.full(2, 0.7) for key in keys}), "out": take(2)},
        chain("in", "n", "out"),
    )
    edit(path, lambda file: file["node/nodes/n"].__delitem__("v_reset"))
    np.testing.assert_array_equal(read_nir(path).populations[0].params["v_reset"], [0, 0])


def test_flat_parameters_behind_a_convolution_keep_its_shape(path, rng):
    nodes = {
        "in": give(1, 6, 6),
        "a": nir.Conv2d(None, rng.normal(size=(2, 1, 3, 3)), 1, 0, 1, 1, np.zeros(2)),
        "one": lif(32),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "two": lif(8),
        "out": take(8),
    }
    network = read_nir(write(path, nodes, chain("in", "a", "one", "pool", "two", "out")))
    assert [p.shape for p in network.populations] == [(2, 4, 4), (2, 2, 2)]


# -------------------------------------------------------------------------------------------------------- graphs
def test_order_follows_the_edges_and_not_the_names(path, rng):
    # HDF5 gives names back in alphabetical order: '10' before '2'
    nodes = {"input": give(3), "output": take(3)}
    names = [str(i) for i in range(1, 13)]
    for name in names:
        nodes[name] = nir.Linear(rng.normal(size=(3, 3))) if int(name) % 2 else lif(3)
    edges = chain("input", *names, "output")
    network = read_nir(write(path, nodes, rng.permutation(edges).tolist()))
    network = discretize(network, choose_semantics()).network
    assert [p.name for p in network.populations] == ["2", "4", "6", "8", "10", "12"]
    assert [(p.name, p.source, p.target) for p in sorted(network.projections, key=lambda p: int(p.name))] == [
        ("1", INPUT, "2"),
        ("3", "2", "4"),
        ("5", "4", "6"),
        ("7", "6", "8"),
        ("9", "8", "10"),
        ("11", "10", "12"),
    ]
    assert network.output == "12"


def test_several_edges_into_a_neuron_are_several_projections(path, rng):
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    nodes = {"in": give(4), "a": nir.Affine(a, np.full(3, 0.25)), "l1": lif(3), "out": take(3)}
    nodes |= {"b": nir.Affine(b, np.full(3, 0.5)), "c": nir.Linear(np.eye(3)), "l2": lif(3)}
    edges = [*chain("in", "a", "l1", "c", "l2", "out"), *chain("in", "b", "l2")]
    network = read_nir(write(path, nodes, edges))
    assert {(p.name, p.source, p.target, p.delay) for p in network.projections} == {
        ("a", INPUT, "l1", 0),
        ("b", INPUT, "l2", 0),
        ("c", "l1", "l2", 0),
    }
    np.testing.assert_array_equal(network.population("l2").bias, np.full(3, 0.5))


def test_two_paths_from_one_source_sum_into_one_projection(path, rng):
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    nodes = {"in": give(4), "a": nir.Affine(a, np.full(3, 0.25)), "b": nir.Affine(b, np.full(3, 0.5))}
    nodes |= {"lif": lif(3), "out": take(3)}
    network = read_nir(write(path, nodes, [*chain("in", "a", "lif", "out"), *chain("in", "b", "lif")]))
    (projection,) = network.projections
    np.testing.assert_allclose(projection.matrix.toarray(), (a + b).T)
    np.testing.assert_array_equal(network.populations[0].bias, np.full(3, 0.75))
    assert (projection.name, projection.parameters) == ("a+b", 24)


def test_edges_straight_between_neurons_are_identities(path):
    nodes = {"in": give(3), "l1": lif(3), "l2": lif(3), "out": take(3)}
    network = read_nir(write(path, nodes, chain("in", "l1", "l2", "out")))
    for projection in network.projections:
        np.testing.assert_array_equal(projection.matrix.toarray(), np.eye(3))
    assert [p.name for p in network.projections] == ["input->l1", "l1->l2"]


def test_an_edge_written_twice_counts_once(path):
    nodes = {"in": give(3), "l1": lif(3), "out": take(3)}
    network = read_nir(write(path, nodes, [*chain("in", "l1", "out"), ("in", "l1")]))
    np.testing.assert_array_equal(network.projections[0].matrix.toarray(), np.eye(3))


def test_one_linear_node_between_several_populations_gives_names_that_differ(path, rng):
    nodes = {"in": give(3), "l1": lif(3), "l2": lif(3), "shared": nir.Linear(rng.normal(size=(3, 3))), "l3": lif(3)}
    nodes["out"] = take(3)
    edges = [*chain("in", "l1", "shared", "l3", "out"), *chain("in", "l2", "shared")]
    names = [p.name for p in read_nir(write(path, nodes, edges)).projections]
    assert len(set(names)) == len(names) == 4


def test_recurrence_is_a_projection_with_a_delay_of_one(path, rng):
    recurrent = rng.normal(size=(3, 3))
    nodes = {"in": give(3), "lif": lif(3), "rec": nir.Linear(recurrent), "out": take(3)}
    network = read_nir(write(path, nodes, [*chain("in", "lif", "rec", "lif"), ("lif", "out")]))
    found = {p.name: p for p in network.projections}
    assert (found["rec"].source, found["rec"].target, found["rec"].delay) == ("lif", "lif", 1)
    np.testing.assert_array_equal(found["rec"].matrix.toarray(), recurrent.T)
    assert found["input->lif"].delay == 0


def test_a_skip_connection_has_no_delay_of_its_own(path):
    nodes = {"in": give(3), "l1": lif(3), "l2": lif(3), "l3": lif(3), "out": take(3)}
    network = read_nir(write(path, nodes, [*chain("in", "l1", "l2", "l3", "out"), ("l1", "l3")]))
    assert {(p.source, p.target, p.delay) for p in network.projections} == {
        (INPUT, "l1", 0),
        ("l1", "l2", 0),
        ("l2", "l3", 0),
        ("l1", "l3", 0),
    }


def nested(rng):
    inner = nir.NIRGraph(
        {"input": give(3), "lif": lif(3), "w_rec": nir.Linear(rng.normal(size=(3, 3))), "output": take(3)},
        [*chain("input", "lif", "w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )
    return {"input": give(4), "fc": nir.Linear(rng.normal(size=(3, 4))), "rnn": inner, "output": take(3)}


def test_nested_graphs_dissolve_under_dotted_names(path, rng):
    network = read_nir(write(path, nested(rng), chain("input", "fc", "rnn", "output")))
    assert [p.name for p in network.populations] == ["rnn.lif"]
    assert network.output == "rnn.lif"
    assert {(p.name, p.source, p.delay) for p in network.projections} == {
        ("fc", INPUT, 0),
        ("rnn.w_rec", "rnn.lif", 1),
    }


def test_graphs_nest_in_each_other(path, rng):
    middle = nir.NIRGraph(
        {"input": give(3), "deep": nested(rng)["rnn"], "output": take(3)},
        chain("input", "deep", "output"),
        type_check=False,
    )
    nodes = {"input": give(3), "a.b": middle, "output": take(3)}
    network = read_nir(write(path, nodes, chain("input", "a.b", "output")))
    assert [p.name for p in network.populations] == ["a.b.deep.lif"]


def rename_inner(path, source, target):
    """Make the edges of the nested graph `rnn` say `target` for `source`."""

    def change(file):
        old = file["node/nodes/rnn/edges"].asstr()[()]
        new = [[target if end == source else end for end in edge] for edge in old]
        del file["node/nodes/rnn/edges"]
        file["node/nodes/rnn"].create_dataset("edges", data=np.array(new, dtype=h5py.string_dtype()))

    edit(path, change)


def test_a_nested_graph_with_one_wrong_name_is_repaired(path, rng):
    # the NIR paper's own Braille file: inner edges say 'lif', the node is 'lif1'
    write(path, nested(rng), chain("input", "fc", "rnn", "output"))
    right = read_nir(path)
    rename_inner(path, "lif", "lif1")
    repaired = read_nir(path)
    assert [p.name for p in repaired.populations] == ["rnn.lif"]
    for a, b in zip(right.projections, repaired.projections, strict=True):
        assert (a.name, a.source, a.target, a.delay) == (b.name, b.source, b.target, b.delay)
        np.testing.assert_array_equal(a.matrix.toarray(), b.matrix.toarray())


def test_a_nested_graph_with_two_candidates_is_not_repaired(path, rng):
    nodes = nested(rng)
    nodes["rnn"].nodes["idle"] = lif(3)
    write(path, nodes, chain("input", "fc", "rnn", "output"))
    rename_inner(path, "lif", "lif1")
    with pytest.raises(InputError) as error:
        read_nir(path)
    assert str(error.value) == (
        f"{path}: edge 'input' -> 'lif1' of graph 'rnn' names 'lif1', which is no node; "
        "there are idle, input, lif, output, w_rec"
    )


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3), (3,)])
def test_leading_axes_of_one_mean_nothing(path, shape):
    # Rockpool writes an Output of [1, 1, n], others a batch axis
    nodes = {"in": give(*shape), "lif": lif(*shape), "out": take(*shape)}
    network = read_nir(write(path, nodes, chain("in", "lif", "out")))
    assert network.n_inputs == 3
    assert network.populations[0].shape == (3,)


def test_a_batch_axis_before_an_image_means_nothing(path, rng):
    node = nir.Conv2d(None, rng.normal(size=(2, 1, 3, 3)), 1, 0, 1, 1, np.zeros(2))
    nodes = {"in": give(1, 1, 5, 5), "conv": node, "lif": lif(1, 2, 3, 3), "out": take(1, 2, 3, 3)}
    network = read_nir(write(path, nodes, chain("in", "conv", "lif", "out")))
    assert network.input_shape == (1, 5, 5)
    assert network.populations[0].shape == (2, 3, 3)


def test_a_flat_input_takes_the_image_size_that_the_convolution_knows(path, rng):
    node = nir.Conv2d((4, 5), rng.normal(size=(2, 3, 3, 3)), 1, 0, 1, 1, np.zeros(2))
    nodes = {"in": give(60), "conv": node, "lif": lif(2, 2, 3), "out": take(2, 2, 3)}
    network = read_nir(write(path, nodes, chain("in", "conv", "lif", "out")))
    assert network.populations[0].shape == (2, 2, 3)


def test_a_readout_without_spikes_can_be_the_output(path, rng):
    nodes = two_layers(rng) | {"lif2": nir.LI(np.full(3, 2e-3), np.full(3, 20.0), np.zeros(3))}
    network = read_nir(write(path, nodes, LAYERS))
    assert not network.population(network.output).spiking


def test_metadata_and_version_are_passed_over(path, rng):
    nodes = two_layers(rng)
    nodes["fc1"].metadata = {"note": "mine"}
    assert read_nir(write(path, nodes, LAYERS)).output == "lif2"


# ------------------------------------------------------------------------------------------------------ bad files
def message(path):
    with pytest.raises(InputError) as error:
        read_network(path)
    text = str(error.value)
    assert "\n" not in text
    return text.removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")


def test_a_missing_file_is_named(path):
    assert message(path) == "no such file"


def test_a_folder_is_no_network(path):
    path.mkdir()
    assert message(path) == "a folder; give a file"


def test_another_ending_is_no_network(path):
    with pytest.raises(InputError) as error:
        read_network("net.onnx")
    assert re.fullmatch(
        r"net\.onnx: cannot tell what it is from '\.onnx'; networks end in \.nir, \.h5, \.hdf5(, \.[a-z]+)*",
        str(error.value),
    )


def test_a_truncated_file_is_named(path, rng):
    write(path, two_layers(rng), LAYERS)
    path.write_bytes(path.read_bytes()[:-1000])
    assert message(path) == "not a NIR file, or truncated (OSError); export it again"


def test_text_is_no_network(path):
    path.write_text("hello")
    assert message(path) == "not a NIR file, or truncated (OSError); export it again"


def test_an_hdf5_file_without_a_graph_is_named(path):
    with h5py.File(path, "w") as file:
        file["x"] = 1
    assert message(path) == "an HDF5 file, but no NIR graph in it; write it with nir.write"


def test_a_node_without_a_type_is_named(path, rng):
    write(path, two_layers(rng), LAYERS)
    edit(path, lambda file: file["node/nodes/fc1"].__delitem__("type"))
    assert message(path) == "node 'fc1' has no type; export it again"


READS = (
    "I, IF, LI, LIF, CubaLI, CubaLIF, Threshold, Affine, Linear, Scale, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, "
    "Delay"
)


def test_an_unknown_node_is_named_even_where_nothing_flows(path, rng):
    write(path, two_layers(rng) | {"x": lif(2)}, LAYERS)
    edit(path, lambda file: put(file, "node/nodes/x/type", "Izhikevich"))
    assert message(path) == f"'x' is of type Izhikevich, which this compiler cannot express; put it in terms of {READS}"


def test_names_that_a_terminal_cannot_show_are_escaped(path, rng):
    write(path, two_layers(rng), LAYERS)
    edit(path, lambda file: put(file, "node/nodes/lif1/type", "\x01IF"))
    assert message(path) == f"'lif1' is of type \\x01IF, which this compiler cannot express; put it in terms of {READS}"


def test_an_edge_to_nowhere_is_named(path, rng):
    write(path, two_layers(rng), [*LAYERS, ("lif1", "fc3")])
    assert message(path) == (
        "edge 'lif1' -> 'fc3' names 'fc3', which is no node; there are fc1, fc2, input, lif1, lif2, output"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_named(path, rng, value):
    nodes = two_layers(rng)
    nodes["fc2"].weight[1, 2] = value
    assert message(write(path, nodes, LAYERS)) == (
        "'fc2' (Linear) has a weight or bias that is not finite; retrain or repair it"
    )


def test_a_threshold_that_is_not_finite_is_named(path, rng):
    nodes = two_layers(rng)
    nodes["lif1"].v_threshold[1] = math.nan
    assert message(write(path, nodes, LAYERS)) == "'lif1': v_threshold is not finite; retrain or repair it"


def broken(rng, **changes):
    nodes = two_layers(rng)
    nodes.update(changes)
    return nodes


BAD_GRAPHS = {
    "width": (
        lambda rng: broken(rng, fc2=nir.Linear(np.ones((3, 4)))),
        LAYERS,
        "'fc2' (Linear) takes 4 inputs, but 5 flow in from lif1",
    ),
    "parameters": (
        lambda rng: broken(rng, lif1=lif(4)),
        LAYERS,
        "'lif1' (LIF) has parameters for 4 neurons, but 5 values flow in from 'fc1'",
    ),
    "bias": (
        lambda rng: broken(rng, fc1=nir.Affine(np.ones((5, 6)), np.ones(4))),
        LAYERS,
        "'fc1' (Affine): 4 biases for 5 outputs",
    ),
    "tau": (
        lambda rng: broken(rng, lif1=lif(5, tau=0.0)),
        LAYERS,
        "'lif1': tau = 0 s; a time constant must not be 0",
    ),
    "unreached": (
        lambda rng: broken(rng, lif3=lif(3)),
        [*LAYERS, ("lif3", "lif2")],
        "nothing flows into 'lif3'; connect it or remove it",
    ),
    "own loop": (
        lambda rng: broken(rng, lif3=lif(3)),
        [*LAYERS, ("lif3", "lif3")],
        "'lif3' cannot be reached from the input; connect it or remove it",
    ),
    "no neurons in a loop": (
        lambda rng: broken(rng, a=nir.Scale(np.ones(5)), b=nir.Scale(np.ones(5))),
        [*LAYERS, *chain("fc1", "a", "b", "a"), ("b", "lif1")],
        "a loop without neurons: b -> a -> b; put a neuron into it",
    ),
    "linear output": (
        lambda rng: broken(rng, fc3=nir.Linear(np.ones((2, 3)))),
        [*LAYERS[:-1], *chain("lif2", "fc3", "output")],
        "the Output must be fed by one population of neurons; put an LI or I node behind a linear readout",
    ),
    "two outputs": (
        lambda rng: broken(rng, again=take(3)),
        [*LAYERS, ("lif2", "again")],
        "1 inputs and 2 outputs; a network needs one Input and one Output",
    ),
    "no input": (
        lambda rng: {name: node for name, node in two_layers(rng).items() if name != "input"},
        LAYERS[1:],
        "0 inputs and 1 outputs; a network needs one Input and one Output",
    ),
    "different sizes": (
        lambda rng: broken(rng, fc3=nir.Linear(np.ones((4, 6)))),
        [*LAYERS, *chain("input", "fc3", "lif1")],
        "the inputs of 'lif1' have different sizes: 'fc1' gives 5, 'fc3' gives 4",
    ),
    "a neuron called input": (
        lambda rng: {"in": give(3), "input": lif(3), "out": take(3)},
        chain("in", "input", "out"),
        "a LIF is called 'input', which names what comes from outside; rename it",
    ),
    "conv channels": (
        lambda rng: broken(rng, input=give(2, 3, 1), fc1=conv(np.ones((5, 1, 3, 1)))),
        LAYERS,
        "'fc1' (Conv2d): weights (5, 1, 3, 1) with 1 groups do not fit 2 input channels",
    ),
    "conv kernel": (
        lambda rng: broken(rng, input=give(1, 6, 1), fc1=conv(np.ones((5, 1, 3, 2)))),
        LAYERS,
        "'fc1' (Conv2d): a kernel of 3 x 2 leaves nothing of an image of 6 x 1",
    ),
    "conv stride": (
        lambda rng: broken(rng, input=give(1, 6, 1), fc1=conv(np.ones((5, 1, 3, 1)), stride=0)),
        LAYERS,
        "'fc1' (Conv2d): stride = 0, 0; it must be 1 or more",
    ),
    "conv padding": (
        lambda rng: broken(rng, input=give(1, 6, 1), fc1=conv(np.ones((5, 1, 3, 1)), padding=(-1, 0))),
        LAYERS,
        "'fc1' (Conv2d): padding = -1, 0; it must be 0 or more",
    ),
    "conv input": (
        lambda rng: broken(rng, fc1=conv(np.ones((5, 1, 3, 1)))),
        LAYERS,
        "'fc1' (Conv2d): an input of shape (6,), expected (channels, size, size)",
    ),
    "conv padding word": (
        lambda rng: broken(rng, input=give(1, 6, 1), fc1=conv(np.ones((5, 1, 3, 1)), padding="valid")),
        LAYERS,
        "'fc1' (Conv2d): padding 'full'; it is 'same', 'valid' or numbers",
    ),
    "pool kernel": (
        lambda rng: broken(rng, input=give(1, 3, 2), fc1=nir.SumPool2d(np.array([0, 1]), np.ones(2), np.zeros(2))),
        LAYERS,
        "'fc1' (SumPool2d): kernel_size = 0, 1; it must be 1 or more",
    ),
    "scale": (
        lambda rng: broken(rng, fc1=nir.Scale(np.ones(4))),
        LAYERS,
        "'fc1' (Scale): scale of shape (4,) for 6 elements of shape (6,)",
    ),
    "weights of one axis": (
        lambda rng: broken(rng, fc1=nir.Linear(np.ones((2, 5, 6)))),
        LAYERS,
        "'fc1' (Linear): weights of shape (2, 5, 6), expected (outputs, inputs)",
    ),
    "text": (
        lambda rng: broken(rng, lif1=lif(5)),
        LAYERS,
        "'lif1' (LIF): tau is of type |S3, expected real numbers",
    ),
    "input of nothing": (
        lambda rng: broken(rng, input=give(0)),
        LAYERS,
        "'input' has shape (0,); an input needs positive sizes, 67,108,864 in all at most",
    ),
    "a graph without an output": (
        lambda rng: {
            "input": give(3),
            "g": nir.NIRGraph({"input": give(3), "lif": lif(3)}, chain("input", "lif"), type_check=False),
            "output": take(3),
        },
        chain("input", "g", "output"),
        "graph 'g' has 0 Output nodes; to be joined, a nested graph needs one",
    ),
    "names that meet": (
        lambda rng: nested(rng) | {"rnn.lif": lif(3)},
        chain("input", "fc", "rnn", "output"),
        "two nodes are called 'rnn.lif' once nested graphs are dissolved; rename one",
    ),
}


def conv(weight, stride=1, padding=0):
    return nir.Conv2d(None, weight, stride, padding, 1, 1, np.zeros(len(weight)))


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_what_is_wrong_with_a_graph_is_said_in_a_line(path, rng, case):
    nodes, edges, wanted = BAD_GRAPHS[case]
    write(path, nodes(rng), edges)
    if case == "text":
        edit(path, lambda file: put(file, "node/nodes/lif1/tau", np.array([b"abc"])))
    if case == "conv padding word":
        edit(path, lambda file: put(file, "node/nodes/fc1/padding", "full"))
    assert message(path) == wanted


@pytest.mark.parametrize(("node", "key"), [("fc1", "weight"), ("lif1", "tau"), ("fc1", "bias")])
def test_a_missing_parameter_is_named(path, rng, node, key):
    write(path, two_layers(rng), LAYERS)
    edit(path, lambda file: file[f"node/nodes/{node}"].__delitem__(key))
    kind = {"fc1": "Affine", "lif1": "LIF"}[node]
    assert message(path) == f"'{node}' ({kind}) has no '{key}'; export it again"


def test_a_declared_size_beyond_memory_is_refused_before_it_is_read(path, rng):
    write(path, two_layers(rng), LAYERS)

    def change(file):
        del file["node/nodes/fc1/weight"]
        file["node/nodes/fc1"].create_dataset("weight", (1 << 20, 1 << 20), np.float32, chunks=(64, 64))

    edit(path, change)
    assert message(path) == "'/node/nodes/fc1/weight' has 1,099,511,627,776 values; at most 67,108,864"


@pytest.mark.parametrize(
    ("mark", "offset", "value", "wanted"),
    [
        # the sizes of the first string and of the free space of a heap: the library would circle for ever
        (b"GCOL", 24, (1 << 63) + 5, "damaged (a heap of text); export it again"),
        (b"GCOL", 24, 1 << 20, "damaged (a heap of text); export it again"),
        (b"GCOL", 8, 1 << 40, "damaged (a heap of text); export it again"),
    ],
)
def test_a_damaged_heap_is_refused_before_the_library_follows_it(path, rng, mark, offset, value, wanted):
    write(path, two_layers(rng), LAYERS)
    data = bytearray(path.read_bytes())
    at = data.index(mark) + offset
    data[at : at + 8] = value.to_bytes(8, "little")
    path.write_bytes(data)
    assert message(path) == wanted


def test_a_string_of_gigabytes_is_refused_before_it_is_allocated(path, rng):
    write(path, two_layers(rng), LAYERS)
    with h5py.File(path) as file:
        where = file["node/edges"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[where : where + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)
    assert message(path) == "damaged (a string too long); export it again"
