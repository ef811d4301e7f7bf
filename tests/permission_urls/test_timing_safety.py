"""Secrets are compared in constant time only."""

import ast
import re
from pathlib import Path

import pytest

import permission_urls

SOURCES = sorted(Path(permission_urls.__file__).parent.glob("*.py"))
SECRET_NAME = re.compile(r"mac|signature|secret|digest|derived", re.IGNORECASE)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_mac_is_compared_with_an_operator(source):
    """If this fails, use hmac.compare_digest."""
    assert [*comparisons_of_secrets(source.read_text(encoding="utf-8"))] == []


def test_macs_are_compared_in_constant_time_somewhere():
    """The package has constant-time comparisons, so the check above is effective."""
    assert any("hmac.compare_digest(" in path.read_text(encoding="utf-8") for path in SOURCES)


@pytest.mark.parametrize(
    "code", ["mac == x", "x != self.mac", "keyed_mac(m) == x", "x in macs", "a.signature is b"]
)
def test_the_check_finds_what_it_is_for(code):
    """The check finds names, attributes, and calls, on either side, with any operator."""
    assert [*comparisons_of_secrets(code)]


def comparisons_of_secrets(code: str):
    """Return the comparisons with a name that suggests a MAC or a key."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Compare) and not is_about_none_or_length(node):
            names = {
                getattr(inner, "id", "") or getattr(inner, "attr", "") for inner in ast.walk(node)
            }
            if any(SECRET_NAME.search(name) for name in names):
                yield ast.unparse(node)


def is_about_none_or_length(node: ast.Compare) -> bool:
    """Return True if the comparison is with None or of a length."""
    with_none = any(
        isinstance(side, ast.Constant) and side.value is None for side in node.comparators
    )
    left = node.left
    of_length = isinstance(left, ast.Call) and getattr(left.func, "id", "") == "len"
    return with_none or of_length
