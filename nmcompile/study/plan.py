"""A co-design study: STUDY.toml, read and checked as a whole before anything runs.

title = "Weights and lanes of a digit classifier"
objectives = ["accuracy", "energy_j_per_sample"]    # what the front is made of; see METRICS

[settings]                      # of every point: options of `nmc compile` and `nmc emulate` by their names,
network = "mnist_mlp.nir"       # files beside this one,
spikes = "test.npz"
arch = "up5k"                   # whose sizes, the keys of its file, are settings, too,
target = "up5k"                 # and the part of `nmc synth`

[axes]                          # every combination is a point
weight_bits = [2, 4, 8]
core = [                        # settings that go together; the name and the labels are yours
    {label = "narrow", lanes = 2, clock_hz = 30e6},
    {label = "wide", lanes = 8, clock_hz = 20e6},
]
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emulator.prices import PriceTable, load_prices
from emulator.spec.arch import Architecture, load_architecture
from emulator.spec.errors import InputError, NmError
from emulator.spec.files import read_toml

from ..coding.binning import Binning
from ..coding.decode import READOUTS
from ..coding.spikes import SpikeData, read_spikes
from ..frontends import read_network
from ..learning.attach import attach
from ..learning.files import read_rules
from ..network.network import Network
from ..network.semantics import CHOICES, FIELDS, Semantics, choose_semantics
from ..quantize.quantized import WEIGHT_BITS
from ..results.metrics import FPGA_METRICS, METRICS
from ..results.summary import DEFAULT_PRICES
from ..user_models import UserModels

FILES: Final[tuple[str, ...]] = ("network", "spikes", "calibrate", "plasticity")
BINNING: Final = tuple(field.name for field in dataclasses.fields(Binning) if field.name != "start")
_READING: Final = ("input_levels", "timesteps", "limit", *BINNING)  # what decides how files are read
SETTINGS: Final = {  # name: what its values are
    **dict.fromkeys((*FILES, *BINNING), "str"),
    **dict.fromkeys(("semantics", "readout", "arch", "prices", "target"), "str"),
    **{name: "str" if name in CHOICES else "float" for name in FIELDS},
    **dict.fromkeys(("clamp", "recurrent_bias"), "bool"),
    **dict.fromkeys(("max_spikes", "output_delay"), "int"),
    **dict.fromkeys(("weight_bits", "input_levels", "timesteps", "limit"), "int"),
    "learn": "bool",
}
SIZES: Final = {
    f.name: str(f.type) for f in dataclasses.fields(Architecture) if f.name not in ("name", "rtl")
}  # of an architecture
_KINDS: Final = {
    "str": ("a text", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
}
_KEYS: Final[dict[str, tuple[str, type]]] = {
    "title": ("a text", str),
    "objectives": ("a list of names", list),
    "settings": ("a table", dict),
    "axes": ("a table", dict),
}
LARGEST: Final = 100_000  # points


@dataclass(frozen=True)
class Inputs:
    """What a point reads: shared by all points with the same files and levels; `digest` is of all that.

    `models` are the user's own, which every worker runs beside its task.
    """

    digest: str
    network: Network
    data: SpikeData
    calibrate: SpikeData | None
    models: UserModels | None = None


@dataclass(frozen=True)
class Point:
    """One combination.

    Attributes:
        at: where it is on each axis, as shown.
        settings: by name, those of the study and of its place; what is not set is not in it.
        inputs: which of `Study.inputs`.
        arch: None takes the smallest bundled one that fits, or there is no such machine:
        problem: why there is none.
    """

    at: dict[str, Any]
    settings: dict[str, Any]
    inputs: str
    semantics: Semantics
    arch: Architecture | None
    prices: PriceTable
    problem: str = ""


@dataclass(frozen=True)
class Study:
    """A study, all its files read. `axes`: name -> labels of its values; `files`: all that it is made of."""

    title: str
    axes: dict[str, list[Any]]
    objectives: tuple[str, ...]
    points: tuple[Point, ...]
    inputs: dict[str, Inputs]
    files: tuple[str, ...]

    def __repr__(self) -> str:
        axes = ", ".join(f"{name} ({len(values)})" for name, values in self.axes.items())
        return f"<Study {self.title!r}: {len(self.points):,} points, axes {axes}>"


def read_study(path: str | Path, models: UserModels | None = None) -> Study:
    """Read STUDY.toml and every file that it names; the models come from the command line, never from a study.

    Raises:
        InputError: no such file, unknown or mistyped keys, nothing to vary, networks or spikes that cannot be read.
        UsageError: semantics or a target that there is not.
    """
    table = read_toml(path)
    for key, value in table.items():
        if key not in _KEYS:
            raise InputError(f"{path}: unknown key {key!r}; the keys are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key][1]):
            raise InputError(f"{path}: {key} = {value!r} should be {_KEYS[key][0]}")
    fixed = table.get("settings", {})
    _check(f"{path}: [settings]", fixed)
    axes = {name: _axis(f"{path}: [axes] {name}", name, values) for name, values in table.get("axes", {}).items()}
    if not axes:
        raise InputError(f"{path}: nothing to vary; add a table [axes], for example weight_bits = [4, 8]")
    _check_once(path, fixed, axes)
    size = 1
    for values in axes.values():
        size *= len(values)
    if size > LARGEST:
        raise InputError(f"{path}: {size:,} points, at most {LARGEST:,} are run; take values out of an axis")
    objectives = tuple(table.get("objectives", ()))
    for name in objectives:
        if not isinstance(name, str) or name not in METRICS:
            raise InputError(f"{path}: no objective {name!r}; there are {', '.join(METRICS)}")
    if objectives and len(set(objectives)) < max(2, len(objectives)):
        raise InputError(f"{path}: objectives {list(objectives)}; a front needs two different ones")

    inputs: dict[str, Inputs] = {}
    tables: dict[str, PriceTable] = {}
    points = []
    for choice in itertools.product(*axes.values()):
        at = {axis: label for axis, (label, _) in zip(axes, choice, strict=True)}
        settings = dict(fixed)
        for _, own in choice:
            settings |= own
        points.append(_point(Path(path), at, settings, inputs, tables, models))
    labels = {name: [label for label, _ in values] for name, values in axes.items()}
    study = Study(table.get("title", Path(path).stem), labels, objectives, tuple(points), inputs, _files(path, points))
    _check_objectives(path, study)
    return study


# ------------------------------------------------------------------------------------------------- keys and values
def _check(where: str, settings: Mapping[str, Any]) -> None:
    """Names and types of settings."""
    for key, value in settings.items():
        kind = SETTINGS.get(key) or SIZES.get(key)
        if kind is None:
            raise InputError(
                f"{where}: no setting {key!r}; there are {', '.join(SETTINGS)}, and of an architecture "
                f"{', '.join(SIZES)}"
            )
        takes, types = _KINDS[kind]
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
            shown = f" = {value!r}" if not isinstance(value, int) or value.bit_length() < 64 else ""
            raise InputError(f"{where}: {key}{shown} should be {takes}")
        _check_value(f"{where}: {key}", value)


def _axis(where: str, name: str, values: Any) -> list[tuple[Any, dict[str, Any]]]:
    """The values of an axis: (label, settings) of each."""
    if not name.isprintable():
        raise InputError(f"{where!r}: a name that cannot be printed; give the axis another")
    if not isinstance(values, list) or not values:
        raise InputError(f"{where} = {values!r} should be a list of values, at least one")
    found: list[tuple[Any, dict[str, Any]]] = []
    for value in values:
        if isinstance(value, dict):
            settings = {key: v for key, v in value.items() if key != "label"}
            label = value.get("label", ", ".join(f"{key} {v}" for key, v in settings.items()))
            _check(where, settings)
        else:
            if name not in SETTINGS and name not in SIZES:
                raise InputError(
                    f"{where}: no setting of that name; the values of an axis of your own are tables, for example "
                    f"{name} = [{{label = 'wide', lanes = 8}}]"
                )
            settings, label = {name: value}, value
            _check(where, settings)
        _check_value(f"{where}: label", label)
        if any(label == other or str(label) == str(other) for other, _ in found):
            raise InputError(f"{where}: {label!r} is there twice; give each value another label")
        found.append((label, settings))
    return found


def _check_value(where: str, value: Any) -> None:
    """A text that can be printed, or a number that is finite and not astronomical."""
    if not isinstance(value, (str, int, float)):
        raise InputError(f"{where} = {value!r} should be a text or a number")
    if isinstance(value, str) and not value.isprintable():
        raise InputError(f"{where} = {value!r}: a text that cannot be printed")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} = {value!r} should be finite")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise InputError(f"{where} is a number of {value.bit_length()} bits, which is too large")


def _check_once(path: str | Path, fixed: Mapping[str, Any], axes: Mapping[str, list[tuple[Any, dict]]]) -> None:
    """No setting has two places."""
    owner = dict.fromkeys(fixed, "[settings]")
    for axis, values in axes.items():
        for key in dict.fromkeys(key for _, settings in values for key in settings):
            if key in owner:
                raise InputError(f"{path}: {key} is set by {owner[key]} and by axis {axis!r}; take one away")
            owner[key] = f"axis {axis!r}"


def _check_objectives(path: str | Path, study: Study) -> None:
    """Can any point have them?"""
    labels = any(inputs.data.labels is not None for inputs in study.inputs.values())
    target = any("target" in point.settings for point in study.points)
    for name in study.objectives:
        if name == "accuracy" and not labels:
            raise InputError(f"{path}: objective 'accuracy', but no spikes have labels; add `labels` to them")
        if name in FPGA_METRICS and not target:
            raise InputError(f"{path}: objective {name!r}, which needs an FPGA; set target, for example 'up5k'")


def _files(path: str | Path, points: Iterable[Point]) -> tuple[str, ...]:
    """Everything that was read."""
    found = {str(path): None}
    for point in points:
        names = [point.settings[name] for name in FILES if name in point.settings]
        names += [point.settings[name] for name in ("arch", "prices") if point.settings.get(name, "").endswith(".toml")]
        found |= dict.fromkeys(str(Path(path).parent / name) for name in names)
    return tuple(found)


# ------------------------------------------------------------------------------------------------------- points
def _point(
    path: Path,
    at: dict[str, Any],
    settings: dict[str, Any],
    inputs: dict[str, Inputs],
    tables: dict[str, PriceTable],
    models: UserModels | None,
) -> Point:
    """A point, its files read once for all."""
    for name in ("network", "spikes"):
        if name not in settings:
            raise InputError(f"{path}: no {name} in [settings] or on an axis; give a file")
    for name, right, rule in (
        ("limit", range(1, 1 << 62), "1 or more"),
        ("timesteps", range(1, 1 << 24), "1 or more"),
        ("input_levels", range(2, 256), "2 to 255"),
        ("weight_bits", WEIGHT_BITS, "16, 8, 4, 2 or 1"),
        ("readout", READOUTS, ", ".join(READOUTS)),
    ):
        if name in settings and settings[name] not in right:
            raise InputError(f"{path}: {name} = {settings[name]!r} should be {rule}")
    if not 1 <= settings.get("clock_hz", 1) <= 1e12:
        raise InputError(f"{path}: clock_hz = {settings['clock_hz']!r} should be 1 to 1e12 hertz")
    if settings.get("learn") and "plasticity" not in settings:
        raise InputError(f"{path}: learn = true, but nothing learns; set plasticity, a file of rules")
    if "target" in settings:
        from ..fpga.targets import choose_target

        choose_target(settings["target"])
    files = {name: str(path.parent / settings[name]) for name in FILES if name in settings}
    key = json.dumps([*files.items(), *((name, settings.get(name)) for name in _READING)])
    if key not in inputs:
        inputs[key] = _read(files, settings, models)
    overrides: dict[str, Any] = {name: settings.get(name) for name in FIELDS}
    own = inputs[key].network.semantics
    semantics = choose_semantics(settings.get("semantics") or own or "nir", **overrides)
    arch, problem = _architecture(path, settings)
    prices = settings.get("prices", DEFAULT_PRICES)
    if prices not in tables:
        tables[prices] = load_prices(_file_or_name(path, prices))
    return Point(at, settings, key, semantics, arch, tables[prices], problem)


def _read(files: Mapping[str, str], settings: Mapping[str, Any], models: UserModels | None) -> Inputs:
    network = read_network(files["network"])
    if "plasticity" in files:
        network = attach(network, read_rules(files["plasticity"]))
    if "input_levels" in settings:
        network = network.graded(settings["input_levels"])
    binning = {name: settings[name] for name in BINNING if name in settings}
    size = {"limit": settings.get("limit"), "timesteps": settings.get("timesteps")}
    data = read_spikes(files["spikes"], network.n_inputs, network.input_levels, **size, **binning)
    calibrate = None
    if "calibrate" in files:
        calibrate = read_spikes(files["calibrate"], network.n_inputs, network.input_levels, **binning)
    reading = [settings.get(name) for name in _READING]
    digest = hashlib.sha256(json.dumps([list(files), reading, models and models.note.sha256]).encode())
    for file in map(Path, files.values()):
        for part in sorted(file.rglob("*.*")) if file.is_dir() else [file]:
            digest.update(hashlib.sha256(part.read_bytes()).digest())
    return Inputs(digest.hexdigest(), network, data, calibrate, models)


def _file_or_name(path: Path, name: str) -> str:
    """A file's name beside the study, or a bundled table's."""
    return str(path.parent / name) if name.endswith(".toml") else name


def _architecture(path: Path, settings: Mapping[str, Any]) -> tuple[Architecture | None, str]:
    """The machine of a point, or why there is none of these sizes."""
    sizes = {name: settings[name] for name in SIZES if name in settings}
    if "arch" not in settings:
        if sizes:
            raise InputError(f"{path}: {', '.join(sizes)} of which architecture? set arch, too")
        return None, ""
    base = load_architecture(_file_or_name(path, settings["arch"]))
    if not sizes:
        return base, ""
    name = ", ".join([base.name, *(f"{key} {value}" for key, value in sizes.items() if key != "clock_hz")])
    try:
        return dataclasses.replace(base, name=name, **sizes), ""
    except NmError as error:
        return None, str(error)
