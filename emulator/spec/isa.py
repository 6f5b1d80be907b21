"""nmcore's instruction set: the one table that encoder, listing, machines, RTL header and manual read.

An instruction is one 64-bit word, so that any immediate fits (a 24-bit threshold, a 32-bit mask) and no
constant table is needed. A core runs its program from address 0 to `end` once a timestep; vector
instructions work on all lanes of the blocks named by the last `range`.

The cycles are the contract with the RTL: the cost of an instruction from its issue to the issue of the next one, in
closed form (`Cost`), with B the blocks in range. Everything a core does in a timestep is their sum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .cost import Cost
from .errors import InputError, MachineError
from .fixedpoint import LFSR_STEPS
from .ledger import UNITS

ISA_VERSION: Final = 3
WORD_BITS: Final = 64
GRANULE: Final = 16  # axons per word of the pending bitmap; `integ` and `rows` name axons in granules
PAYLOAD_BITS: Final = 8
LARGEST_PAYLOAD: Final = (1 << PAYLOAD_BITS) - 1  # unsigned; signed ones reach half as far
SLOT_BITS: Final = 16  # of a synapse word, which has one slot a lane
# ------------------------------------------------------------------------------------------------- timing
PIPELINE: Final = 7  # stages of the vector unit: an instruction on fewer blocks still takes this long
SCALAR_CYCLES: Final = 6  # fetch, decode and issue; and a vector after a `range` reads what the one before it wrote
INTEG_CYCLES: Final = 8  # fills the scan at the start of `integ`, drains the accumulators at its end
EVENT_CYCLES: Final = 3  # beside the beats of an event: fetch its axon entry; the accumulator hazard passes
ROWS_CYCLES: Final = 7  # starts and ends a sweep over plastic rows
ROW_CYCLES: Final = 13  # beside a row's beats and its body: fetch the entry, fill and drain, twice
END_CYCLES: Final = 8  # drains the vector unit, raises the barrier
BARRIER_CYCLES: Final = 4  # all cores done -> fabric phase -> next timestep
EMIT_SPIKE_CYCLES: Final = 2  # the emitter reads a spiking neuron's route pointer and its first route
SINK_CYCLES: Final = 2  # a core takes one packet in this many cycles (read, write of the bitmap)
FIFO_DEPTH: Final = 2  # of each router input
RESET_CYCLES: Final = 8  # beside the words that a sample reset clears, one a cycle, all memories at once
# --------------------------------------------------------------------------------------------------- fields
FIELDS: Final[dict[str, tuple[int, int]]] = {  # name: (lowest bit, width)
    "op": (58, 6),
    "pred": (54, 4),  # bit 3 inverts; 0 always, 1..4 p0..p3, 5 pre
    "d": (50, 4),  # destination
    "a": (46, 4),  # first source
    "c": (42, 4),  # third source (mac), second predicate (plog)
    "shift": (37, 5),
    "round": (35, 2),
    "imm_b": (34, 1),  # second source: 1 the immediate, 0 the source code in imm[3:0]
    "flag": (33, 1),
    "flag2": (32, 1),
    "imm": (0, 32),  # two's complement; or two unsigned halves, lo = [15:0] and hi = [31:16]
}
HALF_BITS: Final = FIELDS["imm"][1] // 2
SKIP_STEP: Final = 1 << FIELDS["a"][1]  # a `when` skips SKIP_STEP * d + a instructions
LONGEST_SKIP: Final = SKIP_STEP * (1 << FIELDS["d"][1]) - 1
BODY_STEP: Final = 1 << FIELDS["round"][1]  # the body of a `rows` has BODY_STEP * pred + round
LONGEST_BODY: Final = BODY_STEP * (1 << FIELDS["pred"][1]) - 1
# ------------------------------------------------------------------------------------------ operand codes
N_REGISTERS: Final = 8
N_PREDICATES: Final = 4
N_ROW_TRACES: Final = 3
SOURCES: Final = (
    *(f"r{i}" for i in range(N_REGISTERS)),
    "a0",
    "a1",
    "a0!",  # read and clear
    "a1!",
    "x0",  # the axon's traces, broadcast; only inside rows..endrows
    "x1",
    "x2",
    "reward",  # the host's scalar, broadcast
)
SRC_ACC, SRC_ACC_CLEAR, SRC_TRACE, SRC_REWARD = 8, 10, 12, 15
PREDICATES: Final = ("", "p0", "p1", "p2", "p3", "pre")
PRED_PRE: Final = 5
PRED_NOT: Final = 8
SOURCE_BITS: Final = (len(SOURCES) - 1).bit_length()  # of the immediate, where the second operand is a source
READS: Final = ("a", "a?", "b", "c")  # a?: only with flag
WRITES: Final = ("", "register", "predicate", "spike")


VECTOR_BLOCKS: Final = f"max(B, {PIPELINE})"
EVENT: Final = Cost(EVENT_CYCLES, (("beats", 1),))
ROW: Final = Cost(ROW_CYCLES, (("B", 2), ("body", 1)))
CLEAR: Final = Cost(RESET_CYCLES, (("max(2 * blocks, D * granules)", 1),))


def largest_shift(state_bits: int, payload: bool) -> int:
    """The largest shift of `integ`: 1, or a payload from -128 to 255, shifted left by it still fits a state."""
    return state_bits - 1 - (PAYLOAD_BITS if payload else 1)


@dataclass(frozen=True)
class Instruction:
    """One row of the table.

    Attributes:
        fields: the fields it uses beside `op`; all others must be zero.
        cycles: its cost, B = blocks in range; each: what it works on beside, and the cost of each of them.
        vector: it runs over the blocks of the last `range`, predicated.
        reads: which of READS it reads as vectors.
        writes: one of WRITES.
        unit: the lane operation it counts as, one of `ledger.UNITS`.
    """

    name: str
    opcode: int
    fields: tuple[str, ...]
    meaning: str
    cycles: Cost
    vector: bool = False
    reads: tuple[str, ...] = ()
    writes: str = ""
    unit: str = ""
    notes: str = ""
    each: tuple[str, Cost] | None = None

    @property
    def closed_form(self) -> str:
        """Its cycles in the manual's words."""
        return f"{self.cycles}" + (f" + sum over {self.each[0]} of ({self.each[1]})" if self.each else "")

    def __post_init__(self) -> None:
        known = set(self.fields) <= FIELDS.keys() and set(self.reads) <= set(READS)
        if not known or self.writes not in WRITES or self.unit not in UNITS or not 0 <= self.opcode < 64:
            raise ValueError(
                f"the row of {self.name!r} names a field, an operand, a memory or a unit that is not there"
            )


def _vector(name, opcode, fields, meaning, reads, unit, writes="register", notes=""):
    fields = ("pred", *fields)
    return Instruction(name, opcode, fields, meaning, Cost(0, ((VECTOR_BLOCKS, 1),)), True, reads, writes, unit, notes)


_AB = ("d", "a", "imm_b", "imm")
_MUL = (*_AB, "shift", "round")
TABLE: Final[tuple[Instruction, ...]] = (
    Instruction(
        "end",
        0x00,
        ("imm",),
        "the timestep's program ends here; spikes of blocks 0..lo-1 leave in the fabric phase",
        Cost(END_CYCLES),
    ),
    Instruction(
        "when",
        0x01,
        ("imm", "d", "a", "flag"),
        f"skip the next {SKIP_STEP}*d+a instructions unless lo <= t < hi (+ T if flag)",
        Cost(SCALAR_CYCLES),
        notes="T, the timesteps of the sample, is a host register. A population d hops deep runs for "
        "d <= t < d + T, as it would in the framework.",
    ),
    Instruction(
        "range",
        0x02,
        ("imm", "d", "flag"),
        "the following vectors touch blocks lo..lo+hi-1; d+1 lanes of the last one belong to the "
        "population; flag: blocks of axons instead of neurons",
        Cost(SCALAR_CYCLES),
        notes=f"In axon space r0..r{N_ROW_TRACES - 1} are the traces, only `pre` predicates, and accumulators, "
        "compares and spikes are illegal.",
    ),
    Instruction(
        "integ",
        0x03,
        ("imm", "d", "shift", "flag", "flag2"),
        "deliver the pending axons of granules lo..lo+hi-1, ascending: a<d>[target] += weight << shift, "
        "times the payload if flag (signed if flag2); their pending bits are consumed",
        Cost(INTEG_CYCLES, (("granules", 1),)),
        each=("events", EVENT),
        notes="`pre` of every axon in the granules becomes 1 if it was delivered, else 0. A pending bit that "
        "no integ consumes stays and comes round again after D timesteps. What multiplies the weights, the largest "
        f"payload << shift, fits a state: shift is state_bits - {-largest_shift(0, False)} at most, with payloads "
        f"state_bits - {-largest_shift(0, True)}.",
    ),
    Instruction(
        "rows",
        0x04,
        ("imm", "d", "a", "c", "shift", "pred", "round"),
        f"for each of the axons {GRANULE}*lo..{GRANULE}*lo+hi, ascending, that is selected: r<d> := its weights, run "
        f"the body of {BODY_STEP}*pred+round instructions and its endrows, weights := saturated r<d>",
        Cost(ROWS_CYCLES, ((VECTOR_BLOCKS, 1), ("axon blocks", 1))),
        each=("selected rows", ROW),
        notes="shift is a mask of what selects an axon: 1 it was delivered in this timestep (pre); 2 any neuron in "
        "range holds predicate p<a> and trace x<c> is not zero; 4 the reward is not zero; 8 every one. "
        "All these axons have rows, which are dense, of 8 or 16 bits, unshared, and cover the blocks in range; "
        "lanes beyond the population are stored as 0. The body can use x0..x2 and `pre`.",
    ),
    Instruction("endrows", 0x05, (), "end of the body of rows", Cost(SCALAR_CYCLES)),
    _vector("mov", 0x08, ("d", "imm_b", "imm"), "d = b", ("b",), "move"),
    _vector("add", 0x09, _AB, "d = sat(a + b)", ("a", "b"), "add"),
    _vector("sub", 0x0A, _AB, "d = sat(a - b)", ("a", "b"), "add"),
    _vector("mul", 0x0B, _MUL, "d = sat(round(a * coef(b) >> shift))", ("a", "b"), "multiply"),
    _vector("mac", 0x0C, (*_MUL, "c"), "d = sat(round(a * coef(b) >> shift) + c)", ("a", "b", "c"), "multiply"),
    _vector("min", 0x0D, _AB, "d = min(a, b), saturated", ("a", "b"), "add"),
    _vector("max", 0x0E, _AB, "d = max(a, b), saturated", ("a", "b"), "add"),
    _vector(
        "rnd",
        0x0F,
        ("d", "shift"),
        f"d = shift random bits, unsigned (1..{LFSR_STEPS - 1}); every lane of every block in range draws, predicated "
        "or not",
        (),
        "random",
    ),
    _vector("cge", 0x10, _AB, "p<d> = a >= b", ("a", "b"), "compare", "predicate"),
    _vector("cgt", 0x11, _AB, "p<d> = a > b", ("a", "b"), "compare", "predicate"),
    _vector("ceq", 0x12, _AB, "p<d> = a == b", ("a", "b"), "compare", "predicate"),
    _vector(
        "plog",
        0x13,
        ("d", "a", "c", "imm"),
        "p<d> = bit (2*p<a> + p<c>) of the truth table imm[3:0]",
        (),
        "logic",
        "predicate",
        notes="A masked lane of a compare or plog writes 0; so does a lane beyond the population.",
    ),
    _vector(
        "spk",
        0x14,
        ("a", "flag", "flag2"),
        f"spike, where predicated; with flag the payload is a clamped to 0..{LARGEST_PAYLOAD}, or to "
        f"{-(LARGEST_PAYLOAD // 2) - 1}..{LARGEST_PAYLOAD // 2} if flag2",
        ("a?",),
        "",
        "spike",
        notes="Without flag the payload is 1. Lanes beyond the population never spike. Spikes accumulate until "
        "the end of the timestep; a later spk overwrites the payload.",
    ),
)
BY_NAME: Final = {row.name: row for row in TABLE}
BY_OPCODE: Final = {row.opcode: row for row in TABLE}
# ---------------------------------------------------------------------------------- axon entries and routes
# One 64-bit axon entry is a two-dimensional window: `runs` runs of `beats` beats. Beat j of run i holds the
# weights of block `block + i*block_stride + j` and lies `i*weight_stride + j` beats behind the first.
AXON_FIELDS: Final[dict[str, tuple[int, int]]] = {
    "word": (44, 20),  # synapse word of the first beat
    "beat": (40, 4),  # first beat inside that word
    "beats": (32, 8),  # per run, less one
    "runs": (27, 5),  # less one
    "weight_stride": (19, 8),
    "block_stride": (11, 8),
    "block": (3, 8),
    "format": (0, 3),
}
NONE, SPARSE, DENSE16, DENSE8, DENSE4, DENSE2, DENSE1 = range(7)
FORMATS: Final = ("none", "sparse", "d16", "d8", "d4", "d2", "d1")
FORMAT_BITS: Final = (0, 16, 16, 8, 4, 2, 1)  # of a slot; a sparse slot is 8 bits of block, 8 bits of weight
BEATS_PER_WORD: Final = tuple(SLOT_BITS // bits if bits else 1 for bits in FORMAT_BITS)
ROUTE_FIELDS: Final[dict[str, tuple[int, int]]] = {"core": (24, 8), "delay": (20, 4), "axon": (0, 20)}
POINTER_FIELDS: Final[dict[str, tuple[int, int]]] = {"count": (20, 12), "first": (0, 20)}


def word_bits(layout: dict[str, tuple[int, int]]) -> int:
    """Bits of a word of this layout."""
    return max(low + width for low, width in layout.values())


def pack_fields(layout: dict[str, tuple[int, int]], **values: int) -> int:
    """Pack unsigned field values into one word; raises ValueError if one does not fit its width."""
    word = 0
    for name, value in values.items():
        low, width = layout[name]
        if not 0 <= value < 1 << width:
            raise ValueError(f"field {name!r} is {width} bits wide and cannot hold {value}")
        word |= value << low
    return word


def unpack_fields(layout: dict[str, tuple[int, int]], word: int) -> dict[str, int]:
    """The inverse of `pack_fields`."""
    return {name: (word >> low) & ((1 << width) - 1) for name, (low, width) in layout.items()}


@dataclass(frozen=True)
class Op:
    """One decoded instruction; `imm` is signed, `lo` and `hi` are its unsigned halves."""

    name: str
    pred: int = 0
    d: int = 0
    a: int = 0
    c: int = 0
    shift: int = 0
    round: int = 0
    imm_b: int = 0
    flag: int = 0
    flag2: int = 0
    imm: int = 0
    row: Instruction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", BY_NAME[self.name])

    @property
    def lo(self) -> int:
        return self.imm & ((1 << HALF_BITS) - 1)

    @property
    def hi(self) -> int:
        return (self.imm >> HALF_BITS) & ((1 << HALF_BITS) - 1)

    @property
    def b(self) -> int | None:
        """Source code of the second operand, or None when it is the immediate."""
        return None if self.imm_b else self.imm & ((1 << SOURCE_BITS) - 1)

    @property
    def sources(self) -> tuple[int, ...]:
        """Source codes read as vectors, in field order, without immediates."""
        codes = []
        for name in self.row.reads:
            if name == "a" or (name == "a?" and self.flag):
                codes.append(self.a)
            elif name == "b" and self.b is not None:
                codes.append(self.b)
            elif name == "c":
                codes.append(self.c)
        return tuple(codes)

    @property
    def swept(self) -> range:
        """The axons of a `rows`."""
        return range(self.lo * GRANULE, self.lo * GRANULE + self.hi + 1)

    @property
    def body(self) -> int:
        """Instructions between a `rows` and its `endrows`."""
        return BODY_STEP * self.pred + self.round

    @property
    def skip(self) -> int:
        """Instructions that a failing `when` skips."""
        return SKIP_STEP * self.d + self.a


def refuse_unknown(machine: str, known: Collection[str], ops: Iterable[Op]) -> None:
    """MachineError that names an instruction which a machine lacks: run all the same, it would be something else."""
    for op in ops:
        if op.name not in known:
            raise MachineError(f"{machine} does not implement {op.name!r}")


def cycles(op: Op, blocks: int, lanes: int) -> int:
    """Cycles of an instruction with so many blocks in range, but those of its events or rows."""
    quantities = {
        "B": blocks,
        VECTOR_BLOCKS: max(blocks, PIPELINE),
        "granules": op.hi,
        "axon blocks": -(-len(op.swept) // lanes),
    }
    return op.row.cycles.of(quantities)


def event_cycles(beats: Any) -> Any:
    """Cycles of each event of an `integ`: an integer, or an array like `beats`."""
    return EVENT.of({"beats": beats})


def row_cycles(blocks: int, body: int = 0) -> int:
    """Cycles of each row of a `rows`; `body`: those of the instructions of its body and its `endrows`."""
    return ROW.of({"B": blocks, "body": body})


def clear_cycles(blocks: int, slots: int, granules: int) -> int:
    """Cycles of the clearing between samples: memories are cleared side by side, one word a cycle."""
    return CLEAR.of({CLEAR.times[0][0]: max(2 * blocks, slots * granules)})


def rows(body: list[Op], **fields: int) -> list[Op]:
    """`rows` with these fields, its body and `endrows`; ValueError if the body is longer than LONGEST_BODY."""
    if len(body) > LONGEST_BODY:
        raise ValueError(f"a rows body has at most {LONGEST_BODY} instructions and cannot have {len(body)}")
    pred, rest = divmod(len(body), BODY_STEP)
    return [Op("rows", pred=pred, round=rest, **fields), *body, Op("endrows")]


def when(skipped: int, since: int, until: int, of_sample: bool) -> Op:
    """A `when` of so many instructions: they run for since <= t < until, + T if `of_sample`.

    ValueError if they are more than LONGEST_SKIP.
    """
    if skipped > LONGEST_SKIP:
        raise ValueError(f"a when skips at most {LONGEST_SKIP} instructions and cannot skip {skipped}")
    d, a = divmod(skipped, SKIP_STEP)
    return Op("when", imm=halves(since, until), flag=int(of_sample), d=d, a=a)


def halves(lo: int, hi: int) -> int:
    """The immediate whose unsigned halves are lo and hi."""
    for value in (lo, hi):
        if not 0 <= value < 1 << HALF_BITS:
            raise ValueError(f"an immediate half is {HALF_BITS} bits wide and cannot hold {value}")
    word = hi << HALF_BITS | lo
    return word - (1 << 32) if word >> 31 else word


def encode(op: Op) -> int:
    """The 64-bit word of an instruction; ValueError if a field does not fit or is not one of its own."""
    word = op.row.opcode << FIELDS["op"][0]
    for name in FIELDS:
        if name == "op":
            continue
        value = getattr(op, name)
        if name not in op.row.fields:
            if value:
                raise ValueError(f"{op.name} has no field {name!r}")
            continue
        low, width = FIELDS[name]
        if name == "imm":
            if not -(1 << 31) <= value < 1 << 31:
                raise ValueError(f"immediate {value} does not fit 32 bits")
            value &= 0xFFFF_FFFF
        elif not 0 <= value < 1 << width:
            raise ValueError(f"field {name!r} is {width} bits wide and cannot hold {value}")
        word |= value << low
    return word


def decode(word: int) -> Op:
    """The inverse of `encode`; InputError for an opcode or a field bit that the table does not have."""
    values = unpack_fields(FIELDS, int(word))
    row = BY_OPCODE.get(values.pop("op"))
    if row is None:
        raise InputError(f"instruction word {int(word):#018x} has an unknown opcode")
    for name, value in values.items():
        if value and name not in row.fields:
            raise InputError(f"instruction word {int(word):#018x}: {row.name} has no field {name!r}")
    imm = values["imm"]
    values["imm"] = imm - (1 << 32) if imm >> 31 else imm
    return Op(row.name, **values)
