"""Pending axons, and which of them can be delivered together.

A pending index `q` stands for axons that always become pending together: one axon of a core whose program must be
followed in order, or, in a *bank*, the axons that one source reaches on many cores. A bank gathers the `integ`
instructions that run in the same timesteps, add to the same accumulator and may as well run before the programs;
so one event adds one long row over many cores instead of many short ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ..spec import isa
from ..spec.isa import Op
from .words import WORD

DELAY_BITS: Final = isa.ROUTE_FIELDS["delay"][1]
MOST_LANES: Final = 1 << 16  # of a bank: its targets are uint16
MOST_CORES: Final = WORD  # of a bank: they are bits of a word
FOREVER: Final = 1 << 40


class Site(NamedTuple):
    """What makes two `integ` instructions alike: their window of timesteps and what they do with a weight."""

    since: int  # they run in timesteps since <= t < min(until, until_t + T)
    until: int
    until_t: int
    accumulator: int
    shift: int
    payload: int  # 0 none, 1 unsigned, 2 signed


def ahead(ops: list[Op], spaces: list[Op | None], reach: dict[int, tuple[int, int]]) -> dict[int, Site] | None:
    """The `integ` of a program by address, if all of them can run before the program; None if they cannot.

    They can if no granule is integrated twice, if nothing reads `pre`, and if no earlier instruction reads the sums
    that they add to. `reach`: blocks (first, last + 1) that the axons of each integ target.
    """
    found: dict[int, Site] = {}
    granules: set[int] = set()
    guards: list[tuple[int, int, Op]] = []  # (address, where it skips to, when)
    for pc, op in enumerate(ops):
        if op.name == "end":
            return found
        if op.name == "when":
            guards = [g for g in guards if g[1] > pc]
            target = pc + 1 + op.skip
            if any(target > g[1] for g in guards):
                return None  # windows that overlap without being nested
            guards.append((pc, target, op))
        elif op.name == "rows" or (op.name == "range" and op.flag):
            return None
        elif op.name == "integ":
            mine = set(range(op.lo, op.lo + op.hi))
            if mine & granules:
                return None
            granules |= mine
            lo, hi = reach[pc]
            for earlier, space in zip(ops[:pc], spaces[:pc], strict=True):
                reads = [c & 1 for c in earlier.sources if isa.SRC_ACC <= c < isa.SRC_TRACE]
                if op.d in reads and space is not None and space.lo < hi and lo < space.lo + space.hi:
                    return None
            around = [g[2] for g in guards if g[1] > pc]
            found[pc] = Site(
                max([0, *(w.lo for w in around)]),
                min([FOREVER, *(w.hi for w in around if not w.flag)]),
                min([FOREVER, *(w.hi for w in around if w.flag)]),
                op.d,
                op.shift,
                op.flag + op.flag2,
            )
    raise AssertionError("the checker wants an end")


@dataclass
class Bank:
    """Rows that are delivered together.

    Attributes:
        site: when and how; cores: (n,) busy cores, ascending; core: set for axons that a program delivers in order.
        first, rows: its pending indices are first..first + rows - 1; `words` of the bitmap.
    """

    site: Site | None
    cores: np.ndarray
    first: int = 0
    rows: int = 0

    @property
    def words(self) -> int:
        return -(-self.rows // WORD)


@dataclass
class Pending:
    """The pending space.

    Attributes:
        banks: in the order of their indices; those with a site first.
        q, core, axon: (members,) the axons of the chip that can be pending: index, busy core, axon number;
            by ascending q, then core.
        lookup: (busy cores * axons,) q of each axon, -1 if nobody can ever hear it.
        lanes: pending indices, a multiple of WORD. cores: busy cores.
        pending_first: (busy cores,) first index of a core that delivers in order, else 0.
    """

    banks: list[Bank]
    q: np.ndarray
    core: np.ndarray
    axon: np.ndarray
    lookup: np.ndarray
    lanes: int
    cores: int
    pending_first: np.ndarray


def gather(
    n_axons: int,
    n_cores: int,
    sites: list[dict[int, Site] | None],
    programs: list[list[Op]],
    lane_first: np.ndarray,
    route_source: np.ndarray,
    route_place: np.ndarray,
    route_delay: np.ndarray,
) -> Pending:
    """Number the pending axons.

    Args:
        sites: per busy core, what `ahead` found. lane_first: (busy cores + 1,) first lane of each.
        route_source, route_place, route_delay: every route of neurons and inputs that ends at a busy core:
            who sends, busy core * n_axons + axon, timesteps.
    """
    sources = np.bincount(route_place, minlength=n_cores * n_axons)
    single = np.zeros(n_cores * n_axons, np.int64)
    single[route_place] = route_source << DELAY_BITS | route_delay
    alone = (1 << DELAY_BITS) * (int(route_source.max(initial=0)) + 1)  # signatures from here on are not shared
    keys: dict[tuple[Site, int, int], int] = {}
    cores_of: list[list[int]] = []
    place, bank_of = _members(keys, cores_of, n_axons, sites, programs, lane_first, sources)
    signature = np.where(sources[place] == 1, single[place], alone + place)
    order = np.lexsort((place // n_axons, signature, bank_of))
    key = np.stack([bank_of, signature, place // n_axons])[:, order]
    again = np.flatnonzero((key[:, 1:] == key[:, :-1]).all(axis=0))
    twice = order[np.union1d(again, again + 1)]  # one source, two axons of a core: rows apart, each meets a target once
    signature[twice] = alone + place[twice]
    bank_of = _split_single(keys, cores_of, bank_of, signature, place, n_axons)
    banks = [Bank(key[0], np.array(cores_of[b], np.int64)) for key, b in keys.items()]
    q, place = _number_rows(banks, place, bank_of, signature, n_axons)
    lanes = sum(bank.words for bank in banks) * WORD

    # cores that deliver in order: one index an axon, so that masks of granules are masks of words
    lookup = np.full(n_cores * n_axons, -1, np.int64)
    lookup[place] = q
    q_parts, place_parts = [q], [place]
    pending_first = np.zeros(n_cores, np.int64)
    for k, found in enumerate(sites):
        if found is not None:
            continue
        granules = max([op.lo + op.hi for op in programs[k] if op.name == "integ"], default=0)
        bank = Bank(None, np.array([k]), lanes, granules * isa.GRANULE)
        pending_first[k] = lanes
        place = k * n_axons + np.arange(bank.rows)
        lookup[place] = lanes + np.arange(bank.rows)
        place_parts.append(place)
        q_parts.append(lookup[place])
        banks.append(bank)
        lanes += bank.words * WORD
    q, place = np.concatenate(q_parts), np.concatenate(place_parts)
    order = np.lexsort((place, q))
    q, place = q[order], place[order]
    return Pending(banks, q, place // n_axons, place % n_axons, lookup, lanes, n_cores, pending_first)


def _members(
    keys: dict[tuple[Site, int, int], int],
    cores_of: list[list[int]],
    n_axons: int,
    sites: list[dict[int, Site] | None],
    programs: list[list[Op]],
    lane_first: np.ndarray,
    sources: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(place, bank) of each axon that somebody feeds and a bank delivers; the banks go into `keys` and `cores_of`."""
    place_parts, bank_parts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    group, group_cores, group_start = 0, 0, 0
    for k, found in enumerate(sites):
        if found is None:
            continue
        if group_cores == MOST_CORES or lane_first[k + 1] - group_start > MOST_LANES:
            group, group_cores = group + 1, 0
        if group_cores == 0:
            group_start = int(lane_first[k])
        group_cores += 1
        for pc, site in found.items():
            op = programs[k][pc]
            b = keys.setdefault((site, group, -1), len(keys))
            if b == len(cores_of):
                cores_of.append([])
            if k not in cores_of[b]:
                cores_of[b].append(k)
            place = np.arange(op.lo * isa.GRANULE, (op.lo + op.hi) * isa.GRANULE) + k * n_axons
            place = place[sources[place] > 0]
            place_parts.append(place)
            bank_parts.append(np.full(len(place), b))
    return np.concatenate(place_parts), np.concatenate(bank_parts)


def _number_rows(
    banks: list[Bank], place: np.ndarray, bank_of: np.ndarray, signature: np.ndarray, n_axons: int
) -> tuple[np.ndarray, np.ndarray]:
    """(q, place) of the members of rows; each bank gets its place in the pending space.

    Members of one row have the same bank and the same signature; rows of a bank stand by the lowest axon number among
    their members.
    """
    axon = place % n_axons
    order = np.lexsort((axon, signature, bank_of))
    place, bank_of, signature, axon = place[order], bank_of[order], signature[order], axon[order]
    fresh = np.ones(len(place), bool)
    fresh[1:] = (bank_of[1:] != bank_of[:-1]) | (signature[1:] != signature[:-1])
    row = np.cumsum(fresh) - 1
    row_bank, row_axon = bank_of[fresh], axon[fresh]
    by_axon = np.lexsort((row_axon, row_bank))
    row_q = np.zeros(len(row_bank), np.int64)
    lanes = 0
    starts = np.searchsorted(row_bank[by_axon], np.arange(len(banks) + 1))
    for b, bank in enumerate(banks):
        bank.first, bank.rows = lanes, int(starts[b + 1] - starts[b])
        row_q[by_axon[starts[b] : starts[b + 1]]] = lanes + np.arange(bank.rows)
        lanes += bank.words * WORD
    return row_q[row] if len(row) else np.zeros(0, np.int64), place


def _split_single(
    keys: dict[tuple[Site, int, int], int],
    cores_of: list[list[int]],
    bank_of: np.ndarray,
    signature: np.ndarray,
    place: np.ndarray,
    n_axons: int,
) -> np.ndarray:
    """Give rows that reach one core a bank of that core, where they share no granule with rows of many cores.

    Its events then cost a number, not a vector over cores; a granule must not be counted by two banks.
    """
    order = np.lexsort((signature, bank_of))
    again = (bank_of[order][1:] == bank_of[order][:-1]) & (signature[order][1:] == signature[order][:-1])
    many = np.zeros(len(place), bool)
    many[order[1:][again]] = many[order[:-1][again]] = True
    granule = place // isa.GRANULE  # of the chip: n_axons is a multiple of it
    free = ~np.isin(granule, granule[many])
    result = bank_of.copy()
    for key, bank in list(keys.items()):
        if len(cores_of[bank]) == 1:
            continue
        mine = np.flatnonzero(free & (bank_of == bank))
        core = place[mine] // n_axons
        for k in np.unique(core):
            own = keys.setdefault((*key[:2], int(k)), len(keys))
            if own == len(cores_of):
                cores_of.append([int(k)])
            result[mine[core == k]] = own
    return result
