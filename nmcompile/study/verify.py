"""Does the Verilog run this image as the emulator does? Spikes, output counts, counters and clock cycles."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import emulator
from emulator.spec.errors import InputError, MachineError, UsageError
from emulator.spec.image import Image

SIMULATORS = ("verilator", "icarus")


@dataclass(frozen=True)
class Verdict:
    """What was compared; there is no verdict with a difference, that is a MachineError.

    Attributes:
        samples, timesteps: run, the latency of each sample included.
        spikes: of all neurons, compared one by one.
        cycles_rtl, cycles_emulator: clock cycles of all timesteps.
        counters: ledger lines compared, cores times names.
    """

    samples: int
    timesteps: int
    spikes: int
    cycles_rtl: int
    cycles_emulator: int
    counters: int
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
        from emulator.verilated import Verilated

        return Verilated(image)
    if simulator == "icarus":
        from emulator.icarus import Icarus

        return Icarus(image)
    raise UsageError(f"no simulator {simulator!r}; the choices are {', '.join(SIMULATORS)}")


def verify(image: Image, spikes: np.ndarray, simulator: str = "verilator") -> Verdict:
    """Run samples on both machines and compare everything that a machine shows.

    Args:
        spikes: (samples, timesteps, inputs) uint8.

    Raises:
        InputError: the architecture is a model that the Verilog does not implement.
        MachineError: they differ; the message is the first difference, found again in lockstep with the reference.
    """
    if not image.arch.rtl:
        raise InputError(
            f"architecture {image.arch.name!r} is a model (rtl = false in its file); the Verilog does not implement it"
        )
    start = time.perf_counter()
    wanted = emulator.run(image, spikes, record_spikes=True)
    chip = machine(image, simulator)
    assert wanted.spikes is not None
    samples, timesteps, _ = spikes.shape
    steps = timesteps + image.latency
    moment = wanted.spikes[:, 0].astype(np.int64) * steps + wanted.spikes[:, 1]
    ends = np.searchsorted(moment, np.arange(samples * steps), side="right")
    for sample in range(samples):
        shown: list[tuple[int, int, int]] = []
        chip.reset(timesteps)
        for t in range(steps):
            if t < timesteps:
                inject(chip, image, spikes[sample, t])
            carrying = chip.step()
            fired = [(core, neuron) for core, neuron, _ in carrying]
            now = sample * steps + t
            if fired != [tuple(row) for row in wanted.spikes[ends[now - 1] if now else 0 : ends[now], 2:].tolist()]:
                raise _difference(image, spikes[sample : sample + 1], f"spikes of sample {sample}, timestep {t}")
            shown += carrying if t >= image.latency else []
        if (image.count_outputs(np.array(shown)) != wanted.output_counts[sample]).any():
            raise _difference(image, spikes[sample : sample + 1], f"what the output spikes of sample {sample} carry")
    cycles = int(wanted.sample_cycles.sum())
    if chip.cycles() != cycles:
        raise _difference(image, spikes, f"cycles: {chip.cycles():,} in the Verilog, {cycles:,} emulated")
    compared = 0
    for core in chip.cores:
        for name, count in core.counters.items():
            compared += 1
            emulated = int(wanted.counters[name][core.number])
            if count != emulated:
                text = f"{name} of core {core.number}: {count:,} in the Verilog, {emulated:,} emulated"
                raise _difference(image, spikes, text)
    seconds = time.perf_counter() - start
    return Verdict(samples, samples * steps, len(wanted.spikes), chip.cycles(), cycles, compared, simulator, seconds)


def inject(chip: Any, image: Image, values: np.ndarray) -> None:
    """One timestep's inputs (inputs,), 0 meaning no spike."""
    for i in np.flatnonzero(values):
        for route in image.input_routes[image.input_pointers[i] : image.input_pointers[i + 1]]:
            chip.inject(int(route), int(values[i]))


def _difference(image: Image, spikes: np.ndarray, what: str) -> MachineError:
    """The error to raise; lockstep with the reference says where the difference begins, and which machine is wrong."""
    from emulator.lockstep import lockstep

    what = f"the Verilog and the emulator differ in {what}"
    try:
        lockstep(image, spikes[:4])
    except MachineError as error:
        return MachineError(f"{what}\n{error}")
    return MachineError(f"{what}; the reference sides with the Verilog: the emulator is wrong, please report it")
