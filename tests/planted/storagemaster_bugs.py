"""Bugs in acknowledgements and jobs of a storagemaster."""

import contextlib

from storagemaster.jobs.sweep import Sweep
from storagemaster.mirrors.key_volumes import KeyVolumes
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.uploads import keyed_photos, uploads
from storagemaster.uploads.earlier_upload import EarlierUploads
from storagenode.client import NodeClient
from storagenode.protocol.errors import Unreachable
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug
from volumes.photo_id import mint_photo_id, mint_version


def ignores_strict(patch):
    """Accept copies in one colo."""
    copies, place = Mirroring._copies, uploads.place_photo
    patch.setattr(
        Mirroring,
        "_copies",
        lambda self, placed, targets, strict, **rest: copies(
            self, placed, targets, strict=strict and False, **rest
        ),
    )
    patch.setattr(
        uploads,
        "place_photo",
        lambda cluster, views, order, strict: place(cluster, views, order, strict=strict and False),
    )


def counts_silence_as_success(patch):
    """Count an unreachable node as one that has the tombstone."""
    write = NodeClient.write_tombstone

    async def write_or_ignore(client, place, *, mtime_seconds):
        with contextlib.suppress(Unreachable):
            await write(client, place, mtime_seconds=mtime_seconds)

    patch.setattr(NodeClient, "write_tombstone", write_or_ignore)


def mints_an_id_for_every_attempt(patch):
    """Ignore the Idempotency-Key."""
    calls = iter(range(1 << 20))

    def mint(key, *, application, secret):
        del key, application, secret
        bits = next(calls)
        photo = mint_photo_id(now_milliseconds=1_700_000_000_000, random_bits=lambda _: bits)
        return photo, mint_version(lambda _: bits)

    patch.setattr(keyed_photos, "derive_photo_id", mint)


def follows_who_is_up(patch):
    """Take the volume of a key from the volumes whose mirrors are all up."""
    reserve_key, own_volumes = uploads.Uploads._reserve_key, KeyVolumes.of
    views = {}

    async def reserve(self, request, key, *, strict):
        views.update(self._mirrors.fleet.view())
        return await reserve_key(self, request, key, strict=strict)

    def is_up(volume):
        return all(views[node].accepts_new_photos for node in volume.mirrors)

    def of(self, photo):
        found = own_volumes(self, photo)
        up = [each for each in (found[-1], *self._volumes.values()) if is_up(each)]
        return (*found[:-1], *(up[:1] or found[-1:]))

    patch.setattr(uploads.Uploads, "_reserve_key", reserve)
    patch.setattr(KeyVolumes, "of", of)


def forgets_hinted_photos(patch):
    """Query no node that holds hints before an upload with a key."""
    patch.setattr(EarlierUploads, "_holders", lambda _: [])


def sweeps_nothing(patch):
    """Never enqueue lost jobs again. This is the only bug for C11."""

    async def sweep(*_):
        return 0

    patch.setattr(Sweep, "sweep", sweep)


BUGS_OF_STORAGEMASTERS = (
    PlantedBug(
        what="“Durability: strict” is ignored",
        plant=ignores_strict,
        found_by=Simulation("C16", seeds_max=600),
    ),
    PlantedBug(
        what="a tombstone without response counts as stored",
        plant=counts_silence_as_success,
        found_by=Tests("tests/storagemaster/lifecycle/test_deletes.py"),
    ),
    PlantedBug(
        what="a retry with the same Idempotency-Key gets another id",
        plant=mints_an_id_for_every_attempt,
        found_by=Simulation("C10"),
    ),
    PlantedBug(
        what="the volume of a key follows from the nodes that are up",
        plant=follows_who_is_up,
        found_by=Simulation("C10"),
    ),
    PlantedBug(
        what="an upload with a key does not look for hints of its photo",
        plant=forgets_hinted_photos,
        found_by=Tests("tests/storagemaster/uploads/test_idempotency.py"),
    ),
    PlantedBug(
        what="a job that the queue lost is never enqueued again",
        plant=sweeps_nothing,
        found_by=Simulation("C11"),
    ),
)
