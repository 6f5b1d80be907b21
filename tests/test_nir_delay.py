"""NIR's Delay and Threshold nodes."""

import math

import nir
import numpy as np
import pytest
from integers import check_machine
from nirfiles import chain, edit, give, put, take, write

from emulator.spec.arch import load_architecture
from emulator.spec.errors import DoesNotFitError, InputError
from nmcompile.discretize.discretize import discretize
from nmcompile.discretize.floatsim import run_float
from nmcompile.frontends.nir import read_nir
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

ECP5 = load_architecture("ecp5")
LARGE = load_architecture("large")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.nir"


def lif(n, threshold=1.0):
    full = np.full
    return nir.LIF(full(n, 1e-3), full(n, 10.0), full(n, 0.0), full(n, threshold), full(n, 0.0))


def nodes(rng):
    return {
        "in": give(4),
        "fc1": nir.Linear(rng.normal(0.3, 0.5, (5, 4))),
        "lif1": lif(5),
        "fc2": nir.Linear(rng.normal(0.3, 0.7, (3, 5))),
        "lif2": lif(3),
        "out": take(3),
    }


def later(spikes, steps):
    """(timesteps, n), each column as much later as it says."""
    return np.stack([np.concatenate([np.zeros(k), spikes[:, i]])[: len(spikes)] for i, k in enumerate(steps)], axis=1)


@pytest.mark.parametrize("delay", [np.full(5, 3e-4), np.array([0, 1e-4, 1e-4, 2.4e-4, 0])])
def test_a_delay_takes_its_seconds_in_timesteps(path, delay):
    """One for all, or one each; 2.4 timesteps are 2."""
    rng = np.random.default_rng(1)
    spikes = (rng.random((1, 40, 4)) < 0.5).astype(np.uint8)
    given = nodes(rng)
    write(path, given | {"wait": nir.Delay(delay)}, chain("in", "fc1", "lif1", "wait", "fc2", "lif2", "out"))
    network = read_nir(path)
    run = run_float(discretize(network, choose_semantics()), spikes, record=True)
    arriving = later(run.spikes["lif1"][0], np.rint(delay / 1e-4).astype(int))
    alone = {"in": give(5), "fc2": given["fc2"], "lif2": given["lif2"], "out": given["out"]}
    rest = read_nir(write(path, alone, chain("in", "fc2", "lif2", "out")))
    wanted = run_float(discretize(rest, choose_semantics()), arriving[None], record=True).spikes["lif2"]
    np.testing.assert_array_equal(run.spikes["lif2"], wanted)
    assert wanted.sum() > 5
    check_machine(compile_network(network, ECP5), spikes[0])


def test_a_delay_behind_weights_delays_their_targets(path):
    rng = np.random.default_rng(2)
    given = nodes(rng) | {"wait": nir.Delay(np.array([0.0, 2e-4, 1e-4]))}
    network = read_nir(write(path, given, chain("in", "fc1", "lif1", "fc2", "wait", "lif2", "out")))
    assert sorted((p.delay_s, p.matrix.nnz) for p in network.projections if p.target == "lif2") == [
        (0.0, 5),
        (1e-4, 5),
        (2e-4, 5),
    ]
    spikes = (rng.random((40, 4)) < 0.5).astype(np.uint8)
    check_machine(compile_network(network, ECP5), spikes)


def test_a_delay_on_a_loop_includes_the_timestep_of_the_loop(path):
    rng = np.random.default_rng(3)
    given = nodes(rng) | {"wait": nir.Delay(np.full(5, 3e-4)), "rec": nir.Linear(rng.normal(0, 0.5, (5, 5)))}
    edges = [*chain("in", "fc1", "lif1", "fc2", "lif2", "out"), *chain("lif1", "wait", "rec", "lif1")]
    network = read_nir(write(path, given, edges))
    spikes = (rng.random((40, 4)) < 0.5).astype(np.uint8)
    hidden = run_float(discretize(network, choose_semantics()), spikes[None], record=True).spikes["lif1"][0]
    v, sent = np.zeros(5), []
    for t in range(40):
        x = given["fc1"].weight @ spikes[t] + (given["rec"].weight @ sent[t - 3] if t >= 3 else 0)
        v = 0.9 * v + x
        sent.append(v > 1)
        v = np.where(sent[-1], 0, v)
    np.testing.assert_array_equal(hidden, np.array(sent))
    check_machine(compile_network(network, ECP5), spikes)


def test_a_skip_connection_with_a_delay_arrives_that_much_after_the_layer_it_skips(path):
    rng = np.random.default_rng(4)
    given = nodes(rng) | {"wait": nir.Delay(np.full(4, 2e-4)), "skip": nir.Linear(rng.normal(0, 0.5, (3, 4)))}
    edges = [*chain("in", "fc1", "lif1", "fc2", "lif2", "out"), *chain("in", "wait", "skip", "lif2")]
    network = read_nir(write(path, given, edges))
    spikes = (rng.random((40, 4)) < 0.5).astype(np.uint8)
    check_machine(compile_network(network, ECP5), spikes)
    hidden = run_float(discretize(network, choose_semantics()), spikes[None], record=True)
    x = hidden.spikes["lif1"][0] @ given["fc2"].weight.T + later(spikes, [2] * 4) @ given["skip"].weight.T
    v, wanted = np.zeros(3), []
    for drive in x:
        v = 0.9 * v + drive
        wanted.append(v > 1)
        v = np.where(wanted[-1], 0, v)
    np.testing.assert_array_equal(hidden.spikes["lif2"][0], np.array(wanted))


def test_a_threshold_fires_on_what_arrives_now(path):
    rng = np.random.default_rng(5)
    given = nodes(rng) | {"lif1": nir.Threshold(np.full(5, 0.3))}
    network = read_nir(write(path, given, chain("in", "fc1", "lif1", "fc2", "lif2", "out")))
    spikes = (rng.random((40, 4)) < 0.5).astype(np.uint8)
    fired = run_float(discretize(network, choose_semantics()), spikes[None], record=True).spikes["lif1"][0]
    np.testing.assert_array_equal(fired, spikes @ given["fc1"].weight.T > 0.3)
    check_machine(compile_network(network, ECP5), spikes)


@pytest.mark.parametrize("delay", [-1e-3, math.nan])
def test_a_delay_must_be_possible(path, delay):
    given = nodes(np.random.default_rng(6)) | {"wait": nir.Delay(np.full(5, 1e-4))}
    write(path, given, chain("in", "fc1", "lif1", "wait", "fc2", "lif2", "out"))
    edit(path, lambda file: put(file, "node/nodes/wait/delay", np.full(5, delay)))
    with pytest.raises(InputError) as error:
        read_nir(path)
    assert str(error.value) == f"net.nir: 'wait' (Delay) has a delay of {delay:g} s; it must be 0 or more"


def test_a_delay_of_ages_does_not_fit(path):
    given = nodes(np.random.default_rng(7)) | {"wait": nir.Delay(np.full(5, 1e308))}
    network = read_nir(write(path, given, chain("in", "fc1", "lif1", "wait", "fc2", "lif2", "out")))
    with pytest.raises(DoesNotFitError, match="needs an axonal delay of 999,999,999 timesteps"):
        compile_network(network, ECP5)
