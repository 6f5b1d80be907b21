"""How fast the machine runs, against the plain arithmetic of the same workload on this computer.

    python tools/bench.py                 all workloads
    python tools/bench.py W1 W2 -r 7      some of them, medians of 7 interleaved runs
    python tools/bench.py --cache DIR     keep the networks there (they take a minute to make)

The neuron is an integer LIF: v -= v >> 4; v += I; spike if v >= threshold; v = 0. Its workloads:

    W1  MLP 784-512-256-10, inputs and layers about 10 % active, 100 timesteps, on one core of `large`
    W2  4,096 recurrent neurons, 10 % dense, 3 % firing, 1,000 timesteps, on 2 x 2 cores
    W3  65,536 neurons, 256 random targets each, 1 % firing, 200 timesteps, on 8 x 8 cores (a model: no chip has
        cores that hear 65,536 axons)
    W4  784 inputs learn onto 400 neurons by pair STDP, 8-bit weights, 20 images of 350 timesteps in a row, inputs up
        to 6.4 % active, 15 spikes an image; changes are rounded to nearest, W4r: at random

The bound is a Numba kernel with nothing but the arithmetic: dense int8 rows into int16 sums, or CSR with prefetch,
then threshold; no cycles, no counters, no programs. Spike counts of both must be equal, learned weights too, and the
synaptic operations that the machine counts must be the workload's own.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from rich.console import Console
from rich.table import Table

import emulator
from emulator.kernel.vectors import address, inner, prefetch, raw
from emulator.spec import isa
from emulator.spec.arch import load_architecture
from emulator.spec.check import check_image
from emulator.spec.image import CoreImage, Image, empty_core
from emulator.spec.isa import Op

EXTERNAL = 96  # weight of the one-to-one drive of W2 and W3


# ------------------------------------------------------------------------------------- the plain arithmetic
@njit(nogil=True)
def threshold_pass(v, sums, threshold, flags, fired):
    """Leak, add, compare, reset; then list who fired; how many."""
    for j in range(len(v)):
        value = v[j] - (v[j] >> 4) + sums[j]
        flag = value >= threshold
        flags[j] = flag
        v[j] = 0 if flag else value
        sums[j] = 0
    count = 0
    words = flags.view(np.uint64)
    for word in range(len(words)):
        if words[word]:
            for j in range(8 * word, min(8 * word + 8, len(v))):
                if flags[j]:
                    fired[count] = j
                    count += 1
    return count


@njit(nogil=True)
def dense_pass(weights, fired, count, short, sums):
    """Add int8 rows, four a pass, in chunks that fit 16 bits."""
    n = len(short)
    for first in range(0, count, 252):
        last = min(count, first + 252)
        short[:] = 0
        i = first
        while i + 4 <= last:
            a, b, c, d = weights[fired[i]], weights[fired[i + 1]], weights[fired[i + 2]], weights[fired[i + 3]]
            for j in range(n):
                short[j] += np.int16(np.int16(a[j]) + np.int16(b[j])) + np.int16(np.int16(c[j]) + np.int16(d[j]))
            i += 4
        while i < last:
            a = weights[fired[i]]
            for j in range(n):
                short[j] += np.int16(a[j])
            i += 1
        for j in range(n):
            sums[j] += np.int32(short[j])


@njit(nogil=True)
def plain_layers(weights, thresholds, inputs):
    """W1: layers fed in the same step; spikes of each layer (samples, layers)."""
    samples, steps, _ = inputs.shape
    counts = np.zeros((samples, 3), np.int64)
    w0, w1, w2 = weights
    fired = np.zeros((4, 1024), np.int64)
    for s in range(samples):
        v0, v1, v2 = np.zeros(512, np.int32), np.zeros(256, np.int32), np.zeros(16, np.int32)
        s0, s1, s2 = np.zeros(512, np.int32), np.zeros(256, np.int32), np.zeros(16, np.int32)
        h0, h1, h2 = np.zeros(512, np.int16), np.zeros(256, np.int16), np.zeros(16, np.int16)
        f0, f1, f2 = np.zeros(512, np.uint8), np.zeros(256, np.uint8), np.zeros(16, np.uint8)
        for t in range(steps):
            n = 0
            words = inputs[s, t].view(np.uint64)
            for word in range(len(words)):
                if words[word]:
                    for j in range(8 * word, 8 * word + 8):
                        if inputs[s, t, j]:
                            fired[0, n] = j
                            n += 1
            dense_pass(w0, fired[0], n, h0, s0)
            n = threshold_pass(v0, s0, thresholds[0], f0, fired[1])
            counts[s, 0] += n
            dense_pass(w1, fired[1], n, h1, s1)
            n = threshold_pass(v1, s1, thresholds[1], f1, fired[2])
            counts[s, 1] += n
            dense_pass(w2, fired[2], n, h2, s2)
            counts[s, 2] += threshold_pass(v2, s2, thresholds[2], f2, fired[3])
    return counts


@njit(nogil=True)
def plain_dense(weights, threshold, drive):
    """W2: recurrent dense rows; spikes of each step."""
    steps, n = drive.shape
    counts = np.zeros(steps, np.int64)
    v, sums = np.zeros(n, np.int32), np.zeros(n, np.int32)
    short, flags, fired = np.zeros(n, np.int16), np.zeros(n, np.uint8), np.zeros(n, np.int64)
    count = 0
    for t in range(steps):
        dense_pass(weights, fired, count, short, sums)
        for j in range(n):
            sums[j] += EXTERNAL * np.int32(drive[t, j])
        count = threshold_pass(v, sums, threshold, flags, fired)
        counts[t] = count
    return counts


class Csr(NamedTuple):
    pointers: np.ndarray  # (n + 1,) int64
    targets: np.ndarray  # uint16
    weights: np.ndarray  # int8


@inner
def csr_pass(csr, fired, count, sums):
    """Add sparse rows; the one four ahead is prefetched."""
    targets, weights = address(csr.targets), address(csr.weights)
    for i in range(count):
        if i + 4 < count:
            first, last = csr.pointers[fired[i + 4]], csr.pointers[fired[i + 4] + 1]
            for at in range(targets + 2 * first, targets + 2 * last, 64):
                prefetch(at)
            for at in range(weights + first, weights + last, 64):
                prefetch(at)
        for j in range(csr.pointers[fired[i]], csr.pointers[fired[i] + 1]):
            sums[csr.targets[j]] += np.int32(csr.weights[j])


@njit(nogil=True)
def plain_sparse(csr, threshold, drive):
    """W3 (and W2 to choose its threshold): recurrent CSR rows; spikes of each step."""
    rows = raw(csr)
    steps, n = drive.shape
    counts = np.zeros(steps, np.int64)
    v, sums = np.zeros(n, np.int32), np.zeros(n, np.int32)
    flags, fired = np.zeros(n, np.uint8), np.zeros(n, np.int64)
    count = 0
    for t in range(steps):
        csr_pass(rows, fired, count, sums)
        for j in range(n):
            sums[j] += EXTERNAL * np.int32(drive[t, j])
        count = threshold_pass(v, sums, threshold, flags, fired)
        counts[t] = count
    return counts


DECAY = 124680  # of traces, of 2**17: 20 timesteps
UP, DOWN = 83231, -87392  # weight change per unit of a trace, 2**-29 each
TRACE = 8192  # of one spike


@inner
def decay_pass(traces):
    for i in range(len(traces)):
        traces[i] = np.int64(traces[i]) * DECAY >> 17


@inner
def amount_pass(traces, factor, shift, amounts):
    """Weight changes of traces, rounded to nearest; whoever reads a trace this often reads them from here."""
    for i in range(len(traces)):
        amounts[i] = (np.int64(traces[i]) * factor + (1 << (shift - 1))) >> shift


@inner
def draw_pass(state, draws):
    """15 random bits a neuron; a generator a lane, as on the machine."""
    for block in range(0, len(draws), 8):
        for lane in range(8):
            s = state[lane]
            fresh = (s >> np.uint32(7) ^ s >> np.uint32(4)) & np.uint32(0xFFFFFF)
            state[lane] = (s << np.uint32(24) | fresh) & np.uint32(0x7FFFFFFF)
            draws[block + lane] = fresh & np.uint32(0x7FFF)


@njit(nogil=True)
def plain_learning(start, threshold, inputs, at_random):
    """W4: (spikes of each sample, learned weights); a row changes if it was delivered, or if a neuron fired."""
    samples, steps, n = inputs.shape
    counts, weights = np.zeros(samples, np.int64), start.copy()
    v, sums, x, y = np.zeros(400, np.int32), np.zeros(400, np.int32), np.zeros(n, np.int32), np.zeros(400, np.int32)
    flags, fired, came = np.zeros(400, np.uint8), np.zeros(400, np.int64), np.zeros(n, np.int64)
    up, down, draws = np.zeros(n, np.int32), np.zeros(400, np.int32), np.zeros(400, np.int32)
    short, state = np.zeros(400, np.int16), np.ones(8, np.uint32)
    shift = 14 if at_random else 29
    for s in range(samples):
        v[:], x[:], y[:] = 0, 0, 0
        for t in range(steps):
            n_came = 0
            words = inputs[s, t].view(np.uint64)
            for word in range(len(words)):
                if words[word]:
                    for j in range(8 * word, 8 * word + 8):
                        if inputs[s, t, j]:
                            came[n_came] = j
                            n_came += 1
            dense_pass(weights, came, n_came, short, sums)
            n_fired = threshold_pass(v, sums, threshold, flags, fired)
            counts[s] += n_fired
            decay_pass(x)
            decay_pass(y)
            for i in range(n_came):
                x[came[i]] += TRACE
            if n_came or n_fired:
                amount_pass(y, DOWN, shift, down)
            if n_fired:
                amount_pass(x, UP, shift, up)
                for i in range(n):
                    if x[i]:
                        row, more = weights[i], up[i]
                        if at_random:
                            draw_pass(state, draws)
                            less = inputs[s, t, i]
                            for j in range(400):
                                change = draws[j] + more * flags[j] + down[j] * less
                                row[j] = min(max(row[j] + (change >> 15), 0), 127)
                        elif inputs[s, t, i]:
                            for j in range(400):
                                row[j] = min(max(row[j] + more * flags[j] + down[j], 0), 127)
                        else:
                            for j in range(n_fired):
                                row[fired[j]] = min(row[fired[j]] + more, 127)
            else:
                for i in range(n_came):
                    row = weights[came[i]]
                    if at_random:
                        draw_pass(state, draws)
                        for j in range(400):
                            row[j] = max(row[j] + ((draws[j] + down[j]) >> 15), 0)
                    else:
                        for j in range(400):
                            row[j] = max(row[j] + down[j], 0)
            for j in range(n_fired):
                y[fired[j]] += TRACE
    return counts, weights


# --------------------------------------------------------------------------------------------- the networks
def make_layers(seed: int = 101) -> dict[str, np.ndarray]:
    """W1: weights w0..w2 int8 (the last padded to 16 columns), thresholds, inputs (20, 100, 784) uint8."""
    rng = np.random.default_rng(seed)
    sizes = (784, 512, 256, 10)
    weights = []
    for a, b in itertools.pairwise(sizes):
        w = np.clip(np.rint(rng.normal(2, 24, (a, b))), -127, 127).astype(np.int8)
        w[w == 0] = 1  # a weight of zero is no synapse
        weights.append(w)
    weights[2] = np.concatenate([weights[2], np.zeros((256, 6), np.int8)], axis=1)
    inputs = (rng.random((20, 100, 784)) < 0.10).astype(np.uint8)
    thresholds = np.full(3, 1 << 30, np.int64)
    for layer, size in enumerate(sizes[1:]):  # each layer about 10 % active
        lo, hi = 1, 200_000
        while hi - lo > 1:
            thresholds[layer] = (lo + hi) // 2
            rate = plain_layers(tuple(weights), thresholds, inputs[:4])[:, layer].sum() / (4 * 100 * size)
            lo, hi = (thresholds[layer], hi) if rate > 0.10 else (lo, thresholds[layer])
        thresholds[layer] = hi
    return {"w0": weights[0], "w1": weights[1], "w2": weights[2], "thresholds": thresholds, "inputs": inputs}


def make_recurrent(seed: int, n: int, fan: int | float, steps: int, rate: float, drive: float) -> dict[str, np.ndarray]:
    """W2, W3: CSR rows of weights -20..20, threshold for a firing rate, one-to-one drive (steps, n) uint8."""
    rng = np.random.default_rng(seed)
    if isinstance(fan, int):
        rows = np.sort(rng.integers(0, n, (n, fan)), axis=1)
        keep = np.ones(rows.shape, bool)
        keep[:, 1:] = rows[:, 1:] != rows[:, :-1]  # a row meets a target once
    else:
        keep = rng.random((n, n)) < fan
        rows = np.broadcast_to(np.arange(n), (n, n))
    pointers = np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.int64)
    targets = rows[keep].astype(np.uint16)
    weights = rng.integers(-20, 20, len(targets)).astype(np.int8)
    weights[weights >= 0] += 1  # a weight of zero is no synapse
    driven = (rng.random((steps, n)) < drive).astype(np.uint8)
    csr = Csr(pointers, targets, weights)
    lo, hi = 10, 4000
    while hi - lo > 1:
        middle = (lo + hi) // 2
        got = plain_sparse(csr, middle, driven[:60])[30:].mean() / n
        lo, hi = (middle, hi) if got > rate else (lo, middle)
    return {**csr._asdict(), "threshold": np.array(hi), "drive": driven}


def make_learning(seed: int = 104) -> dict[str, np.ndarray]:
    """W4: weights (784, 400) int8, threshold, inputs (20, 350, 784) uint8: blobs of four spots."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:28, 0:28]
    inputs = np.zeros((20, 350, 784), np.uint8)
    for image in inputs:
        spots = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) for a, b in rng.uniform(6, 22, (4, 2)))
        image[:] = rng.random((350, 784)) < 0.064 * np.clip(spots, 0, 1).ravel()
    weights = rng.integers(1, 39, (784, 400)).astype(np.int8)
    lo, hi = 1, 1 << 20
    while hi - lo > 1:
        middle = (lo + hi) // 2
        got = plain_learning(weights, middle, inputs, False)[0].mean()
        lo, hi = (middle, hi) if got > 15 else (lo, middle)
    return {"weights": weights, "threshold": np.array(hi), "inputs": inputs}


# ----------------------------------------------------------------------------------------------- the images
def neuron_program(first: int, blocks: int, lanes_in_last: int, threshold: int) -> list[Op]:
    """v = ceil(15 v / 16) + I, which is v - (v >> 4) + I; spike and reset at the threshold."""
    return [
        Op("range", imm=isa.halves(first, blocks), d=lanes_in_last - 1),
        Op("mac", d=0, a=0, imm_b=1, imm=15, shift=4, round=1, c=isa.SRC_ACC_CLEAR),
        Op("cge", d=0, a=0, imm_b=1, imm=threshold),
        Op("mov", d=0, imm_b=1, imm=0, pred=1),
        Op("spk", pred=1),
    ]


def guarded(depth: int, ops: list[Op]) -> list[Op]:
    """Only in depth <= t < depth + T."""
    when = Op("when", imm=isa.halves(depth, depth), flag=1, d=len(ops) // 16, a=len(ops) % 16)
    return [when, *ops]


def words(ops: list[Op]) -> np.ndarray:
    return np.array([isa.encode(op) for op in ops], np.uint64)


def axon_words(**fields: np.ndarray) -> np.ndarray:
    """Many axon entries."""
    total = np.zeros(1, np.uint64)
    for name, values in fields.items():
        total = total | np.asarray(values).astype(np.uint64) << np.uint64(isa.AXON_FIELDS[name][0])
    return total


def layer_image(net: dict[str, np.ndarray]) -> Image:
    """W1 on one core of `large`: the layers side by side, dense 8-bit rows."""
    arch = load_architecture("large")
    firsts, blocks, in_last = (0, 64, 96), (64, 32, 2), (8, 8, 2)
    sources = (784, 512, 256)
    ops: list[Op] = []
    entries, synapses, axon, word = [], [], 0, 0
    for layer in range(3):
        update = neuron_program(firsts[layer], blocks[layer], in_last[layer], int(net["thresholds"][layer]))
        integ = Op("integ", imm=isa.halves(axon // 16, sources[layer] // 16))
        ops += guarded(layer, [integ, *update])
        per_row = blocks[layer] // 2
        synapses.append(np.ascontiguousarray(net[f"w{layer}"]).view(np.uint16).reshape(-1, 8))
        entries.append(
            axon_words(
                word=word + per_row * np.arange(sources[layer]),
                beats=blocks[layer] - 1,
                block=firsts[layer],
                format=isa.DENSE8,
            )
        )
        axon, word = axon + sources[layer], word + per_row * sources[layer]
    ops += [Op("end", imm=98), *neuron_program(0, 98, 8, 0)[:1], Op("mov", d=0, imm_b=1, imm=0), Op("end")]
    core = CoreImage(
        words(ops),
        len(ops) - 3,
        np.concatenate(entries),
        np.concatenate(synapses),
        np.zeros((arch.registers, 0, 8), np.int32),
        (np.uint32(1 << 20) | np.arange(768, dtype=np.uint32)).astype(np.uint32),
        (784 + np.arange(768)).astype(np.uint32),
        np.ones(8, np.uint32),
    )
    outputs = np.stack([np.zeros(10), 768 + np.arange(10)], axis=1).astype(np.int32)
    cores = (core, *(empty_core(arch) for _ in range(arch.cores - 1)))
    return Image(arch, cores, np.arange(785), np.arange(784, dtype=np.uint32), outputs, 2, ())


def recurrent_image(net: dict[str, np.ndarray], side: int, dense: bool) -> Image:
    """W2, W3 on side x side cores of 1,024 neurons; axon s of every core is source s, then its own drive."""
    per_core, lanes = 1024, 8
    n = side * side * per_core
    arch = dataclasses.replace(
        load_architecture("large"),
        name=f"model-{side}x{side}",
        mesh_width=side,
        mesh_height=side,
        axons=n + per_core,
        synapse_words=1 << 19,
        rtl=False,
    )
    source = np.repeat(np.arange(n), np.diff(net["pointers"]))
    target = net["targets"].astype(np.int64)
    order = np.argsort(target // per_core, kind="stable")
    cuts = np.searchsorted((target // per_core)[order], np.arange(side * side + 1))
    reached = np.zeros((n, side * side), bool)
    ops = [
        Op("integ", imm=isa.halves(0, (n + per_core) // 16)),
        *neuron_program(0, per_core // lanes, lanes, int(net["threshold"])),
        Op("end", imm=per_core // lanes),
        Op("range", imm=isa.halves(0, per_core // lanes), d=lanes - 1),
        Op("mov", d=0, imm_b=1, imm=0),
        Op("end"),
    ]
    ops = guarded(0, ops[:6]) + ops[6:]
    parts = []
    for core in range(side * side):
        mine = order[cuts[core] : cuts[core + 1]]
        s, local, weight = source[mine], target[mine] % per_core, net["weights"][mine]
        reached[s, core] = True
        if dense:
            rows = np.zeros((n, per_core), np.int8)
            rows[s, local] = weight
            synapses = rows.view(np.uint16).reshape(-1, lanes)
            entries = axon_words(
                word=np.arange(n) * (per_core // 16), beats=per_core // lanes - 1, format=isa.DENSE8, block=0
            )
        else:
            entries, synapses = pack_sparse(s, local, weight, n, lanes)
        drive = np.zeros((per_core, lanes), np.uint16)
        own = np.arange(per_core)
        drive[own, own % lanes] = own // lanes << 8 | EXTERNAL
        entries = np.concatenate([entries, axon_words(word=len(synapses) + own, format=isa.SPARSE)])
        parts.append((entries, np.concatenate([synapses, drive])))
    cores = []
    for core, (entries, synapses) in enumerate(parts):
        mine = slice(core * per_core, (core + 1) * per_core)
        who, to = np.nonzero(reached[mine])
        counts = reached[mine].sum(axis=1).astype(np.uint32)
        first = (np.cumsum(counts) - counts).astype(np.uint32)
        routes = (to << 24 | (core * per_core + who)).astype(np.uint32)
        cores.append(
            CoreImage(
                words(ops),
                len(ops) - 3,
                entries,
                synapses,
                np.zeros((arch.registers, 0, lanes), np.int32),
                counts << 20 | first,
                routes,
                np.ones(lanes, np.uint32),
            )
        )
    inputs = np.arange(n)
    routes = (inputs // per_core << 24 | (n + inputs % per_core)).astype(np.uint32)
    return Image(arch, tuple(cores), np.arange(n + 1), routes, np.zeros((0, 2), np.int32), 0, ())


def learning_image(net: dict[str, np.ndarray], at_random: bool) -> Image:
    """W4 on one core of `large`: neurons in blocks 0..49, the weight in r1, their trace in r2, changes in r3."""
    arch = load_architecture("large")
    neurons, axons = Op("range", imm=isa.halves(0, 50), d=7), Op("range", imm=isa.halves(0, 98), d=7, flag=1)
    changed, shift = (3, 14) if at_random else (1, 29)
    body = [
        Op("mac", pred=1, d=changed, a=isa.SRC_TRACE, c=changed, imm_b=1, imm=UP, shift=shift, round=2),
        Op("mac", pred=isa.PRED_PRE, d=changed, a=2, c=changed, imm_b=1, imm=DOWN, shift=shift, round=2),
        Op("max", d=1, a=1, imm_b=1, imm=0),
    ]
    if at_random:
        body.insert(0, Op("rnd", d=3, shift=15))
        body.insert(3, Op("mac", d=1, a=3, c=1, imm_b=1, imm=1, shift=15))
    ops = [
        Op("integ", imm=isa.halves(0, 49)),
        *neuron_program(0, 50, 8, int(net["threshold"])),
        axons,
        Op("mul", d=0, a=0, imm_b=1, imm=DECAY, shift=17),
        Op("add", pred=isa.PRED_PRE, d=0, a=0, imm_b=1, imm=TRACE),
        neurons,
        Op("mul", d=2, a=2, imm_b=1, imm=DECAY, shift=17),
        Op("rows", imm=isa.halves(0, 783), d=1, a=0, c=0, shift=3, pred=len(body) // 4, round=len(body) % 4),
        *body,
        Op("endrows"),
        Op("add", pred=1, d=2, a=2, imm_b=1, imm=TRACE),
        Op("end", imm=50),
    ]
    nothing = [Op("mov", d=0, imm_b=1), Op("end")]
    reset = [neurons, Op("mov", d=2, imm_b=1), Op("mov", d=0, imm_b=1), axons, *nothing]
    core = CoreImage(
        words(ops + reset),
        len(ops),
        axon_words(word=25 * np.arange(784), beats=49, format=isa.DENSE8),
        np.ascontiguousarray(net["weights"]).view(np.uint16).reshape(-1, 8),
        np.zeros((arch.registers, 0, 8), np.int32),
        np.zeros(0, np.uint32),
        np.zeros(0, np.uint32),
        np.ones(8, np.uint32),
    )
    cores = (core, *(empty_core(arch) for _ in range(arch.cores - 1)))
    return Image(arch, cores, np.arange(785), np.arange(784, dtype=np.uint32), np.zeros((0, 2), np.int32), 0, ())


def pack_sparse(source, local, weight, n: int, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Sparse rows of one core: a target sits in its own lane, in the first word where that is free."""
    lane = local % lanes
    order = np.lexsort((lane, source))
    source, local, weight, lane = source[order], local[order], weight[order], lane[order]
    key = source * lanes + lane
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    start = np.flatnonzero(first)
    beat = np.arange(len(key)) - np.repeat(start, np.diff(np.append(start, len(key))))
    beats = np.zeros(n, np.int64)
    np.maximum.at(beats, source, beat + 1)
    word = np.cumsum(beats) - beats
    synapses = np.zeros((int(beats.sum()), lanes), np.uint16)
    synapses[word[source] + beat, lane] = local // lanes << 8 | (weight.astype(np.int64) & 0xFF)
    used = beats > 0
    entries = axon_words(
        word=np.where(used, word, 0), beats=np.where(used, beats - 1, 0), format=np.where(used, isa.SPARSE, isa.NONE)
    )
    return entries, synapses


# ---------------------------------------------------------------------------------------------- measurement
class Workload(NamedTuple):
    """A network, its image and what it should count."""

    image: Image
    inputs: np.ndarray  # (samples, T, inputs) uint8
    plain: Callable[[], Any]  # the bound
    operations: Callable[[emulator.RunResult, Any], int]  # counted on the machine, if it did what the bound did
    learn: bool = False


def same(ok: Any, text: str) -> None:
    if not ok:
        raise AssertionError(f"the machine and the bound {text}")


def load(name: str, cache: Path) -> Workload:
    makers = {
        "W1": lambda: make_layers(),
        "W2": lambda: make_recurrent(102, 4096, 0.10, 1000, 0.03, 0.05),
        "W3": lambda: make_recurrent(103, 65536, 256, 200, 0.01, 0.02),
        "W4": lambda: make_learning(),
    }
    path = cache / f"{name[:2]}.npz"
    if not path.exists():
        np.savez(path, **makers[name[:2]]())
    net = dict(np.load(path))
    return {"W1": layers, "W2": recurrent, "W3": recurrent, "W4": learning}[name[:2]](name, net)


def layers(name: str, net: dict[str, np.ndarray]) -> Workload:
    weights, inputs = (net["w0"], net["w1"], net["w2"]), net["inputs"]

    def operations(result: emulator.RunResult, counts: np.ndarray) -> int:
        fired = result.neuron_spikes[0]
        spikes = np.array([fired[:512].sum(), fired[512:768].sum(), fired[768:778].sum()])
        same(np.array_equal(spikes, counts.sum(axis=0)), "fire differently")
        counted = result.total("synaptic_operations")
        same(counted == np.concatenate([[inputs.sum()], spikes[:2]]) @ (512, 256, 10), "count other operations")
        return counted

    return Workload(layer_image(net), inputs, lambda: plain_layers(weights, net["thresholds"], inputs), operations)


def recurrent(name: str, net: dict[str, np.ndarray]) -> Workload:
    csr = Csr(net["pointers"], net["targets"], net["weights"])
    drive, threshold = net["drive"], int(net["threshold"])
    n = len(csr.pointers) - 1
    if name == "W2":
        rows = np.zeros((n, n), np.int8)
        rows[np.repeat(np.arange(n), np.diff(csr.pointers)), csr.targets] = csr.weights
        image, plain = recurrent_image(net, 2, dense=True), lambda: plain_dense(rows, threshold, drive)
    else:
        image, plain = recurrent_image(net, 8, dense=False), lambda: plain_sparse(csr, threshold, drive)

    def operations(result: emulator.RunResult, counts: np.ndarray) -> int:
        same(result.neuron_spikes.sum() == counts.sum(), "fire differently")
        driven = sum(int(events[n:].sum()) for events in result.axon_events)
        same(driven == drive.sum(), "are driven differently")
        return result.total("synaptic_operations") - driven

    return Workload(image, drive[None], plain, operations)


def learning(name: str, net: dict[str, np.ndarray]) -> Workload:
    at_random, inputs, threshold = name == "W4r", net["inputs"], int(net["threshold"])

    def operations(result: emulator.RunResult, plain: tuple[np.ndarray, np.ndarray]) -> int:
        counts, weights = plain
        same(result.neuron_spikes.sum() == counts.sum(), "fire differently")
        learned = result.learned.cores[0].synapses.reshape(-1).view(np.int8).reshape(784, 400)
        same(np.array_equal(learned, weights), "learn different weights")
        return 400 * result.total("events")

    def plain() -> tuple[np.ndarray, np.ndarray]:
        return plain_learning(net["weights"], threshold, inputs, at_random)

    return Workload(learning_image(net, at_random), inputs, plain, operations, learn=True)


def measure(name: str, cache: Path, repeats: int, table: Table) -> None:
    """One row of the table."""
    work = load(name, cache)
    check_image(work.image)
    begun = time.perf_counter()
    machine = emulator.prepare(work.image)
    laid_out = time.perf_counter() - begun

    def run(fabric: str) -> emulator.RunResult:
        return emulator.run(machine, work.inputs, fabric=fabric, learn=work.learn)

    plain = work.plain()  # compiles
    result = run("exact")
    operations, timesteps = work.operations(result, plain), result.chip["timesteps"]
    seconds: dict[str, list[float]] = {"bound": [], "off": [], "exact": []}
    for _ in range(repeats):
        begun = time.perf_counter()
        work.plain()
        seconds["bound"].append(time.perf_counter() - begun)
        for fabric in ("off", "exact"):
            seconds[fabric].append(run(fabric).elapsed_s)
    median = {key: statistics.median(values) for key, values in seconds.items()}
    speed = {key: operations / value / 1e9 for key, value in median.items()}
    table.add_row(
        name,
        f"{operations / timesteps:,.0f}",
        f"{speed['bound']:.2f}",
        f"{speed['exact']:.2f}",
        f"{speed['exact'] / speed['bound']:.2f}",
        f"{speed['off']:.2f}",
        f"{speed['off'] / speed['bound']:.2f}",
        f"{median['exact'] / timesteps * 1e6:.2f}",
        f"{result.chip['fabric_cycles'] / timesteps:,.0f}",
        f"{laid_out:.1f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="W", help="W1, W2, W3, W4, W4r; all if none is named")
    parser.add_argument("-r", "--repeats", type=int, default=5, help="interleaved runs of each (default 5)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "nmcompile-bench")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    table = Table(title="billions of synaptic operations a second, one thread, one sample at a time")
    for heading in (
        "",
        "SOP/step",
        "bound",
        "exact",
        "/bound",
        "no fabric",
        "/bound",
        "us/step",
        "mesh cycles",
        "load s",
    ):
        table.add_column(heading, justify="right")
    for name in options.workloads or ["W1", "W2", "W3", "W4", "W4r"]:
        measure(name, options.cache, options.repeats, table)
    Console(width=115).print(table)


if __name__ == "__main__":
    main()
