"""The kernel equals the reference: spikes, state, cycles and every counter, on random images.

NM_LONG=n runs n seeds instead of the slice that every change is checked with.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from programs import random_architecture, random_image, random_inputs

import emulator
from emulator.reference import Reference
from emulator.spec import isa
from emulator.spec.check import check_image
from emulator.spec.errors import InputError, UsageError
from emulator.spec.fixedpoint import LFSR_BITS, lfsr_draw
from emulator.spec.image import Image, empty_core
from emulator.spec.isa import Op

SEEDS = int(os.environ.get("NM_LONG", "320"))
CHUNKS = 32


@dataclass
class Expected:
    """What the reference does with a run, in the words of RunResult."""

    image: Image
    spikes: list[tuple[int, int, int, int]] = field(default_factory=list)
    payloads: list[int] = field(default_factory=list)  # of the spikes, in their order
    sample_cycles: list[int] = field(default_factory=list)
    counters: dict[str, np.ndarray] = field(default_factory=dict)
    chip: dict[str, int] = field(default_factory=dict)
    executions: list[np.ndarray] = field(default_factory=list)
    axon_events: list[np.ndarray] = field(default_factory=list)
    registers: list[list[list[list[int]]]] = field(default_factory=list)  # per sample and timestep: of each core
    synapses: list[list[list[int]]] = field(default_factory=list)
    random: list[list[int]] = field(default_factory=list)


def run_reference(image: Image, spikes: np.ndarray, learn: bool, rewards: np.ndarray) -> Expected:
    """The definition of `emulator.run`: a fresh machine a sample, or one through all of them when learning."""
    out = Expected(image)
    out.executions = [np.zeros(len(core.program), np.int64) for core in image.cores]
    out.axon_events = [np.zeros(len(core.axons), np.int64) for core in image.cores]

    def retire(what: str, core: int, *numbers: int) -> None:
        if what == "event" and numbers[0] < len(out.axon_events[core]):
            out.axon_events[core][numbers[0]] += 1

    machine = None
    for sample in range(len(spikes)):
        if machine is None or not learn:
            machine = Reference(image, retire)
        before = machine.cycles()
        machine.reset(spikes.shape[1], int(rewards[sample]))
        for t in range(spikes.shape[1] + image.latency):
            if t < spikes.shape[1]:
                for i in np.flatnonzero(spikes[sample, t]):
                    for route in image.input_routes[image.input_pointers[i] : image.input_pointers[i + 1]]:
                        machine.inject(route, int(spikes[sample, t, i]))
            fired = machine.step()
            out.spikes += [(sample, t, core, neuron) for core, neuron, _ in fired]
            out.payloads += [payload for _, _, payload in fired]
            out.registers.append([[list(r) for r in core.registers] for core in machine.cores])
        out.sample_cycles.append(machine.cycles() - before)
        if not learn or sample == len(spikes) - 1:
            for name in machine.cores[0].counters:
                values = np.array([core.counters[name] for core in machine.cores], np.int64)
                out.counters[name] = out.counters.get(name, 0) + values
            for name, value in machine.counters.items():
                out.chip[name] = out.chip.get(name, 0) + value
    out.synapses = [core.synapses for core in machine.cores]
    out.random = [core.random for core in machine.cores]
    return out


def check_equal(seed: int, **knobs) -> None:
    """One random image on both machines, everything compared."""
    rng = np.random.default_rng(seed)
    check_image_equal(random_image(rng, **knobs), rng, f"seed {seed}")


def check_image_equal(image: Image, rng: np.random.Generator, where: str) -> None:
    samples = int(rng.integers(1, 4))
    spikes = random_inputs(rng, image, int(rng.integers(1, 7)), samples)
    learn = bool(rng.random() < 0.5)
    rewards = rng.integers(-2, 3, samples) * rng.choice([0, 1, 1000], samples)
    expected = run_reference(image, spikes, learn, rewards)
    probes = [f"v:{p.name}" for p in image.populations]
    result = emulator.run(
        image,
        spikes,
        record_spikes=True,
        learn=learn,
        reward=rewards,
        probes=probes,
        threads=1 if learn else int(rng.integers(1, 4)),
    )
    assert [tuple(map(int, s)) for s in result.spikes] == expected.spikes, where
    steps = spikes.shape[1] + image.latency
    for probe, population in zip(probes, image.populations, strict=True):
        r = population.registers["v"]
        want = [[step[core][r][n] for core, n in population.location] for step in expected.registers]
        np.testing.assert_array_equal(result.probes[probe], np.reshape(want, (samples, steps, -1)), where)
    for name, values in expected.counters.items():
        np.testing.assert_array_equal(result.counters[name], values, f"{where}: {name}")
    assert result.chip == expected.chip, where
    assert result.sample_cycles.tolist() == expected.sample_cycles, where
    for core in range(image.arch.cores):
        np.testing.assert_array_equal(result.axon_events[core], expected.axon_events[core], where)
        assert result.executions[core].sum() == expected.counters["instructions"][core], where
    counts = np.zeros((samples, image.arch.cores, image.arch.neurons), np.int64)
    late = np.zeros_like(counts)
    signed = image.output_payloads == "signed"
    for (sample, t, core, neuron), payload in zip(expected.spikes, expected.payloads, strict=True):
        counts[sample, core, neuron] += 1
        carried = 1 if image.output_payloads == "one" else payload - (payload & 128) * 2 * signed
        late[sample, core, neuron] += carried * (t >= image.latency)
    np.testing.assert_array_equal(result.neuron_spikes, counts.sum(0), where)
    outputs = late[:, image.outputs[:, 0], image.outputs[:, 1]]
    np.testing.assert_array_equal(result.output_counts, outputs, where)
    np.testing.assert_array_equal(result.predictions, outputs.argmax(1), where)
    for i, p in enumerate(image.populations):
        np.testing.assert_array_equal(
            result.sample_spikes[:, i], counts[:, p.location[:, 0], p.location[:, 1]].sum(1), where
        )
    if learn:
        for core, want in zip(result.learned.cores, expected.synapses, strict=True):
            np.testing.assert_array_equal(core.synapses, np.array(want).reshape(core.synapses.shape), where)
        for core, registers, random in zip(result.learned.cores, expected.registers[-1], expected.random, strict=True):
            flat = core.registers.reshape(len(registers), -1)
            np.testing.assert_array_equal(flat, np.array(registers)[:, : flat.shape[1]], where)
            np.testing.assert_array_equal(core.seeds, random, where)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_kernel_equals_the_reference_on_random_images(chunk):
    for seed in range(chunk, SEEDS, CHUNKS):
        check_equal(seed)


@pytest.mark.parametrize("seed", range(4))
def test_kernel_equals_the_reference_on_the_bundled_machines(seed):
    check_equal(1_000_000 + seed, bundled=True)


@pytest.mark.parametrize("mesh", [(9, 1), (1, 12), (8, 8), (16, 2), (4, 3), (2, 6), (8, 1), (1, 8), (5, 3)])
def test_kernel_equals_the_reference_on_meshes_of_any_size(mesh):
    rng = np.random.default_rng(mesh[0])
    arch = random_architecture(rng, mesh_width=mesh[0], mesh_height=mesh[1], lanes=4, neurons=16)
    check_equal(2_000_000 + mesh[0], arch=arch, sections=2)


MESHES = [(2, 1), (1, 3), (2, 2), (3, 2), (4, 3), (8, 1), (1, 8), (5, 3), (9, 2)]


@pytest.mark.parametrize("mesh", MESHES)
def test_packets_that_block_each_other_take_the_cycles_of_the_reference(mesh):
    rng = np.random.default_rng(mesh)
    for crowd in (1, 4):
        check_image_equal(crowded_image(rng, *mesh, crowd), rng, f"mesh {mesh}, crowd {crowd}")


def crowded_image(rng: np.random.Generator, width: int, height: int, crowd: int) -> Image:
    """Neurons that fire at random, up to two thirds of them at once, to `crowd` times as many axons of any cores."""
    arch = random_architecture(rng, mesh_width=width, mesh_height=height, lanes=4, neurons=24, state_bits=16, axons=32)
    cores = []
    for _ in range(arch.cores):
        fire = int(rng.choice([0, 2, 5]))
        ops = [
            Op("range", imm=isa.halves(0, 6), d=3),
            Op("rnd", d=0, shift=3),
            Op("cgt", d=0, a=0, imm_b=1, imm=7 - fire),
            Op("spk", pred=1),
            Op("end", imm=6),
        ]
        counts = rng.integers(0, 2 * crowd, 24)
        to = rng.integers(0, arch.cores if rng.random() < 0.7 else 1, counts.sum())
        cores.append(
            replace(
                empty_core(arch),
                program=np.array([isa.encode(op) for op in ops], np.uint64),
                reset_entry=len(ops) - 1,
                pointers=(counts << 20 | np.cumsum(counts) - counts).astype(np.uint32),
                routes=(to << 24 | rng.integers(0, 32, len(to))).astype(np.uint32),
                seeds=rng.integers(1, 1 << 31, 4).astype(np.uint32),
            )
        )
    image = Image(arch, tuple(cores), np.arange(2), np.zeros(1, np.uint32), np.zeros((1, 2), np.int32), 3, ())
    check_image(image)
    return image


@pytest.mark.parametrize("seed", range(24))
def test_layers_spread_over_cores_are_delivered_together_exactly(seed):
    """Dense and sparse rows that one source reaches on many cores, as compilers lay them out."""
    rng = np.random.default_rng(seed)
    check_image_equal(spread_image(rng), rng, f"seed {seed}")


def spread_image(rng: np.random.Generator) -> Image:
    """A recurrent network over a few cores: every core holds a part of every row, full or thin."""
    payloads = bool(rng.random() < 0.3)
    arch = random_architecture(
        rng,
        mesh_width=int(rng.integers(1, 4)),
        mesh_height=int(rng.integers(1, 3)),
        lanes=int(rng.choice([4, 8, 16])),
        neurons=int(rng.choice([64, 128, 192])),
        axons=320,
        synapse_words=1 << 14,
        routes=1 << 12,
        graded=payloads,
    )
    fan = int(rng.integers(100, 300))  # axons; more than 255 make 16-bit sums overflow
    kind = int(rng.choice([isa.DENSE16, isa.DENSE8, isa.DENSE4, isa.DENSE1]))
    blocks, per_word = arch.blocks, isa.BEATS_PER_WORD[kind]
    row_words = -(-blocks // per_word)
    scattered = bool(rng.random() < 0.3)  # cores that number their axons differently
    cores, place = [], []
    for _ in range(arch.cores):
        numbers = rng.permutation(320)[:fan] if scattered else np.arange(fan)
        place.append(numbers)
        entries = np.zeros(320, np.uint64)
        synapses = rng.integers(0, 1 << 16, (fan * row_words, arch.lanes)).astype(np.uint16)
        if rng.random() < 0.5:
            synapses[:] = 0x7F7F
        for i, axon in enumerate(numbers):
            if rng.random() < 0.9:
                entries[axon] = isa.pack_fields(
                    isa.AXON_FIELDS,
                    word=i * row_words,
                    beats=blocks - 1 if rng.random() < 0.8 else 0,
                    format=kind,
                )
        flag = int(payloads and rng.random() < 0.8)
        program = [
            Op("integ", imm=isa.halves(0, 20), shift=int(rng.choice([0, 0, 3])), flag=flag),
            Op("range", imm=isa.halves(0, blocks), d=arch.lanes - 1),
            Op("mac", d=0, a=0, imm_b=1, imm=15, shift=4, round=1, c=isa.SRC_ACC_CLEAR),
            Op("cge", d=0, a=0, imm_b=1, imm=int(rng.integers(0, 2000))),
            Op("mov", d=0, imm_b=1, imm=0, pred=1),
            Op("spk", pred=1, flag=int(payloads), a=0),
            Op("end", imm=blocks),
        ]
        cores.append(
            replace(
                empty_core(arch),
                program=np.array([isa.encode(op) for op in program], np.uint64),
                reset_entry=len(program) - 1,
                axons=entries,
                synapses=synapses,
            )
        )
    for number, core in enumerate(cores):
        routes, pointers = [], []
        for neuron in range(arch.neurons):
            source = number * arch.neurons + neuron
            to = range(arch.cores) if source < fan and rng.random() < 0.9 else ()
            pointers.append(len(to) << 20 | len(routes))
            routes += [c << 24 | int(place[c][source]) for c in to]
        cores[number] = replace(core, pointers=np.array(pointers, np.uint32), routes=np.array(routes, np.uint32))
    routes = [c << 24 | int(place[c][i]) for i in range(fan) for c in range(arch.cores)]
    image = Image(
        arch,
        tuple(cores),
        np.arange(fan + 1) * arch.cores,
        np.array(routes, np.uint32),
        np.array([[0, 0], [arch.cores - 1, arch.neurons - 1]], np.int32),
        0,
        (),
    )
    check_image(image)
    return image


# ----------------------------------------------------------------------------------------------------- the API
@pytest.fixture(scope="module")
def image() -> Image:
    return random_image(np.random.default_rng(77), random_architecture(np.random.default_rng(1), graded=False))


def ones(image: Image, *shape: int) -> np.ndarray:
    return np.ones((*shape, image.n_inputs), np.int64)


def test_samples_on_threads_give_the_same_result(image):
    spikes = random_inputs(np.random.default_rng(3), image, 5, 7)
    one = emulator.run(image, spikes, record_spikes=True)
    three = emulator.run(emulator.prepare(image), spikes, record_spikes=True, threads=3)
    np.testing.assert_array_equal(one.spikes, three.spikes)
    assert one.chip == three.chip
    for name, values in one.counters.items():
        np.testing.assert_array_equal(values, three.counters[name], name)


def test_without_the_fabric_only_its_cycles_are_missing(image):
    spikes = random_inputs(np.random.default_rng(3), image, 5, 2)
    exact, off = emulator.run(image, spikes), emulator.run(image, spikes, fabric="off")
    assert (exact.cycles_are, off.cycles_are) == ("exact", "without the fabric")
    assert {**exact.chip, "fabric_cycles": 0} == off.chip
    assert exact.sample_cycles.sum() - off.sample_cycles.sum() == exact.chip["fabric_cycles"]


def test_timesteps_cut_or_extend_the_input(image):
    spikes = random_inputs(np.random.default_rng(3), image, 6, 2)
    cut = emulator.run(image, spikes, timesteps=4, record_spikes=True)
    np.testing.assert_array_equal(cut.spikes, emulator.run(image, spikes[:, :4], record_spikes=True).spikes)
    longer = np.concatenate([spikes, np.zeros_like(spikes)], axis=1)
    extended = emulator.run(image, spikes, timesteps=12, record_spikes=True)
    np.testing.assert_array_equal(extended.spikes, emulator.run(image, longer, record_spikes=True).spikes)


def test_a_result_survives_its_file(image, tmp_path):
    spikes = random_inputs(np.random.default_rng(3), image, 5, 2)
    result = emulator.run(image, spikes, record_spikes=True, probes=["v:population0"])
    emulator.save_result(result.with_notes(float_accuracy=0.5), tmp_path / "run.npz")
    loaded = emulator.load_result(tmp_path / "run.npz")
    for f in dataclasses.fields(result):
        mine, theirs = getattr(result, f.name), getattr(loaded, f.name)
        if f.name == "notes":
            assert theirs == dataclasses.replace(mine, float_accuracy=0.5)
        elif isinstance(mine, (dict, tuple)):
            pairs = zip(mine, theirs, strict=True) if isinstance(mine, tuple) else ((mine[k], theirs[k]) for k in mine)
            assert len(mine) == len(theirs)
            for a, b in pairs:
                np.testing.assert_array_equal(a, b, f.name)
        else:
            np.testing.assert_array_equal(mine, theirs, f.name)


def test_a_damaged_result_is_refused_in_one_line(image, tmp_path):
    path = tmp_path / "run.npz"
    emulator.save_result(emulator.run(image, ones(image, 1, 2)), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        if rng.random() < 0.5:
            data = data[: int(rng.integers(len(data)))]
        else:
            data[int(rng.integers(len(data)))] ^= 0xFF
        path.write_bytes(bytes(data))
        message = ""
        try:
            emulator.load_result(path)
        except InputError as error:
            message = str(error)
        if message:
            assert str(path) in message
            refused += 1
        assert "\n" not in message
    assert refused > 30
    with pytest.raises(InputError, match="no such file"):
        emulator.load_result(tmp_path / "nothing.npz")


def test_inputs_that_do_not_fit_are_named(image):
    n = image.n_inputs
    plain = "on architecture 'random' spikes are 0 or 1 (no graded spikes); rescale the input"
    cases = [
        (ones(image, 2), f"spikes have 2 axes; give three: (samples, timesteps, {n} inputs)"),
        (
            np.zeros((1, 2, n + 3), int),
            f"spikes have {n + 3} inputs, the network has {n}; flatten its input shape row-major",
        ),
        (-ones(image, 1, 2), f"an input spike is -1, {plain}"),
        (7 * ones(image, 1, 2), f"an input spike is 7, {plain}"),
        (0.5 * ones(image, 1, 2), "spikes are of type float64; give integers, 0 for no spike"),
        (np.zeros((1, 0, n), int), "a sample of 0 timesteps; give at least 1"),
    ]
    for spikes, message in cases:
        with pytest.raises(InputError) as error:
            emulator.run(image, spikes)
        assert str(error.value) == message


def test_requests_that_contradict_themselves_are_refused(image):
    spikes = ones(image, 1, 2)
    with pytest.raises(UsageError, match=r"^fabric 'fast': it is 'exact' or 'off'$"):
        emulator.run(image, spikes, fabric="fast")
    with pytest.raises(UsageError, match=r"^threads = 2: at least 1, and exactly 1 while learning"):
        emulator.run(image, spikes, threads=2, learn=True)
    with pytest.raises(InputError, match=r"^no population 'nowhere' in this image"):
        emulator.run(image, spikes, probes=["v:nowhere"])
    with pytest.raises(
        InputError, match=r"^probe 'u:population0': population 'population0' has no register 'u'; it has v$"
    ):
        emulator.run(image, spikes, probes=["u:population0"])
    with pytest.raises(InputError, match=r"^a reward does not fit"):
        emulator.run(image, spikes, reward=1 << 40)


def test_importing_the_package_loads_no_compiler():
    code = "import sys, emulator, emulator.result; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_machine_of_idle_cores_equals_the_reference():
    arch = random_architecture(np.random.default_rng(2), mesh_width=2, mesh_height=1, graded=False)
    cores = (empty_core(arch), empty_core(arch))
    routes = np.array([0, 1 << 24], np.uint32)
    image = Image(arch, cores, np.array([0, 2]), routes, np.array([[1, 0]], np.int32), 1, ())
    check_image_equal(image, np.random.default_rng(0), "idle cores")


def test_a_lane_s_generator_has_its_full_period():
    draws = np.array([lfsr_draw(1 << bit)[1] for bit in range(LFSR_BITS)], np.int64)  # linear: column by column

    def after(first: np.ndarray, then: np.ndarray) -> np.ndarray:
        bits = first[:, None] >> np.arange(LFSR_BITS) & 1
        return np.bitwise_xor.reduce(bits * then, axis=1)

    power, identity = draws, 1 << np.arange(LFSR_BITS, dtype=np.int64)
    for _ in range(LFSR_BITS - 1):  # 2^31 - 1 is prime: the period is that or 1
        power = after(after(power, power), draws)
    np.testing.assert_array_equal(power, identity)
    assert (draws != identity).any()


@pytest.mark.parametrize(
    ("what", "op", "message"),
    [
        ("a payload's shift", Op("integ", imm=isa.halves(0, 1), shift=8, flag=1), "a shift of 8 takes spikes beyond"),
        ("a spike's shift", Op("integ", imm=isa.halves(0, 1), shift=15), "a shift of 15 takes spikes beyond"),
        ("a factor and a sum", Op("mac", d=0, a=0, imm=1, c=0), "the second factor and what is added cannot be two"),
        ("seeds", None, "random seeds of 31 bits are needed, none of them 0"),
    ],
)
def test_what_no_lane_can_do_is_refused(what, op, message):
    arch = random_architecture(
        np.random.default_rng(0), mesh_width=1, mesh_height=1, state_bits=16, registers=2, graded=True
    )
    ops = [Op("range", imm=isa.halves(0, 1), d=arch.lanes - 1), *([op] if op else []), Op("end"), Op("end")]
    program = np.array([isa.encode(o) for o in ops], np.uint64)
    core = replace(empty_core(arch), program=program, reset_entry=len(ops) - 1)
    if op is None:
        core = replace(core, seeds=np.full(arch.lanes, 1 << 31, np.uint32))
    image = Image(arch, (core,), np.array([0, 1]), np.zeros(1, np.uint32), np.zeros((0, 2), np.int32), 1, ())
    with pytest.raises(InputError, match=message):
        check_image(image)
    if op is not None and op.name == "integ":  # one less is legal
        ops[1] = replace(op, shift=op.shift - 1)
        core = replace(core, program=np.array([isa.encode(o) for o in ops], np.uint64))
        check_image(replace(image, cores=(core,)))
