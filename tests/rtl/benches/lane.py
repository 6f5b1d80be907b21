"""One lane against full-width integers: every operation, corner operands, all shifts and rounding modes."""

import cocotb
from common import Bench

from emulator.spec.fixedpoint import round_shift, saturate, wrap


def corner(rng, bits):
    high = (1 << (bits - 1)) - 1
    return rng.choice([0, 1, -1, high, -high - 1, high - 1, rng.randint(-50, 50), rng.randint(-high - 1, high)])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def results_round_once_and_saturate_once(dut):
    bench = Bench(dut)
    p, rng = bench.p, bench.rng
    state, acc, coef = p["STATE_BITS"], p["ACC_BITS"], p["COEF_BITS"]
    await bench.start()
    pipe = []
    for _ in bench.cycles(4000):
        op = {
            "name": rng.choice(["mac", "mac", "sub", "reverse", "min", "max"]),
            "x": corner(rng, state),
            "y": rng.choice([0, 1, corner(rng, coef)]),
            "r": corner(rng, state),
            "accumulator": corner(rng, acc),
            "use": rng.randrange(2),
            "shift": 0,
            "mode": rng.randrange(4),
        }
        if op["name"] == "mac":
            op["shift"] = rng.choice([0, 1, 7, 8, 15, 16, 31, rng.randrange(32)])
            if rng.random() < 0.3:  # a product just around a half of what is dropped
                op["y"], half = 1, 1 << op["shift"] >> 1
                op["x"] = saturate(rng.choice([-1, 1]) * half * rng.choice([1, 1, 3]) + rng.randint(-1, 1), state)
        pipe = [op, *pipe[:3]]
        drive = {"x_i": op["x"], "y_i": op["y"], "r_i": op["r"]}
        if len(pipe) > 1:
            shift = pipe[1]["shift"]
            bits = state + coef
            drive |= {"shift4_i": shift, "low_mask4_i": (1 << shift) - 1, "half_mask4_i": 1 << shift >> 1}
            drive |= {"high_mask4_i": (1 << bits) - 1 >> (acc + shift) << (acc + shift)}
        if len(pipe) > 2:
            at = pipe[2]
            drive |= {"shift5_i": at["shift"] & 7, "round5_i": at["mode"], "acc5_i": at["use"]}
            drive |= {"accumulator5_i": at["accumulator"], "neg_q5_i": at["name"] == "reverse"}
            drive |= {"neg_r5_i": at["name"] in ("sub", "min", "max")}
        if len(pipe) > 3:
            drive |= {"select6_i": pipe[3]["name"] in ("min", "max"), "max6_i": pipe[3]["name"] == "max"}
        await bench.cycle(**drive)
        if len(pipe) < 4:
            continue
        at = pipe[3]
        product = round_shift(at["x"] * at["y"], at["shift"], at["mode"])
        other = at["accumulator"] if at["use"] else at["r"]
        wanted = {
            "mac": product + other,
            "sub": product - other,
            "reverse": other - product,
            "min": min(product, other),
            "max": max(product, other),
        }[at["name"]]
        assert bench.signed("result6_o") == saturate(wanted, state), at
        if at["name"] in ("sub", "min", "max"):
            assert (bench.less6_o, bench.equal6_o) == (product < other, product == other), at
        if at["name"] == "mac":
            assert bench.unsigned6_o == max(0, min(255, wanted)), at
            assert wrap(bench.signed6_o, 8) == max(-128, min(127, wanted)), at
