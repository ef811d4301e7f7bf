"""`glassplate diff` and `repair`, against a cluster without automatic repair."""

import json

import pytest

from glassplate import NotFound

PLAN_KEYS = {"volume", "equal", "unreachable", "copy_bytes", "steps", "conflicts", "strays"}
REPAIR_KEYS = {"volume", "equal", "unreachable", "done", "copied_bytes", "failed", "conflicts"}
STEP_KEYS = {"action", "node", "path", "source", "bytes"}


@pytest.fixture(name="repaired", autouse=True)
def _repaired(client):
    """Repair the damage of other tests first."""
    assert client.repair(3)["equal"]


def test_equal_mirrors_are_reported(glassplate, receipt):
    """The exit status is 0, and a repeated volume is shown once."""
    result = glassplate("diff", receipt.volume, receipt.volume)
    assert result.exit_code == 0
    assert result.stdout == "Volume 3: its mirrors are equal.\n"


def test_diff_lists_the_missing_files_of_a_mirror(
    glassplate, receipt, original, lose, photo, on_disk
):
    """Each step has its source and bytes, and nothing is changed."""
    lose("west-2", original)
    for _ in range(2):
        result = glassplate("diff", "3", "--json")
        assert result.exit_code == 1
        document = json.loads(result.stdout)
        (plan,) = document["volumes"]
        assert plan.keys() == PLAN_KEYS
        assert plan["copy_bytes"] == len(photo)
        assert {
            "action": "copy",
            "node": "west-2",
            "path": original,
            "source": "east-2",
        }.items() <= (plan["steps"][0].items())
        assert plan["steps"][0].keys() == STEP_KEYS
    shown = glassplate("diff", "3").stdout
    assert "1 step," in shown
    assert original in shown
    assert not on_disk("west-2", original).exists()
    assert glassplate("repair", "3", "--apply").exit_code == 0
    assert on_disk("west-2", original).read_bytes() == photo
    assert receipt.volume == 3


def test_repair_shows_the_plan_and_changes_nothing(glassplate, original, lose, on_disk):
    """Without --apply, the exit status is 1 if a step is left."""
    lose("east-2", original)
    result = glassplate("repair")
    assert result.exit_code == 1
    assert "Volumes whose mirrors are equal: 2 of 3" in result.stdout
    assert "Use --apply" in result.stderr
    assert not on_disk("east-2", original).exists()
    assert glassplate("repair", "--apply").exit_code == 0
    assert glassplate("diff", "1", "2", "3").exit_code == 0


def test_repair_reports_its_result(glassplate, original, lose, photo):
    """The JSON document has the repaired volumes."""
    lose("west-2", original)
    result = glassplate("repair", "--apply", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["equal"]
    assert [plan["volume"] for plan in document["plans"]] == [1, 2, 3]
    (repaired,) = document["repairs"]
    assert repaired.keys() == REPAIR_KEYS
    assert (repaired["volume"], repaired["done"]) == (3, 1)
    assert repaired["copied_bytes"] == len(photo)
    assert json.loads(glassplate("repair", "--json").stdout)["repairs"] == []


def test_repair_reports_failed_steps(glassplate, client, original, lose, corrupt, on_disk):
    """A copy step fails while the only source is corrupt."""
    whole = on_disk("east-2", original).read_bytes()
    lose("west-2", original)
    corrupt("east-2", original)
    for _ in range(2):
        (failed,) = client.repair(3)["failed"]
        assert (failed["action"], failed["path"]) == ("copy", original)
        assert failed["reason"]
    result = glassplate("repair", "3", "--apply")
    assert result.exit_code == 1
    assert "its mirrors are not equal yet" in result.stdout
    assert "Reason" in result.stdout
    on_disk("east-2", original).write_bytes(whole)
    assert client.repair(3)["equal"]


def test_an_original_with_a_wrong_digest_is_replaced(
    glassplate, client, receipt, original, record_digest
):
    """A diff names the originals that differ. A repair finds that one is damaged."""
    record_digest("west-2", original, "0" * 64)
    result = glassplate("diff", "3")
    assert result.exit_code == 1
    assert f"{receipt.reference} has different originals" in result.stdout
    assert receipt.sha256 in result.stdout
    assert glassplate("repair", "3", "--apply").exit_code == 0
    assert client.diff(3)["equal"]


def test_an_unreachable_mirror_is_not_equal(glassplate, cluster):
    """The files of an unreachable mirror are unknown."""
    with cluster.without("west-2"):
        result = glassplate("diff", "3")
        assert result.exit_code == 1
        assert "west-2 is unreachable" in result.stdout
        assert glassplate("repair", "3", "--apply").exit_code == 1
    assert glassplate("diff", "3").exit_code == 0


def test_repair_shows_its_progress_at_a_terminal(at_terminal, original, lose):
    """The bar shows volumes and copied bytes."""
    lose("west-2", original)
    shown, status = at_terminal("repair", "--apply")
    assert status == 0
    assert "volumes: 1 of 1" in shown


@pytest.mark.parametrize("arguments", [["diff", "4"], ["repair", "4"]], ids=" ".join)
def test_an_unknown_volume_is_rejected(arguments, glassplate, client):
    """The exit status is 1 for an unknown volume, and 2 for an invalid one."""
    result = glassplate(*arguments)
    assert result.exit_code == 1
    assert "volume 4 is not in the cluster's config" in result.stderr
    assert glassplate(arguments[0], "0").exit_code == 2
    with pytest.raises(NotFound):
        client.repair(4)
