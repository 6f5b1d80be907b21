"""Read learning rules from a TOML file: a table per projection, with a rule of the library or one of its own.

[fc1]                       # a projection's name
rule = "pair-stdp"
a_plus = 0.01               # the parameters of plasticity.pair_stdp
a_minus = 0.012
tau_plus = 0.02             # seconds
tau_minus = 0.02
w_min = 0.0
w_max = 1.0

[fc2]
rule = "custom"
traces = [{name = "x", of = "pre", tau = 0.02}]
terms = [{on = "post", change = 0.01, traces = ["x"]}, {on = "post", change = -0.002}]
w_min = -1.0
w_max = 1.0
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emulator.spec.errors import InputError
from emulator.spec.files import read_toml

from ..network.rule import AdaptiveThreshold, Condition, Eligibility, Rule, Term, Trace
from .library import RULES

CUSTOM = "custom"
_OPTIONS = {"rounding", "bits", "all_to_all"}  # that every rule of the library takes
_RULE = inspect.signature(Rule).parameters


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _tuple(*kinds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, tuple) and len(v) == len(kinds) and all(k(x) for k, x in zip(kinds, v, strict=True))


def _every(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(kind, value))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {  # by annotation: what it takes, and whether a value is that
    "float": ("a number", _number),
    "int": ("a whole number", lambda value: _number(value) and value == int(value)),
    "str": ("a text", _text),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "tuple[float, float]": ("two numbers", _tuple(_number, _number)),
    "tuple[str, ...]": ("a list of names", _every(_text)),
    "tuple[tuple[str, float, float], ...]": (
        "a list of [variable, low, high]",
        _every(_tuple(_text, _number, _number)),
    ),
}


def read_rules(path: str | Path) -> dict[str, Rule]:
    """Rules by the name of the projection that learns.

    Raises:
        InputError: no such file, no TOML, an unknown rule, parameters that are unknown, missing or of a wrong kind.
    """
    tables = read_toml(path)
    if not tables:
        raise InputError(f"{path}: no rules in it; give a table per projection, for example [fc1]")
    return {name: _rule(f"{path}: [{name}]", table) for name, table in tables.items()}


def _rule(where: str, table: Any) -> Rule:
    if not isinstance(table, dict) or "rule" not in table:
        raise InputError(f"{where} names no rule; add rule = one of {', '.join([*RULES, CUSTOM])}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items() if key != "rule"}
    name = table["rule"]
    if name == CUSTOM:
        return _custom(where, values)
    if not isinstance(name, str) or name not in RULES:
        raise InputError(f"{where}: no rule {name!r}; the rules are {', '.join([*RULES, CUSTOM])}")
    return _call(where, name, RULES[name], values)


def _call(where: str, name: str, make: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """make(**values), with a message for what it does not take."""
    parameters = inspect.signature(make).parameters
    known = [p for p, kind in parameters.items() if kind.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(known) < len(parameters):
        known += sorted(_OPTIONS)
    for key in values:
        if key not in known:
            raise InputError(f"{where}: {name!r} has no parameter {key!r}; it takes {', '.join(known)}")
    missing = [p for p in known if p in parameters and parameters[p].default is parameters[p].empty and p not in values]
    if missing:
        raise InputError(f"{where}: {name!r} needs {', '.join(missing)}; give {'it' if len(missing) == 1 else 'them'}")
    for key, value in values.items():
        annotation = _annotation((parameters if key in parameters else _RULE)[key].annotation)
        takes, right = _KINDS.get(annotation, ("", bool))
        if takes and not right(value):
            shown = list(value) if isinstance(value, tuple) else value
            raise InputError(f"{where}: {name!r} takes {takes} for {key}, not {shown!r}")
    try:
        return make(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _annotation(of: Any) -> str:
    """An annotation as text, whether or not a user's file postpones its evaluation."""
    return (of if isinstance(of, str) else getattr(of, "__name__", "")).removesuffix(" | None")


def _custom(where: str, values: dict[str, Any]) -> Rule:
    """A rule of its own: the fields of `Rule`, with tables for what is a class there."""
    parts: dict[str, type] = {"traces": Trace, "terms": Term, "conditions": Condition}
    single: dict[str, type] = {"threshold": AdaptiveThreshold, "eligibility": Eligibility}
    values = {"name": CUSTOM, "traces": (), **values}
    for key, kind in parts.items():
        if key in values:
            if not isinstance(values[key], tuple):
                raise InputError(f"{where}: {CUSTOM!r} takes a list of tables for {key}, not {values[key]!r}")
            values[key] = tuple(_part(f"{where} {key}", kind, item) for item in values[key])
    for key, kind in single.items():
        if key in values:
            values[key] = _part(f"{where} {key}", kind, values[key])
    return _call(where, CUSTOM, Rule, values)


def _part(where: str, kind: type, table: Any) -> Any:
    if not isinstance(table, dict):
        names = ", ".join(f.name for f in dataclasses.fields(kind))
        raise InputError(f"{where}: {table!r} is no table; give {{...}} with {names}")
    values = {}
    for key, value in table.items():
        if isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        values[key] = value
    return _call(where, kind.__name__.lower(), kind, values)
