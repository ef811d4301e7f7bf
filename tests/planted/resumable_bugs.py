"""Bugs in resumable uploads, and in the names of keyed photos."""

from storagemaster.errors import Unavailable
from storagemaster.handlers import tus_api
from storagemaster.resumable.resumable_uploads import Progress, ResumableUploads
from storagemaster.uploads import keyed_photos
from storagenode.partials.partials import Partials
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug
from volumes.photo_id import derive_photo_id

TUS_TESTS = Tests("tests/storagemaster/resumable/test_tus.py")


def says_503_to_head(patch):
    """Respond to HEAD with 503, after which clients begin again."""
    patch.setattr(tus_api, "UploadLocked", Unavailable)


def calls_complete_bytes_a_photo(patch):
    """Respond to HEAD with the full offset, before the photo is stored."""
    progress = ResumableUploads.progress

    async def progress_without_commit(uploads, upload, **options):
        lengths = await uploads._copies.lengths(upload)
        if max(lengths.values()) == upload.bytes_total:
            return Progress(upload.bytes_total, is_stored=True)
        return await progress(uploads, upload, **options)

    patch.setattr(ResumableUploads, "progress", progress_without_commit)


def appends_anywhere(patch):
    """Accept an append whose sender does not know where the partial ends."""
    patch.setattr(Partials, "_check_end", lambda *_: None)


def acknowledges_appends_before_their_fsync(patch):
    """Name a segment whose bytes a power failure can lose."""
    append = Partials.append

    def append_without_fsync(partials, file, *arguments, **options):
        def record():
            partials._file_system.set_digest(file._handle, file.digest)
            partials._file_system.set_mtime(file._handle, file.mtime_seconds)

        file._make_durable = record
        return append(partials, file, *arguments, **options)

    patch.setattr(Partials, "append", append_without_fsync)


def shares_keys_among_applications(patch):
    """Derive the photo of a key from the key alone."""

    def derive(key, *, application, secret):
        del application
        return derive_photo_id(key, application="", secret=secret)

    patch.setattr(keyed_photos, "derive_photo_id", derive)


BUGS_OF_RESUMABLE_UPLOADS = (
    PlantedBug(
        what="HEAD of an upload says 503 while no node responds",
        plant=says_503_to_head,
        found_by=TUS_TESTS,
    ),
    PlantedBug(
        what="HEAD of complete bytes does not store the photo",
        plant=calls_complete_bytes_a_photo,
        found_by=TUS_TESTS,
    ),
    PlantedBug(
        what="a node does not compare the offset of an append with its end",
        plant=appends_anywhere,
        found_by=Tests("tests/storagenode/partials/test_partials.py"),
    ),
    PlantedBug(
        what="an append is acknowledged before its bytes are durable",
        plant=acknowledges_appends_before_their_fsync,
        found_by=Tests("tests/storagenode/partials/test_power_failures.py"),
    ),
    PlantedBug(
        what="two applications share the photo of a key",
        plant=shares_keys_among_applications,
        found_by=Tests("tests/storagemaster/uploads/test_known_photos.py"),
    ),
)
