"""What learning did in a run: its share of the ledger, its energy, and how far weights went."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emulator.energy import price
from emulator.kernel.counting import instruction_counts
from emulator.prices import PriceTable
from emulator.result import RunResult
from emulator.run_notes import LearningRun
from emulator.spec import isa
from emulator.spec.image import Image
from emulator.spec.ledger import COUNTERS

from ..learning.learned import weight_range
from .costs import instruction_cycles
from .numbers import quantity


def learning_counters(image: Image, result: RunResult) -> dict[str, np.ndarray]:
    """(cores,) of every counter: the part of `result.counters` that the learning programs did, their switches apart."""
    found = {name: np.zeros(image.arch.cores, np.int64) for name in COUNTERS}
    for number, parts in enumerate(image.compiled.parts):
        core, ran = image.cores[number], result.executions[number]
        cycles = instruction_cycles(image, core, ran, result.axon_events[number]) if parts else ran
        ops, space = [isa.decode(word) for word in core.program], None
        for part in parts:
            for address in range(part.program[1] if part.learning is None else part.learning + 1, part.program[1]):
                op = ops[address]
                if op.name == "range":
                    space = op
                found["instructions"][number] += ran[address]
                found["busy_cycles"][number] += cycles[address]
                for name, count in instruction_counts(op, space, image.arch.lanes).items():
                    found[name][number] += ran[address] * count
    for name in ("synapse_reads", "synapse_writes"):  # only learning writes weights, and reads each word before
        found[name] += result.counters["synapse_writes"]
    return found


def learning_run(image: Image, result: RunResult, rewarded: bool, table: PriceTable) -> LearningRun:
    """What learning did in a run on the emulator, its share of the ledger included."""
    assert result.learned is not None
    counters = learning_counters(image, result)
    return replace(
        learned_run(image, result.learned, rewarded),
        cycles=int(counters["busy_cycles"].sum()),
        energy_j=price(image.arch, counters, 0, table).incremental_j,
        rows=int(counters["rows"].sum()),
    )


def learned_run(image: Image, learned: Image, rewarded: bool) -> LearningRun:
    """What was learned in a run, whatever it cost.

    Args:
        image: that the run began with; learned: that it ended in. rewarded: the host gave rewards.
    """
    plastic = image.notes.plastic if image.notes else {}
    means = {name: (weight_range(image, name)[1], weight_range(learned, name)[1]) for name in plastic}
    return LearningRun(
        means,
        tuple(
            f"{name!r} learns by {rule.learns!r}, which waits for rewards, and these inputs bring none: give "
            "`rewards`, an integer per sample"
            for name, rule in plastic.items()
            if rule.tag_bits and not rewarded
        ),
    )


def learning_facts(result: RunResult) -> list[tuple[str, str]]:
    """What to say of learning in a result: nothing where nothing can learn."""
    notes, samples = result.notes, result.samples
    rules, found = notes.image.plastic if notes.image else {}, notes.learning
    if not found:
        return [("learning", f"off, {', '.join(rules)} as compiled; --learn switches it on")] if rules else []
    costs = []
    if found.cycles is not None and found.energy_j is not None and notes.energy:
        # the emulator knows what each instruction took, a board does not
        cycles = found.cycles / result.total("busy_cycles")
        energy = found.energy_j / notes.energy.incremental_j
        costs += [
            f"{found.cycles / samples:,.0f} cycles per sample ({100 * cycles:.0f} % of the cores'), "
            f"{quantity(found.energy_j / samples, 'J')} ({100 * energy:.0f} %)"
        ]
    if found.rows is not None:
        costs += [f"{found.rows / samples:,.1f} rows updated"]
    return [
        ("learning", ", ".join(costs) or "on; this board counts nothing"),
        *(
            ("learned", f"{name} by {rules[name].learns}: mean weight {before:.4g} before, {after:.4g} after")
            for name, (before, after) in found.mean_weights.items()
        ),
    ]
