"""tools/bench.py: its hand-written images are legal, and the machine does what the plain arithmetic does."""

import bench
import numpy as np
import pytest
from networks import dense, lif

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.check import check_image
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.pipeline import compile_network


def agree(work):
    """Synaptic operations of a workload; raises where the machine and the bound differ."""
    check_image(work.image)
    return work.operations(emulator.run(work.image, work.inputs, learn=work.learn), work.plain())


def test_layers_on_the_machine_do_what_the_bound_does():
    rng = np.random.default_rng(1)
    net = {f"w{i}": rng.integers(1, 50, shape).astype(np.int8) for i, shape in enumerate([(784, 512), (512, 256)])}
    net["w2"] = np.pad(rng.integers(1, 50, (256, 10)), ((0, 0), (0, 6))).astype(np.int8)
    net |= {"thresholds": np.array([4000, 3000, 1500]), "inputs": (rng.random((2, 10, 784)) < 0.1).astype(np.uint8)}
    assert agree(bench.layers("W1", net)) > 2 * 10 * 70 * 512


@pytest.mark.parametrize("name", ["W2", "W3"])
def test_recurrent_neurons_on_the_machine_do_what_the_bound_does(name, monkeypatch):
    image = bench.recurrent_image
    monkeypatch.setattr(bench, "recurrent_image", lambda net, side, dense: image(net, 1, dense))
    assert agree(bench.recurrent(name, bench.make_recurrent(102, 1024, 16, 60, 0.03, 0.05))) > 60 * 15


@pytest.mark.parametrize("name", ["W4", "W4r"])
def test_learning_on_the_machine_does_what_the_bound_does(name):
    rng = np.random.default_rng(1)
    inputs = (rng.random((2, 20, 784)) < 0.05).astype(np.uint8)
    net = {"weights": rng.integers(1, 39, (784, 400)).astype(np.int8), "threshold": 3000, "inputs": inputs}
    assert agree(bench.learning(name, net)) == 400 * inputs.sum()


def test_most_lanes_of_a_core_add_synapses_most_of_the_time():
    """The first layer of W1 on `ecp5`: 784 inputs, a tenth active, onto 512 neurons, weights of one bit."""
    rng = np.random.default_rng(1)
    weights = rng.choice([-1.0, 1.0], (784, 512))
    network = Network((784,), (lif("layer", (512,), threshold=30.0),), (dense("w", INPUT, "layer", weights),), "layer")
    image = compile_network(network, load_architecture("ecp5"), weight_bits=1).image
    result = emulator.run(image, (rng.random((2, 50, 784)) < 0.1).astype(np.uint8))
    cycles = sum(result.chip[f"{phase}_cycles"] for phase in ("compute", "fabric", "barrier"))
    assert max(result.counters["synaptic_operations"]) > 0.75 * 8 * cycles
