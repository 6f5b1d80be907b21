"""The documentation site: Sphinx, Furo, Markdown.

sphinx-build -W --keep-going docs build/site     the warnings are errors

What stands in tables of the code is written into docs/reference/made when a build begins: the Python interface by
`nm.*`, the settings of studies, the presets, and the JSON schemas of notes.
"""

import inspect
import json
import re
from importlib import metadata
from pathlib import Path

import msgspec

import nmcompile as nm
from emulator.prices import bundled_prices
from emulator.run_notes import RunNotes
from emulator.spec.arch import bundled_architectures
from emulator.spec.notes import Notes
from nmcompile.cli import VERBS
from nmcompile.fpga.boards import board_names, load_board
from nmcompile.learning.library import RULES
from nmcompile.network.semantics import PRESETS
from nmcompile.results.metrics import METRICS
from nmcompile.study.plan import SETTINGS, SIZES

project, author, copyright = "nmcompile", "the nmcompile authors", "the nmcompile authors"
version = release = metadata.version("nmcompile")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
html_theme, html_title = "furo", f"nmcompile {version}"
html_copy_source = html_show_sourcelink = False
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
nitpicky = False  # names of NumPy and SciPy have no page here
myst_heading_anchors = 3
add_module_names = False
html_static_path, html_css_files = ["static"], ["site.css"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_custom_sections = ["Source"]
napoleon_use_ivar = True
GROUPS = {  # headings of the page of the Python interface: the modules below it
    "Networks": "_NETWORKS",
    "Neuron models": "_NEURON_MODELS",
    "Learning": "_LEARNING",
    "Compiling and running": "_RUNNING",
    "Boards": "_BOARDS",
    "Errors": "_ERRORS",
}


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table, the first row its heading."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""])


def interface() -> str:
    """The page of the Python interface, in reStructuredText."""
    text = (
        "Python\n======\n\nEverything is under ``import nmcompile as nm`` and is loaded when it is first asked for.\n"
    )
    for heading, group in GROUPS.items():
        text += f"\n{heading}\n{'-' * len(heading)}\n"
        for module, names in getattr(nm, group).items():
            for name in names:
                found = getattr(nm, name)
                if inspect.isclass(found):
                    text += f"\n.. autoclass:: {module}.{name}\n   :members:\n"
                elif callable(found):
                    home = found.__module__ if module == "emulator" else module
                    text += f"\n.. autofunction:: {home}.{found.__name__}\n"
                else:
                    text += f"\n.. py:data:: {name}\n"
    text += "\nVerbs\n-----\n\nThe verbs of the command line whose functions have a longer name:\n\n"
    for verb in sorted(set(nm._WHERE) & set(VERBS)):
        module, name = nm._WHERE[verb]
        text += f"* ``nm.{verb}`` is ``{module}.{name}``\n"
    for heading, module in nm._MODULES.items():
        text += f"\nnm.{heading}\n{'-' * (3 + len(heading))}\n\n.. automodule:: {module}\n   :members:\n"
    return text


def commands() -> str:
    """The page of the command line, in reStructuredText."""
    text = "The command line\n================\n\n``nmc VERB``; exit codes are explained in :doc:`/troubleshooting`.\n"
    for verb in VERBS:
        name = "compile_command" if verb == "compile" else verb
        text += f"\n.. click:: nmcompile.verbs.{VERBS[verb]}:{name}\n   :prog: nmc {verb}\n   :nested: none\n"
    return text


def tables() -> str:
    """What can be named: presets, rules, architectures, boards, prices."""
    text = "# What can be named\n\nWritten from the tables of the code.\n\n## Presets (`--semantics`)\n\n"
    text += table(
        ("preset", "what a timestep means"), *((f"`{n}`", s.describe().partition(": ")[2]) for n, s in PRESETS.items())
    )
    text += "\n## Learning rules (`rule`)\n\n"
    rows = ((f"`{n}`", " ".join((make.__doc__ or "").split("\n\n")[0].split())) for n, make in RULES.items())
    text += table(("rule", "what it does"), *rows)
    text += "\n## Architectures (`--arch`)\n\n"
    names = ("name", "cores", "lanes", "neurons", "registers", "axons", "synapse_words", "state_bits", "traces")
    rows = (tuple(str(getattr(a, n)) for n in names) for a in bundled_architectures().values())
    text += table(names, *rows)
    text += "\n## Boards (`--board`)\n\n"
    boards = [load_board(name) for name in board_names()]
    rows = ((f"`{b.name}`", b.title, b.arch().name, f"{b.clock_hz / 1e6:g} MHz") for b in boards)
    text += table(("board", "part", "architecture", "clock"), *rows)
    text += "\n## Price tables (`--prices`)\n\n"
    text += table(("table", "what it is"), *((f"`{n}`", t.description) for n, t in bundled_prices().items()))
    text += "\n## Settings of a study\n\nThose of `[settings]` and of axes; sizes of a machine are settings, too.\n\n"
    text += table(("setting", "kind"), *((f"`{n}`", kind) for n, kind in (SETTINGS | SIZES).items()))
    text += "\n## Metrics of a study (`objectives`)\n\n"
    rows = ((f"`{n}`", m.title, m.unit or "a count", "more" if m.more else "less") for n, m in METRICS.items())
    return text + table(("metric", "title", "unit", "better"), *rows)


def schemas() -> str:
    """The JSON schemas of what images and results carry."""
    text = "# Schemas\n\nJSON schemas, written from the dataclasses that check a file when it is read.\n\n"
    for heading, kind, what in (
        ("Notes of an image", Notes, "`notes` of the manifest of a `.nmi` file"),
        ("Notes of a run", RunNotes, "`notes` of a `.npz` of `nmc emulate -o` or `nmc run -o`"),
    ):
        made = json.dumps(msgspec.json.schema(kind), indent=1, default=str)
        text += f"## {heading}\n\n{what}.\n\n```json\n{made}\n```\n\n"
    return text


def write(app: object) -> None:
    folder = Path(__file__).parent / "reference" / "made"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"python.rst": interface(), "commands.rst": commands(), "names.md": tables(), "schemas.md": schemas()}
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def plain(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text: what reStructuredText would take for markup is not meant as such."""
    lines[:] = [re.sub(r"(?<!`)([*|])", r"\\\1", line) if "::" not in line else line for line in lines]


def setup(app: object) -> None:
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", plain, priority=100)
