"""Random legal images: every instruction, operand kind, format and corner value; shared by kernel and RTL tests.

Everything is a function of the generator that is passed in, so a seed names a case:

    rng = np.random.default_rng(seed)
    image = random_image(rng)
    spikes = random_inputs(rng, image, timesteps=6)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emulator.spec import isa
from emulator.spec.arch import Architecture, bundled_architectures
from emulator.spec.check import check_image
from emulator.spec.fixedpoint import LFSR_BITS
from emulator.spec.image import CoreImage, Image, PopulationMap
from emulator.spec.isa import Op

Rng = np.random.Generator

MESHES = ((1, 1), (1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (3, 3), (4, 2))
COMPARES = tuple(row.name for row in isa.TABLE if row.unit == "compare")
ARITHMETIC = tuple(row.name for row in isa.TABLE if row.writes == "register")


def random_architecture(rng: Rng, **fixed: Any) -> Architecture:
    """A small random architecture; `fixed` overrides single fields."""
    lanes = int(rng.choice([1, 2, 4, 8, 16]))
    blocks = int(rng.integers(1, max(2, 96 // lanes)))
    state_bits = int(rng.choice([16, 24, 32]))
    width, height = MESHES[rng.integers(len(MESHES))]
    sizes: dict[str, Any] = {
        "name": "random",
        "mesh_width": width,
        "mesh_height": height,
        "lanes": lanes,
        "state_bits": state_bits,
        "acc_bits": int(rng.choice([bits for bits in (16, 20, 24, 28, 32) if bits >= state_bits])),
        "coef_bits": int(rng.choice([16, 18])),
        "neurons": lanes * blocks,
        "registers": int(rng.integers(1, 9)),
        "axons": 16 * int(rng.integers(1, 7)),
        "delay_slots": int(rng.choice([1, 2, 4, 8, 16])),
        "synapse_words": 1024,
        "program_words": 256,
        "routes": 1024,
        "traces": int(rng.choice([0, 1, 2, 3])),
        "graded": bool(rng.random() < 0.5),
        "clock_hz": 1e8,
        "rtl": False,
    }
    sizes.update(fixed)
    return Architecture(**sizes)


def random_inputs(rng: Rng, image: Image, timesteps: int, samples: int = 1) -> np.ndarray:
    """Input spikes (samples, timesteps, inputs): none, few, many or all; payloads 0..255 on a graded machine."""
    rate = rng.choice([0.0, 0.1, 0.5, 1.0], p=[0.1, 0.3, 0.4, 0.2])
    spikes = (rng.random((samples, timesteps, image.n_inputs)) < rate).astype(np.int64)
    if image.arch.graded and rng.random() < 0.7:
        spikes *= rng.choice([1, 2, 127, 128, 255, 77], spikes.shape)
    return spikes


def random_image(
    rng: Rng,
    arch: Architecture | None = None,
    *,
    bundled: bool = False,
    plain: bool | None = None,
    learning: bool = False,
    blocks: int = 12,
    sections: int = 5,
    inputs: int = 12,
) -> Image:
    """A legal random image: it passes `check_image`.

    Args:
        arch: the architecture; None for a random one (or a random bundled one if `bundled`).
        plain: True for programs as a compiler writes them (each population integrates its own axons, then
            updates its own blocks), False for anything that is legal, None for either.
        learning: every core that does anything updates weights in every timestep; only with traces.
        blocks: the most blocks of a core that programs touch, so that large machines stay quick to test.
        sections: the most parts of a program.
        inputs: the most input neurons.
    """
    if arch is None:
        if bundled:
            small = [a for a in bundled_architectures().values() if a.cores <= 4]
            arch = small[rng.integers(len(small))]
        else:
            arch = random_architecture(rng)
    if plain is None:
        plain = bool(rng.random() < 0.4)
    few = min(arch.blocks, blocks)
    reach = int(rng.integers(1, min(arch.granules, 8) + 1)) if rng.random() < 0.8 else arch.granules
    cores = []
    for number in range(arch.cores):
        idle = arch.cores > 1 and rng.random() < 0.1
        maker = _CoreMaker(rng, arch, few, reach, learning)
        cores.append(maker.make(0 if idle else int(rng.integers(1, sections + 1)), plain, number))
    n_inputs = int(rng.integers(1, inputs + 1))
    pointers, routes = _fan(rng, arch, n_inputs, reach, int(rng.integers(1, 5)))
    outputs = _places(rng, arch, few, int(rng.integers(1, 8)))
    populations = tuple(
        PopulationMap(
            f"population{i}",
            (len(place),),
            int(rng.integers(0, 3)),
            int(rng.integers(0, 3)),
            place,
            {"v": int(rng.integers(arch.registers))},
            np.ones(len(place)),
        )
        for i, place in enumerate(_places(rng, arch, few, int(rng.integers(1, 10))) for _ in range(2))
    )
    image = Image(
        arch,
        tuple(cores),
        np.concatenate([[0], np.cumsum(pointers)]).astype(np.int64),
        np.array(routes, np.uint32),
        outputs,
        int(rng.integers(0, 3)),
        populations,
    )
    check_image(image)
    return image


# --------------------------------------------------------------------------------------------------- values
def corner(rng: Rng, bits: int) -> int:
    """A signed value of `bits` bits, often an extreme one, or a power of two: products that just overflow."""
    high = (1 << (bits - 1)) - 1
    kind = rng.integers(8)
    if kind < 4:
        return int((0, 1, -1, high, -high - 1, high - 1)[rng.integers(6)])
    if kind == 4:
        return int(rng.integers(-50, 51))
    if kind == 5:
        return int(rng.choice([-1, 1])) << int(rng.integers(bits - 1))
    return int(rng.integers(-high - 1, high + 1))


def _places(rng: Rng, arch: Architecture, blocks: int, count: int) -> np.ndarray:
    """(count, 2) core, neuron."""
    core = rng.integers(0, arch.cores, count)
    return np.stack([core, rng.integers(0, blocks * arch.lanes, count)], axis=1).astype(np.int32)


def _fan(rng: Rng, arch: Architecture, sources: int, reach: int, most: int) -> tuple[list[int], list[int]]:
    """Random routes: (routes of each source, all routes). Some sources reach one axon number on every core."""
    counts, routes = [], []
    hot = rng.random() < 0.3  # everybody talks to one core
    one_to_one = rng.random() < 0.5  # an axon has one source, as far as the axons go
    target = int(rng.integers(arch.cores))
    delays = arch.delay_slots if rng.random() < 0.6 else 1
    for source in range(sources):
        count = int(rng.integers(0, most + 1))
        axon = source % (reach * isa.GRANULE)
        delay = int(rng.integers(delays))
        chosen = []
        if rng.random() < 0.3:
            chosen = [(core, axon, delay) for core in range(arch.cores)]
        else:
            for _ in range(count):
                core = target if hot else int(rng.integers(arch.cores))
                if one_to_one:
                    chosen.append((core, axon, delay))
                else:
                    chosen.append((core, int(rng.integers(reach * isa.GRANULE)), int(rng.integers(delays))))
        room = arch.routes - len(routes)
        chosen = chosen[: max(0, room)]
        counts.append(len(chosen))
        routes += [isa.pack_fields(isa.ROUTE_FIELDS, core=c, axon=a, delay=d) for c, a, d in chosen]
    return counts, routes


# ----------------------------------------------------------------------------------------------------- cores
@dataclass
class _CoreMaker:
    """Builds one core; `blocks` and `granules` bound what it uses."""

    rng: Rng
    arch: Architecture
    blocks: int
    granules: int
    learning: bool
    ops: list[Op] = field(default_factory=list)
    fired: int = 0
    plastic: tuple[int, int] | None = None  # (first block, blocks) of the plastic rows
    n_plastic: int = 0  # how many, from axon 0 on
    spans: list[tuple[int, int]] = field(default_factory=list)  # (first block, blocks) of each population
    shares: list[tuple[int, int]] = field(default_factory=list)  # (first granule, granules) of its axons
    inside: bool = False  # rows reach their own population only

    def make(self, sections: int, plain: bool, number: int) -> CoreImage:
        rng, arch = self.rng, self.arch
        if sections and arch.traces and (rng.random() < 0.5 or self.learning):
            lo = int(rng.integers(self.blocks))
            self.plastic = (lo, int(rng.integers(1, self.blocks - lo + 1)))
            self.n_plastic = int(rng.integers(1, min(33, self.granules * isa.GRANULE + 1)))
        if sections and plain:
            self.populations(sections)
        else:
            for _ in range(sections):
                self.section()
        if self.plastic and self.learning:
            self.rows()
        # a timestep can stop early: the reset program may be the tail of the main one
        lo = int(rng.integers(self.fired, self.blocks + 1)) if rng.random() < 0.5 else self.fired
        self.ops.append(Op("end", imm=lo))
        entry = len(self.ops) - 1
        if rng.random() < 0.7:
            entry = len(self.ops)
            for _ in range(int(rng.integers(0, 3))):
                self.vectors(resetting=True)
            self.ops.append(Op("end", imm=int(rng.integers(0, self.blocks + 1))))
        axons, synapses = self.memory()
        neurons = min(arch.neurons, self.blocks * arch.lanes)
        n_pointers = neurons if rng.random() < 0.8 else int(rng.integers(0, neurons + 1))
        counts, routes = _fan(rng, arch, n_pointers, self.granules, int(rng.choice([1, 2, 4, 12])))
        firsts = np.concatenate([[0], np.cumsum(counts)])[:-1].astype(np.int64)
        pointers = np.array(counts, np.int64) << 20 | firsts
        return CoreImage(
            np.array([isa.encode(op) for op in self.ops], np.uint64),
            entry,
            axons,
            synapses,
            self.initial_registers(),
            pointers.astype(np.uint32),
            np.array(routes, np.uint32),
            rng.integers(1, 1 << LFSR_BITS, arch.lanes, dtype=np.uint32),
        )

    def initial_registers(self) -> np.ndarray:
        blocks = int(self.rng.integers(0, self.blocks + 1))
        shape = (self.arch.registers, blocks, self.arch.lanes)
        values = [corner(self.rng, self.arch.state_bits) for _ in range(int(np.prod(shape)))]
        return np.array(values, np.int64).reshape(shape).astype(np.int32)

    # ---------------------------------------------------------------------------------------- instructions
    def section(self) -> None:
        """A part of the main program, perhaps inside a `when`."""
        rng = self.rng
        guard = len(self.ops) if rng.random() < 0.3 else None
        if guard is not None:
            self.ops.append(Op("end"))  # becomes the `when` once its length is known
        kinds = ["integ", "vectors", "vectors", "axons", "rows", "when"]
        for kind in rng.choice(kinds, int(rng.integers(1, 4))):
            if kind == "integ":
                self.integ()
            elif kind == "vectors":
                self.vectors()
            elif kind == "axons" and self.arch.traces:
                self.vectors(axon=True)
            elif kind == "rows" and self.plastic:
                self.rows()
            elif kind == "when":
                self.ops.append(self.when(0))
        if guard is not None:
            self.ops[guard] = self.when(len(self.ops) - guard - 1)

    def when(self, skip: int) -> Op:
        """A window of timesteps that is taken, skipped or both, over the run of a short sample."""
        lo = int(self.rng.integers(0, 4))
        hi = int(self.rng.integers(0, 6))
        return isa.when(min(skip, isa.LONGEST_SKIP), lo, hi, of_sample=bool(self.rng.integers(2)))

    def integ(self, lo: int | None = None, count: int | None = None, accumulator: int | None = None) -> None:
        rng = self.rng
        if lo is None or count is None:
            lo = int(rng.integers(self.granules))
            count = int(rng.integers(1, self.granules - lo + 1))
        flag = int(self.arch.graded and rng.random() < 0.6)
        most = isa.largest_shift(self.arch.state_bits, bool(flag))
        self.ops.append(
            Op(
                "integ",
                imm=isa.halves(lo, count),
                d=int(rng.integers(2)) if accumulator is None else accumulator,
                shift=min(int(rng.choice([0, 0, 0, 1, 4, 8, 31])), most),
                flag=flag,
                flag2=int(flag and rng.random() < 0.5),
            )
        )

    def space(self, axon: bool = False, span: tuple[int, int] | None = None) -> Op:
        rng, arch = self.rng, self.arch
        if span is None:
            limit = max(1, self.granules * isa.GRANULE // arch.lanes) if axon else self.blocks
            lo = int(rng.integers(limit))
            span = (lo, int(rng.integers(1, limit - lo + 1)))
        last = int(rng.integers(arch.lanes)) if rng.random() < 0.5 else arch.lanes - 1
        return Op("range", imm=isa.halves(*span), d=last, flag=int(axon))

    def vectors(self, axon: bool = False, resetting: bool = False, count: int | None = None) -> None:
        """A range and some vector instructions; perhaps a `when` that skips some and a fresh range."""
        rng = self.rng
        op = self.space(axon)
        self.ops.append(op)
        count = int(rng.integers(1, 7)) if count is None else count
        body = [self.vector(axon, False, resetting, op) for _ in range(count)]
        if rng.random() < 0.2:
            self.ops.append(self.when(len(body)))
            self.ops += body
            self.ops.append(self.space(axon))
            body = [self.vector(axon, False, resetting, self.ops[-1])]
        self.ops += body

    def rows(self) -> None:
        """A range of neurons, then weight updates; other instructions perhaps before or behind them."""
        rng = self.rng
        op = self.space(span=self.plastic)
        self.ops.append(op)
        before = rng.choice(["vector", "rows", "integ"], int(rng.choice([0, 0, 1, 2])))
        behind = rng.choice(["vector", "rows"], int(rng.choice([0, 0, 1])))
        kinds = [*before, "rows", *behind]
        for i, kind in enumerate(kinds):
            if kind == "vector":
                self.ops.append(self.vector(False, False, False, op))
            elif kind == "integ":
                self.integ()
            else:
                self.sweep(op, last=i == len(kinds) - 1)

    def sweep(self, op: Op, last: bool) -> None:
        """Weight updates; only the last ones may hold a `when`, as the range is unknown where its skip lands."""
        rng, arch = self.rng, self.arch
        mask = int(rng.integers(1, 16)) if rng.random() < 0.4 else int(rng.choice([1, 2, 3, 4, 7]))
        lo = 0 if rng.random() < 0.9 else int(rng.integers(-(-self.n_plastic // isa.GRANULE)))
        w = int(rng.integers(arch.registers))
        axons = int(rng.integers(self.n_plastic - lo * isa.GRANULE))  # and one more
        predicate, trace = int(rng.integers(isa.N_PREDICATES)), int(rng.integers(arch.traces))
        count = int(rng.choice([0, 1, 2, 3, 4, 14]))
        if rng.random() < 0.08 and len(self.ops) < arch.program_words // 3:
            count = int(rng.choice([isa.LONGEST_BODY, rng.integers(16, isa.LONGEST_BODY)]))
            axons = min(axons, 2)  # so that it is run in reasonable time
        body = [self.vector(False, True, False, op, w) for _ in range(count)]
        if last and 0 < len(body) < isa.LONGEST_BODY and rng.random() < 0.3:
            at = int(rng.integers(len(body)))
            body.insert(at, self.when(len(body) - at))
        ops = isa.rows(body, imm=isa.halves(lo, axons), d=w, a=predicate, c=trace, shift=mask)
        if last and rng.random() < 0.1:
            self.ops.append(self.when(len(ops)))
        self.ops += ops

    def vector(self, axon: bool, in_rows: bool, resetting: bool, space: Op, w: int | None = None) -> Op:
        """One legal vector instruction."""
        rng, arch = self.rng, self.arch
        kinds = [*ARITHMETIC, "mul", "mac"]
        if not axon:
            kinds += [*COMPARES, "cge", "plog"]
            if not (resetting or in_rows):
                kinds += ["spk", "spk"]
        name = str(rng.choice(kinds))
        fields: dict[str, int] = {"pred": self.predicate(axon, in_rows)}
        n_registers = arch.traces if axon else arch.registers
        pool = [int(r) for r in rng.integers(0, n_registers, 2)]  # at most two different registers
        if w is not None and rng.random() < 0.6:
            pool[0] = w
        used_accumulator = False
        scalar = isa.SRC_REWARD  # the only one of x0..x2 and reward
        if in_rows and rng.random() < 0.9:
            scalar = isa.SRC_TRACE + int(rng.integers(arch.traces))

        def source(factor: bool = False) -> int:
            nonlocal used_accumulator
            roll = rng.random()
            if not axon and not factor and not used_accumulator and roll < 0.3:
                used_accumulator = True
                return int(rng.choice([8, 9, 10, 11]))
            if roll < 0.55:
                return scalar
            return pool[int(rng.integers(2))]

        if name == "plog":
            fields |= {"d": int(rng.integers(4)), "a": int(rng.integers(4)), "c": int(rng.integers(4))}
            return Op(name, imm=int(rng.integers(16)), **fields)
        if name == "spk":
            self.fired = max(self.fired, space.lo + space.hi)
            if arch.graded and rng.random() < 0.8:
                return Op(name, a=source(), flag=1, flag2=int(rng.integers(2)), **fields)
            return Op(name, **fields)
        if name == "rnd":
            most = min(24, arch.state_bits)
            return Op(name, d=pool[0], shift=int(rng.integers(1, most)), **fields)
        multiply = name in ("mul", "mac")
        if name in COMPARES:
            fields["d"] = int(rng.integers(4))
        else:
            fields["d"] = w if w is not None and rng.random() < 0.6 else int(rng.integers(n_registers))
        if name != "mov":
            fields["a"] = source(multiply)
        if multiply:
            fields["shift"] = int(rng.choice([0, 1, 4, 15, 16, 30, 31, int(rng.integers(32))]))
            fields["round"] = int(rng.integers(4))
        if rng.random() < 0.5:
            bits = arch.coef_bits if multiply else arch.state_bits
            fields |= {"imm_b": 1, "imm": corner(rng, bits)}
            if multiply and 0 < fields["shift"] < bits and rng.random() < 0.5:  # drops exactly a half of odd values
                fields["imm"] = int(rng.choice([-1, 1])) << (fields["shift"] - 1)
        else:
            fields["imm"] = source(multiply)
        if name == "mac":
            fields["c"] = source()
            if not fields.get("imm_b") and max(fields["c"], fields["imm"]) < isa.N_REGISTERS:
                fields["c"] = fields["imm"]
        return Op(name, **fields)

    def predicate(self, axon: bool, in_rows: bool) -> int:
        rng = self.rng
        if rng.random() < 0.5:
            return 0
        codes = [] if axon else [1, 2, 3, 4]
        if axon or in_rows:
            codes += [isa.PRED_PRE] * 2
        return int(rng.choice(codes)) | isa.PRED_NOT * int(rng.integers(2))

    def populations(self, count: int) -> None:
        """Populations side by side: each integrates its own granules, then leaks, compares, resets, spikes."""
        rng, arch = self.rng, self.arch
        count = min(count, self.blocks, self.granules)
        block_cuts = np.sort(rng.permutation(np.arange(1, self.blocks))[: count - 1])
        granule_cuts = np.sort(rng.permutation(np.arange(1, self.granules))[: count - 1])
        blocks = [0, *map(int, block_cuts), self.blocks]
        granules = [0, *map(int, granule_cuts), self.granules]
        self.spans = [(blocks[i], blocks[i + 1] - blocks[i]) for i in range(count)]
        self.shares = [(granules[i], granules[i + 1] - granules[i]) for i in range(count)]
        first = bool(rng.random() < 0.5)  # all deliveries before all updates
        for i in range(count if first else 0):
            self.integ(*self.shares[i], accumulator=0)
        for i in range(count):
            guard = len(self.ops) if rng.random() < 0.5 else None
            if guard is not None:
                self.ops.append(Op("end"))
            if not first:
                self.integ(*self.shares[i], accumulator=int(rng.integers(2)))
            op = self.space(span=self.spans[i])
            v, p = int(rng.integers(arch.registers)), int(rng.integers(4))
            bound = 1 << (arch.state_bits - 2)
            self.ops += [
                op,
                Op("mac", d=v, a=v, imm_b=1, imm=int(rng.integers(0, 1 << 15)), shift=15, round=3, c=10),
                Op("cge", d=p, a=v, imm_b=1, imm=int(rng.integers(0, min(400, bound)))),
                Op("mov", d=v, imm_b=1, imm=0, pred=1 + p),
                Op("spk", pred=1 + p),
            ]
            self.fired = max(self.fired, op.lo + op.hi)
            if guard is not None:
                self.ops[guard] = self.when(len(self.ops) - guard - 1)

    # --------------------------------------------------------------------------------------------- memories
    def memory(self) -> tuple[np.ndarray, np.ndarray]:
        """Axon entries and synapse words: sparse rows, then plastic rows, then a pool that windows cut from."""
        rng, arch = self.rng, self.arch
        n_axons = int(rng.integers(max(1, self.n_plastic), self.granules * isa.GRANULE + 1))
        if rng.random() < 0.7:
            n_axons = self.granules * isa.GRANULE
        words: list[np.ndarray] = []
        entries = np.zeros(n_axons, np.uint64)
        spare = arch.synapse_words // 2
        self.inside = rng.random() < 0.7
        for axon in range(n_axons):
            if axon < self.n_plastic:
                kind = int(rng.choice([isa.DENSE8, isa.DENSE16]))
                row = self.plastic_row(kind, len(words))
            else:
                kind = int(rng.integers(7))
                row = self.sparse_row(axon, len(words)) if kind == isa.SPARSE else None
            if row is not None and len(words) + len(row[1]) < spare:
                entries[axon] = row[0]
                words += row[1]
        pool = int(rng.integers(4, 33))
        first = len(words)
        for _ in range(pool):
            words.append(self.raw_word())
        for axon in range(n_axons):
            if entries[axon] == 0 and rng.random() < 0.85:
                entries[axon] = self.window(axon, first, pool)
        return entries, np.array(words, np.uint16).reshape(-1, arch.lanes)

    def raw_word(self) -> np.ndarray:
        kind = self.rng.integers(5)
        lanes = self.arch.lanes
        if kind == 0:
            return np.full(lanes, self.rng.choice([0, 0x7F7F, 0x8080, 0xFFFF, 0x7FFF, 0x8000, 0x0101]), np.uint16)
        word = self.rng.integers(0, 1 << 16, lanes, dtype=np.uint64).astype(np.uint16)
        if kind == 1:  # half empty
            word &= self.rng.choice(np.array([0, 0x00FF, 0xFF00, 0x0F0F], np.uint16), lanes)
        return word

    def plastic_row(self, kind: int, word: int) -> tuple[int, list[np.ndarray]]:
        assert self.plastic is not None
        lo, count = self.plastic
        entry = isa.pack_fields(isa.AXON_FIELDS, word=word, beats=count - 1, block=lo, format=kind)
        n_words = -(-count // isa.BEATS_PER_WORD[kind])
        return entry, [self.raw_word() for _ in range(n_words)]

    def reach(self, axon: int) -> tuple[int, int]:
        """The blocks (first, count) that an axon's row may touch."""
        for share, span in zip(self.shares, self.spans, strict=True):
            if self.inside and share[0] <= axon // isa.GRANULE < share[0] + share[1]:
                return span
        return 0, self.blocks

    def sparse_row(self, axon: int, word: int) -> tuple[int, list[np.ndarray]]:
        rng, lanes = self.rng, self.arch.lanes
        lo, blocks = self.reach(axon)
        beats = int(rng.integers(1, min(6, blocks) + 1))
        rows = np.zeros((beats, lanes), np.int64)
        for lane in range(lanes):
            rows[:, lane] = (lo + rng.permutation(blocks)[:beats]) << 8
        weights = rng.integers(0, 256, (beats, lanes)) * (rng.random((beats, lanes)) < rng.random())
        corners = rng.random((beats, lanes)) < 0.2
        weights = np.where(corners, rng.choice([0, 127, 128, 255], (beats, lanes)), weights)
        rows |= weights
        entry = isa.pack_fields(isa.AXON_FIELDS, word=word, beats=beats - 1, format=isa.SPARSE)
        return entry, list(rows.astype(np.uint16))

    def window(self, axon: int, first: int, pool: int) -> int:
        """A random dense window: several runs, strides, a start inside a word."""
        rng = self.rng
        kind = int(rng.choice([isa.DENSE16, isa.DENSE8, isa.DENSE4, isa.DENSE2, isa.DENSE1]))
        per_word = isa.BEATS_PER_WORD[kind]
        lo, blocks = self.reach(axon)
        beats = int(rng.integers(1, min(blocks, pool) + 1))
        block = lo + int(rng.integers(0, blocks - beats + 1))
        runs, block_stride, weight_stride = 1, 0, 0
        if rng.random() < 0.5:
            block_stride = int(rng.integers(beats, beats + 4))
            most = (lo + blocks - block - beats) // block_stride + 1
            runs = int(rng.integers(1, min(most, 32) + 1))
            weight_stride = int(rng.integers(0, min(256, pool * per_word // runs + 1)))
        length = (runs - 1) * weight_stride + beats
        if length > pool * per_word:
            runs, weight_stride, length = 1, 0, beats
        start = first * per_word + int(rng.integers(0, pool * per_word - length + 1))
        return isa.pack_fields(
            isa.AXON_FIELDS,
            word=start // per_word,
            beat=start % per_word,
            beats=beats - 1,
            runs=runs - 1,
            weight_stride=weight_stride,
            block_stride=block_stride,
            block=block,
            format=kind,
        )
