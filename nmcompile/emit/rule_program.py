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
from dataclasses import dataclass

from emulator.spec import isa
from emulator.spec.errors import DoesNotFitError, InputError
from emulator.spec.fixedpoint import FLOOR, NEAREST
from emulator.spec.isa import Op, halves

from ..learning.learned import ALWAYS
from ..network.rule import Condition, Term, Trace
from ..neurons.update import Flag
from ..quantize.plastic import TAG_BITS
from ..quantize.quantized import PlasticWeights, QuantizedProjection
from .neuron_program import Program

FINE = 8  # bits that a trace's unit has beyond what its decay loses to rounding
FRACTION = 15  # bits behind the point of a weight change before it is rounded at random


@dataclass(frozen=True)
class Axons:
    """A learning projection in one core: its first axon, and how many of them."""

    projection: QuantizedProjection
    first: int
    count: int

    @property
    def learned(self) -> PlasticWeights:
        assert self.projection.plastic is not None
        return self.projection.plastic


@dataclass(frozen=True)
class Value:
    """A source operand, and how many of its units are 1.0."""

    code: int
    unit: float


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
        writer = _Writer(program, here, place)
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


class _Writer:
    """The code of one projection's rule."""

    def __init__(self, program: Program, here: Op, axons: Axons):
        self.program, self.here, self.axons = program, here, axons
        self.arch, self.learned = program.arch, axons.learned
        self.rule, self.name = self.learned.rule, axons.projection.name
        self.high = (1 << (self.arch.state_bits - 1)) - 1
        self.coef = (1 << (self.arch.coef_bits - 1)) - 1
        self.fired = self._fired()
        on = {term.on for term in self.rule.terms}
        self.selector, self.alive = self._selector() if "post" in on else (0, None)
        self.mask = ("pre" in on) | ("post" in on) << 1
        self._fits()
        self.weight = program.number("weight")
        self.units = {t.name: self._unit(t) for t in self.rule.traces}
        self._traces_last()

    def _fired(self) -> int:
        """The predicate of the population's spikes."""
        spikes = [op.pred for op in self.program.ops if op.name == "spk"]
        if len(spikes) != 1 or not 1 <= spikes[0] <= isa.N_PREDICATES:
            raise InputError(
                f"{self.program.population.name!r} has no single condition of firing, so {self.name!r} cannot learn "
                "from its spikes; use another neuron model"
            )
        return spikes[0] - 1

    def _selector(self) -> tuple[int, int | None]:
        """(the trace that tells rows worth a look after a postsynaptic spike, itself if it must never be 0).

        Where not every term on "post" has the same presynaptic trace, all rows must be looked at: then a trace of its
        own is 1 for ever, or, if there is none left, the first one never dies.
        """
        pre = [t.name for t in self.rule.of("pre")]
        common = [name for name in pre if all(name in t.traces for t in self.rule.terms if t.on == "post")]
        if common:
            return pre.index(common[0]), None
        alive = min(len(pre), self.arch.traces - 1)
        return alive, alive

    def _fits(self) -> None:
        rule, arch, pre = self.rule, self.arch, self.rule.of("pre")
        needed = max(1, len(pre))
        if needed > arch.traces:
            names = f" ({', '.join(t.name for t in pre)})" if pre else ""
            raise DoesNotFitError(
                [
                    f"{self.name!r} needs {needed} traces per axon for {rule.name!r}{names}, {arch.name!r} has "
                    f"{arch.traces}; use an architecture with more traces, or a rule with fewer"
                ]
            )

    def _traces_last(self) -> None:
        """A window is counted in timesteps; a decay that takes more off than a spike adds leaves no trace."""
        for trace in self.rule.traces:
            held, limit = self._steps(trace) + 1, self.high
            if trace.pairing != "window":
                held, limit = math.ceil(1 / (1 - self._beta(trace))), self.units[trace.name]
                decay = self._scaled(self._beta(trace))
                if decay["imm"] == 1 << decay["shift"]:  # no factor is nearer to 1: it never decays
                    continue
            if held > limit:
                raise DoesNotFitError(
                    [
                        f"{self.name!r}: trace {trace.name!r} of rule {self.rule.name!r} lasts {held:,} timesteps, "
                        f"traces of {self.arch.state_bits} bits on {self.arch.name!r} last {limit:,}; use a shorter "
                        "time constant, a longer --dt, or an architecture with more state_bits"
                    ]
                )

    # ------------------------------------------------------------------------------------------- numbers
    def _beta(self, trace: Trace) -> float:
        return min(math.exp(-self.learned.dt / trace.tau), 1 - 1e-9)  # no coefficient tells more from 1

    def _steps(self, trace: Trace) -> int:
        """Timesteps of a window."""
        return round(trace.tau / self.learned.dt)

    def _unit(self, trace: Trace) -> int:
        """Units of a trace that are 1.0: fine enough for its decay, small enough to stay in a register or a factor."""
        if trace.pairing == "window":
            return 1
        lasts = 1 / (1 - self._beta(trace))
        largest = lasts if trace.pairing == "all" else 1.0
        factor = any(len(t.traces) == 2 and self._factor(t) == trace.name for t in self.rule.terms)
        room = self.coef if factor else self.high
        return 1 << max(0, min(FINE + math.ceil(math.log2(lasts)), int(math.log2(room / largest))))

    def _factor(self, term: Term) -> str:
        """Which of a term's two traces is the second factor: the one that stays smaller."""
        traces = {t.name: t for t in self.rule.traces}
        return min(term.traces, key=lambda name: traces[name].tau if traces[name].pairing == "all" else 0.0)

    def _scaled(self, factor: float) -> dict[str, int]:
        """imm and shift of a product with `factor`, as exact as a coefficient can be."""
        shift = 0
        while shift < 31 and abs(factor) * 2.0 ** (shift + 1) < self.coef:
            shift += 1
        if round(abs(factor) * 2.0**shift) > self.coef:
            raise DoesNotFitError(
                [
                    f"{self.name!r}: rule {self.rule.name!r} needs a factor of {factor:g}, {self.arch.name!r} has "
                    f"factors up to {self.coef:,}; make its changes smaller, or use fewer bits"
                ]
            )
        return {"imm_b": 1, "imm": round(factor * 2.0**shift), "shift": shift}

    # ---------------------------------------------------------------------------------------------- axons
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

    def _post(self, name: str) -> int:
        return self.program.number(f"{name} of {self.name}")

    # ------------------------------------------------------------------------------------------ a timestep
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

    def _rows(self, mask: int, body: list[Op]) -> list[Op]:
        where = halves(self.axons.first // isa.GRANULE, self.axons.count - 1)
        if self.learned.masked:
            body = self._kept(body)
        if len(body) > isa.LONGEST_BODY:
            raise DoesNotFitError(
                [
                    f"{self.name!r}: rule {self.rule.name!r} needs {len(body)} instructions a row, a body has at most "
                    f"{isa.LONGEST_BODY}; use a rule with fewer terms"
                ]
            )
        return isa.rows(body, imm=where, d=self.weight, a=self.fired, c=self.selector, shift=mask)

    def _kept(self, body: list[Op]) -> list[Op]:
        """A body that leaves weights of 0 alone, as these are no synapses, and makes none.

        Where weights may have both signs, one that would become 0 becomes the unit beyond it.
        """
        absent = self.program.predicate(Flag(f"absent in {self.name}"))
        gone = Op("mov", pred=1 + absent, d=self.weight, imm_b=1)
        if not self.learned.lower < 0 < self.learned.upper:
            return [Op("ceq", d=absent, a=self.weight, imm_b=1), *body, gone]
        sign = self.program.number("sign")
        return [
            Op("min", d=sign, a=self.weight, imm_b=1, imm=1),
            Op("max", d=sign, a=sign, imm_b=1, imm=-1),
            *body,
            Op("ceq", d=absent, a=self.weight, imm_b=1),
            Op("sub", pred=1 + absent, d=self.weight, a=self.weight, imm=sign),
            Op("ceq", d=absent, a=sign, imm_b=1),
            gone,
        ]

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

    # ------------------------------------------------------------------------------------------------ rows
    def _source(self, name: str) -> Value:
        """A trace as an operand in a rows body."""
        pre = [t.name for t in self.rule.of("pre")]
        code = isa.SRC_TRACE + pre.index(name) if name in pre else self._post(name)
        return Value(code, float(self.units[name]))

    def _value(self, term: Term, ops: list[Op]) -> Value | None:
        """What a term's change is multiplied by; None for 1."""
        windows = {t.name for t in self.rule.traces if t.pairing == "window"}
        values = []
        for name in term.traces:
            value = self._source(name)
            if name in windows:
                flat = self.program.number("factor" if len(term.traces) == 1 else f"{name} of {self.name} or 1")
                ops.append(Op("min", d=flat, a=value.code, imm_b=1, imm=1))
                value = Value(flat, 1.0)
            values.append(value)
        if len(values) == 2 and term.traces[0] == self._factor(term):
            values.reverse()
        if term.soft:
            values.append(Value(self.program.number(f"distance {term.soft}"), float(self._way())))
        while len(values) > 1:
            second = values.pop()
            first, shift = values.pop(), math.ceil(math.log2(second.unit))
            product = self.program.number("factor")
            if first.code >= isa.SRC_TRACE and second.code >= isa.SRC_TRACE and first.code != second.code:
                ops.append(Op("mov", d=product, imm=first.code))  # an instruction reads one trace of the axon
                first = Value(product, first.unit)
            ops.append(Op("mul", d=product, a=first.code, imm=second.code, shift=shift, round=NEAREST))
            values.append(Value(product, first.unit * second.unit / 2.0**shift))
        return values[0] if values else None

    def _way(self) -> int:
        """From one bound to the other."""
        way = self.learned.upper - self.learned.lower
        if way > self.coef:
            raise DoesNotFitError(
                [
                    f"{self.name!r}: a soft bound multiplies by up to {way:,}, {self.arch.name!r} has factors up to "
                    f"{self.coef:,}; use 8-bit weights"
                ]
            )
        return way

    def _distances(self) -> list[Op]:
        """How far the weight is from its bounds, before any term has changed it."""
        ops, soft = [], {t.soft for t in self.rule.terms}
        if "up" in soft:
            d = self.program.number("distance up")
            ops += [Op("mov", d=d, imm_b=1, imm=self.learned.upper), Op("sub", d=d, a=d, imm=self.weight)]
        if "down" in soft:
            d = self.program.number("distance down")
            ops.append(Op("sub", d=d, a=self.weight, imm_b=1, imm=self.learned.lower))
        return ops

    def _predicate(self, term: Term) -> int:
        if term.where:
            return 1 + self.program.predicate(Flag(f"{term.where} of {self.name}"))
        if term.on == "post":
            return 1 + self.fired
        return isa.PRED_PRE if self.mask & 2 else 0

    def _add_terms(self, into: int, unit: float, rounding: int) -> list[Op]:
        """into += every term, `unit` of it being one unit of weight in the network."""
        ops = self._distances()
        for term in self.rule.terms:
            amount, pred = term.change * unit, self._predicate(term)
            value = self._value(term, ops)
            if term.where and term.on == "pre" and self.mask & 2:
                # two conditions at once: what the neuron's one leaves is added where the other one holds
                held = self.program.number("held")
                ops.append(Op("mov", d=held, imm_b=1))
                if value is None:
                    value = Value(held, 1.0)
                    ops.append(Op("mov", pred=pred, d=held, imm_b=1, imm=1))
                else:
                    ops.append(Op("mov", pred=pred, d=held, imm=value.code))
                    value = Value(held, value.unit)
                pred = isa.PRED_PRE
            if value is None:
                ops.append(Op("add", pred=pred, d=into, a=into, imm_b=1, imm=self._whole(round(amount))))
            else:
                scaled = self._scaled(amount / value.unit)
                if amount and not scaled["imm"]:
                    raise DoesNotFitError(
                        [
                            f"{self.name!r}: rule {self.rule.name!r} needs a factor of {amount / value.unit:.3g}, "
                            f"{self.arch.name!r} has none but 0 below {2.0**-32:.3g}; make its changes larger"
                        ]
                    )
                ops.append(Op("mac", pred=pred, d=into, a=value.code, c=into, round=rounding, **scaled))
        return ops

    def _whole(self, value: int) -> int:
        return max(-self.high - 1, min(self.high, value))

    def _body(self) -> list[Op]:
        """w += the terms, rounded; or the tag does."""
        if self.rule.eligibility:
            return self._tag_body()
        unit = 1 / self.learned.unit
        if self.rule.rounding == "nearest":
            return [*self._add_terms(self.weight, unit, NEAREST), *self._bounds()]
        change, bits = self.program.number("change"), self._fraction(unit)
        ops = [Op("rnd", d=change, shift=bits), *self._add_terms(change, unit * 2.0**bits, NEAREST)]
        return [*ops, self._round_down(change, bits), *self._bounds()]

    def _fraction(self, unit: float) -> int:
        """Bits behind the point of a change, so that no change of a timestep overflows."""
        stacked = {t.name: (1 / (1 - self._beta(t)) if t.pairing == "all" else 1.0) for t in self.rule.traces}
        largest = sum(abs(t.change) * unit * math.prod(min(8.0, stacked[n]) for n in t.traces) for t in self.rule.terms)
        return max(1, min(FRACTION, int(math.log2(self.high / max(1.0, largest))) - 1))

    def _round_down(self, change: int, bits: int) -> Op:
        return Op("mac", d=self.weight, a=change, imm_b=1, imm=1, shift=bits, round=FLOOR, c=self.weight)

    def _bounds(self) -> list[Op]:
        """Storing a weight saturates it, so bounds at the end of its format cost nothing."""
        end, ops = 1 << (self.axons.projection.bits - 1), []
        if self.learned.lower > -end:
            ops.append(Op("max", d=self.weight, a=self.weight, imm_b=1, imm=self.learned.lower))
        if self.learned.upper < end - 1:
            ops.append(Op("min", d=self.weight, a=self.weight, imm_b=1, imm=self.learned.upper))
        return ops

    # -------------------------------------------------------------------------------- tags of eligibility
    def _split(self) -> tuple[int, int, list[Op]]:
        """(register of the upper byte, register of the tag, instructions that fill them)."""
        whole, tag = self.program.number("whole"), self.program.number("tag")
        return (
            whole,
            tag,
            [
                Op("mul", d=whole, a=self.weight, imm_b=1, imm=1, shift=TAG_BITS, round=NEAREST),
                Op("mac", d=tag, a=whole, imm_b=1, imm=-(1 << TAG_BITS), c=self.weight),
            ],
        )

    def _join(self, whole: int, tag: int) -> list[Op]:
        end = (1 << (TAG_BITS - 1)) - 1
        return [
            Op("max", d=tag, a=tag, imm_b=1, imm=-end),
            Op("min", d=tag, a=tag, imm_b=1, imm=end),
            Op("mac", d=self.weight, a=whole, imm_b=1, imm=1 << TAG_BITS, c=tag),
        ]

    def _tag_unit(self) -> float:
        """Units of the tag that are one unit of weight in the network."""
        assert self.rule.eligibility
        return ((1 << (TAG_BITS - 1)) - 1) / self.rule.eligibility.largest

    def _tag_body(self) -> list[Op]:
        whole, tag, ops = self._split()
        if self.rule.rounding == "nearest":
            ops += self._add_terms(tag, self._tag_unit(), NEAREST)
        else:
            change, bits = self.program.number("change"), min(FRACTION, self._fraction(self._tag_unit()))
            ops += [Op("rnd", d=change, shift=bits), *self._add_terms(change, self._tag_unit() * 2.0**bits, NEAREST)]
            ops.append(Op("mac", d=tag, a=change, imm_b=1, imm=1, shift=bits, round=FLOOR, c=tag))
        return [*ops, *self._join(whole, tag)]

    def _reward_body(self) -> list[Op]:
        """w += rate * reward * tag; tag *= keep."""
        e = self.rule.eligibility
        assert e
        whole, tag, ops = self._split()
        per_unit = e.rate / self._tag_unit() / (self.learned.unit * (1 << TAG_BITS))  # upper bytes per tag and reward
        change, bits = self.program.number("change"), min(FRACTION, self.arch.state_bits - 10)
        low, high = self.learned.lower >> TAG_BITS, self.learned.upper >> TAG_BITS
        ops += [
            Op("mul", d=self.weight, a=tag, imm=isa.SRC_REWARD),
            Op("rnd", d=change, shift=bits),
            Op("mac", d=change, a=self.weight, c=change, round=NEAREST, **self._scaled(per_unit * 2.0**bits)),
            Op("mac", d=whole, a=change, imm_b=1, imm=1, shift=bits, round=FLOOR, c=whole),
            Op("max", d=whole, a=whole, imm_b=1, imm=low),
            Op("min", d=whole, a=whole, imm_b=1, imm=high),
            Op("mul", d=tag, a=tag, round=FLOOR, **self._scaled(e.keep)) if e.keep else Op("mov", d=tag, imm_b=1),
        ]
        return [*ops, *self._join(whole, tag)]

    # ------------------------------------------------------------------------------------- once a sample
    def per_sample(self) -> list[Op]:
        every, ops = 8, []
        if self.rule.eligibility:
            ops += self._rows(every, self._reward_body())
        if self.rule.drift:
            ops += self._rows(every, self._drift_body())
        if self.rule.scaling:
            ops += self._scaling(every)
        return ops

    def _drift_body(self) -> list[Op]:
        """w += drift from the middle on, else w -= drift."""
        t, low, high = self.program.number("change"), self.learned.lower, self.learned.upper
        step = max(1, min(round(self.rule.drift / self.learned.unit), -(-(high - low) // 2)))  # no bound is farther
        return [
            Op("sub", d=t, a=self.weight, imm_b=1, imm=(low + high + 1) // 2),
            Op("max", d=t, a=t, imm_b=1, imm=-1),
            Op("min", d=t, a=t, imm_b=1, imm=0),
            Op("mul", d=t, a=t, imm_b=1, imm=2),
            Op("add", d=t, a=t, imm_b=1, imm=1),  # its sign
            Op("mul", d=t, a=t, imm_b=1, imm=step),
            Op("add", d=self.weight, a=self.weight, imm=t),
            *self._bounds(),
        ]

    def _scaling(self, every: int) -> list[Op]:
        """w *= 2 - sum / target: Newton's step towards w * target / sum, within a factor of two.

        One sweep over the rows adds them up, another one changes them.
        """
        assert self.rule.scaling
        total, change, part = (self.program.number(name) for name in ("total", "change", "factor"))
        target = round(self.rule.scaling / self.learned.unit)
        most = max(2 * target, self.axons.count * max(abs(self.learned.lower), self.learned.upper))
        coarse = max(0, most.bit_length() - (self.arch.state_bits - 1))
        point = min(self.arch.coef_bits, self.arch.state_bits) - 3  # bits behind the point of the factor
        largest = max(abs(self.learned.lower), abs(self.learned.upper)) << point
        drop = max(0, largest.bit_length() - (self.arch.state_bits - 2))
        bits = point - drop
        if bits > 0:
            scale = [
                Op("rnd", d=change, shift=bits),
                Op("mul", d=part, a=self.weight, imm=total, shift=drop, round=NEAREST),
                Op("add", d=change, a=change, imm=part),
                self._round_down(change, bits),
            ]
        else:  # weights as wide as the state leave no room for a fraction
            scale = [
                Op("mul", d=part, a=self.weight, imm=total, shift=point, round=NEAREST),
                Op("add", d=self.weight, a=self.weight, imm=part),
            ]
        target >>= coarse
        if not target:
            raise DoesNotFitError(
                [
                    f"{self.name!r}: rule {self.rule.name!r} scales weights to a sum of {self.rule.scaling:g}, but one "
                    f"unit of it is {self.learned.unit * 2**coarse:.3g} on {self.arch.name!r}; use a larger scaling, "
                    "more bits, or an architecture with more state_bits"
                ]
            )
        add = Op("mac", d=total, a=self.weight, imm_b=1, imm=1, shift=coarse, round=NEAREST, c=total)
        return [
            Op("mov", d=total, imm_b=1),
            *self._rows(every, [add]),
            Op("mov", d=change, imm_b=1, imm=target),
            Op("sub", d=total, a=change, imm=total),
            Op("mul", d=total, a=total, round=NEAREST, **self._scaled(2.0**point / target)),
            Op("max", d=total, a=total, imm_b=1, imm=-(1 << (point - 1))),
            Op("min", d=total, a=total, imm_b=1, imm=1 << point),
            *self._rows(every, [*scale, *self._bounds()]),
        ]

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
