"""Architecture: the sizes of one machine, read from TOML; the bundled ones are in `archs/*.toml`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from . import isa
from .errors import InputError
from .files import printable, read_toml


@dataclass(frozen=True)
class Architecture:
    """Sizes of a chip: `mesh_width * mesh_height` equal cores; core c sits at x = c % width, y = c // width.

    Memory sizes are per core. `rtl` says whether the bundled Verilog implements exactly this machine;
    a model (sizes that no chip has) is not.
    """

    name: str
    mesh_width: int
    mesh_height: int
    lanes: int  # L: neurons per block, vector width
    state_bits: int  # of a register and a trace, saturating
    acc_bits: int  # of an accumulator, wrapping
    coef_bits: int  # of the second factor of mul and mac, saturated to it
    neurons: int  # a multiple of lanes, at most 256 blocks
    registers: int  # vector registers per neuron
    axons: int  # a multiple of 16
    delay_slots: int  # D: a spike arrives 1..D timesteps after it was fired
    synapse_words: int  # of 16 * lanes bits
    program_words: int  # of 64 bits
    routes: int  # of 32 bits
    traces: int  # per axon; 0 leaves learning out
    graded: bool  # spikes carry an 8-bit payload
    clock_hz: float
    rtl: bool = True

    def __post_init__(self) -> None:
        def need(ok: bool, field: str, rule: str) -> None:
            if not ok:
                value = getattr(self, field)
                raise InputError(f"architecture {self.name!r}: {field} = {value}, but it must be {rule}")

        need(self.lanes in (1, 2, 4, 8, 16), "lanes", "1, 2, 4, 8 or 16")
        need(self.state_bits in (16, 24, 32), "state_bits", "16, 24 or 32")
        need(self.state_bits <= self.acc_bits <= 32, "acc_bits", "from state_bits to 32")
        need(self.coef_bits in (16, 18), "coef_bits", "16 or 18")
        need(1 <= self.registers <= isa.N_REGISTERS, "registers", f"1..{isa.N_REGISTERS}")
        need(self.neurons > 0 and self.neurons % self.lanes == 0, "neurons", "a positive multiple of lanes")
        need(self.blocks <= 256, "neurons", "at most 256 blocks of lanes")
        need(self.axons > 0 and self.axons % isa.GRANULE == 0, "axons", f"a positive multiple of {isa.GRANULE}")
        need(self.axons <= 1 << 20, "axons", "at most 2**20")
        need(self.delay_slots in (1, 2, 4, 8, 16), "delay_slots", "1, 2, 4, 8 or 16")
        need(0 < self.synapse_words <= 1 << 20, "synapse_words", "1..2**20")
        need(0 < self.program_words <= 1 << 12, "program_words", "1..4096")
        need(0 < self.routes <= 1 << 20, "routes", "1..2**20")
        need(0 <= self.traces <= isa.N_ROW_TRACES, "traces", f"0..{isa.N_ROW_TRACES}")
        need(1 <= self.mesh_width <= 16, "mesh_width", "1..16")
        need(1 <= self.mesh_height <= 16, "mesh_height", "1..16")
        need(self.clock_hz > 0, "clock_hz", "a positive frequency in hertz")

    @property
    def cores(self) -> int:
        return self.mesh_width * self.mesh_height

    @property
    def blocks(self) -> int:
        """Blocks of neurons in a core."""
        return self.neurons // self.lanes

    @property
    def granules(self) -> int:
        """16-bit words of one slot of the pending bitmap."""
        return self.axons // isa.GRANULE

    @property
    def axon_blocks(self) -> int:
        """Blocks of axons in a core: the axon space of traces."""
        return self.axons // self.lanes

    def memories(self) -> dict[str, tuple[int, int]]:
        """Memories of one core as name: (words, bits of a word)."""
        table = {
            "program": (self.program_words, isa.WORD_BITS),
            "registers": (self.registers * self.blocks, self.lanes * self.state_bits),
            "accumulators": (2 * self.blocks, self.lanes * self.acc_bits),
            "predicates": (self.blocks, self.lanes * isa.N_PREDICATES),
            "spikes": (self.blocks, self.lanes),
            "pending": (self.delay_slots * self.granules, isa.GRANULE),
            "axons": (self.axons, isa.word_bits(isa.AXON_FIELDS)),
            "synapses": (self.synapse_words, isa.SLOT_BITS * self.lanes),
            "pointers": (self.neurons, isa.word_bits(isa.POINTER_FIELDS)),
            "routes": (self.routes, isa.word_bits(isa.ROUTE_FIELDS)),
        }
        if self.graded:
            table["payloads"] = (self.delay_slots * self.axons, isa.PAYLOAD_BITS)
            table["spike_payloads"] = (self.blocks, isa.PAYLOAD_BITS * self.lanes)
        if self.traces:
            table["traces"] = (self.traces * self.axon_blocks, self.lanes * self.state_bits)
            table["delivered"] = (self.granules, isa.GRANULE)
        return table

    def memory_bits(self) -> int:
        """All memory of the chip, in bits."""
        return self.cores * sum(words * bits for words, bits in self.memories().values())

    def as_dict(self) -> dict:
        return dataclasses.asdict(self)

    @property
    def hash(self) -> str:
        """16 hex digits over everything that changes what a program does, name and clock left out."""
        sizes = {k: v for k, v in self.as_dict().items() if k not in ("name", "clock_hz", "rtl")}
        text = json.dumps([isa.ISA_VERSION, sizes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def architecture_from_dict(values: dict, where: str) -> Architecture:
    """Build an Architecture; InputError names an unknown, missing or mistyped key and the file it is in."""
    known = {f.name: f for f in dataclasses.fields(Architecture)}
    for key in values:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; the keys are {', '.join(known)}")
    for name, f in known.items():
        if name not in values:
            if f.default is dataclasses.MISSING:
                raise InputError(f"{where}: key {name!r} is missing")
            continue
        kind: tuple[type, ...] = {"int": (int,), "str": (str,), "bool": (bool,), "float": (int, float)}[str(f.type)]
        value = values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and f.type != "bool"):
            raise InputError(f"{where}: {name} = {value!r} should be of type {f.type}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}: {name} = {value!r} should be finite")
    return Architecture(**values | {"name": printable(values["name"])})


def bundled_architectures() -> dict[str, Architecture]:
    """The architectures that come with the package, smallest first."""
    found = []
    for entry in resources.files(__package__).joinpath("archs").iterdir():
        if entry.name.endswith(".toml"):
            found.append(architecture_from_dict(tomllib.loads(entry.read_text()), entry.name))
    found.sort(key=lambda arch: arch.memory_bits())
    return {arch.name: arch for arch in found}


def load_architecture(name_or_path: str) -> Architecture:
    """A bundled architecture by name, or one read from a TOML file."""
    bundled = bundled_architectures()
    if name_or_path in bundled:
        return bundled[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise InputError(
            f"no architecture {name_or_path!r}; the bundled ones are {', '.join(bundled)}, or give a .toml file"
        )
    return architecture_from_dict(read_toml(path), str(path))
