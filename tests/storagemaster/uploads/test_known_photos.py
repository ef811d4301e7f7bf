"""Photos by their digests: an application learns what it has stored, and nothing of others."""

import hashlib
import json
import time

import pytest

from permission_urls import Ticket, TokenLimits, sign_ticket, ticket_key_of
from storagemaster import known_wire
from storagemaster.uploads.keyed_photos import KeyedPhoto
from storagemaster.uploads.known_photos import key_state
from storagenode.client import NodeClient
from tests.storagemaster.handlers.test_applications import token_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient
from tests.storagemaster.small_cluster import COLO_OF, KEYS, MIRRORS
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.cluster import Volume
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    render_path,
)

PHOTO = picture()
SHA256 = hashlib.sha256(PHOTO).hexdigest()
NEVER = hashlib.sha256(b"never uploaded").hexdigest()


async def upload(cluster, data=PHOTO, *, headers=None):
    """Upload a photo with the key of its digest; return its version."""
    key = known_wire.digest_key(hashlib.sha256(data).hexdigest())
    answer = await cluster.master.upload(data, volume=None, key=key, headers=headers)
    assert answer.status == 201, answer
    return answer.version


async def request_known(cluster, body, *, headers=None):
    """Send a request for known photos."""
    return await cluster.master.request("POST", "/photos/known", data=body, headers=headers)


async def known(cluster, *digests, headers=None):
    """Return state and reference of each digest."""
    answer = await request_known(cluster, known_wire.render_known_request(digests), headers=headers)
    assert answer.status == 200, answer
    photos = known_wire.parse_known_photos(answer.document)
    assert [photo.sha256 for photo in photos] == list(digests)
    return [(photo.state, photo.reference) for photo in photos]


async def test_a_photo_is_found_by_its_digest(cluster):
    """Also twice in one request; one that was never uploaded is absent."""
    stored = ("stored", str(await upload(cluster)))
    assert await known(cluster, SHA256, NEVER, SHA256) == [stored, ("absent", None), stored]
    assert await known(cluster) == []


async def test_a_resumable_upload_is_found_by_its_digest(cluster):
    """The key of the digest is that of any upload."""
    tus = TusClient(cluster.master)
    key = {"Idempotency-Key": known_wire.digest_key(SHA256)}
    path = (await tus.begin(len(PHOTO), key, path="/uploads")).headers["Location"]
    assert await known(cluster, SHA256) == [("absent", None)]
    reference = (await tus.append(path, PHOTO, offset=0)).headers["Glassplate-Reference"]
    assert await known(cluster, SHA256) == [("stored", reference)]


async def test_a_photo_with_another_key_is_not_found(cluster):
    """Its place does not follow from its digest."""
    await cluster.master.upload(PHOTO)
    await cluster.master.upload(PHOTO, key="order-7")
    assert await known(cluster, SHA256) == [("absent", None)]


async def test_other_bytes_under_the_key_of_a_digest_are_not_the_photo(cluster):
    """The digest is compared, so that no client skips a photo that is not stored."""
    await cluster.master.upload(picture(number=1), volume=None, key=known_wire.digest_key(SHA256))
    assert await known(cluster, SHA256) == [("absent", None)]


async def test_a_deleted_photo_is_gone(cluster):
    """As an upload with its key says."""
    version = await upload(cluster)
    await cluster.master.delete(version)
    assert await known(cluster, SHA256) == [("gone", None)]


async def test_another_application_learns_nothing(cluster, monkeypatch):
    """The answer is that for an unknown photo, and no node is queried for the stored one."""
    version = await upload(cluster)
    requested = []
    digests = NodeClient.digests

    async def spied(node, files):
        requested.extend(map(render_path, files))
        return await digests(node, files)

    monkeypatch.setattr(NodeClient, "digests", spied)
    headers = token_of("blog")
    assert await known(cluster, SHA256, NEVER, headers=headers) == [("absent", None)] * 2
    assert len(requested) == 2 * 2 * 9
    assert not any(version.photo in path for path in requested)
    await upload(cluster, headers=headers)
    ((_, reference),) = await known(cluster, SHA256, headers=headers)
    assert reference not in {None, str(version)}


async def request_uses(cluster, ticket):
    """Send a request for the uses of a ticket, as the application `shop`."""
    body, headers = known_wire.render_ticket_request(ticket), token_of("shop")
    return await cluster.master.request("POST", "/tickets/uses", data=body, headers=headers)


async def uses_of(cluster, ticket):
    """Return state and reference of each use of a ticket."""
    answer = await request_uses(cluster, ticket)
    assert answer.status == 200, answer
    uses = known_wire.parse_ticket_uses(answer.document)
    assert [use.index for use in uses] == list(range(len(uses)))
    return [(use.state, use.reference) for use in uses]


def ticket_of(application, *, expires_seconds=60, **claims):
    """Return a ticket of an application."""
    expiry = int(time.time()) + expires_seconds
    ticket = Ticket(
        application=application, id="0123456789abc", expiry=expiry, bytes_max=10**6, **claims
    )
    return sign_ticket(ticket_key_of(KEYS, application), ticket)


async def use(cluster, ticket, index, data=PHOTO):
    """Upload a photo with a ticket; return its version."""
    headers = {"Authorization": f"Bearer {ticket}", "Glassplate-Ticket-Index": str(index)}
    answer = await cluster.master.upload(data, volume=None, headers=headers)
    assert answer.status == 201, answer
    return answer.version


async def test_the_uses_of_a_ticket_are_found(cluster):
    """An application that lost the events learns which photos came, also after a delete."""
    ticket = ticket_of("shop", count=4)
    assert await uses_of(cluster, ticket) == [("absent", None)] * 4
    second, gone = await use(cluster, ticket, 1), await use(cluster, ticket, 3)
    await cluster.master.delete(gone)
    assert await uses_of(cluster, ticket) == [
        ("absent", None),
        ("stored", str(second)),
        ("absent", None),
        ("gone", None),
    ]


async def test_the_uses_of_a_ticket_for_a_volume_are_found_in_it(cluster):
    """Its photos have other names than the photos of a ticket for all volumes."""
    ticket = ticket_of("shop", volume=2)
    version = await use(cluster, ticket, 0)
    assert await uses_of(cluster, ticket) == [("stored", str(version))]
    assert await uses_of(cluster, ticket_of("shop")) == [("absent", None)]


async def test_the_uses_of_an_ended_ticket_are_found(cluster):
    """An application can have been down for longer than the ticket was valid."""
    version = await use(cluster, ticket_of("shop"), 0)
    ended = ticket_of("shop", expires_seconds=-60)
    assert await uses_of(cluster, ended) == [("stored", str(version))]


@pytest.mark.parametrize("ticket", [ticket_of("blog"), "gt1.a.b.c", ""])
async def test_the_uses_of_other_tickets_are_not_told(cluster, ticket):
    """They belong to another application, or are invalid."""
    assert_problem(await request_uses(cluster, ticket), 404, "unknown-ticket")


@pytest.mark.parametrize("down", ["first mirror", "second mirror", "other node"])
async def test_nothing_is_called_absent_while_a_node_is_down(cluster, down):
    """It can have the photo, or a hint of it; a photo that another node has is stored."""
    version = await upload(cluster)
    mirrors = MIRRORS[version.volume]
    others = [node for node in COLO_OF if node not in mirrors]
    nodes = {"first mirror": mirrors[0], "second mirror": mirrors[1], "other node": others[0]}
    await cluster.stop_and_notice(nodes[down])
    absent = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(20)]
    stored, *states = await known(cluster, SHA256, *absent)
    assert stored == ("stored", str(version))
    assert ("unavailable", None) in states
    assert {state for state, _ in states} <= {"absent", "unavailable"}
    await cluster.stop_and_notice(*(set(COLO_OF) - {nodes[down]}))
    assert await known(cluster, SHA256) == [("unavailable", None)]


async def test_a_photo_that_only_a_hint_has_is_not_absent(cluster):
    """Its mirrors have not received it yet."""
    version = await upload(cluster)
    mirror, _ = MIRRORS[version.volume]
    (original,) = [path for path in cluster.visible(mirror) if "_o." in path]
    for node in MIRRORS[version.volume]:
        cluster.path(node, original).unlink()
    handoff = next(node for node in COLO_OF if node not in MIRRORS[version.volume])
    cluster.write(handoff, original, PHOTO, hint_for=mirror)
    await cluster.poll()
    assert await known(cluster, SHA256) == [("unavailable", None)]
    await cluster.master.deliver_hints()
    await cluster.poll()
    assert await known(cluster, SHA256) == [("stored", str(version))]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[]", '{"sha256": ['),
        (b'{"sha256": "0"}', '{"sha256": ['),
        (b'{"sha256": [1]}', '{"sha256": ['),
        (b'{"sha256": [], "more": 1}', '{"sha256": ['),
        (json.dumps({"sha256": [SHA256, "", SHA256]}).encode(), "64 lower-case hex digits"),
        (json.dumps({"sha256": [SHA256.upper()]}).encode(), "64 lower-case hex digits"),
        (json.dumps({"sha256": [SHA256 + "\n"]}).encode(), "64 lower-case hex digits"),
        (known_wire.render_known_request([SHA256] * 501), "too many sha256: 501; send at most 500"),
    ],
)
async def test_a_malformed_request_gets_the_reason(cluster, body, words):
    """No digest is looked for."""
    answer = await request_known(cluster, body)
    assert_problem(answer, 400, "bad-argument")
    assert words in answer.document["detail"]


async def test_the_most_digests_are_in_the_capabilities(cluster):
    """As many fit into a request."""
    capabilities = await cluster.master.request("GET", "/capabilities")
    count = capabilities.document["limits"]["known_photos"]
    digests = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(count)]
    assert set(await known(cluster, *digests)) == {("absent", None)}


async def test_a_request_is_not_an_upload(cluster):
    """It needs the scope of uploads, does not count for their limits, and takes no ticket."""
    limits = TokenLimits(uploads_per_minute=1, bytes_per_day=1)
    headers = token_of("shop", limits=limits)
    for _ in range(3):
        assert await known(cluster, SHA256, headers=headers) == [("absent", None)]
    body = known_wire.render_known_request([SHA256])
    assert (await request_known(cluster, body, headers=token_of("shop", ["read"]))).status == 403
    ticket = Ticket(application="shop", id="0" * 13, expiry=int(time.time()) + 60, bytes_max=1)
    signed = sign_ticket(ticket_key_of(KEYS, "shop"), ticket)
    headers = {"Authorization": f"Bearer {signed}"}
    assert (await request_known(cluster, body, headers=headers)).status == 401


KEYED = KeyedPhoto(
    PhotoId("0" * 16),
    Version("0" * 6),
    tuple(Volume(number=number, mirrors=()) for number in (1, 2)),
)
BEFORE, NOW = (PhotoVersion(v.number, KEYED.photo, KEYED.version) for v in KEYED.volumes)


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "absent"),
        ({Variant(NOW, "o", "jpg"): {SHA256}}, "stored"),
        ({Variant(BEFORE, "o", "png"): {SHA256}}, "stored"),
        ({Variant(NOW, "o", "jpg"): {SHA256, ""}}, "stored"),
        ({Variant(NOW, "o", "jpg"): {""}}, "unavailable"),
        ({Variant(NOW, "o", "jpg"): {NEVER}}, "absent"),
        ({Variant(NOW, "o", "jpg"): {SHA256}, VersionTombstone(NOW): {""}}, "gone"),
        ({PhotoTombstone(NOW.volume, NOW.photo): {""}}, "gone"),
        ({Variant(NOW, "o", "jpg"): {SHA256}, VersionTombstone(BEFORE): {""}}, "gone"),
    ],
)
def test_the_files_decide(files, state):
    """A tombstone wins, a digest proves a photo, and a copy without digest proves nothing."""
    found = {file: frozenset(digests) for file, digests in files.items()}
    assert key_state(KEYED, found, sha256=SHA256, is_complete=True).state == state
    incomplete = "unavailable" if state == "absent" else state
    assert key_state(KEYED, found, sha256=SHA256, is_complete=False).state == incomplete
