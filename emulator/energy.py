"""Energy: the ledger's integers times a price table, afterwards; so one run can be priced for many technologies.

Incremental energy (what was counted) and static energy (leakage and clock, over the run's time) are apart, and the
parts sum to the total. What was counted and has no price is an error, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .prices import EVIDENCE, Price, PriceTable
from .run_notes import EnergyNote
from .spec.arch import Architecture
from .spec.errors import InputError
from .spec.ledger import COUNTERS


@dataclass(frozen=True)
class EnergyReport:
    """What a run cost by one price table.

    Attributes:
        components: names of the parts, incremental ones first, in the table's order.
        static: (components,) whether a part is leakage or clock.
        parts_j: (components, cores) joules; read-only.
        seconds: cycles / clock, the time that static parts are spent in.
        incremental_j: joules of everything that was counted.
        static_j: joules of leakage and clock; None if the table prices neither, which is not zero.
        warnings: what to say beside the number: the weakest evidence, the scope, foreign core sizes.
    """

    table: str
    components: tuple[str, ...]
    static: tuple[bool, ...]
    parts_j: npt.NDArray[np.float64]
    seconds: float
    incremental_j: float
    static_j: float | None
    evidence: str
    warnings: tuple[str, ...]

    @property
    def total_j(self) -> float:
        """Joules of all parts: all-in, or incremental only when `static_j` is None (see `scope`)."""
        return self.incremental_j + (self.static_j or 0.0)

    @property
    def scope(self) -> str:
        """What the total covers: "all-in" or "incremental"."""
        return "incremental" if self.static_j is None else "all-in"

    def by_component(self) -> dict[str, float]:
        """Joules of each component, all cores."""
        return {name: math.fsum(row) for name, row in zip(self.components, self.parts_j, strict=True)}

    def by_core(self) -> npt.NDArray[np.float64]:
        """(cores,) joules of each core, all components."""
        return self.parts_j.sum(axis=0)

    def note(self) -> EnergyNote:
        """What a result keeps of it."""
        return EnergyNote(
            table=self.table,
            scope=self.scope,
            evidence=self.evidence,
            total_j=self.total_j,
            incremental_j=self.incremental_j,
            static_j=self.static_j,
            components_j=self.by_component(),
            cores_j=tuple(self.by_core().tolist()),
            warnings=self.warnings,
        )


# ------------------------------------------------------------------------------------------------- pricing
def price(
    arch: Architecture,
    counters: Mapping[str, npt.NDArray[np.int64]],
    cycles: int,
    table: PriceTable,
    clock_hz: float | None = None,
) -> EnergyReport:
    """Price what one run counted.

    Args:
        counters: every name of `emulator.spec.ledger.COUNTERS` to an int64 array (cores,).
        cycles: clock cycles of the run; leakage and clock are paid for cycles / clock_hz seconds on every core of
            the architecture, used or not. The counters include what reset programs did between samples, so their
            time (`reset_cycles`) belongs in it wherever they are not negligible.
        clock_hz: the clock in hertz; the architecture's if None.

    Raises:
        InputError: a counter is missing, unknown, of the wrong shape or negative; something counted has no price.
    """
    counts = _checked(arch, counters)
    clock = arch.clock_hz if clock_hz is None else clock_hz
    if cycles < 0 or not (clock > 0 and math.isfinite(clock)):
        raise InputError(f"{cycles:,} cycles at {clock} Hz is no time: give cycles >= 0 and a positive clock")
    priced = {name for item in table.prices for name in item.counters}
    for name in COUNTERS:
        if name not in priced and name not in table.covered and counts[name].any():
            raise InputError(
                f"price table {table.name!r} has no price for {name!r}, counted {counts[name].sum():,} times; "
                f"add a [[price]] for it, or say under [covered] which price includes it"
            )
    seconds = cycles / clock
    ones = np.ones(arch.cores)
    counts |= {
        "neuron_updates": (counts["accumulator_writes"] - counts["beats"]) * arch.lanes,
        "synapse_updates": counts["synapse_writes"] * (2 * arch.lanes),
    }
    amounts = counts | {"seconds": ones * seconds, "cycles": ones * cycles}

    parts: dict[tuple[bool, str], npt.NDArray[np.float64]] = {}  # static?, component
    used: list[Price] = []
    for item in table.prices:
        number = sum(amounts[name].astype(np.float64) for name in item.counters)
        energy = number * item.joules(arch) if np.any(number) else np.zeros(arch.cores)
        key = (item.static, item.component)
        parts[key] = parts.get(key, np.zeros(arch.cores)) + energy
        if np.any(energy):
            used.append(item)
    keys = sorted(parts, key=lambda key: key[0])  # stable: incremental parts first, else the table's order
    rows = np.array([parts[key] for key in keys]).reshape(len(keys), arch.cores)
    rows.setflags(write=False)
    static = tuple(key[0] for key in keys)
    return EnergyReport(
        table=table.name,
        components=tuple(key[1] for key in keys),
        static=static,
        parts_j=rows,
        seconds=seconds,
        incremental_j=math.fsum(rows[~np.array(static, dtype=bool)].flat),
        static_j=math.fsum(rows[np.array(static, dtype=bool)].flat) if any(static) else None,
        evidence=EVIDENCE[max((EVIDENCE.index(item.evidence) for item in used), default=0)],
        warnings=tuple(_warnings(arch, table, used)),
    )


def _checked(arch: Architecture, counters: Mapping[str, npt.NDArray[np.int64]]) -> dict[str, npt.NDArray]:
    """The counters as a new dict of arrays (cores,), checked against the ledger."""
    for name in counters:
        if name not in COUNTERS:
            raise InputError(f"the ledger has no counter {name!r}")
    counts = {}
    for name in COUNTERS:
        if name not in counters:
            raise InputError(f"counter {name!r} is missing; a run that did none of it counts 0")
        counts[name] = np.asarray(counters[name])
        if counts[name].shape != (arch.cores,) or counts[name].dtype.kind not in "iu":
            raise InputError(
                f"counter {name!r} should be integers of shape ({arch.cores},), one a core, "
                f"not {counts[name].dtype} of shape {counts[name].shape}"
            )
        if (counts[name] < 0).any():
            raise InputError(f"counter {name!r} is negative on core {int(np.argmin(counts[name]))}")
    if (counts["accumulator_writes"] < counts["beats"]).any():
        raise InputError("fewer accumulator_writes than beats, each of which is one: no machine counts so")
    return counts


def _warnings(arch: Architecture, table: PriceTable, used: list[Price]) -> Iterable[str]:
    if used:
        weakest = max(EVIDENCE.index(item.evidence) for item in used)
        names = dict.fromkeys(item.component for item in used if EVIDENCE.index(item.evidence) == weakest)
        yield f"{table.name}: the weakest prices used are {EVIDENCE[weakest]}: {', '.join(names)}"
    if not any(item.static for item in table.prices):
        yield f"{table.name}: prices no leakage and no clock; the total is incremental only"
    bits = arch.memory_bits() // arch.cores
    if table.core_memory_bits and not 0.5 <= bits / table.core_memory_bits <= 2:
        yield (
            f"{table.name}: static power is of a core with {table.core_memory_bits / 8192:,.0f} KiB of memory; "
            f"a core of {arch.name!r} has {bits / 8192:,.0f} KiB, and it is not scaled"
        )
