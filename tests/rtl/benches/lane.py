"""One lane against full-width integers: every operation, corner operands, all shifts and rounding modes."""

import cocotb
from common import Bench

from emulator.spec.fixedpoint import round_shift, saturate


def corner(rng, bits):
    high = (1 << (bits - 1)) - 1
    return rng.choice([0, 1, -1, high, -high - 1, high - 1, rng.randint(-50, 50), rng.randint(-high - 1, high)])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def results_round_once_and_saturate_once(dut):
    bench = Bench(dut)
    p, rng = bench.p, bench.rng
    state, acc, coef = p["STATE_BITS"], p["ACC_BITS"], p["COEF_BITS"]
    raised = p["X_BITS"] > state  # x comes shifted left, the product is shifted right by whole bytes and 7 bits
    await bench.start()
    pipe = []
    for _ in bench.cycles(4000):
        op = {
            "name": rng.choice(["mac", "mac", "sub", "min", "max"]),
            "x": corner(rng, state),
            "y": rng.choice([0, 1, corner(rng, coef)]),
            "r": corner(rng, state),
            "accumulator": corner(rng, acc),
            "use": rng.randrange(2),
            "shift": 0,
            "mode": rng.randrange(4),
            "graded": rng.randrange(2),
            "signed": rng.randrange(2),
        }
        if op["name"] == "mac":
            op["shift"] = rng.choice([0, 1, 7, 8, 15, 16, 31, rng.randrange(32)])
            if rng.random() < 0.3:  # a product just around a half of what is dropped
                op["y"], half = 1, 1 << op["shift"] >> 1
                op["x"] = saturate(rng.choice([-1, 1]) * half * rng.choice([1, 1, 3]) + rng.randint(-1, 1), state)
        else:
            op["y"] = rng.randrange(2)  # of x or of 0
        pipe = [op, *pipe[:3]]
        drive = {"x_i": op["x"] << 7 - op["shift"] % 8 if raised else op["x"], "y_i": op["y"], "r_i": op["r"]}
        if len(pipe) > 1:
            at = pipe[1]
            shift = at["shift"] | 7 if raised else at["shift"]
            drive |= {"shift4_i": shift, "below4_i": (1 << shift % 8) - 1, "round4_i": at["mode"]}
            drive |= {"acc4_i": at["use"], "accumulator4_i": at["accumulator"], "neg_r4_i": at["name"] != "mac"}
        if len(pipe) > 2:
            drive |= {"select5_i": pipe[2]["name"] in ("min", "max"), "max5_i": pipe[2]["name"] == "max"}
        if len(pipe) > 3:
            drive |= {"graded6_i": pipe[3]["graded"], "signed6_i": pipe[3]["signed"]}
        await bench.cycle(**drive)
        if len(pipe) < 3:
            continue
        at = pipe[2]
        product = round_shift(at["x"] * at["y"], at["shift"], at["mode"])
        other = at["accumulator"] if at["use"] else at["r"]
        wanted = {
            "mac": product + other,
            "sub": product - other,
            "min": min(product, other),
            "max": max(product, other),
        }[at["name"]]
        assert bench.signed("result5_o") == saturate(wanted, state), at
        if at["name"] != "mac":
            assert (bench.less5_o, bench.equal5_o) == (product < other, product == other), at
        elif at["y"] == 1 and at["shift"] == 0:
            low = -128 if at["signed"] else 0
            at["payload"] = max(low, min(low + 255, wanted)) & 255 if at["graded"] else 1
        if len(pipe) > 3 and "payload" in pipe[3]:
            assert bench.payload6_o == pipe[3]["payload"], pipe[3]
