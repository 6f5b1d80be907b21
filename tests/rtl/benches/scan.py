"""Every bit of every word is named once, in order, whatever the consumer's pauses."""

import cocotb
from common import Bench, Pipe


def tokens(words, first, count):
    """(address, bit or None, first of its word, last of the walk)."""
    found = []
    for i in range(count):
        bits = [b for b in range(64) if words[first + i] >> b & 1] or [None]
        found += [(first + i, bit, bit == bits[0], i == count - 1 and bit == bits[-1]) for bit in bits]
    return found


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def each_bit_is_named_once_in_order(dut):
    bench = Bench(dut)
    rng, width, size = bench.rng, bench.p["WIDTH"], 1 << bench.p["ADDR_W"]
    await bench.start()
    ram = Pipe([0] * size)
    for walk in bench.cycles(60):
        density = rng.choice([0.0, 0.1, 0.5, 1.0])
        ram.words = [sum((rng.random() < density) << b for b in range(width)) for _ in range(size)]
        first = rng.randrange(size)
        count = rng.choice([0, 1, size - first, rng.randrange(size - first + 1)])
        wanted = tokens(ram.words, first, count)
        entered, got, taking, clocks = [], [], bench.pattern() if walk % 2 else lambda: True, 0
        await bench.cycle(start_i=1, first_i=first, count_i=count, take_i=0)
        while True:
            take = taking()
            await bench.cycle(start_i=0, take_i=take, ram_data_i=ram.out)
            if not bench.busy_o:
                break
            clocks += 1
            assert clocks < 100 * size * width
            if bench.enter_o:
                entered.append(bench.enter_addr_o)
            if take and bench.valid_o:
                bit = bench.bit_o if bench.any_o else None
                got.append((bench.addr_o, bit, bool(bench.first_o), bool(bench.last_o)))
            ram.clock(bench.ram_en_o, bench.ram_addr_o)
        assert got == wanted, walk
        assert entered == list(range(first, first + count)), walk
        if not walk % 2:  # a token every cycle, behind the three stages in front of it
            assert clocks == (len(wanted) + 3 if count else 0), walk
