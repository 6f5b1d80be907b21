"""A rule in the integers of one population in one core: units, factors, and the registers that it works on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emulator.spec import isa
from emulator.spec.errors import DoesNotFitError, InputError
from emulator.spec.isa import Op

from ..network.rule import Term, Trace
from ..quantize.quantized import PlasticWeights, QuantizedProjection
from .neuron_program import Program

FINE = 8  # bits that a trace's unit has beyond what its decay loses to rounding


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


class RuleNumbers:
    """What the code of one projection's rule is made of.

    Attributes:
        fired: predicate of the population's spikes.
        selector: trace that tells rows worth a look after a postsynaptic spike; alive: itself if it must never be 0.
        mask: which spikes a row is looked at for.
        weight: register of a row's weights.
        units: of each trace, how many are 1.0.
    """

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

    def _whole(self, value: int) -> int:
        return max(-self.high - 1, min(self.high, value))

    def _post(self, name: str) -> int:
        return self.program.number(f"{name} of {self.name}")

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
