"""Where a run's work went: cycles, operations and fill by population and by core, from exact counters."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.metrics import LayerActivity, metrics
from emulator.result import RunResult
from emulator.run_notes import CoreFill, PopulationCost
from emulator.spec import isa
from emulator.spec.image import CoreImage, Image
from emulator.spec.rows import expand


def instruction_cycles(image: Image, core: CoreImage, executions: np.ndarray, events: np.ndarray) -> np.ndarray:
    """(program,) cycles that each instruction took in a run; loading and storing a plastic row belong to its `endrows`.

    Args:
        executions: (program,) how often each ran; events: (axons,) how often each axon was delivered.
    """
    cycles = np.zeros(len(core.program), np.int64)
    beats = expand(image.arch, core, core.axons).beats
    blocks = 0
    for address, word in enumerate(core.program):
        op = isa.decode(word)
        if op.name == "range":
            blocks = op.hi
        each = isa.cycles(op, blocks, image.arch.lanes)
        if op.name == "integ":
            span = slice(op.lo * isa.GRANULE, (op.lo + op.hi) * isa.GRANULE)
            cycles[address] += int((events[span] * isa.event_cycles(beats[span])).sum())
        elif op.name == "endrows":
            each += isa.row_cycles(blocks)
        cycles[address] += each * int(executions[address])
    return cycles


def population_costs(image: Image, result: RunResult) -> tuple[PopulationCost, ...]:
    """One row per population, in the image's order."""
    found: dict[str, dict[str, Any]] = {
        p.name: {"cores": [], "busy": 0, "events": 0, "operations": 0, "words": 0} for p in image.populations
    }
    for number, parts in enumerate(image.compiled.parts):
        if not parts:
            continue
        core, events = image.cores[number], result.axon_events[number]
        cycles = instruction_cycles(image, core, result.executions[number], events)
        fan_out = np.diff(expand(image.arch, core, core.axons).pointers)
        for part in parts:
            row = found[part.population]
            row["cores"].append(number)
            row["busy"] += int(cycles[slice(*part.program)].sum())
            for p in part.projections:
                span = slice(p.first_axon, p.first_axon + p.axons)
                row["events"] += int(events[span].sum())
                row["operations"] += int((events[span] * fan_out[span]).sum())
                row["words"] += p.words
    spikes = result.sample_spikes.sum(axis=0)
    return tuple(
        PopulationCost(
            p.name,
            len(p.location),
            tuple(found[p.name]["cores"]),
            found[p.name]["busy"],
            found[p.name]["events"],
            found[p.name]["operations"],
            int(spikes[i]),
            found[p.name]["words"],
        )
        for i, p in enumerate(image.populations)
    )


def core_fill(image: Image) -> tuple[CoreFill, ...]:
    """How full each core in use is."""
    arch, rows = image.arch, []
    for number, (core, parts) in enumerate(zip(image.cores, image.compiled.parts, strict=True)):
        if parts:
            resources = {
                "neurons": (sum(part.blocks for part in parts) * arch.lanes, arch.neurons),
                "axons": (len(core.axons), arch.axons),
                "synapse words": (len(core.synapses), arch.synapse_words),
                "routes": (len(core.routes), arch.routes),
                "program words": (len(core.program), arch.program_words),
            }
            rows.append(CoreFill(number, tuple(part.population for part in parts), resources))
    return tuple(rows)


def neurobench(image: Image, result: RunResult) -> dict[str, Any]:
    """NeuroBench's metrics and the Bit Budget of a run, from its exact counters; see emulator/metrics.py."""
    costs = {c.name: c for c in population_costs(image, result)}
    layers = []
    timesteps = result.notes.timesteps
    sizes = {p.name: len(p.location) for p in image.populations} | {"input": image.n_inputs}
    fired = {name: c.spikes for name, c in costs.items()} | {"input": result.notes.input_spikes}
    for population in image.populations:
        incoming = image.compiled.onto(population.name)
        cost = costs[population.name]
        shared = any(p.convolutional for p in incoming)
        parameters = sum(p.parameters for p in incoming)
        largest = max((p.payload for p in incoming), default=1)
        layers.append(
            LayerActivity(
                name=population.name,
                neurons=len(population.location),
                inputs=sum(sizes[p.source] for p in incoming),
                connections=sum(p.connections for p in incoming),
                synapses=sum(p.synapses for p in incoming),
                weight_bits=max((p.weight_bits for p in incoming), default=1),
                input_spikes=sum(fired[p.source] for p in incoming),
                spikes=cost.spikes,
                synaptic_operations=cost.synaptic_operations,
                spike_bits=largest.bit_length(),
                accumulates=largest <= 1,
                weights=parameters if shared else None,
                nonzero_weights=parameters if shared else None,
                state_bits=image.arch.state_bits * len(population.registers),
                spiking=image.compiled.readout == "count" or population.name != image.compiled.output,
            )
        )
    found = metrics(layers, timesteps, result.samples, footprint_bytes=image.memory_bits / 8)
    return found | {"pooled": sorted({p.target for p in image.compiled.projections if p.pooled})}
