"""The emitters of the fabric phase: when each core can offer which packet."""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

import numpy as np

from ..spec.isa import EMIT_SPIKE_CYCLES
from .vectors import inner, spliced
from .words import NONE, ONE

WHEEL = 1 << 14  # more cycles than an emitter takes to its next packet: 2 * 4096 spikes, 256 blocks


@inner
def schedule(mesh, spikes, first, pointers, wires):
    """When emitters can offer: one entry a spike that sends, core by core; the longest scan without one.

    An entry is the cycles from the spike before it (block by block, two a spike) and its packets; `wires.gap` of an
    entry behind a core's last holds the cycles that it still scans.
    """
    entry, longest = np.int64(0), mesh.longest
    for k in range(mesh.busy):
        core = mesh.number[k]
        wires.at[core] = entry
        gap, block = np.int64(0), np.int64(0)
        for i in range(first[k], first[k + 1]):
            neuron = spikes[i]
            scanned = (neuron - mesh.neuron[k]) // mesh.lanes + 1
            gap += scanned - block + EMIT_SPIKE_CYCLES
            block = scanned
            if pointers[neuron] < pointers[neuron + 1]:
                wires.gap[entry], wires.begin[entry], wires.end[entry] = gap, pointers[neuron], pointers[neuron + 1]
                gap = 0
                entry += 1
        gap += mesh.scan[core] - block
        wires.gap[entry], wires.begin[entry] = gap, -1
        if wires.at[core] == entry:
            longest = max(longest, gap)
        entry += 1
    return longest


@inner
def begin(mesh, wires):
    """Enter the first packet of each core in the wheel; the cores that have one."""
    waiting = np.uint64(0)
    for k in range(mesh.busy):
        core = mesh.number[k]
        entry = wires.at[core]
        if wires.begin[entry] >= 0:
            wires.packet[core], wires.stop[core] = wires.begin[entry], wires.end[entry]
            wires.wheel[wires.gap[entry]] |= ONE << np.uint64(core)
            waiting |= ONE << np.uint64(core)
    return waiting


@spliced
def woken(cycle, wires):
    """The cores whose next packet is ready from this cycle on."""
    slot = cycle & (WHEEL - 1)
    cores = wires.wheel[slot]
    if cores:
        wires.wheel[slot] = NONE
    return cores


@spliced
def upcoming(cycle, wires):
    """The next cycle in which some core has a packet; one has."""
    cycle += 1
    while not wires.wheel[cycle & (WHEEL - 1)]:
        cycle += 1
    return cycle


@inner
def sent(core, cycle, wires):
    """A core sent its packet: 0 if the next one is ready, else the cycle in which it will be; negative if none is
    left, and the scan then ends in that cycle."""
    packet = wires.packet[core] + 1
    wires.packet[core] = packet
    if packet < wires.stop[core]:
        return 0
    entry = wires.at[core] + 1
    later, packet = cycle + 1 + wires.gap[entry], wires.begin[entry]
    wires.at[core], wires.packet[core] = entry, packet
    if packet < 0:
        return -later
    wires.stop[core] = wires.end[entry]
    wires.wheel[later & (WHEEL - 1)] |= ONE << np.uint64(core)
    return later
