"""RunResult: what a run of a machine gives back, and its file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from .run_notes import RunNotes
from .spec.archive import Archive
from .spec.drawn import Drawn
from .spec.errors import InputError
from .spec.files import printable, writing
from .spec.image import Image
from .spec.ledger import CHIP_COUNTERS, COUNTERS
from .spec.notes import from_plain, to_plain

FORMAT: Final = "nmcompile result"
FORMAT_VERSION: Final = 2
LARGEST_META: Final = 1 << 26  # bytes of the JSON text
NOT_COUNTED: Final = "not counted"  # of cycles and all else, by a board without counters


@dataclass(frozen=True)
class RunResult(Drawn):
    """What happened in a run of `samples` samples, each of T input timesteps, on a chip of `cores` cores.

    A sample lasts T + latency machine timesteps; `timestep` below is machine time, from 0.

    Attributes:
        output_counts: (samples, outputs) int32 spikes of each output over latency <= timestep < latency + T; of graded
            spikes, the sum of what they carry.
        predictions: (samples,) int64 index of the largest count, the lowest index if several are.
        spikes: (n, 4) int32 sample, timestep, core, neuron, ascending; None unless recorded.
        sample_cycles: (samples,) int64 clock cycles of all timesteps, resets left out.
        counters: name of `ledger.COUNTERS` -> (cores,) int64, summed over samples.
        chip: name of `ledger.CHIP_COUNTERS` -> int, summed over samples.
        executions: per core, (program length,) int64: how often each instruction ran, resets included.
        axon_events: per core, (axons of the image,) int64: how often each axon was delivered.
        neuron_spikes: (cores, neurons) int64, summed over samples.
        sample_spikes: (samples, populations) int32 spikes of each population of the image, in its order.
        probes: "REGISTER:POPULATION" -> (samples, T + latency, neurons) int32, the register after each timestep.
            A population at depth d lives its own timestep i at machine timestep d + i.
        cycles_are: "exact"; "without the fabric" when packets were taken to travel in no time; "not counted", nor is
            anything else, by a board without counters.
        rtl: the bundled Verilog implements exactly this architecture.
        elapsed_s: seconds in the machine itself; loading and compiling left out.
        notes: what is known of the run beside that.
        learned: the image with the weights, registers and random state that the run left behind (only from
            `learn=True`); never saved.
    """

    output_counts: np.ndarray
    predictions: np.ndarray
    spikes: np.ndarray | None
    sample_cycles: np.ndarray
    counters: dict[str, np.ndarray]
    chip: dict[str, int]
    executions: tuple[np.ndarray, ...]
    axon_events: tuple[np.ndarray, ...]
    neuron_spikes: np.ndarray
    sample_spikes: np.ndarray
    probes: dict[str, np.ndarray]
    cycles_are: str
    rtl: bool
    elapsed_s: float
    notes: RunNotes
    learned: Image | None = None

    def __repr__(self) -> str:
        known = [f"{self.samples:,} samples of {self.notes.timesteps:,} timesteps on {self.notes.architecture.name}"]
        if self.notes.accuracy is not None:
            known.append(f"{100 * self.notes.accuracy:.1f} % right")
        if self.cycles_are != NOT_COUNTED and self.samples:
            known.append(f"{self.sample_cycles.mean():,.0f} cycles a sample")
        return f"<RunResult: {', '.join(known)}>"

    @property
    def samples(self) -> int:
        return len(self.sample_cycles)

    def total(self, name: str) -> int:
        """A counter of the ledger, summed over cores."""
        return self.chip[name] if name in self.chip else int(self.counters[name].sum())

    def with_notes(self, **values: Any) -> RunResult:
        """The same result with more notes."""
        return replace(self, notes=replace(self.notes, **values))


def save_result(result: RunResult, path: str | Path) -> None:
    """Write RUN.npz: plain arrays and one JSON string `meta`, no pickles."""
    arrays: dict[str, np.ndarray] = {
        "output_counts": result.output_counts,
        "predictions": result.predictions,
        "sample_cycles": result.sample_cycles,
        "counters": np.array([result.counters[name] for name in COUNTERS], np.int64),
        "counter_names": np.array(list(COUNTERS)),
        "neuron_spikes": result.neuron_spikes,
        "sample_spikes": result.sample_spikes,
    }
    if result.spikes is not None:
        arrays["spikes"] = result.spikes
    for name, group in (("executions", result.executions), ("axon_events", result.axon_events)):
        arrays[name] = np.concatenate([np.zeros(0, np.int64), *group])
        arrays[f"{name}_lengths"] = np.array([len(part) for part in group], np.int64)
    for i, values in enumerate(result.probes.values()):
        arrays[f"probe{i}"] = values
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "chip": result.chip,
        "probes": list(result.probes),
        "cycles_are": result.cycles_are,
        "rtl": result.rtl,
        "elapsed_s": result.elapsed_s,
        "notes": to_plain(result.notes),
    }
    arrays["meta"] = np.array(json.dumps(manifest))
    with writing(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_result(path: str | Path) -> RunResult:
    """Read RUN.npz.

    Raises:
        InputError: no such file, not a result of `nmc emulate`, truncated, or of another format version.
    """
    path = Path(path)
    try:
        with Archive(path) as file:
            manifest = json.loads(str(file.array("meta", LARGEST_META)))
            if manifest["format"] != FORMAT:
                raise KeyError(manifest["format"])
            arrays = {name: file.array(name) for name in file.arrays if name != "meta"}
        version = manifest["format_version"]
    except InputError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        raise InputError(f"{path}: not a result of a run, or damaged; run it again") from None
    except Exception as error:  # zlib.error and whatever else a damaged stream raises
        raise InputError(f"{path}: damaged result ({type(error).__name__}); run it again") from None
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format_version {version}, this version reads {FORMAT_VERSION}; run it again")

    def group(name: str) -> tuple[np.ndarray, ...]:
        return tuple(np.split(arrays[name], np.cumsum(arrays[f"{name}_lengths"])[:-1]))

    try:
        _check_shapes(arrays)
        notes = from_plain(RunNotes, manifest["notes"], f"{path}: what it tells of the run")
        _check_notes(notes, arrays)
        return RunResult(
            output_counts=arrays["output_counts"],
            predictions=arrays["predictions"],
            spikes=arrays.get("spikes"),
            sample_cycles=arrays["sample_cycles"],
            counters=dict(zip(map(str, arrays["counter_names"]), arrays["counters"], strict=True)),
            chip={name: int(manifest["chip"][name]) for name in CHIP_COUNTERS},
            executions=group("executions"),
            axon_events=group("axon_events"),
            neuron_spikes=arrays["neuron_spikes"],
            sample_spikes=arrays["sample_spikes"],
            probes={printable(name): arrays[f"probe{i}"] for i, name in enumerate(manifest["probes"])},
            cycles_are=printable(manifest["cycles_are"]),
            rtl=manifest["rtl"],
            elapsed_s=manifest["elapsed_s"],
            notes=notes,
        )
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{path}: a result with parts missing; run it again") from None


def _check_shapes(arrays: dict[str, np.ndarray]) -> None:
    """ValueError where the arrays of a result do not fit each other, or are no numbers."""
    samples, cores = len(arrays["sample_cycles"]), len(arrays["neuron_spikes"])
    for name, shape in {
        "output_counts": (samples, None),
        "predictions": (samples,),
        "sample_cycles": (samples,),
        "sample_spikes": (samples, None),
        "counters": (len(arrays["counter_names"]), cores),
        "neuron_spikes": (cores, None),
        "spikes": (None, 4),
        "executions": (arrays["executions_lengths"].sum(),),
        "axon_events": (arrays["axon_events_lengths"].sum(),),
        "executions_lengths": (cores,),
        "axon_events_lengths": (cores,),
        **{name: (None, None, None) for name in arrays if name.startswith("probe")},
    }.items():
        found = arrays.get(name)
        if found is None and name == "spikes":
            continue
        found = arrays[name]
        fits = found.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, found.shape, strict=True))
        if not fits or found.dtype.kind not in "iu" or samples == 0:
            raise ValueError(f"{name} is {found.dtype} of shape {found.shape}")


def _check_notes(notes: RunNotes, arrays: dict[str, np.ndarray]) -> None:
    """ValueError where notes are not of these arrays."""
    samples, arch, names = len(arrays["sample_cycles"]), notes.architecture, set(notes.populations)
    places = [place for some in (notes.locations or {}).values() for place in some]
    fits = [
        arrays["neuron_spikes"].shape == (arch.cores, arch.neurons),
        len(notes.populations) == arrays["sample_spikes"].shape[1],
        notes.timesteps >= 0 <= notes.latency,
        notes.labels is None or len(notes.labels) == samples,
        notes.energy is None or len(notes.energy.cores_j) == arch.cores,
        notes.shown is None or (0 <= notes.shown.sample < samples and all(t >= 0 <= i for t, i in notes.shown.inputs)),
        {cost.name for cost in notes.costs} | set(notes.locations or ()) <= names,
        all(0 <= core < arch.cores for cost in notes.costs for core in cost.cores),
        all(0 <= fill.core < arch.cores and fill.resources for fill in notes.fill),
        all(there > 0 for fill in notes.fill for _, there in fill.resources.values()),
        all(0 <= core < arch.cores and 0 <= neuron < arch.neurons for core, neuron in places),
        notes.learning is None or (notes.image and set(notes.learning.mean_weights) <= set(notes.image.plastic)),
    ]
    if notes.image:
        sizes = dict.fromkeys(notes.populations, 0)
        for _, part in notes.image.placed:
            fits.append(
                part.population in sizes and 0 <= part.first_block < part.first_block + part.blocks <= arch.blocks
            )
            sizes[part.population] = sizes.get(part.population, 0) + part.neurons
        fits += [
            len(notes.image.parts) == arch.cores,
            notes.image.output in names,
            all(size >= 0 for size in notes.image.input_shape),
            *(not isinstance(v, tuple) or len(v) == sizes.get(name) for name, v in notes.image.thresholds.items()),
        ]
    if not all(fits):
        raise ValueError("notes")
