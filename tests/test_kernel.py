"""The kernel equals the reference: spikes, state, cycles and every counter, on random images.

NM_LONG=n runs n seeds instead of the slice that every change is checked with.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np
import pytest
from programs import random_image, random_inputs

import emulator
from emulator.reference import Reference
from emulator.spec.arch import bundled_architectures
from emulator.spec.errors import InputError, UsageError
from emulator.spec.image import Image

SEEDS = int(os.environ.get("NM_LONG", "320"))
CHUNKS = 32


@dataclass
class Expected:
    """What the reference does with a run, in the words of RunResult."""

    image: Image
    spikes: list[tuple[int, int, int, int]] = field(default_factory=list)
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
            out.spikes += [(sample, t, core, neuron) for core, neuron, _ in machine.step()]
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
    image = random_image(rng, **knobs)
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
    where = f"seed {seed}"
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
    for sample, t, core, neuron in expected.spikes:
        counts[sample, core, neuron] += 1
        late[sample, core, neuron] += t >= image.latency
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
