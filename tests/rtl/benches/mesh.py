"""The mesh against the reference's, clock by clock; and under random backpressure, where nothing may get lost."""

from types import SimpleNamespace

import cocotb
from common import Bench, pack, unpack

from emulator.reference import Mesh


class Chip:
    """The mesh with a source and a sink at every core."""

    def __init__(self, dut):
        self.bench = Bench(dut)
        p = self.bench.p
        self.width, self.height, self.data = p["WIDTH"], p["HEIGHT"], p["DATA_W"]
        self.cores = self.width * self.height
        self.x_bits = max(1, (self.width - 1).bit_length())
        self.y_bits = max(1, (self.height - 1).bit_length())
        self.received = [[] for _ in range(self.cores)]

    def packet(self, core, data):
        x, y = core % self.width, core // self.width
        return ((x << self.y_bits) | y) << self.data | data

    async def cycle(self, offers, ready):
        """Offer packets (None for nothing); which were taken, and which cores took one."""
        bench, n = self.bench, self.cores
        words = [self.packet(*offer) if offer else 0 for offer in offers]
        await bench.cycle(
            in_valid_i=pack([offer is not None for offer in offers], 1),
            in_packet_i=pack(words, self.x_bits + self.y_bits + self.data),
            out_ready_i=pack(ready, 1),
        )
        taken = [bool(r and o) for r, o in zip(unpack(bench.in_ready_o, 1, n), offers, strict=True)]
        valid = unpack(bench.out_valid_o, 1, n)
        if any(valid):
            data = unpack(bench.out_data_o, self.data, n)
        arrived = [bool(v and r) for v, r in zip(valid, ready, strict=True)]
        for core in range(n):
            if arrived[core]:
                self.received[core].append(data[core])
        return taken, arrived


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def phases_last_as_long_as_the_reference_says(dut):
    chip = Chip(dut)
    bench, n = chip.bench, chip.cores
    rng = bench.rng
    reference = Mesh(SimpleNamespace(mesh_width=chip.width, mesh_height=chip.height))
    await bench.start()
    for phase in bench.cycles(12):
        target = rng.choice([None, None, rng.randrange(n)])
        sources, wanted = [], [[] for _ in range(n)]
        for core in range(n):
            busy = rng.choice([0, 1, 5, 20])
            source = []
            for _ in range(rng.randrange(busy + 1)):
                to = rng.choice([core, rng.randrange(n)]) if target is None else target
                source.append((rng.choice([0, 0, 1, 3, 7]), (to, rng.getrandbits(chip.data), 0, 0)))
            source.append((rng.choice([0, 0, 2, 30]), None))
            sources.append(source)
        cycles = reference.run([list(s) for s in sources], lambda packet: wanted[packet[0]].append(packet[1]))  # noqa: B023
        chip.received = [[] for _ in range(n)]
        left = [list(source) for source in sources]
        gap = [source[0][0] for source in left]
        busy, clocks = [False] * n, 0
        while True:
            for core in range(n):  # a source that has no packet left is done when its last gap is over
                if left[core] and left[core][0][1] is None and gap[core] == 0:
                    left[core] = []
            offers = [
                left[c][0][1][:2] if left[c] and gap[c] == 0 and left[c][0][1] is not None else None for c in range(n)
            ]
            taken, arrived = await chip.cycle(offers, [not b for b in busy])
            if not any(left) and bench.empty_o and not any(busy):
                break
            clocks += 1
            assert clocks < 10_000, "the phase does not end"
            for core in range(n):
                if gap[core]:
                    gap[core] -= 1
                elif taken[core]:
                    left[core].pop(0)
                    gap[core] = left[core][0][0]
            busy = arrived
        assert chip.received == wanted, phase
        assert clocks == cycles, phase


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def nothing_is_lost_or_doubled_under_backpressure(dut):
    chip = Chip(dut)
    bench, n = chip.bench, chip.cores
    rng = bench.rng
    await bench.start()
    sent, offers = [[] for _ in range(n)], [None] * n
    for cycle in bench.cycles(2000):
        if cycle % 100 == 0:
            offering, taking = ([bench.pattern() for _ in range(n)] for _ in range(2))
        for core in range(n):
            if offers[core] is None and offering[core]():
                offers[core] = (rng.randrange(n), rng.getrandbits(chip.data))
        taken, _ = await chip.cycle(offers, [take() for take in taking])
        for core in range(n):
            if taken[core]:
                sent[offers[core][0]].append(offers[core][1])
                offers[core] = None
    for _ in range(400):
        await chip.cycle([None] * n, [True] * n)
    assert bench.empty_o
    assert sum(map(len, sent)) > 500
    assert [sorted(packets) for packets in chip.received] == [sorted(packets) for packets in sent]
