"""Write the files that are made from the code: rtl/ISA.md, rtl/nm_isa.vh, rtl/LINK.md, rtl/nm_link.vh, docs/rooms.svg.

python tools/generate.py            write them
python tools/generate.py --check    exit 1 and name the stale ones
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import rooms

from emulator.reference import PORTS
from emulator.spec import isa
from emulator.spec.arch import bundled_architectures
from emulator.spec.fixedpoint import LFSR_BITS, LFSR_SHIFTS, LFSR_STEPS, LFSR_TAPS, ROUNDING
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS
from nmcompile.board import protocol

ROOT = Path(__file__).resolve().parent.parent

INTRO = """# nmcore: instruction set {version}

Generated from `emulator/spec/isa.py` by `tools/generate.py`; do not edit. `emulator/reference.py` is the definition.

A core holds neurons in blocks of L lanes: neuron n = block * L + lane. Every timestep it runs its program from
address 0 to `end`; then all cores meet at the barrier, spikes travel in the fabric phase, and time advances by one.

## Arithmetic
State (registers, traces) is signed and saturates once, when it is written, after the full-width result. Accumulators
and payload counts (of {PAYLOAD_BITS} bits) wrap; the compiler proves that no reachable sum does. The second factor of `mul`
and `mac`, coef(b), is b saturated to the architecture's coef_bits. Rounding modes of a right shift: {rounding};
nearest takes a half up, zero goes towards 0.

`rnd` takes the low bits of a {steps}-step draw of the lane's {bits}-bit generator {polynomial}: `{fresh}`, `{state}`.

## Spikes
A spike fired in timestep t with delay d arrives in t + 1 + d: it sets a bit of slot (t + 1 + d) mod D of the pending
bitmap of the target core, and adds its payload to the count of that axon (which starts at 0 when the bit was clear).
Host injections do the same with slot (t + d) mod D, before timestep t.

## Time
The cycles of a timestep are: the largest sum of instruction costs over the cores, plus the fabric phase, plus
{BARRIER_CYCLES} for the barrier. Fabric phase, all cores at once, from cycle 0:
- A core's emitter spends one cycle a block of 0..lo-1 (of `end`), in ascending order; in it, {EMIT_SPIKE_CYCLES} a spiking neuron, ascending;
  then it offers the neuron's packets, one a cycle, each until its router's local queue takes it.
- A router has an input queue of {FIFO_DEPTH} packets for each of {ports}, in this order of priority.
  In each cycle, decided on the state at its start: a queue that holds fewer than {FIFO_DEPTH} can take a packet; every output takes
  the head of the first queue in order that wants it, if what lies behind can take it.
- Routing is x first, then y; core c is at x = c mod width, y = c div width; north is y - 1.
- A core takes a packet in at most one of {SINK_CYCLES} cycles.
- The phase ends when all emitters are done and all queues are empty, and {SINK_CYCLES} cycles after a core took a packet.

Between samples: accumulators, predicates, pending and delivered bits are cleared, which takes {CLEAR}
cycles, then the reset program runs from its entry to its `end`; t is 0. Registers, traces and random state keep their values.

## Instruction word
"""


# How a lane's generator goes on, as the manual says and its examples run.
FRESH = "fresh = ({}) & {:#x}".format(" ^ ".join(f"s >> {shift}" for shift in LFSR_SHIFTS), (1 << LFSR_STEPS) - 1)
STATE = f"s = (s << {LFSR_STEPS} | fresh) & {(1 << LFSR_BITS) - 1:#x}"

EXAMPLES = f"""
## Examples
In Python, on the reference; the tests run them.

>>> from dataclasses import replace
>>> import numpy as np
>>> from emulator.reference import PORTS, Core, Mesh, Reference
>>> from emulator.spec import isa
>>> from emulator.spec.arch import load_architecture
>>> from emulator.spec.image import Image, empty_core
>>> from emulator.spec.isa import Op
>>> arch = load_architecture("ecp5")
>>> here = Op("range", imm=isa.halves(0, 1), d=arch.lanes - 1)  # block 0, all of its lanes
>>> def number(d, value):
...     return Op("mov", d=d, imm_b=1, imm=value)
>>> def machine(*ops, **memories):
...     program = np.array([isa.encode(op) for op in (here, *ops, Op("end"))], np.uint64)
...     return Core(arch, replace(empty_core(arch), program=program, **memories), 0)
>>> def r0(*ops, t=0):
...     core = machine(*ops)
...     core.run(0, t, timesteps=10)
...     return core.registers[0][0]

The rounding modes, of -3/2 and 3/2.

>>> [[r0(number(1, x), Op("mul", d=0, a=1, imm_b=1, imm=1, shift=1, round=mode)) for x in (-3, 3)] for mode in range(4)]
[[-2, 1], [-1, 2], [-1, 2], [-1, 1]]

State saturates, so does the second factor; what `mac` adds comes before.

>>> high, coef = (1 << arch.state_bits - 1) - 1, (1 << arch.coef_bits - 1) - 1
>>> r0(number(0, high), Op("add", d=0, a=0, imm_b=1, imm=1)) == high
True
>>> r0(number(0, -high), Op("sub", d=0, a=0, imm_b=1, imm=9)) == -high - 1
True
>>> r0(number(1, 1), number(2, high), Op("mul", d=0, a=1, imm=2)) == coef
True
>>> r0(number(1, high), Op("mac", d=0, a=1, imm_b=1, imm=2, c=1, shift=1)) == high
True
>>> r0(number(1, high), number(2, -high), Op("mac", d=0, a=1, imm_b=1, imm=2, c=2)) == high
True

A draw.

>>> core = machine(Op("rnd", d=0, shift={LFSR_STEPS - 1}), seeds=np.full(arch.lanes, 0x12345678, np.uint32))
>>> _ = core.run(0, 0, 1)
>>> s = 0x12345678
>>> {FRESH}
>>> {STATE}
>>> core.registers[0][0] == fresh & (1 << {LFSR_STEPS - 1}) - 1, core.random[0] == s
(True, True)

Compares, predicates and their inverse; a truth table, by p0 and p1.

>>> def holds(*ops, pred):
...     return r0(*ops, replace(number(0, 1), pred=pred))
>>> [[holds(number(1, x), Op(name, d=2, a=1, imm_b=1, imm=5), pred=3) for x in (4, 5, 6)] for name in ("cge", "cgt", "ceq")]
[[0, 1, 1], [0, 0, 1], [0, 1, 0]]
>>> [holds(Op("ceq", d=2, a=1, imm_b=1, imm=x), pred=3 | isa.PRED_NOT) for x in (0, 1)]
[0, 1]
>>> def table(imm, x, y):
...     ops = [Op("ceq", d=d, a=1, imm_b=1, imm=0 if bit else 1) for d, bit in ((0, x), (1, y))]
...     return holds(*ops, Op("plog", d=2, a=0, c=1, imm=imm), pred=3)
>>> [[table(1 << bit, x, y) for x in (0, 1) for y in (0, 1)].index(1) for bit in range(4)]
[0, 1, 2, 3]

A `when` by its window, with T = 10, and how many instructions it skips.

>>> [r0(isa.when(1, 2, 3, of_sample), number(0, 1), t=t) for of_sample in (False, True) for t in (1, 2, 3, 12, 13)]
[0, 1, 0, 0, 0, 0, 1, 1, 1, 0]
>>> op = isa.when(37, 0, 0, False)
>>> {isa.SKIP_STEP} * op.d + op.a, isa.LONGEST_SKIP
(37, {isa.LONGEST_SKIP})
>>> op = isa.rows([Op("mov")] * 13)[0]
>>> {isa.BODY_STEP} * op.pred + op.round, isa.LONGEST_BODY
(13, {isa.LONGEST_BODY})

Payloads: what `spk` sends of a register, without and with `flag2`.

>>> def sent(value, flag2):
...     core = machine(number(0, value), Op("spk", a=0, flag=1, flag2=flag2))
...     _ = core.run(0, 0, 1)
...     return core.spikes[0]
>>> [sent(x, 0) for x in (-1, 7, 300)], [sent(x, 1) for x in (-300, -1, 300)]
([0, 7, 255], [128, 255, 127])

What is pending in a slot is delivered once; payloads of one axon add, and wrap. Here an axon of one beat at block 0 holds
weights 1, 2 and so on, of 8 bits.

>>> entry = isa.pack_fields(isa.AXON_FIELDS, format=isa.DENSE8)
>>> weights = np.arange(1, arch.lanes + 1, dtype=np.uint8).view(np.uint16)
>>> row = dict(axons=np.array([entry], np.uint64), synapses=np.pad(weights, (0, arch.lanes - len(weights)))[None])
>>> core = machine(Op("integ", imm=isa.halves(0, 1), shift=1, flag=1), **row)
>>> core.receive(0, 0, 200); core.receive(0, 0, 59)
>>> _ = core.run(0, 0, 1); _ = core.run(0, arch.delay_slots, 1)
>>> core.accumulators[0][:3], core.delivered[0], core.counters["events"]
([6, 12, 18], 0, 1)

A row that learns: its weights saturate, and only selected ones change.

>>> def learnt(mask, reward=0):
...     body = [Op("add", d=0, a=0, imm_b=1, imm=125)]
...     core = machine(*isa.rows(body, imm=isa.halves(0, 0), d=0, shift=mask), **row)
...     core.reward = reward
...     _ = core.run(0, 0, 1)
...     return [core.synapse(isa.DENSE8, 0, lane)[1] for lane in range(4)]
>>> learnt(8), learnt(1), learnt(4), learnt(4, reward=1)
([126, 127, 127, 127], [1, 2, 3, 4], [1, 2, 3, 4], [126, 127, 127, 127])

Beats of a window: two runs of two beats, three beats apart in memory and four blocks in the core.

>>> window = dict(word=5, beat=1, beats=1, runs=1, weight_stride=3, block_stride=4, block=2, format=isa.DENSE8)
>>> fields = isa.unpack_fields(isa.AXON_FIELDS, isa.pack_fields(isa.AXON_FIELDS, **window))
>>> [(beat, block) for beat, _, block in core.window(fields)]
[(11, 2), (12, 3), (14, 6), (15, 7)]

Where formats keep the weight of lane 1 in beat 1 (of a sparse row, block 3 and weight -2).

>>> for kind in range(isa.DENSE16, len(isa.FORMATS)):
...     bits = isa.FORMAT_BITS[kind]
...     at = (1 % isa.BEATS_PER_WORD[kind] * arch.lanes + 1) * bits
...     core.synapses = [[0] * arch.lanes for _ in range(2)]
...     core.synapses[1 // isa.BEATS_PER_WORD[kind]][at // {isa.SLOT_BITS}] = 1 << at % {isa.SLOT_BITS}
...     assert core.synapse(kind, 1, 1) == (None, 1)
>>> core.synapses[1][1] = 3 << 8 | -2 & 0xff
>>> core.synapse(isa.SPARSE, 1, 1)
(3, -2)
>>> core.synapses[0][0] = 0x80
>>> [core.synapse(kind, 0, 0)[1] for kind in (isa.DENSE16, isa.DENSE8, isa.DENSE1)]
[128, -128, -1]

Cycles: of a core with 9 blocks in range, of an event of two runs of two beats, of clearing.

>>> wide = Op("range", imm=isa.halves(0, 9), d=arch.lanes - 1)
>>> machine(wide, number(0, 1), Op("integ", imm=isa.halves(0, 3))).run(0, 0, 1)
{2 * isa.SCALAR_CYCLES + 9 + isa.INTEG_CYCLES + 3 + isa.END_CYCLES}
>>> core.axons[7], core.synapses = fields, [[0] * arch.lanes for _ in range(8)]
>>> core.event(Op("integ"), 7)
{isa.EVENT_CYCLES + 4}
>>> core.clear() == {isa.RESET_CYCLES} + max(2 * arch.blocks, arch.delay_slots * arch.granules)
True

The mesh: x first; a packet that a core offers in the third cycle and another takes; and what the emitter does.

>>> mesh, silent = Mesh(arch), [(0, None)]
>>> [PORTS[mesh.port(at, 3)] for at in (0, 1, 3)]
['east', 'south', 'local']
>>> mesh.run([[(2, (3, 5, 1, 1)), (0, None)], silent, silent, silent], print)
(3, 5, 1, 1)
{2 + 3 + isa.SINK_CYCLES}
>>> core = machine(Op("spk"), pointers=np.array([1], np.uint32), routes=np.zeros(1, np.uint32))
>>> core.pointers[0] = dict(first=0, count=1)
>>> _, core.emit_blocks = core.run(0, 0, 1), 2
>>> list(core.emission())
[({1 + isa.EMIT_SPIKE_CYCLES}, (0, 0, 0, 1)), ({7 * isa.EMIT_SPIKE_CYCLES + 1}, None)]

A spike of timestep 0 with delay 1 is pending in slot 2, an injection with delay 1 in slot 1.

>>> route = isa.pack_fields(isa.ROUTE_FIELDS, core=3, delay=1, axon=5)
>>> ops = [here, number(0, 1), Op("spk"), Op("end", imm=1), Op("end")]
>>> sender = replace(
...     empty_core(arch),
...     program=np.array([isa.encode(op) for op in ops], np.uint64),
...     reset_entry=4,
...     pointers=np.array([isa.pack_fields(isa.POINTER_FIELDS, first=0, count=1)], np.uint32),
...     routes=np.array([route], np.uint32),
... )
>>> nobody = np.zeros((0, 2), np.int32)
>>> image = Image(arch, (sender, *[empty_core(arch)] * 3), np.zeros(1, int), np.zeros(0, np.uint32), nobody, 0, (), {{}})
>>> chip = Reference(image)
>>> chip.reset(timesteps=1)
>>> chip.inject(route)
>>> len(chip.step()) == arch.lanes
True
>>> [slot[5] for slot in chip.cores[3].pending]
[0, 1, 1, 0]
"""


def manual() -> str:
    constants = {name: value for name, value in vars(isa).items() if name.isupper()}
    numbers = {
        "rounding": ", ".join(f"{i} {name}" for i, name in enumerate(ROUNDING)),
        "steps": LFSR_STEPS,
        "bits": LFSR_BITS,
        "polynomial": " + ".join([*(f"x^{tap}" for tap in LFSR_TAPS), "1"]),
        "fresh": FRESH,
        "state": STATE,
        "ports": ", ".join(PORTS),
    }
    text = [INTRO.format(version=isa.ISA_VERSION, **constants, **numbers)]
    text += ["| field | bits | ", "|---|---|"]
    for name, (low, width) in isa.FIELDS.items():
        bits = f"{low + width - 1}:{low}" if width > 1 else f"{low}"
        text.append(f"| {name} | {bits} |")
    text += [
        "",
        f"`imm` is two's complement, or two unsigned halves lo = imm[{isa.HALF_BITS - 1}:0] and "
        f"hi = imm[{2 * isa.HALF_BITS - 1}:{isa.HALF_BITS}]. Fields that an instruction does not list are zero. b is the "
        f"immediate if `imm_b`, else the source code imm[{isa.SOURCE_BITS - 1}:0]. `pred`: 0 always, "
        f"{', '.join(f'{i} {name}' for i, name in enumerate(isa.PREDICATES) if name)}; {isa.PRED_NOT} more inverts.",
        "",
        "Source codes: " + ", ".join(f"{i} {name}" for i, name in enumerate(isa.SOURCES)) + ". An instruction reads "
        f"at most one accumulator, and one of x0..x{isa.N_ROW_TRACES - 1} and reward; an accumulator is not a factor of `mul` or `mac`. "
        "b and c of `mac` are not two different registers.",
        "",
        "## Instructions",
        "B is the number of blocks in range.",
        "",
        "| code | name | meaning | fields | cycles |",
        "|---|---|---|---|---|",
    ]
    for row in isa.TABLE:
        meaning = row.meaning + (f". {row.notes}" if row.notes else "")
        meaning = meaning.replace("|", "\\|").replace("<<", "`<<`").replace(">>", "`>>`").replace("p<", "p&lt;")
        text.append(
            f"| {row.opcode:#04x} | `{row.name}` | {meaning} | {', '.join(row.fields) or 'none'} | {row.closed_form} |"
        )
    layouts = (
        (
            "Axon entry",
            isa.AXON_FIELDS,
            "A two-dimensional window: `runs`+1 runs of `beats`+1 beats. Beat j of run i holds the weights of block "
            "`block + i * block_stride + j` and lies `i * weight_stride + j` beats behind beat `beat` of word `word`. A "
            "row meets a target at most once.",
        ),
        ("Route", isa.ROUTE_FIELDS, "Input routes of an image have the same form."),
        ("Route pointer", isa.POINTER_FIELDS, "One a neuron: how many routes, and the first."),
    )
    for title, layout, words in layouts:
        text += ["", f"## {title}", words, "", "| field | bits |", "|---|---|"]
        text += [f"| {n} | {low + width - 1}:{low} |" for n, (low, width) in layout.items()]
    text += [
        "",
        f"Formats of an axon's weights. A synapse word has {isa.SLOT_BITS} * L bits; the weight of lane l in beat k of a word is at "
        "bit (k * L + l) * bits. Weights are two's complement; of one bit, 0 is -1 and 1 is +1.",
        "",
        "| code | format | bits | beats a word |",
        "|---|---|---|---|",
    ]
    notes = ("empty row", "16: block in the upper byte, 8-bit weight in the lower; weight 0 is an empty slot")
    for i, name in enumerate(isa.FORMATS):
        bits = notes[i] if i < 2 else str(isa.FORMAT_BITS[i])
        text.append(f"| {i} | {name} | {bits} | {isa.BEATS_PER_WORD[i]} |")
    text += ["", "## Ledger", "Counters of a core, then of the chip; all are exact on every machine.", ""]
    text += ["| counter | counts |", "|---|---|"]
    text += [f"| {name} | {what} |" for name, what in {**COUNTERS, **CHIP_COUNTERS}.items()]
    text += ["", "## Bundled architectures", "Memories of one core as words x bits.", ""]
    archs = bundled_architectures()
    keys = list(dict.fromkeys(k for a in archs.values() for k in a.memories()))
    text.append("| | " + " | ".join(archs) + " |")
    text.append("|---|" + "---|" * len(archs))
    text.append("| hash | " + " | ".join(a.hash for a in archs.values()) + " |")
    for key in keys:
        cells = [a.memories().get(key) for a in archs.values()]
        text.append(f"| {key} | " + " | ".join(f"{c[0]:,} x {c[1]}" if c else "none" for c in cells) + " |")
    examples = (
        re.sub("^", "    ", part, flags=re.M) if part.startswith(">>>") else part for part in EXAMPLES.split("\n\n")
    )
    return "\n".join([*text, "\n\n".join(examples)])


def header() -> str:
    lines = [
        "// Generated from emulator/spec/isa.py by tools/generate.py; do not edit.",
        "`ifndef NM_ISA_VH",
        "`define NM_ISA_VH",
        "",
        f"`define NM_ISA_VERSION {isa.ISA_VERSION}",
    ]
    for name, value in vars(isa).items():
        timing = re.fullmatch(r"(PIPELINE|FIFO_DEPTH|GRANULE|N_[A-Z_]+|[A-Z_]+_CYCLES)", name)
        if timing and isinstance(value, int):
            lines.append(f"`define NM_{name} {value}")
    lines.append("")
    lines += [f"`define NM_OP_{row.name.upper()} 6'h{row.opcode:02x}" for row in isa.TABLE]
    prefixes = (("I", isa.FIELDS), ("AXON", isa.AXON_FIELDS), ("ROUTE", isa.ROUTE_FIELDS), ("PTR", isa.POINTER_FIELDS))
    for prefix, layout in prefixes:
        lines.append("")
        for name, (low, width) in layout.items():
            lines.append(f"`define NM_{prefix}_{name.upper()} {low + width - 1}:{low}")
    lines.append("")
    lines += [f"`define NM_FMT_{name.upper()} 3'd{i}" for i, name in enumerate(isa.FORMATS)]
    lines += ["", "`endif"]
    return "\n".join(lines) + "\n"


def main() -> int:
    stale = []
    made = {"rtl/ISA.md": manual(), "rtl/nm_isa.vh": header(), "docs/rooms.svg": rooms.svg()}
    made |= {"rtl/LINK.md": protocol.manual(), "rtl/nm_link.vh": protocol.header()}
    for path, text in ((ROOT / name, text) for name, text in made.items()):
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(str(path.relative_to(ROOT)))
        else:
            path.write_text(text)
    if stale:
        print(f"stale: {', '.join(stale)}; run python tools/generate.py", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
