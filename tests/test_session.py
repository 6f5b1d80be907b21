"""An open session: timestep by timestep the same as a run, on every machine, and what may happen in between."""

import numpy as np
import pytest
from networks import random_network
from programs import random_image, random_inputs

import emulator
import nmcompile as nm
from emulator.spec.arch import load_architecture
from emulator.spec.errors import InputError, UsageError

ECP5, UP5K = load_architecture("ecp5"), load_architecture("up5k")


def random_case(seed, **kind):
    rng = np.random.default_rng(seed)
    image = random_image(rng, **kind)
    return image, random_inputs(rng, image, 6, 2)


def sent_of(image, result, spikes):
    """(samples, T + latency, cores, neurons) bool of a run's recorded spikes."""
    fired = np.zeros((len(spikes), spikes.shape[1] + image.latency, image.arch.cores, image.arch.neurons), bool)
    fired[tuple(result.spikes.T)] = True
    return fired


def all_fired(chip):
    return {p.name: chip.fired(p.name) for p in chip.image.populations}


def all_read(chip):
    names = [f"{register}:{p.name}" for p in chip.image.populations for register in p.registers]
    return {name: chip.read(name) for name in names}


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], name)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("learn", [False, True])
def test_a_session_of_random_programs_is_their_run(seed, learn):
    image, spikes = random_case(seed, learning=seed % 2 == 1)
    result = emulator.run(image, spikes, record_spikes=True, learn=learn, reward=5)
    wanted = sent_of(image, result, spikes)
    chip = emulator.Session(image, timesteps=6, learn=learn, reward=5)
    counts, cycles = np.zeros_like(result.output_counts), []
    for sample in range(2):
        if sample:
            chip.reset()
        for t in range(6 + image.latency):
            sent = chip.step(spikes[sample, t] if t < 6 else None)
            if t >= image.latency:
                counts[sample] += sent
            for p in image.populations:
                np.testing.assert_array_equal(chip.fired(p.name), wanted[sample, t][tuple(p.location.T)])
        cycles.append(chip.cycles)
    np.testing.assert_array_equal(counts, result.output_counts)
    assert cycles == result.sample_cycles.tolist()


def drive(chip, spikes, seed):
    """Steps with other rewards and written registers now and then; all that was seen."""
    rng, seen = np.random.default_rng(seed), []
    for t in range(6):
        chip.reward = int(rng.integers(-20, 20))
        if rng.random() < 0.4 and (names := list(all_read(chip))):
            chip.write(names[rng.integers(len(names))], int(rng.integers(-100, 100)))
        seen.append((chip.step(spikes[t]), all_fired(chip), chip.cycles))
    return seen


def assert_seen(one, two):
    for (sent, fired, cycles), (other_sent, other_fired, other_cycles) in zip(one, two, strict=True):
        np.testing.assert_array_equal(sent, other_sent)
        assert_same(fired, other_fired)
        assert cycles == other_cycles


@pytest.mark.parametrize("seed", range(25))
def test_kernel_and_reference_agree_on_rewards_and_writes_within_a_sample(seed):
    image, spikes = random_case(seed, plain=True, learning=seed % 2 == 1)
    kernel, reference = (emulator.Session(image, machine, 6) for machine in ("kernel", "reference"))
    assert_seen(drive(kernel, spikes[0], seed), drive(reference, spikes[0], seed))
    assert_same(all_read(kernel), all_read(reference))


@pytest.mark.parametrize("machine", ["kernel", "reference"])
@pytest.mark.parametrize("seed", range(6))
def test_a_snapshot_brings_everything_back(machine, seed):
    image, spikes = random_case(seed, learning=seed % 2 == 1)
    chip = emulator.Session(image, machine, 20)
    drive(chip, spikes[0], seed)
    kept, before = chip.snapshot(), all_read(chip)
    first = drive(chip, spikes[1], seed + 1)
    chip.restore(kept)
    assert chip.timestep == 6
    assert_same(all_read(chip), before)
    assert_seen(first, drive(chip, spikes[1], seed + 1))


@pytest.mark.parametrize("arch", [UP5K, ECP5], ids=lambda arch: arch.name)
def test_the_verilog_steps_as_the_kernel_does(arch):
    image, spikes = random_case(3, arch=arch, plain=True, learning=arch.traces > 0)
    kernel, verilog = (emulator.Session(image, machine, 20) for machine in ("kernel", "verilog"))
    assert_seen(drive(kernel, spikes[0], 1), drive(verilog, spikes[0], 1))
    kept = kernel.snapshot(), verilog.snapshot()
    assert_seen(drive(kernel, spikes[1], 2), drive(verilog, spikes[1], 2))
    for chip, snapshot in zip((kernel, verilog), kept, strict=True):
        chip.restore(snapshot)
    assert_same(all_read(kernel), all_read(verilog))
    assert_seen(drive(kernel, spikes[1], 3), drive(verilog, spikes[1], 3))
    verilog.close()


@pytest.fixture(scope="module")
def image():
    return nm.compile_network(random_network(np.random.default_rng(1)), ECP5).image


def test_a_compiled_network_in_a_session_is_its_run(image):
    spikes = (np.random.default_rng(2).random((1, 30, 20)) < 0.4).astype(np.uint8)
    with nm.session(image) as chip:
        sent = [chip.step(frame) for frame in spikes[0]]
    wanted = nm.decode.trains(image, emulator.run(image, spikes, record_spikes=True))[0]
    np.testing.assert_array_equal(np.array(sent)[image.latency :], wanted[: 30 - image.latency])
    assert wanted.sum() > 10


def test_a_session_opens_on_a_file_too(image, tmp_path):
    nm.save_image(image, tmp_path / "net.nmi")
    assert nm.session(tmp_path / "net.nmi").image.n_inputs == 20


def test_what_is_written_is_read(image):
    with nm.session(image) as chip:
        chip.write("v:layer0", np.arange(30))
        assert chip.read("v:layer0").tolist() == list(range(30))


def fails(call):
    with pytest.raises((InputError, UsageError)) as error:
        call()
    return type(error.value), str(error.value)


def test_a_step_after_the_end_is_refused(image):
    chip = nm.session(image, timesteps=1)
    for _ in range(1 + image.latency):
        chip.step()
    assert fails(chip.step) == (
        UsageError,
        f"the sample is over: it has 1 timesteps and a latency of {image.latency}; begin the next with reset()",
    )
    chip.reset()
    assert chip.step().tolist() == [0] * 12


def test_inputs_behind_the_last_timestep_are_refused(image):
    chip = nm.session(image, timesteps=1)
    chip.step()
    assert fails(lambda: chip.step(np.ones(20, int))) == (
        UsageError,
        "inputs in timestep 1, but the sample has 1 of them; give None",
    )


def test_a_closed_session_is_refused(image):
    with nm.session(image) as chip:
        pass
    for call in (chip.step, chip.reset, chip.snapshot, lambda: chip.read("v:layer0"), lambda: chip.cycles):
        assert fails(call) == (UsageError, "this session is closed; open another")


def test_a_snapshot_of_another_session_is_refused(image):
    one, two = nm.session(image), nm.session(image)
    assert fails(lambda: two.restore(one.snapshot())) == (
        UsageError,
        "this snapshot is of another session; restore it there",
    )


def test_an_image_without_notes_has_no_session():
    made, _ = random_case(0)
    assert fails(lambda: nm.session(made))[0] is InputError


def test_learning_where_nothing_learns_is_refused(image):
    assert fails(lambda: nm.session(image, learn=True)) == (
        UsageError,
        "nothing in this image learns; compile it with --plasticity RULES.toml",
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.step(np.ones(3, int)), "inputs of shape (3,), the network has 20; give (20,)"),
        (lambda c: c.step(np.full(20, 0.5)), "inputs of type float64; give integers, 0 for no spike"),
        (lambda c: c.step(np.full(20, -1)), "an input is -1; on architecture 'ecp5' it is 0 to 255"),
        (lambda c: c.step(np.full(20, 256)), "an input is 256; on architecture 'ecp5' it is 0 to 255"),
        (lambda c: setattr(c, "reward", 0.5), "a reward of 0.5; give an integer"),
        (lambda c: setattr(c, "reward", True), "a reward of True; give an integer"),
        (
            lambda c: setattr(c, "reward", 1 << 31),
            "a reward of 2,147,483,648 does not fit the 24 bits of the state; scale it down",
        ),
        (lambda c: c.read("v:none"), "no population 'none' in this image; it has layer0, layer1"),
        (lambda c: c.fired("none"), "no population 'none' in this image; it has layer0, layer1"),
        (lambda c: c.read("w:layer0"), "'w:layer0': population 'layer0' has no register 'w'; it has v, threshold"),
        (lambda c: c.write("v:layer0", [1, 2]), "v:layer0: int64 of shape (2,); give 30 integers"),
        (lambda c: c.write("v:layer0", 1 << 31), "v:layer0: a value does not fit the 24 bits of the state"),
    ],
)
def test_what_is_wrong_is_said(image, call, message):
    assert fails(lambda: call(nm.session(image))) == (InputError, message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"machine": "board"}, "machine 'board'; there are kernel, reference, verilog"),
        ({"timesteps": 0}, "a sample of 0 timesteps; give 1 to 16,777,214"),
    ],
)
def test_a_session_that_there_cannot_be_is_refused(image, options, message):
    assert fails(lambda: nm.session(image, **options)) == (UsageError, message)
