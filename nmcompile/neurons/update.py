"""The language in which a neuron model says what happens in a timestep.

A model is one function of an `Update`. The float simulation runs it on arrays (`floatsim.FloatUpdate`), the compiler
turns the same calls into instructions (`neuron_program.Program`): the two agree because there is one description.

    def leaky(m: Update) -> None:
        v, fired = m.state("v"), m.flag("fired")
        m.mac(v, v, "beta", m.input())               # v := beta v + x
        m.compare(fired, v, ">", "threshold")
        m.copy(v, 0, where=fired)
        m.spike(fired)

An operand is a register, the name of a parameter, or a whole number that is not scaled. Parameters come with a unit
(`Value`), which says how they become integers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from emulator.spec.fixedpoint import NEAREST

STATE: Final = "state"  # counts like v: a float unit is `scale` integer units
COEFFICIENT: Final = "coefficient"  # a factor; 2**coef_shift integer units are 1
COUNT: Final = "count"  # an integer that is not scaled


@dataclass(frozen=True)
class Register:
    """A state variable or a temporary, (n,); `unit` is STATE or COUNT."""

    name: str
    unit: str = STATE


@dataclass(frozen=True)
class Input:
    """The weighted input of this timestep, (n,): what the spikes that arrived add up to."""


@dataclass(frozen=True)
class Flag:
    """A truth value per neuron, kept until it is compared anew; false when a sample starts."""

    name: str


Operand = Register | Input | str | int


@dataclass(frozen=True)
class Value:
    """A parameter of an update: (n,) float64 and its unit."""

    array: np.ndarray
    unit: str = STATE


class Update(ABC):
    """What a model may do in a timestep. Every operation is per neuron; `where` limits it to neurons with a flag."""

    @abstractmethod
    def state(self, name: str, initial: str | None = None, unit: str = STATE) -> Register:
        """A variable that lives from timestep to timestep, 0 or the parameter `initial` when a sample starts."""

    @abstractmethod
    def temporary(self, name: str, unit: str = STATE) -> Register:
        """A variable that need not outlive this timestep."""

    @abstractmethod
    def flag(self, name: str) -> Flag:
        """One of up to four truth values."""

    @abstractmethod
    def input(self) -> Input:
        """The weighted input; it may be read once."""

    @abstractmethod
    def copy(self, d: Register, a: Operand, where: Flag | None = None) -> None:
        """d := a"""

    @abstractmethod
    def add(self, d: Register, a: Operand, b: Operand, where: Flag | None = None) -> None:
        """d := a + b"""

    @abstractmethod
    def sub(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        """d := a - b"""

    @abstractmethod
    def largest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        """d := max(a, b)"""

    @abstractmethod
    def smallest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        """d := min(a, b)"""

    @abstractmethod
    def mac(self, d: Register, a: Register, factor: str, plus: Operand, where: Flag | None = None) -> None:
        """d := a * factor + plus; `factor` names a COEFFICIENT."""

    @abstractmethod
    def mul(self, d: Register, a: Register, factor: str, where: Flag | None = None) -> None:
        """d := a * factor; `factor` names a COEFFICIENT."""

    @abstractmethod
    def product(self, d: Register, a: Register, b: Register, where: Flag | None = None) -> None:
        """d := a * b of two STATE registers; the model must fix a `Dynamics.scale` that is a power of two."""

    @abstractmethod
    def whole(self, d: Register, a: Register, where: Flag | None = None) -> None:
        """d := the STATE a in whole float units, rounded, for a COUNT d; the model fixes a scale as for `product`."""

    @abstractmethod
    def times(self, name: str, factor: int) -> Operand:
        """The parameter `name` times a whole number."""

    @abstractmethod
    def compare(self, d: Flag, a: Register, how: str, b: Operand, where: Flag | None = None) -> None:
        """d := a > b, a >= b or a == b, `how` being ">", ">=" or "=="; false outside `where`."""

    @abstractmethod
    def logic(self, d: Flag, a: Flag, how: str, b: Flag) -> None:
        """d := a and b, a or b, a and not b: `how` is "and", "or" or "and not"."""

    @abstractmethod
    def spike(self, where: Flag, payload: Register | None = None, signed: bool = False) -> None:
        """Fire; with a payload, 0..255 (or -128..127), that is what the spike's weights are multiplied by."""


Step = Callable[[Update], None]


@dataclass(frozen=True)
class Dynamics:
    """A population's discrete update, in floats; every array (n,).

    Attributes:
        update: what happens in a timestep.
        values: its parameters by name.
        gain: what a weighted input of 1 adds: the weights onto neuron n are multiplied by gain[n].
        amplitude: magnitude that the state certainly reaches (a threshold), or None if unknown.
        headroom: how many times that it must be able to hold, where no calibration says more.
        payload: largest magnitude of what a spike carries.
        signed: can it be negative?
        scale: integer units of one float unit, where the model fixes it; else the quantizer chooses.
        exact: weights and parameters are integers already (times scale), to be kept as they are.
        coef_shift: bits behind the point of coefficients, where the model fixes it.
        rounding: of products, as in `emulator.spec.fixedpoint`.
        state_bits: that the state needs, at least.
        output_delay: timesteps that everyone else sees the spikes later; the population's own recurrence does not.
    """

    update: Step
    values: dict[str, Value]
    gain: np.ndarray
    amplitude: np.ndarray | None = None
    headroom: float = 16.0
    payload: int = 1
    signed: bool = False
    scale: float | None = None
    exact: bool = False
    coef_shift: int | None = None
    rounding: int = NEAREST
    state_bits: int = 16
    output_delay: int = 0
