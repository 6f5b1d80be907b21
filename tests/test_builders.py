"""Networks made in Python with `nm.dense` and its like, against plain numpy."""

import numpy as np
import pytest

import nmcompile as nm
from emulator.spec.errors import InputError

LIF = {"tau": 2e-3, "r": 20.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}


def lif(name, *shape, **params):
    return nm.population(name, "LIF", *shape, **(LIF | params))


def test_neurons_spread_a_number_and_keep_an_array():
    made = lif("n", 2, 3, tau=np.arange(1.0, 7.0), bias=0.5)
    assert made.shape == (2, 3)
    assert made.params["tau"].tolist() == [1, 2, 3, 4, 5, 6]
    assert made.bias.tolist() == [0.5] * 6
    assert made.params["v_threshold"].tolist() == [1.0] * 6


def test_dense_stores_the_weights_that_are_not_zero():
    made = nm.dense(nm.inputs(2), lif("n", 2), [[1, 0], [2, 3]], delay=2)
    assert (made.name, made.source, made.target, made.delay, made.matrix.nnz) == ("input->n", "input", "n", 2, 3)
    assert made.matrix.toarray().tolist() == [[1, 0], [2, 3]]


def test_one_to_one_is_a_diagonal():
    made = nm.one_to_one(nm.inputs(3), lif("n", 3), [1, 2, 3], name="own")
    assert made.name == "own"
    assert made.matrix.toarray().tolist() == np.diag([1, 2, 3]).tolist()


def test_a_weight_of_zero_is_no_synapse():
    assert nm.one_to_one(nm.inputs(2), lif("n", 2), [0, 2]).matrix.nnz == 1


def test_all_to_all_leaves_out_a_neuron_and_itself():
    n = lif("n", 3)
    assert nm.all_to_all(n, n, 0.5).matrix.toarray().tolist() == (0.5 * (1 - np.eye(3))).tolist()
    assert nm.all_to_all(n, n, 0.5, itself=True).matrix.toarray().tolist() == (0.5 * np.ones((3, 3))).tolist()


def test_a_convolution_of_a_row_is_numpys():
    x, kernel = np.arange(1.0, 7.0), np.array([1.0, -2.0, 4.0])
    made = nm.conv1d(nm.inputs(1, 6), lif("n", 1, 4), kernel[None, None])
    assert (x @ made.matrix).tolist() == np.correlate(x, kernel, "valid").tolist()
    assert (made.convolutional, made.parameters) == (True, 3)


def test_a_convolution_of_a_row_strides_along_it():
    made = nm.conv1d(nm.inputs(1, 6), lif("n", 1, 2), np.array([[[1.0, 0.0, 4.0]]]), stride=2, dilation=1)
    assert (np.arange(6.0) @ made.matrix).tolist() == [8.0, 18.0]


def test_a_convolution_of_an_image_has_its_stride_and_padding():
    image, kernel = np.arange(16.0).reshape(4, 4), np.arange(9.0).reshape(3, 3)
    made = nm.conv2d(nm.inputs(1, 4, 4), lif("n", 1, 2, 2), kernel[None, None], stride=2, padding=1)
    framed = np.pad(image, 1)
    wanted = [[(framed[i : i + 3, j : j + 3] * kernel).sum() for j in (0, 2)] for i in (0, 2)]
    assert (image.reshape(-1) @ made.matrix).reshape(2, 2).tolist() == wanted


def test_a_chain_is_a_network_of_layers_that_compiles():
    hidden, out = lif("hidden", 2, 4), lif("out", 3)
    kernel, weights = np.ones((2, 1, 3)), np.ones((8, 3))
    network = nm.chain(nm.inputs(1, 6), (lambda a, b: nm.conv1d(a, b, kernel), hidden), (weights, out))
    assert [(p.source, p.target) for p in network.projections] == [("input", "hidden"), ("hidden", "out")]
    assert (network.input_shape, network.output) == ((1, 6), "out")
    assert nm.compile_network(network).image.n_inputs == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lif("n", 3, tau=[1.0, 2.0]), "'n': tau has shape (2,); give a number, or 3 of them"),
        (
            lambda: nm.dense(nm.inputs(2), lif("n", 3), np.ones((3, 2))),
            "'input' to 'n': weights of shape (3, 2), but 2 and 3 neurons",
        ),
        (
            lambda: nm.one_to_one(nm.inputs(2), lif("n", 3)),
            "'input' to 'n': one to one: weights of shape (3, 3), but 2 and 3 neurons",
        ),
        (
            lambda: nm.conv2d(nm.inputs(1, 4, 4), lif("n", 1, 4, 4), np.ones((1, 1, 3, 3))),
            "'input->n': gives (1, 2, 2), but 'n' has shape (1, 4, 4); make it (1, 2, 2)",
        ),
        (
            lambda: nm.conv2d(nm.inputs(16), lif("n", 4), np.ones((1, 1, 3, 3))),
            "'input->n': a kernel of shape (1, 1, 3, 3) on 'input' of shape (16,); give (out, in / groups, height, "
            "width) and (channels, height, width)",
        ),
        (
            lambda: nm.conv1d(nm.inputs(16), lif("n", 4), np.ones((1, 1, 3))),
            "'input->n': a kernel of shape (1, 1, 3) on 'input' of shape (16,); give (out, in / groups, length) and "
            "(channels, length)",
        ),
        (
            lambda: nm.conv2d(nm.inputs(1, 2, 2), lif("n", 4), np.ones((1, 1, 3, 3))),
            "'input->n': a kernel of 3 x 3 leaves nothing of an image of 2 x 2",
        ),
        (lambda: nm.chain(nm.inputs(2)), "chain: no layers; give (weights, neurons) of at least one"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
