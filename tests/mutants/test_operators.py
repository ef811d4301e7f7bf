"""Mutants of small sources: each operator, and what is left alone."""

import ast
import textwrap

import pytest

from tests.mutants.operators import mutants_of


def changes(source):
    """Return the changes of all mutants of a source."""
    return [mutant.change for mutant in mutants_of(textwrap.dedent(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", "a < b -> a <= b"),
        ("a >= b", "a >= b -> a > b"),
        ("a == b", "a == b -> a != b"),
        ("a is None", "a is None -> a is not None"),
        ("a in b", "a in b -> a not in b"),
        ("a and b", "a and b -> a"),
        ("a and b", "a and b -> b"),
        ("a or b or c", "a or b or c -> a or c"),
        ("not a", "not a -> a"),
        ("a - b", "a - b -> a + b"),
        ("a // b", "a // b -> a * b"),
        ("f(3)", "3 -> 4"),
        ("f(x=True)", "True -> False"),
        ("min(a)", "min -> max"),
        ("any(a)", "any -> all"),
        ("sorted(a)", "sorted -> list"),
        ("a.popleft()", "a.popleft -> a.pop"),
        ("f(a)", "f(a) -> pass"),
        ("a += b", "a += b -> pass"),
        ("a.b = c", "a.b = c -> pass"),
        ("raise a", "raise a -> pass"),
        ("if a(): pass", "a() -> not a()"),
        ("[a for a in b if a.c]", "a.c -> not a.c"),
        ("while a: f()", "while a: ... -> once while a: ..."),
        ("for a in b: f()", "for a in b: ... -> once for a in b: ..."),
        ("with a: f()", "with a: ... -> with __import__('contextlib').nullcontext(): ..."),
        ("try: f()\nexcept A: pass", "except A: ... -> except A: raise"),
    ],
)
def test_operator(source, expected):
    """Each operator changes its kind of node."""
    assert f": {expected}" in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Docstring of 3 < 4."""',
        "log.warning('%s', 3)",
        "crashpoint('here')",
        "assert a < 3",
        "x: Literal[3] = a",
        "def f() -> Literal[3]: pass",
        "@decorated(3)\ndef f(): pass",
        "raise A from b",
        "A = int | None",
        "c = b'x' + a + b'y'",
        "with a as b: pass",
    ],
)
def test_what_no_test_of_behavior_can_see_is_left_alone(source):
    """Texts, types, log lines, and the source of an error have no mutants."""
    found = [each for each in changes(source) if each != ": raise A from b -> pass"]
    assert found == []


def test_change_names_its_scope_and_number():
    """Changes are found again after lines have moved."""
    source = """
        class A:
            def f(self):
                g(1)
                g(1)
    """
    assert changes(source) == [
        "A.f: g(1) -> pass",
        "A.f: 1 -> 2",
        "A.f: g(1) -> pass #2",
        "A.f: 1 -> 2 #2",
    ]


def test_early_return_is_removed_and_the_last_is_kept():
    """Without its last return, almost any function fails at once."""
    source = """
        def f(a):
            if a():
                return b
            return c
    """
    assert changes(source) == ["f: a() -> not a()", "f: return b -> pass"]


def test_mutants_differ_from_their_source_in_one_place_each():
    """Every mutant compiles, and no change stays in the next one."""
    source = "def f(a):\n    while a < 3 and g(a):\n        a += 1\n    return min(a, 4)\n"
    mutants = list(mutants_of(source))
    assert len({mutant.source for mutant in mutants}) == len(mutants) == len(changes(source))
    for mutant in mutants:
        compile(mutant.source, "mutant", "exec")
        assert mutant.source != ast.unparse(ast.parse(source))
