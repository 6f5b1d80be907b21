"""Samples on a board, as scripts of its link."""

from __future__ import annotations

import numpy as np

from emulator.spec.errors import DeviceError
from emulator.spec.image import Image
from emulator.spec.ledger import CHIP_COUNTERS, COUNTERS
from emulator.verilog.host import host_constants, memory_values, select

from ..learning.learned import set_learning
from .flash import Chunk, check_fault, check_match, clear_fault, differing, write_chunks
from .link import Board
from .protocol import HALF, STEP
from .script import Script
from .segments import Segment, address_bits, restored, segments
from .windows import emitting, payload_windows, register_windows, spike_windows

CYCLES = ("compute_cycles", "fabric_cycles", "barrier_cycles")


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
        if image.notes and image.notes.readout == "membrane":
            self.membrane = image.population(image.notes.output)
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
                script.write(self.host["H_SELECT"], [select(window.core, window.memory, window.first)])
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
        arch, counted = self.image.arch, self.image.window(timesteps)
        carried = np.ones((len(rows[0]), arch.cores, arch.neurons), np.uint8)
        for window, data in zip(self.windows, rows, strict=True):
            if window.memory == "spike_payloads":
                parts = data.copy().view(">u4").reshape(-1, window.parts)
                values = memory_values("spike_payloads", parts.astype(np.uint32), arch.lanes, 8)
                first = window.first * arch.lanes
                carried[:, window.core, first : first + window.words * arch.lanes] = values.reshape(len(data), -1)
        shown = fired[(fired[:, 0] >= counted.start) & (fired[:, 0] < counted.stop)]
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
                kept = values[self.image.window(timesteps)]
                total[mine] = kept[:, place[mine]].sum(axis=0)
        return total

    def core_counters(self) -> np.ndarray:
        """(counters, cores) int64."""
        script = Script(self.board.identity, again=True)
        for core in range(self.image.arch.cores):
            script.write(self.host["H_SELECT"], [select(core, "control", 0)])
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
