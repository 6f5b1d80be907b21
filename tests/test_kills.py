"""Verbs that are killed, and verbs without a home: former outputs whole, the next run right, nobody left running.

CI kills a few; NM_LONG=1 kills thirty times each, builds of the Verilog, studies and boards too.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from caches import own_cache
from nirfiles import LAYERS, two_layers, write
from test_fuzz import LONG

from emulator.result import load_result
from emulator.spec.arch import load_architecture
from emulator.spec.image_file import load_image, save_image
from nmcompile.frontends import read_network
from nmcompile.pipeline import compile_network

NMC = [sys.executable, "-m", "nmcompile.cli"]
KILLS = 30 if LONG else 2
STUDY = """
[settings]
network = "net.nir"
spikes = "in.npz"
arch = "up5k"
[axes]
weight_bits = [8, 4]
limit = {limits}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(5)
    write(folder / "net.nir", two_layers(rng), LAYERS)
    np.savez(folder / "in.npz", spikes=(rng.random((40, 12, 6)) < 0.4).astype(np.uint8))
    save_image(compile_network(read_network(folder / "net.nir"), load_architecture("up5k")).image, folder / "net.nmi")
    (folder / "study.toml").write_text(STUDY.format(limits=[5]))
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A folder with a network, its image and spikes, a study, and a cache that holds the kernel."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    own_cache(monkeypatch, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(marker):
    """Processes that were started with this in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes() and "\nState:\tZ" not in (path.parent / "status").read_text():
                found.append((path.parent / "cmdline").read_bytes())
        except OSError:
            continue
    return found


def kill_at_random(arguments, look, times, seed, before=lambda: None):
    """Kill a verb `times` times at random moments of its run; `look` is called after each, and after a whole run."""
    rng = random.Random(seed)
    before()
    begun = time.monotonic()
    subprocess.run([*NMC, *arguments], check=True, capture_output=True)
    length = time.monotonic() - begun
    look()
    for number in range(times):
        before()
        marker = f"NMC_MARK={os.getpid()}-{seed}-{number}"
        environment = os.environ | dict([marker.split("=")])
        with subprocess.Popen([*NMC, *arguments], stdout=-3, stderr=-3, env=environment) as process:
            time.sleep(rng.uniform(0, length))
            process.send_signal(signal.SIGKILL)
        end = time.monotonic() + 10
        while (running := left(marker)) and time.monotonic() < end:
            time.sleep(0.1)
        assert running == [], f"seed {seed}, kill {number}"
        look()
    before()
    subprocess.run([*NMC, *arguments], check=True, capture_output=True)
    look()


def test_a_killed_compile_leaves_an_image(folder):
    digests = set()

    def look():
        load_image(folder / "out.nmi")
        digests.add(hashlib.sha256((folder / "out.nmi").read_bytes()).hexdigest())

    kill_at_random(["compile", "net.nir", "-o", "out.nmi"], look, KILLS, 1)
    assert len(digests) == 1


def test_a_killed_emulate_leaves_a_result(folder):
    def look():
        assert load_result(folder / "out.npz").samples == 40

    kill_at_random(["emulate", "net.nmi", "--spikes", "in.npz", "-o", "out.npz"], look, KILLS, 2)


@pytest.mark.skipif(not LONG, reason="the long campaign")
def test_a_killed_study_leaves_a_table_and_goes_on(folder):
    number = iter(range(1, 1000))

    def another():
        (folder / "study.toml").write_text(STUDY.format(limits=[next(number), 1000 + next(number)]))

    def look():
        assert (folder / "out.csv").read_text().count("\n") == 5

    kill_at_random(["sweep", "study.toml", "-o", "out.csv", "--workers", "2"], look, KILLS, 3, another)


@pytest.mark.skipif(not LONG, reason="the long campaign")
def test_a_killed_build_of_the_verilog_leaves_nothing(folder, monkeypatch):
    import tempfile

    (folder / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))

    def forget():
        shutil.rmtree(folder / "cache" / "verilated", ignore_errors=True)

    def look():
        end = time.monotonic() + 10
        while os.listdir(folder / "tmp") and time.monotonic() < end:
            time.sleep(0.1)
        found = os.listdir(folder / "tmp")
        assert all(os.listdir(folder / "tmp" / name) == [] for name in found)  # killed before a tool began

    kill_at_random(["verify", "net.nmi", "--spikes", "in.npz", "--limit", "1"], look, KILLS, 4, forget)


@pytest.mark.skipif(not LONG, reason="the long campaign")
def test_a_killed_flash_leaves_a_board_that_can_be_flashed(folder):
    server = subprocess.Popen([*NMC, "board"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = server.stdout.readline().strip()
        kill_at_random(["flash", "net.nmi", "--port", port], lambda: None, KILLS, 5)
        run = [*NMC, "run", "net.nmi", "--port", port, "--spikes", "in.npz", "--limit", "2", "--compare"]
        subprocess.run(run, check=True, capture_output=True)
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


# ------------------------------------------------------------------------------------------------- without a home
PLACES = {
    "read-only home": {"HOME": "/proc/self", "NMCOMPILE_CACHE": ""},
    "no home": {"HOME": "/nonexistent", "NMCOMPILE_CACHE": ""},
    "no folder": {"NMCOMPILE_CACHE": "/dev/null/cache"},
}
VERBS = {
    "compile": ["compile", "net.nir", "-o", "out.nmi", "--json"],
    "inspect": ["inspect", "net.nmi", "--json"],
    "cache": ["cache", "--json"],
    "devices": ["devices", "--json"],
    **(
        {
            "emulate": ["emulate", "net.nmi", "--spikes", "in.npz", "--json"],
            "sweep": ["sweep", "study.toml", "--json"],
            "verify": ["verify", "net.nmi", "--spikes", "in.npz", "--limit", "1", "--json"],
            "icarus": ["verify", "net.nmi", "--spikes", "in.npz", "--limit", "1", "--simulator", "icarus", "--json"],
            "demo": ["demo", "--limit", "2", "--json"],
            "warm": ["cache", "--warm", "--json"],
        }
        if LONG
        else {}
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_without_a_home_works_and_says_a_line_at_most(folder, place, verb):
    environment = os.environ | PLACES[place]
    done = subprocess.run([*NMC, *VERBS[verb]], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert done.stderr.count("\n") <= 1
    assert done.stderr == "" or done.stderr.startswith("nmc: nothing can be kept in ")
