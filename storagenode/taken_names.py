"""The decision about a file whose name is taken, for every store."""

from collections.abc import Callable
from enum import Enum

from permission_urls import TombstoneProofs
from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    Gone,
    InvalidSignature,
    UnprovenTombstone,
)
from storagenode.protocol.layout import TOMBSTONE_BYTES, Place
from storagenode.store import Staged
from volumes.json_text import parse_json
from volumes.photo_path import (
    EXTENSIONS,
    Info,
    PhotoFile,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    render_path,
)
from volumes.version_files import possible_originals


class Resolution(Enum):
    """The fate of the existing file."""

    KEEP = "keep"
    """The existing file is equivalent, and the staged one is discarded."""
    REPLACE = "replace"
    QUARANTINE_AND_REPLACE = "quarantine and replace"


def resolve_taken_name(
    staged: Staged,
    place: Place,
    *,
    found: str,
    recorded: str | None,
    is_earlier: bool,
    exists: Callable[[Place], bool],
) -> Resolution:
    """Decide between a staged file and the existing file at its place.

    `found` is the digest of the existing bytes, `recorded` the digest that was recorded with them.
    `is_earlier` is True if the staged file has an earlier modification time.

    Raises:
        Conflict: The existing file is a sound and finished variant with other bytes.
    """
    is_sound = found == recorded
    if is_sound and found == staged.digest:
        # A file that replaces itself gets the time of its source, if that is earlier.
        takes_time = is_earlier and staged.replaces == found
        return Resolution.REPLACE if takes_time else Resolution.KEEP
    if is_sound and found != staged.replaces:
        # Infos and failures made twice from a photo are interchangeable.
        if not isinstance(place.file, Variant):
            return Resolution.KEEP
        if not _is_unfinished(place, exists):
            raise Conflict(f"{place} exists with other bytes")
    # Here the existing file is damaged, unfinished, or to be replaced. The staged file is sound.
    return Resolution.REPLACE if found == staged.digest else Resolution.QUARANTINE_AND_REPLACE


def seconds_after_damage(
    staged: Staged, *, staged_seconds: int, existing_seconds: int, recorded: str | None
) -> int:
    """Return the time of a file that replaces damaged bytes.

    An upload that arrives late, or again, keeps the time of the same photo that was there, as its
    other mirrors do. A repair has the time of its source.
    """
    is_same = recorded == staged.digest and not staged.replaces
    return min(staged_seconds, existing_seconds) if is_same else staged_seconds


def resolve_taken_tombstone(
    *, is_genuine: bool, existing_bytes: int, seconds_later: int
) -> Resolution:
    """Decide between a genuine tombstone and the existing one, which is `seconds_later` than it.

    It gets the time of the first delete, so that all mirrors agree whatever arrives first. An
    existing one with other bytes is damaged, and written again with its own time.
    """
    is_damaged = existing_bytes != len(TOMBSTONE_BYTES)
    is_better = seconds_later > 0 or (is_damaged and seconds_later == 0)
    return Resolution.KEEP if is_genuine and not is_better else Resolution.REPLACE


def refuse_unproven(proofs: TombstoneProofs, place: Place, proof: str) -> None:
    """Raise `InvalidSignature` unless a storagemaster signed this tombstone."""
    path = render_path(place.file)
    if not proofs.is_genuine(path, proof):
        raise InvalidSignature(f"the proof {proof!r} of {path} is not valid")


def deleted_error(
    proofs: TombstoneProofs, file: PhotoFile, *, path: str, place: str, proof: str
) -> Gone | UnprovenTombstone:
    """Return the error of a file that a tombstone covers. Its path is signed, its place is not."""
    if proofs.is_genuine(path, proof):
        return Gone(f"{render_path(file)} is deleted: {place} covers it")
    return UnprovenTombstone(f"{place} covers {render_path(file)} and has no valid proof")


def refuse_tombstone(place: Place) -> None:
    """Raise `BadRequest` for a tombstone, which only `write_tombstone` writes."""
    if isinstance(place.file, PhotoTombstone | VersionTombstone):
        raise BadRequest(f"{place} is a tombstone, which needs a proof and is permanent")


def rival_paths(place: Place) -> tuple[str, ...]:
    """Return the paths that must all be free when an original gets its name.

    They are its names in other formats, because a version has one original. Other files have none.
    """
    file: PhotoFile = place.file
    if not (isinstance(file, Variant) and file.is_original):
        return ()
    stem = place.path.removesuffix(file.ext)
    return tuple([stem + ext for ext in EXTENSIONS if ext != file.ext])


def raise_if_of_another(
    info: bytes, place: Place, *, digest_of: Callable[[Place], str | None]
) -> None:
    """Raise `Conflict` if an info describes another original than the one beside its place.

    A worker may have read an original that had to give way. `digest_of` returns the recorded digest
    of a file, "" without one, and None without a file.
    """
    assert isinstance(place.file, Info)
    try:
        described = str(parse_json(info)["original"]["sha256"])
    except (ValueError, KeyError, TypeError):
        return
    for original in possible_originals(place.file.photo_version):
        if digest_of(Place(original, place.hint_for)) not in {None, "", described}:
            raise Conflict(f"{place} describes another original than the stored one")


def _is_unfinished(place: Place, exists: Callable[[Place], bool]) -> bool:
    """Return True for a size without an info: the process that made it ended before the info."""
    file = place.file
    assert isinstance(file, Variant)
    return not file.is_original and not exists(Place(Info(file.photo_version), place.hint_for))
