"""One core's memories: its programs, axon entries, synapse words and registers."""

from __future__ import annotations

import numpy as np

from emulator.spec import isa
from emulator.spec.errors import DoesNotFitError
from emulator.spec.fixedpoint import LFSR_BITS
from emulator.spec.image import CoreImage, empty_core
from emulator.spec.isa import Op, halves
from emulator.spec.notes import DeliveryNote, PartNote

from ..place.parts import Part, Placement
from .neuron_program import range_op, reset_program, update_program
from .routes import Chunk
from .rule_numbers import Axons
from .rule_program import learning_program

SEED = 1  # of the lanes' random state


class CoreWriter:
    """Writes a core, part by part, in the order of their depths.

    Attributes:
        notes: what lies where, of each part.
        registers_of: by population, which register holds what.
        chunks: (source, where its spikes have to go in this core).
        problems: what does not fit.
    """

    def __init__(self, placement: Placement, number: int):
        self.network, self.arch, self.number = placement.network, placement.arch, number
        depth = self.network.timing.depth
        self.parts = sorted(
            (p for p in placement.parts if p.core == number), key=lambda p: (depth[p.population], p.first_block)
        )
        blocks = max((p.first_block + -(-len(p.slots) // self.arch.lanes) for p in self.parts), default=0)
        self.registers = np.zeros((self.arch.registers, blocks, self.arch.lanes), np.int32)
        self.program: list[Op] = []
        self.reset: list[Op] = []
        self.axons: list[np.ndarray] = []
        self.words: list[np.ndarray] = []
        self.n_axons = self.n_words = 0
        self.notes: list[PartNote] = []
        self.registers_of: dict[str, dict[str, int]] = {}
        self.chunks: list[tuple[str, Chunk]] = []
        self.problems: list[str] = []

    def write(self) -> CoreImage:
        """The core, its routes apart."""
        if not self.parts:
            return empty_core(self.arch)
        for part in self.parts:
            try:
                self._part(part)
            except DoesNotFitError as error:
                self.problems += error.problems
        fired = max((op.lo + op.hi for op in self.program if op.name == "range" and not op.flag), default=0)
        self.program.append(Op("end", imm=halves(fired, 0)))
        entry = len(self.program)
        program = [*self.program, *self.reset, Op("end")]
        if len(program) > self.arch.program_words:
            self.problems.append(
                f"core {self.number} needs {len(program)} program words for "
                f"{', '.join(p.population for p in self.parts)}, it holds {self.arch.program_words}; "
                "use an architecture with more cores or program_words"
            )
        return CoreImage(
            np.array([isa.encode(op) for op in program], np.uint64),
            entry,
            np.concatenate([np.zeros(0, np.uint64), *self.axons]),
            np.concatenate([np.zeros((0, self.arch.lanes), np.uint16), *self.words]),
            self.registers,
            np.zeros(self.registers.shape[1] * self.arch.lanes, np.uint32),
            np.zeros(0, np.uint32),
            # a nonzero random state per lane
            np.random.default_rng([SEED, self.number]).integers(1, 1 << LFSR_BITS, self.arch.lanes, dtype=np.uint32),
        )

    def _part(self, part: Part) -> None:
        """A part's program for a timestep: deliver, update, learn; and for a reset."""
        update = update_program(self.arch, self.network.population(part.population), part.slots)
        self.registers_of[part.population] = update.registers
        deliver, deliveries, plastic = self._deliver(part)
        depth = self.network.timing.depth[part.population]
        here = range_op(part.first_block, part.slots, self.arch.lanes)
        body, reset = [*deliver, here, *update.ops], [here, *reset_program(update)]
        start, learning = len(self.program), None
        if plastic:
            steps, more = learning_program(update, here, depth, plastic)
            learning = start + 1 + len(body)
            body += steps
            reset += more
        if len(body) > isa.LONGEST_SKIP:
            raise DoesNotFitError(
                [
                    f"{part.population!r} needs {len(body)} instructions in a timestep, a `when` skips "
                    f"{isa.LONGEST_SKIP}; use a simpler neuron model or learning rule"
                ]
            )
        for number, values in update.loaded.items():
            first = part.first_block * self.arch.lanes
            self.registers[number].reshape(-1)[first : first + len(values)] = values
        self.program += [isa.when(len(body), depth, depth, of_sample=True), *body]
        self.reset += reset
        self.notes.append(
            PartNote(
                population=part.population,
                first_block=part.first_block,
                blocks=-(-len(part.slots) // self.arch.lanes),
                neurons=int((part.slots >= 0).sum()),
                program=(start, len(self.program)),
                projections=tuple(deliveries),
                learning=learning,
            )
        )

    def _deliver(self, part: Part) -> tuple[list[Op], list[DeliveryNote], list[Axons]]:
        """Store a part's rows: (the instructions that deliver them, what lies where, which of them learn)."""
        ops, notes, plastic = [], [], []
        for i, rows in part.rows.items():
            p, n = self.network.projections[i], len(rows.sources)
            granules = -(-n // isa.GRANULE)
            if granules == 0:
                continue
            where = halves(self.n_axons // isa.GRANULE, granules)
            graded = int(p.payload > 1 or p.signed)
            ops.append(Op("integ", imm=where, shift=p.shift, flag=graded, flag2=int(p.signed)))
            self.chunks.append((p.source, Chunk(self.number, rows.sources, self.n_axons, p.delay)))
            padded = np.zeros(granules * isa.GRANULE, np.uint64)
            padded[:n] = rows.encode(self.n_words, part.first_block)
            self.axons.append(padded)
            self.words.append(rows.located(part.first_block))
            at = len(self.program) + len(ops)
            notes.append(DeliveryNote(p.name, p.source, self.n_axons, n, self.n_words, len(rows.words), at))
            if p.plastic:
                plastic.append(Axons(p, self.n_axons, n))
            self.n_axons += granules * isa.GRANULE
            self.n_words += len(rows.words)
        return ops, notes, plastic
