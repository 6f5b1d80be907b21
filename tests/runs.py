"""Results of runs made by hand, without a compiler or a machine: plausible numbers for what reads results."""

from __future__ import annotations

import numpy as np

from emulator.energy import price
from emulator.prices import load_prices
from emulator.result import RunResult
from emulator.run_notes import CoreFill, PopulationCost, RunNotes, Shown
from emulator.spec.arch import Architecture, load_architecture
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS
from emulator.spec.notes import DriftNote, Notes, PartNote


def made(
    sizes: tuple[int, ...] = (6, 3),
    arch: Architecture | None = None,
    samples: int = 4,
    timesteps: int = 10,
    rate: float = 0.3,
    names: tuple[str, ...] = (),
    prices: str = "horowitz45",
) -> RunResult:
    """A plausible run of populations of these sizes, packed into the cores of an architecture one after the other."""
    arch = arch or load_architecture("up5k")
    rng = np.random.default_rng(0)
    names = names or tuple(f"layer{i}" for i in range(len(sizes)))
    cores: list[list[PartNote]] = [[] for _ in range(arch.cores)]
    locations: dict[str, tuple[tuple[int, int], ...]] = {}
    core = block = 0
    for name, size in zip(names, sizes, strict=True):
        left, where = size, list[tuple[int, int]]()
        while left:
            if block == arch.blocks:
                core, block = core + 1, 0
            blocks = min(-(-left // arch.lanes), arch.blocks - block)
            here = min(left, blocks * arch.lanes)
            where += [(core, block * arch.lanes + i) for i in range(here)]
            cores[core].append(PartNote(name, block, blocks, here, (0, 1), ()))
            block, left = block + blocks, left - here
        locations[name] = tuple(where)
    steps = timesteps + 1
    places = np.array([place for name in names for place in locations[name]])
    fired = np.argwhere(rng.random((samples, steps, len(places))) < rate)
    spikes = np.column_stack([fired[:, 0], fired[:, 1], places[fired[:, 2]]]).astype(np.int32)
    first = np.cumsum([0, *sizes])
    owner = np.searchsorted(first, fired[:, 2], side="right") - 1
    sample_spikes = np.zeros((samples, len(sizes)), np.int32)
    np.add.at(sample_spikes, (fired[:, 0], owner), 1)
    mine = fired[:, 2] - first[-2]
    output_counts = np.zeros((samples, sizes[-1]), np.int32)
    np.add.at(output_counts, (fired[mine >= 0, 0], mine[mine >= 0]), 1)
    neuron_spikes = np.zeros((arch.cores, arch.neurons), np.int64)
    np.add.at(neuron_spikes, (spikes[:, 2], spikes[:, 3]), 1)
    counters = {name: rng.integers(0, 9_000, arch.cores) for name in COUNTERS}
    counters["accumulator_writes"] += counters["beats"]
    for unused in ("trace_reads", "trace_writes", "synapse_writes", "rows", "random_draws"):  # nothing learns
        counters[unused][:] = 0
    predictions = output_counts.argmax(axis=1)
    labels = predictions.copy()
    labels[0] = (labels[0] + 1) % sizes[-1]
    fill = tuple(
        CoreFill(
            i,
            tuple(part.population for part in parts),
            {
                "neurons": (sum(part.blocks for part in parts) * arch.lanes, arch.neurons),
                "axons": (32, arch.axons),
                "synapse words": (100, arch.synapse_words),
                "routes": (20, arch.routes),
                "program words": (14, arch.program_words),
            },
        )
        for i, parts in enumerate(cores)
        if parts
    )
    costs = tuple(
        PopulationCost(
            name=name,
            neurons=size,
            cores=tuple(sorted({core for core, _ in locations[name]})),
            busy_cycles=1000 * (i + 1),
            events=100,
            synaptic_operations=500 * size,
            spikes=int(sample_spikes[:, i].sum()),
            synapse_words=64,
        )
        for i, (name, size) in enumerate(zip(names, sizes, strict=True))
    )
    drift = tuple(
        DriftNote(
            name=name,
            neurons=size,
            float_spikes=100 * (i + 1),
            fixed_spikes=98 * (i + 1),
            count_error=0.02,
            saturations=0,
            silent_neurons=0,
            new_neurons=0,
            zero_weights=0.1,
            advice=f"{name!r} bursts; use --weight-bits 8" if i == 0 else "",
        )
        for i, (name, size) in enumerate(zip(names, sizes, strict=True))
    )
    one = {"bit_budget": 80, "input_rate": 0.1, "s_ace": 9600, "ns_ace": 960.0, "synaptic_operations": 99.5}
    neurobench = {
        "footprint_bytes": 2048.0,
        "connection_sparsity": 0.1,
        "activation_sparsity": 0.9,
        "effective_acs": 1234.5,
        "effective_macs": 0.0,
        "dense_operations": 98765,
        "membrane_updates": 900.0,
        "membrane_updates_are": "every neuron in every timestep",
        "s_ace": 123456,
        "ns_ace": 12345.6,
        "step_pj": 1e6,
        "layers": dict.fromkeys(names, one),
    }
    image = Notes(
        title="A network made by hand",
        network="/home/somebody/nets/hand.nir",
        input_shape=(64,),
        input_levels=1,
        output=names[-1],
        readout="count",
        semantics="nir: dt 0.001 s",
        weight_bits=8,
        warnings=(),
        thresholds=dict.fromkeys(names, 100),
        parts=tuple(map(tuple, cores)),
        projections=(),
        drift=drift,
    )
    sample_cycles = rng.integers(100_000, 200_000, samples)
    notes = RunNotes(
        timesteps=timesteps,
        latency=1,
        architecture=arch,
        populations=tuple(names),
        image=image,
        input_spikes=400,
        costs=costs,
        fill=fill,
        energy=price(arch, counters, int(sample_cycles.sum()), load_prices(prices)).note(),
        labels=tuple(labels.tolist()),
        accuracy=float((predictions == labels).mean()),
        float_accuracy=0.8,
        neurobench=neurobench,
        locations=locations,
        shown=Shown(0, tuple((t, 3 * t % 64) for t in range(timesteps))),
    )
    return RunResult(
        output_counts=output_counts,
        predictions=predictions,
        spikes=spikes,
        sample_cycles=sample_cycles,
        counters=counters,
        chip=dict.fromkeys(CHIP_COUNTERS, 1000),
        executions=tuple(np.zeros(1, np.int64) for _ in range(arch.cores)),
        axon_events=tuple(np.zeros(0, np.int64) for _ in range(arch.cores)),
        neuron_spikes=neuron_spikes,
        sample_spikes=sample_spikes,
        probes={
            f"v:{name}": rng.integers(-50, 130, (1, steps, size)).astype(np.int32)
            for name, size in zip(names, sizes, strict=True)
        },
        cycles_are="exact",
        rtl=arch.rtl,
        elapsed_s=0.012,
        notes=notes,
    )
