"""nmc verify: the Verilog beside the emulator, and what it says when they differ or a tool is missing."""

import dataclasses
import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from networks import random_network

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DeviceError, InputError, MachineError, UsageError
from emulator.verilog.icarus import Icarus
from emulator.verilog.lockstep import lockstep
from emulator.verilog.verilated import Verilated
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.verify import verify

# Small, so that its Verilog is built in seconds; two cores, so that packets cross the mesh.
LONG = pytest.mark.skipif(os.environ.get("NM_LONG") != "1", reason="Icarus takes minutes to show all state")
TINY = dataclasses.replace(
    load_architecture("ecp5"),
    name="tiny",
    mesh_height=1,
    lanes=4,
    neurons=32,
    axons=64,
    synapse_words=512,
    program_words=128,
    routes=128,
)


@pytest.fixture(scope="module")
def image():
    network = random_network(np.random.default_rng(1), sizes=(30, 12), recurrent=True)
    return compile_network(network, TINY).image


@pytest.fixture(scope="module")
def spikes():
    return (np.random.default_rng(2).random((2, 12, 20)) < 0.3).astype(np.uint8)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_a_compiled_network_runs_alike_in_verilog(image, spikes, simulator):
    verdict = verify(image, spikes, simulator).summary()
    assert verdict["mismatches"] == 0
    assert verdict["cycles_rtl"] == verdict["cycles_emulator"] > 0
    assert verdict["spikes"] > 20
    assert verdict["timesteps"] == 2 * (12 + image.latency)


@pytest.fixture
def digits(monkeypatch):
    """The example that learns digits without labels, as it is before it has learned, and its first images."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "examples")
    example = importlib.import_module("unsupervised_digits")
    arch = dataclasses.replace(
        TINY, mesh_width=1, lanes=8, axons=96, program_words=256, synapse_words=256, name="tiny digits"
    )
    semantics = choose_semantics(dt=example.DT, integrator="exponential")
    image = compile_network(example.network(64, 10, example.SMALL, 0), arch, semantics).image
    images = example.read(example.BUNDLED)[0][:10]
    return image, example.spike_trains(images, example.SMALL.brightness, 60, np.random.default_rng(3))


@pytest.mark.parametrize(("simulator", "samples"), [("verilator", 10), ("icarus", 2)])
def test_what_the_verilog_learns_is_what_the_emulator_learns(digits, simulator, samples):
    image, spikes = digits
    verdict = verify(image, spikes[:samples], simulator)
    assert verdict.weights > 64
    assert verdict.spikes > 2 * samples
    learned = emulator.run(image, spikes[:samples], learn=True).learned
    assert np.mean(learned.cores[0].synapses != image.cores[0].synapses) > 0.1


@pytest.mark.parametrize(
    ("right", "samples", "timesteps", "every"), [(Verilated, 10, 60, 6), pytest.param(Icarus, 1, 12, 12, marks=LONG)]
)
def test_digits_are_learned_in_lockstep_with_the_reference(digits, right, samples, timesteps, every):
    """Weights, traces and all other state after every so many timesteps; the rest after each."""
    image, spikes = digits
    report = lockstep(image, spikes[:samples, :timesteps], right=right, every=every)
    assert report.timesteps >= samples * timesteps
    assert report.rows > 10 * samples


def test_a_wrong_weight_is_caught_and_named(digits, monkeypatch):
    image, spikes = digits
    right = emulator.run(image, spikes[:1], learn=True, record_spikes=True)
    right.learned.cores[0].synapses[5, 3] ^= 1
    monkeypatch.setattr(emulator, "run", lambda *a, **k: right, raising=False)
    with pytest.raises(MachineError) as error:
        verify(image, spikes[:1])
    assert str(error.value) == (
        "the Verilog and the emulator differ in what was learned: synapse word 5 slot 3 of core 0; the reference sides "
        "with the Verilog: the emulator is wrong, please report it"
    )


@pytest.mark.parametrize("what", ["spikes", "sample_cycles", "counters", "chip"])
def test_a_wrong_emulator_is_caught_and_named(image, spikes, monkeypatch, what):
    right = emulator.run(image, spikes, record_spikes=True)
    wrong = {
        "spikes": lambda: right.spikes[1:],
        "sample_cycles": lambda: right.sample_cycles + np.array([7, -7]),
        "counters": lambda: right.counters | {"hops": right.counters["hops"] + 1},
        "chip": lambda: right.chip | {"reset_cycles": right.chip["reset_cycles"] + 1},
    }[what]()
    monkeypatch.setattr(emulator, "run", lambda *a, **k: dataclasses.replace(right, **{what: wrong}), raising=False)
    with pytest.raises(MachineError) as error:
        verify(image, spikes)
    assert str(error.value).startswith("the Verilog and the emulator differ in ")
    assert str(error.value).endswith("; the reference sides with the Verilog: the emulator is wrong, please report it")


def test_a_model_has_no_verilog(image, spikes):
    model = dataclasses.replace(image, arch=dataclasses.replace(TINY, rtl=False))
    with pytest.raises(InputError) as error:
        verify(model, spikes)
    assert str(error.value) == (
        "architecture 'tiny' is a model (rtl = false in its file); the Verilog does not implement it"
    )


def test_unknown_simulators_are_refused(image, spikes):
    with pytest.raises(UsageError) as error:
        verify(image, spikes, "modelsim")
    assert str(error.value) == "no simulator 'modelsim'; the choices are verilator, icarus"


def test_a_missing_simulator_names_the_command_that_installs_it(image, spikes, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DeviceError) as error:
        verify(image, spikes, "icarus")
    assert str(error.value) == "Icarus Verilog is not installed; install it with: apt-get install iverilog"
