"""Every error this project raises on purpose, with the exit code the command line gives it.

    NmError                     1   (never raised itself)
    |- CompilerError            1   the compiler made something wrong: our bug
    |- UsageError               2   the request contradicts itself
    |- InputError               3   a file or an array is not what it should be
    |- DoesNotFitError          4   the network does not fit the architecture
    |- MachineError             5   a machine faulted, or two machines differ
    `- DeviceError              6   a board, a port or an external tool is missing or does not answer

A message has four parts: what failed, on which named thing, the number against the limit, what to do.
"""

from __future__ import annotations


class NmError(Exception):
    """Base class; `exit_code` is what `nmc` returns for it."""

    exit_code = 1

    def __str__(self) -> str:
        """The message, with what a terminal cannot show escaped: names come from files."""
        return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in super().__str__())


class CompilerError(NmError):
    """The compiler made an image that its own check refuses: our bug, whatever the user gave."""


class UsageError(NmError):
    """The request contradicts itself or names something that does not exist."""

    exit_code = 2


class InputError(NmError):
    """A file or an array given by the user is not what it should be."""

    exit_code = 3


class DoesNotFitError(NmError):
    """The network does not fit the architecture; gathers every limit that is exceeded."""

    exit_code = 4

    def __init__(self, problems: list[str]):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class MachineError(NmError):
    """A machine faulted, or two machines that must agree differ."""

    exit_code = 5


class DeviceError(NmError):
    """A board, a port or an external tool is missing, busy or does not answer."""

    exit_code = 6
