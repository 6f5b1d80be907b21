"""The tool that mutates the Python: which changes it makes, and which code it leaves alone."""

import ast

import mutate_python
import pytest
from mutate_python import Finder, applied


def becomes(text):
    """Every text that a mutant makes of a text, in order, without the line ends that are kept."""
    return [applied(text, mutant) for mutant in Finder("x.py", text).found]


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = (a) == (b) != c", ["x = (a) != (b) != c", "x = (a) == (b) == c"]),
        ("x = a is not None", ["x = a is None"]),
        ("x = a and b or c", ["x = a and b and c", "x = a or b or c"]),
        ("x = a + b * c", ["x = a - b * c", "x = a + b / c"]),
        ("x = 'é' + a - b", ["x = 'é' + a + b"]),
        ("x = not a", ["x = a"]),
        ("x = -a", ["x = a"]),
        ("x = 2", ["x = 3", "x = 1"]),
        ("x = 0.5", ["x = 1.0"]),
        ("x = True", ["x = False"]),
        ("x = a[b:c]", ["x = a[ :c]", "x = a[b: ]"]),
        ("x = a if b else c", ["x = a if not (b) else c"]),
        ("x = [a for a in b if c]", ["x = [a for a in b if True]"]),
        ("x = max(a.argmin(), b)", ["x = min(a.argmin(), b)", "x = max(a.argmax(), b)"]),
        ("x = f(a, side='left', dtype=1)", ['x = f(a, side="right", dtype=1)']),
        ("f(a)", ["pass"]),
        ("x += a", ["pass", "x -= a"]),
        ("x[a] = b", ["pass"]),
        ("if a:\n    raise f(1)", ["if not (a):\n    raise f(1)", "if a:\n    pass"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("for a in b:\n    break", ["for a in b:\n    pass"]),
    ],
)
def test_a_mutant_is_one_change(text, mutants):
    assert becomes(text) == mutants


@pytest.mark.parametrize(
    "text",
    [
        '"""Text 1."""',
        "from a import b",
        "x: dict[str, 1]",
        "def f(a: 1) -> 2:\n    '''Text.'''",
        "assert 1 < 2",
        "x = f'{a + 1}'",
        "x = 'a' + f'b'",
        "@inner\ndef f():\n    return 1",
        "@numba.njit(cache=True)\ndef f():\n    return 1",
        "if TYPE_CHECKING:\n    f(1)",
    ],
)
def test_texts_annotations_and_compiled_functions_stay(text):
    assert becomes(text) == []


def test_a_mutant_of_several_lines_keeps_the_lines_behind_it():
    text = "f(\n    a,\n)\nx = [\n    a\n    < b\n    if (c\n    or d) else e]\n"
    found = Finder("x.py", text).found
    assert len(found) == 4
    for mutant in found:
        ast.parse(applied(text, mutant))
        assert applied(text, mutant).count("\n") == text.count("\n")


def test_a_constant_is_used_where_its_name_and_those_made_of_it_are():
    modules = mutate_python.Modules.__new__(mutate_python.Modules)
    modules.used, modules.known, modules.compiled = {}, {}, set()
    text = "A = 1\nB = A + 1\nclass C:\n    D = B\ndef f():\n    return B\n@inner\ndef g():\n    return C.D\n"
    modules.read("x.py", ast.parse(text), None)
    assert modules.lines({"A"}) == {("x.py", 6), ("x.py", 9)}
    assert modules.frozen("A")
    assert not modules.frozen("f")


def test_every_room_has_mutants_and_a_seed_draws_as_many_of_each():
    possible = mutate_python.pool(mutate_python.Modules())
    assert min(map(len, possible.values())) > 30
    chosen = mutate_python.sample(possible, 2 * len(possible), 1, "")
    assert [m.key for m in chosen] == [m.key for m in mutate_python.sample(possible, 2 * len(possible), 1, "")]
    rooms = [room for m in chosen for room, mutants in possible.items() if m in mutants]
    assert sorted(rooms) == sorted(2 * list(possible))
