"""rtl/ISA.md says what the machine does: its examples run on the reference, its formula is the machine's."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

from emulator.spec.fixedpoint import LFSR_BITS, lfsr_draw

MANUAL = Path(__file__).resolve().parent.parent / "rtl" / "ISA.md"


def test_the_examples_of_the_manual_run():
    found = doctest.testfile(str(MANUAL), module_relative=False, encoding="utf-8")
    assert found.attempted > 50
    assert found.failed == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_manual_s_random_generator_is_the_machine_s(seed):
    text = MANUAL.read_text()
    fresh, after = (re.search(f"`({name} = [^`]+)`", text)[1] for name in ("fresh", "s"))
    state = int(np.random.default_rng(seed).integers(1, 1 << LFSR_BITS))
    manual = {"s": state}
    for _ in range(20):
        exec(f"{fresh}; {after}", manual)
        draw, state = lfsr_draw(state)
        assert (manual["fresh"], manual["s"]) == (draw, state)
