"""Does the Verilog run this image as the emulator does? Spikes, output counts, counters, cycles, learned weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import emulator
from emulator.spec import isa
from emulator.spec.errors import InputError, MachineError, UsageError
from emulator.spec.image import Image
from emulator.spec.spikes import SpikeTrains

from ..coding.spikes import largest_input, read_spikes

SIMULATORS = ("verilator", "icarus")


@dataclass(frozen=True)
class Verdict:
    """What was compared; there is no verdict with a difference, that is a MachineError.

    Attributes:
        samples, timesteps: run, the latency of each sample included.
        spikes: of all neurons, compared one by one.
        cycles_rtl, cycles_emulator: clock cycles of all timesteps.
        counters: ledger lines compared, cores times names.
        weights: synapse words compared after the last sample, of the cores that learn.
    """

    samples: int
    timesteps: int
    spikes: int
    cycles_rtl: int
    cycles_emulator: int
    counters: int
    weights: int
    simulator: str
    elapsed_s: float

    def summary(self) -> dict[str, Any]:
        """The keys of `nmc verify --json`."""
        return {"mismatches": 0} | self.__dict__


def machine(image: Image, simulator: str) -> Any:
    """The image loaded into the Verilog under a simulator.

    Raises:
        UsageError: no such simulator. DeviceError: it is not installed, or the build failed.
    """
    if simulator == "verilator":
        from emulator.verilog.verilated import Verilated

        return Verilated(image)
    if simulator == "icarus":
        from emulator.verilog.icarus import Icarus

        return Icarus(image)
    raise UsageError(f"no simulator {simulator!r}; the choices are {', '.join(SIMULATORS)}")


def verify(image: Image, spikes: Any, simulator: str = "verilator", rewards: Any = 0) -> Verdict:
    """Run samples on both machines, one after the other, and compare spikes of every timestep, what outputs carry,
    cycles of every sample, all counters. What spikes between neurons carry is compared by what they cause.

    What the samples teach an image that learns is carried from one to the next, and compared at the end.

    Args:
        spikes: SpikeTrains, (samples, timesteps, inputs) uint8, or whatever `read_spikes` takes.
        rewards: integer or (samples,) integers, the host's reward of each sample.

    Raises:
        InputError: the architecture is a model that the Verilog does not implement.
        MachineError: they differ; the message is the first difference, found again in lockstep with the reference.
    """
    if not image.arch.rtl:
        raise InputError(
            f"architecture {image.arch.name!r} is a model (rtl = false in its file); the Verilog does not implement it"
        )
    if not isinstance(spikes, (np.ndarray, SpikeTrains)):
        spikes = read_spikes(spikes, image.n_inputs, largest_input(image)).spikes
    if not isinstance(spikes, (np.ndarray, SpikeTrains)):
        spikes = read_spikes(spikes, image.n_inputs, largest_input(image)).spikes
    start = time.perf_counter()
    wanted = emulator.run(image, spikes, record_spikes=True, learn=True, reward=rewards)
    chip = machine(image, simulator)
    assert wanted.spikes is not None
    samples, timesteps, _ = spikes.shape
    reward = np.broadcast_to(np.asarray(rewards, np.int64), samples)
    steps = timesteps + image.latency
    moment = wanted.spikes[:, 0].astype(np.int64) * steps + wanted.spikes[:, 1]
    ends = np.searchsorted(moment, np.arange(samples * steps), side="right")
    learns = [any(isa.decode(word).name == "rows" for word in core.program) for core in image.cores]
    cycles = 0
    for sample in range(samples):
        part = slice(0, sample + 1)  # what leads to a difference
        shown: list[tuple[int, int, int]] = []
        chip.reset(timesteps, int(reward[sample]))
        inputs = spikes[sample]
        for t in range(steps):
            if t < timesteps:
                inject(chip, image, inputs[t])
            carrying = chip.step()
            fired = [(core, neuron) for core, neuron, _ in carrying]
            now = sample * steps + t
            if fired != [tuple(row) for row in wanted.spikes[ends[now - 1] if now else 0 : ends[now], 2:].tolist()]:
                raise _difference(image, spikes[part], reward[part], f"spikes of sample {sample}, timestep {t}")
            shown += carrying if t >= image.window(timesteps).start else []
        if (image.count_outputs(np.array(shown)) != wanted.output_counts[sample]).any():
            raise _difference(image, spikes[part], reward[part], f"what the output spikes of sample {sample} carry")
        before, cycles = cycles, chip.cycles()
        if cycles - before != wanted.sample_cycles[sample]:
            text = f"{cycles - before:,} in the Verilog, {wanted.sample_cycles[sample]:,} emulated"
            raise _difference(image, spikes[part], reward[part], f"the cycles of sample {sample}: {text}")
    compared = 0
    for name, count in chip.counters.items():
        if count != wanted.chip[name]:
            text = f"{name}: {count:,} in the Verilog, {wanted.chip[name]:,} emulated"
            raise _difference(image, spikes, reward, text)
    for core in chip.cores:
        for name, count in core.counters.items():
            compared += 1
            emulated = int(wanted.counters[name][core.number])
            if count != emulated:
                text = f"{name} of core {core.number}: {count:,} in the Verilog, {emulated:,} emulated"
                raise _difference(image, spikes, reward, text)
    assert wanted.learned is not None
    weights = 0
    for number, core in enumerate(wanted.learned.cores):
        if learns[number]:
            weights += len(core.synapses)
            odd = np.argwhere(chip.synapses(number) != core.synapses)
            if len(odd):
                word, slot = odd[0]
                text = f"what was learned: synapse word {word} slot {slot} of core {number}"
                raise _difference(image, spikes, reward, text)
    seconds = time.perf_counter() - start
    emulated = int(wanted.sample_cycles.sum())
    return Verdict(
        samples, samples * steps, len(wanted.spikes), cycles, emulated, compared, weights, simulator, seconds
    )


def inject(chip: Any, image: Image, values: np.ndarray) -> None:
    """One timestep's inputs (inputs,), 0 meaning no spike."""
    for i in np.flatnonzero(values):
        for route in image.input_routes[image.input_pointers[i] : image.input_pointers[i + 1]]:
            chip.inject(int(route), int(values[i]))


def _difference(image: Image, spikes: SpikeTrains | np.ndarray, rewards: np.ndarray, what: str) -> MachineError:
    """The error to raise; lockstep with the reference says where the difference begins, and which machine is wrong."""
    from emulator.verilog.lockstep import lockstep

    what = f"the Verilog and the emulator differ in {what}"
    try:
        lockstep(image, spikes, rewards.tolist())
    except MachineError as error:
        return MachineError(f"{what}\n{error}")
    return MachineError(f"{what}; the reference sides with the Verilog: the emulator is wrong, please report it")
