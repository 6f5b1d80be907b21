"""Run an image on the emulator and gather everything a person wants to know into the result's meta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

import emulator
from emulator.energy import price
from emulator.prices import load_prices
from emulator.result import RunResult
from emulator.spec.errors import InputError, UsageError
from emulator.spec.image import Image

from ..coding import decode
from ..coding.spikes import SpikeData, largest_input
from ..learning.learned import check_learns, set_learning
from .costs import core_fill, neurobench, population_costs
from .learning_costs import learning_meta
from .summary import DEFAULT_PRICES


def evaluate(
    image: Image,
    data: SpikeData,
    *,
    threads: int = 1,
    probes: Sequence[str] = (),
    prices: str = DEFAULT_PRICES,
    record_spikes: bool = False,
    learn: bool = False,
    readout: str | None = None,
) -> RunResult:
    """Run all samples; meta then holds what `summary` and the report show.

    Args:
        readout: how predictions are made, one of `decode.READOUTS`; None: what the image was compiled for, the
            membrane of outputs that do not spike, else the count.
        probes: "REGISTER:POPULATION" each.
        prices: name or path of a price table.
        learn: samples follow each other, and `RunResult.learned` is the image that they end in; `rewards` of the data,
            (samples,) integers, go with them. Otherwise nothing learns.

    Raises:
        InputError: inputs of the wrong width, an unknown probe, an unknown or incomplete price table.
        UsageError: learning where nothing learns, or a readout of spikes that there are not.
    """
    if learn:
        check_learns(image)
    image = set_learning(image, learn)
    reward = data.extra.get("rewards", 0) if learn else 0
    spikes = data.spikes
    largest = largest_input(image)
    if spikes.size and spikes.max() > largest:
        raise InputError(
            f"inputs go up to {spikes.max()}, but this image takes 0 to {largest}; compile it with --input-levels for "
            "analog inputs"
        )
    table = load_prices(prices)
    wanted = list(probes)
    membrane = f"v:{image.meta['output']}"
    native = image.meta.get("readout", "count")
    readout = readout or native
    if readout not in decode.READOUTS or (readout != "membrane" and native == "membrane"):
        choices = ", ".join(decode.READOUTS) if native == "count" else "membrane, as its outputs do not spike"
        raise UsageError(f"readout {readout!r} of {image.meta['output']!r}; the choices are {choices}")
    if readout == "membrane" and membrane not in wanted:
        wanted.append(membrane)
    result = emulator.run(
        image,
        spikes,
        threads=threads,
        probes=wanted,
        record_spikes=record_spikes or readout == "first-spike",
        learn=learn,
        reward=reward,
    )
    recorded = result.probes
    scores = result.output_counts
    if readout == "membrane":
        scale = image.population(image.meta["output"]).scale
        scores = (recorded[membrane][:, image.latency :][:, : spikes.shape[1]] / scale).sum(axis=1)
    elif readout == "first-spike":
        scores = decode.earliness(decode.trains(image, result))
    predictions = decode.chosen(scores, None if readout == "membrane" else np.asarray(scores.any(axis=1)))
    result = replace(result, predictions=predictions, spikes=result.spikes if record_spikes else None)
    energy = price(image.arch, result.counters, int(result.sample_cycles.sum()), table)
    meta: dict[str, Any] = {
        "image": image.meta,
        "architecture": image.arch.as_dict(),
        "input_spikes": int(np.count_nonzero(spikes)),
        "costs": [],
        "fill": core_fill(image),
        "energy": energy.as_dict(),
    } | decode.verdict(scores, predictions, data.labels)
    if result.learned is not None:
        meta["learning"] = learning_meta(image, result, "rewards" in data.extra, table)
    if record_spikes:  # and what the report's pictures show: one sample, its inputs and every membrane
        traced = emulator.run(image, spikes[:1], probes=[f"v:{p.name}" for p in image.populations])
        recorded = traced.probes | recorded
        meta["shown"] = {"sample": 0, "inputs": np.argwhere(spikes[0]).tolist()}
        meta["locations"] = {p.name: p.location.tolist() for p in image.populations}
    if "float_accuracy" in data.extra:
        meta["float_accuracy"] = float(data.extra["float_accuracy"])
    result = replace(result.with_meta(**meta), probes=recorded)
    return result.with_meta(
        costs=[asdict(cost) for cost in population_costs(image, result)], neurobench=neurobench(image, result)
    )
