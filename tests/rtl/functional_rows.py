"""Functional coverage of `rows`: what selects a row, what its body does with it, how it is stored, what stands around.

As in `functional.py`, `row_names` is every bin, and `watch_rows` notes those that a reference core goes through.
"""

from __future__ import annotations

import itertools
from typing import Any

from emulator.spec import isa
from emulator.spec.fixedpoint import saturate
from emulator.spec.isa import Op

REASONS = {"pre": 1, "post": 2, "reward": 4, "all": 8}  # bits of the mask
BODY = [row.name for row in isa.TABLE if row.vector and row.name != "spk"]
READING = [name for name in BODY if name not in ("plog", "rnd")]
SUMS = ("add", "sub", "mul", "mac")
SCALARS = ("x0", "x1", "x2", "reward")
PLAIN = (*SCALARS, "weight", "register")
AROUND = ("vector", "range", "when", "integ", "rows")
LENGTHS = (0, 1, 2, 3, 4, 16, isa.LONGEST_BODY)  # the first of each class


def row_names() -> set[str]:
    """Every bin."""
    found = {f"rows mask {mask}" for mask in range(1, 16)} | {f"rows by {why} alone" for why in REASONS}
    found |= {"rows not: undelivered", "rows not: trace 0", "rows not: no neuron", "rows not: reward 0"}
    found |= {f"rows reward {sign}" for sign in ("negative", "zero", "positive")}
    found |= {f"rows p{p}" for p in range(isa.N_PREDICATES)} | {f"rows x{x}" for x in range(3)}
    found |= {f"rows into r{r}" for r in range(isa.N_REGISTERS)}
    found |= {f"rows post in the {which}" for which in ("first block only", "last block only", "last neuron only")}
    found |= {f"rows selects {n}" for n in ("none", "one", "some", "all", "the first axon", "the last axon")}
    found |= {"rows selects several of a block", "rows selects across a block boundary", "rows passes over a block"}
    found |= {f"rows axon blocks {size}" for size in ("one", "few", "many")} | {"rows sweeps one axon"}
    found |= {f"rows last axon block {part}" for part in ("whole", "part")} | {"rows from a later granule"}
    found |= {f"rows blocks {size}" for size in ("one", "few", "many")}
    found |= {f"rows last block {part}" for part in ("whole", "part")}
    found |= {f"before rows {name}" for name in AROUND}
    found |= {f"behind rows {name}, {n} selected" for name in (*AROUND, "end") for n in ("none", "some")}
    found |= {f"body of {_length(n)}" for n in LENGTHS}
    found |= {f"body {name}" for name in BODY} | {f"body {name} reads a trace" for name in READING}
    found |= {f"body a {kind}" for kind in (*PLAIN, "accumulator", "accumulator!")}
    found |= {f"body b {kind}" for kind in (*PLAIN, "accumulator", "accumulator!", "immediate")}
    found |= {f"body c {kind}" for kind in (*PLAIN, "accumulator", "accumulator!")}
    found |= {f"body predicate {pred}" for pred in ("always", "p", "!p")}
    found |= {f"body predicate {pred} of {bit}" for pred in ("pre", "!pre") for bit in "01"}
    found |= {f"body writes {what}" for what in ("weights", "a register", "a predicate")}
    found |= {"body when taken", "body when skips", "body adds what it drew", "body draws for several rows"}
    for kind, blocks in itertools.product(("d8", "d16"), ("odd", "even")):
        found.add(f"{kind} row of {blocks} blocks")
    for kind, weight in itertools.product(("d8", "d16"), ("least", "zero", "most")):
        found.add(f"{kind} loads {weight}")
    for kind, way, where in itertools.product(("d8", "d16"), ("shifted", "clamped"), ("low", "high", "inside")):
        found.add(f"{kind} stores {where}, {way}")
    found |= {f"{kind} stores 0 beyond the population" for kind in ("d8", "d16")}
    found |= {f"trace {name} result {where}" for name in SUMS for where in ("low", "high", "inside")}
    return found


def _length(n: int) -> str:
    for low, high in itertools.pairwise((*LENGTHS, isa.LONGEST_BODY + 1)):
        if low <= n < high:
            return str(low) if high == low + 1 else f"{low}-{high - 1}"
    raise ValueError(n)


def _size(blocks: int) -> str:
    return "one" if blocks == 1 else "few" if blocks <= isa.PIPELINE else "many"


def watch_rows(core: Any, hits: set[str]) -> None:
    """Add the bins that a reference core's rows go through to `hits`."""
    rows, row, due, vector, operate, retire = core.rows, core.row, core.due, core.vector, core.operate, core.retire
    arch = core.arch
    way = "shifted" if arch.state_bits - 8 <= arch.coef_bits - 2 else "clamped"  # of nm_rows.v
    chosen: list[int] = []  # axons of this sweep
    drawn: set[int] = set()  # registers of this body
    now: dict[str, Any] = {"before": "", "weights": None}

    def watched_retire(kind: str, *numbers: int) -> None:
        if kind == "op":
            now["before"] = core.program[numbers[1]]
        retire(kind, *numbers)

    def watched_rows(op: Op, pc: int) -> tuple[int, int]:
        _sweep(core, op, hits)
        hits.add(f"before rows {_around(now['before'])}")
        chosen.clear()
        cost, jump = rows(op, pc)
        hits.add(f"behind rows {_around(core.program[jump])}, {'some' if chosen else 'none'} selected")
        _selected(chosen, op, arch.lanes, hits)
        if len(chosen) > 1 and any(step.name == "rnd" for step in core.program[pc + 1 : pc + 1 + op.body]):
            hits.add("body draws for several rows")
        return cost, jump

    def watched_row(op: Op, axon: int, pc: int) -> int:
        chosen.append(axon)
        drawn.clear()
        entry, lanes, space = core.axons[axon], arch.lanes, core.space
        kind, bits = isa.FORMATS[entry["format"]], isa.FORMAT_BITS[entry["format"]]
        hits.add(f"{kind} row of {'even' if entry['beats'] % 2 else 'odd'} blocks")
        for beat, _, _ in core.window(entry):
            for lane in range(lanes):
                weight = core.synapse(entry["format"], beat, lane)[1]
                if weight in (-(1 << bits - 1), 0, (1 << bits - 1) - 1):
                    hits.add(f"{kind} loads {'zero' if weight == 0 else 'least' if weight < 0 else 'most'}")
        now["weights"] = op.d
        cost = row(op, axon, pc)
        now["weights"] = None
        for n in range(space.lo * lanes, (space.lo + space.hi) * lanes):
            value = core.registers[op.d][n]
            bound = saturate(value, bits)
            if n <= (space.lo + space.hi - 1) * lanes + space.d:
                where = "low" if value < bound else "high" if value > bound else "inside"
                hits.add(f"{kind} stores {where}, {way}")
            elif value:
                hits.add(f"{kind} stores 0 beyond the population")
        return cost

    def watched_due(op: Op) -> bool:
        taken = due(op)
        if now["weights"] is not None:
            hits.add(f"body when {'taken' if taken else 'skips'}")
        return taken

    def watched_vector(op: Op, row_axon: int | None = None) -> int:
        if row_axon is not None:
            _step(core, op, row_axon, now["weights"], drawn, hits)
        return vector(op, row_axon=row_axon)

    def watched_operate(op: Op, n: int, lane: int, source: Any) -> int:
        value = operate(op, n, lane, source)
        if core.space.flag and op.name in SUMS:
            bound = saturate(value, arch.state_bits)
            hits.add(f"trace {op.name} result {'low' if value < bound else 'high' if value > bound else 'inside'}")
        return value

    core.rows, core.row, core.due = watched_rows, watched_row, watched_due
    core.vector, core.operate, core.retire = watched_vector, watched_operate, watched_retire


def _around(op: Op) -> str:
    return "vector" if op.row.vector else op.name


def _sweep(core: Any, op: Op, hits: set[str]) -> None:
    """What a `rows` asks for, and what each axon answers."""
    space, lanes, swept = core.space, core.arch.lanes, op.swept
    hits.add(f"rows mask {op.shift}")
    hits.add(f"rows into r{op.d}")
    hits.add(f"rows blocks {_size(space.hi)}")
    hits.add(f"rows last block {'whole' if space.d == lanes - 1 else 'part'}")
    hits.add(f"rows axon blocks {_size(-(-len(swept) // lanes))}")
    hits.add(f"rows last axon block {'part' if len(swept) % lanes else 'whole'}")
    hits.update({"rows sweeps one axon"} if len(swept) == 1 else ())
    hits.update({"rows from a later granule"} if op.lo else ())
    hits.add(f"body of {_length(op.body)}")
    first, last = space.lo * lanes, (space.lo + space.hi - 1) * lanes + space.d
    did = [n for n in range(first, last + 1) if core.predicates[op.a][n]]
    if op.shift & REASONS["post"]:
        hits |= {f"rows p{op.a}", f"rows x{op.c}"}
        blocks = {n // lanes for n in did}
        if space.hi > 1 and len(blocks) == 1:
            hits.update({"rows post in the first block only"} if blocks == {space.lo} else ())
            hits.update({"rows post in the last block only"} if blocks == {last // lanes} else ())
        hits.update({"rows post in the last neuron only"} if did == [last] and last > first else ())
    if op.shift & REASONS["reward"]:
        hits.add(f"rows reward {'negative' if core.reward < 0 else 'positive' if core.reward else 'zero'}")
    for axon in swept:
        holds = {
            "pre": bool(core.delivered[axon]),
            "post": bool(did and core.traces[op.c][axon]),
            "reward": core.reward != 0,
            "all": True,
        }
        asked = [why for why, bit in REASONS.items() if op.shift & bit]
        because = [why for why in asked if holds[why]]
        hits.update({f"rows by {because[0]} alone"} if len(because) == 1 else ())
        if not because:
            hits.update({"rows not: undelivered"} if "pre" in asked else ())
            hits.update({"rows not: reward 0"} if "reward" in asked else ())
            if "post" in asked:
                hits.update(
                    {"rows not: trace 0"} if did else {"rows not: no neuron"} if core.traces[op.c][axon] else ()
                )


def _selected(chosen: list[int], op: Op, lanes: int, hits: set[str]) -> None:
    swept = op.swept
    if not chosen:
        hits.add("rows selects none")
        return
    hits.add(f"rows selects {'one' if len(chosen) == 1 else 'all' if len(chosen) == len(swept) else 'some'}")
    hits.update({"rows selects the first axon"} if chosen[0] == swept[0] else ())
    hits.update({"rows selects the last axon"} if chosen[-1] == swept[-1] else ())
    for a, b in itertools.pairwise(chosen):
        hits.update({"rows selects several of a block"} if a // lanes == b // lanes else ())
        hits.update({"rows selects across a block boundary"} if lanes > 1 and b == a + 1 and b % lanes == 0 else ())
        hits.update({"rows passes over a block"} if b // lanes > a // lanes + 1 else ())


def _step(core: Any, op: Op, axon: int, weights: int, drawn: set[int], hits: set[str]) -> None:
    """One instruction of a body."""

    def kind(code: int) -> str:
        if code < isa.N_REGISTERS:
            return "weight" if code == weights else "register"
        if code < isa.SRC_TRACE:
            return "accumulator!" if code >= isa.SRC_ACC_CLEAR else "accumulator"
        return "reward" if code == isa.SRC_REWARD else f"x{code - isa.SRC_TRACE}"

    hits.add(f"body {op.name}")
    if any(isa.SRC_TRACE <= code < isa.SRC_REWARD for code in op.sources):
        hits.add(f"body {op.name} reads a trace")
    for side, code in (("a", op.a), ("b", op.imm & 15), ("c", op.c)):
        if side in op.row.reads:
            hits.add(f"body {side} {'immediate' if side == 'b' and op.imm_b else kind(code)}")
    pred, inverted = op.pred & 7, "!" if op.pred & isa.PRED_NOT else ""
    if pred == isa.PRED_PRE:
        hits.add(f"body predicate {inverted}pre of {core.delivered[axon]}")
    else:
        hits.add(f"body predicate {inverted}p" if pred else "body predicate always")
    if op.row.writes == "register":
        hits.add(f"body writes {'weights' if op.d == weights else 'a register'}")
    elif op.row.writes == "predicate":
        hits.add("body writes a predicate")
    if op.name in ("add", "mac") and drawn & set(op.sources):
        hits.add("body adds what it drew")
    drawn |= {op.d} if op.name == "rnd" else set()
