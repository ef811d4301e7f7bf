"""`glassplate export`: complete, verified files, in any number of runs."""

import hashlib
import json

import pytest

from glassplate.cli.commands.get import name_of
from tests.free_ports import free_ports
from tests.glassplate.live_cluster import jpeg, running_cluster


@pytest.fixture(name="receipts")
def _receipts(client, seeds):
    """Upload three photos, and return their bytes by receipt."""
    photos = [jpeg(next(seeds)) for _ in range(3)]
    return [(client.put(photo, volume=2), photo) for photo in photos]


@pytest.fixture(name="references")
def _references(receipts, tmp_path):
    """Write a file of their references."""
    path = tmp_path / "references"
    path.write_text("".join(f"{receipt.reference}\n" for receipt, _ in receipts))
    return path


def original_in(folder, receipt):
    """Return the path of an exported original."""
    return folder / name_of(receipt.urls["o"]).replace("_o.", ".")


def exported(glassplate, *arguments):
    """Run an export that succeeds, and return its document."""
    result = glassplate("export", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_originals_and_infos_are_files(glassplate, cluster, receipts, references, tmp_path):
    """Each photo is two files, and nothing else is left."""
    cluster.make_one_size(receipts[0][0].reference)
    folder = tmp_path / "new" / "folder"
    document = exported(glassplate, folder, "--references", references, "-j", "2")
    assert (document["exported"], document["present"], document["failed"]) == (3, 0, [])
    for receipt, data in receipts:
        original = original_in(folder, receipt)
        assert original.read_bytes() == data
        record = json.loads(original.with_suffix(".json").read_text())
        assert record["reference"] == receipt.reference
        assert record["sha256"] == hashlib.sha256(data).hexdigest()
    first = json.loads(original_in(folder, receipts[0][0]).with_suffix(".json").read_text())
    assert first["state"] == "ready"
    assert first["info"]["variants"][0]["size"] == "t"
    assert len(list(folder.iterdir())) == 6


def test_another_run_verifies_and_completes(glassplate, receipts, references, tmp_path):
    """Corrupt and missing files are replaced, and what a killed run left is removed."""
    exported(glassplate, tmp_path / "out", "--references", references)
    corrupt, missing, unrecorded = (original_in(tmp_path / "out", r) for r, _ in receipts)
    corrupt.write_bytes(bytes(corrupt.stat().st_size))
    missing.unlink()
    (tmp_path / "out" / f".{missing.name}.0a1b2c3d.part").write_bytes(b"half")
    unrecorded.with_suffix(".json").write_text("{")
    document = exported(glassplate, tmp_path / "out", "--references", references)
    assert (document["exported"], document["present"]) == (3, 0)
    for receipt, data in receipts:
        assert original_in(tmp_path / "out", receipt).read_bytes() == data
    assert len(list((tmp_path / "out").iterdir())) == 6
    again = exported(glassplate, tmp_path / "out", "--references", references)
    assert (again["exported"], again["present"]) == (0, 3)


def test_infos_of_complete_photos_are_renewed(glassplate, cluster, receipts, references, tmp_path):
    """A photo that was pending has its info after another run, without another download."""
    exported(glassplate, tmp_path / "out", "--references", references)
    record = original_in(tmp_path / "out", receipts[0][0]).with_suffix(".json")
    assert json.loads(record.read_text())["state"] == "pending"
    cluster.make_one_size(receipts[0][0].reference)
    again = exported(glassplate, tmp_path / "out", "--references", references)
    assert again["exported"] == 0
    assert json.loads(record.read_text())["state"] == "ready"


def test_a_volume_is_exported(glassplate, cluster, receipts, tmp_path):
    """All its photos; with a mirror down, the exit status says that some may be missing."""
    listed = glassplate("list", "--volume", "2").stdout.splitlines()
    document = exported(glassplate, tmp_path / "out", "--volume", "2")
    assert document["exported"] == len(listed) >= len(receipts)
    for receipt, data in receipts:
        assert original_in(tmp_path / "out", receipt).read_bytes() == data
    with cluster.without("west-1"):
        result = glassplate("export", tmp_path / "out", "--volume", "2", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["unreachable"] == ["west-1"]
    assert "west-1 is unreachable: photos may be missing" in result.stderr


def test_an_export_is_imported_into_another_cluster(
    glassplate, receipts, references, monkeypatch, tmp_path
):
    """All photos have the same digests there."""
    exported(glassplate, tmp_path / "out", "--references", references)
    (tmp_path / "second").mkdir()
    with running_cluster(tmp_path / "second") as second:
        monkeypatch.setenv("GLASSPLATE_CLUSTER", str(second.config))
        result = glassplate("import", tmp_path / "out", "--journal", tmp_path / "journal")
        assert (result.exit_code, result.stderr.count("3 imported")) == (0, 1)
        entries = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
        assert {entry["sha256"] for entry in entries} == {each.sha256 for each, _ in receipts}
        for _, data in receipts:
            assert list(second.originals_of(data).values()) == [2]


def test_failures_do_not_stop_others(glassplate, client, receipts, tmp_path):
    """A deleted and an unknown photo have their reasons; the others are exported."""
    client.delete(receipts[0][0].reference)
    names = [receipt.reference for receipt, _ in receipts]
    names.append("2/01jd3x8m2c9qp4k7/3fz8qd")
    lines = [json.dumps({"reference": name}) for name in names] + ['{"reason": "empty"}']
    result = glassplate(
        "export", tmp_path / "out", "--references", "-", "--json", input="\n".join(lines)
    )
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["exported"] == 2
    errors = {failed["reference"]: failed["error"] for failed in document["failed"]}
    assert errors == {names[0]: "photo-gone", names[-1]: "not-found"}
    assert f"{names[0]} was not exported" in result.stderr


def test_a_token_without_the_scope_is_reported(glassplate, client, references, tmp_path):
    """Originals need a scope of their own."""
    token = client.sign_token(["read"])
    result = glassplate("--token", token, "export", tmp_path / "out", "--references", references)
    assert result.exit_code == 1
    assert "the token lacks scope original" in result.stderr


def test_the_arguments_are_checked(glassplate, references, tmp_path):
    """Photos are named in one way, references are valid, and the cluster responds."""
    assert glassplate("export", tmp_path / "out").exit_code == 2
    both = ("--volume", "1", "--references", references)
    assert glassplate("export", tmp_path / "out", *both).exit_code == 2
    wrong = glassplate("export", tmp_path / "out", "--references", "-", input="nonsense\n")
    assert wrong.exit_code == 2
    assert "not VOLUME/PHOTO/VERSION" in wrong.stderr
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    down = glassplate("--url", url, "export", tmp_path / "out", "--references", references)
    assert down.exit_code == 3
