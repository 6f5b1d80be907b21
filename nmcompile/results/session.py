"""Open a session on a compiled image: a chip that runs timestep by timestep.

with nm.session(image) as chip:
    for frame in frames:
        spikes = chip.step(frame)
        chip.reward = grade(spikes)
"""

from __future__ import annotations

from pathlib import Path

from emulator.session import Session
from emulator.spec.image import Image
from emulator.spec.image_file import load_compiled

from ..learning.learned import check_learns, set_learning
from ..pipeline import Compilation


def session(
    image: Image | Compilation | str | Path,
    machine: str = "kernel",
    timesteps: int | None = None,
    learn: bool = False,
    reward: int = 0,
) -> Session:
    """Open a session, with its first sample begun.

    Args:
        image: an image, its path, or a compilation.
        machine: "kernel", "reference" or "verilog".
        timesteps: of the inputs of a sample; None: its end is not known.
        learn: weights change, from sample to sample, too.
        reward: that the first sample begins with.

    Raises:
        InputError: an image without a compiler's notes, a reward that does not fit.
        UsageError: learning where nothing learns, no such machine, or a number of timesteps that there cannot be.
    """
    if isinstance(image, Compilation):
        image = image.image
    elif not isinstance(image, Image):
        image = load_compiled(image)
    _ = image.compiled
    if learn:
        check_learns(image)
    return Session(set_learning(image, learn), machine, timesteps, learn, reward)
