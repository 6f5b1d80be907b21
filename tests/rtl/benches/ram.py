"""A read takes two cycles, a write one; what is read while it is written is poison.

With ADDRESS = 1 (NM_RAM_ADDRESS) the array is read in the second cycle of a read, else in the first; with
HELD = 1 at the address that is there then.
"""

import cocotb
from common import Bench, pack


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reads_take_two_cycles_and_writes_one(dut):
    bench = Bench(dut)
    p, rng = bench.p, bench.rng
    words, width, groups, single = p["WORDS"], p["WIDTH"], p["GROUPS"], p["SINGLE"]
    part = width // groups
    memory, raw, out, place, by_address = [0] * words, None, None, None, p["ADDRESS"]
    await bench.start()
    for address in range(words):
        memory[address] = rng.getrandbits(width)
        everything = {"we_i": (1 << groups) - 1, "wdata_i": memory[address]}
        await bench.cycle(waddr_i=address, raddr_i=address, **everything)
    for _ in bench.cycles(2000):
        address = rng.randrange(words)
        to = address if single or rng.random() < 0.3 else rng.randrange(words)
        enables = rng.choice([0, (1 << groups) - 1, rng.getrandbits(groups)])
        data, read, load = rng.getrandbits(width), rng.randrange(2), rng.randrange(2)
        await bench.cycle(ren_i=read, oen_i=load, raddr_i=address, we_i=enables, waddr_i=to, wdata_i=data)
        if out is not None:
            assert bench.rdata_o == out
        busy = single and enables  # a single port reads or writes
        held = place if by_address and not p.get("HELD") else address

        def word(at=held, to=to, enables=enables):
            return memory[at] ^ ((1 << width) - 1 if enables and to == at and not single else 0)

        if by_address:
            if load and not busy and held is not None:
                out = word()
            if read:
                place = address
        else:
            if load:
                out = raw
            if read and not busy:
                raw = word()
        mask = pack([(1 << part) - 1 if enables >> g & 1 else 0 for g in range(groups)], part)
        memory[to] = memory[to] & ~mask | data & mask
