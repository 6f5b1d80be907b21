"""Instructions as readable lines."""

from __future__ import annotations

from .fixedpoint import ROUNDING
from .isa import GRANULE, PRED_NOT, PREDICATES, SOURCES, Op


def predicate_name(code: int) -> str:
    known = code & 7 < len(PREDICATES)  # the listing of an illegal instruction is part of what refuses it
    return ("!" if code & PRED_NOT else "") + (PREDICATES[code & 7] if known else f"predicate {code & 7}")


def listing(op: Op) -> str:
    """One readable line, for example `mac   r0, r0, #29491 >> 15 nearest, a0!  ?!p1`."""

    def b() -> str:
        return f"#{op.imm}" if op.b is None else SOURCES[op.b]

    match op.name:
        case "end":
            text = f"blocks 0..{op.lo - 1}" if op.lo else ""
        case "when":
            text = f"{op.lo} <= t < {op.hi}{' + T' if op.flag else ''}, else skip {op.skip}"
        case "range":
            space = "axon" if op.flag else "neuron"
            text = f"{space} blocks {op.lo}..{op.lo + op.hi - 1}, {op.d + 1} lanes in the last"
        case "integ":
            payload = (" * signed payload" if op.flag2 else " * payload") if op.flag else ""
            text = f"a{op.d} += axons {op.lo * GRANULE}..{(op.lo + op.hi) * GRANULE - 1}{payload} << {op.shift}"
        case "rows":
            chosen = [
                text
                for bit, text in (
                    (1, "pre"),
                    (2, f"any p{op.a} and x{op.c}"),
                    (4, "reward"),
                    (8, "all"),
                )
                if op.shift & bit
            ]
            text = f"r{op.d} = weights of axons {op.swept.start}..{op.swept.stop - 1} if {', '.join(chosen)}"
        case "endrows":
            text = ""
        case "mul" | "mac":
            text = f"r{op.d}, {SOURCES[op.a]}, {b()} >> {op.shift}"
            text += f" {ROUNDING[op.round]}" if op.shift else ""
            text += f", {SOURCES[op.c]}" if op.name == "mac" else ""
        case "rnd":
            text = f"r{op.d}, {op.shift} bits"
        case "plog":
            text = f"p{op.d}, p{op.a}, p{op.c}, table {op.imm & 15:04b}"
        case "spk":
            text = (f"{SOURCES[op.a]}{' signed' if op.flag2 else ''}") if op.flag else ""
        case _:
            named = {"a": SOURCES[op.a], "b": b(), "c": SOURCES[op.c]}
            to = {"register": [f"r{op.d}"], "predicate": [f"p{op.d}"]}.get(op.row.writes, [])
            text = ", ".join([*to, *(named[name] for name in op.row.reads)])
    line = f"{op.name:<6}{text}"
    if op.row.vector and op.pred:
        line += f"  ?{predicate_name(op.pred)}"
    return line.rstrip()
