"""The body of `rows`: what a rule does with the weights of a row, and with the tags below them."""

from __future__ import annotations

import math

from emulator.spec import isa
from emulator.spec.errors import DoesNotFitError
from emulator.spec.fixedpoint import FLOOR, NEAREST
from emulator.spec.isa import Op, halves

from ..network.rule import Term
from ..neurons.update import Flag
from ..quantize.plastic import TAG_BITS
from .rule_numbers import RuleNumbers, Value

FRACTION = 15  # bits behind the point of a weight change before it is rounded at random


class RowBody(RuleNumbers):
    """Writes the bodies of a rule's rows."""

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
