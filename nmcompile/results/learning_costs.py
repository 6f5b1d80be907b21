"""What learning did in a run: its share of the ledger, its energy, and how far weights went."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.energy import price
from emulator.kernel.counting import instruction_counts
from emulator.prices import PriceTable
from emulator.result import RunResult
from emulator.spec import isa
from emulator.spec.image import Image
from emulator.spec.ledger import COUNTERS

from ..learning.learned import learning_rules, weight_range
from .costs import instruction_cycles
from .numbers import quantity


def learning_counters(image: Image, result: RunResult) -> dict[str, np.ndarray]:
    """(cores,) of every counter: the part of `result.counters` that the learning programs did, their switches apart."""
    found = {name: np.zeros(image.arch.cores, np.int64) for name in COUNTERS}
    for number, where in enumerate(image.meta["cores"]):
        core, ran = image.cores[number], result.executions[number]
        cycles = instruction_cycles(image, core, ran, result.axon_events[number]) if where["parts"] else ran
        ops, space = [isa.decode(word) for word in core.program], None
        for part in where["parts"]:
            for address in range(part.get("learning", part["program"][1]), part["program"][1]):
                op = ops[address]
                if address == part["learning"]:
                    continue
                if op.name == "range":
                    space = op
                found["instructions"][number] += ran[address]
                found["busy_cycles"][number] += cycles[address]
                for name, count in instruction_counts(op, space, image.arch.lanes).items():
                    found[name][number] += ran[address] * count
    for name in ("synapse_reads", "synapse_writes"):  # only learning writes weights, and reads each word before
        found[name] += result.counters["synapse_writes"]
    return found


def learning_meta(image: Image, result: RunResult, rewarded: bool, table: PriceTable) -> dict[str, Any]:
    """What a run that learned keeps about it, as plain values: `learned_meta`, and its share of the ledger."""
    assert result.learned is not None
    counters = learning_counters(image, result)
    return {
        "cycles": int(counters["busy_cycles"].sum()),
        "energy_j": price(image.arch, counters, 0, table).incremental_j,
        "rows": int(counters["rows"].sum()),
    } | learned_meta(image, result.learned, rewarded)


def learned_meta(image: Image, learned: Image, rewarded: bool) -> dict[str, Any]:
    """What a run that learned keeps about what it learned, as plain values.

    Args:
        image: that the run began with; learned: that it ended in. rewarded: the host gave rewards.
    """
    return {
        "mean_weights": {
            name: [weight_range(when, name)[1] for when in (image, learned)] for name in learning_rules(image.meta)
        },
        "warnings": [
            f"{p['name']!r} learns by {p['learns']!r}, which waits for rewards, and these inputs bring none: give "
            "`rewards`, an integer a sample"
            for p in image.meta.get("projections", ())
            if p.get("tag_bits") and not rewarded
        ],
    }


def learning_facts(result: RunResult) -> list[tuple[str, str]]:
    """What to say of learning in a result: nothing where nothing can learn."""
    meta, samples = result.meta, result.samples
    rules, found = learning_rules(meta.get("image", {})), meta.get("learning")
    if not found:
        return [("learning", f"off, {', '.join(rules)} as compiled; --learn switches it on")] if rules else []
    costs = []
    if "cycles" in found:  # the emulator knows what each instruction took, a board does not
        cycles = found["cycles"] / result.total("busy_cycles")
        energy = found["energy_j"] / meta["energy"]["incremental_j"]
        costs += [
            f"{found['cycles'] / samples:,.0f} cycles a sample ({100 * cycles:.0f} % of the cores'), "
            f"{quantity(found['energy_j'] / samples, 'J')} ({100 * energy:.0f} %)"
        ]
    if "rows" in found:
        costs += [f"{found['rows'] / samples:,.1f} rows updated"]
    return [
        ("learning", ", ".join(costs) or "on; this board counts nothing"),
        *(
            ("learned", f"{name} by {rules[name]}: mean weight {before:.4g} before, {after:.4g} after")
            for name, (before, after) in found["mean_weights"].items()
        ),
    ]
