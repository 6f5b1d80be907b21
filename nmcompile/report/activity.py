"""The report's sections on what a network did: one sample spike by spike, its membranes, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emulator.result import RunResult

from ..coding.decode import UNDECIDED
from ..results.numbers import count, percent
from . import figures
from .page import colour, section
from .sample import label, potentials, prediction, strips

MOST_CLASSES = 20  # of a confusion matrix that can be read


# ----------------------------------------------------------------------------------------------------- one sample
def _steps(result: RunResult) -> int:
    """Machine timesteps of a sample."""
    known = result.notes.timesteps + result.notes.latency
    probed = [values.shape[1] for values in result.probes.values()]
    fired = [] if result.spikes is None or not len(result.spikes) else [int(result.spikes[:, 1].max()) + 1]
    return max([1, known, *probed, *fired])


def _verdict(result: RunResult, sample: int) -> str:
    true, chosen = label(result, sample), prediction(result, sample)
    if true is None:
        return f"the answer is {chosen}"
    return f"class {true}, " + ("recognised" if true == chosen else f"taken for {chosen}")


def sample_section(result: RunResult, sample: int) -> str:
    if result.spikes is None or sample >= result.samples:
        hint = (
            "Spikes were not recorded: <code>nmc emulate -o RUN.npz</code> records them, and this page shows a raster."
        )
        return section("raster", "No spikes were recorded", f'<p class="soft">{hint}</p>')
    shown = strips(result, sample)
    steps = _steps(result)
    layers = [strip for strip in shown if strip.colour >= 0]
    fired, neurons = sum(len(s.times) for s in layers), sum(s.neurons for s in layers)
    title = f"Sample {sample}: {_verdict(result, sample)}"
    share = fired / max(1, neurons * steps)
    text = (
        f"<p>{count(fired, 'spike')} of {count(neurons, 'neuron')} in {steps} timesteps: {percent(share, 1)} of all "
        "chances to fire were taken.</p>"
    )
    order = "" if all(s.in_order for s in shown) else " Rows follow the places in the cores, not the user's numbering."
    caption = f"<figcaption>A mark is a spike, a row a neuron, the first on top.{order}</figcaption>"
    if not shown:
        return section("raster", title, text)
    return section(
        "raster", title, f"{text}{_answer(result, sample)}<figure>{figures.raster(shown, steps)}{caption}</figure>"
    )


def _answer(result: RunResult, sample: int) -> str:
    """What went in, if it is a picture, and what came out."""
    left = right = ""
    shown, image = result.notes.shown, result.notes.image
    if shown and image and shown.sample == sample:
        picture = _picture(image.input_shape, np.array(shown.inputs, np.int64).reshape(-1, 2))
        if picture is not None:
            left = figures.pixels(picture, "the input, its spikes summed over time")
    counts = result.output_counts[sample]
    if 1 < len(counts) <= MOST_CLASSES and counts.any():
        names = result.notes.populations
        output = names.index(image.output) if image else len(names) - 1
        true, chosen = label(result, sample), prediction(result, sample)
        inks = [colour(output) if i == chosen else "var(--input)" for i in range(len(counts))]
        marks = ["▲" if i == chosen else "●" if i == true else "" for i in range(len(counts))]
        truth = "" if true in (None, chosen) else ", ● the truth"
        right = f"<div><h3>Output spikes: ▲ the answer{truth}</h3>{figures.columns(counts.tolist(), inks, marks)}</div>"
    if left:
        left = f"<div><h3>Input, summed</h3>{left}</div>"
    alone = "" if left and right else " alone"
    return f'<figure class="sample{alone}">{left}{right}</figure>' if left or right else ""


def _picture(shape: Sequence[int], events: np.ndarray) -> np.ndarray | None:
    """(height, width) input spikes summed over time and channels; a long square row is taken for a picture."""
    n = int(np.prod(shape)) if len(shape) else 0
    side = round(n**0.5)
    if len(shape) >= 2 and shape[-1] > 1 and shape[-2] > 1:
        height, width = shape[-2:]
    elif n >= 64 and side * side == n:
        height = width = side
    else:
        return None
    if height * width > 128 * 128:
        return None
    return np.bincount(events[:, 1], minlength=n)[:n].reshape(-1, height, width).sum(axis=0)


def membranes_section(result: RunResult, sample: int) -> str:
    steps = _steps(result)
    lanes = []
    layers = [strip for strip in strips(result, sample) if strip.colour >= 0]
    each = 3 if len(layers) <= 6 else 1  # a page is read, not searched
    for strip in layers:
        found = potentials(result, sample, strip)[:each]
        lanes.append(figures.membranes(strip.name, strip.colour, found, steps))
    if not any(lanes):
        hint = (
            "<code>nmc emulate --probe v:LAYER -o RUN.npz</code> records the potentials of a layer, to be shown here."
        )
        return section("membranes", "No membrane was recorded", f'<p class="soft">{hint}</p>')
    dashed = "; dashed is the threshold" if result.notes.image and result.notes.image.thresholds else ""
    text = (
        f"<p>Potentials of a few neurons of each population in sample {sample}, after each timestep and whatever reset "
        f"was in it. The marks above are their spikes{dashed}.</p>"
    )
    return section(
        "membranes", "Membranes on their way to the threshold", f"{text}{''.join(lanes)}{figures.time_axis(steps)}"
    )


# ------------------------------------------------------------------------------------------------------- accuracy
def classes_section(result: RunResult) -> str:
    labels = result.notes.labels
    if not labels:
        return ""
    true = np.array(labels, np.int64)
    chosen = result.predictions
    wrong = true != chosen
    title = f"All {len(true):,} samples are right"
    if wrong.any():
        pairs, often = np.unique(np.stack([true[wrong], chosen[wrong]], axis=1), axis=0, return_counts=True)
        (a, b), times = pairs[often.argmax()].tolist(), count(int(often.max()), "time")
        taken = f"{a} is taken for {b}" if b != UNDECIDED else f"{a} makes no output fire"
        title = f"{wrong.sum():,} of {len(true):,} are wrong; most often {taken} ({times})"
    each = [(int(c), int((~wrong[true == c]).sum()), int((true == c).sum())) for c in np.unique(true)]
    n = int(max(true.max(), chosen.max(), result.output_counts.shape[1] - 1)) + 1
    few = n <= MOST_CLASSES and true.min() >= 0
    classes = len(each)
    if classes > MOST_CLASSES:
        each = sorted(each, key=lambda row: row[1] / row[2])[:MOST_CLASSES]
    rows = [(str(c), good / of, f"{percent(good / of)} of {of:,}", "var(--accent)") for c, good, of in each]
    heading = (
        "Right, of each class" if len(each) == classes else f"Right, of the {len(each)} worst of {classes:,} classes"
    )
    found = f"<div><h3>{heading}</h3>{figures.bars(rows)}</div>"
    if few:
        matrix = np.zeros((n, n), np.int64)
        decided = chosen != UNDECIDED
        np.add.at(matrix, (true[decided], chosen[decided]), 1)
        found = f"<div>{figures.confusion(matrix)}</div>{found}"
    return section("accuracy", title, f'<figure class="two">{found}</figure>')
