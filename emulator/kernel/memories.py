"""What a run of the kernel reads and writes beside the tables."""

# mypy: ignore-errors
# Numba's dialect: types are inferred by the compiler, and an @intrinsic takes one argument less than it declares.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COMPUTE, FABRIC, BARRIER, RESET = range(4)  # of State.chip
FROM, UNTIL, CLOCK, ORIGIN, CARRY_ON = range(5)  # of Job.window


class State(NamedTuple):
    """What programs change; each thread has its own. One bit a lane in uint64 words."""

    registers: np.ndarray  # int32, per core [register][lane]
    predicates: np.ndarray  # [predicate][word]
    spikes: np.ndarray
    payloads: np.ndarray  # (neurons,) int32
    traces: np.ndarray  # int32, per core [trace][axon]
    delivered: np.ndarray
    random: np.ndarray  # (busy cores * 16,) uint32, see tables.Start
    weights: np.ndarray  # int16 plastic rows
    broadcasts: np.ndarray  # int32, see tables.BROADCASTS
    code: np.ndarray  # (instructions, COLUMNS) int64, bound, see simulate._Memories.bind
    executions: np.ndarray  # (instructions,) int64
    row_words: np.ndarray  # (busy cores,) int64 synapse words read by rows
    busy: np.ndarray  # (busy cores,) int64 cycles


class Fired(NamedTuple):
    """Spikes of the run."""

    list: np.ndarray  # flat neurons that fired in this timestep, ascending
    first: np.ndarray  # (busy cores + 1,) first of each core
    total: np.ndarray  # (neurons,) int64, all samples
    sample: np.ndarray  # (neurons,) int32, this sample
    carried: np.ndarray  # (neurons,) int32, what they carried in this sample, where the job asks for it
    chip: np.ndarray  # (4,) int64


class Job(NamedTuple):
    """What to run and where to put it; sample s of the run is row s of everything."""

    n_outputs: int
    n_populations: int
    n_probes: int
    first: np.ndarray  # first, source and value of SpikeTrains
    source: np.ndarray
    value: np.ndarray
    graded: bool  # not all spikes carry 1: there are values
    rewards: np.ndarray  # (samples,) int64
    timesteps: int  # T
    latency: int
    learn: bool  # samples follow each other instead of starting afresh
    carry: int  # which of PAYLOADS the outputs send: count what they carry
    record: bool
    outputs: np.ndarray  # flat neurons, or -1 where a core never fires
    output_counts: np.ndarray  # (samples, outputs) int32, of what spikes carry
    populations: np.ndarray  # flat neurons of all populations, one after the other, or -1
    population_first: np.ndarray
    sample_spikes: np.ndarray  # (samples, populations) int32
    sample_cycles: np.ndarray  # (samples,) int64
    probes: np.ndarray  # places in State.registers
    probed: np.ndarray  # (samples, timesteps, places) int32
    # (5,) int64: the timesteps to run, from -1, the reset programs; a number that no memory has seen as a clock; the
    # timestep of the first row of inputs; 1 where the first sample, too, follows one.
    window: np.ndarray
