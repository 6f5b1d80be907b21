"""The compiler on random legal requests, corners first: an image that equals the reference, or a refusal that helps.

CI runs the first few hundred seeds; NM_LONG=n runs n, and some of the images on the Verilog, too.
"""

from __future__ import annotations

import os
import re
from collections import Counter

import numpy as np
import pytest
from corners import Request, request
from integers import on_machine, simulate
from test_kernel import check_image_equal

from emulator.spec.errors import CompilerError, DoesNotFitError, InputError, NmError, UsageError
from emulator.spec.image import Image
from nmcompile.pipeline import Compilation, compile_network
from nmcompile.results.verify import verify

SEEDS = max(500, int(os.environ.get("NM_LONG", "0")))
CHUNKS = 20
ON_VERILOG = 24  # images that a long run simulates
ADVICE = "use|give|choose|connect|let it|learn on|leave it|make its|take|rescale|mask them|decays lie between 0 and 1"
HELPS = re.compile(rf"('[^']+'|core \d+|the network's).*[;,] (so )?({ADVICE})", re.DOTALL)
outcomes: Counter[str] = Counter()


def compiled(asked: Request) -> Compilation | NmError:
    """What the compiler makes of a request; any error but our own passes through, and so do warnings."""
    try:
        return compile_network(
            asked.ruled(), asked.arch, asked.semantics, asked.weight_bits, asked.calibrate
        )
    except (InputError, DoesNotFitError, UsageError) as error:
        return error


def helps(error: NmError) -> bool:
    """Does every problem name something and say what to do?"""
    return all(HELPS.search(problem) for problem in getattr(error, "problems", [str(error)]))


def check_integers(made: Compilation, spikes: np.ndarray) -> None:
    """Spikes and v of every population are those of its quantized network, in plain integers."""
    wanted, v_wanted = simulate(made, spikes)
    sent, v, result = on_machine(made, spikes)
    for name in wanted:
        steps = len(v[name])
        np.testing.assert_array_equal(sent[name][:steps], wanted[name][:steps] != 0, name)
        np.testing.assert_array_equal(v[name], v_wanted[name][:steps], name)
    places = {tuple(place) for p in made.image.populations for place in p.location.tolist()}
    assert {tuple(place) for place in result.spikes[:, 2:].tolist()} <= places  # padding is silent


def judge(seed: int) -> Image | None:
    asked = request(seed)
    made = compiled(asked)
    if isinstance(made, NmError):
        outcomes[type(made).__name__] += 1
        assert helps(made), f"seed {seed}: {made}"
        return None
    learns = any(p.plastic for p in made.quantized.projections)
    outcomes["learns" if learns else "image"] += 1
    if not learns:
        check_integers(made, asked.spikes[0])
    check_image_equal(made.image, np.random.default_rng(seed), f"seed {seed}")
    return made.image


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_request_becomes_an_image_that_is_right_or_a_refusal_that_helps(chunk):
    for seed in range(chunk, SEEDS, CHUNKS):
        try:
            judge(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
