"""Late deliveries of tombstones: purges are recorded first, and sent last."""

from types import SimpleNamespace

import pytest

from storagemaster.caches.variants import all_variants
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagenode.protocol.errors import NodeError, StoreNotWritable
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import Place, TrashedFile
from volumes.photo_path import Info, PhotoTombstone, PhotoVersion, Variant, VersionTombstone
from volumes.sizes import DEFAULT_SIZES

PHOTO, SECONDS = "01jd3x8m2c9qp4k7", 1_700_000_000
ONE, TWO, THREE = (PhotoVersion(1, PHOTO, f"00000{number}") for number in (1, 2, 3))
OF_PHOTO, OF_ONE = PhotoTombstone(1, PHOTO), VersionTombstone(ONE)


class Recorder:
    """One mirror and the edges. It records what it gets, in order."""

    def __init__(self):
        self.steps, self.names, self.trash, self.refused = [], [], [], {}
        self.nodes = {"west": self}
        self.cluster = SimpleNamespace(edges={"e1": None, "e2": None}, sizes=DEFAULT_SIZES)
        self.delivery = TombstoneDelivery(self, self)

    async def list_photo(self, volume, photo):
        """Return the files of the photo."""
        assert (volume, photo) == (1, PHOTO)
        return [ListedFile(f"{PHOTO}{name}", 1, "") for name in self.names]

    async def list_trash(self, volume, photo):
        """Return the deleted files of the photo."""
        assert (volume, photo) == (1, PHOTO)
        return [TrashedFile(file, "2024-01-01", 1, "") for file in self.trash]

    async def write_tombstone(self, place, *, mtime_seconds, map_version=None):
        """Record a tombstone."""
        assert (mtime_seconds, map_version) == (SECONDS, None)
        self.steps.append(place)
        if place in self.refused:
            raise self.refused[place]

    async def stat(self, place):
        """Return the metadata of a tombstone."""
        assert place == Place(OF_ONE)
        return SimpleNamespace(mtime_seconds=SECONDS)

    async def purge(self, paths):
        """Record a purge."""
        self.steps.append(set(paths))

    async def deliver(self, tombstone):
        """Deliver a tombstone; return the steps."""
        await self.delivery.write_tombstone("west", tombstone, mtime_seconds=SECONDS)
        return self.steps


def purges_of(*versions):
    """Return the paths of all variants of some versions."""
    return {path for each in versions for path in all_variants(each, DEFAULT_SIZES)}


def pending(*versions):
    """Return the purges that a mirror records for each edge."""
    return [Place(VersionTombstone(each), edge) for each in versions for edge in ("e1", "e2")]


@pytest.fixture(name="mirror")
def _mirror():
    return Recorder()


async def test_every_version_of_a_deleted_photo_is_purged(mirror):
    """Each is recorded for each edge before the tombstone is written."""
    mirror.names = ["_000001_o.jpg", "_000001_m.jpg", "_000002.json"]
    assert await mirror.deliver(OF_PHOTO) == [
        *pending(ONE, TWO),
        Place(OF_PHOTO),
        purges_of(ONE, TWO),
    ]


async def test_a_version_is_purged_alone(mirror):
    """Other versions of the photo stay in the caches."""
    mirror.names = ["_000001_o.jpg", "_000002_o.jpg", "_000003.gone"]
    assert await mirror.deliver(OF_ONE) == [*pending(ONE), Place(OF_ONE), purges_of(ONE)]


async def test_nothing_is_purged_of_what_the_mirror_never_had(mirror):
    """No edge can have it from there."""
    mirror.names, mirror.trash = ["_000002.gone"], [Info(THREE)]
    assert await mirror.deliver(OF_PHOTO) == [Place(OF_PHOTO)]


@pytest.mark.parametrize("tombstone", [OF_PHOTO, OF_ONE])
async def test_a_mirror_with_the_tombstone_is_purged_of_what_is_in_its_trash(mirror, tombstone):
    """The delete that wrote it can have failed before its purges."""
    mirror.names = [".gone" if tombstone is OF_PHOTO else "_000001.gone"]
    mirror.trash = [Variant(ONE, "o", "jpg"), Info(ONE)]
    assert await mirror.deliver(tombstone) == [*pending(ONE), Place(tombstone), purges_of(ONE)]


async def test_a_mirror_without_writes_still_gets_the_tombstone(mirror):
    """It keeps it in memory. Any other error ends the delivery before the tombstone."""
    mirror.names = ["_000001_o.jpg"]
    mirror.refused = dict.fromkeys(pending(ONE), StoreNotWritable("full"))
    assert await mirror.deliver(OF_ONE) == [*pending(ONE), Place(OF_ONE), purges_of(ONE)]
    mirror.refused, mirror.steps = {pending(ONE)[1]: NodeError("no")}, []
    with pytest.raises(NodeError):
        await mirror.deliver(OF_ONE)
    assert mirror.steps == pending(ONE)


async def test_a_refused_tombstone_purges_nothing(mirror):
    """It is delivered again later."""
    mirror.names, mirror.refused = ["_000001_o.jpg"], {Place(OF_ONE): NodeError("no")}
    with pytest.raises(NodeError):
        await mirror.deliver(OF_ONE)
    assert mirror.steps == [*pending(ONE), Place(OF_ONE)]


async def test_the_second_of_a_delete_is_that_of_the_source(mirror):
    """All mirrors get the same."""
    assert await mirror.delivery.seconds_of("west", OF_ONE) == SECONDS
