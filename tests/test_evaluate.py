"""What a run comes to: accuracy that says what nothing decided, and operations that are counted for any network."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from networks import dense, lif
from nirfiles import write

from emulator.result import load_result, save_result
from emulator.spec.arch import load_architecture
from nmcompile import cli
from nmcompile.coding.spikes import SpikeData
from nmcompile.frontends.linear import conv2d, uses2d
from nmcompile.frontends.nir import read_nir
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network, Projection
from nmcompile.pipeline import compile_network
from nmcompile.report.report import write_report
from nmcompile.results.evaluate import evaluate
from nmcompile.results.summary import summary, undecided_facts

ECP5 = load_architecture("ecp5")


def run(network, spikes, labels=None, **options):
    image = compile_network(network, ECP5, weight_bits=16).image
    return evaluate(image, SpikeData(np.asarray(spikes, np.uint8), labels, {}), **options)


def two_outputs(weights):
    return Network((2,), (lif("out", (2,)),), (dense("w", INPUT, "out", weights),), "out")


# ------------------------------------------------------------------------------------------------- accuracy
def test_a_network_that_sends_nothing_is_never_right():
    result = run(two_outputs(-np.eye(2)), np.ones((10, 4, 2)), np.array([0] * 8 + [1] * 2))
    values = summary(result)
    assert (values["accuracy"], values["silent_samples"], values["tied_samples"]) == (0.0, 10, 0)
    assert undecided_facts(values) == [("silent", "10 of 10 samples have no output spike: undecided, counted as wrong")]


def test_equal_outputs_are_told_beside_the_accuracy():
    spikes = np.zeros((3, 4, 2))
    spikes[0] = 1
    spikes[1, :, 1] = 1
    result = run(two_outputs(2 * np.eye(2)), spikes, np.array([0, 1, 0]))
    values = summary(result)
    assert (values["accuracy"], values["silent_samples"], values["tied_samples"]) == (2 / 3, 1, 1)
    assert undecided_facts(values)[1] == (
        "tied",
        "1 of 3 samples have equal largest outputs: the lowest index is taken",
    )


@pytest.mark.parametrize("readout", ["count", "first-spike"])
def test_a_silent_sample_is_of_no_class(readout):
    result = run(two_outputs(2 * np.eye(2)), np.zeros((1, 4, 2)), readout=readout)
    assert result.predictions.tolist() == [-1]


def test_a_membrane_always_decides():
    network = Network((2,), (lif("out", (2,), model="LI"),), (dense("w", INPUT, "out", np.eye(2)),), "out")
    result = run(network, np.eye(2)[None], np.array([0]))
    assert (result.predictions.tolist(), summary(result)["silent_samples"]) == ([0], 0)


def test_the_page_says_what_nothing_decided(tmp_path):
    result = run(two_outputs(-np.eye(2)), np.ones((4, 4, 2)), np.array([1, 0, 0, 0]), record_spikes=True)
    write_report(result, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "4 of 4 samples have no output spike: undecided, counted as wrong" in page
    assert "4 of 4 are wrong; most often 0 makes no output fire (3 times)" in page


# -------------------------------------------------------------------------------------------------- metrics
def test_a_population_without_synapses_runs_and_is_counted():
    populations = (lif("pace", (1,), bias=0.3, model="IF"), lif("out", (1,)))
    network = Network((1,), populations, (dense("w", "pace", "out", [[2.0]]),), "out")
    result = run(network, np.zeros((1, 20, 1)))
    assert result.output_counts.tolist() == [[5]]
    assert result.notes.neurobench["layers"]["pace"]["s_ace"] == 0


def test_a_network_without_any_synapse_has_metrics():
    found = run(
        Network((1,), (lif("pace", (1,), bias=0.3, model="IF"),), (), "pace"), np.zeros((1, 8, 1))
    ).notes.neurobench
    assert (found["dense_operations"], found["connection_sparsity"], found["activation_sparsity"]) == (0, 0.0, 0.75)


KERNEL = np.array([[[[1.0, 0.0], [0.5, 0.0]]], [[[0.0, 0.0], [0.0, 2.0]]]])  # two channels, with zeros


def uses_by_hand(kernel, height, width, stride, padding):
    """How often the weights of a convolution meet a pixel, one by one."""
    out, channels, kh, kw = kernel.shape
    rows = range(-padding, height + padding - kh + 1, stride)
    columns = range(-padding, width + padding - kw + 1, stride)
    inside = sum(
        0 <= y + ky < height and 0 <= x + kx < width
        for y in rows
        for x in columns
        for ky in range(kh)
        for kx in range(kw)
    )
    return out * channels * inside


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1)])
def test_dense_operations_of_a_convolution_are_its_uses_inside_the_image(stride, padding):
    image, places = (1, 4, 5), ((stride, stride), (padding, padding))
    matrix, shape = conv2d(KERNEL, image, *places)
    uses = uses2d(KERNEL, image, *places)
    projection = Projection("w", INPUT, "out", matrix, 0, True, KERNEL.size, connections=uses)
    found = run(Network(image, (lif("out", shape),), (projection,), "out"), np.ones((2, 3, 20))).notes.neurobench
    assert found["dense_operations"] == 3 * uses_by_hand(KERNEL, 4, 5, stride, padding)
    assert found["s_ace"] == found["dense_operations"] * 16


@pytest.mark.parametrize("pool", [False, True])
def test_zeros_of_a_kernel_are_uses_and_pools_are_said_to_be_folded(tmp_path, pool):
    nir = pytest.importorskip("nir")
    conv = nir.Conv2d((4, 4), KERNEL, 1, 0, 1, 1, np.zeros(2))
    shape = (2, 2, 2) if pool else (2, 3, 3)
    full = {k: np.full(shape, v) for k, v in {"r": 1e4, "v_threshold": 1.0, "v_reset": 0.0}.items()}
    nodes = {"input": nir.Input(np.array([1, 4, 4])), "conv": conv, "neurons": nir.IF(**full)}
    nodes["output"] = nir.Output(np.array(shape))
    names = ["input", "conv", "neurons", "output"]
    if pool:
        nodes["pool"] = nir.AvgPool2d(np.array([2, 2]), np.array([1, 1]), np.array([0, 0]))
        names.insert(2, "pool")
    write(tmp_path / "net.nir", nodes, list(itertools.pairwise(names)))
    network = read_nir(tmp_path / "net.nir")
    result = run(network, np.ones((1, 3, 16)), record_spikes=True)
    write_report(result, tmp_path / "page.html")
    said = "Pools in front of neurons are folded into weights" in (tmp_path / "page.html").read_text()
    assert said == pool
    assert result.notes.neurobench["pooled"] == (["neurons"] if pool else [])
    if not pool:
        assert result.notes.neurobench["dense_operations"] == 3 * 9 * KERNEL.size


def test_graded_inputs_multiply():
    network = replace(two_outputs(np.eye(2)), input_levels=255)
    found = run(network, np.full((1, 4, 2), 200)).notes.neurobench
    assert (found["effective_acs"], found["effective_macs"]) == (0, 8)
    assert found["layers"]["out"]["bit_budget"] == 4 * 16 * 8


def test_metrics_stand_in_the_json_of_a_run_and_of_its_file(tmp_path, monkeypatch, capsys):
    result = run(two_outputs(2 * np.eye(2)), np.ones((1, 4, 2)))
    save_result(result, tmp_path / "run.npz")
    monkeypatch.setattr(sys, "argv", ["nmc", "inspect", str(tmp_path / "run.npz"), "--json"])
    cli.main()
    shown = json.loads(capsys.readouterr().out)["neurobench"]
    assert shown == summary(result)["neurobench"] == load_result(tmp_path / "run.npz").notes.neurobench
    assert shown["dense_operations"] == 16
