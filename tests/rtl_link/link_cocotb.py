"""Runs inside the simulator: the driver, through a cocotb line, against the Verilog's UART and link."""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, Timer, with_timeout
from cocotb.utils import get_sim_time

from nmcompile.board import link, protocol
from nmcompile.board.link import Board
from nmcompile.board.script import Script

CLOCK_PS = 10_000
BIT_PS = int(os.environ.get("CLOCKS_PER_BIT", "13")) * CLOCK_PS
PATIENCE = {"seconds": 400}  # bits of silence that count as a second of it


class CocotbLine:
    """The board's two pins as a transport; the driver runs in a thread (`bridge`)."""

    name = "cocotb"

    def __init__(self, dut, skew=0.0, gap=lambda: 0):
        self.dut, self.bit, self.gap = dut, round(BIT_PS * (1 + skew)), gap
        self.received = Queue()
        dut.rx_i.value = 1
        cocotb.start_soon(self.listen())

    async def listen(self):
        while True:
            await FallingEdge(self.dut.tx_o)
            await Timer(self.bit // 2, "ps")
            byte = 0
            for i in range(8):
                await Timer(self.bit, "ps")
                byte |= int(self.dut.tx_o.value) << i
            await Timer(self.bit, "ps")
            assert int(self.dut.tx_o.value) == 1, "a stop bit is high"
            self.received.put_nowait(byte)

    async def send(self, data):
        for byte in data:
            for level in (0, *(byte >> i & 1 for i in range(8)), 1):
                self.dut.rx_i.value = level
                await Timer(self.bit, "ps")
            if pause := self.gap():
                await Timer(pause * self.bit, "ps")

    async def take(self, bits):
        for _ in range(bits // 20 + 1):
            if not self.received.empty():
                return bytes(self.received.get_nowait() for _ in range(self.received.qsize()))
            await Timer(20 * self.bit, "ps")
        return b""

    # as a transport
    def write(self, data):
        resume(self.send)(data)

    def read(self, timeout):
        return resume(self.take)(int(timeout * PATIENCE["seconds"]))

    def close(self):
        pass


async def start(dut):
    cocotb.start_soon(Clock(dut.clk_i, CLOCK_PS, "ps").start())
    dut.rst_i.value = 1
    dut.rx_i.value = 1
    await ClockCycles(dut.clk_i, 5)
    dut.rst_i.value = 0
    await ClockCycles(dut.clk_i, 5)


def session(line, seed):
    """Identify, write registers in every mode, read them back; the number of repeats."""
    rng = random.Random(seed)
    board = Board(line)
    assert board.identity.hash == "0123456789abcdef"
    wanted = {}
    script = Script(board.identity, again=False)
    for _ in range(12):
        register = rng.randrange(1, 28)
        wanted[register] = rng.choice([rng.randrange(1 << 32), 0x7E7D7E7D, max(wanted.values(), default=0) + 3])
        wanted[register] &= 0xFFFFFFFF
        script.write(register, [wanted[register]])
    for register in wanted:
        script.read(register, 1)
    script.cut()
    data = b"".join(board.run(script.requests))
    assert [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)] == list(wanted.values())
    return board.retries


@cocotb.test()
async def clocks_apart_cost_nothing(dut):
    await start(dut)
    for skew in (0.02, -0.02, 0.0):
        repeats = await with_timeout(bridge(session)(CocotbLine(dut, skew), 1), 40, "ms")
        assert repeats == 0, skew


@cocotb.test()
async def gaps_between_bytes_cost_nothing(dut):
    await start(dut)
    rng = random.Random(2)
    line = CocotbLine(dut, 0.02, lambda: rng.choice([0, 0, 0, 1, 2, 15]))
    assert await with_timeout(bridge(session)(line, 2), 40, "ms") == 0


@cocotb.test()
async def a_short_spike_is_no_start_bit_and_a_long_break_no_byte(dut):
    await start(dut)
    dut.rx_i.value = 0
    await Timer(BIT_PS // 4, "ps")
    dut.rx_i.value = 1
    await Timer(2 * BIT_PS, "ps")
    dut.rx_i.value = 0
    await Timer(40 * BIT_PS, "ps")  # the stop bit is missing: the frame that follows the break is spoilt
    dut.rx_i.value = 1
    await Timer(2 * BIT_PS, "ps")
    line = CocotbLine(dut)
    repeats = await with_timeout(bridge(session)(line, 3), 40, "ms")
    assert repeats == 0


@cocotb.test()
async def replies_leave_without_gaps(dut):
    await start(dut)
    line = CocotbLine(dut)
    request = protocol.encode(protocol.Frame(0, protocol.OPEN, bytes([0x40, 30])))
    await line.send(request)
    await FallingEdge(dut.tx_o)
    begin = get_sim_time("ps")
    data = b""
    while piece := await line.take(40):
        data += piece
        end = get_sim_time("ps")
    assert len(data) >= 120
    assert end - begin < 1.01 * (len(data) * 10 + 40) * BIT_PS


link.QUIET = 0.1
