"""nmc verify: the Verilog beside the emulator, and what it says when they differ or a tool is missing."""

import dataclasses

import numpy as np
import pytest
from networks import random_network

import emulator
from emulator.spec.arch import load_architecture
from emulator.spec.errors import DeviceError, InputError, MachineError, UsageError
from nmcompile.pipeline import compile_network
from nmcompile.study.verify import verify

# Small, so that its Verilog is built in seconds; two cores, so that packets cross the mesh.
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


@pytest.mark.parametrize("what", ["spikes", "sample_cycles", "counters"])
def test_a_wrong_emulator_is_caught_and_named(image, spikes, monkeypatch, what):
    right = emulator.run(image, spikes, record_spikes=True)
    wrong = {
        "spikes": lambda: right.spikes[1:],
        "sample_cycles": lambda: right.sample_cycles + 1,
        "counters": lambda: right.counters | {"hops": right.counters["hops"] + 1},
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
