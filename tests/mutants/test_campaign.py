"""Campaigns over a small project: caught, survived, endless, continued, and counted."""

import shutil
import subprocess

import pytest

from tests.mutants import tree
from tests.mutants.__main__ import main
from tests.mutants.campaign import NOT_RUN, ROOT, Campaign
from tests.mutants.summary import summarize
from tests.mutants.targets import TARGETS, Target
from tests.mutants.tree import CAUGHT, SURVIVED, TIMED_OUT, TestsFailed

MODULE = "def countdown(count):\n    while count > 0:\n        count -= 2\n    return count\n"
TEST = "from small import countdown\n\ndef test_of_one():\n    assert countdown(1) == -1\n"
SECOND = "\ndef test_of_two():\n    assert countdown(2) == 0\n"
TARGET = Target("small.py", ("test_small.py",))
ENDLESS = "countdown: count -= 2 -> pass"
BOUNDARY = "countdown: count > 0 -> count >= 0"


@pytest.fixture(name="first_run", scope="module")
def _first_run(tmp_path_factory):
    """Return the folder of a repository with a finished campaign, and what was reported."""
    root = tmp_path_factory.mktemp("project")
    (root / "small.py").write_text(MODULE)
    (root / "test_small.py").write_text(TEST)
    subprocess.run(("git", "init", "-q"), cwd=root, check=True)
    reported = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "LIMIT_SECONDS_MIN", 1.0)
        patch.setattr(tree, "LIMIT_FACTOR", 2)
        campaign_of(root).run([TARGET], reported.append)
    return root, reported


@pytest.fixture(name="project")
def _project(first_run, tmp_path):
    """Return a copy of the repository, with the results of the campaign."""
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def campaign_of(root):
    """Return the campaign over a small project."""
    return Campaign(root / "build" / "mutants.jsonl", jobs=2, root=root)


def outcomes(root):
    """Return the outcome of each change."""
    return {result.change: result.outcome for result in campaign_of(root).results_of(TARGET)}


def test_mutants_are_caught_survive_or_time_out(first_run):
    """Each result is reported, and the project stays as it is."""
    root, reported = first_run
    found = outcomes(root)
    assert found[ENDLESS] == TIMED_OUT
    assert found["countdown: 2 -> 3"] == CAUGHT
    assert found[BOUNDARY] == SURVIVED
    assert {result.change: result.outcome for result in reported} == found
    caught = next(each for each in reported if each.outcome == CAUGHT)
    assert caught.caught_by == "test_small.py::test_of_one"
    assert (root / "small.py").read_text() == MODULE
    assert {path.name for path in root.iterdir()} == {".git", "build", "small.py", "test_small.py"}


def test_finished_campaign_runs_nothing(project):
    """A run continues where the last one stopped."""
    again = []
    campaign_of(project).run([TARGET], again.append)
    assert again == []


def test_survivors_run_again_when_tests_change(project):
    """A caught mutant stays caught."""
    survived = {change for change, outcome in outcomes(project).items() if outcome == SURVIVED}
    (project / "test_small.py").write_text(TEST + SECOND)
    again = []
    campaign_of(project).run([TARGET], again.append)
    assert {result.change for result in again} == survived
    assert outcomes(project)[BOUNDARY] == CAUGHT


def test_a_test_runs_although_the_mutant_changes_its_id(project):
    """Ids of parameters can have a constant of the module."""
    (project / "limits.py").write_text("LIMIT = 3\n")
    (project / "test_limits.py").write_text(
        "import limits, pytest\n@pytest.mark.parametrize('value', [limits.LIMIT])\n"
        "def test_limit(value):\n    assert value == 3\n"
    )
    target = Target("limits.py", ("test_limits.py",))
    results = []
    campaign_of(project).run([target], results.append)
    assert [result.outcome for result in results] == [CAUGHT]


def test_changed_module_runs_again(project):
    """A result counts for the source that it was found with."""
    (project / "small.py").write_text(MODULE.replace("return count", "return -count"))
    assert set(outcomes(project).values()) == {NOT_RUN}


def test_tests_that_fail_without_a_mutant_are_an_error(project):
    """They would catch everything."""
    (project / "test_small.py").write_text("def test_that_fails():\n    assert False\n")
    with pytest.raises(TestsFailed, match="test_that_fails"):
        campaign_of(project).run([TARGET], lambda _: None)


def test_summary_counts_equivalents_and_finds_wrong_ones(project):
    """A listed equivalent that is caught, or that the module no longer has, is wrong."""
    results = campaign_of(project).results_of(TARGET)
    listed = {BOUNDARY: "a reason", ENDLESS: "a wrong one", "gone: a -> b": "an old one"}
    summary = summarize(results, {TARGET.module: listed})
    survived = [result for result in results if result.outcome == SURVIVED]
    assert summary.mutants == len(results)
    assert summary.equivalent == 1
    assert summary.survivors == [each for each in survived if each.change != BOUNDARY]
    assert summary.caught == len(results) - len(survived)
    assert summary.wrong_equivalents == [f"small.py  {ENDLESS}", "small.py  gone: a -> b"]


def test_targets_exist():
    """Every module and every test of the campaign is in the tree, each module once."""
    modules = [target.module for target in TARGETS]
    assert len(set(modules)) == len(modules)
    paths = [*modules, *(test for target in TARGETS for test in target.tests)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_report_runs_nothing(capsys, monkeypatch, tmp_path):
    """`--report` prints the counts of the results so far: without any, no mutant was caught."""
    results = tmp_path / "mutants.jsonl"
    arguments = ["mutants", "--report", "--module", "upkeep/fence", "--results", str(results)]
    monkeypatch.setattr("sys.argv", arguments)
    assert main() == 1
    printed = capsys.readouterr().out
    assert "mutants were not run" in printed
    assert "0.0 %" in printed
    assert not results.exists()


@pytest.mark.parametrize("bad", [["--module", "no-such"], ["--jobs", "0"]])
def test_bad_options_are_refused(capsys, monkeypatch, bad):
    """The message lists what is valid."""
    monkeypatch.setattr("sys.argv", ["mutants", "--report", *bad])
    with pytest.raises(SystemExit):
        main()
    assert "error:" in capsys.readouterr().err
