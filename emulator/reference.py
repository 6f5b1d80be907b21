"""The definition of nmcore: plain Python integers, one thing at a time, slow and obvious.

Where anything else differs from this file, the other one is wrong. `Core` is section 2 of rtl/ISA.md line by
line; `Mesh` is the fabric clock by clock; `Reference` runs samples on a chip of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .spec import isa
from .spec.arch import Architecture
from .spec.fixedpoint import lfsr_draw, round_shift, saturate, wrap
from .spec.image import CoreImage, Image
from .spec.isa import PAYLOAD_BITS, PRED_NOT, PRED_PRE, Op
from .spec.ledger import CHIP_COUNTERS, COUNTERS, UNITS

Packet = tuple[int, int, int, int]  # core, axon, delay, payload
Retire = Callable[..., None]  # (what happened, core, numbers ...)


SCALARS = ("end", "when", "range", "integ", "rows", "endrows")
VECTORS = ("mov", "add", "sub", "mul", "mac", "min", "max", "rnd", "cge", "cgt", "ceq", "plog", "spk")


def _ignore(*_: object) -> None:
    pass


class Core:
    """One core and its memories, as nested lists of Python integers.

    Attributes:
        registers: [register][neuron]; accumulators: [2][neuron]; predicates: [4][neuron], 0 or 1.
        traces: [trace][axon]; delivered: [axon], the axon's `pre`.
        pending: [slot][axon], 0 or 1; payloads: [slot][axon], 0..255, meaningful where pending.
        spikes: {neuron: payload} fired in this timestep.
        counters: one integer per name of `ledger.COUNTERS`.
    """

    def __init__(self, arch: Architecture, image: CoreImage, number: int, retire: Retire = _ignore):
        self.arch, self.number, self.retire = arch, number, retire
        lanes = arch.lanes
        self.program = [isa.decode(word) for word in image.program]
        isa.refuse_unknown("the reference", SCALARS + VECTORS, self.program)
        self.reset_entry = image.reset_entry
        self.axons = [isa.unpack_fields(isa.AXON_FIELDS, int(w)) for w in image.axons]
        self.axons += [isa.unpack_fields(isa.AXON_FIELDS, 0)] * (arch.axons - len(self.axons))
        self.synapses = [[int(slot) for slot in word] for word in image.synapses]
        blocks = image.registers.shape[1]
        self.registers = [[0] * arch.neurons for _ in range(arch.registers)]
        for r in range(arch.registers):
            self.registers[r][: blocks * lanes] = [int(v) for v in image.registers[r].reshape(-1)]
        self.accumulators = [[0] * arch.neurons for _ in range(2)]
        self.predicates = [[0] * arch.neurons for _ in range(isa.N_PREDICATES)]
        self.traces = [[0] * arch.axons for _ in range(arch.traces)]
        self.delivered = [0] * arch.axons
        self.pending = [[0] * arch.axons for _ in range(arch.delay_slots)]
        self.payloads = [[0] * arch.axons for _ in range(arch.delay_slots)]
        self.pointers = [isa.unpack_fields(isa.POINTER_FIELDS, int(w)) for w in image.pointers]
        self.pointers += [isa.unpack_fields(isa.POINTER_FIELDS, 0)] * (arch.neurons - len(self.pointers))
        self.routes = [isa.unpack_fields(isa.ROUTE_FIELDS, int(w)) for w in image.routes]
        self.random = [int(seed) for seed in image.seeds]
        self.t = self.slot = self.timesteps = self.reward = 0
        self.spikes: dict[int, int] = {}
        self.emit_blocks = 0
        self.counters = dict.fromkeys(COUNTERS, 0)

    # ------------------------------------------------------------------------------------------ a program
    def run(self, entry: int, t: int, timesteps: int) -> int:
        """Run from `entry` to `end` and return the cycles it took."""
        self.t, self.slot, self.timesteps = t, t % self.arch.delay_slots, timesteps
        self.space: Op | None = None
        self.spikes = {}
        cycles, pc = 0, entry
        while True:
            op = self.program[pc]
            self.counters["instructions"] += 1
            start, jump, cost = pc, pc + 1, isa.cycles(op, 0, self.arch.lanes)
            match op.name:
                case "end":
                    self.emit_blocks = op.lo
                case "when":
                    jump += 0 if self.due(op) else op.skip
                case "range":
                    self.space = op
                case "integ":
                    cost = self.integ(op)
                case "rows":
                    cost, jump = self.rows(op, pc)
                case _ if op.row.vector:
                    cost = self.vector(op)
                case _:
                    raise AssertionError(op.name)
            self.retire("op", self.number, start, cost)
            cycles += cost
            if op.name == "end":
                return cycles
            pc = jump

    def due(self, op: Op) -> bool:
        """Is this timestep inside the window of a `when`?"""
        return op.lo <= self.t < op.hi + (self.timesteps if op.flag else 0)

    # ---------------------------------------------------------------------------------------------- integ
    def integ(self, op: Op) -> int:
        """Deliver what is pending now; ascending axons."""
        cost = isa.cycles(op, 0, self.arch.lanes)
        pending, count = self.pending[self.slot], self.counters
        for granule in range(op.lo, op.lo + op.hi):
            count["pending_reads"] += 1
            first = granule * isa.GRANULE
            if any(pending[first : first + isa.GRANULE]):
                count["pending_writes"] += 1
            for axon in range(first, first + isa.GRANULE):
                self.delivered[axon] = pending[axon]
                if pending[axon]:
                    pending[axon] = 0
                    cost += self.event(op, axon)
        return cost

    def event(self, op: Op, axon: int) -> int:
        """Add the row of one axon to an accumulator."""
        entry, count = self.axons[axon], self.counters
        factor = 1
        if op.flag:
            factor = self.payloads[self.slot][axon]
            if op.flag2:
                factor = wrap(factor, PAYLOAD_BITS)
        count["events"] += 1
        beats = 0
        accumulator, lanes = self.accumulators[op.d], self.arch.lanes
        for beat, word, block in self.window(entry):
            beats += 1
            count["synapse_reads"] += word
            count["accumulator_reads"] += 1
            count["accumulator_writes"] += 1
            for lane in range(lanes):
                target, weight = self.synapse(entry["format"], beat, lane)
                if weight:
                    count["synaptic_operations"] += 1
                    n = (block if target is None else target) * lanes + lane
                    value = accumulator[n] + (weight * factor << op.shift)
                    accumulator[n] = wrap(value, self.arch.acc_bits)
        count["beats"] += beats
        self.retire("event", self.number, axon, factor, beats)
        return isa.event_cycles(beats)

    def window(self, entry: dict[str, int]) -> Iterable[tuple[int, int, int]]:
        """The beats of an axon entry: (beat address, 1 where a new synapse word is read, block)."""
        if entry["format"] == isa.NONE:
            return
        per_word = isa.BEATS_PER_WORD[entry["format"]]
        first = entry["word"] * per_word + entry["beat"]
        for run in range(entry["runs"] + 1):
            for j in range(entry["beats"] + 1):
                beat = first + run * entry["weight_stride"] + j
                block = entry["block"] + run * entry["block_stride"] + j
                yield beat, int(j == 0 or beat % per_word == 0), block

    def synapse(self, kind: int, beat: int, lane: int) -> tuple[int | None, int]:
        """(target block if the synapse names its own, weight) of one slot of one beat."""
        per_word, bits = isa.BEATS_PER_WORD[kind], isa.FORMAT_BITS[kind]
        if kind == isa.SPARSE:
            slot = self.synapses[beat][lane]
            return slot >> 8, wrap(slot, 8)
        position = ((beat % per_word) * self.arch.lanes + lane) * bits
        raw = self.synapses[beat // per_word][position // 16] >> (position % 16)
        if kind == isa.DENSE1:
            return None, 1 if raw & 1 else -1
        return None, wrap(raw, bits)

    # -------------------------------------------------------------------------------------------- vectors
    def vector(self, op: Op, row_axon: int | None = None) -> int:
        """One vector instruction over the blocks in range."""
        arch, count, space = self.arch, self.counters, self.space
        assert space is not None, "the checker wants a range before vectors"
        lanes, bits = arch.lanes, arch.state_bits
        registers = self.traces if space.flag else self.registers
        memory = "trace" if space.flag else "register"
        blocks = range(space.lo, space.lo + space.hi)

        distinct = {code for code in op.sources if code < isa.N_REGISTERS}
        accumulators = [code for code in op.sources if isa.SRC_ACC <= code < isa.SRC_TRACE]
        count[f"{memory}_reads"] += len(distinct) * len(blocks)
        count["accumulator_reads"] += len(accumulators) * len(blocks)
        count["accumulator_writes"] += sum(code >= isa.SRC_ACC_CLEAR for code in accumulators) * len(blocks)
        if 1 <= op.pred & 7 < PRED_PRE or op.name == "plog":
            count["predicate_reads"] += len(blocks)
        if op.row.writes == "register":
            count[f"{memory}_writes"] += len(blocks)
        elif op.row.writes == "predicate":
            count["predicate_writes"] += len(blocks)
        if UNITS[op.row.unit]:
            count[UNITS[op.row.unit]] += len(blocks) * lanes

        for block in blocks:
            for lane in range(lanes):
                n = block * lanes + lane

                def source(code: int, n: int = n) -> int:
                    if code < isa.N_REGISTERS:
                        return registers[code][n]
                    if code < isa.SRC_TRACE:
                        return self.accumulators[code & 1][n]
                    if code < isa.SRC_REWARD and row_axon is not None:
                        return self.traces[code - isa.SRC_TRACE][row_axon]
                    return self.reward

                chosen = self.chosen(op.pred, n, row_axon if row_axon is not None else n)
                inside = block < space.lo + space.hi - 1 or lane <= space.d
                value = self.operate(op, n, lane, source)
                if op.row.writes == "register":
                    if chosen:
                        registers[op.d][n] = saturate(value, bits)
                elif op.row.writes == "predicate":
                    self.predicates[op.d][n] = int(chosen and inside and bool(value))
                elif op.row.writes == "spike":
                    if chosen and inside:
                        self.spikes[n] = value
                else:
                    raise AssertionError(op.row.writes)
                for code in accumulators:
                    if code >= isa.SRC_ACC_CLEAR:
                        self.accumulators[code & 1][n] = 0
        return isa.cycles(op, len(blocks), lanes)

    def chosen(self, pred: int, n: int, axon: int) -> bool:
        """Is this lane selected by the predicate field?"""
        code = pred & 7
        if code == 0:
            return True
        value = self.delivered[axon] if code == PRED_PRE else self.predicates[code - 1][n]
        return bool(value) != bool(pred & PRED_NOT)

    def operate(self, op: Op, n: int, lane: int, source: Callable[[int], int]) -> int:
        """The full-width result of one lane, before saturation."""
        arch = self.arch
        a = source(op.a) if "a" in op.row.reads else 0
        b = (op.imm if op.b is None else source(op.b)) if "b" in op.row.reads else 0
        match op.name:
            case "mov":
                return b
            case "add":
                return a + b
            case "sub":
                return a - b
            case "mul":
                return round_shift(a * saturate(b, arch.coef_bits), op.shift, op.round)
            case "mac":
                product = round_shift(a * saturate(b, arch.coef_bits), op.shift, op.round)
                return product + source(op.c)
            case "min":
                return min(a, b)
            case "max":
                return max(a, b)
            case "rnd":
                fresh, self.random[lane] = lfsr_draw(self.random[lane])
                return fresh & ((1 << op.shift) - 1)
            case "cge":
                return int(a >= b)
            case "cgt":
                return int(a > b)
            case "ceq":
                return int(a == b)
            case "plog":
                return op.imm >> (2 * self.predicates[op.a][n] + self.predicates[op.c][n]) & 1
            case "spk":
                if not op.flag:
                    return 1
                value = source(op.a)
                if op.flag2:
                    return saturate(value, PAYLOAD_BITS) & isa.LARGEST_PAYLOAD
                return max(0, min(isa.LARGEST_PAYLOAD, value))
        raise AssertionError(op.name)

    # ----------------------------------------------------------------------------------------------- rows
    def rows(self, op: Op, pc: int) -> tuple[int, int]:
        """Sweep the plastic rows that are selected: (cycles, address behind endrows)."""
        arch, count, space = self.arch, self.counters, self.space
        assert space is not None
        lanes = arch.lanes
        neurons = range(space.lo * lanes, (space.lo + space.hi - 1) * lanes + space.d + 1)
        did = any(self.predicates[op.a][n] for n in neurons)
        count["predicate_reads"] += space.hi
        count["trace_reads"] += -(-len(op.swept) // lanes)
        cost = isa.cycles(op, space.hi, lanes)
        for axon in op.swept:
            select = op.shift & 8
            select = select or (op.shift & 1 and self.delivered[axon])
            select = select or (op.shift & 2 and did and self.traces[op.c][axon] != 0)
            select = select or (op.shift & 4 and self.reward != 0)
            if select:
                cost += isa.row_cycles(space.hi, self.row(op, axon, pc + 1))
        return cost, pc + 1 + op.body + 1

    def row(self, op: Op, axon: int, pc: int) -> int:
        """Load one row, run the body, store the row; the body's cycles."""
        count, space = self.counters, self.space
        assert space is not None
        entry, lanes, register = self.axons[axon], self.arch.lanes, self.registers[op.d]
        words = sum(new for _, new, _ in self.window(entry))
        count["rows"] += 1
        count["synapse_reads"] += words
        count["synapse_writes"] += words
        count["register_writes"] += space.hi
        count["register_reads"] += space.hi
        for beat, _, block in self.window(entry):
            for lane in range(lanes):
                register[block * lanes + lane] = self.synapse(entry["format"], beat, lane)[1]
        cost = 0
        while True:
            step = self.program[pc]
            count["instructions"] += 1
            if step.name == "endrows":
                cost += isa.cycles(step, space.hi, lanes)
                break
            if step.name == "when":
                cost += isa.cycles(step, space.hi, lanes)
                pc += 0 if self.due(step) else step.skip
            else:
                cost += self.vector(step, row_axon=axon)
            pc += 1
        bits = isa.FORMAT_BITS[entry["format"]]
        for beat, _, block in self.window(entry):
            for lane in range(lanes):
                n = block * lanes + lane
                inside = block < space.lo + space.hi - 1 or lane <= space.d
                self.store(entry["format"], beat, lane, saturate(register[n], bits) if inside else 0)
        self.retire("row", self.number, axon)
        return cost

    def store(self, kind: int, beat: int, lane: int, weight: int) -> None:
        """Write one plastic weight."""
        per_word, bits = isa.BEATS_PER_WORD[kind], isa.FORMAT_BITS[kind]
        position = ((beat % per_word) * self.arch.lanes + lane) * bits
        mask = (1 << bits) - 1
        slots, shift = self.synapses[beat // per_word], position % 16
        slots[position // 16] = slots[position // 16] & ~(mask << shift) | (weight & mask) << shift

    # ------------------------------------------------------------------------------------ in and out
    def receive(self, slot: int, axon: int, payload: int) -> None:
        """A spike becomes pending; payloads of one axon add, modulo 256."""
        if not self.pending[slot][axon]:
            self.payloads[slot][axon] = 0
        self.pending[slot][axon] = 1
        self.payloads[slot][axon] = (self.payloads[slot][axon] + payload) & isa.LARGEST_PAYLOAD

    def emission(self) -> Iterable[tuple[int, Packet | None]]:
        """What the emitter does in the fabric phase: (cycles before this packet can be offered, packet).

        One cycle a block, two a spike, then one a packet. The last entry has no packet: it is the time that the
        emitter still scans after its last one.
        """
        gap = 0
        for block in range(self.emit_blocks):
            gap += 1
            for n in range(block * self.arch.lanes, (block + 1) * self.arch.lanes):
                if n not in self.spikes:
                    continue
                self.counters["spikes"] += 1
                self.counters["pointer_reads"] += 1
                self.retire("spike", self.number, n, self.spikes[n])
                gap += isa.EMIT_SPIKE_CYCLES
                pointer = self.pointers[n]
                for route in self.routes[pointer["first"] : pointer["first"] + pointer["count"]]:
                    yield gap, (route["core"], route["axon"], route["delay"], self.spikes[n])
                    gap = 0
        yield gap, None

    def clear(self) -> int:
        """What the hardware clears between samples; its cycles (the memories are cleared side by side)."""
        arch = self.arch
        self.accumulators = [[0] * arch.neurons for _ in range(2)]
        self.predicates = [[0] * arch.neurons for _ in range(isa.N_PREDICATES)]
        self.delivered = [0] * arch.axons
        self.pending = [[0] * arch.axons for _ in range(arch.delay_slots)]
        return isa.clear_cycles(arch.blocks, arch.delay_slots, arch.granules)


# ----------------------------------------------------------------------------------------------- the fabric
PORTS = ("north", "east", "south", "west", "local")  # of a router, in the order of their priority
NORTH, EAST, SOUTH, WEST, LOCAL = range(len(PORTS))


class Mesh:
    """A 2-D mesh of routers, XY routing, one-flit packets, two-entry input queues; clock by clock."""

    def __init__(self, arch: Architecture):
        self.width, self.height = arch.mesh_width, arch.mesh_height

    def port(self, at: int, to: int) -> int:
        """The output port that a packet takes at router `at` towards core `to`: x first, then y."""
        x, y = at % self.width, at // self.width
        to_x, to_y = to % self.width, to // self.width
        if to_x != x:
            return EAST if to_x > x else WEST
        if to_y != y:
            return SOUTH if to_y > y else NORTH
        return LOCAL

    def neighbour(self, at: int, port: int) -> tuple[int, int]:
        """The router behind an output port, and the input port it arrives at."""
        return {
            NORTH: (at - self.width, SOUTH),
            EAST: (at + 1, WEST),
            SOUTH: (at + self.width, NORTH),
            WEST: (at - 1, EAST),
        }[port]

    def hops(self, at: int, to: int) -> int:
        return abs(at % self.width - to % self.width) + abs(at // self.width - to // self.width)

    def run(self, sources: list[Iterable[tuple[int, Packet | None]]], deliver: Callable[[Packet], None]) -> int:
        """One fabric phase, from all queues empty to all queues empty; its cycles.

        A cycle decides everything on the state at its start: a queue takes a packet if it holds fewer than two;
        an output takes the head of the first input, in port order, that wants it and can be taken behind it;
        a core takes a packet if it took none in the cycle before.
        """
        n = self.width * self.height
        queues: list[list[list[Packet]]] = [[[] for _ in range(5)] for _ in range(n)]
        iterators = [iter(source) for source in sources]

        def following(at: int) -> tuple[int, Packet | None] | None:
            offer = next(iterators[at])
            return None if offer == (0, None) else offer

        waiting = [following(at) for at in range(n)]
        sink_busy = [0] * n
        cycle = 0
        while True:
            idle = all(w is None for w in waiting) and not any(sink_busy)
            if idle and not any(queue for router in queues for queue in router):
                return cycle
            moves: list[tuple[int, int, int]] = []
            for at in range(n):
                taken = set()
                for port in range(5):
                    if not queues[at][port]:
                        continue
                    out = self.port(at, queues[at][port][0][0])
                    if out in taken:
                        continue
                    if out == LOCAL:
                        free = sink_busy[at] == 0
                    else:
                        behind, arrive = self.neighbour(at, out)
                        free = len(queues[behind][arrive]) < isa.FIFO_DEPTH
                    taken.add(out)
                    if free:
                        moves.append((at, port, out))
            offers = []
            for at in range(n):
                offer = waiting[at]
                if offer is None:
                    continue
                gap, packet = offer
                if gap > 0:
                    waiting[at] = (gap - 1, packet) if gap > 1 or packet else None
                elif packet and len(queues[at][LOCAL]) < isa.FIFO_DEPTH:
                    offers.append((at, packet))
                    waiting[at] = following(at)
            sink_busy = [max(0, busy - 1) for busy in sink_busy]
            for at, port, out in moves:
                packet = queues[at][port].pop(0)
                if out == LOCAL:
                    deliver(packet)
                    sink_busy[at] = isa.SINK_CYCLES - 1
                else:
                    behind, arrive = self.neighbour(at, out)
                    queues[behind][arrive].append(packet)
            for at, packet in offers:
                queues[at][LOCAL].append(packet)
            cycle += 1


class Reference:
    """A chip running one image; the slow machine. `retire` is told every architectural event."""

    def __init__(self, image: Image, retire: Retire = _ignore):
        self.image, self.arch, self.retire = image, image.arch, retire
        self.cores = [Core(image.arch, core, i, retire) for i, core in enumerate(image.cores)]
        self.mesh = Mesh(image.arch)
        self.counters = dict.fromkeys(CHIP_COUNTERS, 0)
        self.t = self.timesteps = 0

    def reset(self, timesteps: int, reward: int = 0) -> None:
        """Begin a sample of `timesteps` inputs: clear, then run every core's reset program."""
        self.t, self.timesteps = 0, timesteps
        cycles = []
        for core in self.cores:
            core.reward = reward
            cycles.append(core.clear() + core.run(core.reset_entry, 0, timesteps))
            core.spikes = {}
        self.counters["reset_cycles"] += max(cycles)

    def inject(self, route: int, payload: int = 1) -> None:
        """An input spike, written by the host before a timestep; delay 0 arrives in the next step() call."""
        fields = isa.unpack_fields(isa.ROUTE_FIELDS, int(route))
        core = self.cores[fields["core"]]
        core.counters["injections"] += 1
        core.receive((self.t + fields["delay"]) % self.arch.delay_slots, fields["axon"], payload)

    def step(self) -> list[tuple[int, int, int]]:
        """One timestep, barrier to barrier; the spikes as (core, neuron, payload), ascending."""
        cycles = [core.run(0, self.t, self.timesteps) for core in self.cores]
        for core, busy in zip(self.cores, cycles, strict=True):
            core.counters["busy_cycles"] += busy

        def counted(number: int) -> Iterable[tuple[int, Packet | None]]:
            for gap, packet in self.cores[number].emission():
                if packet is not None:
                    self.cores[number].counters["packets"] += 1
                    self.cores[number].counters["hops"] += self.mesh.hops(number, packet[0])
                    self.retire("packet", number, *packet)
                yield gap, packet

        def deliver(packet: Packet) -> None:
            number, axon, delay, payload = packet
            core = self.cores[number]
            for name in ("deliveries", "pending_reads", "pending_writes"):
                core.counters[name] += 1
            core.receive((self.t + 1 + delay) % self.arch.delay_slots, axon, payload)

        fabric = self.mesh.run([counted(i) for i in range(len(self.cores))], deliver)
        self.counters["timesteps"] += 1
        self.counters["compute_cycles"] += max(cycles)
        self.counters["fabric_cycles"] += fabric
        self.counters["barrier_cycles"] += isa.BARRIER_CYCLES
        self.t += 1
        return [(core.number, n, core.spikes[n]) for core in self.cores for n in sorted(core.spikes)]

    def cycles(self) -> int:
        """Clock cycles of all timesteps so far, resets left out."""
        return sum(self.counters[name] for name in ("compute_cycles", "fabric_cycles", "barrier_cycles"))
