"""Files that are generated hold what their tables say; a table that changed by accident shows here."""

from pathlib import Path

import generate
import pytest

from emulator.spec import errors
from nmcompile.board import protocol

RTL = Path(__file__).resolve().parents[1] / "rtl"
MADE = {
    "ISA.md": generate.manual,
    "nm_isa.vh": generate.header,
    "LINK.md": protocol.manual,
    "nm_link.vh": protocol.header,
}


@pytest.mark.parametrize("name", MADE)
def test_a_generated_file_is_what_its_table_makes(name):
    assert MADE[name]().splitlines() == (RTL / name).read_text().splitlines()


def test_exit_codes_are_those_of_the_manual():
    kinds = ("NmError", "CompilerError", "UsageError", "InputError", "DoesNotFitError", "MachineError", "DeviceError")
    assert [getattr(errors, kind).exit_code for kind in kinds] == [1, 1, 2, 3, 4, 5, 6]
