"""Spikes become packets: in the cycles that the reference's emission says, whatever the router's pauses."""

import cocotb
from common import Bench, Pipe, pack

from emulator.spec import isa


class Emit:
    def __init__(self, dut):
        self.bench = Bench(dut)
        p = self.bench.p
        self.lanes, self.blocks, self.routes = p["LANES"], p["BLOCKS"], p["ROUTES"]
        self.pointers, self.table = [(0, 0)] * (self.lanes * self.blocks), [(0, 0, 0)] * self.routes

    async def write(self, what, address, value):
        await self.bench.cycle(**{"host_i": 1, f"host_we_{what}_i": 1, "host_addr_i": address, "host_data_i": value})
        bad = self.bench.bad_route_o
        await self.bench.cycle(**{f"host_we_{what}_i": 0, "host_i": 0})
        return bad

    async def load(self):
        bench, p = self.bench, self.bench.p
        for i in range(self.routes):
            core, delay = bench.rng.randrange(p["CORES"]), bench.rng.randrange(p["DELAY_SLOTS"])
            axon = bench.rng.randrange(p["AXONS"])
            self.table[i] = core, delay, axon
            assert not await self.write(
                "routes", i, isa.pack_fields(isa.ROUTE_FIELDS, core=core, delay=delay, axon=axon)
            )
        for neuron in range(self.lanes * self.blocks):
            first = bench.rng.randrange(self.routes)
            count = min(self.routes - first, bench.rng.choice([0, 1, 1, 2, 9, self.routes]))
            self.pointers[neuron] = first, count
            assert not await self.write(
                "pointers", neuron, isa.pack_fields(isa.POINTER_FIELDS, count=count, first=first)
            )

    def emission(self, blocks, words, payloads):
        """As `Core.emission`: (cycles before it is offered, packet), the last without one."""
        gap = 0
        for block in range(blocks):
            gap += 1
            for lane in range(self.lanes):
                if not words[block] >> lane & 1:
                    continue
                gap += isa.EMIT_SPIKE_CYCLES
                first, count = self.pointers[block * self.lanes + lane]
                payload = payloads[block] >> 8 * lane & 0xFF
                for route in self.table[first : first + count]:
                    yield gap, (*route, payload)
                    gap = 0
        yield gap, None

    async def phase(self, blocks, words, payloads, ready):
        """Run one; every cycle's offer is compared with the emission."""
        bench = self.bench
        bits, counts = Pipe(words), Pipe(payloads)
        spikes, wiped = [], []
        source = iter(self.emission(blocks, words, payloads))
        gap, packet = next(source)
        await bench.cycle(start_i=1, blocks_i=blocks, fabric_i=0, ready_i=0)
        for clock in range(-8 - bench.rng.randrange(20), 20_000):
            fabric, go = clock >= 0, ready()
            await bench.cycle(start_i=0, fabric_i=fabric, ready_i=go, spikes_i=bits.out, payloads_i=counts.out)
            if bench.ram_en_o and bench.busy_o:
                bits.clock(True, bench.ram_block_o)
                counts.clock(True, bench.ram_block_o)
            elif bench.ram_en_o:
                bits.clock(True, 0)
                counts.clock(True, 0)
            over = gap == 0 and packet is None
            if not fabric:
                assert not bench.valid_o
                continue
            assert bench.idle_o == over, clock
            if over:
                await bench.cycle(fabric_i=0)
                break
            assert bench.valid_o == (gap == 0), clock
            if bench.spike_o:
                spikes.append((bench.spike_neuron_o, bench.spike_payload_o))
            if bench.wipe_o:
                wiped.append(bench.wipe_block_o)
            if gap:
                gap -= 1
            else:
                assert (bench.core_o, bench.delay_o, bench.axon_o, bench.payload_o) == packet, clock
                if go:
                    gap, packet = next(source)
        assert wiped == list(range(blocks))
        neurons = range(blocks * self.lanes)
        fired = [n for n in neurons if words[n // self.lanes] >> n % self.lanes & 1]
        assert spikes == [(n, payloads[n // self.lanes] >> n % self.lanes * 8 & 0xFF) for n in fired]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def packets_come_when_the_reference_offers_them(dut):
    emit = Emit(dut)
    bench = emit.bench
    rng = bench.rng
    await bench.start()
    for i in bench.cycles(40):
        if i % 10 == 0:
            await emit.load()
        blocks = rng.choice([0, 1, emit.blocks, rng.randint(0, emit.blocks)])
        density = rng.choice([0.0, 0.1, 0.5, 1.0])
        words = [pack([rng.random() < density for _ in range(emit.lanes)], 1) for _ in range(emit.blocks)]
        payloads = [pack([rng.getrandbits(8) for _ in range(emit.lanes)], 8) for _ in range(emit.blocks)]
        await emit.phase(blocks, words, payloads, bench.pattern())


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def routes_that_lead_nowhere_are_refused(dut):
    emit = Emit(dut)
    bench, p = emit.bench, emit.bench.p
    await bench.start()
    good = {"core": p["CORES"] - 1, "delay": p["DELAY_SLOTS"] - 1, "axon": p["AXONS"] - 1}
    assert not await emit.write("routes", 0, isa.pack_fields(isa.ROUTE_FIELDS, **good))
    for name in good:
        if good[name] + 1 < 1 << isa.ROUTE_FIELDS[name][1]:
            wrong = good | {name: good[name] + 1}
            assert await emit.write("routes", 0, isa.pack_fields(isa.ROUTE_FIELDS, **wrong)), name
    last = emit.routes
    for first, count, bad in [
        (0, last, 0),
        (last - 1, 1, 0),
        (last, 0, 0),
        (last, 1, 1),
        (1, last, 1),
        (last + 9, 0, 0),
    ]:
        word = isa.pack_fields(isa.POINTER_FIELDS, first=first, count=count)
        assert await emit.write("pointers", 0, word) == bad, (first, count)
