"""The Verilog against the reference, timestep by timestep: events, spikes, every bit of state, counters, cycles."""

import functools
import os
from dataclasses import replace

import numpy as np
import pytest
from cases import ARCHITECTURES, architecture, case
from functional import BINS, watch
from host import check_host, fires
from programs import random_architecture

from emulator.reference import Reference
from emulator.spec import isa
from emulator.verilog.icarus import Icarus
from emulator.verilog.lockstep import lockstep
from emulator.verilog.verilated import Verilated

LONG = bool(os.environ.get("NM_LONG"))
IMAGES = 400 if LONG else 80


def run(arch, seeds, learning=False, **options):
    """Lockstep over the images of these seeds; the core clock cycles they took."""
    # reading all state of many cores takes longer than running them
    options.setdefault("every", 2 if arch.cores == 1 else 8)
    cycles = spikes = rows = 0
    for seed in seeds:
        image, inputs, rewards = case(arch, *seed, learning=learning)
        try:
            report = lockstep(image, inputs, rewards, **options)
        except Exception as error:
            error.add_note(f"seeds {seed} of {arch}")
            raise
        cycles, spikes, rows = cycles + report.clock_cycles, spikes + report.spikes, rows + report.rows
    assert spikes > 0
    assert rows > 10 * len(seeds) or not learning
    return cycles


def watching(hits):
    """A factory of references that note the bins they go through."""
    return lambda image, retire: watch(Reference(image, retire), hits)


@functools.cache
def covered(name):
    """Lockstep on random programs of an architecture, some of which learn: clock cycles, and the bins they reached."""
    arch, hits = architecture(name), set()
    images = IMAGES if arch.cores == 1 else IMAGES // 2
    cycles = run(arch, [(1, i) for i in range(images)], left=watching(hits))
    if arch.traces:
        cycles += run(arch, [(5, i) for i in range(images // 5)], learning=True, left=watching(hits))
    return cycles, frozenset(hits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_random_programs_run_alike(name):
    cycles, _ = covered(name)
    assert cycles > IMAGES * 500


def test_random_programs_reach_every_bin():
    holes = BINS - frozenset().union(*(covered(name)[1] for name in ARCHITECTURES))
    assert not holes, "\n".join(sorted(holes))


@pytest.mark.parametrize(
    "name", ["one narrow lane", "like up5k", "like ecp5"] if LONG else ["one narrow lane", "like up5k"]
)
def test_random_programs_run_alike_under_icarus(name):
    seeds = [(2, i) for i in range(20 if LONG else 3)]
    assert run(architecture(name), seeds, learning=True, right=Icarus, every=10) > 0


@pytest.mark.parametrize("name", ["one narrow lane", "like up5k", "like ecp5", "tall"])
def test_what_a_small_part_has_otherwise_changes_nothing(name):
    """The iCE40 shifts products in LUTs, helped by a multiplier if accumulators have 16 bits, clears whole accumulators
    and holds axon entries in the spare half of the synapse memory."""

    def small(image, retire):
        return Verilated(image, retire, SHARED_AXONS=int(image.arch.lanes == 4), SCARCE=1)

    seeds, arch = [(3, i) for i in range(IMAGES // 4)], architecture(name)
    assert run(arch, seeds, learning=arch.traces > 0, right=small) > 0


@pytest.mark.parametrize("name", ["one narrow lane", "like up5k", "like ecp5"])
def test_products_that_are_just_too_large(name):
    """Powers of two, whose product is one bit, everywhere around the largest state and accumulator."""
    arch, rng = architecture(name), np.random.default_rng(7)
    image, inputs, _ = case(arch, 5, 0)
    registers = rng.choice([-1, 1], (arch.registers, arch.blocks, arch.lanes)) << rng.integers(
        arch.state_bits - 1, size=(arch.registers, arch.blocks, arch.lanes)
    )
    registers[2] = 0
    for shift in range(arch.coef_bits):
        space = isa.Op("range", imm=isa.halves(0, arch.blocks), d=arch.lanes - 1)
        ops = [
            space,
            isa.Op("mul", d=2, a=0, imm=1, shift=shift, round=shift % 4),
            isa.Op("end", imm=arch.blocks),
            isa.Op("end"),
        ]
        core = replace(
            image.cores[0],
            program=np.array([isa.encode(op) for op in ops], np.uint64),
            reset_entry=3,
            registers=registers.astype(np.int32),
        )
        product = replace(image, cores=(core, *image.cores[1:]))
        for scarce in (0, 1):
            right = functools.partial(Verilated, SCARCE=scarce, SHARED_AXONS=scarce and int(arch.lanes == 4))
            lockstep(product, inputs[:, :1], right=right)


@pytest.mark.skipif(not LONG, reason="NM_LONG=1 runs the ten million cycles")
def test_ten_million_cycles_on_random_architectures():
    total = done = 0
    hits: set[str] = set()
    while total < 10_000_000 or (BINS - hits and done < 40):
        arch = random_architecture(np.random.default_rng((4, done)))
        learning = arch.traces > 0 and done % 2 == 0
        total += run(arch, [(4, done, i) for i in range(60)], learning=learning, left=watching(hits))
        done += 1
        print(f"{done} architectures, {total:,} core clock cycles, 0 mismatches", flush=True)
    assert not BINS - hits


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_core_keeps_what_the_host_writes(name):
    cases = (case(architecture(name), 5, i) for i in range(20))
    check_host(*next((image, inputs[0]) for image, inputs, _ in cases if fires(image, len(inputs[0]))))


def test_many_timesteps_of_one_command_take_the_cycles_of_single_ones():
    """Boards run a sample in one command; lockstep takes one timestep after the other."""
    image, inputs, _ = case(architecture("like up5k"), 1, 0)
    emulated, single, together = Reference(image), Verilated(image), Verilated(image)
    step, command = single._host["CMD_STEP"], single._host["H_COMMAND"]
    for machine in (emulated, single, together):
        machine.reset(len(inputs[0]))
    for _ in range(6):
        emulated.step()
    start = single.port.command(command, step | 1 << 8) - single.cycles()
    assert together.port.command(command, step | 6 << 8) == start + together.cycles()
    assert together.cycles() == emulated.cycles()
