"""The bundled Verilog as a machine: an image's architecture, built by Verilator as a shared library, behind ctypes.

`Verilated` has the interface of `reference.Reference`: reset, inject, step, counters, cycles, and memories by name.
Everything it knows it learned through the chip's host port and, with events, its retire port. A build is cached by
the content of rtl/ and the architecture's sizes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..reference import Retire, _ignore
from ..spec import isa
from ..spec.errors import MachineError
from ..spec.image import Image
from ..spec.ledger import CHIP_COUNTERS, COUNTERS
from .build import rtl_parameters
from .host import (
    FAULTS,
    HOST_CORE,
    LANES_APART,
    HostPort,
    host_constants,
    memory_parts,
    memory_values,
    refuse_unknown,
    select,
)


class VerilatedCore:
    """One core's memories and counters, read through the host port."""

    def __init__(self, chip: Verilated, number: int):
        self._chip, self.number = chip, number

    @property
    def counters(self) -> dict[str, int]:
        values = self._chip.read_memory(self.number, "control", 0, len(COUNTERS), 2, 32)
        return {name: int(v[0] | v[1] << 32) for name, v in zip(COUNTERS, values, strict=True)}


class Verilated:
    """A Verilated chip running one image. `retire` is told every architectural event, in clock order.

    What registers and memories hold before reset is random, and another for each program.
    """

    def __init__(self, image: Image, retire: Retire = _ignore, *, port: Any = None, **override: int):
        refuse_unknown("the Verilog", image)
        self.image, self.arch, self.retire = image, image.arch, retire
        seed = 1 + zlib.crc32(b"".join(core.program.tobytes() for core in image.cores)) % (1 << 30)
        self._host = host_constants()
        self.port = port or HostPort(rtl_parameters(image.arch, **override), seed)
        self.cores = [VerilatedCore(self, i) for i in range(self.arch.cores)]
        self.t = self.timesteps = 0
        self._payload = 1
        self.clocks = 0  # of the last command, host overhead included
        self._load()

    # --------------------------------------------------------------------------------------------- memories
    def _select(self, core: int, memory: str, word: int) -> None:
        self.port.write(self._host["H_SELECT"], select(core, memory, word))

    def write_memory(self, core: int, memory: str, word: int, values: np.ndarray, bits: int) -> None:
        """Write (words, fields) of `bits` bits each, from a word on."""
        if len(values):
            self._select(core, memory, word)
            self.port.write_many(self._host["H_DATA"], memory_parts(memory, values, bits).reshape(-1))

    def read_memory(
        self, core: int, memory: str, word: int, words: int, fields: int, bits: int, signed: bool = False
    ) -> np.ndarray:
        """Read (words, fields) int64."""
        parts = fields if memory in LANES_APART else -(-fields * bits // 32)
        self._select(core, memory, word)
        data = self.port.read_many(self._host["H_DATA"], words * parts)
        return memory_values(memory, data.reshape(words, parts), fields, bits, signed)

    def _load(self) -> None:
        for number in range(self.arch.cores):
            for memory, word, values, bits in self.contents(number):
                self.write_memory(number, memory, word, values, bits)
            self._check_fault()

    def contents(self, number: int) -> Iterator[tuple[str, int, np.ndarray, int]]:
        """What is loaded into a core: memory, first word, (words, fields) of values, bits of each."""
        core, arch, block_bits = self.image.cores[number], self.arch, _width(self.arch.blocks)

        def halves(words: np.ndarray, count: int) -> np.ndarray:
            full = np.zeros(count, np.uint64)
            full[: len(words)] = words
            return np.stack([full & np.uint64(0xFFFF_FFFF), full >> np.uint64(32)], axis=1)

        yield "program", 0, halves(core.program, arch.program_words), 32
        yield "control", 32, np.array([[core.reset_entry, 0]]), 32
        yield "axons", 0, halves(core.axons, arch.axons), 32
        yield "synapses", 0, core.synapses, 16
        for r in range(arch.registers):
            values = np.zeros((arch.blocks, arch.lanes), np.int64)
            values[: core.registers.shape[1]] = core.registers[r]
            yield "registers", r << block_bits, values, arch.state_bits
        pointers = np.zeros((arch.neurons, 1), np.int64)
        pointers[: len(core.pointers), 0] = core.pointers
        yield "pointers", 0, pointers, 32
        yield "routes", 0, core.routes[:, None], 32
        yield "random", 0, core.seeds[None, :], 32
        for x in range(arch.traces):
            yield (
                "traces",
                x << _width(arch.axon_blocks),
                np.zeros((arch.axon_blocks, arch.lanes), np.int64),
                arch.state_bits,
            )

    def state(self, core: int) -> dict[str, np.ndarray]:
        """All of a core's state, named and shaped as in `lockstep.reference_state`."""
        arch = self.arch
        blocks, lanes, bits = arch.blocks, arch.lanes, arch.state_bits
        block_bits, axon_bits, granule_bits = _width(blocks), _width(arch.axons), _width(arch.granules)

        def rows(memory: str, count: int, step: int, words: int, width: int) -> np.ndarray:
            parts = [self.read_memory(core, memory, i << step, words, lanes, width, True) for i in range(count)]
            return np.stack(parts).reshape(count, -1)

        predicates = self.read_memory(core, "predicates", 0, blocks, lanes * 4, 1)
        pending = [
            self.read_memory(core, "pending", s << granule_bits, arch.granules, isa.GRANULE, 1).reshape(-1)
            for s in range(arch.delay_slots)
        ]
        state = {
            "registers": rows("registers", arch.registers, block_bits, blocks, bits),
            "accumulators": rows("accumulators", 2, block_bits, blocks, arch.acc_bits),
            "predicates": predicates.reshape(blocks, 4, lanes).transpose(1, 0, 2).reshape(4, arch.neurons),
            "pending": np.stack(pending),
            "random": self.read_memory(core, "random", 0, 1, lanes, 32)[0],
            "spikes": self.read_memory(core, "spikes", 0, blocks, lanes, 1).reshape(-1),
        }
        if arch.graded:
            payloads = [
                self.read_memory(core, "payloads", s << axon_bits, arch.axons, 1, 8)[:, 0]
                for s in range(arch.delay_slots)
            ]
            state["payloads"] = np.stack(payloads) * state["pending"]
        if arch.traces:
            state["traces"] = rows("traces", arch.traces, _width(arch.axon_blocks), arch.axon_blocks, bits)
            state["delivered"] = self.read_memory(core, "delivered", 0, arch.granules, isa.GRANULE, 1).reshape(-1)
        return state

    def synapses(self, core: int) -> np.ndarray:
        """The synapse words that the image uses, (words, lanes) uint16: learning changes them."""
        words = len(self.image.cores[core].synapses)
        if words == 0:
            return np.zeros((0, self.arch.lanes), np.uint16)
        return self.read_memory(core, "synapses", 0, words, self.arch.lanes, 16).astype(np.uint16)

    def read_register(self, core: int, number: int) -> np.ndarray:
        """(neurons,) int64 of a register of a core."""
        arch, first = self.arch, number << _width(self.arch.blocks)
        return self.read_memory(core, "registers", first, arch.blocks, arch.lanes, arch.state_bits, True).reshape(-1)

    def write_register(self, core: int, number: int, values: np.ndarray) -> None:
        """Write (neurons,) integers to it."""
        rows = np.reshape(values, (self.arch.blocks, self.arch.lanes))
        self.write_memory(core, "registers", number << _width(self.arch.blocks), rows, self.arch.state_bits)

    # --------------------------------------------------------------------------------------------- running
    def give(self, reward: int) -> None:
        """The host's reward from now on."""
        self.port.write(self._host["H_REWARD"], reward)

    def reset(self, timesteps: int, reward: int = 0) -> None:
        """Begin a sample of `timesteps` inputs: clear, then run every core's reset program."""
        self.t, self.timesteps = 0, timesteps
        self.port.write(self._host["H_TIMESTEPS"], timesteps)
        self.port.write(self._host["H_REWARD"], reward)
        self.clocks = self.port.command(self._host["H_COMMAND"], self._host["CMD_RESET"])
        self._check_fault()
        self._events()

    def inject(self, route: int, payload: int = 1) -> None:
        """An input spike, written by the host before a timestep."""
        if payload != self._payload:
            self.port.write(self._host["H_PAYLOAD"], payload)
            self._payload = payload
        self.port.write(self._host["H_INJECT"], int(route))

    def step(self) -> list[tuple[int, int, int]]:
        """One timestep, barrier to barrier; the spikes as (core, neuron, payload), ascending."""
        self.clocks = self.port.command(self._host["H_COMMAND"], self._host["CMD_STEP"] | 1 << 8)
        self.t += 1
        self._check_fault()
        return self._events()

    def _events(self) -> list[tuple[int, int, int]]:
        """Tell `retire` what happened, in the words of the reference; the spikes."""
        rows = self.port.events()
        spikes = [(int(c), int(n), int(p)) for kind, c, _, n, p, _ in rows if kind == 2]
        if self.retire is not _ignore:
            for kind, core, clock, a, b, c in rows.tolist():
                if kind == 0:
                    self.retire("op", core, a, clock)
                elif kind == 1:
                    entry = isa.unpack_fields(isa.AXON_FIELDS, c & (1 << 64) - 1)
                    beats = 0 if entry["format"] == isa.NONE else (entry["beats"] + 1) * (entry["runs"] + 1)
                    self.retire("event", core, a, b - (b >> 8 << 9), beats)
                elif kind == 2:
                    self.retire("spike", core, a, b)
                elif kind == 4:
                    self.retire("row", core, a)
                else:
                    fields = isa.unpack_fields(isa.ROUTE_FIELDS, a)
                    payload = b if self.arch.graded else 1
                    self.retire("packet", core, fields["core"], fields["axon"], fields["delay"], payload)
        return sorted(spikes)

    @property
    def counters(self) -> dict[str, int]:
        first = self._host["H_COUNT"]
        values = [self.port.read(first + i) for i in range(2 * len(CHIP_COUNTERS))]
        return {name: values[2 * i] | values[2 * i + 1] << 32 for i, name in enumerate(CHIP_COUNTERS)}

    def cycles(self) -> int:
        """Clock cycles of all timesteps so far, resets left out."""
        counters = self.counters
        return sum(counters[name] for name in ("compute_cycles", "fabric_cycles", "barrier_cycles"))

    def fault(self) -> tuple[int, int] | None:
        """(core, code) of the first fault, or None; core is the number of cores for the host's own."""
        status = self.port.read(self._host["H_STATUS"])
        if status & 1:
            raise MachineError("the Verilog says that it is busy, with nothing under way")
        if not status & 2:
            return None
        for core in range(self.arch.cores + 1):
            self._select(core if core < self.arch.cores else HOST_CORE, "control", 33)
            code = self.port.read(self._host["H_FAULT"])
            if code:
                return core, code
        raise AssertionError("a fault without a code")

    def _check_fault(self) -> None:
        found = self.fault()
        if found is not None:
            core, code = found
            where = f"core {core}" if core < self.arch.cores else "the host port"
            raise MachineError(f"the Verilog faulted on {where} at t = {self.t}: {FAULTS[code]}")


def _width(count: int) -> int:
    """Address bits of `count` things in the Verilog: one at least."""
    return max(1, (count - 1).bit_length())
