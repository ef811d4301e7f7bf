"""docs/api.md is what the table of routes says."""

import shlex

import pytest

from storagemaster import wire
from storagemaster.errors import MasterError
from storagemaster.openapi.document import INTERNAL, described_routes, errors_of
from storagemaster.openapi.operations import OPERATIONS
from tests.docs.api_page import api_page
from tests.docs.pages import blocks, read_page, section, tables

PAGE = read_page("docs/api.md")


def test_the_page_is_generated_from_the_routes():
    """`make golden` writes the page again after a change of the routes."""
    assert api_page() == PAGE


def test_every_route_for_applications_is_described_once():
    """The page has every route, and the names of operations differ."""
    documented = [line[4:] for line in PAGE.splitlines() if line.startswith("### ")]
    routes = [f"{route.method} {route.template}" for route in wire.ROUTES
              if route.access not in INTERNAL]  # fmt: skip
    assert [each for each in documented if " " in each] == routes
    assert len({operation.name for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_every_error_is_listed():
    """The table has every error, and each is the error of a route, except a bug of the server."""
    rows = tables(section(PAGE, "## Errors"))[0]
    of_routes = {e.slug for route, operation in described_routes()
                 for e in errors_of(route, operation)}  # fmt: skip
    assert {row["error"] for row in rows} == of_routes | {MasterError.slug}


@pytest.mark.parametrize("command", blocks(PAGE, "sh")[1:])
def test_every_example_is_a_shell_command(command):
    """The shell reads each example as one curl command with a URL at its end."""
    words = shlex.split(command)
    assert words[0] == "curl"
    assert words[-1].startswith("$MASTER/")
