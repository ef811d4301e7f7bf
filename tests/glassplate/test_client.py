"""The client against a real cluster: every method, and what it says when it cannot."""

import asyncio
import hashlib
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

import glassplate
from glassplate import (
    BadConfig,
    BadReference,
    Client,
    IdempotencyKeyReused,
    NoKeys,
    NotAllowed,
    NotAuthorized,
    NotFound,
    NoToken,
    NotReadyInTime,
    PhotoGone,
    Refused,
    TooLarge,
    Unavailable,
    UnknownSize,
    Unreachable,
    UnsupportedFormat,
    UsageError,
)
from permission_urls import Verifier, sign_token
from tests.free_ports import free_ports
from volumes.sizes import DEFAULT_SIZES, size_classes

NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


def test_receipt_tells_where_a_photo_is(client, photo_file, photo):
    """Two nodes in two colos, the digest of what was sent, and the URLs of its sizes."""
    heard = []
    receipt = client.put(photo_file, on_progress=lambda *progress: heard.append(progress))
    assert receipt.sha256 == hashlib.sha256(photo).hexdigest()
    assert {copy.colo for copy in receipt.copies} == {"east", "west"}
    assert receipt.durability == "mirrored"
    assert (receipt.width, receipt.height, receipt.format) == (300, 200, "jpg")
    assert list(receipt.urls) == ["s", "q", "t", "m", "o"]
    assert heard[-1] == (len(photo), len(photo))


def test_photo_comes_back_as_it_went(client, photo):
    """By its reference, and by its URL."""
    receipt = client.put(photo)
    assert client.get(receipt.reference) == photo
    assert client.get(receipt.urls["o"]) == photo


def test_paths_may_be_text(client, photo_file, photo, tmp_path):
    """A path is a path, whether it is written as one or as a string."""
    reference = client.put(str(photo_file)).reference
    client.download(reference, str(tmp_path / "back.jpg"))
    assert (tmp_path / "back.jpg").read_bytes() == photo


def test_volume_and_durability_are_passed_on(client, photo, cluster):
    """The application may choose the volume, and two colos or nothing."""
    assert client.put(photo, volume=3, durability="strict").volume == 3
    with cluster.without("east-1", "east-2"):
        degraded = client.put(photo + b"1")
        with pytest.raises(Unavailable, match="try again") as caught:
            client.put(photo + b"2", durability="strict")
    assert not caught.value.may_have_succeeded
    assert caught.value.idempotency_key
    assert degraded.durability == "degraded"
    assert degraded.pending_mirrors


def test_photo_is_pending_until_its_sizes_are_made(client, photo, cluster):
    """Whoever waits for too short a time is told, and then the sizes are there."""
    reference = client.put(photo).reference
    assert client.info(reference).state == "pending"
    with pytest.raises(NotReadyInTime, match=r"within 0\.1 s"):
        client.wait_until_ready(reference, timeout_seconds=0.1)
    cluster.make_one_size(reference)
    status = client.wait_until_ready(reference)
    assert status.state == "ready"
    assert list(status.urls) == ["t", "o"]
    assert client.get(reference, "t").startswith(b"\xff\xd8")
    assert client.get(client.url(reference, "t")) == client.get(reference, "t")


def test_a_page_of_photos_has_each_in_its_place(client, cluster, photo):
    """Ready, pending, deleted and never there, in the order asked for, and twice if asked twice."""
    ready, pending, deleted = (client.put(photo).reference for _ in range(3))
    cluster.make_one_size(ready)
    client.delete(deleted)
    asked = [pending, ready, NEVER, deleted, ready]
    page = client.infos(asked)
    assert [status.reference for status in page] == asked
    assert [status.state for status in page] == ["pending", "ready", "unknown", "gone", "ready"]
    assert page[1] == client.info(ready)
    assert client.infos([]) == []


def test_more_photos_than_a_page_has_are_asked_for_page_by_page(client, cluster, photo):
    """And none is lost between two pages."""
    reference = client.put(photo).reference
    cluster.make_one_size(reference)
    states = [status.state for status in client.infos([reference] * 501)]
    assert states == ["ready"] * 501


def test_size_that_is_not_made_is_not_found(client, cluster, open_client, photo):
    """With keys the edge says so, without them the client does, with what there is."""
    reference = client.put(photo).reference
    with pytest.raises(NotFound, match="this size of it is not made"):
        client.get(reference, "m")

    async def get_without_keys():
        token = sign_token(cluster.keys, ["read"])
        async with open_client(token=token) as other:
            await other.get(reference, "m")

    with pytest.raises(NotFound, match=r"size m of .* is not made; there are o"):
        asyncio.run(get_without_keys())


def test_deleted_photo_is_gone_for_ever(client, photo):
    """Its document and its URLs say so; deleting it again is harmless."""
    receipt = client.put(photo)
    deletion = client.delete(f"{receipt.volume}/{receipt.photo}")
    assert {copy.colo for copy in deletion.copies} == {"east", "west"}
    with pytest.raises(PhotoGone):
        client.info(receipt.reference)
    with pytest.raises(PhotoGone):
        client.get(receipt.urls["o"])
    client.delete(receipt.reference)


def test_status_lists_nodes_and_volumes(client):
    """The cluster as a master sees it."""
    status = client.status()
    assert [node["id"] for node in status["nodes"]] == ["east-1", "east-2", "west-1", "west-2"]
    assert [volume["number"] for volume in status["volumes"]] == [1, 2, 3]


def test_url_is_signed_without_any_network(cluster):
    """A verifier accepts it; nobody was asked, and the client was never opened."""
    client = Client.from_cluster(cluster.config)
    url = client.url(NEVER, "m")
    assert url.startswith(cluster.cluster.public_url)
    verifier = Verifier(cluster.keys, size_classes(DEFAULT_SIZES))
    permitted = verifier.verify(urlsplit(url).path, time.time())
    assert permitted.path == "3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"
    assert permitted.permission.expiry == 0


def test_url_that_expires_is_rounded_up_to_five_minutes(cluster):
    """So that it repeats, and is never good for less than was asked."""
    client = Client.from_cluster(cluster.config)
    url = client.url(NEVER, "o", ext="png", expires=timedelta(hours=1))
    expiry = int(url.split(".")[-3], 16)
    assert expiry % 300 == 0
    assert 3599 <= expiry - time.time() <= 3900


def test_what_cannot_be_signed_is_explained(cluster):
    """Sizes and formats that are none, an original of unknown format, a time that is over."""
    client = Client.from_cluster(cluster.config)
    with pytest.raises(UnknownSize, match="no size 'x'; there are s, q,"):
        client.url(NEVER, "x")
    with pytest.raises(UnknownSize, match="no format 'bmp'; there are jpg"):
        client.url(NEVER, "m", ext="bmp")
    with pytest.raises(UnknownSize, match="format of an original"):
        client.url(NEVER, "o")
    with pytest.raises(UsageError, match="never open anything"):
        client.url(NEVER, "m", expires=timedelta(0))
    with pytest.raises(BadReference):
        client.url("nonsense", "m")
    with pytest.raises(NoKeys, match="neither a token nor keys"):
        Client(cluster.masters).url(NEVER, "m")
    with pytest.raises(NoKeys):
        Client(cluster.masters).sign_token(["read"])
    with pytest.raises(BadConfig, match="edges"):
        Client(cluster.masters, keys=cluster.keys).url(NEVER, "m")
    with pytest.raises(UsageError, match="admin, delete, read, upload"):
        client.sign_token(["everything"])


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"this is text " * 10, UnsupportedFormat, "JPEG, PNG, GIF"),
        (b"\x00" * 41_000_000, TooLarge, "upload_bytes_max"),
        (b"\xff\xd8\xff", UnsupportedFormat, "are kept"),
    ],
    ids=["text", "too large", "three bytes"],
)
def test_bad_uploads_are_refused_in_words(data, kind, words, client):
    """The cluster says what it keeps, and what its limits are."""
    with pytest.raises(kind, match=words) as caught:
        client.put(data)
    assert caught.value.problem.type.startswith("https://")


def test_other_refusals_are_told_apart(client, photo):
    """Unknown volumes and photos, keys used twice, keys that are none."""
    with pytest.raises(NotFound, match="volume 99"):
        client.put(photo, volume=99)
    with pytest.raises(NotFound):
        client.info(NEVER)
    with pytest.raises(Refused, match="not a volume"):
        client.put(photo, volume=70_000)
    client.put(photo, idempotency_key=f"twice {len(photo)} {photo[-9:]!r}")
    with pytest.raises(IdempotencyKeyReused):
        client.put(photo + b"!", idempotency_key=f"twice {len(photo)} {photo[-9:]!r}")
    for key in ("", "x" * 256, "new\nline", "naïve"):
        with pytest.raises(UsageError, match="1 to 255 printable ASCII"):
            client.put(photo, idempotency_key=key)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"token": "gp1.a.read.0.AAAAAAAAAAAAAAAAAAAAAAAA"}, NotAuthorized, "refused"),
        ({"token": "nonsense"}, NotAuthorized, "refused"),
        ({"token": "new\nline"}, BadConfig, "no token has"),
        ({"token": None, "keys": None}, NoToken, "scope read is needed"),
    ],
    ids=["bad MAC", "nonsense", "two lines", "none"],
)
def test_bad_tokens_are_told_apart(options, kind, words, open_client):
    """From one that is not good, over one that is none, to none at all."""

    async def ask():
        async with open_client(**options) as client:
            await client.status()

    with pytest.raises(kind, match=words):
        asyncio.run(ask())


def test_token_of_another_scope_is_not_enough(cluster, open_client, photo):
    """A good token that does not open this is another thing than a bad one."""

    async def upload():
        async with open_client(token=sign_token(cluster.keys, ["read"])) as client:
            await client.put(photo)

    with pytest.raises(NotAllowed, match="scope upload"):
        asyncio.run(upload())


def test_nobody_there_is_unreachable(open_client):
    """The error names each address that was tried, once."""
    first, second = (f"http://127.0.0.1:{port}" for port in free_ports(2))

    async def ask():
        async with open_client(first, second) as client:
            await client.status()

    with pytest.raises(Unreachable, match="cannot connect") as caught:
        asyncio.run(ask())
    assert str(caught.value).count(first) == str(caught.value).count(second) == 1


def test_config_that_is_wrong_is_explained(tmp_path, cluster):
    """A config with mistakes lists them; no master, no URL and no key file are mistakes too."""
    config = tmp_path / "cluster.toml"
    with pytest.raises(BadConfig, match="cannot be read: No such file"):
        Client.from_cluster(config)
    config.write_text("name = 3\n")
    with pytest.raises(BadConfig, match=r"(?s)name.*public_url"):
        Client.from_cluster(config)
    with pytest.raises(BadConfig, match="at least one"):
        Client([])
    with pytest.raises(BadConfig, match="cannot be read"):
        Client(cluster.masters, keys=tmp_path / "keys.toml")
    config.write_text(cluster.config.read_text())
    with pytest.raises(NoKeys, match=r"keys\.toml: cannot be read"):
        Client.from_cluster(config).url(NEVER, "m")

    async def ask():
        async with Client("localhost:1", token="x") as client:
            await client.status()

    with pytest.raises(BadConfig, match="not a URL such as"):
        asyncio.run(ask())


def test_client_is_used_inside_its_block(cluster):
    """Before and after it there is no connection to use."""
    client = Client(cluster.masters, keys=cluster.keys)
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        asyncio.run(client.status())


def test_public_names_are_these():
    """What others import does not vanish without anybody noticing."""
    assert {"Client", "blocking", "Receipt", "PhotoStatus", "Deletion"} <= set(glassplate.__all__)
