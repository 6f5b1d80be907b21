"""nmc cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from emulator import cache as kept

from ..results.numbers import quantity
from .options import JSON, Verb, print_values
from .terminal import new_table, show_facts, show_table

KINDS = {
    "kernel": "the emulator's compiled kernel",
    "verilated": "the Verilog, built by Verilator",
    "icarus": "the Verilog, compiled by Icarus",
    "fpga": "syntheses and bitstreams",
    "study": "runs of studies",
}


@click.command(cls=Verb)
@click.option("--clear", is_flag=True, help="Remove all that is kept.")
@click.option("--warm", is_flag=True, help="Compile the emulator's kernel now, so that no run has to.")
@JSON
def cache(clear: bool, warm: bool, as_json: bool) -> None:
    """List what is kept of earlier builds and runs.

    NMCOMPILE_CACHE names the folder. What was not used for longest is removed when it grows beyond its limit.
    """
    removed = kept.clear() if clear else []
    seconds = None
    if warm:
        from emulator.kernel.simulate import warm as compile_kernel

        seconds = compile_kernel()
    entries = kept.entries()
    values = {
        "folder": str(kept.folder()),
        "bytes": sum(entry.bytes for entry in entries),
        "limit_bytes": kept.LIMIT_BYTES,
        "kinds": {kind: _numbers([entry for entry in entries if entry.kind == kind]) for kind in KINDS},
        "removed": _numbers(removed),
        "warm_s": seconds,
    }
    print_values(values, as_json, lambda: listed(values, clear))


def _numbers(entries: Sequence[kept.Entry]) -> dict[str, Any]:
    used = time.time() - max((entry.used for entry in entries), default=time.time())
    return {"entries": len(entries), "bytes": sum(e.bytes for e in entries), "used_s_ago": used if entries else None}


def listed(values: dict[str, Any], clear: bool) -> None:
    """After `nmc cache`."""
    table = new_table("kept", "entries", "bytes", "last used")
    for kind, numbers in values["kinds"].items():
        if numbers["entries"]:
            ago = f"{numbers['used_s_ago'] / 3600:,.1f} h ago"
            table.add_row(KINDS[kind], f"{numbers['entries']:,}", quantity(numbers["bytes"], "B"), ago)
    if table.row_count:
        show_table(table)
    rows = [
        ("folder", values["folder"]),
        ("in all", f"{quantity(values['bytes'], 'B')} of at most {quantity(values['limit_bytes'], 'B')}"),
    ]
    if clear:
        rows.append(
            ("removed", f"{values['removed']['entries']:,} entries, {quantity(values['removed']['bytes'], 'B')}")
        )
    if values["warm_s"] is not None:
        rows.append(("warm", f"the kernel was compiled, or loaded, in {values['warm_s']:.1f} s"))
    show_facts(*rows)
