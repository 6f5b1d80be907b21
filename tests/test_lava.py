"""lava-dl's .net files run exactly as recorded, or as plain integers say that know nothing of the compiler."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from integers import check_machine, on_machine
from networks import dense
from scipy import signal

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, InputError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Population
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

CASES = Path(__file__).parent / "data"
ECP5 = load_architecture("ecp5")


def test_the_oxford_network_fires_as_slayer_recorded():
    """40 of the 200 outputs, 2,000 timesteps: 80,000 bits, none wrong."""
    network = read_network(CASES / "lava_dl" / "oxford.net")
    events = dict(np.load(CASES / "lava_dl" / "oxford.npz"))
    spikes, wanted = np.zeros((2000, 200), np.uint8), np.zeros((2000, 40), bool)
    spikes[tuple(events["input"].T)] = 1
    wanted[tuple(events["output"].T)] = True
    compilation = compile_network(network, semantics=choose_semantics("slayer"))
    assert compilation.summary()["warnings"] == []
    np.testing.assert_array_equal(shown(compilation, spikes), wanted)
    assert wanted.sum() > 1000
    exact = run_float(discretize(network, choose_semantics("slayer")), spikes[None], record=True).spikes["layer1"][0]
    np.testing.assert_array_equal(exact[:-1], wanted[1:])


def test_the_mnist_network_counts_as_recorded():
    """100 of the 10,000 test images: 1,000 counts, none wrong."""
    record = np.load(CASES / "lava_dl" / "mnist.npz")
    v, frames = np.zeros(record["images"].shape), []
    for _ in range(32):
        v += record["images"] / 255
        frames.append(v > 1)
        v[frames[-1]] = 0
    compilation = compile_network(read_network(CASES / "lava_dl" / "mnist.net"), semantics=choose_semantics("lava"))
    result = emulator.run(compilation.image, np.stack(frames, axis=1).astype(np.uint8), fabric="off")
    np.testing.assert_array_equal(result.output_counts, record["counts"])
    assert record["counts"].sum() > 1000


def shown(compilation, spikes):
    """(timesteps, outputs) spikes when the framework shows them."""
    name = compilation.network.output
    sent, _, _ = on_machine(compilation, spikes)
    late = compilation.quantized.timing.depth[name] - compilation.quantized.timing.shown[name]
    return np.concatenate([0 * sent[name][:late], sent[name]])[: len(spikes)]


@pytest.mark.parametrize("compare", [">", ">="])
def test_one_neuron_has_the_membrane_that_lava_recorded(compare):
    """The NIR paper's LIF in Loihi's integers: weight 10, decay int(dt / tau * 4095) = 163, threshold 25."""
    records = np.load(CASES / "nir_paper" / "records.npz")
    params = {"i_decay": 4096, "v_decay": 163, "v_threshold": 25, "refractory": 0, "drive": 0}
    neuron = Population("n", (1,), "Loihi", {k: np.full(1, float(v)) for k, v in params.items()}, np.zeros(1))
    network = Network((1,), (neuron,), (dense("w", INPUT, "n", [[10.0]]),), "n")
    compilation = compile_network(network, ECP5, choose_semantics("lava", compare=compare))
    spikes = records["lif_input"][:, None]
    sent, v, _ = on_machine(compilation, spikes)
    np.testing.assert_array_equal(sent["n"][:-1, 0], records["lif_loihi"][1:])
    quiet = ~sent["n"][:-1, 0]  # where it fires, the record holds 128 to draw a spike
    np.testing.assert_array_equal(v["n"][:999, 0][quiet], records["lif_v_loihi"][1:][quiet])
    assert v["n"].max() > 1400


# --------------------------------------------------------------------------------------- every kind of layer
def write_net(path, layers):
    with h5py.File(path, "w") as file:
        for i, layer in enumerate(layers):
            group = file.create_group(f"layer/{i}")
            for key, value in layer.items():
                if isinstance(value, dict):
                    for name, inner in value.items():
                        group[f"{key}/{name}"] = inner
                else:
                    group[key] = np.array([value.encode()], "S10") if isinstance(value, str) else value
    return path


def cuba(i_decay=1024, v_decay=512, threshold=20, refractory=1, kind=b"CUBA"):
    return {"iDecay": i_decay, "vDecay": v_decay, "vThMant": threshold, "refDelay": refractory, "type": kind}


def plain(drive, neuron, bias=0, current=0):
    """Spikes of a layer from its weighted inputs (timesteps, n), by lava's rule, in Python integers."""
    u, v, wait = (np.zeros(drive.shape[1], np.int64) for _ in range(3))
    found = []
    for x in drive:
        u = np.sign(u) * (np.abs(u) * (4096 - neuron["iDecay"]) >> 12) + 64 * x + current
        v = np.sign(v) * (np.abs(v) * (4096 - neuron["vDecay"]) >> 12) + u + 64 * bias
        v[wait > 0] = 0
        wait = np.maximum(wait - 1, 0)
        fired = v > 64 * neuron["vThMant"]
        v[fired], wait[fired] = 0, neuron["refDelay"] - 1
        found.append(fired.astype(np.int64))
    return np.array(found)


def later(spikes, steps=1):
    return np.concatenate([np.zeros_like(spikes[:steps]), spikes])[: len(spikes)]


def test_convolution_pool_flatten_dense_delay_bias_and_refractoriness(tmp_path):
    rng = np.random.default_rng(1)
    kernel = 2 * rng.integers(-20, 40, (4, 2, 3, 3, 1))
    weight = rng.integers(-40, 60, (6, 4 * 4 * 3))
    first, second, third = cuba(threshold=90), cuba(512, 4096, 30), cuba(2048, 256, 60, refractory=3)
    bias, delay = rng.integers(0, 20, 4), np.arange(48) % 3
    layers = [
        {"type": "input", "shape": np.array([2, 8, 6])},
        {
            "type": "conv",
            "shape": np.array([4, 8, 6]),
            "weight": kernel.astype(np.float32),
            "bias": bias,
            "stride": np.array([1, 1]),
            "padding": np.array([1, 1]),
            "dilation": np.array([1, 1]),
            "groups": 1,
            "neuron": first,
        },
        {
            "type": "pool",
            "shape": np.array([4, 4, 3]),
            "kernelSize": np.array([2, 2]),
            "stride": np.array([2, 2]),
            "padding": np.array([0, 0]),
            "dilation": np.array([1, 1]),
            "weight": np.full((1, 1, 2, 2, 1), 24.0),
            "neuron": second,
            "delay": delay,
        },
        {"type": "flatten", "shape": np.array([48])},
        {"type": "dense", "shape": np.array([6]), "weight": weight.astype(np.float32), "neuron": third},
    ]
    network = read_network(write_net(tmp_path / "all.net", layers))
    spikes = (rng.random((40, 96)) < 0.2).astype(np.int64)

    images = spikes.reshape(40, 2, 8, 6)
    drive = np.zeros((40, 4, 8, 6), np.int64)
    for t in range(40):
        for o in range(4):
            for i in range(2):
                drive[t, o] += signal.correlate2d(images[t, i], kernel[o, i, :, :, 0], "same")
    hidden = plain(drive.reshape(40, -1), first, np.repeat(bias, 48))
    pooled = later(hidden).reshape(40, 4, 4, 2, 3, 2).sum(axis=(3, 5)) * 24
    middle = plain(pooled.reshape(40, -1), second)
    arriving = np.stack([later(middle[:, i], 1 + delay[i]) for i in range(48)], axis=1)
    wanted = later(plain(arriving @ weight.T, third))

    compilation = compile_network(network, ECP5, choose_semantics("lava"))
    np.testing.assert_array_equal(shown(compilation, spikes.astype(np.uint8)), wanted)
    check_machine(compilation, spikes.astype(np.uint8))
    assert hidden.sum() > 50
    assert middle.sum() > 50
    assert wanted.sum() > 5
    exact = run_float(discretize(network, choose_semantics("lava")), spikes[None], record=True)
    np.testing.assert_array_equal(exact.spikes["layer1"][0], hidden)
    np.testing.assert_array_equal(exact.output_counts[0], wanted.sum(axis=0))


def test_an_input_layer_with_neurons_takes_graded_inputs(tmp_path):
    """2 weight x - weight + bias into the current, without the factor 64."""
    neuron = cuba(4096, 512, 30)
    layers = [{"type": "input", "shape": np.array([5]), "weight": 20, "bias": 3, "neuron": neuron}]
    network = read_network(write_net(tmp_path / "in.net", layers))
    spikes = np.random.default_rng(2).integers(0, 60, (30, 5)).astype(np.uint8)
    u_in = 2 * 20 * spikes.astype(np.int64) - 20 + 3
    u = np.zeros(5, np.int64)
    v, wanted = u.copy(), []
    for x in u_in:
        v = np.sign(v) * (np.abs(v) * (4096 - 512) >> 12) + x
        wanted.append(v > 64 * 30)
        v[wanted[-1]] = 0
    compilation = compile_network(network, ECP5, choose_semantics("lava"))
    np.testing.assert_array_equal(shown(compilation, spikes)[1:], np.array(wanted)[:-1])
    assert np.sum(wanted) > 20


def test_integers_are_stored_in_as_many_bits_as_they_need(tmp_path):
    for weight, bits, shift in (([[2, -2]], 2, 7), ([[127, -128]], 8, 6), ([[255, 1]], 16, 6), ([[254, -256]], 8, 7)):
        layers = [{"type": "dense", "shape": np.array([1]), "weight": np.array(weight, float), "neuron": cuba()}]
        q = compile_network(read_network(write_net(tmp_path / "a.net", layers)), ECP5).quantized.projections[0]
        assert (q.bits, q.shift) == (bits, shift)
        np.testing.assert_array_equal((q.matrix.toarray() << q.shift).T, 64 * np.array(weight))


# -------------------------------------------------------------------------------------------------- messages
DENSE = {"type": "dense", "shape": np.array([2]), "weight": np.ones((2, 3)), "neuron": cuba()}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "bad.net: an HDF5 file, but no lava-dl network in it (`layer/0`, `layer/1`, ...); export it again"),
        ([{"type": "input", "shape": np.array([3])}], "bad.net: no layer with neurons"),
        (
            [DENSE, {"type": "average", "shape": np.array([1])}],
            "bad.net: layer 1 (average) cannot be expressed; leave it out, and average the spike counts of each group "
            "of outputs",
        ),
        (
            [{"type": "unpool", "shape": np.array([1])}],
            "bad.net: layer 0 (unpool) cannot be expressed; it reads input, dense, conv, pool, flatten",
        ),
        ([DENSE, DENSE], "bad.net: layer 1 (dense) takes 3 inputs, but 2 flow in"),
        (
            [DENSE | {"neuron": cuba(kind=b"SDNN")}],
            "bad.net: layer 0 (dense) has SDNN neurons; train it with CUBA ones and plain spikes",
        ),
        (
            [DENSE | {"neuron": {"type": b"CUBA"}}],
            "bad.net: layer 0 (dense) has no 'iDecay'; export it again",
        ),
        (
            [{k: v for k, v in DENSE.items() if k != "neuron"}],
            "bad.net: layer 0 (dense) has no 'neuron'; export it again",
        ),
        (
            [DENSE | {"weight": b"x"}],
            "bad.net: layer 0 (dense) cannot be read: weight is of type <U1, expected real numbers; export it again",
        ),
        (
            [DENSE | {"weight": np.full((2, 3), np.nan)}],
            "bad.net: layer 0 (dense) cannot be read: weight has a number that is not finite, or beyond any machine; "
            "export it again",
        ),
        ([DENSE | {"weight": np.ones(5)}], "bad.net: layer 0 (dense) has 5 weights for 2 neurons"),
        (
            [DENSE | {"neuron": cuba(i_decay=4097)}],
            "bad.net: layer 0 (dense) has iDecay = 4,097; it must be 4,096 or less",
        ),
        (
            [DENSE | {"neuron": cuba(threshold=0.5)}],
            "bad.net: layer 0 (dense) cannot be read: vThMant = [0.5], expected whole numbers",
        ),
        ([DENSE | {"shape": np.array([0])}], "bad.net: layer 0 (dense) has shape = 0; it must be 1 or more"),
        (
            [DENSE | {"bias": np.ones(5)}],
            "bad.net: layer 0 (dense) has 5 values of bias for 2 neurons",
        ),
        (
            [DENSE | {"delay": np.array([0, 4])}],
            "bad.net: 'layer0', the output, has delays of up to 4 timesteps; "
            "set them to 0, and count its spikes that much later",
        ),
        (
            [DENSE, {"type": "pool", "shape": np.array([1]), "kernelSize": np.array([2, 2]), "weight": 1.0}],
            "bad.net: layer 1 (pool) needs images of (channels, height, width), but (2,) flows in; add an input layer",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, layers, message):
    path = write_net(tmp_path / "bad.net", layers)
    with pytest.raises(InputError) as error:
        read_network(path)
    assert str(error.value).replace(f"{tmp_path}/", "") == message


def test_a_truncated_file_is_one_line(tmp_path):
    path = write_net(tmp_path / "cut.net", [DENSE])
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError) as error:
        read_network(path)
    assert str(error.value).startswith(f"{path}: not a lava-dl .net file, or truncated (")
    assert str(error.value).endswith("); export it again")


def test_integers_that_do_not_fit_are_named(tmp_path):
    network = read_network(write_net(tmp_path / "a.net", [DENSE | {"weight": np.full((2, 3), 0.5)}]))
    with pytest.raises(DoesNotFitError) as error:
        compile_network(network, load_architecture("up5k"))
    assert error.value.problems == [
        "'layer0' (Loihi) needs a state of 24 bits, 'up5k' has 16; use an architecture with more state_bits"
    ]
    with pytest.raises(DoesNotFitError) as error:
        compile_network(read_network(write_net(tmp_path / "b.net", [DENSE | {"weight": np.full((2, 3), 1e-3)}])), ECP5)
    assert error.value.problems == ["'weights0' has weights that are not whole numbers, as 'layer0' needs; round them"]
