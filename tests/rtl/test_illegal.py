"""What the checker refuses, the Verilog stops on, with the code that says why and on the core where it is."""

from collections import Counter

import pytest
from cases import architecture
from illegal import FAULTS, check_fault, illegal_cases, refused

from emulator.spec.isa import Op
from emulator.spec.listing import listing


@pytest.mark.parametrize("name", ["one narrow lane", "like up5k", "like ecp5"])
def test_illegal_images_fault_with_their_code(name):
    codes = Counter()
    for case in illegal_cases(architecture(name), 6, count=8):
        assert refused(case), case.name
        check_fault(case)
        codes[case.code] += 1
    assert sorted(codes) == list(range(1, len(FAULTS))), codes


def test_an_illegal_predicate_has_a_listing():
    assert listing(Op("mov", pred=6, imm_b=1)) == "mov   r0, #0  ?predicate 6"
