"""No secret is ever compared in a way whose time tells how much of it was right."""

import ast
import re
from pathlib import Path

import pytest

import permission_urls

SOURCES = sorted(Path(permission_urls.__file__).parent.glob("*.py"))
SECRET_NAME = re.compile(r"mac|signature|secret|digest|derived", re.IGNORECASE)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_mac_is_compared_with_an_operator(source):
    """Use hmac.compare_digest where this fails."""
    assert [*comparisons_of_secrets(source.read_text(encoding="utf-8"))] == []


def test_macs_are_compared_in_constant_time_somewhere():
    """The check above would pass a package that compares nothing."""
    assert any("hmac.compare_digest(" in path.read_text(encoding="utf-8") for path in SOURCES)


@pytest.mark.parametrize(
    "code", ["mac == x", "x != self.mac", "keyed_mac(m) == x", "x in macs", "a.signature is b"]
)
def test_the_check_finds_what_it_is_for(code):
    """Names, attributes and calls, on either side, with any operator."""
    assert [*comparisons_of_secrets(code)]


def comparisons_of_secrets(code: str):
    """The comparisons in the code with a name in them that sounds like a MAC or a key."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Compare) and not is_about_none_or_length(node):
            names = {
                getattr(inner, "id", "") or getattr(inner, "attr", "") for inner in ast.walk(node)
            }
            if any(SECRET_NAME.search(name) for name in names):
                yield ast.unparse(node)


def is_about_none_or_length(node: ast.Compare) -> bool:
    """Whether the comparison can tell nothing: with None, or of a length."""
    with_none = any(
        isinstance(side, ast.Constant) and side.value is None for side in node.comparators
    )
    left = node.left
    of_length = isinstance(left, ast.Call) and getattr(left.func, "id", "") == "len"
    return with_none or of_length
