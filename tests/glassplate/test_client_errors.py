"""The errors of the client: their tree, their codes, and their statuses."""

import re
from pathlib import Path

import pytest

import glassplate
from glassplate import errors
from glassplate.cli.commands.uploading import NotAttempted
from glassplate.errors import GlassplateError, Problem, error_of, parse_problem

CLI_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
ERRORS_TABLE = CLI_PAGE.partition("| `error` ")[2].partition("\n\n")[0]


def family():
    """Return every error by its name."""
    found = {}
    waiting = [GlassplateError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        # Errors of the command line are private.
        waiting += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    return found


def test_docstring_has_the_whole_tree():
    """Every error is in the drawing, below its parent."""
    drawn = {}
    parents = {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"([│├└─ ]*)([A-Z]\w+)(\s|$)", line)
        if match and match[2] in family():
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            drawn[match[2]] = parents.get(depth - 1)
    assert drawn == {
        name: kind.__bases__[0].__name__ if kind is not GlassplateError else None
        for name, kind in family().items()
    }


def test_every_error_is_public():
    """Every error is a public name of the package, so that callers can catch it."""
    assert set(family()) <= set(glassplate.__all__)
    assert sorted(glassplate.__all__, key=str.lower) == sorted(
        set(glassplate.__all__), key=str.lower
    )


def test_every_error_has_a_documented_code():
    """Each class defines a code of its own, which docs/cli.md lists."""
    codes = [vars(kind)["code"] for kind in (*family().values(), NotAttempted)]
    assert len(set(codes)) == len(codes)
    assert set(codes) == set(re.findall(r"^\| `([a-z-]+)` +\|", ERRORS_TABLE, re.MULTILINE))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Refused),
        (401, errors.NotAuthorized),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (409, errors.IdempotencyKeyReused),
        (410, errors.PhotoGone),
        (413, errors.TooLarge),
        (415, errors.UnsupportedFormat),
        (422, errors.Refused),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (504, errors.Unavailable),
        (500, errors.InvalidResponse),
        (301, errors.InvalidResponse),
    ],
)
def test_status_selects_the_error(status, kind):
    """4xx is the caller's fault, 502 to 504 are transient, and others are invalid."""
    error = error_of(Problem(status=status, title="Title", detail="detail"))
    assert type(error) is kind
    assert "Title: detail" in str(error)
    assert error.problem.status == status


def test_missing_fields_of_a_problem_have_defaults():
    """A response without a problem document has the status as its title."""
    assert parse_problem(502, {}) == Problem(status=502, title="HTTP status 502")
    whole = {"type": "t", "title": "T", "detail": "d", "status": 404}
    assert parse_problem(404, whole) == Problem(status=404, title="T", detail="d", type="t")
