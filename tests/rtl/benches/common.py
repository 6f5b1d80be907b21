"""What the module benches share: parameters, the seed, the clock, one cycle at a time. Runs inside the simulator."""

from __future__ import annotations

import json
import os
import random

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

LONG = bool(os.environ.get("NM_LONG"))


class Bench:
    """One module under its clock.

    `await bench.cycle(name=value, ...)` drives inputs for one clock cycle and returns at its end: outputs then read
    as they were in that cycle, registers not yet changed.
    """

    def __init__(self, dut):
        self.dut = dut
        self.p = json.loads(os.environ["NM_BENCH"])
        self.seed = int(os.environ["NM_SEED"])
        self.rng = random.Random(self.seed)
        dut._log.info("%s %s seed %d", dut._name, self.p, self.seed)

    async def start(self) -> None:
        """All inputs 0, then the clock and a reset."""
        for signal in self.dut:
            if signal._name.endswith("_i"):
                signal.value = 0
        Clock(self.dut.clk_i, 10, "ns").start()
        if hasattr(self.dut, "rst_i"):
            self.dut.rst_i.value = 1
            await self.cycle()
            await self.cycle()
            self.dut.rst_i.value = 0

    def drive(self, **inputs: int) -> None:
        for name, value in inputs.items():
            signal = getattr(self.dut, name)
            signal.value = value & ((1 << len(signal)) - 1)

    async def cycle(self, **inputs: int) -> None:
        self.drive(**inputs)
        await RisingEdge(self.dut.clk_i)

    def __getattr__(self, name: str) -> int:
        """An output as an unsigned integer; an unknown bit is an error."""
        return int(getattr(self.dut, name).value)

    def signed(self, name: str) -> int:
        signal = getattr(self.dut, name)
        value = int(signal.value)
        return value - (value >> (len(signal) - 1) << len(signal))

    def cycles(self, count: int) -> range:
        """So many cycles, ten times as many with NM_LONG=1."""
        return range(count * 10 if LONG else count)

    def pattern(self):
        """A random idle pattern: a function that says whether to be active in this cycle."""
        rate = self.rng.choice([0.05, 0.3, 0.5, 0.9, 1.0])
        return lambda: self.rng.random() < rate


def pack(fields: list[int], width: int) -> int:
    """Fields of `width` bits, the first lowest."""
    return sum((value & ((1 << width) - 1)) << (i * width) for i, value in enumerate(fields))


def unpack(word: int, width: int, count: int) -> list[int]:
    return [word >> (i * width) & ((1 << width) - 1) for i in range(count)]


class Pipe:
    """A memory as nm_ram has it: array, then output register."""

    def __init__(self, words: list[int]):
        self.words, self.raw, self.out = words, 0, 0

    def clock(self, enable: bool, address: int) -> None:
        if enable:
            self.out = self.raw
            self.raw = self.words[address % len(self.words)]
