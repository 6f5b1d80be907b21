"""Deliveries, consumption, clearing, host access: the bitmap and its payloads against the reference's `receive`."""

import cocotb
from common import Bench


class Pending:
    """The bench's own bitmap and the ways to compare it."""

    def __init__(self, dut):
        self.bench = Bench(dut)
        p = self.bench.p
        self.axons, self.slots, self.graded = p["AXONS"], p["DELAY_SLOTS"], p["GRADED"]
        self.granules = self.axons // 16
        self.granule_bits = max(1, (self.granules - 1).bit_length())
        self.axon_bits = (self.axons - 1).bit_length()
        self.counts = {}  # (slot, axon) -> payload, where pending

    async def clear(self):
        for slot in range(self.slots):
            for granule in range(self.granules):
                await self.bench.cycle(clear_i=1, clear_slot_i=slot, clear_granule_i=granule)
        await self.bench.cycle(clear_i=0)
        self.counts = {}

    async def deliver(self, count, reach):
        """Random deliveries to few axons, as dense as the module takes them."""
        bench, rng, active = self.bench, self.bench.rng, self.bench.pattern()
        offer = None
        while count or offer:
            if offer is None and count and active():
                offer = rng.randrange(self.slots), rng.randrange(reach), rng.choice([0, 1, 255, rng.randrange(256)])
                count -= 1
            slot, axon, payload = offer or (rng.randrange(self.slots), rng.randrange(self.axons), 77)
            await bench.cycle(valid_i=offer is not None, to_slot_i=slot, to_axon_i=axon, to_payload_i=payload)
            if offer and bench.ready_o:
                self.counts[slot, axon] = (self.counts.get((slot, axon), 0) + payload) % 256
                offer = None
        await bench.cycle(valid_i=0)
        for _ in range(3):
            await bench.cycle()

    async def compare(self):
        """Read everything as the host does."""
        bench = self.bench
        for slot in range(self.slots):
            for granule in range(self.granules):
                await bench.cycle(host_i=1, host_addr_i=slot << self.granule_bits | granule)
                await bench.cycle()
                await bench.cycle()
                wanted = sum(((slot, granule * 16 + b) in self.counts) << b for b in range(16))
                assert bench.scan_data_o == wanted, (slot, granule)
        if self.graded:
            for (slot, axon), payload in self.counts.items():
                await bench.cycle(host_addr_i=slot << self.axon_bits | axon)
                await bench.cycle()
                await bench.cycle()
                assert bench.payload_o == payload, (slot, axon)
        await bench.cycle(host_i=0)

    async def consume(self, slot):
        """What integ does to some granules of a slot."""
        bench = self.bench
        for granule in bench.rng.sample(range(self.granules), bench.rng.randint(1, self.granules)):
            await bench.cycle(running_i=1, slot_i=slot, scan_en_i=1, scan_addr_i=granule, consume_i=0)
            await bench.cycle()
            await bench.cycle(scan_en_i=0, scan_addr_i=bench.rng.randrange(self.granules))
            mine = [axon for s, axon in self.counts if s == slot and axon // 16 == granule]
            assert bench.scan_data_o == sum(1 << axon % 16 for axon in mine)
            for axon in mine if self.graded else []:
                await bench.cycle(payload_axon_i=axon)
                await bench.cycle()
                await bench.cycle()
                assert bench.payload_o == self.counts[slot, axon]
            await bench.cycle(consume_i=bool(mine), consume_addr_i=granule)
            await bench.cycle(consume_i=0)
            for axon in mine:
                del self.counts[slot, axon]
        await bench.cycle(running_i=0)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def no_bit_and_no_payload_is_lost(dut):
    pending = Pending(dut)
    bench = pending.bench
    rng = bench.rng
    await bench.start()
    await pending.clear()
    for round_ in bench.cycles(24):
        await pending.deliver(rng.choice([3, 60]), rng.choice([2, 16, pending.axons]))
        await pending.compare()
        await pending.consume(rng.randrange(pending.slots))
        await pending.compare()
        if round_ % 10 == 9:
            await pending.clear()
            await pending.compare()


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def the_host_writes_what_it_reads(dut):
    pending = Pending(dut)
    bench = pending.bench
    rng = bench.rng
    await bench.start()
    await pending.clear()
    for _ in range(20):
        slot, granule, word = rng.randrange(pending.slots), rng.randrange(pending.granules), rng.getrandbits(16)
        address = slot << pending.granule_bits | granule
        await bench.cycle(host_i=1, host_addr_i=address, host_we_pending_i=1, host_data_i=word)
        await bench.cycle(host_we_pending_i=0)
        for axon in range(granule * 16, granule * 16 + 16):
            pending.counts.pop((slot, axon), None)
            if word >> axon % 16 & 1:
                pending.counts[slot, axon] = payload = rng.randrange(256)
                address = slot << pending.axon_bits | axon
                await bench.cycle(host_addr_i=address, host_we_payloads_i=1, host_data_i=payload)
                await bench.cycle(host_we_payloads_i=0)
    await pending.compare()
    await pending.deliver(30, pending.axons)
    await pending.compare()
