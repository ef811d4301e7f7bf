"""The report: one page with timelines, proofs, and violations."""

import json
from xml.etree import ElementTree as ET

import pytest

from drill.checks.checker import check
from drill.faults.evidence import Evidence, Proof
from drill.history import render_operation
from drill.load.samples import Sample
from drill.report.report import PAGE, add_to_report
from drill.report.timeline import render_timeline
from drill.run import CONVERGING, Drill, Interval
from drill.scenarios.scenarios import SCENARIOS
from tests.drill.example_drill import CAT_PATH, CRITERIA, get, history, state


def sample(second, *, hints=0):
    """Return half a second of a healthy cluster; `hints` None is unknown."""
    return Sample(
        second=second,
        reads_ok=10,
        reads_failed=1,
        writes_ok=2,
        writes_failed=0,
        pending_hints=hints,
        nodes_up=4,
        jobs=3,
    )


def drill_of(operations):
    """Return a finished drill."""
    return Drill(
        scenario=SCENARIOS["colo-lost"],
        seed=7,
        evidence=Evidence([Proof(True, "west-1 <is> gone")]),
        intervals=[Interval("Down <names>", 2.0, 6.0), Interval(CONVERGING, 9.0, 12.0)],
        samples=[sample(0.5), sample(1.0), sample(1.5, hints=None), sample(2.0, hints=9)],
        operations=operations,
        counts={"acknowledged": 2},
        criteria=CRITERIA,
        verdict=check(operations, state(), CRITERIA),
    )


@pytest.fixture(name="held")
def _held():
    return drill_of(history())


@pytest.fixture(name="broken")
def _broken():
    return drill_of([*history(), get(16, CAT_PATH, "hen")])


def test_the_timeline_is_an_svg_with_faults_and_tracks(held):
    """The SVG is well-formed, text is escaped, and a line has a gap where the value is unknown."""
    picture = ET.fromstring(render_timeline(held))
    words = " ".join(text.text or "" for text in picture.iter("text"))
    for expected in ("Down <names>", "converging", "reads a second", "pending hints", "nodes up"):
        assert expected in words
    hint_lines = [line for line in picture.iter("polyline") if line.get("stroke") == "#c77d11"]
    assert len(hint_lines) == 2


def test_a_report_has_the_page_and_for_each_drill_its_history_and_verdict(tmp_path, held):
    """Each drill has its complete history and its verdict beside the page."""
    add_to_report(tmp_path / "out", [held], {}, seconds=10)
    page = (tmp_path / "out" / PAGE).read_text()
    assert "1 of 1 drills kept every promise" in page
    assert "west-1 &lt;is&gt; gone" in page
    own = tmp_path / "out" / "colo-lost"
    lines = (own / "history.jsonl").read_text().splitlines()
    assert lines == [render_operation(each) for each in held.operations]
    verdict = json.loads((own / "verdict.json").read_text())
    assert verdict["passed"] is True
    assert len(verdict["rules"]) == 16


def test_violations_and_skipped_scenarios_are_on_the_page(tmp_path, broken):
    """The page has the reason of each violation and of each skipped scenario."""
    add_to_report(tmp_path, [broken], {"disk-full": "only root can"}, seconds=10)
    page = (tmp_path / PAGE).read_text()
    assert "0 of 1 drills" in page
    assert "sent other bytes" in page
    assert "only root can" in page
    assert not broken.passed


def test_a_report_grows_with_each_drill(tmp_path, held, broken):
    """The page and the verdicts are complete after each drill."""
    broken.scenario = SCENARIOS["node-killed"]
    for drills in ([], [held], [held, broken]):
        add_to_report(tmp_path, drills, {}, seconds=10)
        assert f"of {len(drills)} drills" in (tmp_path / PAGE).read_text()
    assert {path.parent.name for path in tmp_path.glob("*/verdict.json")} == {
        "colo-lost",
        "node-killed",
    }
