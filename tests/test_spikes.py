"""IN.npz: what is read, and what is refused in one line."""

import numpy as np
import pytest
from nirfiles import LAYERS, two_layers, write

from emulator.spec.arch import load_architecture
from emulator.spec.errors import InputError
from emulator.spec.spikes import SpikeTrains
from nmcompile.coding import arrays
from nmcompile.coding.spikes import largest_input, read_spikes
from nmcompile.frontends.nir import read_nir
from nmcompile.pipeline import compile_network

SPIKES = np.array([[[0, 1, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 1]]])  # 2 samples, 2 timesteps, 3 inputs


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "in.npz", **arrays)
        return tmp_path / "in.npz"

    return save


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.uint64, np.float32])
def test_spikes_of_any_whole_type_are_read(save, kind):
    data = read_spikes(save(spikes=SPIKES.astype(kind)), 3)
    assert np.asarray(data.spikes).dtype == np.uint8
    np.testing.assert_array_equal(data.spikes, SPIKES)
    assert data.labels is None


def test_events_are_the_same_as_spikes(save):
    data = read_spikes(save(events=np.argwhere(SPIKES), shape=SPIKES.shape))
    np.testing.assert_array_equal(data.spikes, SPIKES)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_no_events_at_all_are_silence(save, kind):
    assert read_spikes(save(events=np.zeros((0, 3), kind), shape=(2, 2, 3))).spikes.count == 0


def test_labels_and_other_arrays_come_along(save):
    data = read_spikes(save(spikes=SPIKES, labels=np.array([1.0, 0.0]), float_counts=np.ones((2, 3)), note="x"))
    assert data.labels is not None
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [1, 0]
    assert set(data.extra) == {"float_counts", "note"}


def test_the_first_samples_keep_their_labels(save):
    data = read_spikes(save(spikes=SPIKES, labels=[1, 0], float_counts=np.ones((2, 3)))).first(1)
    assert (len(data.spikes), data.labels.tolist(), len(data.extra["float_counts"])) == (1, [1], 1)
    assert len(data.first(None).spikes) == len(data.first(9).spikes) == 1


def test_payloads_are_read_where_they_mean_something(save):
    assert read_spikes(save(spikes=SPIKES * 255), largest=255).spikes.largest == 255


def filled(value, kind=np.float64):
    spikes = SPIKES.astype(kind)
    spikes[1, 0, 2] = value
    return spikes


ENCODE = "encode them as spikes first, or compile the network with --input-levels for analog inputs"
BAD = {
    "no spikes": (
        {"a": SPIKES, "b": SPIKES},
        "needs `spikes`, or `events` and `shape`, or `values` 0..1; it holds a, b",
    ),
    "nothing": ({}, "needs `spikes`, or `events` and `shape`, or `values` 0..1; it holds nothing"),
    "axes": ({"spikes": SPIKES[0]}, "spikes have shape (2, 3), expected (samples, timesteps, inputs); reshape them"),
    "width": (
        {"spikes": SPIKES[:, :, :2]},
        "spikes of 2 inputs, but the network takes 3; flatten its input shape row-major",
    ),
    "no samples": ({"spikes": SPIKES[:0]}, "spikes have shape (0, 2, 3); there is nothing to run"),
    "no timesteps": ({"spikes": SPIKES[:, :0]}, "spikes have shape (2, 0, 3); there is nothing to run"),
    "fraction": ({"spikes": filled(0.5)}, f"spikes of type float64 are not whole numbers; {ENCODE}"),
    "nan": ({"spikes": filled(np.nan)}, f"spikes of type float64 are not whole numbers; {ENCODE}"),
    "infinite": (
        {"spikes": filled(np.inf)},
        "spikes from 0 to inf; they must be 0 or 1, or 0..255 for graded inputs",
    ),
    "complex": (
        {"spikes": SPIKES.astype(complex)},
        "spikes of type complex128 are not whole numbers; encode them as spikes first",
    ),
    "text": (
        {"spikes": SPIKES.astype(str)},
        "spikes of type <U21 are not whole numbers; encode them as spikes first",
    ),
    "negative": (
        {"spikes": filled(-1, int)},
        "spikes from -1 to 1; they must be 0 or 1, or 0..255 for graded inputs",
    ),
    "too large": (
        {"spikes": filled(256, int)},
        "spikes from 0 to 256; they must be 0 or 1, or 0..255 for graded inputs",
    ),
    "graded": (
        {"spikes": filled(2, int)},
        "spikes up to 2, but this network takes 0 to 1; compile it with --input-levels for "
        "analog inputs, or encode them in time",
    ),
    "labels": (
        {"spikes": SPIKES, "labels": [1, 2, 3]},
        "labels of shape (3,) for 2 samples; one label per sample is needed",
    ),
    "label axes": (
        {"spikes": SPIKES, "labels": [[1], [2]]},
        "labels of shape (2, 1) for 2 samples; one label per sample is needed",
    ),
    "label fractions": (
        {"spikes": SPIKES, "labels": [0.5, 1]},
        "labels of type float64 are not whole numbers; give the index of a class",
    ),
    "label text": (
        {"spikes": SPIKES, "labels": ["cat", "dog"]},
        "labels of type <U3 are not whole numbers; give the index of a class",
    ),
    "float accuracy": (
        {"spikes": SPIKES, "float_accuracy": "high"},
        "float_accuracy is <U4 of shape (); give one number",
    ),
    "event axes": (
        {"events": np.zeros((4, 2), int), "shape": (1, 2, 3)},
        "events are int64 of shape (4, 2), expected integers (n, 3): sample, timestep, input",
    ),
    "event fractions": (
        {"events": np.zeros((4, 3)), "shape": (1, 2, 3)},
        "events are float64 of shape (4, 3), expected integers (n, 3): sample, timestep, input",
    ),
    "event outside": (
        {"events": [[0, 0, 0], [0, 2, 0]], "shape": (1, 2, 3)},
        "event 1, [0, 2, 0], lies outside shape [1, 2, 3]; counts start at 0",
    ),
    "event negative": (
        {"events": [[0, -1, 0]], "shape": (1, 2, 3)},
        "event 0, [0, -1, 0], lies outside shape [1, 2, 3]; counts start at 0",
    ),
    "no shape": (
        {"events": np.argwhere(SPIKES)},
        "needs `spikes`, or `events` and `shape`, or `values` 0..1; it holds events",
    ),
    "shape of zero": (
        {"events": np.zeros((0, 3), int), "shape": (1, 0, 3)},
        "shape is [1, 0, 3], expected (samples, timesteps, inputs), each at least 1",
    ),
    "shape too large": (
        {"events": np.zeros((0, 3), int), "shape": (1 << 20, 1 << 20, 3)},
        "shape [1048576, 1048576, 3] has 3,298,534,883,328 elements and 1,099,511,627,776 timesteps in all, at most "
        "1,099,511,627,776 and 134,217,728 can be held; split the file",
    ),
    "pickles": (
        {"spikes": np.array([None])},
        "not an .npz file of plain arrays, or truncated; write it with numpy.savez",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_inputs_is_said_in_a_line(save, case):
    arrays, wanted = BAD[case]
    path = save(**arrays)
    with pytest.raises(InputError) as error:
        read_spikes(path, 3, largest=1)
    assert str(error.value) == f"{path}: {wanted}"


@pytest.mark.parametrize("content", [b"", b"hello, I am text\n" * 50, b"PK\x03\x04 no zip", b"\x80\x04N."])
def test_what_is_no_npz_file_is_named(tmp_path, content):
    path = tmp_path / "in.npz"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_spikes(path)
    assert str(error.value) == (f"{path}: not an .npz file of plain arrays, or truncated; write it with numpy.savez")


def test_an_npy_file_holds_spikes_alone(tmp_path):
    np.save(tmp_path / "in.npy", SPIKES)
    data = read_spikes(tmp_path / "in.npy", 3)
    np.testing.assert_array_equal(data.spikes, SPIKES)
    assert data.labels is None


def test_a_truncated_file_is_named(save):
    path = save(spikes=SPIKES)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"in\.npz: not an \.npz file of plain arrays, or truncated"):
        read_spikes(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError) as error:
        read_spikes(tmp_path / "none.npz")
    assert str(error.value) == f"{tmp_path / 'none.npz'}: no such file"


def compiled(tmp_path):
    network = read_nir(write(tmp_path / "n.nir", two_layers(np.random.default_rng(1)), LAYERS))
    return compile_network(network, load_architecture("ecp5")).image


def test_a_compiled_network_takes_spikes_of_one(tmp_path):
    assert largest_input(compiled(tmp_path)) == 1


def test_a_network_compiled_for_analog_inputs_takes_so_many_levels(tmp_path):
    network = read_nir(write(tmp_path / "n.nir", two_layers(np.random.default_rng(1)), LAYERS))
    assert largest_input(compile_network(network.graded(40), load_architecture("ecp5")).image) == 40


# ------------------------------------------------------------------------------------------------ SpikeTrains
def random_trains(seed, shape=(5, 6, 8), largest=3):
    rng = np.random.default_rng(seed)
    dense = (rng.random(shape) < 0.3) * rng.integers(1, largest + 1, shape)
    return dense.astype(np.uint8), SpikeTrains.from_array(dense.astype(np.uint8))


@pytest.mark.parametrize("shape", [(5, 6, 8), (5, 3, 7), (1, 1, 1), (0, 2, 3)])
@pytest.mark.parametrize("largest", [1, 255])
def test_trains_are_the_array_they_are_made_of(shape, largest):
    dense, trains = random_trains(1, shape, largest)
    np.testing.assert_array_equal(trains, dense)
    np.testing.assert_array_equal(trains.events(), np.argwhere(dense))
    np.testing.assert_array_equal(trains.per_input(), np.count_nonzero(dense, axis=(0, 1)))
    assert (trains.count, trains.largest) == (np.count_nonzero(dense), dense.max(initial=0))


@pytest.mark.parametrize("timesteps", [1, 4, 6, 9])
def test_trains_are_cut_or_padded_as_the_array(timesteps):
    dense, trains = random_trains(2)
    wanted = np.concatenate([dense, np.zeros((5, 3, 8), np.uint8)], axis=1)[:, :timesteps]
    np.testing.assert_array_equal(trains.lasting(timesteps), wanted)


@pytest.mark.parametrize("part", [slice(1, 3), slice(None, 2), slice(3, None), slice(4, 1), slice(-2, None)])
def test_some_samples_of_trains_are_those_of_the_array(part):
    dense, trains = random_trains(3)
    np.testing.assert_array_equal(trains[part], dense[part])
    assert trains[part].first[0] == 0  # whoever walks through them begins there


def test_one_sample_of_trains_is_dense():
    dense, trains = random_trains(4)
    np.testing.assert_array_equal(trains[-1], dense[-1])
    with pytest.raises(IndexError, match=r"^sample 5 of 5$"):
        trains[5]
    with pytest.raises(IndexError, match=r"^samples can be cut out in one piece only; use numpy"):
        trains[::2]


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_events_that_are_there_twice_count_and_are_told(save, monkeypatch, piece):
    monkeypatch.setattr(arrays, "PIECE", piece)
    events = np.argwhere(SPIKES)[[3, 0, 1, 2, 1, 1, 3]]
    path = save(events=events, shape=SPIKES.shape)
    data = read_spikes(path)
    wanted = np.zeros(SPIKES.shape, int)
    np.add.at(wanted, tuple(events.T), 1)
    np.testing.assert_array_equal(data.spikes, wanted)
    assert data.notes == (f"{path}: 3 events fall together with others, and count",)


# ------------------------------------------------------------------------------------------------ analog inputs
def test_values_between_0_and_1_become_levels(save, tmp_path):
    values = np.array([[[0, 0.5, 1], [0.25, 0.1, 0]]])
    np.save(tmp_path / "in.npy", values)
    for path in (save(values=values), save(spikes=values), tmp_path / "in.npy"):
        data = read_spikes(path, 3, largest=20)
        assert np.asarray(data.spikes)[0].tolist() == [[0, 10, 20], [5, 2, 0]]
        assert data.notes == (f"{path}: numbers from 0 to 1 are analog inputs here, in steps of 1 / 20",)


def test_values_without_a_time_last_as_long_as_told(save):
    path = save(values=[[0.5, 1.0]], labels=[3])
    data = read_spikes(path, 2, largest=2, timesteps=3)
    assert np.asarray(data.spikes)[0].tolist() == [[1, 2]] * 3
    with pytest.raises(InputError) as error:
        read_spikes(path, 2, largest=2)
    assert str(error.value) == f"{path}: values of shape (1, 2) have no time; --timesteps says how long they last"


def test_floats_of_0_and_1_stay_what_they_carry_and_it_is_told(save):
    path = save(spikes=SPIKES.astype(float))
    data = read_spikes(path, largest=16)
    np.testing.assert_array_equal(data.spikes, SPIKES)
    assert data.notes == (f"{path}: 1.0 is one step of 16 here; call the array `values` if it is the largest input",)


@pytest.mark.parametrize(
    ("values", "largest", "message"),
    [
        ([[[0.5, 1.5]]], 16, "values from 0.5 to 1.5 are no analog inputs; scale them to 0..1"),
        ([[[0.5, np.nan]]], 16, "values from nan to nan are no analog inputs; scale them to 0..1"),
        ([[[0.5, 1.0]]], 1, f"values of type float64 are not whole numbers; {ENCODE}"),
    ],
)
def test_values_that_are_no_analog_inputs_are_refused(save, values, largest, message):
    path = save(values=values)
    with pytest.raises(InputError) as error:
        read_spikes(path, largest=largest)
    assert str(error.value) == f"{path}: {message}"
