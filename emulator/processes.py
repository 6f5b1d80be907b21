"""Programs of others, each in a process group of its own that ends with us, however we end.

Between us and the program stands a watcher, this file run as a script: it holds the other end of a pipe that closes
when we are gone, killed or not, and then kills the program with all that it started.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any


class Program(subprocess.Popen):
    """A running program. `end` it, or let it end.

    Args:
        remove: a folder that goes with the program if nobody is left to wait for it.
        options: of `subprocess.Popen`.
    """

    def __init__(self, command: list[str], remove: str | Path = "", **options: Any):
        watched, self._life = os.pipe()
        try:
            watcher = [sys.executable, "-I", "-S", __file__, str(watched), str(remove), *command]
            super().__init__(watcher, pass_fds=(watched,), start_new_session=True, **options)
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(watched)

    def _let_go(self) -> None:
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    def end(self) -> None:
        """Kill it, if it still runs, and wait until nothing of it is left."""
        self._let_go()
        self.wait()


def run(
    command: list[str], cwd: Path, environment: dict[str, str] | None = None, log: IO[str] | None = None
) -> subprocess.CompletedProcess:
    """Run a program in a folder of its own, which goes with it if we are killed; `log` takes what it says."""
    out = log or subprocess.PIPE
    options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "text": True, "errors": "replace"}
    program = Program(command, cwd, cwd=cwd, env=environment, **options)
    try:
        said, complained = program.communicate()
    finally:
        program.end()
    return subprocess.CompletedProcess(command, program.returncode, said or "", complained or "")


# --------------------------------------------------------------------------------------------------- the watcher
def _watch(life: int, remove: str, command: list[str]) -> int:
    """Run the command until it ends or the pipe `life` closes; its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)  # a handler, which the command does not inherit
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        child = subprocess.Popen(command, process_group=0)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    alone = False
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        ready, _, _ = select.select([life, woken], [], [])
        if life in ready:
            alone = True
            break
        os.read(woken, 4096)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # what the command started and left behind goes, too
    code = child.wait()
    if alone and remove:
        shutil.rmtree(remove, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_watch(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
