"""`glassplate plan`: figures as a table and as JSON, without a cluster."""

import json

import pytest
from click.testing import CliRunner

from glassplate.cli.main import main
from glassplate.cli.views.plan_tables import plan_rows

SMALL = ["--nodes", "6", "--files-per-node", "1e6", "--colos", "3", "--years", "50"]


def plan(*arguments):
    """Run `glassplate plan`."""
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def test_the_table_has_the_figures_of_the_document():
    """Each figure of the JSON output is a row, with the machine of the unit costs below."""
    document = json.loads(plan(*SMALL, "--json").stdout)
    shown = plan(*SMALL)
    assert shown.exit_code == 0
    for figure, value in plan_rows(document):
        assert any(
            line.startswith(figure) and line.rstrip().endswith(value)
            for line in shown.stdout.splitlines()
        )
    assert document["unit_costs"]["machine"] in shown.stdout


def test_every_option_reaches_the_scenario():
    """All values of a scenario can be chosen."""
    chosen = {
        "nodes": 8,
        "files_per_node": 2_000_000,
        "colos": 4,
        "mirrors": 3,
        "volumes": 500,
        "partners": 2,
        "masters": 5,
        "file_bytes": 1000,
        "repair_bytes_per_second": 2000,
        "scrub_bytes_per_second": 3000,
        "disk_losses_per_year": 0.02,
        "replace_hours": 12.0,
        "colo_losses_per_year": 0.003,
        "colo_outages_per_year": 1.0,
        "outage_hours": 2.0,
        "years": 7,
        "seed": 9,
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    found = plan(*options, "--disk-bytes=1T", "--disk-bytes=2T", "--json")
    assert json.loads(found.stdout)["scenario"] == {**chosen, "disk_bytes": [2**40, 2**41]}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--nodes", "6", "--colos", "3"], "Missing option '--files-per-node'"),
        ([*SMALL, "--mirrors", "4"], "--mirrors: must be 2 to 3"),
        ([*SMALL, "--nodes", "1e"], "'1e' is not a whole number from 1, such as 300 or 1e8"),
        ([*SMALL, "--nodes", "0"], "'0' is not a whole number"),
        ([*SMALL, "--nodes", "2"], "--nodes: must be at least 3"),
        ([*SMALL, "--file-bytes", "1G"], "--disk-bytes: the nodes store"),
        ([*SMALL, "--disk-losses-per-year", "1.5"], "--disk-losses-per-year: must be between"),
    ],
)
def test_invalid_values_are_reported(arguments, why):
    """The exit status is 2, and the message names the option."""
    refused = plan(*arguments)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert why in refused.stderr
