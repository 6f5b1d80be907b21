"""A user's own neuron models and learning rules, from a file of Python that the command line names.

The file calls `neurons.models.register` and `learning.library.register_rule`. It is run only because, and only while, a
command that names it runs; an image keeps the file's name and digest, never its code.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from emulator.spec.errors import InputError
from emulator.spec.files import LARGEST_TEXT, input_file, printable
from emulator.spec.image import Image
from emulator.spec.notes import ModelsNote

from .learning.library import RULES
from .network.network import MODELS


@dataclass(frozen=True)
class UserModels:
    """A file of models, read and not run. It may travel to another process, which runs it there."""

    name: str
    source: bytes

    @property
    def note(self) -> ModelsNote:
        """What an image keeps of it."""
        return ModelsNote(self.name, hashlib.sha256(self.source).hexdigest())


def read_models(path: str | Path) -> UserModels:
    """Read a file of models; InputError if it is none that can be read."""
    path = input_file(path, LARGEST_TEXT)
    return UserModels(printable(path.name), path.read_bytes())


@contextlib.contextmanager
def using(models: UserModels | None) -> Iterator[None]:
    """Run the file; what it registers is there until the block ends, and then as it was before.

    Raises:
        InputError: it is no Python, fails, or registers nothing.
    """
    if models is None:
        yield
        return
    before = dict(MODELS), dict(RULES)
    name = f"nmc_models_{models.note.sha256[:16]}"
    try:
        _execute(models, name)
        if before == (MODELS, RULES):
            raise InputError(
                f"{models.name}: registers no neuron model and no rule; let it call register or register_rule"
            )
        yield
    finally:
        sys.modules.pop(name, None)
        MODELS.clear()
        MODELS.update(before[0])
        RULES.clear()
        RULES.update(before[1])


def check_models(image: Image, path: str | Path) -> None:
    """InputError if the file is not the one that the image was compiled with. It is not run: the image needs none."""
    given, note = read_models(path), image.compiled.models
    if note is None:
        raise InputError(f"{given.name}: this image was compiled without --models; leave it out, or compile it again")
    if given.note.sha256 != note.sha256:
        raise InputError(
            f"{given.name}: SHA-256 {given.note.sha256[:16]}.., but this image was compiled with {note.name}, "
            f"{note.sha256[:16]}..; give that file, or compile the network again"
        )


def _execute(models: UserModels, name: str) -> None:
    module = ModuleType(name)
    module.__file__ = models.name
    sys.modules[name] = module  # where dataclasses look
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is the command's
            exec(compile(models.source, models.name, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == models.name]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f" in line {line}" if line else ""
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InputError(
            f"{models.name}: {type(error).__name__}{where}: {printable(' '.join(text.split()))}; repair the file"
        ) from None
