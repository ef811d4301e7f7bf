"""The steps of a delete and their order, with mirrors, edges, and caches that only record."""

from types import SimpleNamespace

import pytest

from storagemaster.errors import UnknownPhoto
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.mirrors.copies import Copies
from storagemaster.mirrors.photo_files import PhotoFiles
from storagemaster.mirrors.placement import Target
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.photo_path import PhotoTombstone, PhotoVersion, Variant, VersionTombstone
from volumes.sizes import DEFAULT_SIZES

MAP_VERSION = 7
PHOTO, NOW = "01jd3x8m2c9qp4k7", 1_700_000_000
TARGETS = (Target("east"), Target("west"), Target("north", hint_for="south"))
VERSIONS = [PhotoVersion(1, PHOTO, f"{number:06d}") for number in range(5)]


class Recorder:
    """Every collaborator of a delete. It records what it was called with, in order."""

    def __init__(self, *, versions=VERSIONS[:1], unreachable=(), purged=("e1", "e2", "e3")):
        self.steps, self.refusing = [], set()
        self._purged = purged
        originals = [Variant(each, "o", "jpg") for each in versions]
        self._files = PhotoFiles(
            dict.fromkeys(originals, ("east",)), dict.fromkeys(unreachable, "down")
        )
        self.nodes = {node: self._node(node) for node in ("east", "west", "north")}
        self.cluster = SimpleNamespace(
            node=lambda node: SimpleNamespace(colo=node),
            edges={"e1": None, "e2": None, "e3": None},
            sizes=DEFAULT_SIZES,
            map_version=MAP_VERSION,
        )

    def _node(self, node):
        async def write_tombstone(place, *, mtime_seconds, map_version=None):
            assert map_version == (None if place.hint_for in self.cluster.edges else MAP_VERSION)
            self.steps.append((node, place, mtime_seconds))
            if node in self.refusing:
                raise NodeError("no")

        return SimpleNamespace(write_tombstone=write_tombstone)

    def place(self, volume, *, outcome):
        """Return the placement, which `write_all` needs no more of."""
        assert (volume, outcome) == (1, "the photo was not deleted")

    async def files_of(self, volume, photo):
        """Return the files of the photo."""
        assert (volume, photo) == (1, PHOTO)
        return self._files

    async def write_all(self, _, write):
        """Write to all targets."""
        for target in TARGETS:
            await write(target)
        return Copies(targets=TARGETS, spans_colos=True, pending_mirrors=("south",))

    async def write_tombstone(self, node, tombstone, *, mtime_seconds, map_version):
        """Record a delivery to a mirror that was not listed."""
        assert map_version == MAP_VERSION
        self.steps.append((f"{node} late", tombstone, mtime_seconds))

    async def purge(self, paths):
        """Record the purged versions."""
        self.steps.append(("purge", sorted({path.split("_")[1] for path in paths})))
        return self._purged

    async def drop(self, versions):
        """Record what a cache drops."""
        self.steps.append(("drop", list(versions)))

    def publish(self, event):
        """Record an event."""
        self.steps.append((event.state, event.photo, event.version))

    async def delete(self, version=None):
        """Delete the photo or a version; return the result."""
        deletes = Deletes(self, self, self, self, self, self, self, now_seconds=lambda: NOW + 0.5)
        return await deletes.delete(1, PHOTO, version)


async def test_a_photo_is_deleted_on_all_nodes_before_the_edges_are_purged():
    """Then it is out of every cache, and an event is published."""
    recorder = Recorder(versions=VERSIONS)
    deletion = await recorder.delete()
    tombstone = PhotoTombstone(1, PHOTO)
    assert recorder.steps == [
        *((each.node, Place(tombstone, each.hint_for), NOW) for each in TARGETS),
        ("deleted", PHOTO, ""),
        ("drop", VERSIONS),
        ("purge", [each.version for each in VERSIONS]),
    ]
    assert (deletion.volume, deletion.photo, deletion.version) == (1, PHOTO, "")
    assert (deletion.pending_mirrors, deletion.purge_pending) == (("south",), ())
    assert deletion.purged == ("e1", "e2", "e3")
    assert [(copy.node, copy.hint_for) for copy in deletion.copies] == [
        ("east", ""),
        ("west", ""),
        ("north", "south"),
    ]


async def test_a_version_is_deleted_alone():
    """The event, the cache, the purge, and the result name it."""
    recorder = Recorder(versions=VERSIONS)
    deletion = await recorder.delete(VERSIONS[2].version)
    assert {step[1] for step in recorder.steps[:3]} == {
        Place(VersionTombstone(VERSIONS[2]), each.hint_for) for each in TARGETS
    }
    assert recorder.steps[3:] == [
        ("deleted", PHOTO, VERSIONS[2].version),
        ("drop", [VERSIONS[2]]),
        ("purge", [VERSIONS[2].version]),
    ]
    assert deletion.version == VERSIONS[2].version


async def test_a_delete_of_what_no_mirror_has_says_what():
    """The photo, or its version."""
    nothing = Recorder(versions=())
    with pytest.raises(UnknownPhoto, match=f"^no mirror has photo {PHOTO}$"):
        await nothing.delete()
    version = VERSIONS[1].version
    with pytest.raises(UnknownPhoto, match=f"^no mirror has photo {PHOTO} with version {version}$"):
        await Recorder().delete(version)


async def test_a_mirror_that_was_not_listed_is_purged_of_what_it_still_has():
    """Its tombstone is delivered late, and a hint for another one is not."""
    recorder = Recorder(unreachable=("west", "north"))
    await recorder.delete()
    assert [step[0] for step in recorder.steps[:3]] == ["east", "west late", "north"]


@pytest.mark.parametrize("refusing", [set(), {"east"}])
async def test_missed_purges_are_recorded_for_each_edge_and_version_on_all_holders(refusing):
    """A node that refuses one keeps no other from recording it."""
    recorder = Recorder(versions=VERSIONS[:2], purged=("e2",))
    writes = [Place(VersionTombstone(each), edge) for edge in ("e1", "e3") for each in VERSIONS[:2]]
    begun = len(TARGETS) + 3

    async def publish_and_refuse(paths):
        recorder.refusing = refusing
        return await Recorder.purge(recorder, paths)

    recorder.purge = publish_and_refuse
    deletion = await recorder.delete()
    assert deletion.purge_pending == ("e1", "e3")
    assert recorder.steps[begun:] == [
        (node, place, NOW) for place in writes for node in ("east", "west", "north")
    ]
