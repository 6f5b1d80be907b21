"""What an instruction costs, as one object that machines calculate with and the manual prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Cycles in closed form, as the manual prints it: a constant, and quantities that add to it, each so many times."""

    constant: int
    times: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        constant = [str(self.constant)] if self.constant else []
        return " + ".join([*constant, *(name if n == 1 else f"{n}*{name}" for name, n in self.times)])

    def of(self, quantities: Mapping[str, Any]) -> Any:
        """Its value for these quantities: integers, or arrays of them."""
        return self.constant + sum(n * quantities[name] for name, n in self.times)
