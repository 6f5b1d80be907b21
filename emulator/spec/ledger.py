"""The ledger: what machines count, as integers, per core. Prices come later (emulator/energy.py).

A word of a memory is as wide as `Architecture.memories()` says: one access to registers moves a whole block.
"""

from __future__ import annotations

from typing import Final

COUNTERS: Final[dict[str, str]] = {
    "instructions": "instructions issued (program memory reads)",
    "register_reads": "register words read",
    "register_writes": "register words written",
    "accumulator_reads": "accumulator words read, by vectors and by beats",
    "accumulator_writes": "accumulator words written, by beats and by clearing",
    "predicate_reads": "predicate words read",
    "predicate_writes": "predicate words written",
    "trace_reads": "trace words read",
    "trace_writes": "trace words written",
    "adds": "lane operations of add, sub, min, max",
    "multiplies": "lane operations of mul, mac",
    "compares": "lane operations of cge, cgt, ceq",
    "moves": "lane operations of mov",
    "random_draws": "lane operations of rnd",
    "pending_reads": "pending words read: by integ, and by deliveries",
    "pending_writes": "pending words written: by integ (a word that held spikes), and by deliveries",
    "events": "axons delivered (axon entries read)",
    "beats": "synapse beats: `lanes` accumulator slots each",
    "synapse_reads": "synapse words read",
    "synapse_writes": "synapse words written",
    "synaptic_operations": "weights that are not zero, times the events that delivered them",
    "rows": "plastic rows updated",
    "spikes": "neurons that fired",
    "pointer_reads": "route pointers read",
    "packets": "packets sent (routes read)",
    "hops": "links between routers that the sent packets cross",
    "deliveries": "packets received from the fabric",
    "injections": "input spikes written by the host",
    "busy_cycles": "cycles from the start of timesteps to this core's end, summed",
}
# By the unit of an instruction (isa.Instruction.unit), what each of its lane operations counts as; "" is nothing.
UNITS: Final[dict[str, str]] = {
    "add": "adds",
    "multiply": "multiplies",
    "compare": "compares",
    "move": "moves",
    "random": "random_draws",
    "logic": "",
    "": "",
}
CHIP_COUNTERS: Final[dict[str, str]] = {
    "timesteps": "timesteps run",
    "compute_cycles": "cycles until the last core reached end, summed over timesteps",
    "fabric_cycles": "cycles of the fabric phases",
    "barrier_cycles": "cycles of the barriers",
    "reset_cycles": "cycles spent between samples; not part of a sample's cycles",
}
