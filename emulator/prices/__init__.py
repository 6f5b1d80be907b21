"""Price tables: what an event, a second and a cycle cost in one technology, each with its evidence and source.

A table (TOML, bundled ones beside this file) is a list of priced items. An item names the counters it is
multiplied with and a price that is a number, or a curve read at the size of a memory or the width of an operand:

    [[price]]
    component = "synaptic operations"    # its line in the report; several items may share one
    counters = ["synaptic_operations"]   # of the ledger, or derived; ["seconds"] leakage, ["cycles"] the clock
    value = 8.43                         # in `unit`: fJ, pJ, nJ an event; nW, uW, mW a core; uW/MHz a core
    unit = "pJ"
    evidence = "measured"                # measured | simulated | derived | assumed
    source = "Frenkel et al. 2019"

`curve = "sram"` with `memory = "synapses"` or `width = "state_bits"` stands in place of `value`; `times` lists
further factors (numbers, `lanes`). Node and voltage are the table's unless an item has its own. `[covered]` says
of a counter that some other price includes it, and which; what is neither priced nor covered must be counted zero.

Items over seconds and cycles are static: they are spent whether or not anything happens, and reported apart.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from ..spec.arch import Architecture
from ..spec.errors import InputError
from ..spec.files import read_toml
from ..spec.ledger import COUNTERS

EVIDENCE: Final = ("measured", "simulated", "derived", "assumed")  # best first
UNITS: Final[dict[str, tuple[float, str]]] = {  # unit: (in SI, what it is multiplied with)
    "fJ": (1e-15, "counters"),
    "pJ": (1e-12, "counters"),
    "nJ": (1e-9, "counters"),
    "nW": (1e-9, "seconds"),
    "uW": (1e-6, "seconds"),
    "mW": (1e-3, "seconds"),
    "uW/MHz": (1e-12, "cycles"),
}
# Quantities that published prices are given for and the ledger holds in other words.
DERIVED: Final[dict[str, str]] = {
    "neuron_updates": "neurons that took their input: accumulator lanes cleared by vector instructions",
    "synapse_updates": "weights written back by learning, at 8 bits: twice the lanes of each synapse word written",
}
WIDTHS: Final = ("state_bits", "acc_bits", "coef_bits", "product_bits")


@dataclass(frozen=True)
class Curve:
    """A price through published points: straight lines, or ("power") straight in log-log; ends are extended.

    `points` are (x, y), x ascending: bytes of a memory or bits of an operand. `bits` is the width of the access
    that y is given for (0 for an operand): other widths cost in proportion.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    bits: int = 0

    def at(self, x: float) -> float:
        """The price at x, in the unit of the item that uses the curve."""
        log = self.kind == "power"
        points = [(math.log(a), math.log(b)) for a, b in self.points] if log else list(self.points)
        x = math.log(x) if log else x
        segment = sum(x > a for a, _ in points[1:-1])
        (x0, y0), (x1, y1) = points[segment], points[segment + 1]
        y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        return math.exp(y) if log else max(y, 0.0)


@dataclass(frozen=True)
class Price:
    """One priced item; the fields are the TOML keys."""

    component: str
    counters: tuple[str, ...]
    unit: str
    evidence: str
    source: str
    node: str
    voltage: float  # volts
    value: float | None = None
    curve: Curve | None = None
    memory: str = ""
    width: str = ""
    times: tuple[str | float, ...] = ()

    @property
    def static(self) -> bool:
        """Is it spent in time, whether or not anything happens?"""
        return UNITS[self.unit][1] != "counters"

    def joules(self, arch: Architecture) -> float:
        """Joules of one event, one second (watts) or one cycle, on one core of `arch`."""
        amount = self.value if self.value is not None else 0.0
        if self.curve is not None and self.memory:
            memories = arch.memories()
            if self.memory not in memories:
                raise InputError(f"{self.component!r} was counted, but architecture {arch.name!r} has no {self.memory}")
            words, bits = memories[self.memory]
            amount = self.curve.at(words * bits / 8) * bits / self.curve.bits
        elif self.curve is not None:
            widths = {"product_bits": arch.state_bits * arch.coef_bits}
            amount = self.curve.at(widths.get(self.width) or getattr(arch, self.width))
        for factor in self.times:
            amount *= arch.lanes if factor == "lanes" else float(factor)
        return amount * UNITS[self.unit][0]


@dataclass(frozen=True)
class PriceTable:
    """A named list of prices; `covered` maps a counter to the reason that it has no price of its own.

    `core_memory_bits` is the memory of the core that static prices were got from; 0 if there is none.
    """

    name: str
    description: str
    prices: tuple[Price, ...]
    covered: Mapping[str, str]
    core_memory_bits: int = 0


def prices_from_dict(values: dict, where: str) -> PriceTable:
    """Build a PriceTable from parsed TOML; InputError names the file, the item and the key that is wrong."""
    optional = ("price", "curve", "covered", "core_memory_bits")
    _keys(values, ("name", "description", "node", "voltage"), optional, where)
    lists, tables = values.get("price", []), [values.get("curve", {}), values.get("covered", {})]
    shaped = isinstance(lists, list) and all(isinstance(entry, dict) for entry in [*lists, *tables])
    if not shaped or not all(isinstance(entry, dict) for entry in tables[0].values()):
        raise InputError(f"{where}: prices are written as [[price]], curves as [curve.NAME], the rest under [covered]")
    curves = {name: _curve(entry, f"{where}: curve {name!r}") for name, entry in values.get("curve", {}).items()}
    items = []
    for number, entry in enumerate(values.get("price", []), 1):
        label = f"{where}: price {number} ({entry.get('component', 'no component')})"
        items.append(_price({"node": values["node"], "voltage": values["voltage"]} | entry, curves, label))
    for name in {item.component for item in items if item.static} & {i.component for i in items if not i.static}:
        raise InputError(f"{where}: component {name!r} mixes events with time; name its static part apart")
    covered = values.get("covered", {})
    for name in covered:
        if name not in COUNTERS:
            raise InputError(f"{where}: [covered] names {name!r}, which the ledger does not have")
        if any(name in item.counters for item in items):
            raise InputError(f"{where}: {name!r} is both priced and covered")
    bits = values.get("core_memory_bits", 0)
    if not isinstance(bits, int) or bits < 0:
        raise InputError(f"{where}: core_memory_bits = {bits!r} should be a number of bits")
    return PriceTable(values["name"], values["description"], tuple(items), dict(covered), bits)


def _keys(values: dict, needed: tuple[str, ...], optional: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in needed + optional:
            raise InputError(f"{where}: unknown key {key!r}; the keys are {', '.join(needed + optional)}")
    for key in needed:
        if key not in values:
            raise InputError(f"{where}: key {key!r} is missing")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _curve(entry: dict, where: str) -> Curve:
    _keys(entry, ("kind", "points"), ("bits",), where)
    shaped = isinstance(entry["points"], list) and all(
        isinstance(point, list) and len(point) == 2 and all(map(_number, point)) for point in entry["points"]
    )
    points = tuple((float(x), float(y)) for x, y in entry["points"]) if shaped else ()
    ascending = all(a[0] < b[0] for a, b in itertools.pairwise(points))
    if entry["kind"] not in ("linear", "power") or len(points) < 2 or not ascending or min(map(min, points)) <= 0:
        raise InputError(f"{where}: must be 'linear' or 'power' through two or more positive points, x ascending")
    return Curve(entry["kind"], points, entry.get("bits", 0))


def _price(entry: dict, curves: dict[str, Curve], where: str) -> Price:
    optional = ("value", "curve", "memory", "width", "times")
    needed = tuple(field.name for field in dataclasses.fields(Price) if field.name not in optional)
    _keys(entry, needed, optional, where)
    if entry["unit"] not in UNITS:
        raise InputError(f"{where}: unit {entry['unit']!r} should be one of {', '.join(UNITS)}")
    if entry["evidence"] not in EVIDENCE:
        raise InputError(f"{where}: evidence {entry['evidence']!r} should be one of {', '.join(EVIDENCE)}")
    if not _number(entry["voltage"]) or not entry["source"]:
        raise InputError(f"{where}: needs a voltage in volts and a source")
    if not isinstance(entry["counters"], list) or not entry["counters"]:
        raise InputError(f"{where}: counters {entry['counters']!r} should be a list of names")
    basis = UNITS[entry["unit"]][1]
    for name in entry["counters"]:
        fits = name in COUNTERS or name in DERIVED if basis == "counters" else name == basis
        if not fits:
            known = "a counter of the ledger" if basis == "counters" else repr(basis)
            raise InputError(f"{where}: {name!r} cannot be priced in {entry['unit']}, which is a price of {known}")
    curve = curves.get(entry.get("curve", ""))
    if ("value" in entry) == ("curve" in entry) or ("curve" in entry and curve is None):
        raise InputError(f"{where}: needs either a value or the name of a curve of this table")
    if "value" in entry and not _number(entry["value"]):
        raise InputError(f"{where}: value {entry['value']!r} should be a finite number, not negative")
    sized = ("memory" in entry, "width" in entry)
    if sized != ((False, False) if curve is None else (curve.bits > 0, curve.bits == 0)):
        raise InputError(f"{where}: a curve with bits needs a memory, one without a width, a value neither")
    if entry.get("width", WIDTHS[0]) not in WIDTHS:
        raise InputError(f"{where}: width {entry['width']!r} should be one of {', '.join(WIDTHS)}")
    times = entry.get("times", [])
    if not isinstance(times, list) or not all(factor == "lanes" or _number(factor) for factor in times):
        raise InputError(f"{where}: times {times!r} should be a list of numbers or 'lanes'")
    return Price(**entry | {"counters": tuple(entry["counters"]), "curve": curve, "times": tuple(times)})


def bundled_prices() -> dict[str, PriceTable]:
    """The tables that come with the package, by name."""
    folder = resources.files(__package__)
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name)
    tables = [prices_from_dict(tomllib.loads(entry.read_text(encoding="utf-8")), entry.name) for entry in files]
    return {table.name: table for table in tables}


def load_prices(name_or_path: str) -> PriceTable:
    """A bundled price table by name, or one read from a TOML file."""
    bundled = bundled_prices()
    if name_or_path in bundled:
        return bundled[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise InputError(
            f"no price table {name_or_path!r}; the bundled ones are {', '.join(bundled)}, or give a .toml file"
        )
    return prices_from_dict(read_toml(path), str(path))
