"""Files of every kind that are whole, but say something wrong: our own errors only, in printable lines, and no hang.

A good file is a tree of values. Some of them are replaced by odd ones, deleted, renamed or exchanged, and the tree is
written again, so that what is wrong gets past the parser. CI runs a slice with fixed seeds; NM_LONG=1 runs thousands.
"""

import copy
import datetime
import hashlib
import io
import json
import math
import resource
import signal
import xml.etree.ElementTree as ET
import zipfile
from contextlib import contextmanager

import h5py
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nir import Affine, AvgPool2d, Conv2d, CubaLIF, Delay, Flatten, Linear, NIRGraph, Scale
from nirfiles import chain, give, lif, take, write
from test_fuzz import attempt, fuzz
from test_graph import small
from test_lava import cuba

from emulator.result import load_result, save_result
from emulator.spec.arch import load_architecture
from emulator.spec.image_file import load_image, save_image
from nmcompile.coding.spikes import SpikeData, read_spikes
from nmcompile.frontends import READERS, read_network
from nmcompile.learning.attach import attach
from nmcompile.learning.files import read_rules
from nmcompile.network.network import Network
from nmcompile.network.semantics import choose_semantics
from nmcompile.pipeline import compile_network
from nmcompile.results.evaluate import evaluate
from nmcompile.results.inspection import inspect_file

SECONDS = 5  # of the processor for one file; the slowest takes one
MEMORY = 1 << 20  # KiB more than before, for all files of a kind

# --------------------------------------------------------------------------------------------------- odd values
TEXTS = ["", "x", "\x1b[31m", "é" * 300, "../a", "1e9", "nan", "-1", "input"]
NUMBERS = [0, 1, -1, 3, 0.5, -0.5, 1e-300, 1e308, -1e308, 1 << 31, 1 << 62, 255, 256, True]
PLAIN = [*TEXTS, *NUMBERS, 10**30, math.nan, math.inf, -math.inf, [], {}, [1], [0, 0, 0], {"a": 1}, [[1, 2], [3]]]
JSON = [*PLAIN, None]
TOML = [*PLAIN, datetime.date(1979, 5, 27)]
ARRAYS = [
    *(np.array(value) for value in (0, 1, -1, 2, 0.5, -1.5, 1e-300, 1e308, math.nan, math.inf, True, 1j)),
    *(np.array(text.encode()) for text in ("", "x", "same", "LIF", "Affine", "CUBA", "\x1b[31m", "\xff")),
    *(np.full(n, value) for n in (0, 1, 2, 3, 7) for value in (0, 1, -1, 1e-4, math.nan)),
    *(np.full(shape, 1.0) for shape in ((0, 3), (1, 1), (3, 3), (2, 2, 2), (1, 2, 3, 3), (2, 2, 3, 3, 1), (1,) * 9)),
    *(np.array([value]) for value in (1 << 62, -(1 << 62), (1 << 64) - 1, 1 << 31)),
    np.array([1 << 30, 1 << 30]),
    np.array([b"a", b"lif1"]),
    np.array([[b"input", b"lif1"], [b"lif1", b"lif1"]]),
    np.zeros(2, [("a", "<f4"), ("b", "<i2")]),
]


def places(tree):
    """(container, key) of everything in a tree of dictionaries and lists."""
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    for key, value in items:
        yield tree, key
        yield from places(value)


def change(draw, tree, odd):
    """Do one thing to a random place of a tree."""
    found = list(places(tree))
    if not found:
        return
    container, key = draw(st.sampled_from(found), label="place")
    what = draw(st.sampled_from(["odd", "odd", "odd", "bend", "delete", "rename", "exchange", "twice"]), label="how")
    if what == "bend" and isinstance(container[key], np.ndarray) and container[key].dtype.kind in "iuf":
        value = container[key]
        with np.errstate(all="ignore"):
            scaled = [value * 1e6, value * -1.0, 0 * value]
        bends = [value[None], value.reshape(-1)[:-1], value.T, value.astype("S4"), *scaled]
        container[key] = draw(st.sampled_from(bends), label="bent")
    elif what in ("odd", "bend"):
        container[key] = copy.deepcopy(draw(st.sampled_from(odd), label="odd"))
    elif what == "delete":
        del container[key]
    elif what == "rename" and isinstance(container, dict):
        container[draw(st.sampled_from(["x", "\x1b[31m", "input", "0", "99999999", "node"]))] = container.pop(key)
    elif what == "exchange":
        other, place = draw(st.sampled_from(found), label="with")
        if key in (container if isinstance(container, dict) else range(len(container))):
            value = copy.deepcopy(container[key])
            container[key] = copy.deepcopy(other[place])
            other[place] = value
    elif what == "twice" and isinstance(container, list):
        container.append(copy.deepcopy(container[key]))


# ------------------------------------------------------------------------------------------------ trees and files
def read_hdf5(group):
    return {key: read_hdf5(item) if isinstance(item, h5py.Group) else item[()] for key, item in group.items()}


def write_hdf5(path, tree):
    def put(group, values):
        for key, value in values.items():
            if isinstance(value, dict):
                put(group.create_group(key), value)
            else:
                group.create_dataset(key, data=value)

    with h5py.File(path, "w") as file:
        put(file, tree)


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, datetime.date) else json.dumps(value)


def write_toml(path, tree):
    path.write_text("".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in tree.items()))


def write_json(path, tree):
    path.write_text(json.dumps(tree))


def write_npz(path, tree):
    np.savez(path, **{key.replace("/", "_").replace("\x1b", "_"): value for key, value in tree.items() if key})


def write_image(path, tree):
    members = {}
    for name, array in tree["arrays"].items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
        members[name] = buffer.getvalue()
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    manifest = tree["manifest"]
    text = json.dumps(manifest | {"sha256": digests} if isinstance(manifest, dict) else manifest).encode()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.json", text)
        file.writestr("seal", hashlib.sha256(text).hexdigest())
        for name, data in members.items():
            file.writestr(name, data)


def as_tree(element):
    """An XML element as a tree: [tag, attributes, text, children]."""
    return [element.tag, dict(element.attrib), element.text or "", [as_tree(child) for child in element]]


def write_xml(path, tree):
    def build(node):
        tag, attributes, text, children = node
        element = ET.Element(tag, attributes)
        element.text = text
        element.extend(build(child) for child in children)
        return element

    try:
        path.write_bytes(ET.tostring(build(tree)))
    except (TypeError, ValueError, AttributeError):  # no XML says that
        path.write_bytes(b"<graphml>")


# ----------------------------------------------------------------------------------------------------- good files
def nir_tree(folder):
    rng = np.random.default_rng(0)
    inner = {"input": give(3), "lif": lif(3), "w_rec": Linear(rng.normal(0, 0.3, (3, 3))), "output": take(3)}
    nested = NIRGraph(inner, [*chain("input", "lif", "w_rec", "lif"), ("lif", "output")], type_check=False)
    five = np.full(4, 1e-3)
    nodes = {
        "input": give(2, 6, 6),
        "conv": Conv2d((6, 6), rng.normal(0.1, 0.4, (4, 1, 3, 2)), (1, 2), (1, 0), 1, 2, rng.normal(0, 0.1, 4)),
        "lif1": lif(4, 6, 3),
        "pool": AvgPool2d(np.array([2, 1]), np.array([2, 1]), np.array([0, 0])),
        "flat": Flatten({"input": np.array([4, 3, 3])}, 0, -1),
        "fc": Affine(rng.normal(0.1, 0.4, (4, 36)), rng.normal(0, 0.1, 4)),
        "scale": Scale(np.ones(4)),
        "delay": Delay(np.array([1e-4, 0, 2e-4, 0])),
        "cuba": CubaLIF(five, five, five * 1e4, five * 0, five * 0 + 1, five * 0, five * 1e4),
        "last": Linear(rng.normal(0.3, 0.5, (3, 4))),
        "rnn": nested,
        "output": take(3),
    }
    write(
        folder / "good.nir",
        nodes,
        chain("input", "conv", "lif1", "pool", "flat", "fc", "scale", "delay", "cuba", "last", "rnn", "output"),
    )
    with h5py.File(folder / "good.nir") as file:
        return read_hdf5(file)


def net_tree(folder):
    rng = np.random.default_rng(1)
    neuron = lambda **more: {k: np.array(v) for k, v in cuba(**more).items()}  # noqa: E731
    pair = lambda a, b: np.array([a, b])  # noqa: E731
    conv = {"stride": pair(1, 1), "padding": pair(1, 1), "dilation": pair(1, 1), "groups": np.array(1)}
    pool = {"stride": pair(2, 2), "padding": pair(0, 0), "dilation": pair(1, 1), "kernelSize": pair(2, 2)}
    kinds = ["input", "conv", "pool", "flatten", "dense"]
    layers = [
        {"shape": np.array([2, 4, 4])},
        conv | {"shape": np.array([3, 4, 4]), "weight": rng.integers(-20, 40, (3, 2, 3, 3, 1)), "bias": np.arange(3)},
        pool | {"shape": np.array([3, 2, 2]), "weight": np.full((1, 1, 2, 2, 1), 24.0), "delay": np.arange(12) % 2},
        {"shape": np.array([12])},
        {"shape": np.array([5]), "weight": rng.integers(-40, 60, (5, 12)).astype(np.float32)},
    ]
    for layer, kind in zip(layers, kinds, strict=True):
        layer["type"] = np.array([kind.encode()], "S10")
        if kind not in ("input", "flatten"):
            layer["neuron"] = neuron(threshold=40, refractory=2)
    return {"layer": {str(i): layer for i, layer in enumerate(layers)}}


def spiking_tree(folder):
    spikes = (np.random.default_rng(2).random((3, 4, 1)) < 0.5).astype(np.uint8)
    return {"spikes": spikes, "labels": np.array([0, 1, 0]), "rewards": np.array([1, -1, 0])}


def events_tree(folder):
    return {"events": np.array([[0, 0, 0], [1, 2, 0], [2, 3, 0]]), "shape": np.array([3, 4, 1])}


def result_tree(folder):
    spikes = spiking_tree(folder)["spikes"]
    image = compile_network(network_of(json_tree(folder), folder)).image
    save_result(
        evaluate(image, SpikeData(spikes, None, {}), probes=["v:neurons"], record_spikes=True), folder / "good.npz"
    )
    with np.load(folder / "good.npz") as file:
        return {key: np.array(file[key]) for key in file.files}


def image_tree(folder):
    """What is in an image's file; `write_image` makes its checksums."""
    save_image(compile_network(network_of(json_tree(folder), folder)).image, folder / "good.nmi")
    with zipfile.ZipFile(folder / "good.nmi") as file:
        manifest = json.loads(file.read("manifest.json"))
        names = [name for name in file.namelist() if name.endswith(".npy")]
        arrays = {name: np.lib.format.read_array(io.BytesIO(file.read(name))) for name in names}
    del manifest["sha256"]
    return {"manifest": manifest, "arrays": arrays}


def json_tree(folder):
    return json.loads(json.dumps(nx.node_link_data(small(), edges="edges")))


def graphml_tree(folder):
    buffer = io.BytesIO()
    nx.write_graphml(small(), buffer)
    return as_tree(ET.fromstring(buffer.getvalue()))


def arch_tree(folder):
    return load_architecture("ecp5").as_dict()


def rules_tree(folder):
    return {
        "input->neurons": {
            "rule": "pair-stdp",
            **{"a_plus": 0.01, "a_minus": 0.012, "tau_plus": 1e-3, "tau_minus": 1e-3, "w_min": 0.0, "w_max": 2.0},
        },
        "neurons->outputs after 2": {
            "rule": "custom",
            "traces": [{"name": "x", "of": "pre", "tau": 1e-3}],
            "terms": [{"on": "post", "change": 0.01, "traces": ["x"]}, {"on": "post", "change": -0.002}],
            "conditions": [],
            "w_min": -1.0,
            "w_max": 1.0,
        },
    }


def network_of(tree, folder) -> Network:
    write_json(folder / "net.json", tree)
    return read_network(folder / "net.json")


def learn(path):
    write_json(path.parent / "net.json", json_tree(None))
    network = attach(read_network(path.parent / "net.json"), read_rules(path))
    compile_network(network, load_architecture("large"), choose_semantics(dt=1e-4))


def compiled(path):
    compile_network(read_network(path), load_architecture("ecp5"))


def arranged(path):
    compile_network(network_of(json_tree(None), path.parent), load_architecture(str(path)))


KINDS = {  # by name of a file: its good tree, how to write one, how to read the file, odd values
    "a.nir": (nir_tree, write_hdf5, compiled, ARRAYS),
    "a.net": (net_tree, write_hdf5, compiled, ARRAYS),
    "a.json": (json_tree, write_json, compiled, JSON),
    "a.graphml": (graphml_tree, write_xml, compiled, TEXTS + [str(n) for n in NUMBERS]),
    "arch.toml": (arch_tree, write_toml, arranged, TOML),
    "rules.toml": (rules_tree, write_toml, learn, TOML),
    "spikes.npz": (spiking_tree, write_npz, lambda path: read_spikes(path, 1), ARRAYS),
    "events.npz": (events_tree, write_npz, lambda path: read_spikes(path, 1), ARRAYS),
    "a.nmi": (image_tree, write_image, lambda path: (load_image(path), inspect_file(str(path))), ARRAYS + JSON),
    "run.npz": (result_tree, write_npz, lambda path: (load_result(path), inspect_file(str(path))), ARRAYS),
}


@contextmanager
def in_time(seconds):
    def late(*_):
        raise TimeoutError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("reader", sorted({reader for _, reader in READERS.values()}))
def test_every_reader_of_networks_meets_wrong_files_here(reader):
    assert {f"a{ending}" for ending in READERS if READERS[ending][1] == reader} & KINDS.keys()


@pytest.mark.parametrize("name", KINDS)
def test_a_good_file_reads(name, tmp_path):
    tree, store, read, _ = KINDS[name]
    store(tmp_path / name, tree(tmp_path))
    read(tmp_path / name)


@pytest.mark.parametrize("name", KINDS)
def test_what_a_file_says_wrong_gives_our_own_errors_only(name, tmp_path):
    make, store, read, odd = KINDS[name]
    good, path = make(tmp_path), tmp_path / name

    @fuzz(short=60, long=5000)
    @given(st.data())
    def run(data):
        tree = copy.deepcopy(good)
        for _ in range(data.draw(st.integers(1, 2), label="changes")):
            change(data.draw, tree, odd)
        path.unlink(missing_ok=True)
        try:
            store(path, tree)
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError):  # nothing that such a file could hold
            return
        with in_time(SECONDS):
            _, error = attempt(read, path)
        if error is not None:
            assert str(error)
            assert all(line.isprintable() and len(line) < 1000 for line in str(error).splitlines())

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + MEMORY
