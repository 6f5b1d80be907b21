"""What the documents name is there: files, tests, words, rooms, links; and what the code has, the README names."""

import ast
import re
from itertools import chain
from pathlib import Path

import pytest
import rooms
from test_layers import ROOMS

from emulator.spec import errors
from nmcompile.frontends import READERS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MADE = DOCS / "reference" / "made"  # of the site
PAGES = sorted(path for path in DOCS.rglob("*.md") if MADE not in path.parents)
RECIPES = [path for path in sorted((DOCS / "adding").glob("*.md")) if path.name != "index.md"]
ALL = [
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "DECISIONS.md", "rtl/README.md")),
]
assert len(RECIPES) == 9


def name(path):
    return str(path.relative_to(ROOT))


def code(text):
    """What stands in backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


TERMS = re.findall(r"^\*\*(.+?)\*\*", (DOCS / "glossary.md").read_text(), re.MULTILINE)


# ----------------------------------------------------------------------------------------------------- what is named
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_file_that_a_page_names_is_there(page):
    paths = [word.split("::")[0] for word in code(page.read_text()) if re.fullmatch(r"[\w./]+/[\w.:/]*\w", word)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_test_that_a_page_names_is_there(page):
    for word in code(page.read_text()):
        if "::" in word:
            path, function = word.split("::")
            assert re.search(rf"^(async )?def {function}\(", (ROOT / path).read_text(), re.MULTILINE), word


@pytest.mark.parametrize("page", RECIPES, ids=name)
def test_every_step_of_a_recipe_names_a_file_or_a_command_and_what_is_red(page):
    steps = re.split(r"^\d+\. ", page.read_text(), flags=re.MULTILINE)[1:]
    assert len(steps) >= 2
    for step in steps:
        assert "`" in step
    assert page.read_text().count("::test_") >= len(steps) / 2


@pytest.mark.parametrize("page", [*RECIPES, DOCS / "adding" / "index.md"], ids=name)
def test_the_glossary_has_the_terms_of_a_recipe(page):
    terms = re.findall(r"(?<![*\w])\*([^*\n]+)\*(?![*\w])", page.read_text())
    assert [word for word in terms if not {word, word.removesuffix("s")} & {*TERMS}] == []


def test_the_glossary_is_in_order_and_says_nothing_twice():
    assert sorted(set(TERMS)) == TERMS
    assert len(TERMS) > 60


def test_a_name_in_a_journey_is_in_its_file():
    rows = re.findall(r"^\| `([\w/.]+\.py)` \| `(\w+)` \|", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    assert len(rows) > 30
    for path, function in rows:
        assert re.search(rf"^ *(def|class) {function}\b", (ROOT / path).read_text(), re.MULTILINE), (path, function)


def links(text):
    return [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:", link)]


def exists(path):
    return path.exists() or MADE in path.resolve().parents  # test_site.py looks at those


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_lead_somewhere(page):
    assert [link for link in links(page.read_text()) if link and not exists(page.parent / link)] == []


def test_every_recipe_is_in_the_list_of_recipes():
    listed = set(links((DOCS / "adding" / "index.md").read_text())) - {"../glossary.md"}
    assert listed == {path.name for path in RECIPES}


# -------------------------------------------------------------------------------------------------------- the picture
def test_the_picture_has_the_rooms_that_there_are():
    drawn = re.findall(r'<g id="([\w.]+)">', (DOCS / "rooms.svg").read_text())
    assert sorted(drawn) == sorted(ROOMS)


def test_the_picture_is_drawn_from_what_is_there():
    assert (DOCS / "rooms.svg").read_text() == rooms.svg()


def test_every_room_says_what_it_is():
    words = rooms.imports()[1]
    assert [room for room in ROOMS if not words[room]] == []


# ----------------------------------------------------------------------------------------------- what the code has
def test_every_exporter_is_told():
    page = (DOCS / "exporting.md").read_text()
    for path in (ROOT / "tools" / "frameworks").glob("*_cells.py"):
        (found,) = re.findall(r"from ([\w.]+) import ((?:export_)?to_nir)\n", path.read_text())
        assert f"`{'.'.join(found)}(" in page, path.name


def test_every_exit_code_is_explained():
    page = (DOCS / "troubleshooting.md").read_text()
    codes = {0, *(getattr(errors, name).exit_code for name in dir(errors) if name.endswith("Error"))}
    assert [int(code) for code in re.findall(r"^## (\d):", page, re.MULTILINE)] == sorted(codes)


def test_the_readme_names_every_ending_of_a_network():
    words = set(chain.from_iterable(re.findall(r"\.\w+", word) for word in code((ROOT / "README.md").read_text())))
    assert READERS.keys() - words <= {".h5", ".hdf5"}  # NIR by another name


def test_every_example_of_a_neuron_model_is_in_its_readme():
    folder = ROOT / "examples" / "neuron_models"
    readme = (folder / "README.md").read_text()
    assert [path.name for path in folder.glob("*.py") if f"`{path.name}`" not in readme] == []


@pytest.mark.parametrize("room", sorted({room.split(".")[1] for room in ROOMS if room.startswith("nmcompile")}))
def test_the_readme_names_every_room_of_the_compiler(room):
    assert f"`{room}`" in (ROOT / "README.md").read_text() or room in ("cli", "__main__")


def test_steps_of_the_recipes_are_python():
    """What they name as a constant or class is in the file that stands before it."""
    for page in RECIPES:
        for path, word in re.findall(r"`([\w/]+\.py)`: a line of `([A-Z_]+)`", page.read_text()):
            tree = ast.parse((ROOT / path).read_text())
            names = {
                getattr(target, "id", "")
                for node in tree.body
                for target in getattr(node, "targets", [getattr(node, "target", None)])
            }
            assert word in names, (path, word)
