"""Run an image on the emulator and gather everything a person wants to know into the result's notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import emulator
from emulator.energy import price
from emulator.prices import load_prices
from emulator.result import RunResult
from emulator.run_notes import Shown
from emulator.spec.errors import InputError, UsageError
from emulator.spec.image import Image
from emulator.spec.notes import Notes

from ..coding import decode
from ..coding.spikes import SpikeData, largest_input, read_spikes
from ..learning.learned import check_learns, set_learning
from ..pipeline import Compilation, as_image
from .costs import core_fill, neurobench, population_costs
from .learning_costs import learning_run
from .summary import DEFAULT_PRICES


def evaluate(
    image: Image | Compilation | str | Path,
    data: Any,
    *,
    threads: int = 1,
    probes: Sequence[str] = (),
    prices: str = DEFAULT_PRICES,
    record_spikes: bool = False,
    learn: bool = False,
    readout: str | None = None,
) -> RunResult:
    """Run all samples; the notes then hold what `summary` and the report show.

    Args:
        image: an image, what `compile_network` gave, or an .nmi file.
        data: SpikeData, or whatever `read_spikes` takes: a path, an array (samples, timesteps, inputs), recordings.
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
    image = as_image(image)
    notes = image.compiled
    if not isinstance(data, SpikeData):
        data = read_spikes(data, image.n_inputs, largest_input(image))
    if learn:
        check_learns(image)
    image = set_learning(image, learn)
    _check_inputs(image, data)
    table, how = load_prices(prices), _readout(notes, readout)
    membrane = f"v:{notes.output}"
    wanted = [*probes, *([membrane] if how.of == "membranes" and membrane not in probes else [])]
    result = emulator.run(
        image,
        data.spikes,
        threads=threads,
        probes=wanted,
        record_spikes=record_spikes or how.of == "trains",
        learn=learn,
        reward=data.extra.get("rewards", 0) if learn else 0,
    )
    match how.of:
        case "counts":
            outputs = result.output_counts
        case "trains":
            outputs = decode.trains(image, result)
        case "membranes":
            v = result.probes[membrane][:, image.window(result.notes.timesteps)]
            outputs = v / image.population(notes.output).scale
    scores = how.score(outputs)
    predictions = how.predict(scores)
    result = replace(result, predictions=predictions, spikes=result.spikes if record_spikes else None)
    result = result.with_notes(
        input_spikes=data.spikes.count,
        fill=core_fill(image),
        energy=price(image.arch, result.counters, int(result.sample_cycles.sum()), table).note(),
        float_accuracy=float(data.extra["float_accuracy"]) if "float_accuracy" in data.extra else None,
        **decode.verdict(scores, predictions, data.labels),
    )
    if result.learned is not None:
        result = result.with_notes(learning=learning_run(image, result, "rewards" in data.extra, table))
    if record_spikes:
        result = _with_pictures(image, data, result)
    result = result.with_notes(costs=population_costs(image, result))
    return result.with_notes(neurobench=neurobench(image, result))


def _check_inputs(image: Image, data: SpikeData) -> None:
    largest = largest_input(image)
    if data.spikes.largest > largest:
        raise InputError(
            f"inputs go up to {data.spikes.largest}, but this image takes 0 to {largest}; compile it with "
            "--input-levels for analog inputs"
        )

    outputs = len(image.outputs)
    if data.labels is not None and not 0 <= data.labels.min() <= data.labels.max() < outputs:
        raise InputError(
            f"labels from {data.labels.min()} to {data.labels.max()}, but the network has {outputs} outputs, counted "
            "from 0; leave labels out, or number the classes as the outputs are"
        )


def _readout(notes: Notes, name: str | None) -> decode.Readout:
    """The readout to use; UsageError if there is none of that name, or outputs have no spikes for it."""
    name, spiking = name or notes.readout, notes.readout == "count"
    choices = {key: how for key, how in decode.READOUTS.items() if spiking or not how.spiking}
    if name not in choices:
        why = "" if spiking else ", as its outputs do not spike"
        raise UsageError(f"readout {name!r} of {notes.output!r}; the choices are {', '.join(choices)}{why}")
    return choices[name]


def _with_pictures(image: Image, data: SpikeData, result: RunResult) -> RunResult:
    """What the report's pictures show: one sample, its inputs and every membrane."""
    traced = emulator.run(image, data.spikes[:1], probes=[f"v:{p.name}" for p in image.populations])
    inputs = tuple((int(t), int(i)) for t, i in np.argwhere(data.spikes[0]))
    return replace(result, probes=traced.probes | result.probes).with_notes(
        shown=Shown(0, inputs),
        locations={p.name: tuple(map(tuple, p.location.tolist())) for p in image.populations},
    )
