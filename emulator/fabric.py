"""The fabric phase of the kernel: how many cycles the packets of a timestep take through the mesh.

Packets cannot change a result, only the time they take; so packets here are their target cores, nothing else.
`Mesh` of emulator/reference.py is what this must equal, clock by clock.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .spec.isa import EMIT_SPIKE_CYCLES, FIFO_DEPTH, SINK_CYCLES

NORTH, EAST, SOUTH, WEST, LOCAL = range(5)


class Emitters(NamedTuple):
    """What the emitters of all cores of the mesh have to send in one timestep.

    Attributes:
        spikes: flat neurons that fired, core by core, ascending.
        first: (cores + 1,) first spike of a core.
        neuron: (cores,) first flat neuron of a core.
        scan: (cores,) blocks that its emitter scans.
    """

    spikes: np.ndarray
    first: np.ndarray
    neuron: np.ndarray
    scan: np.ndarray


@njit(nogil=True)
def advance(core, at, block, packet, stop, emitters, route_pointers, lanes):
    """Move an emitter on to its next packet: the cycles before it can be offered; packet[core] is -1 at the end.

    at: spike that is being sent; block: blocks scanned; packet, stop: its next route and the end of its routes.
    """
    gap = 0
    while packet[core] == stop[core]:
        at[core] += 1
        if at[core] >= emitters.first[core + 1]:
            packet[core] = -1
            gap += emitters.scan[core] - block[core]
            block[core] = emitters.scan[core]
            return gap
        neuron = emitters.spikes[at[core]]
        scanned = (neuron - emitters.neuron[core]) // lanes + 1
        gap += scanned - block[core] + EMIT_SPIKE_CYCLES
        block[core] = scanned
        packet[core] = route_pointers[neuron]
        stop[core] = route_pointers[neuron + 1]
    return gap


@njit(nogil=True)
def step_mesh(width, height, lanes, emitters, route_pointers, route_cores):
    """Cycles of one fabric phase, one clock after the other; for meshes of any size."""
    n = width * height
    queue = np.zeros((n, 5, FIFO_DEPTH), np.int64)
    held = np.zeros((n, 5), np.int64)
    at, block = emitters.first[:-1] - 1, np.zeros(n, np.int64)
    packet, stop = np.zeros(n, np.int64), np.zeros(n, np.int64)
    gap, busy = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for core in range(n):
        gap[core] = advance(core, at, block, packet, stop, emitters, route_pointers, lanes)
    moves = np.zeros((5 * n, 3), np.int64)
    cycle = 0
    while True:
        active = False
        for core in range(n):
            active |= packet[core] >= 0 or gap[core] > 0 or busy[core] > 0
            for port in range(5):
                active |= held[core, port] > 0
        if not active:
            return cycle
        n_moves = 0
        for core in range(n):
            x, y = core % width, core // width
            taken = 0
            for port in range(5):
                if held[core, port] == 0:
                    continue
                to = queue[core, port, 0]
                to_x, to_y = to % width, to // width
                behind, arrive = core, LOCAL
                if to_x > x:
                    out, behind, arrive = EAST, core + 1, WEST
                elif to_x < x:
                    out, behind, arrive = WEST, core - 1, EAST
                elif to_y > y:
                    out, behind, arrive = SOUTH, core + width, NORTH
                elif to_y < y:
                    out, behind, arrive = NORTH, core - width, SOUTH
                else:
                    out = LOCAL
                if taken >> out & 1:
                    continue
                taken |= 1 << out
                if out == LOCAL:
                    free = busy[core] == 0
                else:
                    free = held[behind, arrive] < FIFO_DEPTH
                if free:
                    moves[n_moves, 0], moves[n_moves, 1] = core, port
                    moves[n_moves, 2] = -1 if out == LOCAL else behind * 5 + arrive
                    n_moves += 1
        for core in range(n):
            busy[core] = max(0, busy[core] - 1)
            if gap[core] > 0:
                gap[core] -= 1
            elif packet[core] >= 0 and held[core, LOCAL] < FIFO_DEPTH:
                moves[n_moves, 0], moves[n_moves, 1] = -1 - route_cores[packet[core]], core
                n_moves += 1
                packet[core] += 1
                gap[core] = advance(core, at, block, packet, stop, emitters, route_pointers, lanes)
        for i in range(n_moves):
            core, port, to = moves[i, 0], moves[i, 1], moves[i, 2]
            if core < 0:
                queue[port, LOCAL, held[port, LOCAL]] = -1 - core
                held[port, LOCAL] += 1
                continue
            target = queue[core, port, 0]
            queue[core, port, 0] = queue[core, port, 1]
            held[core, port] -= 1
            if to < 0:
                busy[core] = SINK_CYCLES - 1
            else:
                queue[to // 5, to % 5, held[to // 5, to % 5]] = target
                held[to // 5, to % 5] += 1
        cycle += 1
