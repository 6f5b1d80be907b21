"""The bundled networks: what is promised of their accuracy holds on a thousand real test images each."""

import numpy as np
import pytest

import emulator
from emulator.spec.arch import load_architecture
from nmcompile.coding.spikes import read_spikes
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends import read_network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.demo import EXAMPLES


@pytest.fixture(scope="module", params=list(EXAMPLES))
def bundle(request):
    example = EXAMPLES[request.param]
    network = read_network(example.network_path())
    test, calibration = (read_spikes(example.data_path(kind), network.n_inputs) for kind in ("test", "calib"))
    return network, choose_semantics(example.preset), test, calibration.spikes


def accuracy(result, data):
    return float((result.predictions == data.labels).mean())


def test_the_float_reading_is_snntorchs_own_run(bundle):
    network, semantics, data, _ = bundle
    run = run_float(discretize(network, semantics), data.spikes)
    np.testing.assert_array_equal(run.output_counts, data.extra["float_counts"])
    assert float((run.predictions == data.labels).mean()) == pytest.approx(float(data.extra["float_accuracy"]))


@pytest.mark.parametrize(("bits", "points"), [(8, 0.5), (4, 2.0)])
def test_accuracy_stays_near_float(bundle, bits, points):
    network, semantics, data, calibration = bundle
    compilation = compile_network(network, None, semantics, bits, calibration)
    result = emulator.run(compilation.image, data.spikes)
    assert result.samples >= 1000
    assert accuracy(result, data) >= float(data.extra["float_accuracy"]) - points / 100


def test_sixteen_bits_give_the_frameworks_spike_counts(bundle):
    network, semantics, data, calibration = bundle
    compilation = compile_network(network, load_architecture("ecp5"), semantics, 16, calibration)
    result = emulator.run(compilation.image, data.spikes)
    assert (result.output_counts == data.extra["float_counts"]).all(axis=1).mean() >= 0.99


def test_the_wrong_preset_is_seen_in_the_counts(bundle):
    network, semantics, data, _ = bundle
    wrong = "nir" if semantics.preset == "snntorch" else "snntorch"
    run = run_float(discretize(network, choose_semantics(wrong)), data.spikes)
    assert (run.output_counts == data.extra["float_counts"]).all(axis=1).mean() < 0.9
