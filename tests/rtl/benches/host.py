"""The bus under random pauses of both sides: words of memories, registers, injections, commands."""

import cocotb
from common import Bench

from emulator.spec import isa
from emulator.verilog.host import host_constants

H = host_constants()


class Host:
    """The bus master, and the chip behind the host port: memories as a dictionary."""

    def __init__(self, dut):
        self.bench = Bench(dut)
        p, rng = self.bench.p, self.bench.rng
        self.memory, self.commands, self.injected, self.refused = {}, [], [], 0
        self.chip = {"t_i": rng.getrandbits(24), "any_fault_i": 1, "fault_i": 5, "count_i": rng.getrandbits(64)}
        self.widths = {
            "PROGRAM": 64, "AXONS": 64, "CONTROL": 64, "REGISTERS": p["LANES"] * 32, "TRACES": p["LANES"] * 32,
            "ACCUMULATORS": p["LANES"] * 32,  # these come lane by lane
            "PREDICATES": p["LANES"] * 4, "SYNAPSES": p["LANES"] * 16, "SPIKE_PAYLOADS": p["LANES"] * 8,
            "SPIKES": p["LANES"], "PENDING": 16, "POINTERS": 32, "ROUTES": 32, "PAYLOADS": 8, "DELIVERED": 16,
            "RANDOM": p["LANES"] * 32,
        }  # fmt: skip
        self.idle, self.taking, self.answering = (self.bench.pattern() for _ in range(3))
        self.shown = []

    async def cycle(self, **inputs):
        """One cycle of the chip: it reads and writes memories, takes injections, sees commands."""
        bench = self.bench
        data = self.shown.pop(0) if len(self.shown) > 5 else 0
        idle, take = self.idle(), self.taking()
        await bench.cycle(idle_i=idle, inject_ready_i=take, mem_data_i=data, **self.chip, **inputs)
        place = 0
        if bench.mem_active_o:
            place = bench.mem_core_o, bench.mem_number_o, bench.mem_addr_o, bench.mem_part_o
            if bench.mem_we_o:
                self.memory[place] = bench.mem_data_o
        self.shown.append(self.memory.get(place, 0))
        if bench.step_o or bench.reset_o or bench.clear_fault_o:
            self.commands.append((bench.step_o, bench.reset_o, bench.clear_fault_o, bench.steps_o))
        if bench.inject_o and take:
            self.injected.append((bench.inject_route_o, bench.inject_payload_o))
        self.refused += bench.bad_inject_o

    async def write(self, address, data):
        while not self.bench.rng.randrange(3):
            await self.cycle(req_valid_i=0, req_data_i=self.bench.rng.getrandbits(32))
        for _ in range(10_000):
            await self.cycle(req_valid_i=1, req_write_i=1, req_addr_i=address, req_data_i=data)
            if self.bench.req_ready_o:
                await self.cycle(req_valid_i=0)
                return
        raise AssertionError("a write is not taken")

    async def read(self, address):
        for _ in range(10_000):
            await self.cycle(req_valid_i=1, req_write_i=0, req_addr_i=address, rsp_ready_i=0)
            if self.bench.req_ready_o:
                break
        for _ in range(10_000):
            ready = self.answering()
            await self.cycle(req_valid_i=0, rsp_ready_i=ready)
            if self.bench.rsp_valid_o and ready:
                word = self.bench.rsp_data_o
                await self.cycle(rsp_ready_i=0)
                assert not self.bench.rsp_valid_o
                return word
        raise AssertionError("a read is not answered")

    async def select(self, core, name, word):
        await self.write(H["H_SELECT"], core << 24 | H[f"MEM_{name}"] << 20 | word)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def memories_read_as_they_were_written(dut):
    host = Host(dut)
    bench = host.bench
    rng = bench.rng
    await bench.start()
    for _ in bench.cycles(40):
        name = rng.choice(list(host.widths))
        parts = -(-host.widths[name] // 32)
        core, first, count = rng.randrange(256), rng.randrange(1 << 19), rng.randint(1, 4)
        there = min(core, host.bench.p["CORES"])  # one code for all that are not there
        words = [[rng.getrandbits(32) for _ in range(parts)] for _ in range(count)]
        await host.select(core, name, first)
        for word in words:
            for part in word:
                await host.write(H["H_DATA"], part)
        await host.cycle()
        for i, word in enumerate(words):
            stored = [host.memory[there, H[f"MEM_{name}"], first + i, part] for part in range(parts)]
            assert stored == word
        if rng.randrange(2):  # a read that stops inside a word leaves nothing behind
            await host.select(core, name, first)
            assert await host.read(H["H_DATA"]) == words[0][0]
        await host.select(core, name, first)
        for word in words:
            assert [await host.read(H["H_DATA"]) for _ in range(parts)] == word


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def registers_commands_and_injections_arrive_once(dut):
    host = Host(dut)
    bench, p = host.bench, host.bench.p
    rng = bench.rng
    await bench.start()
    commands, injected, refused, payload = [], [], 0, 1
    for _ in bench.cycles(150):
        kind = rng.choice(["timesteps", "reward", "payload", "inject", "inject", "command", "read"])
        value = rng.getrandbits(32)
        if kind == "timesteps":
            await host.write(H["H_TIMESTEPS"], value)
            assert bench.timesteps_o == value & 0xFFFFFF
        elif kind == "reward":
            await host.write(H["H_REWARD"], value)
            assert bench.reward_o == value & (1 << p["STATE_BITS"]) - 1
        elif kind == "payload":
            payload = value & 0xFF
            await host.write(H["H_PAYLOAD"], value)
        elif kind == "inject":
            place = {
                "core": rng.randrange(p["CORES"] + 1),
                "delay": rng.randrange(min(16, p["DELAY_SLOTS"] + 1)),
                "axon": rng.choice([0, p["AXONS"] - 1, p["AXONS"]]),
            }
            word = isa.pack_fields(isa.ROUTE_FIELDS, **place)
            good = all(place[name] < p[name.upper() + ("S" if name != "delay" else "_SLOTS")] for name in place)
            if good:
                injected.append((word, payload))
            refused += not good
            await host.write(H["H_INJECT"], word)
        elif kind == "command":
            command = rng.randrange(1, 4)
            await host.write(H["H_COMMAND"], (value & ~0xFF) | command)
            commands.append((*(command == i for i in (1, 2, 3)), value >> 8))
        else:
            index = rng.randrange(5)
            wanted = {
                "H_VERSION": 0x4E4D << 16 | isa.ISA_VERSION,
                "H_SHAPE": p["WIDTH"] << 24 | p["HEIGHT"] << 16 | p["LANES"] << 8 | p["STATE_BITS"],
                "H_TIME": host.chip["t_i"],
                "H_FAULT": host.chip["fault_i"],
            }
            for name, word in wanted.items():
                assert await host.read(H[name]) == word, name
            assert await host.read(H["H_STATUS"]) >> 1 == 1
            assert await host.read(H["H_COUNT"] + 2 * index) == host.chip["count_i"] & 0xFFFFFFFF
            assert await host.read(H["H_COUNT"] + 2 * index + 1) == host.chip["count_i"] >> 32
    while len(host.injected) < len(injected):
        await host.cycle()
    for _ in range(3):
        await host.cycle()
    assert host.injected == injected
    assert host.refused == refused
    assert host.commands == commands
