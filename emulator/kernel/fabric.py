"""The fabric phase of the kernel: how many cycles the packets of a timestep take through the mesh.

Packets cannot change a result, only the time they take; so a packet here is its target core, nothing else.
`Mesh` of emulator/reference.py is what all of this must equal, clock by clock.
"""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..spec.isa import EMIT_SPIKE_CYCLES, FIFO_DEPTH, SINK_CYCLES
from .emitters import schedule
from .mesh_slices import slice_mesh
from .mesh_word import MOST_ROUTERS, word_mesh
from .vectors import inner, spliced

NORTH, EAST, SOUTH, WEST, LOCAL = range(5)
OFF, ALONE, PACKED, SLICED, STEPPED = range(5)  # ways to find the cycles, see `choose_way`


class Mesh(NamedTuple):
    """The mesh and the emitters at its cores."""

    way: int
    width: int
    height: int
    lanes: int
    busy: int  # cores that run programs
    longest: int  # blocks that the slowest emitter scans
    number: np.ndarray  # (busy cores,) int64 where they are
    neuron: np.ndarray  # (busy cores,) int64 first flat neuron of each
    scan: np.ndarray  # (cores,) int64 blocks that emitters scan
    steps: np.ndarray  # (packets,) uint8 where they go: mesh_word.target_codes, mesh_slices.step_codes
    table: np.ndarray  # uint64 planes of these codes: mesh_word.target_planes, mesh_slices.one_hot
    places: np.ndarray  # (8,) uint64 see mesh_word.places


class Wires(NamedTuple):
    """Scratch of one thread: what emitters send in a timestep, see emitters.schedule."""

    gap: np.ndarray  # (neurons + cores,) int64 of each entry: cycles before its first packet
    begin: np.ndarray  # its first packet, -1 behind a core's last
    end: np.ndarray
    at: np.ndarray  # (cores,) int64 entry that a core sends
    packet: np.ndarray  # its next packet, or -1
    stop: np.ndarray  # behind its last
    queue: np.ndarray  # (cores * 5 * 2,) int64 packets of each input queue, as all that follow empty unless STEPPED
    held: np.ndarray  # (cores * 5,) how many
    left: np.ndarray  # (cores,) cycles to an emitter's next packet
    busy: np.ndarray  # (cores,) cycles until a core takes another packet
    moves: np.ndarray  # (6 * cores * 3,) what moves in a cycle
    wheel: np.ndarray  # uint64 cores whose next packet is ready in a cycle; empty unless PACKED or SLICED


def choose_way(fabric: str, width: int, height: int, own: bool) -> int:
    """How the cycles are found; all ways but OFF agree. `own`: every packet goes to the core that sends it."""
    if fabric == "off":
        return OFF
    if own:
        return ALONE
    if width > 8 or height > 8:
        return STEPPED
    return PACKED if width * height <= MOST_ROUTERS else SLICED


@spliced
def phase(mesh, spikes, first, pointers, cores, wires):
    """Cycles of one fabric phase.

    Args:
        spikes: flat neurons that fired, core by core, ascending; first: (busy cores + 1,) the first of each core.
        pointers, cores: packets of each neuron, their target cores.
    """
    if mesh.way == OFF:
        return 0
    if first[0] == first[mesh.busy]:
        return mesh.longest
    if mesh.way == ALONE:
        longest = mesh.longest
        for k in range(mesh.busy):
            if first[k] < first[k + 1]:
                longest = max(longest, alone(k, mesh, spikes, first, pointers))
        return longest
    if mesh.way == PACKED:
        return word_mesh(mesh, spikes, first, pointers, wires)
    if mesh.way == SLICED:
        return slice_mesh(mesh, spikes, first, pointers, wires)
    return step_mesh(mesh, spikes, first, pointers, cores, wires)


@inner
def alone(k, mesh, spikes, first, pointers):
    """A core that sends to itself only meets nobody: its packets pass one local queue, in order.

    Packet i enters at the earliest when packet i - 2 has left (two places), and leaves at the earliest one cycle
    after it entered and SINK_CYCLES after packet i - 1.
    """
    entered, left, left_before = -1, -SINK_CYCLES, -SINK_CYCLES
    gap, block = 0, 0
    for i in range(first[k], first[k + 1]):
        neuron = spikes[i]
        scanned = (neuron - mesh.neuron[k]) // mesh.lanes + 1
        gap += scanned - block + EMIT_SPIKE_CYCLES
        block = scanned
        for _ in range(pointers[neuron], pointers[neuron + 1]):
            entered = max(entered + 1 + gap, left_before + 1)
            left_before, left = left, max(entered + 1, left + SINK_CYCLES)
            gap = 0
    return max(left + SINK_CYCLES, entered + 1 + gap + mesh.scan[mesh.number[k]] - block)


@inner
def step_mesh(mesh, spikes, first, pointers, cores, wires):
    """One clock after the other, router by router; for meshes of any size."""
    width, n = mesh.width, mesh.width * mesh.height
    queue, held, gap, busy, moves = wires.queue, wires.held, wires.left, wires.busy, wires.moves
    schedule(mesh, spikes, first, pointers, wires)
    for core in range(n):
        wires.packet[core] = -1
    for k in range(mesh.busy):
        core = mesh.number[k]
        entry = wires.at[core]
        gap[core], wires.packet[core], wires.stop[core] = wires.gap[entry], wires.begin[entry], wires.end[entry]
    cycle = 0
    while True:
        active = False
        for core in range(n):
            active |= wires.packet[core] >= 0 or gap[core] > 0 or busy[core] > 0
            for port in range(5):
                active |= held[core * 5 + port] > 0
        if not active:
            return max(cycle, mesh.longest)
        n_moves = 0
        for core in range(n):
            x, y = core % width, core // width
            taken = 0
            for port in range(5):
                if held[core * 5 + port] == 0:
                    continue
                to = queue[core * 10 + port * 2]
                to_x, to_y = to % width, to // width
                behind, arrive, out = core, LOCAL, LOCAL
                if to_x > x:
                    out, behind, arrive = EAST, core + 1, WEST
                elif to_x < x:
                    out, behind, arrive = WEST, core - 1, EAST
                elif to_y > y:
                    out, behind, arrive = SOUTH, core + width, NORTH
                elif to_y < y:
                    out, behind, arrive = NORTH, core - width, SOUTH
                if taken >> out & 1:
                    continue
                taken |= 1 << out
                free = busy[core] == 0 if out == LOCAL else held[behind * 5 + arrive] < FIFO_DEPTH
                if free:
                    moves[n_moves * 3], moves[n_moves * 3 + 1] = core, port
                    moves[n_moves * 3 + 2] = -1 if out == LOCAL else behind * 5 + arrive
                    n_moves += 1
        for core in range(n):
            busy[core] = max(0, busy[core] - 1)
            if gap[core] > 0:
                gap[core] -= 1
            elif wires.packet[core] >= 0 and held[core * 5 + LOCAL] < FIFO_DEPTH:
                moves[n_moves * 3], moves[n_moves * 3 + 1] = -1, core
                moves[n_moves * 3 + 2] = cores[wires.packet[core]]
                n_moves += 1
                wires.packet[core] += 1
                if wires.packet[core] == wires.stop[core]:
                    entry = wires.at[core] + 1
                    wires.at[core] = entry
                    gap[core], wires.packet[core], wires.stop[core] = (
                        wires.gap[entry],
                        wires.begin[entry],
                        wires.end[entry],
                    )
        for i in range(n_moves):
            core, port, to = moves[i * 3], moves[i * 3 + 1], moves[i * 3 + 2]
            if core < 0:
                queue[port * 10 + LOCAL * 2 + held[port * 5 + LOCAL]] = to
                held[port * 5 + LOCAL] += 1
                continue
            target = queue[core * 10 + port * 2]
            queue[core * 10 + port * 2] = queue[core * 10 + port * 2 + 1]
            held[core * 5 + port] -= 1
            if to < 0:
                busy[core] = SINK_CYCLES - 1
            else:
                queue[to * 2 + held[to]] = target
                held[to] += 1
        cycle += 1
