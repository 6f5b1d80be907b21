"""Numbers as people read them."""

from __future__ import annotations

from typing import Final

PREFIXES: Final = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
)


def number(value: float) -> str:
    """A count with thousands separators; three digits of a small number that is no integer."""
    if value == int(value) or abs(value) >= 100:
        return f"{round(value):,}"
    return f"{value:.3g}"


def quantity(value: float, unit: str) -> str:
    """A number with an SI prefix and a space that does not break: quantity(3.2e-6, "s") is "3.2 µs"."""
    for factor, prefix in PREFIXES:
        if abs(value) >= 0.99949999 * factor:  # what rounds to 1,000 of a prefix is 1 of the next
            return f"{value / factor:.3g}\N{NO-BREAK SPACE}{prefix}{unit}"
    return f"{value / PREFIXES[-1][0]:.3g}\N{NO-BREAK SPACE}f{unit}" if value else f"0\N{NO-BREAK SPACE}{unit}"


def percent(share: float, digits: int = 0) -> str:
    """A share of 1: "61 %"; "<1 %" for what would round to nothing."""
    if digits == 0 and 0 < share < 0.005:
        return "<1\N{NO-BREAK SPACE}%"
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def signed(share: float, digits: int = 2) -> str:
    """A change as a share of 1: "+1.7 %", with a true minus."""
    text = f"{100 * share:+.{digits}g}".replace("-", "\N{MINUS SIGN}")
    return f"{text}\N{NO-BREAK SPACE}%"


def count(n: int, what: str) -> str:
    """ "1 core", "4 cores"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
