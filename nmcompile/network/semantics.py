"""What a timestep means: NIR's continuous equations turned into one discrete update, by explicit choices.

NIR stores no dt, no reset kind, no comparison and no order of synapse and membrane, and frameworks differ in all of
them; a preset per framework says which, and every field of it can be overridden. `lif.py` makes the update of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.spec.errors import UsageError

from .limits import LARGEST_PAYLOAD

INTEGRATORS = ("euler", "exponential", "given", "decay-input", "unit-input", "spyx")
RESETS = (
    "value",
    "subtract",
    "delayed-subtract",
    "delayed-value",
    "recharged-subtract",
    "multi-spike",
    "multi-spike-value",
    "none",
)
CHOICES: dict[str, tuple[str, ...]] = {
    "integrator": INTEGRATORS,
    "charge": ("seconds", "step"),
    "current": ("filter", "jump"),
    "reset": RESETS,
    "recurrent_reset": RESETS,
    "compare": (">", ">="),
    "synapse": ("before", "after"),
    "initial": ("zero", "reset", "leak"),
    "rounding": ("nearest", "zero"),
    "edges": ("instant", "step"),
}


class Neurons(Protocol):
    """What of a `Population` decides how it is read."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def late_bias(self) -> object: ...


@dataclass(frozen=True)
class Semantics:
    """Choices that turn a NIR neuron into an update per timestep.

    Attributes:
        dt: seconds.
        tau_scale: what the time constants of the file are multiplied by: 1, but for exporters that write them wrong.
        integrator: "euler": decay 1 - dt/tau, gain r dt/tau; "exponential": decay exp(-dt/tau), gain r (1 - decay);
            "given": decay exp(-dt/tau), gain r dt/tau, for exporters that fold their own gain into r;
            "decay-input": decay exp(-dt/tau) acts on an input in the timestep in which it arrives, so the gain is the
            decay of the state it enters, and r and w_in mean nothing;
            "unit-input": decay exp(-dt/tau), and the input is added as it is: r and w_in mean nothing (sinabs with
            norm_input=False);
            "spyx": euler, but an r that is the decay itself is Spyx's exporter speaking, and the gain is 1.
        charge: of neurons without a leak (I, IF): "seconds": an input adds r dt; "step": r, whatever dt is.
        current: of a synaptic current: "filter": an input adds w_in dt/tau_syn; "jump": it adds itself where w_in is 1,
            which exporters write that say nothing, else as "filter".
        clamp: are decays beyond 0..1 taken as 0 or 1? So the frameworks run what training led there; a tau below 0
            stands for a decay above 1, a tau below dt for one below 0.
        reset: of a neuron that fired: "value": v := v_reset at once; "subtract": v -= v_threshold at once;
            "delayed-subtract": v_threshold is taken off in the next update, after it has integrated;
            "delayed-value": v := v_reset in the next update, whose input is lost (snnTorch's recurrent zero);
            "recharged-subtract": snnTorch's subtract with reset_delay=False: at once, but where v is above the
            threshold still, the next comparison is made with v less v_threshold;
            "multi-spike": fires floor(v / v_threshold) times at once, up to max_spikes, as one graded spike, and
            subtracts as much; it compares with >=;
            "multi-spike-value": fires as often, then v := v_reset; "none": v goes on.
        recurrent_reset: the reset of populations that feed themselves, where it is another; None: the same.
        compare: ">" fires above the threshold, ">=" at it.
        synapse: "before": the membrane sees this timestep's synaptic current; "after": the last one's.
        recurrent_bias: is the bias of recurrent connections there in the first timestep?
        initial: v when a sample starts: "zero", "reset": v_reset, "leak": v_leak, or v_reset where there is no leak.
        v_min: lower bound of v, applied last; None: no bound.
        max_spikes: of "multi-spike".
        output_delay: timesteps that everyone else sees a population's spikes later; its own recurrence does not.
        rounding: of decays; "zero": toward zero, with 12 bits behind the point, as Loihi has it.
        edges: between populations: "instant": spikes act within the timestep, and loops take one where they must;
            "step": every edge takes a timestep, or its delay if that is more.
        per_model: (model, field, value): what differs for one neuron model.
        per_population: (population, field, value): what differs for one population; it goes before all else.
    """

    preset: str
    dt: float
    tau_scale: float = 1.0
    integrator: str = "euler"
    charge: str = "seconds"
    current: str = "filter"
    clamp: bool = False
    reset: str = "value"
    recurrent_reset: str | None = None
    compare: str = ">"
    synapse: str = "before"
    recurrent_bias: bool = True
    initial: str = "zero"
    v_min: float | None = None
    max_spikes: int = LARGEST_PAYLOAD
    output_delay: int = 0
    rounding: str = "nearest"
    edges: str = "instant"
    per_model: tuple[tuple[str, str, Any], ...] = ()
    per_population: tuple[tuple[str, str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not (self.dt > 0 and math.isfinite(self.dt)):
            raise UsageError(f"dt = {self.dt} s; a timestep must be positive")
        if not (self.tau_scale > 0 and math.isfinite(self.tau_scale)):
            raise UsageError(f"tau_scale = {self.tau_scale}; it must be positive")
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (name == "recurrent_reset" and value is None):
                raise UsageError(f"{name} {value!r}; the choices are {', '.join(choices)}")
        if not 1 <= self.max_spikes <= LARGEST_PAYLOAD:
            raise UsageError(f"max_spikes = {self.max_spikes}; a graded spike stands for 1 to {LARGEST_PAYLOAD}")
        if self.output_delay < 0:
            raise UsageError(f"output_delay = {self.output_delay}; it must be 0 or more timesteps")

    def of(self, population: Neurons) -> Semantics:
        """The choices for one population."""
        own: dict[str, Any] = {field: value for name, field, value in self.per_model if name == population.model}
        named = {field: value for name, field, value in self.per_population if name == population.name}
        own |= named
        if "reset" in named and "recurrent_reset" not in named:
            own["recurrent_reset"] = None
        recurrent = own.get("recurrent_reset", self.recurrent_reset)
        if recurrent and population.late_bias is not None:
            own["reset"] = recurrent
        return dataclasses.replace(self, **own, per_model=(), per_population=()) if own else self

    def describe(self) -> str:
        """One line of what was assumed: always the four choices that matter most, others where they are unusual."""
        text = f"{self.preset}: dt {self.dt:g} s, {self.integrator}, reset {self.reset}, fires at v {self.compare} v_th"
        if self.reset.startswith("multi-spike"):
            text = text.replace(f"v {self.compare} v_th", "v >= v_th") + f", up to {self.max_spikes} times"
        if self.recurrent_reset:
            text += f", where recurrent reset {self.recurrent_reset}"
        if self.tau_scale != 1:
            text += f", time constants times {self.tau_scale:g}"
        if self.charge == "step":
            text += ", r of a neuron without a leak a timestep's"
        if self.current == "jump":
            text += ", a synaptic current jumps by the input where w_in is 1"
        if self.synapse == "after":
            text += ", membrane before synapse"
        if not self.recurrent_bias:
            text += ", no recurrent bias at t = 0"
        if self.initial != "zero":
            text += f", v starts at v_{self.initial}"
        if self.v_min is not None:
            text += f", v >= {self.v_min:g}"
        if self.output_delay:
            text += f", output {self.output_delay} later"
        if self.rounding == "zero":
            text += ", decays round toward zero"
        if self.edges == "step":
            text += ", every edge takes a timestep"
        for name, field, value in (*self.per_model, *self.per_population):
            text += f"; {name}: {field} {value}"
        return text


PRESETS: dict[str, Semantics] = {
    "nir": Semantics("nir", dt=1e-4),
    # snnTorch 1.0 exports dt = 1e-4; its default reset acts on the next step (reset_delay=True). The zero of Leaky acts
    # before that step's input is added, so it is NIR's own; Synaptic and the recurrent classes set to zero after, and
    # that input is lost. With reset_delay=False the resets are recharged-subtract and value (the NIR paper's networks).
    "snntorch": Semantics("snntorch", dt=1e-4, clamp=True, reset="delayed-subtract"),
    "snntorch-zero": Semantics(
        "snntorch-zero",
        dt=1e-4,
        clamp=True,
        per_model=(("LIF", "recurrent_reset", "delayed-value"), ("CubaLIF", "reset", "delayed-value")),
    ),
    # Norse 1.1, norse/torch/functional/lif.py: current jumps, membrane, reset; recurrent modules add no feedback, and
    # so not its bias, in the first timestep. Its exporter writes dt / tau_inv for a time constant of 1 / tau_inv, no
    # w_in, and r = 1 of IAFCell, which knows no dt. State starts at v_leak.
    "norse": Semantics(
        "norse", dt=1e-3, tau_scale=1e3, charge="step", current="jump", recurrent_bias=False, initial="leak"
    ),
    # sinabs 3.1: alpha = exp(-1 / tau) with tau in timesteps, input times 1 - alpha (norm_input); MultiSpike; no lower
    # bound (from_model sets -1); what rec_connect says is added from the second timestep on.
    "sinabs": Semantics("sinabs", dt=1.0, integrator="exponential", reset="multi-spike", recurrent_bias=False),
    # SpikingJelly 2.0: heaviside(v - v_threshold) with heaviside(0) = 1; v starts at v_reset; only hard resets are
    # exported.
    "spikingjelly": Semantics("spikingjelly", dt=1e-4, compare=">=", initial="reset"),
    # Rockpool 3.1, LIFTorch: isyn := exp(-dt / tau_syn) (isyn + x); StepPWL fires floor(v / threshold), capped at
    # 65,536 unless told (31 on its chips), beyond what a graded spike holds.
    "rockpool": Semantics(
        "rockpool",
        dt=1e-3,
        integrator="given",
        reset="multi-spike",
        per_model=(("CubaLIF", "integrator", "decay-input"), ("CubaLI", "integrator", "decay-input")),
    ),
    # Spyx 1.0, spyx/nn.py: spikes are those of the last potential; IF and LIF subtract beside the decay, CuBaLIF before
    # it; IF is exported with r = 1, which knows no dt.
    "spyx": Semantics(
        "spyx",
        dt=1e-4,
        integrator="spyx",
        charge="step",
        clamp=True,
        reset="delayed-subtract",
        output_delay=1,
        per_model=(("CubaLIF", "reset", "subtract"),),
    ),
    # Lava's fixed-point LIF and lava-dl's SLAYER; dt of the NIR paper's import.
    "lava": Semantics("lava", dt=1e-4, output_delay=1, rounding="zero"),
    "slayer": Semantics("slayer", dt=1e-4, compare=">=", output_delay=1, rounding="zero"),
}


def choose_semantics(
    preset: str | Semantics = "nir", settings: Sequence[str] = (), **overrides: float | str | bool | None
) -> Semantics:
    """A preset, or what a network says itself, with single fields overridden.

    Args:
        settings: "FIELD=VALUE", or "POPULATION:FIELD=VALUE" for one population, as `nmc --set` takes them.
        overrides: fields by name, for every neuron model and population. With a `dt` of their own, time constants are
            taken as they are written (`tau_scale` 1), unless that is given, too. A `v_min` of -inf is no bound.

    Raises:
        UsageError: no such preset, field or value, with what there is.
    """
    if isinstance(preset, str) and preset not in PRESETS:
        raise UsageError(f"no semantics {preset!r}; the presets are {', '.join(PRESETS)}")
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    single: list[tuple[str, str, Any]] = []
    for text in settings:
        name, field, value = parse_setting(text)
        if name:
            single.append((name, field, value))
        else:
            given[field] = value
    if given.get("v_min") == -math.inf:
        given["v_min"] = None
    if "reset" in given:
        given.setdefault("recurrent_reset", None)
    if "dt" in given:
        given.setdefault("tau_scale", 1.0)
    models = tuple(entry for entry in chosen.per_model if entry[1] not in given)
    kept = tuple(entry for entry in chosen.per_population if entry[1] not in given)
    return dataclasses.replace(chosen, **given, per_model=models, per_population=(*kept, *single))


FIELDS: dict[str, str] = {  # what the command line calls each choice, and says of it
    "dt": "Seconds per timestep.",
    "tau_scale": "What the file's time constants are multiplied by.",
    "integrator": "How a time constant becomes a decay and a gain.",
    "charge": "An input of a neuron without a leak adds r dt (seconds) or r (step).",
    "current": "An input adds w_in dt/tau_syn to a synaptic current (filter), or itself (jump).",
    "clamp": "Are decays beyond 0..1 taken as 0 or 1?",
    "reset": "What happens to v of a neuron that fired.",
    "recurrent_reset": "The same where a population feeds itself.",
    "compare": "Fires above (>) the threshold, or at it (>=).",
    "synapse": "The membrane sees the current before or after it is updated.",
    "recurrent_bias": "Is the bias of recurrent connections there at t = 0?",
    "initial": "Where v starts: at zero, v_reset or v_leak.",
    "v_min": "Lower bound of v, or none.",
    "max_spikes": "Spikes in a timestep, of multi-spike.",
    "output_delay": "Timesteps that others see spikes later.",
    "rounding": "Of decays.",
    "edges": "Between populations, spikes act within the timestep (instant), or in the next (step).",
}


def parse_setting(text: str) -> tuple[str, str, Any]:
    """(population or "", field, value) of "POPULATION:FIELD=VALUE" or "FIELD=VALUE"; names may hold colons."""
    left, equals, value = text.rpartition("=") if not text.endswith(">=") else (text[:-3], text[-3], ">=")
    name, _, field = left.rpartition(":")
    field = field.replace("-", "_")
    if not equals or field not in FIELDS:
        raise UsageError(
            f"setting {text!r}; it is FIELD=VALUE or POPULATION:FIELD=VALUE, with a field of {', '.join(FIELDS)}"
        )
    if name and field in ("dt", "tau_scale", "edges"):
        raise UsageError(f"setting {text!r}: all populations share one {field}")
    return name, field, parse_value(field, value)


def parse_value(field: str, text: str) -> Any:
    """A field's value of its text; UsageError if it is none."""
    if field in CHOICES:
        if text not in CHOICES[field]:
            raise UsageError(f"{field} {text!r}; the choices are {', '.join(CHOICES[field])}")
        return text
    if field in ("clamp", "recurrent_bias"):
        if text not in ("true", "false"):
            raise UsageError(f"{field} {text!r}; the choices are true, false")
        return text == "true"
    if field == "v_min" and text == "none":
        return None
    try:
        return int(text) if field in ("max_spikes", "output_delay") else float(text)
    except ValueError:
        raise UsageError(f"{field} {text!r}; it must be a number") from None


def check_value(field: str, value: Any) -> None:
    """UsageError if a value, as a file holds it, is none of the field's kind; __post_init__ looks at its size."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if field not in FIELDS:
        raise UsageError(f"{field!r} is nothing that can be chosen; there are {', '.join(FIELDS)}")
    if field in CHOICES:
        fits = value in CHOICES[field] or (field == "recurrent_reset" and value is None)
    elif field in ("clamp", "recurrent_bias"):
        fits = isinstance(value, bool)
    elif field in ("max_spikes", "output_delay"):
        fits = number and value == int(value)
    else:
        fits = (number and math.isfinite(value)) or (field == "v_min" and value is None)
    if not fits:
        raise UsageError(f"{field} is {value!r}, which it cannot be")


def check_names(semantics: Semantics, names: Sequence[str]) -> None:
    """UsageError if a choice is made for a population that there is not."""
    for name, field, _ in semantics.per_population:
        if name not in names:
            raise UsageError(f"{field} is set for {name!r}, which is no population; there are {', '.join(names)}")
