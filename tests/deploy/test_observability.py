"""Alerts, dashboard, and runbook belong together, and Prometheus accepts them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT, read_page, section

FOLDER = ROOT / "deploy" / "observability"
RUNBOOK = "docs/runbook.md"
PARTS = ("**What it means.**", "**Look at.**", "**Do.**", "**When it clears.**")


def rules():
    """Return every alert rule."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def run(*command):
    """Run a command, and return what it printed if it succeeded."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts_test.yaml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
    ],
    ids=" ".join,
)
def test_prometheus_accepts(command):
    """Syntax of rules and scrapes, and when alerts fire and clear."""
    run("promtool", *command)


def test_every_alert_fires_in_a_test():
    """Each is also quiet at some moment of the same test."""
    tests = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == names
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == names


def test_an_alert_fires_in_the_tests_only_for_its_reason(tmp_path):
    """The tests fail with another threshold, so they can fail."""
    for name in ("alerts.yaml", "alerts_test.yaml"):
        text = (FOLDER / name).read_text().replace("> 900", "> 9000")
        (tmp_path / name).write_text(text)
    command = ["promtool", "test", "rules", str(tmp_path / "alerts_test.yaml")]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_has_its_section_in_the_runbook(rule):
    """With its meaning, where to look, what to do, and when it clears."""
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (page, anchor) == (RUNBOOK, rule["alert"].lower())
    text = section(read_page(RUNBOOK), f"## {rule['alert']}")
    positions = [text.find(part) for part in PARTS]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_runbook_has_no_other_section():
    """A removed alert takes its section with it."""
    headings = [line[3:] for line in read_page(RUNBOOK).splitlines() if line.startswith("## ")]
    assert headings == [rule["alert"] for rule in rules()]


def test_the_dashboard_is_what_its_table_makes():
    """Stable, so that a diff shows a change; each panel has an id and a place of its own."""
    made = run(sys.executable, str(FOLDER / "make_dashboard.py"))
    assert made == (FOLDER / "glassplate.json").read_text()
    panels = json.loads(made)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


def test_the_scrapes_are_the_ports_of_a_local_cluster():
    """The config works as it is for `make up`."""
    from glassplate.local.plan import LocalPorts
    from glassplate.local.preparation import DEFAULT_PORT

    ports = LocalPorts(DEFAULT_PORT)
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    targets = {
        job["job_name"]: [
            int(target.rpartition(":")[2]) for target in job["static_configs"][0]["targets"]
        ]
        for job in config["scrape_configs"]
    }
    assert targets == {
        "storagemasters": list(ports.masters.values()),
        "nodes": list(ports.writes.values()),
        "workers": [ports.worker_metrics, ports.worker_metrics + 1],
        "edges": [ports.purge["east-nginx"], ports.purge["west-nginx"]],
    }
    assert Path(FOLDER / config["rule_files"][0]).exists()
