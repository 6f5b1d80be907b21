"""`--models FILE.py`: a user's own neuron models and rules, in every verb that compiles, and in no other."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from emulator.spec.errors import InputError
from emulator.spec.image_file import load_image, save_image
from nmcompile.learning.library import RULES
from nmcompile.network.network import MODELS
from nmcompile.user_models import UserModels, using

OWN = """
from dataclasses import dataclass

import numpy as np
import nmcompile as nm
from nmcompile.neurons.update import COEFFICIENT, Dynamics, Value

print("this file ran")
with open("ran.txt", "a") as file:
    file.write("x")

@dataclass
class Kept:
    beta: float

def step(m):
    v, fired = m.state("v"), m.flag("fired")
    m.mac(v, v, "beta", m.input())
    m.compare(fired, v, ">", "limit")
    m.copy(v, 0, where=fired)
    m.spike(fired)

def discretize(population, semantics):
    p = population.params
    values = {"beta": Value(p["beta"], COEFFICIENT), "limit": Value(p["limit"])}
    return Dynamics(step, values, gain=np.ones(population.n), amplitude=p["limit"])

def grow(amount: float, w_max: float):
    from nmcompile.network.rule import Term, Trace
    return nm.Rule("grow", (Trace("x", "pre", 5e-3),), (Term("post", amount, ("x",)),), 0.0, w_max)

nm.register("Leaky", ("beta", "limit"), discretize)
nm.register_rule("grow", grow)
"""
GRAPH = {
    "directed": True,
    "multigraph": False,
    "graph": {"model": "Leaky", "beta": 0.5, "limit": 0.9},
    "nodes": [{"id": "a", "role": "input"}, {"id": "n", "role": "output"}],
    "edges": [{"source": "a", "target": "n", "weight": 0.6}],
}
RULE = '["input->outputs"]\nrule = "grow"\namount = 0.05\nw_max = 1.0\n'
STUDY = '[settings]\nnetwork = "net.json"\nspikes = "in.npz"\narch = "ecp5"\n[axes]\nweight_bits = [8, 16]\n'


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    """A folder with OWN, a network and inputs for it."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    Path("net.json").write_text(json.dumps(GRAPH))
    Path("rules.toml").write_text(RULE)
    Path("study.toml").write_text(STUDY)
    np.savez("in.npz", spikes=np.tile([1, 1, 0, 1], 5).astype(np.uint8).reshape(1, 20, 1))


def ran():
    return len(Path("ran.txt").read_text()) if Path("ran.txt").exists() else 0


def test_a_model_of_the_file_compiles_and_runs(nmc):
    assert nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi", "--weight-bits", 16)[0] == 0
    code, out, _ = nmc("emulate", "net.nmi", "--spikes", "in.npz", "--models", "own.py", "--json")
    v, wanted = 0.0, 0
    for x in np.tile([1, 1, 0, 1], 5):
        v = 0.5 * v + 0.6 * x
        wanted, v = (wanted + 1, 0.0) if v > 0.9 else (wanted, v)
    assert code == 0
    assert json.loads(out)["spikes"] == wanted > 2


def test_without_the_file_there_is_no_such_model(nmc):
    code, _, error = nmc("compile", "net.json", "-o", "net.nmi")
    assert code == 3
    assert error.startswith("nmc: net.json: node 'n' is a 'Leaky'; neuron models are I, IF, ")


def test_an_image_keeps_name_and_digest_and_no_code(nmc):
    nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi")
    note = load_image("net.nmi").compiled.models
    assert (note.name, note.sha256) == ("own.py", hashlib.sha256(OWN.encode()).hexdigest())
    assert json.loads(nmc("inspect", "net.nmi", "--json")[1])["models"] == {"name": "own.py", "sha256": note.sha256}
    assert "models" in nmc("inspect", "net.nmi")[1]


def test_what_the_file_prints_is_not_the_commands_output(nmc):
    code, out, error = nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi", "--json")
    assert code == 0
    assert json.loads(out)["neurons"] == 1
    assert error == "this file ran\n"


def test_the_file_is_run_by_the_command_that_names_it_and_no_other(nmc):
    nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi")
    assert ran() == 1
    nmc("emulate", "net.nmi", "--spikes", "in.npz")
    nmc("emulate", "net.nmi", "--spikes", "in.npz", "--models", "own.py")
    nmc("inspect", "net.nmi")
    assert ran() == 1


def test_the_tables_are_as_they_were_when_the_command_has_ended(nmc):
    nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi")
    assert "Leaky" not in MODELS
    assert "grow" not in RULES
    assert [name for name in sys.modules if name.startswith("nmc_models_")] == []


def test_another_file_is_refused_and_not_run(nmc):
    nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi")
    Path("own.py").write_text(OWN + "\n")
    code, _, error = nmc("emulate", "net.nmi", "--spikes", "in.npz", "--models", "own.py")
    new, old = (hashlib.sha256(text.encode()).hexdigest()[:16] for text in (OWN + "\n", OWN))
    assert (code, ran()) == (3, 1)
    assert error == (
        f"nmc: own.py: SHA-256 {new}.., but this image was compiled with own.py, {old}..; give that file, or compile "
        "the network again\n"
    )


def test_models_of_an_image_that_has_none_are_refused(nmc):
    Path("net.json").write_text(json.dumps(GRAPH | {"graph": {}}))
    nmc("compile", "net.json", "-o", "net.nmi")
    assert nmc("emulate", "net.nmi", "--spikes", "in.npz", "--models", "own.py")[::2] == (
        3,
        "nmc: own.py: this image was compiled without --models; leave it out, or compile it again\n",
    )


def test_a_rule_of_the_file_can_be_named(nmc):
    arguments = ("--plasticity", "rules.toml", "-o", "net.nmi", "--dt", "1e-3", "--arch", "ecp5", "--models", "own.py")
    code, _, error = nmc("compile", "net.json", *arguments)
    assert (code, error) == (0, "this file ran\n")
    assert load_image("net.nmi").compiled.plastic["input->outputs"].learns == "grow"


def test_a_rule_of_the_file_is_called_with_what_it_takes(nmc):
    Path("rules.toml").write_text(RULE.replace("0.05", '"much"'))
    assert nmc("compile", "net.json", "--plasticity", "rules.toml", "-o", "net.nmi", "--models", "own.py")[::2] == (
        3,
        "this file ran\nnmc: rules.toml: [input->outputs]: 'grow' takes a number for amount, not 'much'\n",
    )


def test_workers_of_a_sweep_know_the_models(nmc):
    code, out, error = nmc("sweep", "study.toml", "--models", "own.py", "--workers", 1, "--json")
    assert code == 0, error
    assert [row["status"] for row in json.loads(out)["points"]] == ["done", "done"]


def test_a_study_cannot_name_a_file_of_models(nmc):
    Path("study.toml").write_text(STUDY.replace("[axes]", 'models = "own.py"\n[axes]'))
    code, _, error = nmc("sweep", "study.toml", "--workers", 1)
    assert (code, ran()) == (3, 0)
    assert error.startswith("nmc: study.toml: [settings]: no setting 'models'; there are ")


def test_check_knows_the_models(nmc):
    np.savez("ref.npz", spikes=np.load("in.npz")["spikes"], float_counts=np.array([[3]]))
    code, _, error = nmc("check", "net.json", "--reference", "ref.npz", "--models", "own.py")
    assert ran() == 1
    assert "is a 'Leaky'" not in error
    assert code in (0, 5)


def test_the_file_is_no_place_to_write_to(nmc):
    code, _, error = nmc("compile", "net.json", "--models", "own.py", "-o", "own.py")
    assert (code, error) == (2, "nmc: own.py: would be overwritten while it is read; choose another name\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "m.py: registers no neuron model and no rule; let it call register or register_rule"),
        ("x = (\n", "m.py: SyntaxError in line 1: '(' was never closed; repair the file"),
        ("\nnothing\n", "m.py: NameError in line 2: name 'nothing' is not defined; repair the file"),
        ("raise SystemExit(3)\n", "m.py: SystemExit in line 1: 3; repair the file"),
        ("raise ValueError('a\\n\\x1bb')\n", "m.py: ValueError in line 1: a \\x1bb; repair the file"),
    ],
)
def test_a_file_that_is_no_file_of_models_is_named(source, message):
    with pytest.raises(InputError) as error, using(UserModels("m.py", source.encode())):
        pass
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "'outputs': discretize of the model 'Leaky' returns a NoneType; let it return Dynamics"),
        (
            "1 / 0",
            "'outputs': discretize of the model 'Leaky' ends in ZeroDivisionError: division by zero; repair the model",
        ),
    ],
)
def test_a_model_that_fails_is_named(nmc, body, message):
    Path("own.py").write_text(OWN.replace("    p = population.params\n", f"    {body}\n    p = population.params\n"))
    code, _, error = nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi")
    assert (code, error) == (3, f"this file ran\nnmc: {message}\n")


def test_a_digest_that_is_none_is_refused(nmc):
    nmc("compile", "net.json", "--models", "own.py", "-o", "net.nmi")
    image = load_image("net.nmi")
    object.__setattr__(image.notes.models, "sha256", "../own.py")
    save_image(image, "odd.nmi")
    with pytest.raises(InputError) as error:
        load_image("odd.nmi")
    assert str(error.value) == (
        "odd.nmi: the compiler's notes are not of this image: the digest of its models is none; compile it again"
    )
