"""`glassplate undelete`, against a real cluster."""

import json

import pytest

from glassplate import NotFound, PhotoGone, Receipt, Unavailable


@pytest.fixture(name="deleted")
def _deleted(client, receipt):
    """A photo that is deleted, as VOLUME/PHOTO."""
    client.delete(receipt.reference.rpartition("/")[0])
    return receipt.reference.rpartition("/")[0]


def trashed(cluster, photo):
    """The originals of a photo in the trash, by node."""
    paths = (cluster.root).glob(f"*/.trash/*/*/*/{photo}_*_o.*")
    return {path.relative_to(cluster.root).parts[0]: path for path in paths}


def test_deleted_photo_comes_back_as_a_new_one(client, deleted, receipt, photo):
    """Mirrored, byte for byte; the old reference stays dead; twice is the same."""
    back = client.undelete(deleted)
    assert back.photo != receipt.photo
    assert (back.sha256, back.durability) == (receipt.sha256, "mirrored")
    assert client.get(back.reference) == photo
    with pytest.raises(PhotoGone):
        client.info(receipt.reference)
    assert client.undelete(deleted) == back


def test_new_photo_can_be_deleted_and_brought_back_too(client, deleted):
    """The first one cannot: what came of it is gone."""
    back = client.undelete(deleted)
    client.delete(f"{back.volume}/{back.photo}")
    with pytest.raises(PhotoGone, match="undeleted before"):
        client.undelete(deleted)
    again = client.undelete(f"{back.volume}/{back.photo}")
    assert again.sha256 == back.sha256


def test_deleted_version_comes_back(client, receipt, photo):
    """A photo of which one version is deleted has that one in the trash."""
    client.delete(receipt.reference)
    assert client.get(client.undelete(receipt.reference).reference) == photo


def test_corrupt_copy_is_passed_over(client, cluster, corrupt, deleted, receipt, photo):
    """The other mirror's is taken; without that there is nothing to take."""
    paths = trashed(cluster, receipt.photo)
    assert paths.keys() == {"east-2", "west-2"}
    corrupt("east-2", paths["east-2"].relative_to(cluster.root / "east-2"))
    back = client.undelete(deleted)
    assert client.get(back.reference) == photo


def test_nothing_whole_is_left(glassplate, client, cluster, corrupt, deleted, receipt):
    """Then it says so, and nothing is kept; when the trash is empty it is not found."""
    paths = trashed(cluster, receipt.photo)
    for node, path in paths.items():
        corrupt(node, path.relative_to(cluster.root / node))
    with pytest.raises(Unavailable, match="no copy in the trash could be read"):
        client.undelete(deleted)
    for path in paths.values():
        path.unlink()
    with pytest.raises(NotFound, match="no trash has an original"):
        client.undelete(deleted)
    assert glassplate("undelete", deleted).exit_code == 1


def test_mirror_that_is_down_may_have_it(client, cluster, deleted, receipt):
    """Not found is said only when every mirror was asked."""
    trashed(cluster, receipt.photo)["east-2"].unlink()
    with cluster.without("west-2"), pytest.raises(Unavailable, match="west-2 did not respond"):
        client.undelete(deleted)
    assert client.undelete(deleted).sha256 == receipt.sha256


def test_undelete_prints_the_new_reference(glassplate, client, deleted, receipt, photo):
    """And goes on after one that fails; JSON has what the master answers."""
    shown = glassplate("undelete", deleted)
    assert shown.exit_code == 0
    reference = shown.stdout.split(" is back as ")[1].split()[0]
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
