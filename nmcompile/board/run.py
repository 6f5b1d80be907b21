"""Samples on a board, and the emulator beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import emulator
from emulator.energy import price
from emulator.kernel.simulate import checked_rewards
from emulator.prices import load_prices
from emulator.result import NOT_COUNTED, RunResult
from emulator.run_notes import RunNotes
from emulator.spec.image import Image
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS

from ..coding import decode
from ..coding.spikes import SpikeData
from ..results.learning_costs import learned_run
from ..results.summary import DEFAULT_PRICES, decided
from .compare import compare_counters, compare_outputs, compare_sample, neuron_name
from .link import Board
from .readback import compare_learned, read_learned
from .runner import CYCLES, Runner


def run_on_board(
    board: Board,
    image: Image,
    data: SpikeData,
    everything: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    compare: bool = False,
    learn: bool = False,
) -> RunResult:
    """Run samples on a board that holds the image; with `compare`, the emulator beside it.

    Args:
        everything: read the spikes of all neurons into `RunResult.spikes`, which is None otherwise; so does `compare`.
        learn: as of `evaluate`: samples follow each other from the image's weights on, `rewards` of the data go with
            them, and `RunResult.learned` is the image that they end in, read from the board. Otherwise nothing learns.

    Raises:
        MachineError: the board faulted, or differs from the emulator; the message is the first difference.
    """
    samples, timesteps, _ = data.spikes.shape
    rewards = checked_rewards(image, data.extra.get("rewards", 0) if learn else 0, samples)
    everything = everything or compare
    runner = Runner(board, image, everything, learn)
    image = runner.image
    wanted = None
    if compare:
        probes = [f"v:{runner.membrane.name}"] if runner.membrane is not None else []
        wanted = emulator.run(image, data.spikes, record_spikes=True, learn=learn, reward=rewards, probes=probes)
    started = time.monotonic()
    cores, chip = runner.core_counters(), runner.chip_counters()
    wrap = (1 << board.identity.counter_bits) - 1
    names = list(CHIP_COUNTERS)
    cycles, total = np.zeros(samples, np.int64), np.zeros(len(names), np.int64)
    counts = np.zeros((samples, len(image.outputs)), np.int32)
    scores = np.zeros((samples, len(image.outputs)))
    spikes = [np.zeros((0, 4), np.int32)]
    for sample in range(samples):
        rows, after = runner.sample(data.spikes[sample], int(rewards[sample]))
        step, chip = after - chip & wrap, after
        total += step
        cycles[sample] = sum(step[names.index(name)] for name in CYCLES)
        fired = runner.fired(rows)
        spikes.append(np.insert(fired, 0, sample, axis=1).astype(np.int32))
        if wanted is not None:
            compare_sample(image, sample, spikes[-1], int(cycles[sample]), wanted, bool(wrap))
        counts[sample] = runner.counts(rows, fired, timesteps)
        if wanted is not None:
            compare_outputs(sample, counts[sample], wanted.output_counts[sample], "what output {} sent")
        if runner.membrane is not None:
            sums = runner.membranes(rows, timesteps)
            if wanted is not None:
                v = wanted.probes[f"v:{runner.membrane.name}"][sample, image.window(timesteps)]
                compare_outputs(sample, sums, v.sum(axis=0), "the membrane sum of output {}")
            scores[sample] = sums / runner.membrane.scale
        if progress:
            progress("running", sample + 1, samples)
    ledger = dict(zip(COUNTERS, runner.core_counters() - cores & wrap, strict=True))
    ledger_chip = dict(zip(names, total.tolist(), strict=True))
    elapsed = time.monotonic() - started
    if wanted is not None and wrap:
        compare_counters(ledger, ledger_chip, wanted)
    found = np.concatenate(spikes)
    scored = counts if runner.membrane is None else scores
    result = _result(image, data, counts, scored, found, cycles, ledger, ledger_chip, elapsed, bool(wrap))
    if not everything:
        result = replace(result, spikes=None)
    if not learn:
        return result
    learned = read_learned(board, image)
    if wanted is not None:
        assert wanted.learned is not None
        compare_learned(learned, wanted.learned, lambda core, neuron: neuron_name(image, core, neuron))
    what = learned_run(image, learned, "rewards" in data.extra)
    return replace(result, learned=learned).with_notes(
        learning=replace(what, rows=result.total("rows") if wrap else None)
    )


def _result(
    image: Image,
    data: SpikeData,
    counts: np.ndarray,
    scores: np.ndarray,
    spikes: np.ndarray,
    cycles: np.ndarray,
    ledger: dict[str, np.ndarray],
    chip: dict[str, int],
    elapsed: float,
    counted: bool,
) -> RunResult:
    nothing = tuple(np.zeros(0, np.int64) for _ in range(image.arch.cores))
    fired = np.zeros((image.arch.cores, image.arch.neurons), np.int64)
    np.add.at(fired, (spikes[:, 2], spikes[:, 3]), 1)
    key = (spikes[:, 0].astype(np.int64) * image.arch.cores + spikes[:, 2]) * image.arch.neurons + spikes[:, 3]
    by_sample = np.bincount(key, minlength=len(cycles) * image.arch.cores * image.arch.neurons)
    by_sample = by_sample.reshape(len(cycles), image.arch.cores, image.arch.neurons)
    populations = [by_sample[:, p.location[:, 0], p.location[:, 1]].sum(axis=1) for p in image.populations]
    summed = image.notes is not None and image.notes.readout == "membrane"
    spoke = None if summed else np.asarray(counts.any(axis=1))
    predictions = decode.chosen(scores, spoke)
    notes = RunNotes(
        timesteps=data.spikes.shape[1],
        latency=image.latency,
        architecture=image.arch,
        populations=tuple(p.name for p in image.populations),
        image=image.notes,
        input_spikes=data.spikes.count,
        energy=price(image.arch, ledger, int(cycles.sum()), load_prices(DEFAULT_PRICES)).note() if counted else None,
        **decode.verdict(scores, predictions, data.labels),
    )
    return RunResult(
        output_counts=counts,
        predictions=predictions,
        spikes=spikes,
        sample_cycles=cycles,
        counters=ledger,
        chip=chip,
        executions=nothing,
        axon_events=nothing,
        neuron_spikes=fired,
        sample_spikes=np.stack(populations, axis=1).astype(np.int32)
        if populations
        else np.zeros((len(cycles), 0), np.int32),
        probes={},
        cycles_are="exact" if counted else NOT_COUNTED,
        rtl=image.arch.rtl,
        elapsed_s=elapsed,
        notes=notes,
    )


def summary(board: Board, result: RunResult, compared: bool) -> dict[str, Any]:
    """The keys of `nmc run --json`; null is what a board without counters cannot say."""
    counted = bool(board.identity.counter_bits)
    values: dict[str, Any] = {
        "samples": result.samples,
        "timesteps": result.notes.timesteps,
        "spikes": result.total("spikes") if counted else None if result.spikes is None else len(result.spikes),
        "synaptic_operations": result.total("synaptic_operations") if counted else None,
        "cycles_per_sample": float(result.sample_cycles.mean()) if counted else None,
        "cycles_are": "counted by the board" if counted else "not counted by this board",
        "architecture": board.identity.label,
        "port": board.transport.name,
        "retries": board.retries,
        "elapsed_s": result.elapsed_s,
    }
    values |= decided(result)
    if result.notes.learning and result.notes.learning.rows is not None:
        values["row_updates"] = result.notes.learning.rows
    if compared:
        values["differences"] = 0
        values["compared"] = ["spikes", *(["cycles", "counters"] if counted else [])]
        values["compared"] += (
            ["output membranes"] if result.notes.image and result.notes.image.readout == "membrane" else []
        )
        values["compared"] += ["what was learned"] if result.learned else []
    return values
