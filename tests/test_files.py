"""What may be read, and how files are written: bounds before anything is unpacked, whole files or none."""

import contextlib
import csv
import errno
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from nirfiles import LAYERS, two_layers, write

import emulator
from emulator.result import load_result, save_result
from emulator.spec import archive, files
from emulator.spec.archive import Archive
from emulator.spec.errors import InputError
from emulator.spec.files import input_file, write_text, writing
from emulator.spec.image_file import load_image, save_image
from nmcompile.coding.spikes import read_spikes
from nmcompile.frontends import read_network
from nmcompile.pipeline import compile_network
from nmcompile.study.sweep import Findings, write_csv


def message(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    return str(error.value)


# ------------------------------------------------------------------------------------------------------- writing
def test_a_file_is_whole_or_what_it_was(tmp_path):
    path = tmp_path / "out"
    path.write_text("before")

    def give_up():
        with writing(path) as file:
            file.write(b"half of it")
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["out"]
    with writing(path) as file:
        file.write(b"after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_leaves_the_former_file_and_names_it(tmp_path, monkeypatch, there):
    path = tmp_path / "out"
    if there:
        path.write_text("before")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    kept = "; the former file is as it was" if there else ""
    assert message(write_text, path, "after") == f"{path}: cannot be written (No space left on device){kept}"
    assert [name.read_text() for name in tmp_path.iterdir()] == ["before"] * there


def test_a_written_file_keeps_its_mode_and_follows_its_link(tmp_path):
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)
    write_text(link, "after")
    assert (path.read_text(), path.stat().st_mode & 0o777, link.is_symlink()) == ("after", 0o640, True)


def test_parts_of_killed_writers_are_removed_an_hour_later(tmp_path):
    old, new = tmp_path / ".nmc-1-0.part", tmp_path / ".nmc-2-0.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    write_text(tmp_path / "out", "x")
    assert sorted(os.listdir(tmp_path)) == [".nmc-2-0.part", "out"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with net.nir, net.nmi, in.npz and run.npz."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    write(folder / "net.nir", two_layers(rng), LAYERS)
    image = compile_network(read_network(folder / "net.nir")).image
    save_image(image, folder / "net.nmi")
    spikes = (rng.random((3, 4, 6)) < 0.5).astype(np.uint8)
    np.savez(folder / "in.npz", spikes=spikes)
    save_result(emulator.run(image, spikes, record_spikes=True), folder / "run.npz")
    return folder


LIMITED = """
import resource, sys
from nmcompile.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sys.argv = ["nmc", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("verb", ["compile", "emulate", "report"])
def test_a_verb_whose_output_finds_no_room_says_so_and_leaves_what_was_there(made, tmp_path, verb):
    out = tmp_path / "out"
    out.write_text("before")
    arguments = {
        "compile": ["compile", made / "net.nir", "-o", out],
        "emulate": ["emulate", made / "net.nmi", "--spikes", made / "in.npz", "-o", out],
        "report": ["report", made / "page.npz", "--html", out],
    }[verb]
    if verb == "report":
        run = ["emulate", made / "net.nmi", "--spikes", made / "in.npz", "-o", made / "page.npz"]
        subprocess.run([sys.executable, "-m", "nmcompile.cli", *map(str, run)], check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-c", LIMITED, *map(str, arguments)], capture_output=True, text=True)
    wanted = f"nmc: {out}: cannot be written (File too large); the former file is as it was\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", wanted)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


# ------------------------------------------------------------------------------------------------------- reading
def test_only_regular_files_of_a_known_size_are_read(tmp_path):
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_bytes(b"12345")
    assert message(input_file, tmp_path / "none") == f"{tmp_path / 'none'}: no such file"
    assert message(input_file, large / "x") == f"{large / 'x'}: no such file"
    assert message(input_file, tmp_path) == f"{tmp_path}: a folder; give a file"
    said = "no regular file; write what comes out of it to one, and give that"
    assert message(input_file, pipe) == f"{pipe}: {said}"
    assert message(input_file, "/dev/zero") == f"/dev/zero: {said}"
    assert message(input_file, large, 4) == f"{large}: 5 bytes, of such a file at most 4 are read; split it"
    assert message(input_file, "a\0b") == "a\\x00b: embedded null byte"


@pytest.mark.parametrize("ending", [".nir", ".net", ".json", ".graphml", ".nmi", ".npz", ".toml"])
def test_no_reader_waits_at_a_pipe(tmp_path, ending):
    path = tmp_path / f"pipe{ending}"
    os.mkfifo(path)
    reader = {".nmi": load_image, ".npz": read_spikes, ".toml": files.read_toml}.get(ending, read_network)
    assert "no regular file" in message(reader, path)


@contextlib.contextmanager
def little_memory():
    """64 MB of addresses more than now: what is unpacked without a look at its size, fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 26), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def bomb(path, name, header, size, *others):
    """A zip whose member `name` is `header` and then zeros, `size` bytes in all; a few MB for 6 GB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for other, data in others:
            file.writestr(other, data)
        with file.open(name, "w", force_zip64=True) as member:
            member.write(header)
            left, block = size - len(header), bytes(1 << 20)
            while left > 0:
                member.write(block[: min(left, len(block))])
                left -= len(block)
    return path


def npy_header(shape, dtype="|u1"):
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (118 - len(text) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def test_spikes_of_a_wrong_width_are_refused_before_they_are_unpacked(tmp_path):
    header = npy_header((150, 1000, 1000))
    path = bomb(tmp_path / "in.npz", "spikes.npy", header, len(header) + 150_000_000)
    with little_memory():
        said = message(read_spikes, path, 4)
    assert said == f"{path}: spikes of 1,000 inputs, but the network takes 4; flatten its input shape row-major"


def test_an_array_beyond_its_bound_is_refused_before_it_is_unpacked(tmp_path):
    header = npy_header((300_000_000,))
    path = bomb(tmp_path / "in.npz", "labels.npy", header, len(header) + 300_000_000)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("spikes.npy", npy_header((1, 1, 4)) + bytes(4))
    with little_memory():
        said = message(read_spikes, path, 4)
    assert said == f"{path}: labels unpacks to 300,000,000 bytes, at most 268,435,456 are read; split it"


def test_an_image_is_refused_before_what_it_cannot_hold_is_unpacked(made, tmp_path):
    with zipfile.ZipFile(made / "net.nmi") as file:
        members = [(name, file.read(name)) for name in file.namelist() if name != "core0/axons.npy"]
    header = npy_header((150_000_000,))
    path = bomb(tmp_path / "net.nmi", "core0/axons.npy", header, len(header) + 150_000_000, *members)
    with little_memory():
        said = message(load_image, path)
    assert said.startswith(f"{path}: core0/axons.npy unpacks to 150,000,128 bytes, at most ")
    path = bomb(tmp_path / "net.nmi", "manifest.json", b"", 150_000_000)
    with little_memory():
        said = message(load_image, path)
    assert said == f"{path}: manifest.json unpacks to 150,000,000 bytes, at most 67,108,864 are read; split it"


def test_a_result_is_refused_before_what_memory_cannot_hold_is_unpacked(made, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "memory_bytes", lambda: 1000)
    assert "unpacks to" in message(load_result, made / "run.npz")


def test_an_array_that_says_more_than_it_holds_is_damaged(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as file:
        file.writestr("spikes.npy", npy_header((1, 1, 1 << 40)) + bytes(4))
    assert "not an .npz file of plain arrays, or truncated" in message(read_spikes, tmp_path / "in.npz")


def test_a_member_that_is_there_twice_is_damage(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as file:
        file.writestr("spikes.npy", npy_header((1, 1, 4)) + bytes(4))
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("spikes.npy", npy_header((1, 1, 4)) + bytes(4))
    with pytest.raises(ValueError, match=r"spikes\.npy is there twice"):
        Archive(tmp_path / "in.npz")


# --------------------------------------------------------------------------------------------------------- HDF5
def hdf5_message(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return message(read_network, path).removeprefix(f"{path}: ")


@pytest.fixture
def net(made, tmp_path):
    path = tmp_path / "net.nir"
    path.write_bytes((made / "net.nir").read_bytes())
    return path


def test_shared_objects_are_refused_on_every_level(net):
    """Three groups in three groups in three: a file of 7 groups would be a tree of 27 leaves, one of 99 never ends."""

    def change(file):
        top = file["node/nodes"]
        for name in "abc":
            top.create_group(name)
        for outer, inner in ("ab", "bc"):
            for k in range(3):
                top[outer][f"{inner}{k}"] = top[inner]

    said = "is a second name of another object; write it again in its place"
    assert said in hdf5_message(net, change)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_group_inside_itself_is_refused(net, level):
    def change(file):
        group = file
        for k in range(level):
            group = group.create_group(f"level{k}")
        group["again"] = file["level0"]

    inner = "/".join(f"level{k}" for k in range(level))
    said = hdf5_message(net, change)
    assert said == f"'/{inner}/again' is a second name of another object; write it again in its place"


def test_a_dataset_with_two_names_is_refused(net):
    def change(file):
        file["node/nodes/fc2/again"] = file["node/nodes/fc1/weight"]

    assert "is a second name of another object" in hdf5_message(net, change)


def test_links_are_refused(net):
    def soft(file):
        file["node/nodes/fc1/x"] = h5py.SoftLink("/node/nodes/fc2/weight")

    assert hdf5_message(net, soft) == "'/node/nodes/fc1/x' is a soft link; write what it leads to in its place"

    def external(file):
        del file["node/nodes/fc1/x"]
        file["node/nodes/fc1/x"] = h5py.ExternalLink("other.nir", "/weight")

    assert hdf5_message(net, external) == (
        "'/node/nodes/fc1/x' is a link to another file; write what it leads to in its place"
    )


def test_values_of_another_file_are_refused(net, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(8 * 18))

    def external(file):
        del file["node/nodes/fc1/weight"]
        file["node/nodes/fc1"].create_dataset(
            "weight", (3, 6), np.float64, external=[(str(tmp_path / "secret"), 0, 144)]
        )

    said = "the values of '/node/nodes/fc1/weight' are in another file; write them into this one"
    assert hdf5_message(net, external) == said

    def virtual(file):
        del file["node/nodes/fc1/weight"]
        layout = h5py.VirtualLayout((3, 6), np.float64)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "weight", (3, 6))
        file["node/nodes/fc1"].create_virtual_dataset("weight", layout)

    assert hdf5_message(net, virtual) == said


@pytest.mark.parametrize("kind", [h5py.ref_dtype, h5py.vlen_dtype(np.float64)])
def test_references_and_lists_are_refused(net, kind):
    said = hdf5_message(net, lambda file: file["node/nodes/fc1"].create_dataset("x", (2,), kind))
    assert said == "'/node/nodes/fc1/x' holds neither numbers nor text; leave it out"


def test_a_named_type_is_refused(net):
    def change(file):
        file["type"] = np.dtype("f8")

    assert hdf5_message(net, change) == "'/type' is no group and no dataset; leave it out"


def test_values_that_were_never_written_are_not_made_up(net):
    said = hdf5_message(net, lambda file: file["node/nodes/fc1"].create_dataset("x", (1 << 26,), np.float64))
    assert said == "'/node/nodes/fc1/x' has 67,108,864 values, but they were never written; export it again"


def test_a_file_has_no_more_objects_and_values_than_a_network(net, monkeypatch):
    from nmcompile.frontends import hdf5

    monkeypatch.setattr(hdf5, "LARGEST_TREE", 10)
    assert message(read_network, net) == f"{net}: more than 10 groups and datasets; no network has so many"
    monkeypatch.undo()
    monkeypatch.setattr(hdf5, "LARGEST_IN_ALL", 10)
    assert message(read_network, net).startswith(f"{net}: more than 10 values in all, up to '/node/edges'; ")


def test_a_packed_text_with_a_length_beyond_reason_is_found_before_it_is_read(net):
    """The library would take the memory that it asks for."""
    with h5py.File(net, "r+") as file:
        edges = file["node/edges"][()]
        del file["node/edges"]
        packed = file["node"].create_dataset("edges", data=edges, chunks=edges.shape, dtype=h5py.string_dtype())
        raw = bytearray(packed.id.read_direct_chunk((0, 0))[1])
        raw[:4] = (1 << 31).to_bytes(4, "little")
        packed.id.write_direct_chunk((0, 0), bytes(raw))
    assert message(read_network, net) == f"{net}: damaged (a string too long); export it again"


def test_network_files_as_nir_writes_them_pass(tmp_path):
    """With gzip, which is what `nir.write` does."""
    rng = np.random.default_rng(1)
    path = write(tmp_path / "net.nir", two_layers(rng), LAYERS)
    with h5py.File(path) as file:
        assert file["node/nodes/fc1/weight"].compression == "gzip"
    assert read_network(path).n_inputs == 6


# -------------------------------------------------------------------------------------------------------- names
def resealed(image, out, change):
    """An image whose manifest was changed by somebody who knows its checksum."""
    import hashlib

    with zipfile.ZipFile(image) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    members["seal"] = hashlib.sha256(members["manifest.json"]).hexdigest().encode()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out


def test_names_of_an_image_reach_no_terminal_as_sequences(made, tmp_path, nmc):
    def change(manifest):
        manifest["populations"][0]["registers"] = {"\x1b[2J": 0}
        manifest["architecture"]["name"] = "\x1b[31m"

    image = load_image(resealed(made / "net.nmi", tmp_path / "net.nmi", change))
    assert list(image.populations[0].registers) == ["\\x1b[2J"]
    assert image.arch.name == "\\x1b[31m"

    def rename(manifest):
        text = json.dumps(manifest).replace("lif1", "\\u001b]0;gone\\u0007")
        manifest |= json.loads(text)

    odd = resealed(made / "net.nmi", tmp_path / "odd.nmi", rename)
    _, out, err = nmc("inspect", odd)
    assert "\\x1b]0;gone\\x07" in "".join((out + err).split())
    assert "\x1b" not in out + err


def test_the_name_of_a_network_file_is_shown_as_text(net):
    odd = net.rename(net.with_name("a\x1b[31m.nir"))
    assert read_network(odd).origin == "a\\x1b[31m.nir"


def test_cells_that_a_spreadsheet_would_run_are_quoted(tmp_path):
    at = {"=1+1": "=cmd|' /C calc'!A0", "b": "@x", "c": -1.5, "d": "plain"}
    row = {"at": at, "status": "failed", "front": False, "error": "-2 is no size"}
    write_csv(Findings("t", {name: [] for name in at}, (), (row,), 1, 1, 0.0), tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        heads, cells = csv.reader(file)
    assert heads[0] == "'=1+1"
    assert cells[:4] == ["'=cmd|' /C calc'!A0", "'@x", "-1.5", "plain"]
    assert cells[-1] == "'-2 is no size"
