"""The client against a real cluster: every method and its errors."""

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
    GlassplateError,
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
from glassplate.blocking import Client as BlockingClient
from glassplate.session.new_tokens import sign_new_token
from permission_urls import (
    DerivedKey,
    Key,
    KeyRing,
    Keys,
    KeyState,
    Purpose,
    Verifier,
    derived_keys,
    restricted_key,
    restriction_of,
    save_keys,
)
from tests.free_ports import free_ports
from volumes.sizes import DEFAULT_SIZES, size_classes

NEVER = "3/01jd3x8m2c9qp4k7/3fz8qd"


def test_receipt_has_copies_and_urls(client, photo_file, photo):
    """A receipt names nodes in two colos, the digest, and the URLs of the sizes."""
    progress = []
    receipt = client.put(photo_file, on_progress=lambda *each: progress.append(each))
    assert receipt.sha256 == hashlib.sha256(photo).hexdigest()
    assert {copy.colo for copy in receipt.copies} == {"east", "west"}
    assert receipt.durability == "mirrored"
    assert (receipt.width, receipt.height, receipt.format) == (300, 200, "jpg")
    assert list(receipt.urls) == ["s", "q", "t", "m", "x", "o"]
    assert progress[-1] == (len(photo), len(photo))


def test_downloaded_bytes_equal_the_upload(client, photo):
    """A photo can be downloaded by its reference or URL."""
    receipt = client.put(photo)
    assert client.get(receipt.reference) == photo
    assert client.get(receipt.urls["o"]) == photo


def test_paths_can_be_strings(client, photo_file, photo, tmp_path):
    """`put` and `download` accept paths as strings."""
    reference = client.put(str(photo_file)).reference
    client.download(reference, str(tmp_path / "back.jpg"))
    assert (tmp_path / "back.jpg").read_bytes() == photo


def test_volume_and_durability_are_passed_on(client, photo, cluster):
    """The storagemaster receives the volume and the durability."""
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
    """`wait_until_ready` raises after its timeout, and returns when the sizes are made."""
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


def test_infos_keep_the_order(client, cluster, photo):
    """The states are in the order of the references, including repeated ones."""
    ready, pending, deleted = (client.put(photo).reference for _ in range(3))
    cluster.make_one_size(ready)
    client.delete(deleted)
    references = [pending, ready, NEVER, deleted, ready]
    statuses = client.infos(references)
    assert [status.reference for status in statuses] == references
    assert [status.state for status in statuses] == [
        "pending",
        "ready",
        "unknown",
        "gone",
        "ready",
    ]
    assert statuses[1] == client.info(ready)
    assert client.infos([]) == []


def test_many_photos_are_requested_in_batches(client, cluster, photo):
    """No photo is lost between two batches."""
    reference = client.put(photo).reference
    cluster.make_one_size(reference)
    states = [status.state for status in client.infos([reference] * 501)]
    assert states == ["ready"] * 501


def test_pages_have_all_photos_of_a_volume(client, cluster, photo):
    """Each photo is on one page, and a deleted one on none."""
    kept, deleted = (client.put(photo + bytes([n]), volume=3).reference for n in range(2))
    client.delete(deleted)
    photos = [reference for page in client.pages(3) for reference in page.photos]
    assert kept in photos
    assert deleted not in photos
    assert len(set(photos)) == len(photos)
    first = client.list_photos(3, limit=1)
    assert (first.photos, first.unreachable) == ((photos[0],), ())
    with cluster.without("west-2"):
        assert next(client.pages(3)).unreachable == ("west-2",)
    with pytest.raises(NotFound):
        client.list_photos(99)


def test_a_missing_size_is_not_found(client, cluster, open_blocking, photo):
    """With keys the edge reports it, and without keys the client lists the known sizes."""
    reference = client.put(photo).reference
    with pytest.raises(NotFound, match="this size is not made"):
        client.get(reference, "m")
    with (
        open_blocking(token=sign_new_token(cluster.keys, ["read"])) as keyless,
        pytest.raises(NotFound, match=r"size 'm' of .* known sizes: none"),
    ):
        keyless.get(reference, "m")


def test_a_deleted_photo_stays_deleted(client, photo):
    """Its info and URLs raise `PhotoGone`, and a repeated deletion succeeds."""
    receipt = client.put(photo)
    deletion = client.delete(f"{receipt.volume}/{receipt.photo}")
    assert {copy.colo for copy in deletion.copies} == {"east", "west"}
    with pytest.raises(PhotoGone):
        client.info(receipt.reference)
    with pytest.raises(PhotoGone):
        client.get(receipt.urls["o"])
    client.delete(receipt.reference)


def test_status_lists_nodes_and_volumes(client):
    """The status has all nodes and volumes."""
    status = client.status()
    assert [node["id"] for node in status["nodes"]] == ["east-1", "east-2", "west-1", "west-2"]
    assert [volume["number"] for volume in status["volumes"]] == [1, 2, 3]


def test_url_is_signed_without_a_network(cluster):
    """A verifier accepts the URL of a client that was never opened."""
    client = Client.from_cluster(cluster.config)
    url = client.url(NEVER, "m")
    assert url.startswith(cluster.cluster.public_url)
    verifier = Verifier(cluster.keys, size_classes(DEFAULT_SIZES))
    permitted = verifier.verify(urlsplit(url).path, time.time())
    assert permitted.path == "3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"
    assert permitted.permission.expiry == 0


def test_url_that_expires_is_rounded_up_to_five_minutes(cluster):
    """The lifetime is at least the requested one."""
    client = Client.from_cluster(cluster.config)
    url = client.url(NEVER, "o", ext="png", expires=timedelta(hours=1))
    expiry = int(url.split(".")[-3], 16)
    assert expiry % 300 == 0
    assert 3599 <= expiry - time.time() <= 3900


def test_signing_errors_are_specific(cluster):
    """Unknown sizes and formats, past expiries, and missing keys have their own messages."""
    client = Client.from_cluster(cluster.config)
    with pytest.raises(UnknownSize, match="unknown size 'y'; known sizes: s, q,"):
        client.url(NEVER, "y")
    with pytest.raises(UnknownSize, match="unknown format 'bmp'; known formats: jpg"):
        client.url(NEVER, "m", ext="bmp")
    with pytest.raises(UnknownSize, match="an original requires its format"):
        client.url(NEVER, "o")
    with pytest.raises(UsageError, match="must be positive"):
        client.url(NEVER, "m", expires=timedelta(0))
    with pytest.raises(BadReference):
        client.url("nonsense", "m")
    with pytest.raises(NoKeys, match="neither a token nor keys"):
        Client(cluster.masters).url(NEVER, "m")
    with pytest.raises(NoKeys):
        Client(cluster.masters).sign_token(["read"])
    with pytest.raises(BadConfig, match="edges"):
        Client(cluster.masters, keys=cluster.keys).url(NEVER, "m")
    with pytest.raises(UsageError, match="admin, audit, delete, original, read"):
        client.sign_token(["everything"])


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"this is text " * 10, UnsupportedFormat, "JPEG, PNG, GIF"),
        (b"\x00" * 41_000_000, TooLarge, "upload_bytes_max"),
        (b"\xff\xd8\xff", UnsupportedFormat, "supported formats"),
    ],
    ids=["text", "too large", "three bytes"],
)
def test_invalid_uploads_are_rejected(data, kind, words, client):
    """The message has the supported formats, or the limit."""
    with pytest.raises(kind, match=words) as caught:
        client.put(data)
    assert caught.value.problem.type.startswith("https://")


@pytest.mark.parametrize("more_bytes", [0, 2_000_000])
def test_bytes_without_the_declared_digest_are_not_stored(
    client, cluster, photo, tmp_path, more_bytes
):
    """From memory or from disk: the file may have changed since the caller hashed it."""
    path = tmp_path / "cat.jpg"
    path.write_bytes(photo + bytes(more_bytes))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert client.put(path, sha256=digest, idempotency_key=digest).sha256 == digest
    path.write_bytes(photo + bytes(more_bytes) + b"changed")
    with pytest.raises(GlassplateError, match=digest):
        client.put(path, sha256=digest)
    assert cluster.originals_of(path.read_bytes()) == {}


def test_rejections_are_specific(client, photo):
    """Unknown volumes and photos, and invalid or reused keys, raise their own errors."""
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
        ({"token": "gp2.a.e30.AAAAAAAAAAAAAAAAAAAAAAAA"}, NotAuthorized, "refused"),
        ({"token": "nonsense"}, NotAuthorized, "refused"),
        ({"token": "new\nline"}, BadConfig, "must be printable ASCII"),
        ({"token": None, "keys": None}, NoToken, "requires an API token of scope status"),
    ],
    ids=["bad MAC", "nonsense", "two lines", "none"],
)
def test_token_errors_are_specific(options, kind, words, open_blocking):
    """Invalid, malformed, and missing tokens raise their own errors."""
    with open_blocking(**options) as client, pytest.raises(kind, match=words):
        client.status()


def test_token_of_another_scope_is_not_enough(cluster, open_blocking, photo):
    """A valid token without the scope raises `NotAllowed`."""
    with (
        open_blocking(token=sign_new_token(cluster.keys, ["read"])) as reader,
        pytest.raises(NotAllowed, match="scope upload"),
    ):
        reader.put(photo)


def test_a_cluster_that_is_down_is_unreachable(open_blocking):
    """The error names each address once."""
    first, second = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    with (
        open_blocking(first, second, token="x") as client,
        pytest.raises(Unreachable, match="cannot connect") as caught,
    ):
        client.status()
    assert str(caught.value).count(first) == str(caught.value).count(second) == 1


def test_config_errors_are_specific(tmp_path, cluster, open_blocking):
    """Invalid configs, missing masters, URLs, and key files have their own messages."""
    config = tmp_path / "cluster.toml"
    with pytest.raises(BadConfig, match=r"cannot read .*: No such file"):
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
    with (
        open_blocking("localhost:1", token="x") as client,
        pytest.raises(BadConfig, match="not a URL such as"),
    ):
        client.status()


def test_a_client_works_only_inside_its_block(cluster):
    """A call before the block raises `RuntimeError`."""
    client = Client(cluster.masters, keys=cluster.keys)
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        asyncio.run(client.status())


def test_public_names_exist():
    """The package exports the names that applications import."""
    assert {"Client", "blocking", "Receipt", "PhotoStatus", "Deletion"} <= set(glassplate.__all__)


def test_an_exported_key_signs_urls_and_nothing_else(client, cluster, photo, tmp_path):
    """Its URLs open photos at the edge, without a network to sign; it gives no token."""
    exported = tmp_path / "read.toml"
    save_keys(exported, cluster.keys.only([Purpose.READ]))
    receipt = client.put(photo)
    signer = Client(cluster.masters, signing_key=exported, edges=["http://photos.example"])
    url = signer.url(receipt.reference, "o", ext=receipt.format)
    Verifier(cluster.keys, size_classes(DEFAULT_SIZES)).verify(
        url.removeprefix("http://photos.example"), time.time()
    )
    with pytest.raises(NoKeys):
        signer.sign_token(["read"])
    with (
        BlockingClient(cluster.masters, keys=exported) as alone,
        pytest.raises(NoToken, match="no key of purpose token"),
    ):
        alone.status()
    with pytest.raises(NoKeys, match="no key of purpose read"):
        Client(
            cluster.masters, signing_key=cluster.keys.only([Purpose.JOB]), edges=["http://x"]
        ).url(receipt.reference, "m")


def test_a_restricted_key_signs_what_it_may_and_says_what_not(client, cluster, photo):
    """A URL beyond the restriction is an error before any edge refuses it."""
    receipt = client.put(photo)
    read_key = DerivedKey("a", derived_keys(cluster.keys.ring(Purpose.READ), Purpose.READ)["a"])
    key = restricted_key(read_key, restriction_of(["web"], 24))
    restricted = Key(key_id=key.key_id, secret=key.secret, state=KeyState.SIGNING)
    signer = Client(
        cluster.masters,
        signing_key=Keys({Purpose.READ: KeyRing(keys=(restricted,))}),
        edges=["http://photos.example"],
    )
    verifier = Verifier(cluster.keys, size_classes(DEFAULT_SIZES))
    url = signer.url(receipt.reference, "m", expires=timedelta(hours=24))
    assert verifier.verify(url.removeprefix("http://photos.example"), time.time())
    with pytest.raises(UsageError, match="size 'k' of class large: the key is restricted to web"):
        signer.url(receipt.reference, "k", expires=timedelta(hours=1))
    with pytest.raises(UsageError, match="restricted to 24 hours; pass a shorter `expires`"):
        signer.url(receipt.reference, "m", expires=timedelta(days=2))
    with pytest.raises(UsageError, match="URL that never expires"):
        signer.url(receipt.reference, "m")
