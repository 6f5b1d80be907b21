"""Which readings of a network reproduce what its framework sent.

A reading is a preset with some fields set. Presets come first, then each with every reset and comparison, then the best
of these with one or two more fields changed. Readings that make the same update of every population are run once.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from emulator.spec.errors import InputError, NmError

from ..coding.spikes import SpikeData
from ..discretize.discretize import DiscreteNetwork, discretize
from ..discretize.floatsim import FloatRun, run_float
from ..network.network import Network
from ..network.semantics import CHOICES, PRESETS, RESETS, Semantics, choose_semantics, parse_setting

REPRODUCED = 0.995  # of the output values: what differs beyond it are roundings of single precision
FIRST = 2  # samples that a reading is tried on before all
START = 24  # timesteps of a sample that decide first, where spike trains are known
KEPT = 8  # of the best readings that are changed further
TOLERANCE = 1e-3  # of the largest potential, where potentials are compared
FAMILIES = (  # ways in which exporters write gains, that no preset is for
    *((preset, ()) for preset in PRESETS if preset not in ("lava", "slayer")),
    ("sinabs", ("integrator=unit-input",)),
    ("nir", ("dt=1e-3",)),
    ("nir", ("dt=1",)),
    ("nir", ("charge=step",)),
)
CHANGES = (
    *("integrator=unit-input", "integrator=exponential", "integrator=euler", "integrator=given"),
    *("dt=1e-6", "dt=1e-4", "dt=1e-3", "dt=1", "charge=step", "charge=seconds", "current=jump", "current=filter"),
    *("initial=reset", "initial=leak", "initial=zero", "v_min=-1", "v_min=0", "v_min=none", "max_spikes=31"),
    *("recurrent_reset=delayed-value", "recurrent_reset=value", "recurrent_bias=false", "recurrent_bias=true"),
    *("synapse=after", "output_delay=1", "output_delay=0", "clamp=true"),
)


@dataclass(frozen=True)
class Reference:
    """What a framework sent.

    Attributes:
        counts: (samples, outputs) spikes, or None.
        trains: (samples, timesteps, n) spikes by population, the output's among them where they are known.
        membrane: (samples, timesteps, outputs) potentials, or None.
    """

    counts: np.ndarray | None
    trains: dict[str, np.ndarray]
    membrane: np.ndarray | None


@dataclass(frozen=True)
class Reading:
    """A reading and how it did.

    Attributes:
        options: as one types them, for example "--semantics snntorch --reset value".
        equal: share of the output values that equal the reference.
        settings: how many fields are set beside the preset.
        key: what it does to the network; equal for readings that differ in words only.
    """

    options: str
    semantics: Semantics
    equal: float
    settings: int
    key: Any = None


@dataclass(frozen=True)
class Findings:
    """Of a search.

    Attributes:
        chosen: the reading that was asked for.
        readings: that reproduce the reference, the simplest first; without one, the best that was found.
        tried: readings that were compared.
        first: where the chosen reading, or the best, differs first; "" if nowhere.
        samples, values: what was compared.
    """

    chosen: Reading
    readings: tuple[Reading, ...]
    best: Reading
    tried: int
    first: str
    samples: int
    values: int

    @property
    def reproduced(self) -> bool:
        return self.chosen.equal >= REPRODUCED

    def named(self) -> str:
        """The simplest reading that reproduces the reference, and presets that do as well."""
        first, *others = self.readings
        also = [r.semantics.preset for r in others if r.settings == 0 and first.settings == 0]
        return first.options + (f" (or {', '.join(also)})" if also else "")

    def summary(self) -> dict[str, Any]:
        """The keys of `nmc check --json`."""

        def said(r: Reading) -> dict[str, Any]:
            return {"options": r.options, "semantics": r.semantics.describe(), "equal": r.equal}

        return {
            "samples": self.samples,
            "values": self.values,
            "chosen": said(self.chosen),
            "reproduced": self.reproduced,
            "readings": [said(r) for r in self.readings],
            "best": said(self.best),
            "tried": self.tried,
            "first_difference": self.first or None,
        }


def has_reference(data: SpikeData) -> bool:
    """Does a file of inputs say what the framework sent?"""
    named = any(key.startswith("float_spikes") for key in data.extra)
    return named or any(key in data.extra for key in ("float_counts", "expected", "float_membrane"))


def reference_of(data: SpikeData, network: Network) -> Reference:
    """`float_counts` (samples, outputs), `float_spikes` or `expected` (samples, timesteps, outputs) or
    `float_spikes:NAME` of any population, `float_membrane` (samples, timesteps, outputs).

    Raises:
        InputError: none of them, a shape that does not fit, or nothing that could be told apart.
    """
    samples, timesteps, _ = data.spikes.shape
    out, extra = network.population(network.output), data.extra
    trains: dict[str, np.ndarray] = {}
    counts = membrane = None
    for key, value in extra.items():
        name = key.partition(":")[2] if key.startswith("float_spikes:") else network.output
        wanted: tuple[int, ...]
        if key == "float_counts":
            wanted, counts = (samples, out.n), value
        elif key in ("float_spikes", "expected") or key.startswith("float_spikes:"):
            wanted, trains[name] = (samples, timesteps, network.population(name).n), value
        elif key == "float_membrane":
            wanted, membrane = (samples, timesteps, out.n), value
        else:
            continue
        if value.shape != wanted or value.dtype.kind not in "biuf":
            raise InputError(f"{key} is {value.dtype} of shape {value.shape}, expected numbers of shape {wanted}")
    if counts is None and not trains and membrane is None:
        held = ", ".join(extra) or "nothing else"
        raise InputError(
            "no reference beside the spikes: needs float_counts, float_spikes, float_spikes:NAME or float_membrane; it "
            f"holds {held}"
        )
    if not any(np.any(v) for v in (counts, membrane, *trains.values()) if v is not None):
        raise InputError("the reference is silent: every reading that never fires would do; give one with spikes")
    return Reference(counts, trains, membrane)


def find_readings(network: Network, data: SpikeData, chosen: Semantics, asked: str = "") -> Findings:
    """Compare a reading with the reference, and look for those that reproduce it.

    Args:
        data: inputs with a reference (`reference_of`).
        chosen: the reading that was asked for, called `asked`.
    """
    reference = reference_of(data, network)
    search = _Search(network, data, reference)
    unread = Reading(asked or f"--semantics {chosen.preset}", chosen, 0.0, 0)
    own = search.judge(unread, every=True) or unread
    found = search.run()
    best = max([own, *found], key=lambda r: (r.equal, -r.settings))
    good = sorted(_simplest(r for r in found if r.equal >= REPRODUCED), key=lambda r: (-round(r.equal, 3), r.settings))
    first = "" if own.equal == 1 else search.first_difference(own.semantics)
    return Findings(own, tuple(good), best, search.tried, first, len(data.spikes), search.size)


def warn_of_reading(network: Network, data: SpikeData, chosen: Semantics, limit: int = 40) -> list[str]:
    """A sentence where inputs come with a reference that this reading does not reproduce, and which does; or []."""
    if not has_reference(data):
        return []
    data = data.first(limit)
    try:
        search = _Search(network, data, reference_of(data, network))
    except InputError as error:
        return [f"the reference beside the inputs is not used: {error}"]
    own = search.judge(Reading("", chosen, 0.0, 0), every=True)
    if own is None or own.equal >= REPRODUCED:
        return []
    found = find_readings(network, data, chosen)
    share = f"{100 * own.equal:.1f} % of the output values equal the reference beside the inputs"
    if found.readings:
        return [f"read as {chosen.preset}, {share}; {found.named()} reproduces it"]
    return [f"read as {chosen.preset}, {share}, and no reading that nmc check knows reproduces it"]


class _Search:
    def __init__(self, network: Network, data: SpikeData, reference: Reference):
        self.network, self.data, self.reference = network, data, reference
        self.known: dict[Any, dict[int, float]] = {}  # by what a reading does: samples and share of equal values
        self.named: set[str] = set()
        self.tried = 0
        self.size = sum(v.size for v in self.parts(len(data.spikes)))

    def parts(self, samples: int) -> list[np.ndarray]:
        r = self.reference
        return [v[:samples] for v in (r.counts, r.membrane, *r.trains.values()) if v is not None]

    def run(self) -> list[Reading]:
        """Stage by stage, until one of them finds readings that reproduce the reference."""
        found = self.stage([(preset, ()) for preset in PRESETS])
        pairs = [(f"reset={r}", f"compare={c}") for r in RESETS for c in CHOICES["compare"]]
        found += self.stage([(preset, (*own, *pair)) for preset, own in FAMILIES for pair in pairs])
        output = self.network.output
        found += self.stage([(p, (*own, f"{output}:reset={r}")) for p, own in FAMILIES for r in RESETS])
        for _ in range(2):
            if any(r.equal >= REPRODUCED for r in found):
                break
            best = sorted(found, key=lambda r: (-r.equal, r.settings))[:KEPT]
            found += self.stage([tried for r in best for tried in self.changed(r)])
        return found

    def changed(self, reading: Reading) -> Iterator[tuple[str, tuple[str, ...]]]:
        """A reading with one more field changed."""
        preset, settings = _parsed(reading.options)
        for change in CHANGES:
            field = change.partition("=")[0]
            yield preset, (*(s for s in settings if s.partition("=")[0] != field), change)

    def stage(self, candidates: Sequence[tuple[str, tuple[str, ...]]]) -> list[Reading]:
        found = []
        for preset, settings in candidates:
            settings = _shortened(preset, settings)
            options = _options(preset, settings)
            if options in self.named:
                continue
            self.named.add(options)
            try:
                semantics = choose_semantics(preset, settings)
            except NmError:
                continue
            reading = self.judge(Reading(options, semantics, 0.0, len(settings)))
            if reading is not None:
                found.append(reading)
        return found

    def judge(self, reading: Reading, every: bool = False) -> Reading | None:
        """A reading with its share; a few samples decide of those that are far off, unless it is `every`.

        None: the network cannot be read so.
        """
        try:
            discrete = discretize(self.network, reading.semantics)
        except NmError:
            return None
        self.tried += 1
        key = _fingerprint(discrete)
        shares, total = self.known.setdefault(key, {}), len(self.data.spikes)
        for samples in (total,) if every else (0, min(FIRST, total), total):
            if samples not in shares:
                shares[samples] = self.equal(samples, discrete)
            if shares[samples] < 0.9:
                break
        return Reading(reading.options, reading.semantics, shares[samples], reading.settings, key)

    def equal(self, samples: int, discrete: DiscreteNetwork) -> float:
        """Share of equal values of what the reference says of so many samples; 0: the start of one, if it can."""
        r, timesteps = self.reference, self.data.spikes.shape[1]
        if samples == 0:
            if r.counts is not None or r.membrane is not None or timesteps <= START:
                return 1.0
            samples, timesteps = 1, START
        run = run_float(discrete, self.data.spikes[:samples].lasting(timesteps), record=True)
        same, total = 0, 0
        if r.counts is not None:
            found, wanted = run.output_counts, r.counts[:samples]
            out = self.network.population(self.network.output)
            close = found == wanted if out.spiking else np.abs(found - wanted) <= TOLERANCE * np.abs(r.counts).max()
            same, total = same + int(close.sum()), total + close.size
        for name, wanted in r.trains.items():
            close = _shown(run, name, discrete) == wanted[:samples, :timesteps]
            # where nothing was sent nothing is easily right: spikes count, and what is sent instead of them
            spikes = (wanted[:samples, :timesteps] != 0) | ~close
            same, total = same + int((close & spikes).sum()), total + int(spikes.sum())
        if r.membrane is not None:
            close = np.abs(self.potentials(samples, discrete) - r.membrane[:samples]) <= TOLERANCE * max(
                float(np.abs(r.membrane).max()), 1e-12
            )
            same, total = same + int(close.sum()), total + close.size
        return same / total if total else 1.0

    def potentials(self, samples: int, discrete: DiscreteNetwork) -> np.ndarray:
        """(samples, timesteps, outputs) of an output's v that does not spike, by differences of its sums."""
        x = np.asarray(self.data.spikes[:samples])
        sums = [run_float(discrete, x[:, : t + 1]).output_counts for t in range(x.shape[1])]
        return np.diff(np.stack(sums, axis=1), axis=1, prepend=0)

    def first_difference(self, semantics: Semantics) -> str:
        """Where a reading differs first from the reference, in words."""
        try:
            discrete = discretize(self.network, semantics)
            run = run_float(discrete, self.data.spikes, record=True)
        except NmError as error:
            return str(error)
        r = self.reference
        for population in self.network.populations:
            if population.name in r.trains:
                found, wanted = _shown(run, population.name, discrete), r.trains[population.name]
                wrong = np.argwhere(found != wanted)
                if len(wrong):
                    sample, t, n = wrong[np.lexsort((wrong[:, 2], wrong[:, 1], wrong[:, 0]))[0]]
                    a, b = found[sample, t, n], wanted[sample, t, n]
                    return f"sample {sample}, {population.name!r}, timestep {t}, neuron {n}: {a:g} spikes, not {b:g}"
        if r.counts is not None:
            wrong = np.argwhere(~np.isclose(run.output_counts, r.counts, rtol=0, atol=0.5))
            if len(wrong):
                sample, n = wrong[0]
                a, b = run.output_counts[sample, n], r.counts[sample, n]
                return f"sample {sample}, {self.network.output!r}, neuron {n}: {a:g} in all timesteps, not {b:g}"
        return ""


def _fingerprint(discrete: DiscreteNetwork) -> Any:
    """What a reading does, so that equal ones are run once."""
    found = []
    for d in discrete.dynamics.values():
        step = d.update
        how = (step.func, tuple(sorted(step.keywords.items()))) if isinstance(step, partial) else step
        values = tuple((name, v.unit, v.array.tobytes()) for name, v in sorted(d.values.items()))
        found.append((how, values, d.gain.tobytes(), d.output_delay))
    return tuple(found), discrete.delays


def _shown(run: FloatRun, name: str, discrete: DiscreteNetwork) -> np.ndarray:
    """(samples, timesteps, n) what a population's spikes look like from outside."""
    sent, late = run.spikes[name], discrete.output_delay[name]
    return np.concatenate([0 * sent[:, :late], sent], axis=1)[:, : sent.shape[1]]


def _simplest(readings: Iterable[Reading]) -> list[Reading]:
    """Of readings that do the same, those in the fewest words."""
    least: dict[Any, int] = {}
    found = list(readings)
    for reading in found:
        least[reading.key] = min(least.get(reading.key, reading.settings), reading.settings)
    return [r for r in found if r.settings == least[r.key]]


def _options(preset: str, settings: Sequence[str]) -> str:
    """As one types them."""
    words = [f"--semantics {preset}"]
    for setting in settings:
        name, _, value = setting.partition("=")
        quoted = f"'{value}'" if ">" in value else value
        words.append(f"--set '{setting}'" if ":" in name else f"--{name.replace('_', '-')} {quoted}")
    return " ".join(words)


def _parsed(options: str) -> tuple[str, tuple[str, ...]]:
    """The preset and the settings of `_options`."""
    words = shlex.split(options)
    settings = []
    for flag, value in zip(words[2::2], words[3::2], strict=True):
        settings.append(value if flag == "--set" else f"{flag[2:].replace('-', '_')}={value}")
    return words[1], tuple(settings)


def _shortened(preset: str, settings: Sequence[str]) -> tuple[str, ...]:
    """Without what the preset says anyway, and without the comparison where multi-spike has its own."""
    many = any(s.startswith("reset=multi-spike") for s in settings)
    kept = []
    for setting in settings:
        if many and setting.startswith("compare="):
            continue
        name, field, value = parse_setting(setting)
        base = PRESETS[preset]
        if not name and getattr(base, field) == value and not any(f == field for _, f, _ in base.per_model):
            continue
        kept.append(setting)
    return tuple(kept)
