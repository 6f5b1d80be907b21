"""The RTL under Icarus Verilog: the chip behind a pipe (rtl/sim/nm_icarus.v), with the port of `host.HostPort`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

from .. import cache, processes
from ..reference import Retire, _ignore
from ..spec.errors import DeviceError, MachineError
from ..spec.image import Image
from .build import rtl_directory, rtl_parameters, rtl_sources, run_tool
from .host import COMMAND_LIMIT, refuse_unknown
from .verilated import Verilated


def build(parameters: dict[str, int]) -> Path:
    """The compiled simulation of one chip, made once for each content of rtl/ and set of parameters."""
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        raise DeviceError("Icarus Verilog is not installed; install it with: apt-get install iverilog")
    bench = rtl_directory() / "sim" / "nm_icarus.v"
    sources = [*rtl_sources(), bench]
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in [*sources, *sorted(rtl_directory().glob("*.vh"))]:
        digest.update(path.name.encode() + path.read_bytes())

    def make(work: Path) -> None:
        command = ["iverilog", "-g2012", "-DNM_RETIRE", "-DNM_POISON", "-I", str(rtl_directory()), "-s", "nm_icarus"]
        command += [f"-Pnm_icarus.{name}={value}" for name, value in parameters.items()]
        run_tool([*command, "-o", "chip.vvp", *map(str, sources)], work, dict(os.environ))

    return cache.made("icarus", digest.hexdigest()[:32], make) / "chip.vvp"


class IcarusPort:
    """The chip's bus, spoken over the pipes of a running simulation."""

    def __init__(self, parameters: dict[str, int]):
        command = ["vvp", "-n", str(build(parameters))]
        self._process = processes.Program(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._events: list[tuple[int, ...]] = []

    def close(self) -> None:
        self._process.end()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not sent any more
                pipe.close()  # type: ignore[union-attr]

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self.close()

    def _send(self, text: str) -> None:
        self._process.stdin.write(text)  # type: ignore[union-attr]

    def _answer(self, what: str) -> tuple[str, ...]:
        self._process.stdin.flush()  # type: ignore[union-attr]
        while True:
            line = self._process.stdout.readline().split()  # type: ignore[union-attr]
            if not line or line[0] == "f":
                raise MachineError(f"the chip does not answer: {what}")
            if line[0] == "e":
                self._events.append(tuple(int(part) if part.isdigit() else -1 for part in line[1:]))
            else:
                return tuple(line[1:])

    def write(self, address: int, data: int) -> None:
        self._send(f"w {address} {data & 0xFFFF_FFFF:x}\n")

    def read(self, address: int) -> int:
        return int(self.read_many(address, 1)[0])

    def write_many(self, address: int, data: np.ndarray) -> None:
        self._send("".join(f"w {address} {word:x}\n" for word in np.asarray(data, np.uint32).tolist()))

    def read_many(self, address: int, count: int) -> np.ndarray:
        self._send(f"r {address} {count}\n")
        answers = [self._answer(f"read of host register {address}")[0] for _ in range(count)]
        undefined = [word for word in answers if not set(word) <= set("0123456789abcdef")]
        if undefined:
            raise MachineError(f"host register {address} holds undefined bits: {undefined[0]}")
        return np.array([int(word, 16) for word in answers], np.uint32)

    def command(self, address: int, data: int) -> int:
        """Write a command and wait until the chip is idle; the clocks it took."""
        self._send(f"c {address} {data:x} {COMMAND_LIMIT}\n")
        return int(self._answer(f"command {data:#x}")[0])

    def events(self) -> np.ndarray:
        """What the retire port said since the last call: (n, 6) kind, core, clock, a, b, c."""
        rows, self._events = self._events, []
        return np.array(rows, np.uint64).astype(np.int64).reshape(-1, 6)


class Icarus(Verilated):
    """The chip under Icarus, with the interface of `reference.Reference`."""

    def __init__(self, image: Image, retire: Retire = _ignore):
        refuse_unknown("the Verilog", image)  # before a simulation starts
        super().__init__(image, retire, port=IcarusPort(rtl_parameters(image.arch)))
