"""Notes of images and results: checked when a file is read, whatever is wrong with them, in one line."""

import json
import re
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import dense, lif
from runs import made

import emulator
from emulator.result import load_result, save_result
from emulator.spec.arch import load_architecture
from emulator.spec.errors import InputError
from emulator.spec.files import printable
from emulator.spec.image_file import load_compiled, load_image, save_image
from nmcompile.learning.attach import attach
from nmcompile.learning.library import pair_stdp
from nmcompile.network.limits import INPUT
from nmcompile.network.network import Network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    projections = (
        dense("fc1", INPUT, "hidden", rng.uniform(0.1, 1, (5, 6))),
        dense("fc2", "hidden", "out", rng.normal(size=(6, 3))),
    )
    network = Network((5,), (lif("hidden", (6,)), lif("out", (3,))), projections, "out")
    network = attach(network, {"fc1": pair_stdp(0.01, 0.012, 0.02, 0.02, w_min=0, w_max=1)})
    return compile_network(network, load_architecture("ecp5"), choose_semantics(dt=1e-3)).image


def rewritten(path, target, change):
    """A copy of an image's file with another manifest, its seal repaired."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    members["seal"] = sha256(members["manifest.json"]).hexdigest().encode()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target


def test_an_image_and_its_notes_survive_their_file(image, tmp_path):
    save_image(image, tmp_path / "a.nmi")
    assert load_compiled(tmp_path / "a.nmi").notes == image.notes
    assert image.notes.plastic["fc1"].learns == "pair-stdp"


@pytest.mark.parametrize("name", ["red\x1b[31m", "two\nlines", "it's"])
def test_any_name_survives_a_file_in_printable_form(tmp_path, name):
    """In the image and in its notes alike, so that they still speak of the same populations."""
    projections = (dense(f"onto {name}", INPUT, name, np.ones((5, 3))),)
    network = Network((5,), (lif(name, (3,)),), projections, name)
    save_image(compile_network(network, load_architecture("ecp5")).image, tmp_path / "a.nmi")
    image = load_compiled(tmp_path / "a.nmi")
    assert image.notes.output == image.populations[0].name == printable(name)
    assert image.notes.projections[0].name == printable(f"onto {name}")


def test_names_in_a_result_cannot_steer_a_terminal(tmp_path):
    save_result(made(names=("red\x1b[31m", "out")), tmp_path / "run.npz")
    assert load_result(tmp_path / "run.npz").notes.populations == (r"red\x1b[31m", "out")


def test_an_image_of_an_older_format_gets_one_line(image, tmp_path):
    save_image(image, tmp_path / "a.nmi")
    old = rewritten(tmp_path / "a.nmi", tmp_path / "old.nmi", lambda manifest: manifest.update(format_version=1))
    with pytest.raises(InputError, match=f"^{old}: format_version 1, this version reads 2; compile it again$"):
        load_image(old)


def at(manifest, *path):
    here = manifest["notes"]
    for step in path:
        here = here[step]
    return here


ODD = "the compiler's notes are not of this image: "


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: at(m).pop("parts"), "the compiler's notes: Object missing required field `parts`"),
        (lambda m: at(m).update(warnings=3), "the compiler's notes: Expected `array`, got `int` - at `$.warnings`"),
        (lambda m: at(m).update(readout="taste"), "the compiler's notes: Invalid enum value 'taste' - at `$.readout`"),
        (lambda m: at(m).update(output="lost"), f"{ODD}the output 'lost' is no population of it"),
        (lambda m: at(m).update(input_shape=[7]), f"{ODD}inputs of shape (7,) and 1 levels, it has 5"),
        (lambda m: at(m, "thresholds").update(hidden=[1, 2]), f"{ODD}thresholds of 'hidden'"),
        (lambda m: at(m, "parts", 0, 0).update(population="lost"), f"{ODD}a part of 'lost' in core 0"),
        (
            lambda m: at(m, "parts", 0, 0).update(first_block=9_999),
            f"{ODD}a part of 'hidden' in core 0, 6 neurons in blocks 9999 to 10000",
        ),
        (
            lambda m: at(m, "parts", 0, 0).update(program=[3, 3]),
            f"{ODD}a part of 'hidden' in core 0, program words 3 to 3 of ",
        ),
        (
            lambda m: at(m, "parts", 0, 0).update(learning=1),
            f"{ODD}a part of 'hidden' in core 0, whose learning is switched at 1",
        ),
        (
            lambda m: at(m, "parts", 0, 0, "projections", 0).update(axons=1 << 40),
            f"{ODD}a part of 'hidden' in core 0, projection 'fc1'",
        ),
        (
            lambda m: at(m, "projections", 1).update(synapses=19),
            f"{ODD}projection 'fc2' with 19 synapses of 18 pairs",
        ),
        (
            lambda m: at(m, "projections", 1).update(weight_bits=5),
            f"{ODD}projection 'fc2' with 18 weights of 5 bits",
        ),
        (lambda m: at(m, "projections", 0, "learning").update(unit=0.0), f"{ODD}how 'fc1' learns"),
        (lambda m: at(m)["parts"].pop(), f"{ODD}parts of 3 cores, it has 4"),
    ],
)
def test_odd_notes_of_an_image_are_named(image, tmp_path, change, said):
    save_image(image, tmp_path / "a.nmi")
    odd = rewritten(tmp_path / "a.nmi", tmp_path / "odd.nmi", change)
    with pytest.raises(InputError, match=f"^{re.escape(f'{odd}: {said}')}.*; compile it again$"):
        load_image(odd)


LEAVES = st.none() | st.booleans() | st.integers(-3, 1 << 40) | st.floats() | st.text(max_size=3)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3))


def places(value, path=()):
    """The path of every value inside, itself included."""
    yield path
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def put(value, path, new):
    """Replace what lies at a path; None at its end takes it away."""
    for step in path[:-1]:
        value = value[step]
    if new is ...:
        del value[path[-1]]
    else:
        value[path[-1]] = new


def loaded(load, path):
    """What is in the file; None if it is refused by one line that names it."""
    try:
        return load(path)
    except InputError as error:
        said = str(error)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return None


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_change_of_an_images_notes_is_harmless_or_refused(image, tmp_path_factory, data):
    """Whatever is read afterwards is read by everybody without a traceback."""
    from nmcompile.results.inspection import inspect_image

    folder = tmp_path_factory.mktemp("notes")
    save_image(image, folder / "a.nmi")

    def change(manifest):
        found = [path for path in places(manifest["notes"]) if path]
        put(manifest["notes"], data.draw(st.sampled_from(found)), data.draw(VALUES | st.just(...)))

    odd = loaded(load_image, rewritten(folder / "a.nmi", folder / "odd.nmi", change))
    if odd is None:
        return
    json.dumps(inspect_image(odd))
    emulator.run(odd, np.ones((1, 3, 5), np.uint8))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_change_of_a_results_notes_is_harmless_or_refused(tmp_path_factory, data):
    from nmcompile.report.report import write_report
    from nmcompile.results.inspection import inspect_result

    folder = tmp_path_factory.mktemp("notes")
    save_result(made(), folder / "run.npz")
    with np.load(folder / "run.npz") as file:
        arrays = dict(file)
    manifest = json.loads(str(arrays["meta"]))
    found = [path for path in places(manifest["notes"]) if path and path[0] != "neurobench"]
    put(manifest["notes"], data.draw(st.sampled_from(found)), data.draw(VALUES | st.just(...)))
    arrays["meta"] = np.array(json.dumps(manifest))
    np.savez(folder / "odd.npz", **arrays)
    odd = loaded(load_result, folder / "odd.npz")
    if odd is None:
        return
    inspect_result(odd)
    write_report(odd, str(folder / "page.html"))


def test_a_result_of_an_older_format_gets_one_line(tmp_path):
    save_result(made(), tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as file:
        arrays = dict(file)
    manifest = json.loads(str(arrays["meta"])) | {"format_version": 1}
    np.savez(tmp_path / "old.npz", **arrays | {"meta": np.array(json.dumps(manifest))})
    with pytest.raises(InputError, match=r"old\.npz: format_version 1, this version reads 2; run it again$"):
        load_result(tmp_path / "old.npz")


def test_the_depth_of_a_population_is_when_its_program_runs(image):
    """Under semantics with an output delay, spikes are shown earlier than the population lives."""
    rng = np.random.default_rng(1)
    projections = (dense("fc", INPUT, "out", rng.uniform(0.1, 1, (5, 3))),)
    network = Network((5,), (lif("out", (3,)),), projections, "out")
    late = compile_network(network, load_architecture("ecp5"), choose_semantics("nir", output_delay=1)).image
    (out,) = late.populations
    assert (out.depth, out.shown, late.latency) == (1, 0, 0)


def test_who_is_where_is_answered_by_the_image(image):
    whose = image.whose()
    for number, population in enumerate(image.populations):
        core, neuron = population.location.T
        assert (whose.population[core, neuron] == number).all()
        np.testing.assert_array_equal(whose.neuron[core, neuron], np.arange(len(core)))
    assert (whose.neuron >= 0).sum() == sum(len(p.location) for p in image.populations)
