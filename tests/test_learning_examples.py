"""The examples of learning do what they say, on less of their data."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import emulator
from emulator.spec.arch import load_architecture
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network

FOLDER = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)  # as it is when a script runs
    return importlib.import_module


def test_the_measured_window_is_the_equation(example, tmp_path):
    assert example("stdp_window").main(tmp_path / "window.svg") <= 1.0
    assert (tmp_path / "window.svg").read_text().count("<circle") == 121


def test_ten_neurons_learn_the_small_digits_without_labels(example, tmp_path):
    found = example("unsupervised_digits").main(["--samples", "2500", "--png", str(tmp_path / "fields.png")])
    assert found > 0.6  # 0.10 by chance; 0.66 to 0.76 for ten seeds
    assert (tmp_path / "fields.png").read_bytes().startswith(b"\x89PNG")


def test_a_teacher_makes_label_neurons_answer(example, tmp_path):
    supervised = example("supervised_digits")
    arguments = ["--neurons", "60", "--samples", "1500", "--png", str(tmp_path / "fields.png")]
    assert supervised.main(arguments) > 0.7  # 0.10 by chance
    assert (tmp_path / "fields.png").read_bytes().startswith(b"\x89PNG")


def test_nobody_but_the_teacher_makes_label_neurons_fire_while_they_are_taught(example):
    """The right one fires, the others do not, whatever the hidden neurons say."""
    supervised = example("supervised_digits")
    train, labels, _, _ = supervised.read(supervised.BUNDLED)
    s = supervised.SMALL
    semantics = choose_semantics(dt=supervised.DT, integrator="exponential", reset="subtract")
    image = compile_network(supervised.network(64, 30, s, 0), load_architecture("ecp5"), semantics).image
    spikes = supervised.encode(train[:300], labels[:300], s, np.random.default_rng(0))
    counts = emulator.run(image, spikes, learn=True).output_counts
    right = counts[np.arange(300), labels[:300]]
    assert right.min() >= 10
    assert (counts.sum(axis=1) - right).sum() < 0.01 * right.sum()


def test_a_small_world_binds_what_fires_together(example):
    before, after = example("small_world").main(nodes=60, samples=40)
    assert before == pytest.approx((1, 0, 0))
    assert after[0] > 1.5  # within a group over between groups
    assert after[1] > 1 > after[2] == 0  # half of a group makes the rest fire, and nobody else
