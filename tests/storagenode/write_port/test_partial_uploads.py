"""Partial uploads over the write port: signed appends, and the photo at the end."""

import pytest

from storagenode.protocol import routes
from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    DigestMismatch,
    InvalidSignature,
    NotFound,
    Unreachable,
)
from storagenode.protocol.partials import Partial
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of

# Longer than one read of the socket and one write to the disk.
DATA = bytes_of("a large photo", size=2_500_000)


@pytest.fixture(name="partial")
def _partial(photo_version, served):
    partial = Partial(
        photo=photo_version.photo,
        version=photo_version.version,
        bytes_total=len(DATA),
        expiry_seconds=2_000_000_000,
    )
    served.run(served.client.create_partial(partial))
    return partial


async def chunks_of(data, *, then=None):
    """Yield data in chunks, then raise an error."""
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]
    if then is not None:
        raise then


def append(served, partial, data, *, offset, then=None, digest=None):
    """Append a body and return the new length."""
    return served.run(
        served.client.append_partial(
            partial,
            chunks_of(data, then=then),
            offset=offset,
            mtime_seconds=MTIME,
            bytes_total=len(data),
            digest=lambda: digest or digest_of(data),
        )
    )


def test_an_upload_in_parts_becomes_a_photo(served, partial, photo_version):
    """It is read back in parts, hashed, published, and removed."""
    client, run = served.client, served.run
    assert run(client.partial_length(partial)) == 0
    assert append(served, partial, DATA[:1_200_000], offset=0) == 1_200_000
    assert append(served, partial, DATA[1_200_000:], offset=1_200_000) == len(DATA)
    read = b""
    while data := run(client.read_partial(partial, offset=len(read))):
        read += data
    assert read == DATA
    assert run(client.partial_digest(partial)) == digest_of(DATA)
    place = variant_of(photo_version)
    published = run(
        client.publish_partial(partial, place, mtime_seconds=MTIME, digest=digest_of(DATA))
    )
    assert (published.bytes, published.existed) == (len(DATA), False)
    run(client.remove_partials([partial]))
    with pytest.raises(NotFound):
        run(client.partial_length(partial))
    assert run(client.fetch(place)).data == DATA


def test_an_append_that_breaks_off_adds_nothing(served, partial):
    """Only bytes with a closing signature are kept."""
    append(served, partial, DATA[:100_000], offset=0)
    with pytest.raises((Unreachable, ZeroDivisionError)):
        append(served, partial, DATA[100_000:], offset=100_000, then=ZeroDivisionError())
    assert served.run(served.client.partial_length(partial)) == 100_000


def test_an_append_with_another_digest_adds_nothing(served, partial):
    """The closing signature covers the bytes that came."""
    with pytest.raises((InvalidSignature, DigestMismatch)):
        append(served, partial, DATA, offset=0, digest=digest_of(b"other"))
    assert served.run(served.client.partial_length(partial)) == 0


def test_errors_say_what_is_wrong(served, partial):
    """A client learns where the partial ends and how long it may become."""
    append(served, partial, DATA[:100_000], offset=0)
    with pytest.raises(Conflict, match="ends at byte 100000, not at 5"):
        append(served, partial, DATA[:10], offset=5)
    with pytest.raises(BadRequest, match="was announced with 2500000 bytes"):
        append(served, partial, DATA, offset=100_000)
    with pytest.raises(NotFound, match="has 100000 of its 2500000 bytes"):
        served.run(served.client.partial_digest(partial))


@pytest.mark.parametrize("query", ["offset=", "offset=x", "offset=-1", f"offset={'9' * 5000}"])
def test_a_malformed_offset_is_refused(served, partial, query):
    """The answer is 400, not 500."""
    target = f"{routes.READ_PARTIAL.target(partial=partial.name).path}?{query}"
    with pytest.raises(BadRequest, match="invalid offset"):
        served.run(served.client._call(routes.Target("GET", target, routes.Signed.BODY)))


def test_names_of_partials_are_no_paths(served):
    """Another name is refused before the disk is used."""
    for name in ("..%2F42", "x", "01jd3x8m2c9qp4k7_3fz8qd_5"):
        target = routes.Target("GET", f"/partials/{name}", routes.Signed.BODY)
        with pytest.raises(BadRequest, match="invalid partial"):
            served.run(served.client._call(target))
