"""What is kept: checked before it is used, never needed, never another's; and programs that end with us."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from caches import empty_cache, own_cache
from test_files import made as files_made

import emulator
from emulator import cache, processes
from emulator.kernel import kept
from emulator.kernel.samples import run_samples
from emulator.spec.arch import load_architecture
from emulator.spec.image_file import load_image
from emulator.verilog import build, icarus
from nmcompile.fpga import implement
from nmcompile.study import execute

made = files_made


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, about which nothing was said yet."""
    empty_cache(monkeypatch, tmp_path / "cache")
    return tmp_path / "cache"


def two_files(work):
    (work / "a").write_bytes(b"1234")
    (work / "b").write_bytes(b"5678")
    (work / "obj").mkdir()


# ------------------------------------------------------------------------------------------------------- entries
def test_what_was_made_once_is_found_again(home):
    entry = cache.made("fpga", "k", two_files)
    assert entry == home / "fpga" / "k"
    assert sorted(os.listdir(entry)) == ["a", "b", "seal"]
    assert cache.made("fpga", "k", None) == entry
    cache.write("study", "k", b"data")
    assert cache.read("study", "k") == b"data"
    assert cache.read("study", "other") is None
    assert home.stat().st_mode & 0o777 == 0o700


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGES = {"cut": cut, "flipped": flip, "emptied": lambda path: path.write_bytes(b""), "lost": os.unlink}


@pytest.mark.parametrize("file", ["a", "seal"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_found_before_it_is_used_and_made_again(home, damage, file):
    entry = cache.made("fpga", "k", two_files)
    DAMAGES[damage](entry / file)
    assert cache.find("fpga", "k") is None
    assert cache.made("fpga", "k", two_files) == entry
    assert (entry / "a").read_bytes() == b"1234"
    assert cache.find("fpga", "k") == entry


def test_a_link_in_place_of_a_file_is_damage(home, tmp_path):
    entry = cache.made("fpga", "k", two_files)
    (entry / "a").rename(tmp_path / "a")
    (entry / "a").symlink_to(tmp_path / "a")
    assert cache.find("fpga", "k") is None


def test_a_seal_that_was_rewritten_for_a_damaged_file_has_another_digest(home):
    entry = cache.made("fpga", "k", two_files)
    flip(entry / "a")
    digest, text = (entry / "seal").read_text().split("\n")
    files = json.loads(text)
    files["a"] = json.loads(cache._seal({"a": (entry / "a").read_bytes()}).split("\n")[1])["a"]
    (entry / "seal").write_text(f"{digest}\n{json.dumps(files)}")
    assert cache.find("fpga", "k") is None


def test_every_product_is_kept_in_the_one_cache(home, monkeypatch):
    kinds = []
    monkeypatch.setattr(cache, "made", lambda kind, key, make: kinds.append(kind) or Path("x"))
    monkeypatch.setattr(cache, "write", lambda kind, key, data: kinds.append(kind))
    parameters = build.rtl_parameters(load_architecture("up5k"))
    build.build(parameters)
    icarus.build(parameters)
    design = implement.Design({}, "top", {}, 1e6)
    with pytest.raises(OSError, match=r"result\.json"):
        implement.implement(design, implement.choose_target("up5k"))
    execute.keep_run("key", {})
    assert isinstance(run_samples._cache, kept.KernelCache)
    assert [*kinds, "kernel"] == ["verilated", "icarus", "fpga", "study", "kernel"]
    assert set(kinds) | {"kernel"} == set(cache.KINDS)


def test_all_images_run_on_one_kernel(made):
    """Else `nmc cache --warm` would not compile what a run needs."""
    from emulator.kernel.simulate import warm

    warm()
    image = load_image(made / "net.nmi")
    emulator.run(image, np.ones((2, 3, 6), int), threads=2, record_spikes=True, probes=["v:lif1"])
    assert len(run_samples.signatures) == 1


HEAL = """
import sys
from emulator.kernel.simulate import warm
from emulator.kernel.samples import run_samples
warm()
print(sum(run_samples.stats.cache_misses.values()))
"""


def test_a_damaged_kernel_is_compiled_again_and_then_loaded(tmp_path, monkeypatch):
    own_cache(monkeypatch, tmp_path / "cache")
    for entry in (tmp_path / "cache" / "kernel").iterdir():
        flip(entry / "data")
    for misses in "10":
        done = subprocess.run([sys.executable, "-c", HEAL], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{misses}\n", "")


# ----------------------------------------------------------------------------------------------------- without it
NOWHERE = "/proc/self/nowhere"  # which not even root can make


@pytest.mark.parametrize("where", [NOWHERE, "/dev/null/cache"])
def test_without_a_place_everything_works_and_one_line_says_so(home, monkeypatch, capfd, where):
    monkeypatch.setenv(cache.ENVIRONMENT, where)
    assert cache.read("study", "k") is None
    entry = cache.made("fpga", "k", two_files)
    assert (entry / "a").read_bytes() == b"1234"
    assert cache.made("fpga", "k", None) == entry
    cache.write("study", "k", b"data")
    assert (cache.entries(), cache.clear()) == ([], [])
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"nmc: nothing can be kept in {where} (")
    assert err.endswith("); NMCOMPILE_CACHE names another folder\n")
    assert err.count("\n") == 1
    shutil.rmtree(entry)


def test_a_full_disk_keeps_nothing_and_breaks_nothing(home, monkeypatch, capfd):
    write = Path.write_bytes

    def full(path, data):
        if home in path.parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    entry = cache.made("fpga", "k", two_files)
    assert (entry / "a").read_bytes() == b"1234"
    assert list((home / "fpga").iterdir()) == []
    said = f"nmc: nothing can be kept in {home} (No space left on device); NMCOMPILE_CACHE names another folder\n"
    assert capfd.readouterr() == ("", said)


def test_a_damaged_entry_that_cannot_be_removed_is_not_used(home, monkeypatch, capfd):
    entry = cache.made("fpga", "k", two_files)
    flip(entry / "a")
    monkeypatch.setattr(cache, "_remove", lambda _: None)
    mine = cache.made("fpga", "k", two_files)
    assert mine != entry
    assert (mine / "a").read_bytes() == b"1234"
    assert "an entry there is damaged and cannot be removed" in capfd.readouterr().err


@pytest.mark.parametrize("how", ["everybody can write to it", "it belongs to somebody else"])
def test_what_somebody_else_could_have_put_there_is_not_used(home, monkeypatch, capfd, how):
    """It would be run as us."""
    cache.write("study", "k", b"data")
    if how == "everybody can write to it":
        home.chmod(0o777)
    else:
        monkeypatch.setattr(cache.os, "geteuid", lambda: home.stat().st_uid + 1)
        if home.stat().st_uid == 0:
            os.chown(home, 12345, 12345)
    assert cache.read("study", "k") is None
    cache.write("study", "other", b"data")
    assert f"({how})" in capfd.readouterr().err


def test_a_cache_that_is_only_read_is_used(home, monkeypatch):
    cache.write("study", "k", b"data")

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(cache.os, "utime", refuse)
    assert cache.read("study", "k") == b"data"


# ------------------------------------------------------------------------------------------------ looking after it
def use(kind, key, when):
    os.utime(cache.folder() / kind / key / "seal", (when, when))


def test_what_was_not_used_for_longest_goes_first(home):
    for number, key in enumerate("abc"):
        cache.write("study", key, bytes(1000))
        use("study", key, 1000 + number)
    assert cache.read("study", "a") is not None  # now used last
    size = cache.entries()[0].bytes
    cache.keep_to(2 * size)
    assert {entry.key for entry in cache.entries()} == {"a", "c"}


def test_a_cache_beyond_its_limit_shrinks_when_something_is_kept(home, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT_BYTES", 3000)
    for key in "abcdefgh":
        cache.write("study", key, bytes(1000))
        use("study", key, ord(key))
    assert "h" in {entry.key for entry in cache.entries()}
    assert sum(entry.bytes for entry in cache.entries()) < 3000 + 1500  # the last one is not counted yet


def test_clear_removes_entries_and_nothing_else(home, nmc):
    cache.made("fpga", "k", two_files)
    cache.write("study", "k", b"data")
    (home / "fpga" / "mine").mkdir()
    (home / "fpga" / "mine" / "thesis").write_text("mine")
    code, out, err = nmc("cache", "--clear", "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert values["removed"]["entries"] == 2
    assert values["bytes"] == 0
    assert values["folder"] == str(home)
    assert [str(path.relative_to(home)) for path in sorted(home.rglob("*"))] == [
        "fpga",
        "fpga/mine",
        "fpga/mine/thesis",
    ]


def test_cache_lists_what_there_is(home, nmc):
    cache.write("study", "k", b"data")
    code, out, err = nmc("cache")
    assert (code, err) == (0, "")
    assert "runs of studies" in out
    assert str(home) in "".join(out.split())


def test_warm_leaves_a_kernel(tmp_path, monkeypatch, nmc):
    own_cache(monkeypatch, tmp_path / "cache")
    code, out, _ = nmc("cache", "--warm", "--json")
    values = json.loads(out)
    assert code == 0
    assert values["kinds"]["kernel"]["entries"] >= 1
    assert values["warm_s"] > 0


def test_what_was_never_finished_is_removed_a_day_later(home):
    cache.write("study", "k", b"data")
    (home / "study" / "unfinished-1").mkdir()
    (home / "study" / "unfinished-2").mkdir()
    os.utime(home / "study" / "unfinished-1", (0, 0))
    cache._unchecked = cache.LIMIT_BYTES
    cache.write("study", "l", b"data")
    assert sorted(os.listdir(home / "study")) == ["k", "l", "unfinished-2"]


def test_two_who_make_the_same_both_have_it(home):
    def slower(work):
        two_files(work)
        cache.made("fpga", "k", two_files)

    assert cache.made("fpga", "k", slower) == home / "fpga" / "k"
    assert os.listdir(home / "fpga") == ["k"]


# --------------------------------------------------------------------------------------------- programs of others
def test_a_program_says_what_it_says_and_how_it_ended(tmp_path):
    done = processes.run(["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert processes.run(["sh", "-c", "kill -9 $$"], tmp_path).returncode == 137
    done = processes.run(["no-such-program"], tmp_path)
    assert (done.returncode, done.stderr) == (127, "no-such-program: No such file or directory\n")
    with open(tmp_path / "log", "w") as log:
        processes.run(["sh", "-c", "echo out; echo err >&2"], tmp_path, log=log)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def alive(marker):
    """Process numbers of what has this text on its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes() and (path.parent / "stat").read_text().split(") ")[1][0] != "Z":
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def gone(marker, seconds=10):
    """Does it all end in time?"""
    end = time.monotonic() + seconds
    while alive(marker) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(marker)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path):
    marker = f"9{os.getpid()}1"
    processes.run(["sh", "-c", f"sleep {marker} & exec 1>&- 2>&-; exit 0"], tmp_path)
    assert gone(marker)


BUILDING = """
import signal
import sys
from pathlib import Path
from emulator import processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background has it ignored
print("begun", flush=True)
processes.run(["sh", "-c", f"sleep {sys.argv[1]} & sleep {sys.argv[1]}; echo"], Path(sys.argv[2]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_build_leaves_no_process_and_no_folder(tmp_path, how):
    marker, work = f"9{os.getpid()}{int(how)}", tmp_path / "work"
    work.mkdir()
    with subprocess.Popen([sys.executable, "-c", BUILDING, marker, work], stdout=-1, stderr=-1) as building:
        end = time.monotonic() + 30
        while len(alive(marker)) < 5 and time.monotonic() < end:  # we, the watcher, sh, its two sleeps
            time.sleep(0.05)
        assert len(alive(marker)) == 5
        building.send_signal(how)
        building.communicate(timeout=60)
    assert gone(marker)
    end = time.monotonic() + 10
    while how != signal.SIGINT and work.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert how == signal.SIGINT or not work.exists()  # after an interrupt, who asked for it removes it
