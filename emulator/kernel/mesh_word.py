"""The mesh in a word: all queues of all routers at once, one bit of a word each; for meshes of up to 12 routers.

Queue p of router r is bit p * n + r. Heads and tails of the queues are 8 such words each: plane 0 tells which are
there, planes 1 to 3 and 4 to 6 hold x and y of the core that a packet goes to, in binary. So a cycle is some shifts
and masks, whatever the traffic. XY routing leaves few turns, see mesh_slices.
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

import numpy as np

from ..spec.isa import FIFO_DEPTH, SINK_CYCLES
from .emitters import begin, schedule, sent, upcoming, woken
from .vectors import (
    address,
    both,
    either,
    first_lane,
    inner,
    load_planes,
    lshr,
    pick,
    pick_word,
    plane,
    planes,
    shl,
    spliced,
)
from .words import ALL, NONE, ONE, PLANES_BYTES, WORD

assert (FIFO_DEPTH, SINK_CYCLES) == (2, 2), "heads and tails; busy for one cycle after a packet"
MOST_ROUTERS = 12


def target_planes() -> np.ndarray:
    """(WORD * PLANES,) uint64: the planes of a packet to the core at x + 8 * y."""
    code = np.arange(WORD)
    bits = np.stack([np.ones(WORD, np.int64), *(code >> i & 1 for i in range(6)), np.zeros(WORD, np.int64)], axis=1)
    return (bits.astype(np.uint64) * ALL).reshape(-1)


def target_codes(width: int, target: np.ndarray) -> np.ndarray:
    """(packets,) uint8: x + 8 * y of the cores that they go to."""
    return (target % width + 8 * (target // width)).astype(np.uint8)


def places(width: int, height: int) -> np.ndarray:
    """(8,) uint64: of each plane, the bits of the queues of all routers that a packet for that router would have."""
    found = np.zeros(8, np.uint64)
    n = width * height
    for core, code in enumerate(target_codes(width, np.arange(n))):
        for port in range(5):
            for i in range(6):
                found[1 + i] |= np.uint64(int(code) >> i & 1) << np.uint64(port * n + core)
    return found


@inner
def differ(d, target, far, beyond):
    """One more bit of a coordinate: (is it another one?, is it beyond ours?)."""
    return far | d, pick_word(d, target, beyond)


@spliced
def wanted(heads, there, wide, x0, x1, x2, y0, y1, y2):
    """Which heads want to go east, west, south, north, and into the core; x0 and so on: bits of where they are."""
    x, y = plane(heads, 1), plane(heads, 4)
    far_x, far_y = x ^ x0, y ^ y0
    if wide:
        x_1, x_2, y_1, y_2 = plane(heads, 2), plane(heads, 3), plane(heads, 5), plane(heads, 6)
        far_x, x = differ(x_1 ^ x1, x_1, far_x, x)
        far_x, x = differ(x_2 ^ x2, x_2, far_x, x)
        far_y, y = differ(y_1 ^ y1, y_1, far_y, y)
        far_y, y = differ(y_2 ^ y2, y_2, far_y, y)
    turn = there & ~far_x
    return there & far_x & x, there & far_x & ~x, turn & far_y & y, turn & far_y & ~y, turn & ~far_y


@inner
def word_mesh(mesh, spikes, first, pointers, wires):
    """Cycles of one fabric phase."""
    size = mesh.width * mesh.height
    one, n, down = ONE, np.uint64(size), np.uint64(mesh.width)
    n2, n3, n4 = n * np.uint64(2), n * np.uint64(3), n * np.uint64(4)
    ports = ONE | ONE << n | ONE << n2 | ONE << n3 | ONE << n4  # a word of routers times this: for all their queues
    north = (ONE << n) - ONE
    east, south, west = north << n, north << n2, north << n3
    norths, easts, souths, wests = planes(north), planes(east), planes(south), planes(west)
    by_one, by_n, by_n2, by_n3, by_row = planes(one), planes(n), planes(n2), planes(n3), planes(down)
    x0, x1, x2 = mesh.places[1], mesh.places[2], mesh.places[3]
    y0, y1, y2 = mesh.places[4], mesh.places[5], mesh.places[6]
    wide = mesh.width > 2 or mesh.height > 2
    table = address(mesh.table)
    emitted = schedule(mesh, spikes, first, pointers, wires)
    waiting = begin(mesh, wires)
    ready, busy = NONE, NONE
    heads, tails = planes(NONE), planes(NONE)
    cycle = 0
    while True:
        awake = woken(cycle, wires)
        ready, waiting = ready | awake, waiting & ~awake
        there, full = plane(heads, 0), plane(tails, 0)
        if not (there | busy | ready):
            if not waiting:
                return max(cycle, emitted)
            cycle = upcoming(cycle, wires)
            continue

        to_e, to_w, to_s, to_n, to_core = wanted(heads, there, wide, x0, x1, x2, y0, y1, y2)

        # the first of each output's inputs in the order north, east, south, west, local; if it can be taken
        taken = (full & west) >> one
        to_e &= ~(to_e << n | taken | taken << n)
        taken = (full & east) << one
        to_w &= ~(to_w << n3 | taken | taken << n3)
        above = to_s | to_s << n
        to_s &= ~((above | above << n2) << n | ((full & north) >> down) * ports)
        above = to_n | to_n << n
        to_n &= ~((above | above << n2) << n | ((full & south) >> n2 << down) * ports)
        above = to_core | to_core << n
        to_core &= ~((above | above << n2) << n | busy * ports)
        busy = to_core | to_core >> n2
        busy = (busy | busy >> n | to_core >> n4) & north
        pop = to_e | to_w | to_s | to_n | to_core

        # packets under way: those of one output come together, and go to the queue behind it
        go = both(heads, planes(to_e))
        arrive = shl(both(either(go, lshr(go, by_n)), wests), by_one)
        go = both(heads, planes(to_w))
        arrive = either(arrive, lshr(both(either(go, lshr(go, by_n3)), easts), by_one))
        go = both(heads, planes(to_s))
        go = either(go, lshr(go, by_n3))
        arrive = either(arrive, shl(both(either(go, lshr(go, by_n)), norths), by_row))
        go = both(heads, planes(to_n))
        go = either(go, lshr(go, by_n2))
        arrive = either(arrive, lshr(both(either(go, shl(go, by_n)), souths), by_row))

        # packets that emitters push
        pushing = ready & ~(full >> n4)
        while pushing:
            core = first_lane(pushing)
            bit = pushing & (~pushing + ONE)
            pushing &= pushing - ONE
            code = np.int64(mesh.steps[wires.packet[core]])
            arrive = either(arrive, both(planes(bit << n4), load_planes(table + code * PLANES_BYTES)))
            later = sent(core, cycle, wires)
            if later:
                ready &= ~bit
                waiting |= bit if later > 0 else NONE
                emitted = max(emitted, -later)

        # queues: pop, then push into the head if that leaves nothing, else into the tail
        came, left = plane(arrive, 0), (there & ~pop) | full
        popped = planes(pop)
        heads = pick(planes(came & ~left), arrive, pick(popped, tails, heads))
        tails = pick(planes(came & left), arrive, both(tails, planes(~pop)))
        cycle += 1
