"""`glassplate undelete`, against a real cluster."""

import json

import pytest

from glassplate import NotFound, PhotoGone, Receipt, Unavailable


@pytest.fixture(name="deleted")
def _deleted(client, receipt):
    """Delete a photo, and return it as VOLUME/PHOTO."""
    client.delete(receipt.reference.rpartition("/")[0])
    return receipt.reference.rpartition("/")[0]


def trashed(cluster, photo):
    """Return the originals of a photo in the trash, by node."""
    paths = (cluster.root).glob(f"*/.trash/*/*/*/{photo}_*_o.*")
    return {path.relative_to(cluster.root).parts[0]: path for path in paths}


def test_deleted_photo_is_restored_as_a_new_one(client, deleted, receipt, photo):
    """The new photo has the same bytes, the old reference stays invalid, and it is repeatable."""
    back = client.undelete(deleted)
    assert back.photo != receipt.photo
    assert (back.sha256, back.durability) == (receipt.sha256, "mirrored")
    assert client.get(back.reference) == photo
    with pytest.raises(PhotoGone):
        client.info(receipt.reference)
    assert client.undelete(deleted) == back


def test_restored_photo_can_be_deleted_and_restored(client, deleted):
    """The first photo cannot be restored once its restored copy is deleted."""
    back = client.undelete(deleted)
    client.delete(f"{back.volume}/{back.photo}")
    with pytest.raises(PhotoGone, match="undeleted before"):
        client.undelete(deleted)
    again = client.undelete(f"{back.volume}/{back.photo}")
    assert again.sha256 == back.sha256


def test_deleted_version_is_restored(client, receipt, photo):
    """A single deleted version can be restored."""
    client.delete(receipt.reference)
    assert client.get(client.undelete(receipt.reference).reference) == photo


def test_corrupt_copy_is_skipped(client, cluster, corrupt, deleted, receipt, photo):
    """The copy of the other mirror is used instead."""
    paths = trashed(cluster, receipt.photo)
    assert paths.keys() == {"east-2", "west-2"}
    corrupt("east-2", paths["east-2"].relative_to(cluster.root / "east-2"))
    back = client.undelete(deleted)
    assert client.get(back.reference) == photo


def test_undelete_fails_without_an_intact_copy(
    glassplate, client, cluster, corrupt, deleted, receipt
):
    """Corrupt copies are an error that can pass; an empty trash is "not found"."""
    paths = trashed(cluster, receipt.photo)
    for node, path in paths.items():
        corrupt(node, path.relative_to(cluster.root / node))
    with pytest.raises(Unavailable, match="no copy in the trash could be read"):
        client.undelete(deleted)
    for path in paths.values():
        path.unlink()
    with pytest.raises(NotFound, match="no trash has a deleted original"):
        client.undelete(deleted)
    assert glassplate("undelete", deleted).exit_code == 1


def test_unreachable_mirror_may_have_a_copy(client, cluster, deleted, receipt):
    """The result is "not found" only if every mirror responded."""
    trashed(cluster, receipt.photo)["east-2"].unlink()
    with cluster.without("west-2"), pytest.raises(Unavailable, match="west-2 did not respond"):
        client.undelete(deleted)
    assert client.undelete(deleted).sha256 == receipt.sha256


def test_undelete_prints_the_new_reference(glassplate, client, deleted, receipt, photo):
    """The command continues after a failure, and the JSON document has both outcomes."""
    shown = glassplate("undelete", deleted)
    assert shown.exit_code == 0
    reference = shown.stdout.split(" is restored as ")[1].split()[0]
    assert client.get(reference) == photo
    result = glassplate("undelete", f"{receipt.volume}/01jd3x8m2c9qp4k7", deleted, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["undeleted"][0].keys() == {
        "deleted",
        "reference",
        *Receipt.__dataclass_fields__,
    }
    assert document["failed"][0].keys() == {"deleted", "error", "message", "status"}
    assert glassplate("undelete", "nonsense").exit_code == 2
