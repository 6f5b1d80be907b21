"""What a rule does once a sample, in its first timestep: rewards, drift, scaling."""

from __future__ import annotations

from emulator.spec.errors import DoesNotFitError
from emulator.spec.fixedpoint import NEAREST
from emulator.spec.isa import Op

from .row_body import RowBody


class SampleStart(RowBody):
    """Writes what a rule does when a sample starts."""

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
