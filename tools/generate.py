"""Write the files that are made from tables: rtl/ISA.md and rtl/nm_isa.vh, rtl/LINK.md and rtl/nm_link.vh.

python tools/generate.py            write them
python tools/generate.py --check    exit 1 and name the stale ones
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from emulator.spec import isa
from emulator.spec.arch import bundled_architectures
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS
from nmcompile.board import protocol

ROOT = Path(__file__).resolve().parent.parent

INTRO = """# nmcore: instruction set {version}

Generated from `emulator/spec/isa.py` by `tools/generate.py`; do not edit. `emulator/reference.py` is the definition.

A core holds neurons in blocks of L lanes: neuron n = block * L + lane. Every timestep it runs its program from
address 0 to `end`; then all cores meet at the barrier, spikes travel in the fabric phase, and time advances by one.

## Arithmetic
State (registers, traces) is signed and saturates once, when it is written, after the full-width result. Accumulators
and payload counts wrap; the compiler proves that no reachable sum does. The second factor of `mul` and `mac`,
coef(b), is b saturated to the architecture's coef_bits. Rounding modes of a right shift: 0 floor, 1 ceil,
2 nearest (a half goes up), 3 toward zero.

`rnd` takes the low bits of a 24-step draw of the lane's 32-bit generator x^32 + x^30 + x^26 + x^25 + 1:
`fresh = (s >> 8 ^ s >> 6 ^ s >> 2 ^ s >> 1) & 0xffffff`, `s = (s << 24 | fresh) & 0xffffffff`.

## Spikes
A spike fired in timestep t with delay d arrives in t + 1 + d: it sets a bit of slot (t + 1 + d) mod D of the pending
bitmap of the target core, and adds its payload to the count of that axon (which starts at 0 when the bit was clear).
Host injections do the same with slot (t + d) mod D, before timestep t.

## Time
The cycles of a timestep are: the largest sum of instruction costs over the cores, plus the fabric phase, plus
{BARRIER_CYCLES} for the barrier. Fabric phase, all cores at once, from cycle 0:
- A core's emitter spends one cycle a block of 0..lo-1 (of `end`), in ascending order; in it, {EMIT_SPIKE_CYCLES} a spiking neuron, ascending;
  then it offers the neuron's packets, one a cycle, each until its router's local queue takes it.
- A router has five input queues of {FIFO_DEPTH} packets: north, east, south, west, local, in this order of priority.
  In each cycle, decided on the state at its start: a queue that holds fewer than {FIFO_DEPTH} can take a packet; every output takes
  the head of the first queue in order that wants it, if what lies behind can take it.
- Routing is x first, then y; core c is at x = c mod width, y = c div width; north is y - 1.
- A core takes a packet and then none in the next cycle.
- The phase ends when all emitters are done and all queues are empty, and no core took a packet in the cycle before.

Between samples: accumulators, predicates, pending and delivered bits are cleared, which takes {RESET_CYCLES} + max(2 * blocks, D * granules)
cycles, then the reset program runs from its entry to its `end`; t is 0. Registers, traces and random state keep their values.

## Instruction word
"""


def manual() -> str:
    constants = {name: value for name, value in vars(isa).items() if name.isupper()}
    text = [INTRO.format(version=isa.ISA_VERSION, **constants)]
    text += ["| field | bits | ", "|---|---|"]
    for name, (low, width) in isa.FIELDS.items():
        bits = f"{low + width - 1}:{low}" if width > 1 else f"{low}"
        text.append(f"| {name} | {bits} |")
    text += [
        "",
        "`imm` is two's complement, or two unsigned halves lo = imm[15:0] and hi = imm[31:16]. Fields that an "
        "instruction does not list are zero. b is the immediate if `imm_b`, else the source code imm[3:0]. "
        "`pred`: 0 always, 1 to 4 p0..p3, 5 `pre`; 8 more inverts.",
        "",
        "Source codes: " + ", ".join(f"{i} {name}" for i, name in enumerate(isa.SOURCES)) + ". An instruction reads "
        "at most one accumulator, and one of x0..x2 and reward; an accumulator is not a factor of `mul` or `mac`. "
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
        "Formats of an axon's weights. A synapse word has 16 * L bits; the weight of lane l in beat k of a word is at "
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
    return "\n".join(text) + "\n"


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
    made = {"ISA.md": manual(), "nm_isa.vh": header(), "LINK.md": protocol.manual(), "nm_link.vh": protocol.header()}
    for path, text in ((ROOT / "rtl" / name, text) for name, text in made.items()):
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
