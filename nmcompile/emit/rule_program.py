"""Learning rules as programs: traces on the axons, traces and conditions on the neurons, a body for the rows.

The code of one population in one core, run after its update in every timestep:

    when <switch>            on, or off for inference: the one word that `set_learning` writes
    when <first timestep>    rewards, scaling, drift
    range axon               x := decay x; where pre: x += 1
    range neuron             y := decay y; conditions
    rows                     w += terms; bounds
                             where fired: y += 1; threshold
    range axon               late traces

A trace counts in units chosen so that it dies out: decays round down, which takes at most 1 / (1 - decay) units off it.
"""

from __future__ import annotations

import math

from emulator.spec import isa
from emulator.spec.errors import DoesNotFitError, InputError
from emulator.spec.fixedpoint import FLOOR, NEAREST
from emulator.spec.isa import Op, halves

from ..learning.learned import ALWAYS
from ..network.rule import Condition, Trace
from ..neurons.update import Flag
from .neuron_program import Program
from .row_body import FRACTION
from .rule_numbers import Axons
from .sample_start import SampleStart


def learning_program(program: Program, here: Op, depth: int, axons: list[Axons]) -> tuple[list[Op], list[Op]]:
    """(what follows the update in every timestep, what follows its reset).

    Args:
        program: the finished update; it hands out more registers and predicates.
        here: the `range` of the population.
        depth: the timestep in which the population's first one happens.

    Raises:
        DoesNotFitError: traces, registers, predicates or instructions that are too many.
    """
    first, steps, reset = [here], [], []
    for place in axons:
        writer = RuleWriter(program, here, place)
        first += writer.per_sample()
        steps += writer.per_timestep()
        reset += writer.reset()
    if len(first) > 1:
        steps[:0] = [_when(program, first, depth, depth + 1), *first]
    switch = _when(program, steps, *ALWAYS)
    return [switch, *steps], [*reset, here]


def _when(program: Program, body: list[Op], since: int, until: int, of_sample: bool = False) -> Op:
    if len(body) > isa.LONGEST_SKIP:
        raise DoesNotFitError(
            [
                f"{program.population.name!r} needs {len(body)} instructions to learn in a timestep, a `when` skips "
                f"{isa.LONGEST_SKIP}; use rules with fewer traces and terms"
            ]
        )
    return isa.when(len(body), since, until, of_sample)


class RuleWriter(SampleStart):
    """Writes the code of one projection's rule."""

    def _axon_range(self) -> Op:
        lanes = self.arch.lanes
        first, n = self.axons.first // lanes, -(-self.axons.count // lanes)
        return Op("range", imm=halves(first, n), d=lanes - 1, flag=1)

    def _decay(self, trace: Trace, register: int) -> list[Op]:
        if trace.pairing == "window":
            return [
                Op("sub", d=register, a=register, imm_b=1, imm=1),
                Op("max", d=register, a=register, imm_b=1, imm=0),
            ]
        return [Op("mul", d=register, a=register, round=FLOOR, **self._scaled(self._beta(trace)))]

    def _bump(self, trace: Trace, register: int, pred: int) -> Op:
        if trace.pairing == "window":
            return Op("mov", pred=pred, d=register, imm_b=1, imm=self._steps(trace) + 1)
        if trace.pairing == "nearest":
            return Op("mov", pred=pred, d=register, imm_b=1, imm=self.units[trace.name])
        return Op("add", pred=pred, d=register, a=register, imm_b=1, imm=self.units[trace.name])

    def reset(self) -> list[Op]:
        """Traces are 0 when a sample starts."""
        ops = [self._axon_range()]
        own = len(self.rule.of("pre"))
        ops += [Op("mov", d=i, imm_b=1) for i in range(own) if i != self.alive]
        if self.alive is not None:
            ops.append(Op("mov", d=self.alive, imm_b=1, imm=1))
        ops.append(self.here)
        return ops + [Op("mov", d=self._post(t.name), imm_b=1) for t in self.rule.of("post")]

    def per_timestep(self) -> list[Op]:
        pre, post = self.rule.of("pre"), self.rule.of("post")
        early = []
        for i, trace in enumerate(pre):
            early += self._decay(trace, i)
            if i == self.alive:
                early.append(Op("max", d=i, a=i, imm_b=1, imm=1))
            if not trace.late:
                early.append(self._bump(trace, i, isa.PRED_PRE))
        ops = [self._axon_range(), *early] if early else []
        ops.append(self.here)
        for trace in post:
            ops += self._decay(trace, self._post(trace.name))
        if self.rule.terms:
            ops += [op for c in self.rule.conditions for op in self._condition(c)]
            ops += self._rows(self.mask, self._body())
        ops += [self._bump(trace, self._post(trace.name), 1 + self.fired) for trace in post]
        if self.rule.threshold:
            ops += self._threshold()
        late = [self._bump(trace, i, isa.PRED_PRE) for i, trace in enumerate(pre) if trace.late]
        return ops + ([self._axon_range(), *late] if late else [])

    def _condition(self, condition: Condition) -> list[Op]:
        """A predicate; compares that are masked give 0, so a chain of them is an `and`."""
        number = self.program.predicate(Flag(f"{condition.name} of {self.name}"))
        pred, ops = 0, []
        post = {t.name for t in self.rule.of("post")}
        for variable, low, high in condition.bounds:
            if variable in post:
                register, unit = self._post(variable), float(self.units[variable])
            elif variable in self.program.registers:
                register, unit = self.program.registers[variable], self.learned.scale
            else:
                held = ", ".join([*post, *(n for n in self.program.states)])
                raise InputError(
                    f"{self.name!r}: condition {condition.name!r} looks at {variable!r}, which "
                    f"{self.program.population.name!r} does not have; it has {held}"
                )
            if low > -math.inf:
                least = math.ceil(low * unit)
                reached = "cge" if least <= self.high else "cgt"  # what no register reaches is not reached
                ops.append(Op(reached, pred=pred, d=number, a=register, imm_b=1, imm=self._whole(least)))
                pred = 1 + number
            if high < math.inf:
                negative = self.program.number("change")
                ops.append(Op("mul", d=negative, a=register, imm_b=1, imm=-1))
                ops.append(
                    Op("cgt", pred=pred, d=number, a=negative, imm_b=1, imm=self._whole(-math.ceil(high * unit)))
                )
                pred = 1 + number
        if any(t.on == "post" and t.where == condition.name for t in self.rule.terms):
            ops.append(Op("plog", d=number, a=number, c=self.fired, imm=0b1000))
        return ops

    def _threshold(self) -> list[Op]:
        """threshold += plus where fired; what it is above its first value decays, rounded at random."""
        rule = self.rule.threshold
        assert rule
        register = self.program.number("threshold")
        plus, base = round(rule.plus * self.learned.scale), int(self.program.population.values["threshold"][0])
        ops = [Op("add", pred=1 + self.fired, d=register, a=register, imm_b=1, imm=self._whole(plus))]
        if rule.tau < math.inf:
            rise, change = self.weight, self.program.number("change")
            bits = min(FRACTION, self.arch.state_bits - 9)
            part = self._scaled(self.learned.dt / rule.tau * 2.0**bits)
            ops += [
                Op("sub", d=rise, a=register, imm_b=1, imm=base),
                Op("rnd", d=change, shift=bits),
                Op("mac", d=change, a=rise, c=change, round=NEAREST, **part),
                Op("mul", d=change, a=change, imm_b=1, imm=1, shift=bits, round=FLOOR),
                Op("sub", d=register, a=register, imm=change),
            ]
        return ops
