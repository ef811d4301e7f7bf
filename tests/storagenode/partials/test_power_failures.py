"""A power failure during an upload in parts leaves a beginning of the photo, never zeros."""

import sys

import pytest

from storagenode.partials.partials import Partials
from storagenode.protocol.errors import Conflict, NotFound
from tests.storagenode.disk.crash_exploration import explore
from tests.storagenode.disk.crash_promises import is_there
from tests.storagenode.disk.crash_scenarios import DATA, OF, Scenario
from tests.storagenode.partials.test_partials import append, partial_of, publish
from tests.storagenode.photo_samples import MTIME, digest_of, variant_of

ORIGINAL = variant_of(OF)
PARTIAL = partial_of(bytes_total=len(DATA), number=7)
FILES = [(ORIGINAL, DATA, digest_of(DATA))]


def uploading(*ends):
    """Return an operation that appends up to each of these offsets, then publishes the photo."""

    def operate(store, disk):
        partials = Partials(store, now_seconds=lambda: MTIME)
        partials.create(PARTIAL)
        start = 0
        for end in ends:
            try:
                append(partials, DATA[start:end], offset=start, partial=PARTIAL)
            except Conflict:
                assert partials.length(PARTIAL) >= end, "only a repeated append is refused"
            if end < len(DATA):
                # The last bytes are acknowledged with the photo.
                disk.acknowledge(f"{end} bytes")
            start = end
        publish(partials, data=DATA, place=ORIGINAL, partial=PARTIAL)
        disk.acknowledge("photo")
        partials.remove(PARTIAL)

    return operate


def has_bytes(length):
    """Check that the photo exists, or that many bytes of it."""

    def check(survivor):
        found = length_in(survivor)
        if found < length and survivor.serves(ORIGINAL) != DATA:
            yield f"{length} bytes were acknowledged and {found} are there"

    return check


def length_in(survivor):
    """Return the length of the partial, 0 if it does not exist."""
    try:
        return Partials(survivor.store, now_seconds=lambda: MTIME).length(PARTIAL)
    except NotFound:
        return 0


def is_a_beginning(survivor):
    """Check that the bytes of the partial are the first ones of the photo."""
    length = length_in(survivor)
    partials = Partials(survivor.store, now_seconds=lambda: MTIME)
    offset = 0
    while offset < length:
        data = partials.read(PARTIAL, offset=offset, bytes_max=1000)
        if data != DATA[offset : offset + len(data)]:
            yield f"the bytes at {offset} differ from the photo"
        offset += len(data)


@pytest.mark.parametrize("ends", [(300,), (120, 300), (100, 200, 300)], ids=len)
def test_acknowledged_bytes_survive_and_no_others_appear(ends):
    """Every disk that a power failure can leave has a beginning of the photo, or the photo."""
    exploration = explore(
        Scenario(
            name="upload in parts",
            operate=uploading(*ends),
            files=FILES,
            promises={
                **{f"{end} bytes": has_bytes(end) for end in ends[:-1]},
                "photo": is_there(FILES),
            },
            always=is_a_beginning,
        )
    )
    sys.stdout.write(f"{exploration.states} states, {exploration.checks} checks\n")
    assert exploration.violations == []
    assert exploration.states >= 10
