"""The report: one page with pictures, and what was not as promised is on it."""

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
from tests.drill.example_drill import CAT_PATH, TERMS, get, history, state


def sample(second, *, owed=0):
    """Half a second in which all is well; with None nobody could tell."""
    return Sample(
        second=second,
        reads_ok=10,
        reads_failed=1,
        writes_ok=2,
        writes_failed=0,
        pending_hints=owed,
        nodes_up=4,
        jobs=3,
    )


def drill_of(operations):
    """A drill that is over."""
    return Drill(
        scenario=SCENARIOS["colo-lost"],
        seed=7,
        evidence=Evidence([Proof(True, "west-1 <is> gone")]),
        marks=[Interval("Down <names>", 2.0, 6.0), Interval(CONVERGING, 9.0, 12.0)],
        samples=[sample(0.5), sample(1.0), sample(1.5, owed=None), sample(2.0, owed=9)],
        operations=operations,
        counts={"acknowledged": 2},
        terms=TERMS,
        verdict=check(operations, state(), TERMS),
    )


@pytest.fixture(name="held")
def _held():
    return drill_of(history())


@pytest.fixture(name="broken")
def _broken():
    return drill_of([*history(), get(16, CAT_PATH, "hen")])


def test_the_picture_is_an_svg_with_faults_and_lanes(held):
    """It is well-formed, and words in it are escaped."""
    picture = ET.fromstring(render_timeline(held))
    words = " ".join(text.text or "" for text in picture.iter("text"))
    for expected in ("Down <names>", "converging", "reads a second", "pending hints", "nodes up"):
        assert expected in words
    owed = [line for line in picture.iter("polyline") if line.get("stroke") == "#c77d11"]
    assert len(owed) == 2, "the line is broken where nobody could tell"


def test_a_report_has_the_page_and_for_each_drill_its_history_and_verdict(tmp_path, held):
    """The history beside it is the one that was judged."""
    add_to_report(tmp_path / "out", [held], {}, seconds=10)
    page = (tmp_path / "out" / PAGE).read_text()
    assert "1 of 1 drills held every promise" in page
    assert "west-1 &lt;is&gt; gone" in page
    own = tmp_path / "out" / "colo-lost"
    lines = (own / "history.jsonl").read_text().splitlines()
    assert lines == [render_operation(each) for each in held.operations]
    verdict = json.loads((own / "verdict.json").read_text())
    assert verdict["passed"] is True
    assert len(verdict["rules"]) == 15


def test_what_was_broken_and_what_was_not_run_is_on_the_page(tmp_path, broken):
    """With the rule, the photo and the reason."""
    add_to_report(tmp_path, [broken], {"disk-full": "only root can"}, seconds=10)
    page = (tmp_path / PAGE).read_text()
    assert "0 of 1 drills" in page
    assert "sent other bytes" in page
    assert "only root can" in page
    assert not broken.passed


def test_a_report_grows_with_each_drill(tmp_path, held, broken):
    """Who ends a campaign in the middle has what was found out until then."""
    broken.scenario = SCENARIOS["node-killed"]
    for drills in ([], [held], [held, broken]):
        add_to_report(tmp_path, drills, {}, seconds=10)
        assert f"of {len(drills)} drills" in (tmp_path / PAGE).read_text()
    assert {path.parent.name for path in tmp_path.glob("*/verdict.json")} == {
        "colo-lost",
        "node-killed",
    }
