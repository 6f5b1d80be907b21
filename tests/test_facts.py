"""All that is said of small networks and of their runs, as it was when somebody last looked at it.

NM_GOLDEN=1 writes what is said now into tests/data/facts: look at the difference.
"""

import dataclasses
import inspect
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import conv_network, lif, random_network

from emulator.spec.arch import load_architecture
from nmcompile.coding.spikes import SpikeData
from nmcompile.learning.attach import attach
from nmcompile.learning.library import RULES, reward_stdp
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.drift import drift_report
from nmcompile.results.evaluate import evaluate
from nmcompile.results.inspection import inspect_image, inspect_result
from nmcompile.results.learning_costs import learning_facts

FACTS = Path(__file__).parent / "data" / "facts"
LARGE = load_architecture("large")


def learning():
    """A recurrent population that learns by rewards, spread over cores, and a readout."""
    network = random_network(np.random.default_rng(1), 12, (20, 5), recurrent=True)
    rule = reward_stdp(0.2, 0.25, 2e-3, 3e-3, -1, 1, largest=0.5)
    arch = replace(LARGE, name="spread", mesh_width=3, mesh_height=2, neurons=16, rtl=False)
    return attach(network, {"w0": rule}), arch, {"rewards": np.array([2, -1, 1])}


def convolution():
    """Shared weights, and an output that does not spike."""
    network = conv_network(np.random.default_rng(2), channels=4, size=6, out=3)
    out = replace(lif("out", (3,), model="LI"), bias=np.full(3, 0.1))
    return replace(network, populations=(network.populations[0], out)), load_architecture("ecp5"), {}


def is_empty(value):
    return isinstance(value, list | tuple | dict | str) and not value


def plain(value):
    """JSON values, floats to nine digits; without what is not there, as more that can be there changes nothing."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items() if one is not None and not is_empty(one)}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    if isinstance(value, float | np.floating):
        return float(f"{value:.9g}")
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize("make", [learning, convolution])
def test_a_network_and_its_run_are_told_as_they_were(make):
    network, arch, extra = make()
    spikes = (np.random.default_rng(3).random((3, 12, network.n_inputs)) < 0.3).astype(np.uint8)
    compilation = compile_network(network, arch, choose_semantics("snntorch"), calibrate=spikes)
    data = SpikeData(spikes, np.array([1, 0, 2]), extra)
    result = evaluate(compilation.image, data, learn=bool(extra))
    told = {
        "compiled": compilation.summary() | {"seconds": None},
        "image": inspect_image(compilation.image),
        "drift": drift_report(compilation, spikes),
        "run": inspect_result(result) | {"elapsed_s": None},
        "notes": [result.notes.neurobench, result.notes.fill, result.notes.learning],
        "learning": learning_facts(result),
    }
    text = json.dumps(plain(told), indent=1, sort_keys=True) + "\n"
    golden = FACTS / f"{make.__name__}.json"
    if os.environ.get("NM_GOLDEN"):
        golden.write_text(text)
    assert text.splitlines() == golden.read_text().splitlines()


def test_rules_of_the_library_are_made_as_they_were():
    """Every parameter that a rule needs is another number; with and without its choices."""
    told = {}
    for name, make in RULES.items():
        parameters = inspect.signature(make).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        values = {p.name: (i + 1) / 8 for i, p in enumerate(needed)}
        values |= {p.name: (values[p.name], 2.0) for p in needed if "tuple" in str(p.annotation)}
        values |= {"w_max": 3.0} if "w_max" in values else {}
        told[name] = make(**values)
        for p in parameters:
            if isinstance(p.default, bool):
                told[f"{name}, {p.name}"] = make(**values | {p.name: not p.default})
            elif isinstance(p.default, float):
                told[f"{name}, {p.name}"] = make(**values | {p.name: 0.75})
    text = json.dumps(plain(told), indent=1, sort_keys=True) + "\n"
    golden = FACTS / "rules.json"
    if os.environ.get("NM_GOLDEN"):
        golden.write_text(text)
    assert text.splitlines() == golden.read_text().splitlines()
