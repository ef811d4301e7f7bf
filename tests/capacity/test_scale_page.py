"""docs/scale.md: its table is what `glassplate plan` prints for its commands."""

import json
import re
import shlex
from dataclasses import fields

from click.testing import CliRunner

from capacity.scenario import Scenario
from glassplate.cli.main import main
from glassplate.cli.views.plan_tables import plan_rows
from tests.docs.pages import read_page, table

PAGE = "docs/scale.md"
HEADING = "## 300 nodes of 100 million files"
COMMAND = re.compile(r"^glassplate (plan .*)$", re.MULTILINE)
# The options of the page, each with its default as text and as value.
DEFAULTS = {
    "--disk-losses-per-year": ("1.5 %", 0.015),
    "--replace-hours": ("24 hours", 24.0),
    "--colo-losses-per-year": ("0.1 %", 0.001),
    "--colo-outages-per-year": ("2", 2.0),
    "--outage-hours": ("4 hours", 4.0),
    "--file-bytes": ("200 KB", 200_000),
    "--masters": ("two in each colo", 0),
    "--partners": ("all in the other colos", 0),
}


def planned(command):
    """Return the rows of a plan."""
    done = CliRunner().invoke(main, [*shlex.split(command), "--json"])
    assert done.exit_code == 0, done.output
    return list(plan_rows(json.loads(done.stdout)))


def test_the_table_is_what_the_commands_print():
    """Each column has the figures of one command, in their order."""
    page = read_page(PAGE)
    plans = [planned(command) for command in COMMAND.findall(page)]
    for (figure, _), *values, row in zip(*plans[:1], *plans, table(page, HEADING), strict=True):
        assert [*row.values()] == [figure, *(value for _, value in values)]


def test_the_assumptions_are_the_defaults():
    """The table of assumptions has each option with its default."""
    found = {row["option"]: row["default"] for row in table(read_page(PAGE), "## Assumptions")}
    assert found == {option: text for option, (text, _) in DEFAULTS.items()}
    defaults = {each.name: each.default for each in fields(Scenario)}
    for option, (_, value) in DEFAULTS.items():
        assert defaults[option.removeprefix("--").replace("-", "_")] == value
