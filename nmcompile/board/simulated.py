"""A board that everybody has: nm_board.v Verilated, its UART pins driven clock by clock, behind a pseudo-terminal."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pty
import select
import socket
import tty
from collections.abc import Callable
from typing import Any, Final

from emulator.spec.arch import Architecture
from emulator.spec.errors import DeviceError, UsageError
from emulator.verilog.build import CLOCKS_PER_BIT, board_parameters, board_sources, build_library

LARGEST: Final = 16  # cores that still simulate at a useful speed
BATCH: Final = 200_000  # clocks between two looks at the terminal
ROOM: Final = 1 << 16  # bytes of one batch


class SimulatedBoard:
    """The board's two pins, as bytes in and out.

    Args:
        skew: how much longer than nominal the host's bits are; gap: its idle bits between two bytes.
        defines: of the Verilog, as a part of an FPGA has them; override: parameters of `nm_board` likewise.
    """

    def __init__(
        self,
        arch: Architecture,
        clocks_per_bit: int = CLOCKS_PER_BIT,
        seed: int = 1,
        skew: float = 0.0,
        gap: int = 0,
        defines: tuple[str, ...] = (),
        **override: int,
    ):
        if arch.cores > LARGEST:
            raise UsageError(
                f"architecture {arch.name!r} has {arch.cores} cores, a simulated board at most {LARGEST}; "
                "use a smaller one"
            )
        parameters = board_parameters(arch, clocks_per_bit) | {name: str(value) for name, value in override.items()}
        library = build_library("nm_board", board_sources(), "nm_board_verilated.cpp", parameters, defines)
        lib = ctypes.CDLL(str(library))
        lib.nm_board_new.restype, lib.nm_board_new.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_int]
        lib.nm_board_clocks.restype = ctypes.c_uint64
        lib.nm_board_run.restype = ctypes.c_int64
        lib.nm_board_run.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)]
        lib.nm_board_run.argtypes += [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64]
        lib.nm_board_line.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_int]
        for name in ("delete", "reset", "quiet", "clocks"):
            getattr(lib, f"nm_board_{name}").argtypes = [ctypes.c_void_p]
        self.arch, self._lib = arch, lib
        self._board: Any = lib.nm_board_new(seed, clocks_per_bit)
        self._out = ctypes.create_string_buffer(ROOM)
        self.set_line(skew, gap)

    def set_line(self, skew: float, gap: int) -> None:
        """How the host sends from now on."""
        self._lib.nm_board_line(self._board, skew, gap)

    def close(self) -> None:
        if self._board:
            self._lib.nm_board_delete(self._board)
            self._board = None

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self.close()

    def reset(self) -> None:
        """The board's reset button."""
        self._lib.nm_board_reset(self._board)

    @property
    def quiet(self) -> bool:
        """Nothing moves, nor will it before another byte comes."""
        return bool(self._lib.nm_board_quiet(self._board))

    @property
    def clocks(self) -> int:
        return self._lib.nm_board_clocks(self._board)

    def run(self, data: bytes, clocks: int = BATCH) -> tuple[int, bytes]:
        """Send bytes for at most so many clocks, or until the board is quiet: (bytes sent, bytes received)."""
        used = ctypes.c_int64()
        count = self._lib.nm_board_run(
            self._board, data, len(data), ctypes.byref(used), ctypes.addressof(self._out), ROOM, clocks
        )
        return used.value, self._out.raw[:count]


class SimulatedTransport:
    """A simulated board in this process, without a terminal between: for tests, with time that does not pass."""

    name = "simulation"

    def __init__(self, board: SimulatedBoard):
        self.board = board
        self._to_send = b""

    def write(self, data: bytes) -> None:
        self._to_send += data

    def read(self, timeout: float) -> bytes:
        """Bytes as soon as there are any; nothing if the board is quiet: then a wait changes nothing."""
        while True:
            used, data = self.board.run(self._to_send)
            self._to_send = self._to_send[used:]
            if data or (self.board.quiet and not self._to_send):
                return data

    def close(self) -> None:
        self.board.close()


# ------------------------------------------------------------------------------------------------- serving it
def serve(board: SimulatedBoard, announce: Callable[[str], None], tcp: int | None = None) -> None:
    """Serve a board on a pseudo-terminal, or on a TCP port of this computer, until interrupted."""
    if tcp is None:
        master, slave = pty.openpty()  # the slave stays open here, so that a client may come and go
        tty.setraw(slave)
        os.set_blocking(master, False)
        try:
            announce(os.ttyname(slave))
            _serve(board, master)
        finally:
            os.close(master)
            os.close(slave)
        return
    try:
        server = socket.create_server(("127.0.0.1", tcp))
    except OSError as error:
        why = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise DeviceError(f"port {tcp} of 127.0.0.1 {why}; choose another, or 0 for any") from None
    with server:
        announce(f"socket://127.0.0.1:{server.getsockname()[1]}")
        while True:
            client, _ = server.accept()
            with client:
                client.setblocking(False)
                _serve(board, client.fileno(), server)


def _serve(board: SimulatedBoard, line: int, server: socket.socket | None = None) -> None:
    """Until the other side hangs up, which a pseudo-terminal's never does; others who come are hung up on."""
    come: list[Any] = [line] if server is None else [line, server]
    to_board = to_host = b""
    while True:
        idle = board.quiet and not to_board
        ready, _, _ = select.select(come, [line] if to_host else [], [], 1.0 if idle else 0)
        if server in ready:
            server.accept()[0].close()  # type: ignore[union-attr]
        if line in ready and len(to_board) < ROOM:
            try:
                data = os.read(line, 4096)
            except BlockingIOError:
                data = b""
            except OSError:
                return
            else:
                if not data:
                    return
            to_board += data
        if to_board or not board.quiet:
            used, data = board.run(to_board, BATCH)
            to_board, to_host = to_board[used:], to_host + data
        if to_host:
            try:
                to_host = to_host[os.write(line, to_host) :]
            except BlockingIOError:
                to_host = to_host[-ROOM:]  # nobody reads: a real line forgets, too
            except OSError:
                return
