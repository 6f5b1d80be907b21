"""Area from what Yosys counts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .targets import AREA, Family


def leave_unused(path: Path, cell: str, port: str) -> None:
    """Unconnect this output of these cells wherever nobody reads it."""
    netlist = json.loads(path.read_text())
    for module in netlist["modules"].values():
        cells = module["cells"].values()
        used = {bit for p in module["ports"].values() for bit in p["bits"]}
        for c in cells:
            used.update(b for name, bits in c["connections"].items() if (c["type"], name) != (cell, port) for b in bits)
        for c in cells:
            if c["type"] == cell and not used.intersection(c["connections"][port]):
                c["connections"][port] = ["x"]
    path.write_text(json.dumps(netlist))


def area_statistics(path: Path) -> dict[str, dict[str, int]]:
    """Cells by type, of each module in a Yosys `stat -json`."""
    text = path.read_text()
    found = json.loads(text[text.index("{") :])["modules"]
    return {name.removeprefix("\\"): values["num_cells_by_type"] for name, values in found.items()}


def measure_area(cells: dict[str, int], family: Family) -> dict[str, int]:
    total = dict.fromkeys(AREA, 0)
    for cell, count in cells.items():
        for pattern, column, weight in family.cells:
            if re.fullmatch(pattern, cell):
                total[column] += weight * count
    return total


def _source_name(module: str) -> str:
    """`nm_ram` of `$paramod$01b3556c\\nm_ram` and of `$paramod\\nm_ram\\WORDS=s32'101`."""
    parts = module.split("\\")
    return parts[1] if len(parts) > 1 else module


def module_areas(cells: dict[str, dict[str, int]], top: str, family: Family) -> list[dict[str, Any]]:
    """A row for each module of the source: its instances, and its own cells in all of them."""
    rows: dict[str, dict[str, Any]] = {}

    def visit(module: str, instances: int) -> None:
        name = _source_name(module)
        row = rows.setdefault(name, {"module": name, "instances": 0} | dict.fromkeys(AREA, 0))
        row["instances"] += instances
        for column, count in measure_area(cells[module], family).items():
            row[column] += count * instances
        for cell, count in cells[module].items():
            if cell.removeprefix("\\") in cells:
                visit(cell.removeprefix("\\"), instances * count)

    visit(next(name for name in cells if _source_name(name) == top), 1)
    return sorted(rows.values(), key=lambda row: -row["luts"])
