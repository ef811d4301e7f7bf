"""docs/formats/node-protocol.md: routes, signatures, errors, and framing of a node's two ports."""

import hashlib
import json
import re
import time
from dataclasses import asdict

import pytest

from permission_urls import (
    CLOCK_SKEW_SECONDS_MAX,
    SIGNATURE_SECONDS,
    InternalSigner,
    InternalVerifier,
    KeyRing,
)
from permission_urls.keys import Key, KeyState
from storagenode.protocol import batch_wire, errors, routes, wire
from storagenode.protocol.files import ListedFile, Published, listing_digest, volume_digest
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import Signed
from storagenode.upkeep.scrub import ScrubProgress
from tests.docs.pages import blocks, read_page, section, table, tables
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of
from tests.storagenode.served_site import make_site, serving
from volumes.cluster import NodeId
from volumes.photo_path import parse_path

PAGE = read_page("docs/formats/node-protocol.md")
ROUTES = tables(section(PAGE, "## Routes of the write port"))[0]
SIGNED = tables(section(PAGE, "## Signature"))[0]
FRAMING = section(PAGE, "## Framing")
SECRET = bytes(range(32))
PATH = "42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"
INFO = "42/k7/01jd3x8m2c9qp4k7_3fz8qd.json"
PLACE = Place(parse_path(PATH), NodeId("west-1"))


def ring() -> KeyRing:
    """Return the key of the page."""
    return KeyRing(keys=(Key(key_id="a", secret=SECRET, state=KeyState.SIGNING),))


def example(name: str, language: str = "") -> str:
    """Return the code block that follows a bold name in the section about framing."""
    return blocks(FRAMING.partition(f"**{name}.**")[2], language)[0].removesuffix("\n")


def framed() -> dict[str, str]:
    """Return each example of a framing as the code makes it."""
    pull = wire.Pull(
        place=Place(PLACE.file),
        source_node=NodeId("west-2"),
        source="http://10.2.0.10:7201",
        source_place=PLACE,
        digest=digest_of(b"size"),
    )
    files = [
        wire.BundledFile(path, digest_of(data), data)
        for path, data in ((PATH, b"size"), (INFO, b"{}"))
    ]
    whole = batch_wire.InMemoryFile(Place(PLACE.file), b"size", digest_of(b"size"), MTIME)
    return {
        "Place": json.dumps(wire.render_place(PLACE)),
        "Pull": wire.render_pull(pull).decode(),
        "Published": json.dumps(
            asdict(Published(PATH, digest_of(b"size"), 4, 1_700_000_000, existed=False))
        ),
        "Listing": json.dumps(
            wire.render_listing([ListedFile(PATH.rpartition("/")[2], 4, digest_of(b"size"))])
        ),
        "Bundle": wire.render_bundle(files).decode(),
        "Writes": b"".join(batch_wire.render_writes([whole])).decode(),
        "Batch": batch_wire.render_reads(
            [batch_wire.ReadFile(b"size", MTIME), errors.NotFound("no such file")]
        ).decode(),
    }


@pytest.fixture(name="node", scope="module")
def _node(tmp_path_factory):
    with serving(make_site(tmp_path_factory.mktemp("site")), ["east-1"]) as nodes:
        yield nodes["east-1"]


def test_every_route_is_in_the_table():
    """The page has the routes of the code, each once, and what their signatures cover."""
    words = {
        Signed.NOTHING: "not signed",
        Signed.BODY: "body",
        Signed.HEADER: "header line",
        Signed.TRAILER: "`-`, then trailer",
    }
    stated = [(f"{each.method} {each.template}", words[each.signed]) for each in routes.ROUTES]
    listed = [(row["route"].replace("{stem}", "{path}"), row["signed over"]) for row in ROUTES]
    assert sorted(listed) == sorted(stated)


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row["route"])
def test_unsigned_requests_are_refused(node, row):
    """Every route but the metrics wants a signature, and names the error."""
    method, _, target = row["route"].partition(" ")
    target = target.replace("{path}", PATH)
    target = re.sub(r"{\w+}", "1", target)
    head = f"{method} {target} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n"
    response = node.send_raw(f"{head}Content-Length: 0\r\n\r\n".encode())
    status = response.split(b" ", 2)[1].decode()
    assert status == ("200" if row["signed over"] == "not signed" else "403")
    assert (b"Glassplate-Error: invalid-signature" in response) == (status == "403")


@pytest.mark.parametrize("row", SIGNED, ids=lambda row: row["target"])
def test_worked_signatures(row):
    """The code signs each request as the page has it, and accepts it."""
    expiry_seconds = int(row["header"].split(".")[1], 16)
    request = {"method": row["method"], "path": row["target"], "digest": row["digest"]}
    signer, verifier = InternalSigner(ring()), InternalVerifier(ring(), receiver=row["receiver"])
    assert (
        signer.sign_request(receiver=row["receiver"], **request, expiry_seconds=expiry_seconds)
        == row["header"]
    )
    assert verifier.verify_request(row["header"], **request, now_seconds=expiry_seconds - 1) == "a"


def test_the_limits_of_signatures():
    """Lifetime, trailer, and header are the ones of the code."""
    text = section(PAGE, "## Signature")
    assert f"signs for {SIGNATURE_SECONDS} seconds" in text
    assert f"{SIGNATURE_SECONDS + CLOCK_SKEW_SECONDS_MAX} seconds from now" in text
    assert f"trailer of {wire.TRAILER_BYTES} bytes" in text
    assert wire.SIGNATURE_HEADER in text


def test_a_streamed_file_needs_its_trailer(node):
    """The node publishes a body that ends with the signature over its digest, and no other."""
    place = variant_of(version_of(1))
    target = routes.PUT_FILE.at(place, mtime_seconds=MTIME).path
    data = bytes_of("streamed")
    expiry = int(time.time()) + 60
    opening = node.sign("PUT", target, routes.DIGEST_IN_TRAILER, expiry_seconds=expiry)
    for digest, status in ((digest_of(b"other"), b"403"), (digest_of(data), b"200")):
        closing = node.sign("PUT", target, digest, expiry_seconds=expiry).encode().ljust(64)
        head = (
            f"PUT {target} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n"
            f"Glassplate-Signature: {opening}\r\nContent-Length: {len(data) + 64}\r\n\r\n"
        )
        response = node.send_raw(head.encode() + data + closing)
        assert response.split(b" ", 2)[1] == status


def test_the_errors_have_their_statuses():
    """Each error that a node sends stands in the table with its status."""
    sent = {name: str(status) for name, status in errors.ERRORS_ON_THE_WIRE.values()}
    assert {row["name"]: row["status"] for row in table(PAGE, "## Errors")} == sent
    assert wire.ERROR_HEADER in section(PAGE, "## Errors")


@pytest.mark.parametrize("name", framed())
def test_the_examples_of_framing(name):
    """Each example is what the code renders."""
    assert (
        example(name, "json" if f"**{name}.**" in FRAMING.partition("**Bundle.**")[0] else "")
        == (framed()[name])
    )


def test_the_examples_of_framing_can_be_parsed():
    """The code reads every example that it renders."""
    made = framed()
    assert wire.parse_place(json.loads(made["Place"])) == PLACE
    assert wire.parse_pull(made["Pull"].encode()).source_place == PLACE
    assert [each.data for each in wire.parse_bundle(made["Bundle"].encode())] == [b"size", b"{}"]
    assert batch_wire.parse_writes(made["Writes"].encode())[0].data == b"size"
    read, failed = batch_wire.parse_reads(made["Batch"].encode())
    assert read.data == b"size"
    assert isinstance(failed, errors.NotFound)


def test_the_limits_of_framing():
    """Counts and lengths are the ones of the code."""
    text = " ".join(FRAMING.split())
    mebibytes, kibibytes = batch_wire.WRITE_BYTES_MAX // 2**20, wire.SHARING_BYTES_MAX // 2**10
    assert f"At most {batch_wire.BATCH_FILES_MAX} files, {mebibytes} MiB together" in text
    assert f"and {kibibytes} KiB each, or one file" in text
    assert f"or one file of up to {wire.WHOLE_BYTES_MAX // 2**20} MiB" in text
    kibibytes = batch_wire.FILE_BYTES_MAX // 2**10
    assert f"At most {batch_wire.BATCH_FILES_MAX} files of up to {kibibytes} KiB" in text
    assert f"at most {routes.LIST_BYTES_MAX // 2**10} KiB; that of `POST /writes`" in text
    assert f"`POST /writes` {routes.WRITES_BYTES_MAX // 2**20} MiB" in text
    assert f"`POST /bundles/{{stem}}` {routes.BUNDLE_BYTES_MAX // 2**20} MiB" in text
    for route, row in zip(routes.ROUTES, sorted(ROUTES, key=_order_in_code), strict=True):
        assert bool(route.body_bytes_max) == (row["request"] not in {"", "bytes and trailer"})
    effects = {row["route"]: row["effect"] for row in ROUTES}
    assert effects["POST /digests"] == f"at most {wire.LOOKUP_FILES_MAX} paths"
    assert effects["POST /infos"] == f"at most {wire.INFOS_MAX} infos"
    assert effects["GET /hints"] == f"at most {wire.HINTS_PER_LIST_MAX}"


def _order_in_code(row):
    names = [f"{each.method} {each.template}" for each in routes.ROUTES]
    return names.index(row["route"].replace("{stem}", "{path}"))


def test_the_shard_digest():
    """It is the SHA-256 over the sorted lines of names and digests."""
    files = tuple(ListedFile(name, 1, digest_of(name.encode())) for name in ("a.jpg", "b.jpg"))
    lines = "".join(f"{file.name} {file.digest}\n" for file in files)
    assert listing_digest(files) == hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_of_a_volume():
    """It is the SHA-256 over the sorted lines of shards and their digests."""
    shards = {shard: digest_of(shard.encode()) for shard in ("k7", "00")}
    lines = "".join(f"{shard} {shards[shard]}\n" for shard in sorted(shards))
    assert volume_digest(shards) == hashlib.sha256(lines.encode()).hexdigest()


def test_the_fields_of_the_documents(node):
    """Status and scrub document of a running node have the fields of the tables."""
    status = asdict(node.run(node.client.status()))
    assert [row["field"] for row in table(PAGE, "## Status document")] == list(status)
    scrub = node.run(node.client.scrub())
    assert [row["field"] for row in table(PAGE, "## Scrub document")] == list(scrub)
    assert list(asdict(ScrubProgress())) == list(scrub)


def responses_of(node, photo_version):
    """Return a response of the read port for each status."""
    place = variant_of(photo_version)
    node.put(place, bytes_of(photo_version))
    target = node.url(place.file)
    etag = node.read(target).headers["ETag"]
    absent, deleted = variant_of(photo_version, "m"), variant_of(version_of(900))
    tombstone = Place(parse_path("42/" + deleted.path.split("/", 1)[1].split("_")[0] + ".gone"))
    node.run(node.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    corrupt = variant_of(version_of(901))
    node.put(corrupt, bytes_of("corrupt"))
    on_disk = node.root / corrupt.path
    on_disk.chmod(0o600)
    on_disk.write_bytes(bytes_of("wrong"))
    marker = node.root / ".node"
    marker.rename(node.root / ".node.gone")
    without_marker = node.read("/healthz")
    (node.root / ".node.gone").rename(marker)
    return [
        without_marker,
        node.read(target),
        node.read(target, {"Range": "bytes=0-9"}),
        node.read(target, {"If-None-Match": etag}),
        node.read(target, {"If-Match": '"other"'}),
        node.read(target, {"Range": "bytes=5000-"}),
        node.read(target, method="OPTIONS"),
        node.read(target, method="PATCH"),
        node.read("//"),
        node.read(f"/{place.path}"),
        node.read(node.url(absent.file)),
        node.read(node.url(deleted.file)),
        node.read(node.url(corrupt.file)),
    ]


def test_the_statuses_of_the_read_port(node):
    """Statuses, bodies, and lifetimes in caches are as the table has them."""
    rows = {int(row["status"]): row for row in table(PAGE, "## Read port")}
    responses = responses_of(node, version_of(2))
    assert {response.status for response in responses} == set(rows)
    for response in responses:
        row, lifetime = rows[response.status], response.headers["Cache-Control"]
        if response.status >= 400:
            assert response.body == f"{row['body']}\n".encode()
            assert lifetime == row["Cache-Control"]
        elif response.status == 204:
            assert lifetime == row["Cache-Control"]
        else:
            assert f"`{lifetime}`" in rows[200]["Cache-Control"]
