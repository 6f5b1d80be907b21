"""The command line: verbs, exit codes, JSON; no logic.

stdout carries the result, stderr everything else. Exit codes: 0 done, 1 our bug, 2 usage, 3 bad input, 4 does not fit,
5 machine fault or mismatch, 6 device.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from emulator.spec.errors import InputError, NmError

# In the order in which people need them: the verb, and where in `verbs` it is.
VERBS = {
    "demo": "running",
    "compile": "compiling",
    "check": "checking",
    "emulate": "running",
    "inspect": "compiling",
    "report": "running",
    "verify": "running",
    "export": "compiling",
    "sweep": "studies",
    "devices": "boards",
    "board": "boards",
    "bitstream": "boards",
    "flash": "boards",
    "run": "boards",
    "synth": "boards",
    "cache": "caching",
}


class Verbs(click.Group):
    """A group that imports a verb when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = import_module(f".verbs.{VERBS[cmd_name]}", __package__)
        return getattr(module, "compile_command" if cmd_name == "compile" else cmd_name)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nmcompile", prog_name="nmc")
def cli() -> None:
    """Compile trained spiking networks for the nmcore, and run them: spikes, accuracy, cycles, energy."""


def main() -> None:
    """Entry point of `nmc`: every error of ours becomes one line and its exit code."""
    try:
        cli.main(prog_name="nmc", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        text = " ".join(error.format_message().split()).rstrip(".")
        _fail(f"{text}; see {context.command_path if context else 'nmc'} --help", 2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except NmError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or 'file'}: {error.strerror or error}", InputError.exit_code)
    except MemoryError:
        _fail("more than the memory of this computer holds; use --limit, or split the inputs", InputError.exit_code)


def _fail(message: str, code: int) -> None:
    click.echo("\n".join(f"nmc: {line}" for line in message.splitlines()), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
