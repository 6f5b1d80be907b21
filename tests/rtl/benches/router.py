"""Five queues of two, XY routing, fixed priority: every output of every cycle against lists."""

import cocotb
from common import Bench, pack, unpack

NORTH, EAST, SOUTH, WEST, LOCAL = range(5)


def output(x, y, to_x, to_y):
    if to_x != x:
        return EAST if to_x > x else WEST
    if to_y != y:
        return SOUTH if to_y > y else NORTH
    return LOCAL


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def every_packet_leaves_once_in_its_turn(dut):
    bench = Bench(dut)
    p, rng = bench.p, bench.rng
    xw, yw, dw = p["X_W"], p["Y_W"], p["DATA_W"]
    width = xw + yw + dw
    queues = [[] for _ in range(5)]
    await bench.start()
    sent = left = 0
    for cycle in bench.cycles(2500):
        if cycle % 100 == 0:
            offering = [bench.pattern() for _ in range(5)]
            taking = [bench.pattern() for _ in range(5)]
            hot = rng.choice([None, (p["X"], p["Y"])])
        valid = [offer() for offer in offering]
        ready = [take() for take in taking]
        places = [
            hot or (rng.choice([rng.getrandbits(xw), p["X"]]), rng.choice([rng.getrandbits(yw), p["Y"]]))
            for _ in range(5)
        ]
        packets = [((x << yw | y) << dw) | rng.getrandbits(dw) for x, y in places]
        await bench.cycle(valid_i=pack(valid, 1), ready_i=pack(ready, 1), packet_i=pack(packets, width))

        heads = {}
        for port in range(5):
            if queues[port]:
                place = queues[port][0] >> dw
                heads.setdefault(output(p["X"], p["Y"], place >> yw, place & ((1 << yw) - 1)), port)
        assert unpack(bench.ready_o, 1, 5) == [len(queue) < 2 for queue in queues], cycle
        assert unpack(bench.valid_o, 1, 5) == [port in heads for port in range(5)], cycle
        assert bench.empty_o == (not any(queues)), cycle
        room = [len(queue) < 2 for queue in queues]
        for out, port in heads.items():
            assert unpack(bench.packet_o, width, 5)[out] == queues[port][0], (cycle, out)
            if ready[out]:
                queues[port].pop(0)
                left += 1
        for port in range(5):
            if valid[port] and room[port]:
                queues[port].append(packets[port])
                sent += 1
    assert sent > 1000
    assert left == sent - sum(map(len, queues))
