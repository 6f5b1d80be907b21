"""The plan of the rooms as a picture, drawn from what the files import: docs/rooms.svg, which generate.py writes.

A room is a file or folder of `emulator/` or `nmcompile/`. It stands below everything that it imports, just above the
first that imports it, so data goes down; a line that follows from others is left out.
"""

from __future__ import annotations

import ast
import textwrap
from html import escape
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 200, 66, 16, 34, 16
COLOURS = {"emulator": ("#e3eefb", "#7aa5d8"), "nmcompile": ("#e7f4e4", "#86b87a")}
# The column that a room would like on its floor; if another one stands there, it takes the nearest that is free.
COLUMNS = {
    **{"emulator.spec": 2, "emulator.reference": 0, "emulator.verilog": 0, "emulator.kernel": 1, "emulator.result": 1},
    **{"emulator.cache": 0, "emulator.processes": 1, "emulator.session": 4},
    **{"emulator.run_notes": 1, "emulator.prices": 2, "emulator.energy": 2, "emulator.metrics": 2},
    **{f"nmcompile.{room}": 4 for room in ("network", "neurons", "discretize", "retime", "quantize", "place", "emit")},
    **{
        "nmcompile.frontends": 3,
        "nmcompile.learning": 3,
        "nmcompile.coding": 3,
        "nmcompile.fpga": 0,
        "nmcompile.user_models": 4,
    },
    **{"nmcompile.pipeline": 4, "nmcompile.results": 2, "nmcompile.report": 3, "nmcompile.board": 1},
    **{"nmcompile.study": 2, "nmcompile.verbs": 2, "nmcompile.cli": 2, "nmcompile.__main__": 2},
}
MOST_COLUMNS = 8


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imports() -> tuple[nx.DiGraph, dict[str, str]]:
    """The rooms, an edge from each to every other that it imports; and the first line of each room's docstring."""
    paths = {}
    for top in COLOURS:
        for path in sorted((ROOT / top).rglob("*.py")):
            paths[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    graph, words = nx.DiGraph(), {}
    for module, path in paths.items():
        if "." not in module:
            continue
        tree, package = ast.parse(path.read_text()), path.relative_to(ROOT).parts[:-1]
        if module == room(module):
            words[module] = (ast.get_docstring(tree) or "").split("\n")[0]
        graph.add_node(room(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
                found = ".".join(part for part in (base, node.module or "") if part)
                names = [f"{found}.{alias.name}" if f"{found}.{alias.name}" in paths else found for alias in node.names]
                graph.add_edges_from((room(module), room(name)) for name in names if name in paths and "." in name)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    graph.add_edge("nmcompile.cli", "nmcompile.verbs")  # by their names, when one is called
    return graph, words


def svg() -> str:
    """The picture."""
    graph, words = imports()
    order = list(nx.topological_sort(graph))  # from the last room to the first
    depth = nx.dag_longest_path_length(graph)
    floor: dict[str, int] = {}
    for name in order:
        floor[name] = min((floor[user] - 1 for user in graph.predecessors(name)), default=depth)
    at: dict[str, tuple[int, int]] = {}
    for name in sorted(floor):
        wanted, taken = COLUMNS.get(name, 2), set(at.values())
        places = [
            (MARGIN + column * (WIDTH + GAP_X), MARGIN + floor[name] * (HEIGHT + GAP_Y))
            for column in sorted(range(MOST_COLUMNS), key=lambda column: (abs(column - wanted), column))
        ]
        at[name] = next(place for place in places if place not in taken)
    across, down = (max(place[axis] for place in at.values()) for axis in (0, 1))
    across, down = across + WIDTH + MARGIN, down + HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {down}" width="{across}" height="{down}" '
        'font-family="system-ui, sans-serif" role="img">',
        "<title>The rooms of emulator and nmcompile: each stands below what it imports</title>",
        f'<rect width="{across}" height="{down}" fill="#ffffff"/>',
    ]
    for name, used in sorted(nx.transitive_reduction(graph).edges):
        (x, y), (from_x, from_y) = at[name], at[used]
        x, from_x, from_y = x + WIDTH // 2, from_x + WIDTH // 2, from_y + HEIGHT
        bend = GAP_Y + 6
        parts.append(
            f'<path d="M{from_x} {from_y}C{from_x} {from_y + bend} {x} {y - bend} {x} {y}" fill="none" '
            'stroke="#9a9a9a" stroke-width="1.3"/>'
        )
    for name, (x, y) in at.items():
        fill, stroke = COLOURS[name.split(".")[0]]
        parts.append(
            f'<g id="{name}"><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" '
            f'stroke="{stroke}"/><text x="{x + 8}" y="{y + 17}" font-size="13" font-weight="600" fill="#222">'
            f"{name.replace('.', '/')}</text>"
        )
        for line, text in enumerate(textwrap.wrap(words[name], 33, max_lines=3, placeholder=" …")):
            parts.append(
                f'<text x="{x + 8}" y="{y + 31 + 13 * line}" font-size="10.5" fill="#444">{escape(text)}</text>'
            )
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"
