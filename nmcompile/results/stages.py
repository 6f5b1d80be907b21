"""Any stage of a compilation as text, to be read and compared: what each pass was given and what it made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

import numpy as np

from emulator.spec import isa
from emulator.spec.image import CORE_ARRAYS
from emulator.spec.listing import listing

from ..neurons.update import STATE, Dynamics, Flag, Input, Operand, Register, Update
from ..pipeline import Compilation


def _span(values: np.ndarray) -> str:
    """The one value of an array, or its range."""
    if values.size == 0:
        return "none"
    low, high = values.min(), values.max()
    return f"{low:.6g}" if low == high else f"{low:.6g} .. {high:.6g}"


def _digest(*arrays: np.ndarray) -> str:
    """Eight hex digits of arrays, to see that they are the same."""
    return sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:8]


def network(made: Compilation) -> Iterable[str]:
    net = made.network
    yield f"input {net.input_shape}, up to {net.input_levels}; output {net.output!r}"
    for p in net.populations:
        values = ", ".join(f"{name} {_span(array)}" for name, array in p.params.items())
        yield f"population {p.name!r}: {p.n:,} {p.model} {p.shape}; {values}; bias {_span(p.bias)}"
    for q in net.projections:
        late = f", {q.delay} timesteps and {q.delay_s:g} s late" if q.delay or q.delay_s else ""
        rule = f", learns by {q.plasticity.name}" if q.plasticity else ""
        kind = " convolution" if q.convolutional else ""
        weights = f"{q.matrix.nnz:,} weights {_span(q.matrix.data)}"
        yield f"projection {q.name!r}: {q.source!r} -> {q.target!r}, {weights}{kind}{late}{rule}"


class _Words(Update):
    """Writes down what a neuron model does in a timestep."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _say(self, text: str, where: Flag | None = None) -> None:
        self.lines.append(text + (f" where {where.name}" if where else ""))

    @staticmethod
    def _name(a: Operand) -> str:
        return a.name if isinstance(a, Register) else "input" if isinstance(a, Input) else str(a)

    def state(self, name: str, initial: str | None = None, unit: str = STATE) -> Register:
        return Register(name, unit)

    def temporary(self, name: str, unit: str = STATE) -> Register:
        return Register(name, unit)

    def flag(self, name: str) -> Flag:
        return Flag(name)

    def input(self) -> Input:
        return Input()

    def copy(self, d: Register, a: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {self._name(a)}", where)

    def add(self, d: Register, a: Operand, b: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {self._name(a)} + {self._name(b)}", where)

    def sub(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {a.name} - {self._name(b)}", where)

    def largest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := max({a.name}, {self._name(b)})", where)

    def smallest(self, d: Register, a: Register, b: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := min({a.name}, {self._name(b)})", where)

    def mac(self, d: Register, a: Register, factor: str, plus: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {a.name} * {factor} + {self._name(plus)}", where)

    def mul(self, d: Register, a: Register, factor: str, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {a.name} * {factor}", where)

    def product(self, d: Register, a: Register, b: Register, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {a.name} * {b.name}", where)

    def whole(self, d: Register, a: Register, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {a.name} in whole units", where)

    def times(self, name: str, factor: int) -> Operand:
        return f"{factor} {name}"

    def compare(self, d: Flag, a: Register, how: str, b: Operand, where: Flag | None = None) -> None:
        self._say(f"{d.name} := {a.name} {how} {self._name(b)}", where)

    def logic(self, d: Flag, a: Flag, how: str, b: Flag) -> None:
        self._say(f"{d.name} := {a.name} {how} {b.name}")

    def spike(self, where: Flag, payload: Register | None = None, signed: bool = False) -> None:
        self._say("spike" + (f" carrying {'signed ' if signed else ''}{payload.name}" if payload else ""), where)


def _update(d: Dynamics) -> list[str]:
    words = _Words()
    d.update(words)
    return words.lines


def discretize(made: Compilation) -> Iterable[str]:
    yield f"semantics {made.semantics.describe()}"
    for name, d in made.discrete.dynamics.items():
        late = f", seen {d.output_delay} timesteps later" if d.output_delay else ""
        yield f"population {name!r}: gain {_span(d.gain)}, sends up to {d.payload}{late}"
        for parameter, value in d.values.items():
            yield f"    {parameter} = {_span(value.array)} ({value.unit})"
        yield from (f"    {line}" for line in _update(d))
    for p, delay in zip(made.network.projections, made.discrete.delays, strict=True):
        yield f"projection {p.name!r}: {delay} timesteps in the framework"


def retime(made: Compilation) -> Iterable[str]:
    timing = made.quantized.timing
    for name, depth in timing.depth.items():
        yield f"population {name!r}: depth {depth}, shown {timing.shown[name]}"
    for p, delay in zip(made.network.projections, timing.delays, strict=True):
        yield f"projection {p.name!r}: axonal delay {delay}"


def quantize(made: Compilation) -> Iterable[str]:
    for p in made.quantized.populations:
        yield f"population {p.name!r}: scale {_span(p.scale)}, coefficients of {p.coef_shift} bits behind the point"
        yield from (f"    {name} = {_span(values)} ({p.units[name]})" for name, values in p.values.items())
    for q in made.quantized.projections:
        m = q.matrix.tocsr()
        weights = f"{m.nnz:,} weights {_span(m.data)} [{_digest(m.indptr, m.indices, m.data)}]"
        yield f"projection {q.name!r}: {q.bits} bits, shift {q.shift}, {weights}"
    yield from (f"warning: {text}" for text in made.quantized.warnings)


def place(made: Compilation) -> Iterable[str]:
    lanes = made.placement.arch.lanes
    for part in made.placement.parts:
        blocks = -(-len(part.slots) // lanes)
        neurons = int((part.slots >= 0).sum())
        where = f"core {part.core}, blocks {part.first_block} .. {part.first_block + blocks - 1}"
        yield f"{part.population!r}: {neurons:,} neurons in {where} [{_digest(part.slots)}]"
        for i, rows in part.rows.items():
            kinds = Counter(isa.FORMATS[kind] for kind in rows.entries["format"].tolist())
            formats = ", ".join(f"{n:,} {kind}" for kind, n in sorted(kinds.items())) or "none"
            yield f"    {made.quantized.projections[i].name!r}: axons {formats}; {len(rows.words):,} synapse words"


def emit(made: Compilation) -> Iterable[str]:
    image = made.image
    yield f"architecture {image.arch.name} {image.arch.hash}, latency {image.latency}"
    for number, (core, parts) in enumerate(zip(image.cores, image.compiled.parts, strict=True)):
        if not parts:
            continue
        sizes = ", ".join(
            f"{name} {len(getattr(core, name)):,} [{_digest(getattr(core, name))}]" for name in CORE_ARRAYS
        )
        yield f"core {number}: {sizes}"
        begins = {part.program[0]: part for part in parts}
        for address, word in enumerate(core.program):
            if address in begins:
                yield f"    -- {begins[address].population!r}, {begins[address].neurons:,} neurons"
            if address == core.reset_entry:
                yield "    -- between samples"
            yield f"    {address:4}  {listing(isa.decode(word))}"
    yield f"input routes {len(image.input_routes):,} [{_digest(image.input_pointers, image.input_routes)}]"


STAGES = {
    "network": network,
    "discretize": discretize,
    "retime": retime,
    "quantize": quantize,
    "place": place,
    "emit": emit,
}


def dump(made: Compilation, stage: str) -> str:
    """A stage of `STAGES` as text, which is the same wherever the compilation is."""
    return "\n".join(line.rstrip() for line in STAGES[stage](made)) + "\n"
