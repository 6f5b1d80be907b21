"""Functional coverage: which bins of instruction x format x corner the reference went through while in lockstep.

`watch` wraps a reference; what it does adds names to a set. `BINS` is what has to be in it.
"""

from __future__ import annotations

import itertools
from typing import Any

from functional_rows import row_names, watch_rows

from emulator.spec import isa
from emulator.spec.fixedpoint import ROUNDING, saturate, wrap
from emulator.spec.isa import Op

VECTORS = tuple(row for row in isa.TABLE if row.vector)
TWO = tuple(row.name for row in VECTORS if {"a", "b"} <= set(row.reads))
SUMS = ("add", "sub", "mul", "mac")  # what can leave the state's width


def names() -> set[str]:
    """Every bin."""
    found = set()
    kinds = ("register", "accumulator", "accumulator!", "reward")
    for row in VECTORS:
        preds = ["always", "p", "!p"] + (["pre", "!pre"] if row.writes == "register" else [])
        found |= {f"{row.name} predicate {pred}" for pred in preds}
        found |= {f"{row.name} blocks {size}" for size in ("one", "few", "many")}
        found |= {f"{row.name} last block {part}" for part in ("whole", "part")}
        plain = ("register", "reward") if row.unit == "multiply" else kinds
        for side in set(row.reads) & {"a", "b"}:
            found |= {f"{row.name} {side} {kind}" for kind in (*plain, *(["immediate"] if side == "b" else []))}
        if row.writes == "register" and row.reads:
            found |= {f"{row.name} space {space}" for space in ("neurons", "axons")}
    found |= {f"mac c {kind}" for kind in kinds}
    found |= {f"{name} result {where}" for name in SUMS for where in ("low", "high", "inside")}
    found |= {f"{name} of {order}" for name in TWO if name not in SUMS for order in ("less", "equal", "more")}
    for name in ("mul", "mac"):
        found |= {f"{name} shift {s}" for s in ("0", "1-7", "8-15", "16-23", "24-31")}
        found |= {f"{name} coefficient {where}" for where in ("low", "high", "inside")}
        for mode, part, sign in itertools.product(ROUNDING, ("none", "below half", "half", "above half"), "+-"):
            found.add(f"{name} {mode} drops {part} of {sign}")
    found |= {f"plog table {table}" for table in range(16)} | {f"plog of {a}{c}" for a in "01" for c in "01"}
    found |= {f"rnd {bits}" for bits in ("1", "2-22", "23")}
    found |= {f"spk {kind} {where}" for kind in ("signed", "unsigned") for where in ("low", "high", "inside")}
    found |= {"spk plain", "spk again"}
    found |= {f"when {flag}{place}" for flag in ("", "+T ") for place in ("before", "inside", "after")}
    for kind in isa.FORMATS[1:]:
        found |= {f"{kind} payload {mode}" for mode in ("none", "unsigned", "signed")}
        found |= {f"{kind} beats {n}" for n in ("one", "many")}
        found |= {f"{kind} wraps {way}" for way in ("up", "down")} - {f"{kind} wraps none"}
        if kind != "sparse":
            found |= {f"{kind} runs {n}" for n in ("one", "many")} | {f"{kind} covers the core"}
            found |= {f"{kind} starts inside a word"} if kind != "d16" else set()
        found |= {f"{kind} weight {which}" for which in ("least", "most")}
        found |= {f"{kind} weight zero"} if kind != "d1" else set()
    found |= {"event none", "granule empty", "granule one", "granule full"}
    found |= {f"integ shift {s}" for s in ("0", "1-7", "8-31")} | {f"integ a{i}" for i in range(2)}
    found |= {"payload zero", "payload adds", "payload wraps", "delivered twice", "slot wraps", "a pending bit stays"}
    found |= {f"fires {which}" for which in ("none", "one", "all")} | {f"routes {n}" for n in ("none", "one", "many")}
    found |= {"self-loop", "two hops", "three hops", "two cores to one", "a dozen from two cores to one"}
    return found | row_names()


def _span(value: int, *limits: int) -> str:
    """The name of the range that holds a value: limits are the first values of each range."""
    for low, high in itertools.pairwise((*limits, 32)):
        if low <= value < high:
            return str(low) if high == low + 1 else f"{low}-{high - 1}"
    raise ValueError(value)


def _source(code: int) -> str:
    if code < isa.SRC_ACC:
        return "register"
    if code < isa.SRC_TRACE:
        return "accumulator!" if code >= isa.SRC_ACC_CLEAR else "accumulator"
    return "reward" if code == isa.SRC_REWARD else "trace"


def watch(machine: Any, hits: set[str]) -> Any:
    """A reference that adds the bins it goes through to `hits`."""
    for core in machine.cores:
        _watch_core(core, hits)
        watch_rows(core, hits)
    _watch_mesh(machine, hits)
    return machine


def _watch_core(core: Any, hits: set[str]) -> None:
    vector, operate, due, integ, event, receive = (
        core.vector, core.operate, core.due, core.integ, core.event, core.receive
    )  # fmt: skip
    arch = core.arch

    def watched_vector(op: Op, *rest: Any, **named: Any) -> int:
        space, name = core.space, op.name
        code = op.pred & 7
        pred = "always" if code == 0 else "pre" if code == isa.PRED_PRE else "p"
        hits.add(f"{name} predicate {'!' if op.pred & isa.PRED_NOT else ''}{pred}")
        hits.add(f"{name} blocks {'one' if space.hi == 1 else 'few' if space.hi <= isa.PIPELINE else 'many'}")
        hits.add(f"{name} last block {'whole' if space.d == arch.lanes - 1 else 'part'}")
        hits.add(f"{name} space {'axons' if space.flag else 'neurons'}")
        if "a" in op.row.reads:
            hits.add(f"{name} a {_source(op.a)}")
        if "b" in op.row.reads:
            hits.add(f"{name} b {'immediate' if op.imm_b else _source(op.imm & 15)}")
        if "c" in op.row.reads:
            hits.add(f"{name} c {_source(op.c)}")
        if "shift" in op.row.fields and name != "rnd":
            hits.add(f"{name} shift {_span(op.shift, 0, 1, 8, 16, 24)}")
        if name == "plog":
            hits.add(f"plog table {op.imm & 15}")
        if name == "rnd":
            hits.add(f"rnd {_span(op.shift, 1, 2, 23, 24)}")
        return vector(op, *rest, **named)

    def watched_operate(op: Op, n: int, lane: int, source: Any) -> int:
        name = op.name
        value = operate(op, n, lane, source)
        if name in SUMS:
            bound = saturate(value, arch.state_bits)
            hits.add(f"{name} result {'low' if value < bound else 'high' if value > bound else 'inside'}")
        if name in TWO:
            a, b = source(op.a), op.imm if op.imm_b else source(op.imm & 15)
            hits.add(f"{name} of {'less' if a < b else 'more' if a > b else 'equal'}")
            if name in ("mul", "mac"):
                coefficient = saturate(b, arch.coef_bits)
                hits.add(f"{name} coefficient {'low' if b < coefficient else 'high' if b > coefficient else 'inside'}")
                if op.shift:
                    product = a * coefficient
                    rest, half = product & ((1 << op.shift) - 1), 1 << op.shift >> 1
                    part = (
                        "none"
                        if rest == 0
                        else "half"
                        if rest == half
                        else "below half"
                        if rest < half
                        else "above half"
                    )
                    hits.add(f"{name} {ROUNDING[op.round]} drops {part} of {'-' if product < 0 else '+'}")
        elif name == "plog":
            hits.add(f"plog of {core.predicates[op.a][n]}{core.predicates[op.c][n]}")
        elif name == "spk":
            if core.chosen(op.pred, n, n) and n in core.spikes:
                hits.add("spk again")
            if op.flag:
                a, (low, high) = source(op.a), (-128, 127) if op.flag2 else (0, 255)
                kind = "signed" if op.flag2 else "unsigned"
                hits.add(f"spk {kind} {'low' if a < low else 'high' if a > high else 'inside'}")
            else:
                hits.add("spk plain")
        return value

    def watched_due(op: Op) -> bool:
        last = op.hi + (core.timesteps if op.flag else 0)
        place = "before" if core.t < op.lo else "inside" if core.t < last else "after"
        hits.add(f"when {'+T ' if op.flag else ''}{place}")
        return due(op)

    def watched_integ(op: Op) -> int:
        hits.add(f"integ a{op.d}")
        hits.add(f"integ shift {_span(op.shift, 0, 1, 8)}")
        pending = core.pending[core.slot]
        for granule in range(op.lo, op.lo + op.hi):
            count = sum(pending[granule * isa.GRANULE : (granule + 1) * isa.GRANULE])
            if count in (0, 1, isa.GRANULE):
                hits.add(f"granule {('empty', 'one', 'full')[min(count, 2)]}")
        return integ(op)

    def watched_event(op: Op, axon: int) -> int:
        entry = core.axons[axon]
        kind = isa.FORMATS[entry["format"]]
        if kind == "none":
            hits.add("event none")
            return event(op, axon)
        mode = "signed" if op.flag2 else "unsigned" if op.flag else "none"
        hits.add(f"{kind} payload {mode}")
        hits.add(f"{kind} beats {'many' if entry['beats'] else 'one'}")
        hits.add(f"{kind} runs {'many' if entry['runs'] else 'one'}")
        if entry["beat"]:
            hits.add(f"{kind} starts inside a word")
        factor = core.payloads[core.slot][axon] if op.flag else 1
        factor = wrap(factor, 8) if op.flag2 else factor
        if factor == 0:
            hits.add("payload zero")
        bits, blocks = isa.FORMAT_BITS[entry["format"]], set()
        bits = 8 if kind == "sparse" else bits
        least, most = (-1, 1) if kind == "d1" else (-(1 << bits - 1), (1 << bits - 1) - 1)
        for beat, _, block in core.window(entry):
            blocks.add(block)
            for lane in range(arch.lanes):
                target, weight = core.synapse(entry["format"], beat, lane)
                if weight in (least, 0, most):
                    hits.add(f"{kind} weight {'zero' if weight == 0 else 'least' if weight == least else 'most'}")
                if weight:
                    at = (block if target is None else target) * arch.lanes + lane
                    total = core.accumulators[op.d][at] + (weight * factor << op.shift)
                    if wrap(total, arch.acc_bits) != total:
                        hits.add(f"{kind} wraps {'up' if total > 0 else 'down'}")
        if len(blocks) == arch.blocks and kind != "sparse":
            hits.add(f"{kind} covers the core")
        return event(op, axon)

    def watched_receive(slot: int, axon: int, payload: int) -> None:
        if core.pending[slot][axon]:
            hits.add("delivered twice")
            if arch.graded:
                hits.add("payload wraps" if core.payloads[slot][axon] + payload > 255 else "payload adds")
        if slot < core.slot:
            hits.add("slot wraps")
        receive(slot, axon, payload)

    core.vector, core.operate, core.due = watched_vector, watched_operate, watched_due
    core.integ, core.event, core.receive = watched_integ, watched_event, watched_receive


def _watch_mesh(machine: Any, hits: set[str]) -> None:
    mesh, step = machine.mesh, machine.step
    run = mesh.run

    def watched_run(sources: list, deliver: Any) -> int:
        sent = []

        def noted(at: int, source: Any) -> Any:
            for gap, packet in source:
                if packet:
                    sent.append((at, packet[0]))
                yield gap, packet

        cycles = run([noted(at, source) for at, source in enumerate(sources)], deliver)
        for at, to in sent:
            hops = mesh.hops(at, to)
            hits.update(
                {"self-loop"} if hops == 0 else {"two hops"} if hops == 2 else {"three hops"} if hops == 3 else ()
            )
        for core in range(len(sources)):
            senders = [at for at, to in sent if to == core]
            if len(set(senders)) > 1:  # a core takes a packet in two cycles, so many have to wait
                hits.add("a dozen from two cores to one" if len(senders) >= 12 else "two cores to one")
        return cycles

    def watched_step() -> Any:
        result = step()
        for core in machine.cores:
            n = len(core.spikes)
            hits.add(f"fires {'none' if n == 0 else 'one' if n == 1 else 'some'}")
            if core.emit_blocks and n == core.emit_blocks * core.arch.lanes:
                hits.add("fires all")
            for neuron in core.spikes:
                count = core.pointers[neuron]["count"]
                hits.add(f"routes {('none', 'one', 'many')[min(count, 2)]}")
            if any(core.pending[core.slot]) and core.arch.delay_slots > 1:
                hits.add("a pending bit stays")
        return result

    mesh.run, machine.step = watched_run, watched_step


BINS = names()
