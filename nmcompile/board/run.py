"""Samples on a board, and the emulator beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

import emulator
from emulator.energy import load_prices, price
from emulator.result import NOT_COUNTED, RunResult
from emulator.simulate import checked_rewards
from emulator.spec import isa
from emulator.spec.errors import DeviceError, MachineError
from emulator.spec.image import Image
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS
from emulator.verilated import host_constants, memory_values

from ..learned import set_learning
from ..spikes import SpikeData
from ..study.evaluate import DEFAULT_PRICES
from ..study.learning import learned_meta
from .flash import Chunk, check_fault, check_match, clear_fault, differing, write_chunks
from .layout import Segment, address_bits, restored, segments
from .learned import compare_learned, read_learned
from .link import Board
from .protocol import HALF, STEP, WORD
from .script import Script

CYCLES = ("compute_cycles", "fabric_cycles", "barrier_cycles")


@dataclass(frozen=True)
class Window:
    """Consecutive words of a memory, read after every timestep."""

    core: int
    memory: str
    first: int
    words: int
    mode: int  # how much of each 32-bit part
    parts: int  # of a word

    @property
    def size(self) -> int:
        """Bytes of a reading."""
        return self.words * self.parts * {STEP: 1, HALF: 2, WORD: 4}[self.mode]


def spike_windows(image: Image, places: np.ndarray) -> list[Window]:
    """The blocks that hold these neurons, (n, 2) core and neuron; small holes are read along."""
    mode = STEP if image.arch.lanes <= 8 else HALF
    return [Window(core, "spikes", first, count, mode, 1) for core, first, count in _stretches(image, places)]


def emitting(image: Image) -> np.ndarray:
    """(n, 2) core and first neuron of every block whose spikes an `end` sends out."""
    found = []
    for number, core in enumerate(image.cores):
        ends = [op.lo for op in (isa.decode(word) for word in core.program) if op.name == "end"]
        found += [(number, block * image.arch.lanes) for block in range(max(ends, default=0))]
    return np.array(found, np.int64).reshape(-1, 2)


def register_windows(image: Image, places: np.ndarray, register: int) -> list[Window]:
    """The words of one register that hold these neurons."""
    first = register << address_bits(image.arch.blocks)
    mode = HALF if image.arch.state_bits <= 16 else WORD
    return [
        Window(core, "registers", first + at, n, mode, image.arch.lanes) for core, at, n in _stretches(image, places)
    ]


def payload_windows(image: Image) -> list[Window]:
    """The words that hold what the outputs' spikes carry."""
    parts = -(-8 * image.arch.lanes // 32)
    return [
        Window(core, "spike_payloads", first, n, WORD, parts) for core, first, n in _stretches(image, image.outputs)
    ]


def _stretches(image: Image, places: np.ndarray) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    blocks = sorted({(int(core), int(neuron) // image.arch.lanes) for core, neuron in places})
    for core, group in groupby(blocks, key=lambda place: place[0]):
        numbers = [block for _, block in group]
        first = last = numbers[0]
        for block in [*numbers[1:], 1 << 30]:
            if block - last > 8 or block - first >= 256:
                found.append((core, first, last - first + 1))
                first = block
            last = block
    return found


class Runner:
    """Runs samples of one image on a board that holds it.

    Args:
        everything: read the spikes of all neurons, not only of the outputs.
        learn: samples follow each other; else each of them starts from the image.

    Raises:
        DeviceError: another architecture, another image is loaded, or the line failed.
    """

    def __init__(self, board: Board, image: Image, everything: bool, learn: bool = False):
        check_match(board, image)
        self.board, self.image, self.learn, self.host = board, set_learning(image, learn), learn, host_constants()
        places = np.concatenate([image.outputs, emitting(image)]) if everything else image.outputs
        self.windows = spike_windows(image, places)
        if image.output_payloads != "one":
            self.windows += payload_windows(image)
        self.membrane = None
        if image.meta.get("readout") == "membrane":
            self.membrane = image.population(image.meta["output"])
            self.windows += register_windows(image, self.membrane.location, self.membrane.registers["v"])
        clear_fault(board)
        wrong = self._switched()
        if wrong:
            raise DeviceError(
                f"the board on {board.transport.name} holds another network ({wrong[0][0].memory} of core "
                f"{wrong[0][0].core} differs); load this one first: nmc flash"
            )
        self._restored: list[Segment] | None = None
        self._payload: int | None = None

    def _switched(self) -> list[Chunk]:
        """What differs from the image and no sample changes; first, learning is switched on or off."""
        wrong = differing(self.board, _constant(self.image))
        if all(segment.memory == "program" for segment, _, _ in wrong):
            other = _constant(set_learning(self.image, not self.learn))
            if wrong and not differing(self.board, [segment for segment in other if segment.memory == "program"]):
                write_chunks(self.board, wrong)
                wrong = differing(self.board, _constant(self.image))
        return wrong

    # ---------------------------------------------------------------------------------------------- samples
    def sample(self, spikes: np.ndarray, reward: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
        """Run one sample, (timesteps, inputs): (bytes of each window, (steps, size); chip counters after it)."""
        steps = len(spikes) + self.image.latency
        self._reset(len(spikes), reward)
        script = Script(self.board.identity, again=False)
        for t in range(steps):
            if t < len(spikes):
                self._inject(script, spikes[t])
            script.write(self.host["H_COMMAND"], [self.host["CMD_STEP"] | 1 << 8])
            for window in self.windows:
                number = self.host[f"MEM_{window.memory.upper()}"]
                script.write(self.host["H_SELECT"], [window.core << 24 | number << 20 | window.first])
                script.read(self.host["H_DATA"], window.words * window.parts, window.mode)
        script.write(self.host["H_SELECT"], [0])
        script.read(self.host["H_DATA"], 1, STEP)  # waits for the last timestep, as counters and status do not
        for i in range(2 * len(CHIP_COUNTERS)):
            script.read(self.host["H_COUNT"] + i, 1)
        script.read(self.host["H_STATUS"], 1, STEP)
        script.cut()
        data = b"".join(self.board.run(script.requests))
        if data[-1] & 2:
            check_fault(self.board, "while it ran", self.image.arch.cores)
        tail = len(data) - 8 * len(CHIP_COUNTERS) - 1
        rows = np.frombuffer(data[: tail - 1], np.uint8).reshape(steps, -1)
        cuts = np.cumsum([window.size for window in self.windows])[:-1]
        counters = np.frombuffer(data[tail:-1], ">u4").astype(np.int64).reshape(-1, 2)
        return np.split(rows, cuts, axis=1), counters[:, 0] | counters[:, 1] << 32

    def _reset(self, timesteps: int, reward: int) -> None:
        script = Script(self.board.identity, again=False)
        script.write(self.host["H_TIMESTEPS"], [timesteps])
        script.write(self.host["H_REWARD"], [reward & 0xFFFF_FFFF])
        script.write(self.host["H_PAYLOAD"], [1])
        script.write(self.host["H_COMMAND"], [self.host["CMD_RESET"]])
        script.cut()
        self.board.run(script.requests)
        self._payload = 1
        if self._restored is None:
            self._restored = restored(self.image, timesteps, reward)
        elif self.learn:
            return
        stale = differing(self.board, self._restored)
        if stale:
            write_chunks(self.board, stale)

    def _inject(self, script: Script, values: np.ndarray) -> None:
        """One timestep's inputs: routes of equal payload in ascending order take a byte each."""
        image = self.image
        for payload in np.unique(values[values != 0]).tolist():
            active = np.flatnonzero(values == payload)
            first, count = image.input_pointers[active], np.diff(image.input_pointers)[active]
            index = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
            if payload != self._payload:
                script.write(self.host["H_PAYLOAD"], [payload])
                self._payload = payload
            script.write(self.host["H_INJECT"], np.sort(image.input_routes[index]).tolist())

    # ------------------------------------------------------------------------------------- what was read
    def fired(self, rows: list[np.ndarray]) -> np.ndarray:
        """(n, 3) timestep, core, neuron of a sample's spikes, ascending."""
        found = [np.zeros((0, 3), np.int64)]
        lanes = self.image.arch.lanes
        for window, data in zip(self.windows, rows, strict=True):
            if window.memory == "spikes":
                words = data.copy().view(">u2" if window.mode == HALF else np.uint8).astype(np.int64)
                t, block, lane = np.nonzero(words[:, :, None] >> np.arange(lanes) & 1)
                neuron = (window.first + block) * lanes + lane
                found.append(np.stack([t, np.full(len(t), window.core), neuron], axis=1))
        spikes = np.concatenate(found)
        return spikes[np.lexsort(spikes.T[::-1])]

    def counts(self, rows: list[np.ndarray], fired: np.ndarray, timesteps: int) -> np.ndarray:
        """(outputs,) output spikes of a sample, or what they carried."""
        arch, latency = self.image.arch, self.image.latency
        carried = np.ones((len(rows[0]), arch.cores, arch.neurons), np.uint8)
        for window, data in zip(self.windows, rows, strict=True):
            if window.memory == "spike_payloads":
                parts = data.copy().view(">u4").reshape(-1, window.parts)
                values = memory_values("spike_payloads", parts.astype(np.uint32), arch.lanes, 8)
                first = window.first * arch.lanes
                carried[:, window.core, first : first + window.words * arch.lanes] = values.reshape(len(data), -1)
        shown = fired[(fired[:, 0] >= latency) & (fired[:, 0] < latency + timesteps)]
        return self.image.count_outputs(np.column_stack([shown[:, 1:], carried[tuple(shown.T)]]))

    def membranes(self, rows: list[np.ndarray], timesteps: int) -> np.ndarray:
        """(outputs,) the sum of the output population's `v` over its timesteps."""
        assert self.membrane is not None
        arch, total = self.image.arch, np.zeros(len(self.membrane.location), np.int64)
        for window, data in zip(self.windows, rows, strict=True):
            if window.memory == "registers":
                parts = data.copy().view(">u2" if window.mode == HALF else ">u4").reshape(-1, window.parts)
                values = memory_values("registers", parts.astype(np.uint32), arch.lanes, arch.state_bits, signed=True)
                values = values.reshape(len(data), -1)
                base = (window.first & (1 << address_bits(arch.blocks)) - 1) * arch.lanes
                place = self.membrane.location[:, 1] - base
                mine = (self.membrane.location[:, 0] == window.core) & (place >= 0) & (place < values.shape[1])
                kept = values[self.image.latency : self.image.latency + timesteps]
                total[mine] = kept[:, place[mine]].sum(axis=0)
        return total

    def core_counters(self) -> np.ndarray:
        """(counters, cores) int64."""
        script = Script(self.board.identity, again=True)
        for core in range(self.image.arch.cores):
            script.write(self.host["H_SELECT"], [core << 24 | self.host["MEM_CONTROL"] << 20])
            script.read(self.host["H_DATA"], 2 * len(COUNTERS))
            script.cut()
        data = np.frombuffer(b"".join(self.board.run(script.requests)), ">u4").astype(np.int64)
        parts = data.reshape(self.image.arch.cores, len(COUNTERS), 2)
        return (parts[:, :, 0] | parts[:, :, 1] << 32).T

    def chip_counters(self) -> np.ndarray:
        script = Script(self.board.identity, again=True)
        for i in range(2 * len(CHIP_COUNTERS)):
            script.read(self.host["H_COUNT"] + i, 1)
        script.cut()
        parts = np.frombuffer(self.board.run(script.requests)[0], ">u4").astype(np.int64).reshape(-1, 2)
        return parts[:, 0] | parts[:, 1] << 32


def _constant(image: Image) -> list[Segment]:
    """What running an image leaves as it is."""
    return [segment for segment in segments(image) if not segment.changes]


def run_on_board(
    board: Board,
    image: Image,
    data: SpikeData,
    everything: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    compare: bool = False,
    learn: bool = False,
) -> RunResult:
    """Run samples on a board that holds the image; with `compare`, the emulator beside it.

    Args:
        everything: read the spikes of all neurons into `RunResult.spikes`, which is None otherwise; so does `compare`.
        learn: as of `evaluate`: samples follow each other from the image's weights on, `rewards` of the data go with
            them, and `RunResult.learned` is the image that they end in, read from the board. Otherwise nothing learns.

    Raises:
        MachineError: the board faulted, or differs from the emulator; the message is the first difference.
    """
    samples, timesteps, _ = data.spikes.shape
    rewards = checked_rewards(image, data.extra.get("rewards", 0) if learn else 0, samples)
    everything = everything or compare
    runner = Runner(board, image, everything, learn)
    image = runner.image
    wanted = None
    if compare:
        probes = [f"v:{runner.membrane.name}"] if runner.membrane is not None else []
        wanted = emulator.run(image, data.spikes, record_spikes=True, learn=learn, reward=rewards, probes=probes)
    started = time.monotonic()
    cores, chip = runner.core_counters(), runner.chip_counters()
    wrap = (1 << board.identity.counter_bits) - 1
    names = list(CHIP_COUNTERS)
    cycles, total = np.zeros(samples, np.int64), np.zeros(len(names), np.int64)
    counts = np.zeros((samples, len(image.outputs)), np.int32)
    scores = np.zeros((samples, len(image.outputs)))
    spikes = [np.zeros((0, 4), np.int32)]
    for sample in range(samples):
        rows, after = runner.sample(data.spikes[sample], int(rewards[sample]))
        step, chip = after - chip & wrap, after
        total += step
        cycles[sample] = sum(step[names.index(name)] for name in CYCLES)
        fired = runner.fired(rows)
        spikes.append(np.insert(fired, 0, sample, axis=1).astype(np.int32))
        if wanted is not None:
            _compare(image, sample, spikes[-1], int(cycles[sample]), wanted, bool(wrap))
        counts[sample] = runner.counts(rows, fired, timesteps)
        if wanted is not None:
            _compare_outputs(sample, counts[sample], wanted.output_counts[sample], "what output {} sent")
        if runner.membrane is not None:
            sums = runner.membranes(rows, timesteps)
            if wanted is not None:
                v = wanted.probes[f"v:{runner.membrane.name}"][sample, image.latency : image.latency + timesteps]
                _compare_outputs(sample, sums, v.sum(axis=0), "the membrane sum of output {}")
            scores[sample] = sums / runner.membrane.scale
        if progress:
            progress("running", sample + 1, samples)
    ledger = dict(zip(COUNTERS, runner.core_counters() - cores & wrap, strict=True))
    ledger_chip = dict(zip(names, total.tolist(), strict=True))
    elapsed = time.monotonic() - started
    if wanted is not None and wrap:
        _compare_counters(ledger, ledger_chip, wanted)
    predictions = (scores if runner.membrane is not None else counts).argmax(axis=1)
    found = np.concatenate(spikes)
    result = _result(image, data, counts, predictions, found, cycles, ledger, ledger_chip, elapsed, bool(wrap))
    if not everything:
        result = replace(result, spikes=None)
    if not learn:
        return result
    learned = read_learned(board, image)
    if wanted is not None:
        assert wanted.learned is not None
        compare_learned(learned, wanted.learned, lambda core, neuron: _neuron(image, core, neuron))
    meta = learned_meta(image, learned, "rewards" in data.extra) | ({"rows": result.total("rows")} if wrap else {})
    return replace(result, learned=learned).with_meta(learning=meta)


def _result(
    image: Image,
    data: SpikeData,
    counts: np.ndarray,
    predictions: np.ndarray,
    spikes: np.ndarray,
    cycles: np.ndarray,
    ledger: dict[str, np.ndarray],
    chip: dict[str, int],
    elapsed: float,
    counted: bool,
) -> RunResult:
    nothing = tuple(np.zeros(0, np.int64) for _ in range(image.arch.cores))
    fired = np.zeros((image.arch.cores, image.arch.neurons), np.int64)
    np.add.at(fired, (spikes[:, 2], spikes[:, 3]), 1)
    key = (spikes[:, 0].astype(np.int64) * image.arch.cores + spikes[:, 2]) * image.arch.neurons + spikes[:, 3]
    by_sample = np.bincount(key, minlength=len(cycles) * image.arch.cores * image.arch.neurons)
    by_sample = by_sample.reshape(len(cycles), image.arch.cores, image.arch.neurons)
    populations = [by_sample[:, p.location[:, 0], p.location[:, 1]].sum(axis=1) for p in image.populations]
    meta: dict[str, Any] = {
        "timesteps": data.spikes.shape[1],
        "latency": image.latency,
        "populations": [p.name for p in image.populations],
        "image": image.meta,
        "architecture": image.arch.as_dict(),
        "input_spikes": int(np.count_nonzero(data.spikes)),
        "costs": [],
        "predictions": predictions.tolist(),
    }
    if counted:
        meta["energy"] = price(image.arch, ledger, int(cycles.sum()), load_prices(DEFAULT_PRICES)).as_dict()
    if data.labels is not None:
        meta |= {"labels": data.labels.tolist(), "accuracy": float((predictions == data.labels).mean())}
    return RunResult(
        output_counts=counts,
        predictions=predictions,
        spikes=spikes,
        sample_cycles=cycles,
        counters=ledger,
        chip=chip,
        executions=nothing,
        axon_events=nothing,
        neuron_spikes=fired,
        sample_spikes=np.stack(populations, axis=1).astype(np.int32)
        if populations
        else np.zeros((len(cycles), 0), np.int32),
        probes={},
        cycles_are="exact" if counted else NOT_COUNTED,
        rtl=image.arch.rtl,
        elapsed_s=elapsed,
        meta=meta,
    )


# ------------------------------------------------------------------------------------------------- comparing
def _compare(image: Image, sample: int, found: np.ndarray, cycles: int, wanted: RunResult, counted: bool) -> None:
    """MachineError with the first spike of a sample that only one of them has, or with its cycles."""
    assert wanted.spikes is not None
    first, last = np.searchsorted(wanted.spikes[:, 0], [sample, sample + 1])
    board = {tuple(row) for row in found.tolist()}
    emulated = {tuple(row) for row in wanted.spikes[first:last].tolist()}
    if board != emulated:
        _, t, core, neuron = min(board ^ emulated)
        side = "the emulator" if (sample, t, core, neuron) in emulated else "the board"
        raise MachineError(
            f"board and emulator differ first in sample {sample}, timestep {t}: {_neuron(image, core, neuron)} "
            f"fires only on {side}; {len(board ^ emulated):,} of {len(board | emulated):,} spikes of this sample differ"
        )
    if counted and cycles != wanted.sample_cycles[sample]:
        raise MachineError(
            f"board and emulator differ in the cycles of sample {sample}: {cycles:,} on the board, "
            f"{int(wanted.sample_cycles[sample]):,} emulated; the spikes are equal"
        )


def _compare_outputs(sample: int, found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    """MachineError with the first output whose spikes carried something else, or whose membrane was another."""
    for i in np.flatnonzero(found != wanted)[:1]:
        raise MachineError(
            f"board and emulator differ in {what.format(i)} in sample {sample}: {found[i]:,} on the board, "
            f"{wanted[i]:,} emulated; the spikes are equal"
        )


def _neuron(image: Image, core: int, neuron: int) -> str:
    for population in image.populations:
        hit = np.flatnonzero((population.location == (core, neuron)).all(axis=1))
        if len(hit):
            return f"neuron {hit[0]} of {population.name!r} (core {core}, neuron {neuron})"
    return f"core {core}, neuron {neuron}"


def _compare_counters(ledger: dict[str, np.ndarray], chip: dict[str, int], wanted: RunResult) -> None:
    for name, values in ledger.items():
        if (values != wanted.counters[name]).any():
            core = int(np.flatnonzero(values != wanted.counters[name])[0])
            raise MachineError(
                f"board and emulator differ in {name} of core {core}: {int(values[core]):,} on the board, "
                f"{int(wanted.counters[name][core]):,} emulated; spikes and cycles are equal"
            )
    for name in chip:
        if chip[name] != wanted.chip[name]:
            raise MachineError(
                f"board and emulator differ in {name}: {chip[name]:,} on the board, {wanted.chip[name]:,} emulated"
            )


def summary(board: Board, result: RunResult, compared: bool) -> dict[str, Any]:
    """The keys of `nmc run --json`; null is what a board without counters cannot say."""
    counted = bool(board.identity.counter_bits)
    values: dict[str, Any] = {
        "samples": result.samples,
        "timesteps": result.meta["timesteps"],
        "spikes": result.total("spikes") if counted else None if result.spikes is None else len(result.spikes),
        "synaptic_operations": result.total("synaptic_operations") if counted else None,
        "cycles_per_sample": float(result.sample_cycles.mean()) if counted else None,
        "cycles_are": "counted by the board" if counted else "not counted by this board",
        "architecture": board.identity.label,
        "port": board.transport.name,
        "retries": board.retries,
        "elapsed_s": result.elapsed_s,
    }
    if "accuracy" in result.meta:
        values["accuracy"] = result.meta["accuracy"]
    if "rows" in result.meta.get("learning", {}):
        values["row_updates"] = result.meta["learning"]["rows"]
    if compared:
        values["differences"] = 0
        values["compared"] = ["spikes", *(["cycles", "counters"] if counted else [])]
        values["compared"] += ["output membranes"] if result.meta["image"].get("readout") == "membrane" else []
        values["compared"] += ["what was learned"] if result.learned else []
    return values
