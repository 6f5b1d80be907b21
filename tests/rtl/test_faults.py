"""Deliberate bugs in the Verilog: each must turn lockstep red within a few random programs."""

import shutil

import numpy as np
import pytest
from cases import case
from programs import random_architecture

from emulator.spec.errors import MachineError
from emulator.verilog import build, host
from emulator.verilog.lockstep import LockstepError, lockstep

FAULTS = {
    "a block too few": ("nm_vector.v", "else if (left_q == (SPACE_W + 1)'(1)", "else if (left_q == (SPACE_W + 1)'(2)"),
    "a dropped carry": ("nm_lane.v", "round_up || neg_r4_i", "neg_r4_i"),
    "toward zero rounds away": ("nm_lane.v", "(any || half) && sign", "(any || half) && !sign"),
    "positive sums wrap": ("nm_lane.v", "!(|sum[SUM_W-1:STATE_BITS-1])", "!sum[SUM_W-1]"),
    "an inverted predicate is not": ("nm_vector.v", "picked ^ ctl4_q.pred[3]", "picked"),
    "two spikes to one word lose one": ("nm_pending.v", "again_q ? last_word_q", "1'b0 ? last_word_q"),
    "a spike's payload restarts": (
        "nm_pending.v",
        "!(again_q ? last_bit_q : word[axon3_q[3:0]]) ? 8'h00",
        "1'b1 ? 8'h00",
    ),
    "local packets come first": ("nm_router.v", "granted = asks &", "granted = asks[4] ? 5'd16 : asks &"),
    "a queue of one": ("nm_router.v", "full[p] = count_q == 2'd2", "full[p] = count_q != 2'd0"),
    "a window's next run starts at its end": ("nm_integrate.v", "? run_pos_q :", "? pos_q :"),
    "payloads are never signed": ("nm_integrate.v", "signed_q && payload_i[7]", "1'b0"),
    "a spike costs no cycles": ("nm_emit.v", "{x_any_q && x_head_q, x_first_q", "{1'b0, x_any_q || x_first_q"),
    "accumulators are not cleared": ("nm_core.v", ".vector_clear5_i(acc_clear5)", ".vector_clear5_i(1'b0)"),
    "half a word is stored whole": ("nm_integrate.v", "(!narrow || pos_q[3] == (g >= GROUPS / 2))", "1'b1"),
    "every row is its block's first": (
        "nm_rows.v",
        "if (selected_q[l]) lane_o = LANE_W'(l)",
        "if (selected_q[l]) lane_o = '0",
    ),
    "lanes beyond the population learn": ("nm_vector.v", "(ctl2_q.store && last2_q && beyond[l])", "(1'b0)"),
    "a trace of 0 selects its row": ("nm_rows.v", "(did_q && !zero5_i[l])", "did_q"),
}


def small():
    return random_architecture(
        np.random.default_rng(0),
        mesh_width=2,
        mesh_height=1,
        lanes=4,
        state_bits=16,
        acc_bits=16,
        coef_bits=16,
        neurons=48,
        axons=32,
        delay_slots=2,
        registers=4,
        traces=1,
        graded=True,
    )


def programs():
    """Images of the small architecture, every other one with weight updates, with inputs and rewards."""
    arch = small()
    for seed in range(30):
        yield case(arch, 5, seed, learning=bool(seed % 2))


def run_all() -> int:
    """Lockstep over all of them; the timesteps it took."""
    return sum(lockstep(*program).timesteps for program in programs())


@pytest.mark.parametrize("name", FAULTS)
def test_lockstep_notices(name, tmp_path, monkeypatch):
    file, right, wrong = FAULTS[name]
    folder = tmp_path / "rtl"
    shutil.copytree(build.rtl_directory(), folder)
    text = (folder / file).read_text()
    assert text.count(right) == 1, f"{file} holds {right!r} {text.count(right)} times"
    (folder / file).write_text(text.replace(right, wrong))
    monkeypatch.setattr(build, "rtl_directory", lambda: folder)
    monkeypatch.setattr(host, "rtl_directory", lambda: folder)
    monkeypatch.setattr(host, "COMMAND_LIMIT", 1_000_000)  # a bug may be that nothing ends
    with pytest.raises((LockstepError, MachineError)):
        run_all()


def test_without_a_fault_the_same_programs_run_alike():
    assert run_all() > 100
