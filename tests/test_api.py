"""The Python API: its names, what its arguments may be, and what a notebook shows."""

import ast
import dataclasses
import html
import re
import subprocess
import sys
from pathlib import Path

import networkx as nx
import nir
import numpy as np
import pytest
from nirfiles import LAYERS, chain, give, lif, take, two_layers, write

import nmcompile as nm
from nmcompile.cli import VERBS
from nmcompile.study.sweep import Findings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
PAGES = "".join((ROOT / name).read_text() for name in ("README.md", "docs/for/researcher.md", "docs/learning.md"))
PYTHON = re.findall(r"```python\n(.*?)```", PAGES, flags=re.DOTALL)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return write(tmp_path_factory.mktemp("api") / "net.nir", two_layers(np.random.default_rng(3)), LAYERS)


@pytest.fixture(scope="module")
def spikes():
    return (np.random.default_rng(4).random((4, 5, 6)) < 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def compilation(net, spikes):
    return nm.compile_network(net, "ecp5", semantics="snntorch", calibrate=spikes)


def test_every_public_name_is_there():
    assert len(nm.__all__) > 60
    assert set(nm.__all__) <= set(dir(nm))
    for name in nm.__all__:
        assert getattr(nm, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'nmcompile' has no attribute 'nothing'$"):
        _ = nm.nothing


def test_every_verb_can_be_called_from_python():
    elsewhere = {
        "demo": "load_example",
        "compile": "compile_network",
        "report": "write_report",
        "board": "SimulatedBoard",
    }
    assert {elsewhere.get(verb, verb) for verb in VERBS} <= set(nm.__all__)


def test_importing_the_package_loads_nothing():
    code = "import sys, nmcompile; assert 'numpy' not in sys.modules and 'click' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "nmcompile", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nmc, version ")


@pytest.mark.parametrize("package", ["nmcompile", "emulator"])
def test_a_type_checker_finds_the_types(package):
    assert (ROOT / package / "py.typed").is_file()


def imports(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name for name in found if name.split(".")[0] in ("nmcompile", "emulator")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_use_public_names_only(path):
    assert imports(path.read_text()) == {"nmcompile"}
    used = set(re.findall(r"\bnm\.(\w+)", path.read_text()))
    assert used
    assert used <= set(nm.__all__)


def test_the_readme_uses_public_names_only():
    assert len(PYTHON) >= 2
    assert set().union(*map(imports, PYTHON)) == {"nmcompile"}
    assert set(re.findall(r"\bnm\.(\w+)", PAGES)) <= {*nm.__all__}


def test_three_lines_of_the_readme_give_a_first_result(capsys):
    code = PYTHON[0].replace("example.test)", "example.test.first(50))")
    exec(code, {})
    assert 0.9 <= ast.literal_eval(capsys.readouterr().out)["accuracy"] <= 1


def test_an_example_that_is_not_there_is_answered_with_those_there_are():
    with pytest.raises(nm.UsageError) as error:
        nm.load_example("cifar")
    assert str(error.value) == "no bundled network 'cifar'; there are mnist_mlp, mnist_conv, mnist_rows"


# ------------------------------------------------------------------------------------------------ arguments
def test_names_paths_and_objects_compile_to_the_same(net, spikes, compilation, tmp_path):
    np.savez(tmp_path / "in.npz", spikes=spikes)
    other = nm.compile_network(
        nm.read_network(net),
        nm.load_architecture("ecp5"),
        nm.choose_semantics("snntorch"),
        calibrate=tmp_path / "in.npz",
    )
    for core, same in zip(compilation.image.cores, other.image.cores, strict=True):
        np.testing.assert_array_equal(core.program, same.program)
        np.testing.assert_array_equal(core.synapses, same.synapses)


@pytest.mark.parametrize("kind", ["array", "path", "data", "trains", "events"])
def test_inputs_of_a_run_are_whatever_holds_them(kind, compilation, spikes, tmp_path):
    np.savez(tmp_path / "in.npz", spikes=spikes)
    nm.save_image(compilation.image, tmp_path / "net.nmi")
    data = nm.read_spikes(spikes)
    np.savez(tmp_path / "events.npz", events=np.argwhere(spikes), shape=spikes.shape)
    given = {"array": spikes, "path": str(tmp_path / "in.npz"), "data": data, "trains": data.spikes}
    given["events"] = tmp_path / "events.npz"
    wanted = nm.emulate(compilation.image, spikes)
    for image in (compilation, compilation.image, tmp_path / "net.nmi"):
        np.testing.assert_array_equal(nm.evaluate(image, given[kind]).output_counts, wanted.output_counts)


def test_a_graph_of_networkx_is_a_network():
    graph = nx.DiGraph(model="DiscreteLIF", decay=0.9)
    graph.add_node("eye", role="input")
    graph.add_node("a", role="output")
    graph.add_edge("eye", "a", weight=0.7)
    assert nm.read_network(graph).n_inputs == 1


def test_a_graph_of_the_nir_package_is_a_network():
    nodes = {"input": give(3), "w": nir.Linear(np.ones((2, 3))), "lif": lif(2), "output": take(2)}
    assert nm.read_network(nir.NIRGraph(nodes, chain(*nodes))).n_inputs == 3


class Module:
    def state_dict(self):
        return {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "a int is no network; give a file, a NIR graph or a networkx graph"),
        (Module(), "a module (Module) says too little by itself; use from_torch(module, sample)"),
    ],
)
def test_what_is_no_network_is_said_in_a_line(source, message):
    with pytest.raises(nm.InputError) as error:
        nm.read_network(source)
    assert str(error.value) == message


# ------------------------------------------------------------------------------------------------ what is shown
@pytest.fixture(scope="module")
def shown(net, spikes, compilation, tmp_path_factory):
    """By kind, an object that is shown and what its HTML must say."""
    folder = tmp_path_factory.mktemp("study")
    np.savez(folder / "in.npz", spikes=spikes, labels=[0, 1, 2, 0])
    (folder / "study.toml").write_text(
        f'title = "Bits"\n[settings]\nnetwork = "{net}"\nspikes = "in.npz"\narch = "ecp5"\n'
        "[axes]\nweight_bits = [4, 8]\n"
    )
    study = nm.read_study(folder / "study.toml")
    row = {"at": {"weight_bits": 4}, "status": "done", "error": "", "accuracy": 0.5, "front": True}
    row |= {"energy_j_per_sample": 1e-9, "latency_s_per_sample": 1e-3}
    findings = Findings("Bits", study.axes, ("accuracy", "energy_j_per_sample"), (row,), 1, 1, 0.1)
    return {
        "network": (nm.read_network(net), "lif1"),
        "compilation": (compilation, "lif2"),
        "image": (compilation.image, "Where its neurons live"),
        "result": (nm.evaluate(compilation, spikes, record_spikes=True), "cycles per sample"),
        "findings": (findings, "Best accuracy"),
        "study": (study, None),
        "data": (nm.read_spikes(spikes), None),
    }


KINDS = ("network", "compilation", "image", "result", "findings", "study", "data")


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_shown_in_a_line_or_two(shown, kind):
    assert re.fullmatch(r"<[A-Z].{10,450}>", repr(shown[kind][0]))


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_notebook_shows_a_page_in_a_frame_in_which_nothing_runs(shown, kind):
    drawn, said = shown[kind]
    text = drawn._repr_html_()
    assert re.fullmatch(r'<iframe sandbox srcdoc="[^"]+" style="[^"]+"></iframe>', text)
    assert said in html.unescape(text)
    assert "<script" not in html.unescape(text)


def test_names_of_a_network_are_no_markup_of_a_page():
    graph = nx.DiGraph(model="DiscreteLIF", decay=0.9)
    graph.add_node("<b>x</b>", role="input")
    graph.add_node("a", role="output")
    graph.add_edge("<b>x</b>", "a")
    network = dataclasses.replace(nm.read_network(graph), origin="<i>me</i>")
    assert "<i>me" not in html.unescape(network._repr_html_())
