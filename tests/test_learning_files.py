"""Rules from TOML, learning from the command line, and learned weights back into NIR."""

import html
import json
import re
from pathlib import Path

import nir
import numpy as np
import pytest
from nirfiles import chain, write

from emulator.spec.errors import InputError
from emulator.spec.image_file import load_image
from nmcompile.frontends import read_network
from nmcompile.learning import library as plasticity
from nmcompile.learning.files import CUSTOM, read_rules
from nmcompile.learning.learned import learned_weights
from nmcompile.learning.library import pair_stdp, sdsp
from nmcompile.network.rule import Term, Trace

SDSP = """
[fc]
rule = "sdsp"
a_up = 0.1
a_down = 0.1
v_up = 0.5
calcium_down = [0.5, 2.0]
tau_calcium = 0.05
w_min = 0
w_max = 1
"""
CUSTOM_RULE = """
[fc]
rule = "custom"
w_min = 0
w_max = 1
"""
RULES = """
[fc]
rule = "pair-stdp"
a_plus = 0.05
a_minus = 0.02
tau_plus = 0.01
tau_minus = 0.01
w_min = 0.0
w_max = 1.0
"""


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    """In a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(tmp_path):
    """A network of 20 inputs and 4 neurons, inputs, and rules for it."""
    rng = np.random.default_rng(0)
    one = np.ones(4)
    nodes = {
        "input": nir.Input(np.array([20])),
        "fc": nir.Linear(rng.random((4, 20))),
        "out": nir.LIF(tau=0.01 * one, r=10 * one, v_leak=0 * one, v_threshold=4 * one, v_reset=0 * one),
        "output": nir.Output(np.array([4])),
    }
    write(tmp_path / "net.nir", nodes, chain("input", "fc", "out", "output"))
    spikes = (rng.random((5, 60, 20)) < 0.1 * np.arange(20) / 20).astype(np.uint8)
    np.savez(tmp_path / "in.npz", spikes=spikes)
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def test_learning_from_the_command_line_ends_in_the_same_network_with_other_weights(nmc, files):
    code, out, err = nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml", "--json")
    assert (code, err) == (0, "")
    first = nmc("emulate", "net.nmi", "--spikes", "in.npz", "--json")
    assert first[0] == 0
    still = json.loads(nmc("emulate", "net.nmi", "--spikes", "in.npz", "--json")[1])
    learning = json.loads(nmc("emulate", "net.nmi", "--spikes", "in.npz", "--learned", "after.nmi", "--json")[1])
    assert still["spikes"] == json.loads(first[1])["spikes"] != learning["spikes"]
    assert learning["cycles_per_sample"] > still["cycles_per_sample"]
    before, after = (learned_weights(load_image(files / name), "fc") for name in ("net.nmi", "after.nmi"))
    assert np.abs(after - before).max() > 0.1
    assert after[12:].mean() > before[12:].mean() + 0.02  # inputs that spike more, come before

    code, out, _ = nmc("inspect", "after.nmi", "--json")
    (projection,) = json.loads(out)["projections"]
    assert projection["learns"] == "pair-stdp"
    assert projection["weight_mean"] == pytest.approx(after.mean())
    assert "pair-stdp" in nmc("inspect", "after.nmi")[1]

    assert nmc("export", "after.nmi", "--into", "net.nir", "-o", "after.nir")[0] == 0
    network = read_network(files / "after.nir")
    np.testing.assert_allclose(network.projections[0].matrix.toarray(), after, atol=1e-6)
    assert np.abs(read_network(files / "net.nir").projections[0].matrix.toarray() - before).max() < 0.01
    nir.read(files / "after.nir")


def test_every_verb_says_what_learns_and_what_it_cost(nmc, files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = lambda text: [" ".join(line.split()) for line in text.splitlines()]  # noqa: E731
    said = nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml")[1]
    assert "learns fc by pair-stdp, 80 of 80 pairs, 8 bits, from 0 to 1 in steps of 0.00787" in lines(said)
    run = ["emulate", "net.nmi", "--spikes", "in.npz"]
    assert "learning off, fc as compiled; --learn switches it on" in lines(nmc(*run)[1])

    values = json.loads(nmc(*run, "--learn", "--json")[1])
    assert 0 < values["learning_cycles_per_sample"] < values["cycles_per_sample"]
    assert 0 < values["learning_energy_j_per_sample"] < values["energy_j_per_sample"]
    said = lines(nmc(*run, "--learn")[1])
    (cost,) = [line for line in said if line.startswith("learning")]
    assert f"learning {values['learning_cycles_per_sample']:,.0f} cycles per sample (" in cost
    assert f", {values['row_updates'] / 5:,.1f} rows updated" in cost
    assert "! what was learned is not kept; give --learned OUT.nmi to write the image that it ends in" in said

    said = lines(nmc(*run, "--learned", "after.nmi", "-o", "run.npz")[1])
    before, after = (learned_weights(load_image(files / name), "fc").mean() for name in ("net.nmi", "after.nmi"))
    assert f"learned fc by pair-stdp: mean weight {before:.4g} before, {after:.4g} after" in said
    assert said[-2:] == ["wrote run.npz", "wrote after.nmi"]
    assert f"row_updates {values['row_updates']:,}" in lines(nmc("inspect", "run.npz")[1])
    assert nmc("report", "run.npz", "--html", "run.html")[0] == 0
    assert f"<dd>{cost.removeprefix('learning ')}" in " ".join(html.unescape((files / "run.html").read_text()).split())
    assert nmc("export", "after.nmi", "--into", "net.nir", "-o", "after.nir")[1] == "wrote after.nir: fc\n"


def test_rewards_come_with_the_inputs(nmc, files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rule = RULES.replace("pair-stdp", "reward-stdp").replace("w_max = 1.0", "w_max = 1.0\nlargest = 0.5")
    (files / "rules.toml").write_text(rule)
    nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml", "--arch", "ecp5")
    spikes = np.load(files / "in.npz")["spikes"]
    learn = ["emulate", "net.nmi", "--spikes", "in.npz", "--learned", "after.nmi"]
    assert (
        "! 'fc' learns by 'reward-stdp', which waits for rewards, and these inputs bring none: give `rewards`, an "
        "integer per sample\n" in nmc(*learn)[1]
    )
    before, after = (learned_weights(load_image(files / name), "fc") for name in ("net.nmi", "after.nmi"))
    np.testing.assert_array_equal(before, after)
    means = []
    for reward in (1, -1):
        np.savez(files / "in.npz", spikes=spikes, rewards=np.full(5, reward))
        code, out, _ = nmc(*learn)
        assert (code, "bring none" in out) == (0, False)
        means.append(learned_weights(load_image(files / "after.nmi"), "fc").mean())
    assert means[0] > before.mean() + 0.05 > before.mean() - 0.05 > means[1]
    np.savez(files / "in.npz", spikes=spikes, rewards=np.ones(3))
    assert nmc(*learn) == (
        3,
        "",
        "nmc: in.npz: rewards are float64 of shape (3,) for 5 samples; one integer per sample is needed\n",
    )


def test_learned_thresholds_are_exported_too(nmc, files):
    (files / "rules.toml").write_text(
        RULES.replace("pair-stdp", "symmetric-stdp")
        .replace("a_plus", "theta_plus = 0.5\na_plus")
        .replace("tau_plus", "tau")
        .replace("tau_minus = 0.01\n", "")
    )
    nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml")
    nmc("emulate", "net.nmi", "--spikes", "in.npz", "--learned", "after.nmi")
    low, mean, high = json.loads(nmc("inspect", "after.nmi", "--json")[1])["thresholds"]["out"]
    assert 4 < low < mean < high
    assert "moving threshold" in nmc("inspect", "after.nmi")[1]
    assert nmc("export", "after.nmi", "--into", "net.nir", "-o", "after.nir")[1] == "wrote after.nir: fc, out\n"
    thresholds = nir.read(files / "after.nir").nodes["out"].v_threshold
    assert (thresholds.min(), thresholds.max()) == pytest.approx((low, high))

    nmc("compile", "after.nir", "-o", "again.nmi", "--dt", "1e-3")
    run = ["--spikes", "in.npz", "--json"]
    learned, again = (json.loads(nmc("emulate", name, *run)[1])["spikes"] for name in ("after.nmi", "again.nmi"))
    assert learned == pytest.approx(again, rel=0.1)


def test_export_into_another_network_says_what_does_not_fit(nmc, files):
    nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml")
    one = np.ones(3)
    nodes = {
        "input": nir.Input(np.array([20])),
        "fc": nir.Linear(np.ones((3, 20))),
        "out": nir.LIF(tau=one, r=one, v_leak=one, v_threshold=one, v_reset=one),
        "output": nir.Output(np.array([3])),
    }
    write(files / "other.nir", nodes, chain("input", "fc", "out", "output"))
    assert nmc("export", "net.nmi", "--into", "other.nir", "-o", "after.nir") == (
        3,
        "",
        "nmc: other.nir: 'fc' has learned a weight of shape (4, 20), but the file has shape (3, 20); give the one that "
        "was compiled\n",
    )
    assert not (files / "after.nir").exists()


def test_learned_weights_are_where_learning_goes_on(nmc, files):
    nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml")
    nmc("emulate", "net.nmi", "--spikes", "in.npz", "--learned", "one.nmi")
    nmc("emulate", "one.nmi", "--spikes", "in.npz", "--learned", "two.nmi")
    spikes = np.load(files / "in.npz")["spikes"]
    np.savez(files / "twice.npz", spikes=np.concatenate([spikes, spikes]))
    nmc("emulate", "net.nmi", "--spikes", "twice.npz", "--learned", "both.nmi")
    two, both = (learned_weights(load_image(files / name), "fc") for name in ("two.nmi", "both.nmi"))
    np.testing.assert_array_equal(two, both)


def test_nothing_learns_without_rules(nmc, files):
    nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3")
    assert nmc("emulate", "net.nmi", "--spikes", "in.npz", "--learn") == (
        2,
        "",
        "nmc: nothing in this image learns; compile it with --plasticity RULES.toml\n",
    )
    assert nmc("export", "net.nmi", "--into", "net.nir", "-o", "after.nir") == (
        3,
        "",
        "nmc: nothing in this image learns, so there is nothing to export; compile it with --plasticity\n",
    )


# --------------------------------------------------------------------------------------------------- TOML
def rules(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return read_rules(path)


def test_rules_of_the_library_take_their_parameters(tmp_path):
    assert rules(tmp_path, RULES) == {"fc": pair_stdp(0.05, 0.02, 0.01, 0.01, 0.0, 1.0)}
    text = """
    ["a.b"]
    rule = "sdsp"
    a_up = 0.1
    a_down = 0.1
    v_up = 0.5
    calcium_up = [0.5, 3.0]
    calcium_down = [0.5, 2.0]
    tau_calcium = 0.05
    w_min = 0
    w_max = 1
    bits = 16
    """
    assert rules(tmp_path, text) == {"a.b": sdsp(0.1, 0.1, 0.5, (0.5, 3.0), (0.5, 2.0), 0.05, 0, 1, bits=16)}


def test_a_rule_of_its_own_is_tables_of_traces_and_terms(tmp_path):
    text = """
    [fc]
    rule = "custom"
    traces = [{name = "x", of = "pre", tau = 0.02}]
    terms = [{on = "post", change = 0.01, traces = ["x"]}, {on = "post", change = -0.002, soft = "down"}]
    threshold = {plus = 0.1}
    w_min = -1.0
    w_max = 1.0
    """
    (rule,) = rules(tmp_path, text).values()
    assert rule.traces == (Trace("x", "pre", 0.02),)
    assert rule.terms == (Term("post", 0.01, ("x",)), Term("post", -0.002, (), "down"))
    assert rule.threshold.plus == 0.1


def test_the_page_of_learning_shows_rules_that_work_and_all_of_them(tmp_path):
    text = (Path(__file__).parent.parent / "docs" / "learning.md").read_text()
    toml = re.findall("```toml\n(.*?)```", text, re.DOTALL)[0]
    assert rules(tmp_path, toml)["fc1"] == pair_stdp(0.01, 0.012, 0.02, 0.02, 0.0, 1.0)
    section = text.split("\n| rule |")[1].split("\n\n")[0]
    assert re.findall("^\\| `(.*?)` \\|", section, re.MULTILINE) == [*plasticity.RULES, CUSTOM]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": no rules in it; give a table per projection, for example [fc1]"),
        ("[fc\n", ": not a readable TOML file: Expected ']' at the end of a table declaration (at line 1, column 4)"),
        (
            "[fc]\n",
            ": [fc] names no rule; add rule = one of rectangular-stdp, pair-stdp, triplet-stdp, symmetric-stdp, "
            "post-stdp, sdsp, reward-stdp, hebbian, custom",
        ),
        (
            '[fc]\nrule = "stdp"\n',
            ": [fc]: no rule 'stdp'; the rules are rectangular-stdp, pair-stdp, triplet-stdp, symmetric-stdp, "
            "post-stdp, sdsp, reward-stdp, hebbian, custom",
        ),
        (
            RULES + "tau = 0.1\n",
            ": [fc]: 'pair-stdp' has no parameter 'tau'; it takes a_plus, a_minus, tau_plus, tau_minus, w_min, w_max, "
            "pairing, soft, all_to_all, bits, rounding",
        ),
        (RULES.replace("w_max = 1.0", ""), ": [fc]: 'pair-stdp' needs w_max; give it"),
        (
            RULES.replace("tau_plus = 0.01", 'tau_plus = "long"'),
            ": [fc]: 'pair-stdp' takes a number for tau_plus, not 'long'",
        ),
        (RULES + "soft = 1", ": [fc]: 'pair-stdp' takes true or false for soft, not 1"),
        (RULES + 'bits = "8"', ": [fc]: 'pair-stdp' takes a whole number for bits, not '8'"),
        (RULES + "rounding = 1", ": [fc]: 'pair-stdp' takes a text for rounding, not 1"),
        (
            '[fc]\nrule = ["pair-stdp"]',
            ": [fc]: no rule ['pair-stdp']; the rules are rectangular-stdp, pair-stdp, triplet-stdp, symmetric-stdp, "
            "post-stdp, sdsp, reward-stdp, hebbian, custom",
        ),
        (SDSP + "calcium_up = 3", ": [fc]: 'sdsp' takes two numbers for calcium_up, not 3"),
        (SDSP + 'calcium_up = [1, "b"]', ": [fc]: 'sdsp' takes two numbers for calcium_up, not [1, 'b']"),
        (CUSTOM_RULE + "traces = 3", ": [fc]: 'custom' takes a list of tables for traces, not 3"),
        (
            CUSTOM_RULE + 'terms = [{on = "post", change = 1, traces = "x"}]',
            ": [fc] terms: 'term' takes a list of names for traces, not 'x'",
        ),
        (
            CUSTOM_RULE + 'conditions = [{name = "up", bounds = [["v", 0]]}]',
            ": [fc] conditions: 'condition' takes a list of [variable, low, high] for bounds, not [('v', 0)]",
        ),
        (
            RULES.replace("w_max = 1.0", "w_max = inf"),
            ": [fc]: learning rule 'pair-stdp': weights from 0.0 to inf are unbounded; give w_min and w_max",
        ),
        (
            '[fc]\nrule = "custom"\nw_min = 0\nw_max = 1\nterms = [{on = "post", change = 1, traces = ["x"]}]\n',
            ": [fc]: learning rule 'custom': unknown trace 'x' in a term; its traces are none",
        ),
        (
            '[fc]\nrule = "custom"\nw_min = 0\nw_max = 1\nterms = [3]\n',
            ": [fc] terms: 3 is no table; give {...} with on, change, traces, soft, where",
        ),
    ],
)
def test_a_wrong_file_of_rules_says_what_is_wrong(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        rules(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'rules.toml'}{message}"


def test_a_table_whose_name_a_terminal_cannot_show_is_named_escaped(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text('["\\u001b[31m"]\nrule = "none"\n')
    with pytest.raises(InputError) as error:
        read_rules(path)
    assert str(error.value).startswith(f"{path}: [\\x1b[31m]: no rule 'none'; the rules are ")


def test_a_trace_that_never_decays_compiles(nmc, files):
    (files / "rules.toml").write_text(RULES.replace("tau_plus = 0.01", "tau_plus = 1e18"))
    code, _, err = nmc("compile", "net.nir", "-o", "net.nmi", "--dt", "1e-3", "--plasticity", "rules.toml", "--json")
    assert (code, err) == (0, "")
