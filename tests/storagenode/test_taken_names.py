"""The decision about a taken name, for every kind of file."""

from types import SimpleNamespace

import pytest

from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    Gone,
    InvalidSignature,
    UnprovenTombstone,
)
from storagenode.protocol.layout import Place
from storagenode.taken_names import (
    Resolution,
    deleted_error,
    raise_if_of_another,
    refuse_tombstone,
    refuse_unproven,
    resolve_taken_name,
    resolve_taken_tombstone,
    rival_paths,
)
from tests.storagenode.tombstones import PROOFS, proof_of
from volumes.photo_path import (
    EXTENSIONS,
    Attempt,
    Failure,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    render_path,
)

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
ORIGINAL, SIZE, INFO = Variant(OF, "o", "png"), Variant(OF, "m", "jpg"), Info(OF)
TOMBSTONES = (VersionTombstone(OF), PhotoTombstone(OF.volume, OF.photo))
RECORDS = (INFO, Failure(OF), Attempt(OF, 1))
ALL = (ORIGINAL, SIZE, *RECORDS)


def resolve(file, *, found, recorded, replaces="", is_earlier=False, existing=(), hint_for=None):
    """Return the decision about a staged file with the digest "new"."""
    return resolve_taken_name(
        SimpleNamespace(digest="new", replaces=replaces),
        Place(file, hint_for),
        found=found,
        recorded=recorded,
        is_earlier=is_earlier,
        exists=lambda place: place in existing,
    )


@pytest.mark.parametrize("file", ALL)
def test_a_sound_file_with_the_same_bytes_stays(file):
    """A later one never changes it."""
    assert resolve(file, found="new", recorded="new") is Resolution.KEEP
    assert resolve(file, found="new", recorded="new", replaces="new") is Resolution.KEEP


@pytest.mark.parametrize("file", ALL)
def test_the_earlier_second_of_a_delivered_file_wins(file):
    """Another upload of the same bytes does not change the second of the first."""
    again = resolve(file, found="new", recorded="new", is_earlier=True)
    assert again is Resolution.KEEP
    delivered = resolve(file, found="new", recorded="new", replaces="new", is_earlier=True)
    assert delivered is Resolution.REPLACE


def test_the_first_delete_wins_against_a_later_one():
    """A tombstone that is not genuine gives way to any, a damaged one to one of its second."""
    taken = {
        (is_genuine, existing_bytes, seconds_later): resolve_taken_tombstone(
            is_genuine=is_genuine, existing_bytes=existing_bytes, seconds_later=seconds_later
        )
        for is_genuine in (False, True)
        for existing_bytes in (0, 1)
        for seconds_later in (-1, 0, 1)
    }
    kept = [case for case, it in taken.items() if it is Resolution.KEEP]
    assert kept == [(True, 0, -1), (True, 0, 0), (True, 1, -1)]
    assert set(taken.values()) == {Resolution.KEEP, Resolution.REPLACE}


@pytest.mark.parametrize("file", ALL)
def test_a_damaged_file_is_replaced(file):
    """It goes to quarantine, unless the staged file has the same bytes."""
    assert resolve(file, found="new", recorded=None) is Resolution.REPLACE
    assert resolve(file, found="new", recorded="old") is Resolution.REPLACE
    for recorded in (None, "old"):
        damaged = resolve(file, found="x", recorded=recorded)
        assert damaged is Resolution.QUARANTINE_AND_REPLACE


@pytest.mark.parametrize("file", ALL)
def test_the_named_file_is_replaced_and_quarantined(file):
    """Repair names the digest of the file that gives way."""
    replaced = resolve(file, found="old", recorded="old", replaces="old")
    assert replaced is Resolution.QUARANTINE_AND_REPLACE


@pytest.mark.parametrize("file", RECORDS)
def test_a_record_made_twice_stays(file):
    """Infos, failures, and tombstones are interchangeable."""
    assert resolve(file, found="old", recorded="old", replaces="other") is Resolution.KEEP


@pytest.mark.parametrize("hint_for", [None, "west-1"])
def test_a_size_is_unfinished_until_its_info_exists(hint_for):
    """Beside an info, other bytes are a conflict. The info of another place does not count."""
    info, elsewhere = Place(INFO, hint_for), Place(INFO, "north-1")
    options = {"found": "old", "recorded": "old", "hint_for": hint_for}
    unfinished = resolve(SIZE, existing=[elsewhere], **options)
    assert unfinished is Resolution.QUARANTINE_AND_REPLACE
    with pytest.raises(Conflict, match="other bytes"):
        resolve(SIZE, existing=[info], **options)


def test_other_bytes_of_an_original_are_a_conflict():
    """It is finished without an info."""
    with pytest.raises(Conflict):
        resolve(ORIGINAL, found="old", recorded="old")


def test_an_original_has_its_other_formats_as_rivals():
    """At its own place, live or as a hint; no other file has any."""
    for hint_for in (None, "west-1"):
        rivals = [Variant(OF, "o", ext) for ext in EXTENSIONS if ext != "png"]
        assert rival_paths(Place(ORIGINAL, hint_for)) == tuple(
            Place(rival, hint_for).path for rival in rivals
        )
    assert [rival_paths(Place(file)) for file in (*ALL, *TOMBSTONES) if file != ORIGINAL] == [
        ()
    ] * 6


@pytest.mark.parametrize("ext", EXTENSIONS)
@pytest.mark.parametrize("hint_for", [None, "west-1"])
def test_an_info_of_another_original_is_refused(ext, hint_for):
    """The original can have any format. One without a digest, or none, proves nothing."""
    info = b'{"original": {"sha256": "described"}}'
    place = Place(INFO, hint_for)

    def check(digest):
        digests = {Place(Variant(OF, "o", ext), hint_for): digest}
        raise_if_of_another(info, place, digest_of=digests.get)

    for digest in (None, "", "described"):
        check(digest)
    with pytest.raises(Conflict, match="another original"):
        check("other")


@pytest.mark.parametrize("info", [b"", b"{}", b"[]", b'{"original": 1}', b"\xff"])
def test_an_info_that_describes_no_original_is_not_compared(info):
    """A reader finds its fault."""
    raise_if_of_another(info, Place(INFO), digest_of=lambda _: "other")


@pytest.mark.parametrize("hint_for", [None, "west-1"])
@pytest.mark.parametrize("tombstone", TOMBSTONES)
def test_only_a_proof_of_its_own_path_makes_a_tombstone(tombstone, hint_for):
    """A storagemaster signs the photo path, wherever the tombstone is stored."""
    place, proof = Place(tombstone, hint_for), proof_of(Place(tombstone))
    refuse_unproven(PROOFS, place, proof)
    (other,) = {*TOMBSTONES} - {tombstone}
    for wrong in ("", proof[:-1], proof_of(Place(other))):
        with pytest.raises(InvalidSignature, match=render_path(tombstone)):
            refuse_unproven(PROOFS, place, wrong)


def test_a_tombstone_without_a_proof_makes_a_file_unavailable_not_gone():
    """A file name alone deletes no photo."""
    tombstone = Place(TOMBSTONES[0])
    where = {"path": tombstone.path, "place": f".memory/{tombstone.path}"}
    error = deleted_error(PROOFS, SIZE, proof=proof_of(tombstone), **where)
    assert isinstance(error, Gone)
    assert str(error) == f"{render_path(SIZE)} is deleted: .memory/{tombstone.path} covers it"
    assert isinstance(deleted_error(PROOFS, SIZE, proof="", **where), UnprovenTombstone)


def test_a_tombstone_is_never_written_like_a_file():
    """It needs a proof, and it is permanent."""
    for file in ALL:
        refuse_tombstone(Place(file))
    for tombstone in TOMBSTONES:
        with pytest.raises(BadRequest, match="needs a proof"):
            refuse_tombstone(Place(tombstone))
