"""What a timestep means: NIR's continuous equations turned into one discrete update, by explicit choices.

NIR stores no dt, no reset kind, no comparison and no order of synapse and membrane, and frameworks differ in all of
them; a preset per framework says which, and every field of it can be overridden. `lif.py` makes the update of it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from emulator.spec.errors import UsageError

from .limits import LARGEST_PAYLOAD
from .network import Population

INTEGRATORS = ("euler", "exponential", "given", "decay-input", "spyx")
RESETS = ("value", "subtract", "delayed-subtract", "delayed-value", "recharged-subtract", "multi-spike")
COMPARES = (">", ">=")
SYNAPSES = ("before", "after")
ROUNDINGS = ("nearest", "zero")


@dataclass(frozen=True)
class Semantics:
    """Choices that turn a NIR neuron into an update per timestep.

    Attributes:
        dt: seconds.
        integrator: "euler": decay 1 - dt/tau, gain r dt/tau; "exponential": decay exp(-dt/tau), gain r (1 - decay);
            "given": decay exp(-dt/tau), gain r dt/tau, for exporters that fold their own gain into r;
            "decay-input": decay exp(-dt/tau) acts on an input in the timestep in which it arrives, so the gain is the
            decay of the state it enters, and r and w_in mean nothing;
            "spyx": euler, but an r that is the decay itself is Spyx's exporter speaking, and the gain is 1.
        reset: of a neuron that fired: "value": v := v_reset at once; "subtract": v -= v_threshold at once;
            "delayed-subtract": v_threshold is taken off in the next update, after it has integrated;
            "delayed-value": v := v_reset in the next update, whose input is lost (snnTorch's recurrent zero);
            "recharged-subtract": snnTorch's subtract with reset_delay=False: at once, but where v is above the
            threshold still, the next comparison is made with v less v_threshold;
            "multi-spike": fires floor(v / v_threshold) times at once, up to max_spikes, as one graded spike, and
            subtracts as much; it compares with >=.
        recurrent_reset: the reset of populations that feed themselves, where it is another; None: the same.
        compare: ">" fires above the threshold, ">=" at it.
        synapse: "before": the membrane sees this timestep's synaptic current; "after": the last one's.
        recurrent_bias: is the bias of recurrent connections there in the first timestep?
        v_min: lower bound of v, applied last; None: no bound.
        max_spikes: of "multi-spike".
        output_delay: timesteps that everyone else sees a population's spikes later; its own recurrence does not.
        rounding: of decays; "zero": toward zero, with 12 bits behind the point, as Loihi has it.
        per_model: (model, field, value): what differs for one neuron model.
    """

    preset: str
    dt: float
    integrator: str = "euler"
    reset: str = "value"
    recurrent_reset: str | None = None
    compare: str = ">"
    synapse: str = "before"
    recurrent_bias: bool = True
    v_min: float | None = None
    max_spikes: int = LARGEST_PAYLOAD
    output_delay: int = 0
    rounding: str = "nearest"
    per_model: tuple[tuple[str, str, float | str | None], ...] = ()

    def __post_init__(self) -> None:
        if not (self.dt > 0 and math.isfinite(self.dt)):
            raise UsageError(f"dt = {self.dt} s; a timestep must be positive")
        for name, value, choices in (
            ("integrator", self.integrator, INTEGRATORS),
            ("reset", self.reset, RESETS),
            ("recurrent_reset", self.recurrent_reset or self.reset, RESETS),
            ("compare", self.compare, COMPARES),
            ("synapse", self.synapse, SYNAPSES),
            ("rounding", self.rounding, ROUNDINGS),
        ):
            if value not in choices:
                raise UsageError(f"{name} {value!r}; the choices are {', '.join(choices)}")
        if not 1 <= self.max_spikes <= LARGEST_PAYLOAD:
            raise UsageError(f"max_spikes = {self.max_spikes}; a graded spike stands for 1 to {LARGEST_PAYLOAD}")
        if self.output_delay < 0:
            raise UsageError(f"output_delay = {self.output_delay}; it must be 0 or more timesteps")

    def of(self, population: Population) -> Semantics:
        """The choices for one population."""
        own: dict[str, Any] = {field: value for name, field, value in self.per_model if name == population.model}
        recurrent = own.get("recurrent_reset", self.recurrent_reset)
        if recurrent and population.late_bias is not None:
            own["reset"] = recurrent
        return dataclasses.replace(self, **own, per_model=()) if own else self

    def describe(self) -> str:
        """One line of what was assumed: always the four choices that matter most, others where they are unusual."""
        text = f"{self.preset}: dt {self.dt:g} s, {self.integrator}, reset {self.reset}, fires at v {self.compare} v_th"
        if self.reset == "multi-spike":
            text = text.replace(self.compare, ">=") + f", up to {self.max_spikes} times"
        if self.recurrent_reset:
            text += f", where recurrent reset {self.recurrent_reset}"
        if self.synapse == "after":
            text += ", membrane before synapse"
        if not self.recurrent_bias:
            text += ", no recurrent bias at t = 0"
        if self.v_min is not None:
            text += f", v >= {self.v_min:g}"
        if self.output_delay:
            text += f", output {self.output_delay} later"
        if self.rounding == "zero":
            text += ", decays round toward zero"
        for model, field, value in self.per_model:
            text += f"; {model}: {field} {value}"
        return text


PRESETS: dict[str, Semantics] = {
    "nir": Semantics("nir", dt=1e-4),
    # snnTorch 1.0 exports dt = 1e-4; Leaky's default reset acts on the next step (snn.Leaky, reset_delay=True); the
    # zero of RLeaky acts there, too, and takes that step's input along. RSynaptic is read as the NIR paper
    # trained it, with reset_delay=False.
    "snntorch": Semantics("snntorch", dt=1e-4, reset="delayed-subtract"),
    "snntorch-zero": Semantics("snntorch-zero", dt=1e-4, per_model=(("LIF", "recurrent_reset", "delayed-value"),)),
    # Norse 1.1, norse/torch/functional/lif.py: current jumps, membrane, reset; recurrent modules add no feedback, and
    # so not its bias, in the first timestep.
    "norse": Semantics("norse", dt=1e-3, recurrent_bias=False),
    # sinabs 3.1: alpha = exp(-1 / tau) with tau in timesteps, input times 1 - alpha (norm_input); MultiSpike; IAF has
    # min_v_mem = -1; what rec_connect says is added from the second timestep on.
    "sinabs": Semantics(
        "sinabs",
        dt=1.0,
        integrator="exponential",
        reset="multi-spike",
        recurrent_bias=False,
        per_model=(("IF", "v_min", -1.0),),
    ),
    # SpikingJelly 2.0: heaviside(v - v_threshold) with heaviside(0) = 1; only hard resets are exported.
    "spikingjelly": Semantics("spikingjelly", dt=1e-4, compare=">="),
    # Rockpool 3.1, LIFTorch: isyn := exp(-dt / tau_syn) (isyn + x); StepPWL fires floor(v / threshold), capped at 31
    # on its chips.
    "rockpool": Semantics(
        "rockpool",
        dt=1e-3,
        integrator="given",
        reset="multi-spike",
        max_spikes=31,
        per_model=(("CubaLIF", "integrator", "decay-input"), ("CubaLI", "integrator", "decay-input")),
    ),
    # Spyx 1.0, spyx/nn.py: spikes are those of the last potential; LIF subtracts beside the decay, CuBaLIF before it.
    "spyx": Semantics(
        "spyx",
        dt=1e-4,
        integrator="spyx",
        reset="delayed-subtract",
        output_delay=1,
        per_model=(("CubaLIF", "reset", "subtract"),),
    ),
    # Lava's fixed-point LIF and lava-dl's SLAYER; dt of the NIR paper's import.
    "lava": Semantics("lava", dt=1e-4, output_delay=1, rounding="zero"),
    "slayer": Semantics("slayer", dt=1e-4, compare=">=", output_delay=1, rounding="zero"),
}


def choose_semantics(preset: str = "nir", **overrides: float | str | bool | None) -> Semantics:
    """A preset with single fields overridden, for every neuron model; UsageError lists the presets there are."""
    if preset not in PRESETS:
        raise UsageError(f"no semantics {preset!r}; the presets are {', '.join(PRESETS)}")
    chosen = PRESETS[preset]
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    if "reset" in given:
        given.setdefault("recurrent_reset", None)
    rest = tuple(entry for entry in chosen.per_model if entry[1] not in given)
    return dataclasses.replace(chosen, **given, per_model=rest)
