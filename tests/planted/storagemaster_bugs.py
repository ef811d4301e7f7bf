"""Bugs in what a storagemaster acknowledges, deletes and forgets to tell."""

import asyncio
import contextlib

from storagemaster.caches.purging import EdgePurger
from storagemaster.errors import UnknownPhoto
from storagemaster.jobs.sweep import Sweep
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.revokes import Revokes
from storagemaster.mirrors import fan_out, mirroring, placement
from storagemaster.mirrors.mirroring import Copies, Mirroring
from storagemaster.mirrors.photo_files import PhotoFiles
from storagemaster.uploads import uploads
from storagemaster.uploads.earlier_upload import EarlierUploads
from storagemaster.uploads.upload_body import UploadBody
from storagenode.client import NodeClient
from storagenode.protocol.errors import Unreachable
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug
from volumes.photo_id import mint_photo_id, mint_version
from volumes.sizes import Size


def acknowledges_one_copy(patch):
    """The other may follow."""
    patch.setattr(mirroring, "COPIES_MIN", 1)


def calls_everything_mirrored(patch):
    """Whatever colos the copies are in."""
    patch.setattr(Copies, "durability", property(lambda _: "mirrored"))


def takes_strict_for_a_wish(patch):
    """One colo will do."""
    copies, place = Mirroring._copies, uploads.place_photo
    patch.setattr(
        Mirroring,
        "_copies",
        lambda self, targets, strict, **rest: copies(
            self, targets, strict=strict and False, **rest
        ),
    )
    patch.setattr(
        uploads,
        "place_photo",
        lambda cluster, views, order, strict: place(cluster, views, order, strict=strict and False),
    )


def takes_silence_for_success(patch):
    """A node that does not answer will have taken it."""
    bury = NodeClient.write_tombstone

    async def bury_or_hope(client, place, *, mtime_seconds):
        with contextlib.suppress(Unreachable):
            await bury(client, place, mtime_seconds=mtime_seconds)

    patch.setattr(NodeClient, "write_tombstone", bury_or_hope)


def mints_an_id_for_every_try(patch):
    """Whatever the key."""
    calls = iter(range(1 << 20))

    def mint(key, *, secret):
        del key, secret
        bits = next(calls)
        photo = mint_photo_id(now_milliseconds=1_700_000_000_000, random_bits=lambda _: bits)
        return photo, mint_version(lambda _: bits)

    patch.setattr(uploads, "derive_photo_id", mint)


def never_looks_for_an_earlier_upload(patch):
    """Each try is the first."""

    async def find(*_):
        return None

    patch.setattr(EarlierUploads, "find", find)


def says_not_found_of_what_it_cannot_reach(patch):
    """As if every mirror had been asked."""

    def refuse(_, what):
        raise UnknownPhoto(what)

    patch.setattr(PhotoFiles, "refuse", refuse)


def loses_purges(patch):
    """Edges keep what they have."""

    async def purge(purging, paths):
        del paths
        return tuple(purging._edges)

    patch.setattr(EdgePurger, "purge", purge)


def owes_no_purges(patch):
    """An edge that is down is not told later."""

    async def owe(*_, **__):
        pass

    patch.setattr(Deletes, "_record_purge", owe)


def sweeps_nothing(patch):
    """What the queue has lost is lost."""

    async def sweep(*_):
        return 0

    patch.setattr(Sweep, "sweep", sweep)


def waits_for_a_frozen_mirror(patch):
    """As long as it takes."""

    async def wait(branches):
        await asyncio.wait([branch.task for branch in branches])

    patch.setattr(fan_out, "_wait_for_outcomes", wait)


def ignores_the_declared_digest(patch):
    """Whatever came is kept."""
    body = UploadBody.body

    def unchecked(incoming, *, stored_digest=None):
        incoming._declared = type(incoming._declared)()
        return body(incoming, stored_digest=stored_digest)

    patch.setattr(UploadBody, "body", unchecked)


def places_photos_on_full_nodes(patch):
    """As if they were sizes."""
    patch.setattr(
        placement, "_can_store", lambda view, new_photo: view.writable and new_photo is not None
    )


def enlarges_small_photos(patch):
    """A size for every row of the table."""
    patch.setattr(Size, "is_smaller_than", lambda *_: True)


def revokes_with_sizes_missing(patch):
    """Whatever the info tells of."""

    async def yes(*_):
        return True

    patch.setattr(Revokes, "_has_every_size", yes)


BUGS_OF_STORAGEMASTERS = (
    PlantedBug(
        what="an upload is acknowledged on one copy",
        plant=acknowledges_one_copy,
        found_by=Simulation("C16"),
    ),
    PlantedBug(
        what="a receipt says “mirrored” of copies in one colo",
        plant=calls_everything_mirrored,
        found_by=Simulation("C16"),
    ),
    PlantedBug(
        what="“Durability: strict” is not held to",
        plant=takes_strict_for_a_wish,
        found_by=Simulation("C16", seeds_max=600),
    ),
    PlantedBug(
        what="a tombstone that was not answered counts as taken",
        plant=takes_silence_for_success,
        found_by=Tests("tests/storagemaster/lifecycle/test_deletes.py"),
    ),
    PlantedBug(
        what="a retry with the same Idempotency-Key gets another id",
        plant=mints_an_id_for_every_try,
        found_by=Simulation("C10"),
    ),
    PlantedBug(
        what="a retry does not look for what the first try has left",
        plant=never_looks_for_an_earlier_upload,
        found_by=Tests("tests/storagemaster/uploads/test_idempotency.py"),
    ),
    PlantedBug(
        what="a photo whose mirrors do not answer is called unknown",
        plant=says_not_found_of_what_it_cannot_reach,
        found_by=Tests("tests/storagemaster/photos/test_photo_status.py"),
    ),
    PlantedBug(
        what="a purge is lost",
        plant=loses_purges,
        found_by=Simulation("C5"),
    ),
    PlantedBug(
        what="an edge that was down when a photo was deleted is never purged",
        plant=owes_no_purges,
        found_by=Tests("tests/storagemaster/caches/test_purging.py"),
    ),
    PlantedBug(
        what="a job that the queue has lost is never asked for again",
        plant=sweeps_nothing,
        found_by=Simulation("C11"),
    ),
    PlantedBug(
        what="a frozen mirror holds an upload up for as long as it is frozen",
        plant=waits_for_a_frozen_mirror,
        found_by=Tests("tests/storagemaster/mirrors/test_fan_out.py"),
    ),
    PlantedBug(
        what="a body that does not match its declared digest is stored",
        plant=ignores_the_declared_digest,
        found_by=Tests("tests/storagemaster/uploads/test_bad_uploads.py"),
    ),
    PlantedBug(
        what="a new photo is placed on a full node",
        plant=places_photos_on_full_nodes,
        found_by=Tests("tests/storagemaster/mirrors/test_placement.py"),
    ),
    PlantedBug(
        what="sizes are promised that are larger than the photo",
        plant=enlarges_small_photos,
        found_by=Tests("tests/volumes/test_size_table.py"),
    ),
    PlantedBug(
        what="a revocation takes an info along that tells of sizes which are not there",
        plant=revokes_with_sizes_missing,
        found_by=Tests("tests/storagemaster/lifecycle/test_revokes.py"),
    ),
)
