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
from .emitters import WHEEL, begin, schedule, sent
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


@inner
def slice_mesh(mesh, spikes, first, pointers, wires):
    """Cycles of one fabric phase."""
    one, tall = planes(ONE), planes(np.uint64(mesh.width))
    down = np.uint64(mesh.width)
    table = address(mesh.table)
    wheel = wires.wheel
    ready = NONE
    emitted = schedule(mesh, spikes, first, pointers, wires)
    waiting = begin(mesh, wires)

    # heads and tails: x and y planes, eastward and southward; occupied: 1 the head, 2 the tail too
    empty = planes(NONE)
    lx, ly, tlx, tly = empty, empty, empty, empty
    ex, ey, tex, tey = empty, empty, empty, empty
    wx, wy, twx, twy = empty, empty, empty, empty
    ny, tny, sy, tsy = empty, empty, empty, empty
    l_east, l_south, tl_east, tl_south = NONE, NONE, NONE, NONE
    e_south, te_south, w_south, tw_south = NONE, NONE, NONE, NONE
    l1, l2, e1, e2, w1, w2, n1, n2, s1, s2 = NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE
    busy = NONE
    cycle = 0
    while True:
        slot = cycle & (WHEEL - 1)
        woken = wheel[slot]
        if woken:
            wheel[slot] = NONE
            ready |= woken
            waiting &= ~woken
        if not (l1 | e1 | w1 | n1 | s1 | busy | ready):
            if not waiting:
                return max(cycle, emitted)
            cycle += 1
            while not wheel[cycle & (WHEEL - 1)]:
                cycle += 1
            continue

        # what heads want
        x0, y0 = plane(lx, 0), plane(ly, 0)
        want = l1 & ~x0
        l_e, l_w = want & l_east, want & ~l_east
        want = l1 & x0 & ~y0
        l_s, l_n, l_o = want & l_south, want & ~l_south, l1 & x0 & y0
        x0, y0 = plane(ex, 0), plane(ey, 0)
        want = e1 & x0 & ~y0
        e_w, e_s, e_n, e_o = e1 & ~x0, want & e_south, want & ~e_south, e1 & x0 & y0
        x0, y0 = plane(wx, 0), plane(wy, 0)
        want = w1 & x0 & ~y0
        w_e, w_s, w_n, w_o = w1 & ~x0, want & w_south, want & ~w_south, w1 & x0 & y0
        y0 = plane(ny, 0)
        n_s, n_o = n1 & ~y0, n1 & y0
        y0 = plane(sy, 0)
        s_n, s_o = s1 & ~y0, s1 & y0

        # the first of each output's inputs in the order north, east, south, west, local; if it can be taken
        free = ~(w2 >> ONE)
        l_e &= ~w_e & free
        w_e &= free
        free = ~(e2 << ONE)
        l_w &= ~e_w & free
        e_w &= free
        free = ~(n2 >> down)
        l_s &= ~(n_s | e_s | w_s) & free
        w_s &= ~(n_s | e_s) & free
        e_s &= ~n_s & free
        n_s &= free
        free = ~(s2 << down)
        l_n &= ~(e_n | s_n | w_n) & free
        w_n &= ~(e_n | s_n) & free
        s_n &= ~e_n & free
        e_n &= free
        free = ~busy
        l_o &= ~(n_o | e_o | s_o | w_o) & free
        w_o &= ~(n_o | e_o | s_o) & free
        s_o &= ~(n_o | e_o) & free
        e_o &= ~n_o & free
        n_o &= free
        busy = n_o | e_o | s_o | w_o | l_o

        # packets under way
        a, b = planes(w_e), planes(l_e)
        to_w_x = shl(planes_down(either(both(wx, a), both(lx, b))), one)
        to_w_y = shl(either(both(wy, a), both(ly, b)), one)
        to_w_south = ((w_south & w_e) | (l_south & l_e)) << ONE
        to_w = (w_e | l_e) << ONE
        a, b = planes(e_w), planes(l_w)
        to_e_x = lshr(planes_down(either(both(ex, a), both(lx, b))), one)
        to_e_y = lshr(either(both(ey, a), both(ly, b)), one)
        to_e_south = ((e_south & e_w) | (l_south & l_w)) >> ONE
        to_e = (e_w | l_w) >> ONE
        straight = either(both(ny, planes(n_s)), both(ey, planes(e_s)))
        turned = either(both(wy, planes(w_s)), both(ly, planes(l_s)))
        to_n_y = shl(planes_down(either(straight, turned)), tall)
        to_n = (n_s | e_s | w_s | l_s) << down
        straight = either(both(sy, planes(s_n)), both(ey, planes(e_n)))
        turned = either(both(wy, planes(w_n)), both(ly, planes(l_n)))
        to_s_y = lshr(planes_down(either(straight, turned)), tall)
        to_s = (s_n | e_n | w_n | l_n) >> down

        # packets that emitters push
        to_l = ready & ~l2
        to_l_x, to_l_y, to_l_east, to_l_south = empty, empty, NONE, NONE
        pushing = to_l
        while pushing:
            core = first_lane(pushing)
            bit = pushing & (~pushing + ONE)
            pushing &= pushing - ONE
            step = np.int64(mesh.steps[wires.packet[core]])
            mine = planes(bit)
            to_l_x = either(to_l_x, both(mine, load_planes(table + (step & 7) * PLANES_BYTES)))
            to_l_y = either(to_l_y, both(mine, load_planes(table + (step >> 3 & 7) * PLANES_BYTES)))
            to_l_east |= bit & np.uint64(-(step >> 6 & 1))
            to_l_south |= bit & np.uint64(-(step >> 7))
            later = sent(core, cycle, wires)
            if later:
                ready &= ~bit
                waiting |= bit if later > 0 else NONE
                emitted = max(emitted, -later)

        # queues: pop, then push into the head if that leaves nothing, else into the tail
        pop = l_e | l_w | l_s | l_n | l_o
        left = (l1 & ~pop) | l2
        l2 &= ~pop
        head, tail = to_l & ~left, to_l & left
        l1, l2 = left | to_l, l2 | tail
        p, h, q = planes(pop), planes(head), planes(tail)
        lx, ly = pick(h, to_l_x, pick(p, tlx, lx)), pick(h, to_l_y, pick(p, tly, ly))
        tlx, tly = pick(q, to_l_x, tlx), pick(q, to_l_y, tly)
        l_east = pick_word(head, to_l_east, pick_word(pop, tl_east, l_east))
        l_south = pick_word(head, to_l_south, pick_word(pop, tl_south, l_south))
        tl_east, tl_south = pick_word(tail, to_l_east, tl_east), pick_word(tail, to_l_south, tl_south)

        pop = e_w | e_s | e_n | e_o
        left = (e1 & ~pop) | e2
        e2 &= ~pop
        head, tail = to_e & ~left, to_e & left
        e1, e2 = left | to_e, e2 | tail
        p, h, q = planes(pop), planes(head), planes(tail)
        ex, ey = pick(h, to_e_x, pick(p, tex, ex)), pick(h, to_e_y, pick(p, tey, ey))
        tex, tey = pick(q, to_e_x, tex), pick(q, to_e_y, tey)
        e_south = pick_word(head, to_e_south, pick_word(pop, te_south, e_south))
        te_south = pick_word(tail, to_e_south, te_south)

        pop = w_e | w_s | w_n | w_o
        left = (w1 & ~pop) | w2
        w2 &= ~pop
        head, tail = to_w & ~left, to_w & left
        w1, w2 = left | to_w, w2 | tail
        p, h, q = planes(pop), planes(head), planes(tail)
        wx, wy = pick(h, to_w_x, pick(p, twx, wx)), pick(h, to_w_y, pick(p, twy, wy))
        twx, twy = pick(q, to_w_x, twx), pick(q, to_w_y, twy)
        w_south = pick_word(head, to_w_south, pick_word(pop, tw_south, w_south))
        tw_south = pick_word(tail, to_w_south, tw_south)

        pop = n_s | n_o
        left = (n1 & ~pop) | n2
        n2 &= ~pop
        head, tail = to_n & ~left, to_n & left
        n1, n2 = left | to_n, n2 | tail
        ny = pick(planes(head), to_n_y, pick(planes(pop), tny, ny))
        tny = pick(planes(tail), to_n_y, tny)

        pop = s_n | s_o
        left = (s1 & ~pop) | s2
        s2 &= ~pop
        head, tail = to_s & ~left, to_s & left
        s1, s2 = left | to_s, s2 | tail
        sy = pick(planes(head), to_s_y, pick(planes(pop), tsy, sy))
        tsy = pick(planes(tail), to_s_y, tsy)
        cycle += 1
