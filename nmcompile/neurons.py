"""Neuron models as programs: a quantized population, on the slots it got in one core, becomes instructions.

A model is a short list of steps on named values; `Program` gives every named value a register, or an immediate where
all neurons agree.
"""

from __future__ import annotations

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture
from emulator.spec.errors import DoesNotFitError
from emulator.spec.fixedpoint import NEAREST
from emulator.spec.isa import Op, halves

from .quantize import QuantizedPopulation

FIRED = 0  # the predicate that holds who fired; it lives until the next update


class Program:
    """Collects the instructions of one population in one core and hands out its registers.

    Attributes:
        ops: so far.
        registers: name of each register in use, by number.
        initial: (register: (slots,) values) that must be loaded before a run.
    """

    def __init__(self, arch: Architecture, population: QuantizedPopulation, slots: np.ndarray):
        self.arch, self.population, self.slots = arch, population, slots
        self.ops: list[Op] = []
        self.registers: dict[str, int] = {}
        self.initial: dict[int, np.ndarray] = {}
        self._known: dict[str, dict] = {}

    def register(self, name: str) -> int:
        """The number of the register that holds `name`."""
        if name not in self.registers:
            if len(self.registers) >= self.arch.registers:
                held = ", ".join(self.registers)
                raise DoesNotFitError(
                    [
                        f"{self.population.name!r} needs a register for {name} beside {held}; {self.arch.name!r} has "
                        f"{self.arch.registers}; use an architecture with more registers"
                    ]
                )
            self.registers[name] = len(self.registers)
        return self.registers[name]

    def value(self, name: str, values: np.ndarray, idle: int) -> dict:
        """Second operand for per-neuron values (n,): an immediate if they agree, else a register.

        Slots between neurons hold `idle`, so where that matters an immediate must equal it.
        """
        if name not in self._known:
            here = np.where(self.slots >= 0, values[self.slots], idle)
            if (here == here[0]).all():
                self._known[name] = {"imm_b": 1, "imm": int(here[0])}
            else:
                number = self.register(name)
                self.initial[number] = here
                self._known[name] = {"imm_b": 0, "imm": number}
        return self._known[name]

    def emit(self, name: str, **fields: int) -> None:
        self.ops.append(Op(name, **fields))

    def decay(self, target: int, name: str, values: np.ndarray, plus: int) -> None:
        """register := coefficient * register + source, in one product where two register reads allow it."""
        shift = self.population.coef_shift
        if (values == 1 << shift).all():
            self.emit("add", d=target, a=target, imm=plus)
            return
        by = self.value(name, values, idle=0)
        product = {"d": target, "a": target, **by, "shift": shift, "round": NEAREST}
        if not by["imm_b"] and plus < isa.N_REGISTERS:
            self.emit("mul", **product)
            self.emit("add", d=target, a=target, imm=plus)
        else:
            self.emit("mac", **product, c=plus)


def update_program(arch: Architecture, population: QuantizedPopulation, slots: np.ndarray) -> Program:
    """The update of one timestep: integrate, compare, reset, spike. `slots`: (n,) flat index, or -1 for padding."""
    p = population
    program = Program(arch, p, slots)
    v = program.register("v")
    if p.alpha is not None:
        j = program.register("j")
        program.decay(j, "alpha", p.alpha, isa.SRC_ACC_CLEAR)
        if p.drive.any():
            program.emit("add", d=j, a=j, **program.value("bias", p.drive, idle=0))
        program.decay(v, "beta", p.beta, j)
        if p.leak.any():
            program.emit("add", d=v, a=v, **program.value("leak", p.leak, idle=0))
    else:
        program.decay(v, "beta", p.beta, isa.SRC_ACC_CLEAR)
        if p.drive.any():
            program.emit("add", d=v, a=v, **program.value("bias", p.drive, idle=0))
    if p.threshold is None:
        return program
    highest = (1 << (arch.state_bits - 1)) - 1
    threshold = program.value("threshold", p.threshold, idle=highest if p.threshold.min() <= 0 else int(p.threshold[0]))
    fired = 1 + FIRED
    if p.reset == "delayed-subtract":
        program.emit("sub", d=v, a=v, pred=fired, **threshold)
    program.emit("cgt" if p.compare == ">" else "cge", d=FIRED, a=v, **threshold)
    if p.reset == "value":
        program.emit("mov", d=v, pred=fired, **program.value("v_reset", p.reset_value, idle=0))
    elif p.reset == "subtract":
        program.emit("sub", d=v, a=v, pred=fired, **threshold)
    program.emit("spk", pred=fired)
    return program


def reset_program(program: Program) -> list[Op]:
    """What a sample starts from: the state at 0, parameters as they are."""
    return [Op("mov", d=program.registers[name], imm_b=1) for name in ("v", "j") if name in program.registers]


def range_op(first: int, slots: np.ndarray, lanes: int) -> Op:
    """The `range` of a population that holds `slots` from block `first` on."""
    blocks = -(-len(slots) // lanes)
    return Op("range", imm=halves(first, blocks), d=(len(slots) - 1) % lanes)
