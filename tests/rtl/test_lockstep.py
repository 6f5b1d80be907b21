"""The Verilog against the reference, timestep by timestep: events, spikes, every bit of state, counters, cycles."""

import functools
import os

import numpy as np
import pytest
from cases import ARCHITECTURES, architecture, case
from functional import BINS, watch
from programs import random_architecture

from emulator.icarus import Icarus
from emulator.lockstep import lockstep
from emulator.reference import Reference
from emulator.spec import isa

LONG = bool(os.environ.get("NM_LONG"))
IMAGES = 400 if LONG else 80


def has_rows(image) -> bool:
    return any(isa.decode(int(word)).name == "rows" for core in image.cores for word in core.program)


def run(arch, seeds, **options):
    """Lockstep over the images of these seeds; the core clock cycles they took."""
    # reading all state of many cores takes longer than running them
    options.setdefault("every", 2 if arch.cores == 1 else 8)
    cycles = spikes = images = 0
    for seed in seeds:
        image, inputs, rewards = case(arch, *seed)
        if has_rows(image):
            continue
        try:
            report = lockstep(image, inputs, rewards, **options)
        except Exception as error:
            error.add_note(f"seeds {seed} of {arch}")
            raise
        cycles, spikes, images = cycles + report.clock_cycles, spikes + report.spikes, images + 1
    assert images >= len(seeds) // 3
    assert spikes > 0
    return cycles


def watching(hits):
    """A factory of references that note the bins they go through."""
    return lambda image, retire: watch(Reference(image, retire), hits)


@functools.cache
def covered(name):
    """Lockstep on random programs of an architecture: clock cycles, and the functional coverage they reached."""
    arch, hits = architecture(name), set()
    seeds = [(1, i) for i in range(IMAGES if arch.cores == 1 else IMAGES // 2)]
    return run(arch, seeds, left=watching(hits)), frozenset(hits)


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
    assert run(architecture(name), [(2, i) for i in range(20 if LONG else 3)], right=Icarus, every=10) > 0


def test_axons_in_the_spare_half_of_the_synapse_memory_change_nothing():
    """The single-port memory of the iCE40 holds both; the entry is read in the gap between two events."""
    from emulator.verilated import Verilated

    def shared(image, retire):
        return Verilated(image, retire, SHARED_AXONS=1)

    assert run(architecture("like up5k"), [(3, i) for i in range(IMAGES // 2)], right=shared) > 0


@pytest.mark.skipif(not LONG, reason="NM_LONG=1 runs the ten million cycles")
def test_ten_million_cycles_on_random_architectures():
    total = done = 0
    hits: set[str] = set()
    while total < 10_000_000:
        arch = random_architecture(np.random.default_rng((4, done)))
        total += run(arch, [(4, done, i) for i in range(60)], left=watching(hits))
        done += 1
        print(f"{done} architectures, {total:,} core clock cycles, 0 mismatches", flush=True)
    assert not BINS - hits
