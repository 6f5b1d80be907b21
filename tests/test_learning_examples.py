"""The examples of learning do what they say, on less of their data."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_the_measured_window_is_the_equation(tmp_path):
    assert example("stdp_window").main(tmp_path / "window.svg") <= 1.0
    assert (tmp_path / "window.svg").read_text().count("<circle") == 121


def test_ten_neurons_learn_the_small_digits_without_labels(tmp_path):
    found = example("unsupervised_digits").main(["--samples", "2500", "--png", str(tmp_path / "fields.png")])
    assert found > 0.6  # 0.10 by chance; 0.66 to 0.76 for ten seeds
    assert (tmp_path / "fields.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("nodes", [60])
def test_a_small_world_binds_what_fires_together(nodes):
    before, after = example("small_world").main(nodes=nodes, samples=40)
    assert after > 1.5 * before
