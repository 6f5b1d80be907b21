"""Recordings of events: each format from two writers, bins equal to those of frameworks, what is told and refused."""

import subprocess
import sys
from pathlib import Path

import evt3 as other_decoder
import h5py
import numpy as np
import pytest
import recordings as write
from recordings import events_of, random_events

import nmcompile as nm
from emulator.spec.errors import InputError, UsageError
from nmcompile.coding.evt import decode_evt3
from nmcompile.coding.recordings import find_recordings

FRAMES = np.load(Path(__file__).parent / "data" / "binning.npz")  # made by tools/binning.py
WRAPS = {"evt2": 1 << 34, "evt3": 1 << 24}  # microseconds


def read(source, format=None, sensor=None):
    return list(find_recordings(source, format, sensor, None))


def assert_holds(recording, events):
    for name in "txyp":
        np.testing.assert_array_equal(getattr(recording, name), events[name], err_msg=name)


# ------------------------------------------------------------------------------------------------ formats
@pytest.mark.parametrize("writer", [write.nmnist, write.nmnist_columns])
def test_an_nmnist_file_is_read(writer, tmp_path):
    events = random_events(2000, 34, 34, (1 << 23) - 1)
    writer(tmp_path / "a.bin", events)
    [found] = read(tmp_path / "a.bin")
    assert_holds(found, events)
    assert (found.width, found.height, found.channels) == (34, 34, 2)


def test_a_row_of_240_is_an_overflow_of_the_clock(tmp_path):
    write.nmnist(
        tmp_path / "a.bin", events_of([(5, 1, 2, 1), (9, 0, 240, 0), (7, 3, 4, 0), (0, 0, 240, 0), (8, 5, 6, 1)])
    )
    assert_holds(read(tmp_path / "a.bin")[0], events_of([(5, 1, 2, 1), (8199, 3, 4, 0), (16392, 5, 6, 1)]))


def test_an_nmnist_file_cut_within_an_event_is_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"123456")
    with pytest.raises(InputError) as error:
        read(tmp_path / "a.bin")
    assert (
        str(error.value) == f"{tmp_path / 'a.bin'}: 6 bytes are no whole number of events of 5 bytes; it is truncated"
    )


@pytest.mark.parametrize("format", WRAPS)
@pytest.mark.parametrize("writer", ["ours", "faery"])
def test_a_prophesee_file_is_read_past_a_wrap_of_its_clock(format, writer, tmp_path):
    path, last = tmp_path / "a.raw", WRAPS[format] + 5_000_000
    events = random_events(3000, 640, 480, last, first=last - 10_000_000 if writer == "ours" else 0)
    if writer == "ours":
        getattr(write, format)(path, events)
    else:
        events["t"] //= max(1, last >> 25)  # in steps that this library writes
        write.faery(path, events, 640, 480, format)
    assert_holds(read(path)[0], events)


def test_vectors_of_evt3_are_runs_of_neighbours(tmp_path):
    rows = [(100 + k, x, k, k % 2) for k, n in enumerate((3, 8, 9, 12, 13, 20, 31)) for x in range(5, 5 + n)]
    write.evt3(tmp_path / "a.raw", events_of(rows))
    assert_holds(read(tmp_path / "a.raw")[0], events_of(rows))


@pytest.mark.parametrize("piece", [1, 2, 7, 100, 1 << 20])
def test_evt3_in_pieces_is_what_another_decoder_reads(piece, tmp_path):
    events = random_events(600, 1280, 720, 1 << 25)
    extra = events_of([(t, x + i, y, p) for t, x, y, p in events[::20].tolist() if x < 1200 for i in range(10)])
    events = np.sort(np.concatenate([events, extra]), order=["t", "y", "p", "x"])
    write.evt3(tmp_path / "a.raw", events, before=[6 << 12 | 5, 9 << 12, 14 << 12 | 3])
    content = (tmp_path / "a.raw").read_bytes()
    words = np.frombuffer(content[content.index(b"% end\n") + 6 :], np.uint16)
    found, wanted = decode_evt3(words, piece), other_decoder.decode_file(str(tmp_path / "a.raw"))
    for mine, theirs in (
        (found.t, wanted.timestamp),
        (found.x, wanted.x),
        (found.y, wanted.y),
        (found.p, wanted.polarity),
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_events_before_the_first_time_are_dropped_and_told(tmp_path):
    write.evt3(tmp_path / "a.raw", events_of([(4096, 1, 2, 1)]), before=[7, 2 << 12 | 9, 2 << 12 | 10])
    data = nm.read_spikes(tmp_path / "a.raw", bin="1ms", sensor="16x16")
    assert data.spikes.count == 1
    assert data.notes == ("2 events come before the first time in their file and were dropped",)


OTHER = "EVT2 and EVT3 are read, convert it to one of them"
RAW = {
    "% evt 2.1\n% end\n": f"its format is EVT2.1; {OTHER}",
    "% format EVT21;height=2;width=2\n% end\n": f"its format is EVT2.1; {OTHER}",
    "% evt 4.0\n": f"its format is EVT4; {OTHER}",
    "": "no header that names its format; say --format evt2 or evt3",
    "% date today\n": "no header that names its format; say --format evt2 or evt3",
    "% evt 3.0\n% end\n": "nothing in it says how large the sensor is; --sensor does, for example 1280x720",
}


@pytest.mark.parametrize("header", RAW)
def test_a_raw_file_that_is_not_read_says_why(header, tmp_path):
    write.evt3(tmp_path / "a.raw", events_of([(4096, 1, 2, 1)]), header)
    with pytest.raises(InputError) as error:
        read(tmp_path / "a.raw")
    assert str(error.value) == f"{tmp_path / 'a.raw'}: {RAW[header]}"


def test_a_header_and_a_format_that_differ_are_refused(tmp_path):
    write.evt3(tmp_path / "a.raw", events_of([(4096, 1, 2, 1)]))
    with pytest.raises(InputError) as error:
        read(tmp_path / "a.raw", "evt2")
    assert str(error.value) == f"{tmp_path / 'a.raw'}: its header says evt3, not evt2; leave --format out"


@pytest.mark.parametrize("header", ["", "% date today\n"])
def test_a_raw_file_without_a_format_takes_the_one_that_is_said(header, tmp_path):
    events = random_events(50, 200, 100, 9000)
    write.evt2(tmp_path / "a.raw", events, header)
    assert_holds(read(tmp_path / "a.raw", "evt2", (200, 100))[0], events)


@pytest.mark.parametrize("writer", ["ours", "faery"])
@pytest.mark.parametrize("first", [0, 1_700_000_000_000_000])
def test_an_aedat4_file_is_read(writer, first, tmp_path):
    events = random_events(2500, 346, 260, first + 3_000_000, first=first)
    if writer == "ours":
        write.aedat4(tmp_path / "a.aedat4", events)
    else:
        write.faery(tmp_path / "a.aedat4", events, 346, 260)
    [found] = read(tmp_path / "a.aedat4")
    assert_holds(found, events)
    assert (found.width, found.height) == (346, 260)


def test_an_aedat4_file_of_two_streams_is_refused(tmp_path):
    write.aedat4(tmp_path / "a.aedat4", random_events(300, 346, 260, 1000), streams=2)
    with pytest.raises(InputError) as error:
        read(tmp_path / "a.aedat4")
    assert str(error.value) == f"{tmp_path / 'a.aedat4'}: 2 streams of events, one is needed; split the file"


def test_what_is_no_aedat4_file_is_named(tmp_path):
    (tmp_path / "a.aedat4").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"a\.aedat4: no AEDAT4 file, or damaged \(.*\); record it again$"):
        read(tmp_path / "a.aedat4")


def test_times_of_shd_are_taken_for_what_they_are(tmp_path):
    samples = [random_events(n, 700, 1, 900_000, seed=n) for n in (400, 300)]
    write.shd(tmp_path / "a.h5", samples, [7, 19])
    found = read(tmp_path / "a.h5")
    for recording, events in zip(found, samples, strict=True):
        np.testing.assert_array_equal(recording.x, events["x"])
        seconds = (events["t"] * 1e-6).astype(np.float16).astype(np.float64)
        np.testing.assert_array_equal(recording.t, np.floor(seconds * 1e6))
    assert [(r.label, r.width, r.channels) for r in found] == [(7, 700, 1), (19, 700, 1)]


def test_times_of_shd_in_double_precision_are_exact(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:  # SSC as some convert it: other types, chunked and compressed
        for name, kind, row in (("times", np.float64, [0.25, 1.0, 1.5]), ("units", np.int32, [0, 699, 3])):
            made = file.create_dataset(f"spikes/{name}", (1,), h5py.vlen_dtype(kind), chunks=True, compression="gzip")
            made[0] = np.array(row, kind)
    [found] = read(tmp_path / "a.h5")
    assert (found.t.tolist(), found.x.tolist(), found.label) == ([250_000, 1_000_000, 1_500_000], [0, 699, 3], None)


def test_hdf5_of_something_else_is_named(tmp_path):
    h5py.File(tmp_path / "a.h5", "w").close()
    with pytest.raises(InputError) as error:
        read(tmp_path / "a.h5")
    assert str(error.value) == (
        f"{tmp_path / 'a.h5'}: not HDF5 with spikes/times and spikes/units, as SHD and SSC have it"
    )


@pytest.mark.parametrize("order", ["xytp", "txyp", "xypt"])
@pytest.mark.parametrize("off", [0, -1])
def test_structured_arrays_are_read_by_the_names_of_their_fields(order, off, tmp_path):
    events = random_events(100, 20, 10, 9000)
    given = np.zeros(len(events), [(name, np.int32) for name in order])
    for name in order:
        given[name] = events[name]
    given["p"][events["p"] == 0] = off
    np.save(tmp_path / "a.npy", given)
    np.savez(tmp_path / "a.npz", **{name: given[name] for name in order})
    for source in (given, tmp_path / "a.npy", tmp_path / "a.npz", [given]):
        assert_holds(read(source, sensor=(20, 10))[0], events)
    assert given["p"].min() == off


class DataSet:
    """As tonic's are."""

    sensor_size = (20, 10, 2)

    def __init__(self):
        self.samples = [random_events(50, 20, 10, 5000, seed) for seed in range(3)]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i], 4 - i


def test_a_data_set_in_memory_is_read_with_its_labels():
    data = nm.read_spikes(DataSet(), bin="1ms", limit=2)
    assert data.spikes.shape[0] == 2
    assert data.spikes.shape[2] == 400
    assert data.labels.tolist() == [4, 3]


BAD_ARRAYS = {
    "polarity": ("p", 2, "polarities from 0 to 2; they are 0 and 1, or -1 and 1"),
    "x": ("x", 20, "event 3 at x = 20, y = 1 lies outside the sensor of 20x10"),
    "negative": ("y", -1, "event 3 at x = 1, y = -1 lies outside the sensor of 20x10"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_events_that_no_sensor_makes_are_refused(case):
    field, value, message = BAD_ARRAYS[case]
    events = events_of([(t, 1, 1, 0) for t in range(5)])
    events[field][3] = value
    with pytest.raises(InputError) as error:
        nm.read_spikes(events, bin="1us", sensor=(20, 10))
    assert str(error.value) == f"events: {message}"


def test_a_folder_of_folders_has_classes(tmp_path):
    for name in ("2", "10", "0"):
        (tmp_path / name).mkdir()
        for i in range(2):
            write.nmnist(tmp_path / name / f"{i}.bin", random_events(20, 34, 34, 4000, seed=i))
    assert nm.read_spikes(tmp_path, bin="1ms").labels.tolist() == [0, 0, 2, 2, 10, 10]


def test_a_folder_of_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(InputError) as error:
        nm.read_spikes(tmp_path, bin="1ms")
    assert str(error.value) == (
        f"{tmp_path}: no recordings in this folder; they end in .aedat4, .bin, .h5, .hdf5, .npy, .npz, .raw"
    )


@pytest.mark.parametrize("format", ["evt2", "evt3", "aedat4", "nmnist"])
def test_an_empty_recording_is_a_silent_sample(format, tmp_path):
    path = tmp_path / {"aedat4": "a.aedat4", "nmnist": "a.bin"}.get(format, "a.raw")
    getattr(write, format)(path, events_of([]))
    assert nm.read_spikes(path, bin="1ms", timesteps=5).spikes.shape[:2] == (1, 5)


# ------------------------------------------------------------------------------------------------ bins
RULES = {
    "tonic window": {"bin": "1ms", "bin_rule": "tonic"},
    "tonic bins": {"bin": 7, "bin_rule": "tonic"},
    "spikingjelly window": {"bin": "1ms", "bin_rule": "spikingjelly"},
    "spikingjelly bins": {"bin": "7", "bin_rule": "spikingjelly"},
    "snntorch window": {"bin": "1000us", "bin_rule": "snntorch", "crop": "32x32", "timesteps": 20},
}


@pytest.mark.parametrize("which", ["unfinished", "whole"])
@pytest.mark.parametrize("rule", RULES)
def test_frames_equal_those_of_the_framework(rule, which):
    wanted = FRAMES[f"{which} {rule}"]
    data = nm.read_spikes(FRAMES[f"{which} events"], sensor="34x34", events="count", **RULES[rule])
    assert wanted.max() > 1
    np.testing.assert_array_equal(data.spikes, wanted.reshape(1, len(wanted), -1))


@pytest.mark.parametrize("which", ["unfinished", "whole"])
@pytest.mark.parametrize("bin", ["1ms", "7"])
def test_nothing_is_dropped_unless_told(which, bin):
    events = FRAMES[f"{which} events"]
    spikes = np.asarray(nm.read_spikes(events, sensor="34x34", events="count", bin=bin).spikes)
    assert spikes.sum() == len(events)
    assert spikes[0, -1].any()


def test_a_boundary_belongs_to_the_later_timestep_and_time_begins_at_the_first_event():
    events = events_of([(1_000_500, 0, 0, 1), (1_001_499, 0, 0, 1), (1_001_500, 0, 0, 1)])
    spikes = nm.read_spikes(events, sensor=(1, 1), bin="1ms", events="count", polarity="merge").spikes
    assert np.asarray(spikes)[0].tolist() == [[2], [1]]


def test_time_begins_where_it_is_told_to():
    events = events_of([(900, 0, 0, 1), (1500, 0, 0, 1)])
    data = nm.read_spikes(events, sensor=(1, 1), bin="500us", polarity="merge", start=1000)
    assert np.asarray(data.spikes)[0].tolist() == [[0], [1]]
    assert data.notes == ("1 of 2 events come before the start and were dropped",)


def test_an_event_out_of_order_goes_to_its_own_timestep():
    events = events_of([(0, 0, 0, 1), (2000, 0, 0, 1), (1000, 0, 0, 1)])
    data = nm.read_spikes(events, sensor=(1, 1), bin="1ms", polarity="merge")
    assert np.asarray(data.spikes)[0].tolist() == [[1], [1], [1]]
    assert data.notes == ("1 of 3 events are earlier than the event before them; each goes to its own timestep",)


def test_what_was_merged_is_told_and_counted_on_request():
    events = events_of([(0, 1, 0, 1)] * 3 + [(5, 0, 0, 0)])
    once, count = (nm.read_spikes(events, sensor=(2, 1), bin="1ms", events=how) for how in ("once", "count"))
    assert np.asarray(once.spikes)[0].tolist() == [[1, 0, 0, 1]]
    assert np.asarray(count.spikes)[0].tolist() == [[1, 0, 0, 3]]
    text = "2 of 4 events fell on an input and timestep that had one already: {} for all"
    assert (once.notes, count.notes) == ((text.format("one spike"),), (text.format("a graded spike"),))


def test_more_events_than_a_graded_spike_counts_are_refused():
    with pytest.raises(InputError) as error:
        nm.read_spikes(events_of([(0, 0, 0, 1)] * 256), sensor=(1, 1), bin="1ms", events="count")
    assert str(error.value) == (
        "events: an input has 256 events in a timestep; a graded spike counts 255 at most, use a shorter --bin or "
        "--events once"
    )


@pytest.mark.parametrize(("polarity", "wanted"), [("merge", [1, 1, 0]), ("on", [0, 1, 0]), ("off", [1, 0, 0])])
def test_one_channel_of_two_polarities(polarity, wanted):
    events = events_of([(0, 0, 0, 0), (1, 1, 0, 1)])
    data = nm.read_spikes(events, 3, sensor=(3, 1), bin="1ms", polarity=polarity)
    assert np.asarray(data.spikes)[0].tolist() == [wanted]


def test_a_network_of_one_channel_makes_the_user_choose():
    with pytest.raises(InputError) as error:
        nm.read_spikes(events_of([(0, 0, 0, 0)]), 3, sensor=(3, 1), bin="1ms")
    assert str(error.value) == (
        "events: events of two polarities, but the network takes one input a pixel; say --polarity merge, on or off"
    )


def test_downscaling_is_a_division_of_whole_numbers():
    events = events_of([(0, 173, 0, 1), (0, 345, 259, 1)])  # 173 * 48 / 346 is 24 exactly
    data = nm.read_spikes(events, sensor=(346, 260), bin="1ms", downscale="48x26", polarity="merge")
    assert np.flatnonzero(np.asarray(data.spikes)).tolist() == [24, 25 * 48 + 47]
    halved = nm.read_spikes(events, sensor=(346, 260), bin="1ms", downscale=2, polarity="merge")
    assert np.flatnonzero(np.asarray(halved.spikes)).tolist() == [86, 129 * 173 + 172]


def test_recordings_of_different_length_end_in_silence():
    data = nm.read_spikes(
        [events_of([(0, 0, 0, 1)]), events_of([(0, 0, 0, 1), (2500, 0, 0, 1)])], sensor=(1, 1), bin="1ms"
    )
    assert data.spikes.shape == (2, 3, 2)
    assert data.notes == ("recordings last 1 to 3 timesteps; 3 for all, with silence",)


BAD_BINNING = {
    "no bin": (
        {},
        InputError,
        "events: a recording in microseconds; --bin says how long a timestep is, for example 1ms",
    ),
    "unit": (
        {"bin": "3 h"},
        UsageError,
        "bin '3 h'; give a duration of whole microseconds, for example 1ms or 500us, or how many timesteps a recording "
        "is cut into",
    ),
    "rule": (
        {"bin": "1ms", "bin_rule": "norse"},
        UsageError,
        "bin_rule 'norse'; the choices are all, tonic, spikingjelly, snntorch",
    ),
    "size": ({"bin": "1ms", "crop": "big"}, UsageError, "crop 'big'; give WIDTHxHEIGHT, for example 34x34"),
    "larger": (
        {"bin": "1ms", "downscale": "64x64"},
        UsageError,
        "downscale 64x64 is larger than 34x34; give a smaller size",
    ),
    "snntorch": (
        {"bin": "1ms", "bin_rule": "snntorch"},
        UsageError,
        "the rule of snntorch has a fixed number of timesteps; give --timesteps",
    ),
    "long": (
        {"bin": "1us", "start": -(1 << 30)},
        InputError,
        "events: 1,073,741,825 timesteps, at most 16,777,216 can be held; use a longer --bin",
    ),
    "width": (
        {"bin": "1ms", "n_inputs": 784},
        InputError,
        "events: 2,312 inputs (34x34, two polarities), but the network takes 784; --downscale, --crop and --polarity "
        "change them",
    ),
}


@pytest.mark.parametrize("case", BAD_BINNING)
def test_a_binning_that_cannot_be_is_refused(case):
    how, kind, message = BAD_BINNING[case]
    with pytest.raises(kind) as error:
        nm.read_spikes(events_of([(0, 0, 0, 1)]), **{"sensor": "34x34"} | how)
    assert str(error.value) == message


# ------------------------------------------------------------------------------------------------ size
MEASURE = """
import re, sys
import h5py, zipfile
from nmcompile.coding.spikes import read_spikes
def peak():  # kB; not ru_maxrss, which a process inherits from the one that started it
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
before = peak()
data = read_spikes(sys.argv[1], **eval(sys.argv[2]))
assert data.spikes.count > 1_800_000, data.spikes
print(peak() - before)
"""


@pytest.mark.parametrize("kind", ["recordings", "events", "spikes"])
def test_reading_takes_no_more_than_three_times_the_file(kind, tmp_path):
    samples, each, rng = 500, 4171, np.random.default_rng(5)
    t = np.sort(rng.integers(0, 300_000, (samples, each)), axis=1)
    x, y = np.clip(rng.normal(17, 6, (2, samples, each)), 0, 33).astype(np.int64)
    p = rng.integers(0, 2, (samples, each))
    path, options = tmp_path / "a.npz", "{}"
    events = np.stack(
        [np.repeat(np.arange(samples), each), (t // 1000).ravel(), (p * 1156 + y * 34 + x).ravel()], axis=1
    )
    if kind == "recordings":
        path, options = tmp_path, "{'bin': '1ms'}"
        for i in range(samples):
            one = np.zeros(each, write.EVENT)
            one["t"], one["x"], one["y"], one["p"] = t[i], x[i], y[i], p[i]
            write.nmnist_columns(tmp_path / f"{i}.bin", one)
    elif kind == "events":
        np.savez_compressed(path, events=events, shape=(samples, 300, 2312))
    else:
        dense = np.zeros((samples, 300, 2312), np.uint8)
        dense[tuple(events.T)] = 1
        np.savez_compressed(path, spikes=dense)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", MEASURE, path, options], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 <= 3 * size + 6_000_000  # and the modules that reading loads
