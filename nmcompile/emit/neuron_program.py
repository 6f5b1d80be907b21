"""Neuron models as programs: a quantized population, on the slots it got in one core, becomes instructions.

`Program` is the `Update` that writes instructions: every named value gets a register, or an immediate where all neurons
agree, and every flag a predicate.
"""

from __future__ import annotations

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError, UsageError
from emulator.spec.fixedpoint import NEAREST
from emulator.spec.isa import Op, halves

from ..neurons.update import COEFFICIENT, STATE, Flag, Input, Operand, Register, Update
from ..quantize.quantized import QuantizedPopulation

_COMPARE = {">": "cgt", ">=": "cge", "==": "ceq"}
_LOGIC = {"and": 0b1000, "or": 0b1110, "and not": 0b0100}  # bit 2a + b


class Program(Update):
    """Collects the instructions of one population in one core and hands out its registers and predicates.

    Attributes:
        ops: so far.
        registers: name of each register in use, by number.
        loaded: (register: (slots,) values) that must be loaded before a run.
        states: what a sample reset sets, by register name: the parameter it starts from, or None for 0.
        drives: parameters that are added and never compared with, and what v starts from: between neurons they must
            be 0.
    """

    def __init__(
        self,
        arch: Architecture,
        population: QuantizedPopulation,
        slots: np.ndarray,
        drives: frozenset[str] = frozenset(),
    ):
        self.arch, self.population, self.slots = arch, population, slots
        self.ops: list[Op] = []
        self.registers: dict[str, int] = {}
        self.loaded: dict[int, np.ndarray] = {}
        self.states: dict[str, str | None] = {}
        self._added: set[str] = set()
        self._compared: set[str] = set()
        self._drives = drives
        self._known: dict[str, dict] = {}
        self._flags: dict[str, int] = {}
        self._less_one: set[str] = set()  # registers that hold one less than their name says
        self._read = False
        self.highest = (1 << (arch.state_bits - 1)) - 1  # that a register holds

    @property
    def drives(self) -> frozenset[str]:
        start = self.states.get("v")
        return frozenset(self._added - self._compared) | ({start} if start else frozenset())

    def full(self, what: str, held: list[str], limit: int, kind: str) -> DoesNotFitError:
        return DoesNotFitError(
            [
                f"{self.population.name!r} needs a {kind} for {what} beside {', '.join(held)}; {self.arch.name!r} has "
                f"{limit}; use an architecture with more {kind}s"
            ]
        )

    def number(self, name: str) -> int:
        """The number of the register that holds `name`."""
        if name not in self.registers:
            if len(self.registers) >= self.arch.registers:
                raise self.full(name, list(self.registers), self.arch.registers, "register")
            self.registers[name] = len(self.registers)
        return self.registers[name]

    def predicate(self, flag: Flag) -> int:
        if flag.name not in self._flags:
            if len(self._flags) >= isa.N_PREDICATES:
                raise self.full(flag.name, list(self._flags), isa.N_PREDICATES, "predicate")
            self._flags[flag.name] = len(self._flags)
        return self._flags[flag.name]

    def value(self, name: str) -> dict:
        """Second operand for per-neuron values (n,): an immediate if they agree, else a register.

        Slots between neurons must stay silent, whatever they hold: what drives neurons is 0 there, so that their v
        stays 0, and a threshold is one that 0 does not reach.
        """
        if name not in self._known:
            values = self.population.values[name]
            idle = 0 if name in self._drives else int(values[0])
            if idle <= 0 and name == "threshold":
                idle = self.highest
            if idle > 0 and name == "v_min":
                idle = 0
            here = np.where(self.slots >= 0, values[self.slots], idle)
            if (here == here[0]).all() and name not in self.population.changing:
                self._known[name] = {"imm_b": 1, "imm": int(here[0])}
            else:
                number = self.number(name)
                self.loaded[number] = here
                self._known[name] = {"imm_b": 0, "imm": number}
        return self._known[name]

    # ------------------------------------------------------------------------------------------ Update
    def state(self, name: str, initial: str | None = None, unit: str = STATE) -> Register:
        self.number(name)
        self.states[name] = initial
        return Register(name, unit)

    def temporary(self, name: str, unit: str = STATE) -> Register:
        self.number(name)
        return Register(name, unit)

    def flag(self, name: str) -> Flag:
        return Flag(name)

    def input(self) -> Input:
        if self._read:
            raise UsageError(f"the model of {self.population.name!r} reads its input twice; copy it to a register")
        self._read = True
        return Input()

    def copy(self, d: Register, a: Operand, where: Flag | None = None) -> None:
        self.emit("mov", where, d=self.number(d.name), **self.operand(a))

    def add(self, d: Register, a: Operand, b: Operand, where: Flag | None = None) -> None:
        if isinstance(a, (str, int)):
            a, b = b, a
        if not (d == a and self.is_zero(b)):
            self.emit("add", where, d=self.number(d.name), a=self.code(a), **self.operand(b))

    def sub(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        if isinstance(b, Register) and b.name in self._less_one:  # first, as a multiple may be 0, and v at its top
            self.emit("sub", where, d=self.number(d.name), a=self.code(a), imm_b=1, imm=1)
            a = d
        if not (d == a and self.is_zero(b)):
            self.emit("sub", where, d=self.number(d.name), a=self.code(a), **self.operand(b))

    def largest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self.emit("max", where, d=self.number(d.name), a=self.code(a), **self.operand(b))

    def smallest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self.emit("min", where, d=self.number(d.name), a=self.code(a), **self.operand(b))

    def mac(self, d: Register, a: Register, factor: str, plus: Operand, where: Flag | None = None) -> None:
        """One instruction, unless a register multiplies and another one is added."""
        if self.is_one(factor):
            self.add(d, a, plus, where)
            return
        by = self.value(factor)
        if isinstance(plus, Input) or (isinstance(plus, Register) and by["imm_b"]):
            self.emit("mac", where, **self.scaled(d, a, by), c=self.code(plus))
        elif isinstance(plus, Register) and plus == d:
            name = "product"  # d := a * factor + d needs its own place
            self.emit("mul", None, **self.scaled(self.temporary(name, d.unit), a, by))
            self.emit("add", where, d=self.number(d.name), a=self.number(name), imm=self.number(d.name))
        else:
            self.emit("mul", where, **self.scaled(d, a, by))
            self.add(d, d, plus, where)

    def mul(self, d: Register, a: Register, factor: str, where: Flag | None = None) -> None:
        if not self.is_one(factor):
            self.emit("mul", where, **self.scaled(d, a, self.value(factor)))
        elif d != a:
            self.copy(d, a, where)

    def product(self, d: Register, a: Register, b: Register, where: Flag | None = None) -> None:
        fields = {"d": self.number(d.name), "a": self.code(a), "imm": self.number(b.name)}
        self.emit("mul", where, **fields, shift=self.unit_bits("multiplies registers"), round=NEAREST)

    def whole(self, d: Register, a: Register, where: Flag | None = None) -> None:
        fields = {"d": self.number(d.name), "a": self.code(a), "imm_b": 1, "imm": 1}
        self.emit("mul", where, **fields, shift=self.unit_bits("counts whole units"), round=NEAREST)

    def unit_bits(self, why: str) -> int:
        """Bits behind the point of the state."""
        bits = int(np.log2(self.population.scale[0]))
        if bits < 0 or (self.population.scale != 2.0**bits).any():
            raise UsageError(
                f"the model of {self.population.name!r} {why}, so its Dynamics.scale must be a power of two, 1 or "
                f"more, not {self.population.scale[0]:g}"
            )
        return bits

    def times(self, name: str, factor: int) -> Operand:
        self._compared.add(name)
        by = self.value(name)
        if by["imm_b"]:
            return by["imm"] * factor
        if factor == 1:
            return name
        multiple = self.temporary(f"{name} times")
        d, fields = self.number(multiple.name), {"a": by["imm"], "imm_b": 1, "imm": factor}
        self._less_one.discard(multiple.name)
        if self.population.values[name].max() * factor <= self.highest:
            self.emit("mul", None, d=d, **fields)
        else:  # one less, so that a multiple that saturates is one that no state is above
            self.emit("mov", None, d=d, imm_b=1, imm=-1)
            self.emit("mac", None, d=d, c=d, **fields)
            self._less_one.add(multiple.name)
        return multiple

    def compare(self, d: Flag, a: Register, how: str, b: Operand, where: Flag | None = None) -> None:
        if isinstance(b, str):
            self._compared.add(b)
        if isinstance(b, int) and b > self.highest:
            how, b = ">", self.highest  # what no state can reach is not reached
        if isinstance(b, Register) and b.name in self._less_one:
            assert how == ">="
            how = ">"
        self.emit(_COMPARE[how], where, d=self.predicate(d), a=self.code(a), **self.operand(b))

    def logic(self, d: Flag, a: Flag, how: str, b: Flag) -> None:
        self.emit("plog", None, d=self.predicate(d), a=self.predicate(a), c=self.predicate(b), imm=_LOGIC[how])

    def spike(self, where: Flag, payload: Register | None = None, signed: bool = False) -> None:
        graded = {} if payload is None else {"a": self.number(payload.name), "flag": 1, "flag2": int(signed)}
        self.emit("spk", where, **graded)

    # -------------------------------------------------------------------------------------- instructions
    def emit(self, op: str, where: Flag | None, **fields: int) -> None:
        pred = {} if where is None else {"pred": 1 + self.predicate(where)}
        self.ops.append(Op(op, **pred, **fields))

    def code(self, operand: Operand) -> int:
        """Source code of a register or the accumulator, which is cleared as it is read."""
        if isinstance(operand, Input):
            return isa.SRC_ACC_CLEAR
        assert isinstance(operand, Register), f"{operand!r} cannot stand first"
        return self.number(operand.name)

    def operand(self, b: Operand) -> dict:
        """The fields of a second operand."""
        if isinstance(b, str):
            return self.value(b)
        if isinstance(b, int):
            return {"imm_b": 1, "imm": min(b, self.highest)}
        return {"imm": self.code(b)}

    def scaled(self, d: Register, a: Register, by: dict) -> dict:
        p = self.population
        return {"d": self.number(d.name), "a": self.code(a), **by, "shift": p.coef_shift, "round": p.rounding}

    def is_zero(self, b: Operand) -> bool:
        """Is nothing added? Remembers the parameter."""
        if not isinstance(b, str):
            return isinstance(b, int) and b == 0
        self._added.add(b)
        return not self.population.values[b].any()

    def is_one(self, factor: str) -> bool:
        assert self.population.units[factor] == COEFFICIENT, f"{factor!r} is no coefficient"
        return bool((self.population.values[factor] == 1 << self.population.coef_shift).all())


def update_program(arch: Architecture, population: QuantizedPopulation, slots: np.ndarray) -> Program:
    """The update of one timestep. `slots`: (n,) flat index of the neuron in each slot, or -1 for padding."""
    first = Program(arch, population, slots)
    population.update(first)
    program = Program(arch, population, slots, first.drives)
    for name in [*first.states, *sorted(population.changing)]:  # by which they are known, so the same in every core
        program.number(name)
    population.update(program)
    return program


def reset_program(program: Program) -> list[Op]:
    """What a sample starts from: the state at 0 or at its parameter, parameters as they are."""
    return [
        Op("mov", d=program.registers[name], **({"imm_b": 1} if start is None else program.value(start)))
        for name, start in program.states.items()
    ]


def range_op(first: int, slots: np.ndarray, lanes: int) -> Op:
    """The `range` of a population that holds `slots` from block `first` on."""
    blocks = -(-len(slots) // lanes)
    return Op("range", imm=halves(first, blocks), d=(len(slots) - 1) % lanes)
