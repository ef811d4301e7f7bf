"""The family of errors: drawn as it is, and the right one for every answer."""

import re

import pytest

import glassplate
from glassplate import errors
from glassplate.errors import GlassplateError, Problem, error_of, parse_problem


def family():
    """Every error, by its name."""
    found = {}
    waiting = [GlassplateError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        # An error of the command line is its own business.
        waiting += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    return found


def test_docstring_draws_the_whole_family():
    """Every error stands in the drawing, below its parent."""
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
    """What can be raised can be caught by a name of the package."""
    assert set(family()) <= set(glassplate.__all__)
    assert sorted(glassplate.__all__, key=str.lower) == sorted(
        set(glassplate.__all__), key=str.lower
    )


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
def test_status_says_whose_fault_it_is(status, kind):
    """4xx is the request's fault, 502 to 504 may pass, and the rest makes no sense."""
    error = error_of(Problem(status=status, title="Title", detail="detail"))
    assert type(error) is kind
    assert "Title: detail" in str(error)
    assert error.problem.status == status


def test_problem_fills_in_what_is_missing():
    """An answer without a problem document still has a status."""
    assert parse_problem(502, {}) == Problem(status=502, title="HTTP status 502")
    whole = {"type": "t", "title": "T", "detail": "d", "status": 404}
    assert parse_problem(404, whole) == Problem(status=404, title="T", detail="d", type="t")
