"""The mesh bit-sliced: all routers at once, one bit of a word each; for meshes of up to 8 x 8.

A queue holds two packets a router, a head and a tail. What a packet still has to do is `x` more hops east or west,
then `y` more hops south or north; x and y are one-hot over 8 planes, a plane a uint64 with a bit a router. A hop
moves all planes one router on and x (or y) one plane down; plane 0 says that nothing is left in that direction.
XY routing leaves few turns: what comes from the north or the south goes straight on or out.
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
    planes_down,
    shl,
    spliced,
)
from .words import ALL, NONE, ONE, PLANES_BYTES

assert (FIFO_DEPTH, SINK_CYCLES) == (2, 2), "heads and tails; busy for one cycle after a packet"


def one_hot() -> np.ndarray:
    """(PLANES * PLANES,) uint64: eight vectors of planes; in number i only plane i is there."""
    return (np.eye(8, dtype=np.uint64) * ALL).reshape(-1)


def step_codes(width: int, sender: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(packets,) uint8: hops in x (3 bits), in y (3 bits), eastward, southward."""
    x, y = target % width - sender % width, target // width - sender // width
    return (np.abs(x) | np.abs(y) << 3 | (x > 0) << 6 | (y > 0) << 7).astype(np.uint8)


# ------------------------------------------------------------------------------ parts of a cycle, all spliced in
@spliced
def wanted(there, x, y, east, south):
    """Of the heads of the local queue: who wants east, west, south, north, and out; x, y: who is there in it."""
    across, along = there & ~x, there & x & ~y
    return across & east, across & ~east, along & south, along & ~south, there & x & y


@spliced
def turned(there, x, y, south):
    """Of the heads of a queue from the east or the west: who goes on, wants south, north, and out."""
    along = there & x & ~y
    return there & ~x, along & south, along & ~south, there & x & y


@spliced
def first_of_two(free, a, b):
    """The first that wants an output, where that is free."""
    return a & free, b & ~a & free


@spliced
def first_of_four(free, a, b, c, d):
    return a & free, b & ~a & free, c & ~(a | b) & free, d & ~(a | b | c) & free


@spliced
def joined(a, b, x, y, south, other_x, other_y, other_south):
    """Packets of two queues on one link: those of lanes a of one, of lanes b of the other."""
    return either(both(x, a), both(other_x, b)), either(both(y, a), both(other_y, b)), south | other_south


@spliced
def pushed(pop, to, first, second):
    """Occupied heads and tails after a pop and a push, and where the push went into the head and into the tail."""
    left = (first & ~pop) | second
    return left | to, (second & ~pop) | (to & left), to & ~left, to & left


@spliced
def moved(pop, head, tail, come, front, back):
    """Heads and tails of planes that move up, or come."""
    return pick(head, come, pick(pop, back, front)), pick(tail, come, back)


@spliced
def moved_bits(pop, head, tail, come, front, back):
    """The same of a word."""
    return pick_word(head, come, pick_word(pop, back, front)), pick_word(tail, come, back)


@spliced
def crossing(pop, to, to_x, to_y, to_south, x, y, south, tail_x, tail_y, tail_south, first, second):
    """A queue of packets that may still turn: x and y planes, southward, of heads and tails; who is there."""
    first, second, head, tail = pushed(pop, to, first, second)
    p, h, q = planes(pop), planes(head), planes(tail)
    x, tail_x = moved(p, h, q, to_x, x, tail_x)
    y, tail_y = moved(p, h, q, to_y, y, tail_y)
    south, tail_south = moved_bits(pop, head, tail, to_south, south, tail_south)
    return x, y, south, tail_x, tail_y, tail_south, first, second


@spliced
def along(pop, to, to_y, y, tail_y, first, second):
    """A queue of packets from the north or the south, which turn no more."""
    first, second, head, tail = pushed(pop, to, first, second)
    y, tail_y = moved(planes(pop), planes(head), planes(tail), to_y, y, tail_y)
    return y, tail_y, first, second


@spliced
def offered(pushing, cycle, ready, waiting, emitted, mesh, wires):
    """Packets that emitters push: x and y planes, eastward, southward; then ready, waiting, emitted as they now are."""
    x, y, east, south = planes(NONE), planes(NONE), NONE, NONE
    table = address(mesh.table)
    while pushing:
        core = first_lane(pushing)
        bit = pushing & (~pushing + ONE)
        pushing &= pushing - ONE
        step = np.int64(mesh.steps[wires.packet[core]])
        mine = planes(bit)
        x = either(x, both(mine, load_planes(table + (step & 7) * PLANES_BYTES)))
        y = either(y, both(mine, load_planes(table + (step >> 3 & 7) * PLANES_BYTES)))
        east |= bit & np.uint64(-(step >> 6 & 1))
        south |= bit & np.uint64(-(step >> 7))
        later = sent(core, cycle, wires)
        if later:
            ready &= ~bit
            waiting |= bit if later > 0 else NONE
            emitted = max(emitted, -later)
    return x, y, east, south, ready, waiting, emitted


@inner
def slice_mesh(mesh, spikes, first, pointers, wires):
    """Cycles of one fabric phase."""
    one, tall = planes(ONE), planes(np.uint64(mesh.width))
    down = np.uint64(mesh.width)
    ready = NONE
    emitted = schedule(mesh, spikes, first, pointers, wires)
    waiting = begin(mesh, wires)

    # heads and tails: x and y planes, eastward and southward; occupied: 1 the head, 2 the tail too
    lx = ly = tlx = tly = ex = ey = tex = tey = wx = wy = twx = twy = ny = tny = sy = tsy = planes(NONE)
    l_east = l_south = tl_east = tl_south = e_south = te_south = w_south = tw_south = NONE
    l1 = l2 = e1 = e2 = w1 = w2 = n1 = n2 = s1 = s2 = NONE
    busy = NONE
    cycle = 0
    while True:
        awake = woken(cycle, wires)
        ready, waiting = ready | awake, waiting & ~awake
        if not (l1 | e1 | w1 | n1 | s1 | busy | ready):
            if not waiting:
                return max(cycle, emitted)
            cycle = upcoming(cycle, wires)
            continue

        # what heads want
        l_e, l_w, l_s, l_n, l_o = wanted(l1, plane(lx, 0), plane(ly, 0), l_east, l_south)
        e_w, e_s, e_n, e_o = turned(e1, plane(ex, 0), plane(ey, 0), e_south)
        w_e, w_s, w_n, w_o = turned(w1, plane(wx, 0), plane(wy, 0), w_south)
        arrived = plane(ny, 0)
        n_s, n_o = n1 & ~arrived, n1 & arrived
        arrived = plane(sy, 0)
        s_n, s_o = s1 & ~arrived, s1 & arrived

        # the first of each output's inputs in the order north, east, south, west, local; if it can be taken
        w_e, l_e = first_of_two(~(w2 >> ONE), w_e, l_e)
        e_w, l_w = first_of_two(~(e2 << ONE), e_w, l_w)
        n_s, e_s, w_s, l_s = first_of_four(~(n2 >> down), n_s, e_s, w_s, l_s)
        e_n, s_n, w_n, l_n = first_of_four(~(s2 << down), e_n, s_n, w_n, l_n)
        l_o &= ~(n_o | e_o | s_o | w_o | busy)
        n_o, e_o, s_o, w_o = first_of_four(~busy, n_o, e_o, s_o, w_o)
        busy = n_o | e_o | s_o | w_o | l_o

        # packets under way
        x, y, south = joined(planes(w_e), planes(l_e), wx, wy, w_south & w_e, lx, ly, l_south & l_e)
        to_w_x, to_w_y, to_w_south, to_w = shl(planes_down(x), one), shl(y, one), south << ONE, (w_e | l_e) << ONE
        x, y, south = joined(planes(e_w), planes(l_w), ex, ey, e_south & e_w, lx, ly, l_south & l_w)
        to_e_x, to_e_y, to_e_south, to_e = lshr(planes_down(x), one), lshr(y, one), south >> ONE, (e_w | l_w) >> ONE
        straight = either(both(ny, planes(n_s)), both(ey, planes(e_s)))
        turns = either(both(wy, planes(w_s)), both(ly, planes(l_s)))
        to_n_y, to_n = shl(planes_down(either(straight, turns)), tall), (n_s | e_s | w_s | l_s) << down
        straight = either(both(sy, planes(s_n)), both(ey, planes(e_n)))
        turns = either(both(wy, planes(w_n)), both(ly, planes(l_n)))
        to_s_y, to_s = lshr(planes_down(either(straight, turns)), tall), (s_n | e_n | w_n | l_n) >> down

        # packets that emitters push
        to_l = ready & ~l2
        to_l_x, to_l_y, to_l_east, to_l_south, ready, waiting, emitted = offered(
            to_l, cycle, ready, waiting, emitted, mesh, wires
        )

        # queues: pop, then push into the head if that leaves nothing, else into the tail
        pop = l_e | l_w | l_s | l_n | l_o
        _, _, head, tail = pushed(pop, to_l, l1, l2)
        l_east, tl_east = moved_bits(pop, head, tail, to_l_east, l_east, tl_east)
        lx, ly, l_south, tlx, tly, tl_south, l1, l2 = crossing(
            pop, to_l, to_l_x, to_l_y, to_l_south, lx, ly, l_south, tlx, tly, tl_south, l1, l2
        )
        pop = e_w | e_s | e_n | e_o
        ex, ey, e_south, tex, tey, te_south, e1, e2 = crossing(
            pop, to_e, to_e_x, to_e_y, to_e_south, ex, ey, e_south, tex, tey, te_south, e1, e2
        )
        pop = w_e | w_s | w_n | w_o
        wx, wy, w_south, twx, twy, tw_south, w1, w2 = crossing(
            pop, to_w, to_w_x, to_w_y, to_w_south, wx, wy, w_south, twx, twy, tw_south, w1, w2
        )
        ny, tny, n1, n2 = along(n_s | n_o, to_n, to_n_y, ny, tny, n1, n2)
        sy, tsy, s1, s2 = along(s_n | s_o, to_s, to_s_y, sy, tsy, s1, s2)
        cycle += 1
