"""Receipts of resumable uploads, at any storagemaster, equal to what `POST /photos` returns."""

import base64
import hashlib

import pytest

from glassplate.session.new_tokens import new_token, sign_new_token
from permission_urls import sign_token
from storagemaster.upload_wire import parse_upload_state
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient
from tests.storagemaster.small_cluster import KEYS, keys_of, wait_until

PHOTO = picture(width=640, height=480)
SHA256 = hashlib.sha256(PHOTO).hexdigest()
DIGEST = {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(SHA256)).decode()}:"}
PREFER = {"Prefer": "return=representation"}
(KEY,) = keys_of(1, count=1)
KEYED = {"Idempotency-Key": KEY, **DIGEST}


@pytest.fixture(name="tus")
def _tus(cluster):
    return TusClient(cluster.master)


async def state_at(master, path, *, token=None):
    """Return the state of an upload, by default as the holder of a token of all scopes sees it."""
    headers = {} if token is None else {"Authorization": token and f"Bearer {token}"}
    answer = await master.request("GET", path, headers=headers)
    assert answer.status == 200, answer
    return answer.document


async def test_every_storagemaster_returns_the_receipt_of_the_upload(cluster, tus):
    """The client that lost the last response gets what it would have had."""
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    assert (await state_at(cluster.master, path))["receipt"] is None
    assert (await tus.append(path, PHOTO, offset=0)).status == 204
    state = await state_at(await cluster.another_master(), path)
    assert (state["state"], state["offset"]) == ("stored", len(PHOTO))
    (own,) = {state["reference"], parse_upload_state(state).receipt.reference}
    volume, photo, version = own.split("/")
    at_once = (await cluster.master.upload(PHOTO)).document
    names = {"volume": int(volume), "photo": photo, "version": version}
    expected = {**at_once, **names, "status": f"/photos/{own}"}
    assert state["receipt"] == expected | {"urls": state["receipt"]["urls"]}
    assert state["receipt"]["urls"].keys() == at_once["urls"].keys()
    assert state["receipt"]["copies"]


async def test_the_last_request_returns_the_receipt_on_demand(cluster, tus):
    """No other request is needed, and it is the receipt that a later request gets."""
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    half = len(PHOTO) // 2
    first = await tus.append(path, PHOTO[:half], offset=0, headers=PREFER)
    assert (first.status, first.document["state"]) == (200, "partial")
    last = await tus.append(path, PHOTO[half:], offset=half, headers=PREFER)
    assert (last.status, last.headers["Preference-Applied"]) == (200, "return=representation")
    assert last.document == await state_at(await cluster.another_master(), path)


async def test_the_receipt_names_a_handoff_node(cluster, tus):
    """It says where the copies are, also while a mirror is down."""
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    await cluster.stop_and_notice("west-1")
    last = await tus.append(path, PHOTO, offset=0, headers=PREFER)
    assert last.document["receipt"]["pending_mirrors"] == ["west-1"]
    await cluster.poll()
    await wait_until(lambda: not list(cluster.root("east-1").glob(".partials/*")))
    assert (await tus.offset(path)).headers["Upload-Offset"] == str(len(PHOTO))
    state = await state_at(cluster.master, path)
    copies = state["receipt"].pop("copies")
    expected = last.document["receipt"].pop("copies")
    assert state == last.document
    assert sorted(copies, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("scopes", "letters"),
    [(("upload",), ""), (("upload", "read"), "qsm"), (("read", "original"), "qsmo")],
)
async def test_the_urls_are_those_that_the_token_grants(cluster, tus, scopes, letters):
    """The path of the upload alone does not permit to read the photo."""
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    await tus.append(path, PHOTO, offset=0)
    assert (await state_at(cluster.master, path, token=""))["receipt"]["urls"] == {}
    token = sign_new_token(KEYS, scopes)
    urls = (await state_at(cluster.master, path, token=token))["receipt"]["urls"]
    assert set(letters) <= urls.keys()
    assert ("o" in urls) == ("o" in letters)
    assert bool(urls) == bool(letters)


async def test_a_token_of_other_volumes_grants_no_urls(cluster, tus):
    """It opens the photos of its own volumes only."""
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    await tus.append(path, PHOTO, offset=0)
    token = sign_token(KEYS, new_token(("read",), volumes=((2, 2),)))
    assert (await state_at(cluster.master, path, token=token))["receipt"]["urls"] == {}


async def test_an_invalid_token_is_refused_and_an_ended_ticket_is_not(cluster, tus):
    """A ticket grants no URLs, and its end ends no upload."""
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    refused = await cluster.master.request("GET", path, headers={"Authorization": "Bearer gp2.a"})
    assert refused.status == 401
    ended = await cluster.master.request("GET", path, headers={"Authorization": "Bearer gt1.a"})
    assert ended.status == 200


async def test_a_photo_that_is_stored_with_its_key_is_not_sent_again(cluster, tus):
    """The request that would begin the upload has the receipt of the photo."""
    stored = await cluster.master.upload(PHOTO, key=KEY)
    answer = await tus.begin(len(PHOTO), {**KEYED, **PREFER}, path="/uploads")
    assert (answer.status, answer.headers["Upload-Offset"]) == (201, str(len(PHOTO)))
    assert answer.document["receipt"] == stored.document
    assert not list(cluster.root("east-1").glob(".partials/*"))


@pytest.mark.parametrize("headers", [{"Idempotency-Key": KEY, **PREFER}, KEYED])
async def test_a_client_that_expects_to_send_all_bytes_sends_them(cluster, tus, headers):
    """Without its digest, or the request of the state, an upload begins at its first byte."""
    await cluster.master.upload(PHOTO, key=KEY)
    answer = await tus.begin(len(PHOTO), headers, path="/uploads")
    assert (answer.status, answer.headers["Upload-Offset"]) == (201, "0")
    last = await tus.append(answer.headers["Location"], PHOTO, offset=0)
    assert last.status == 204


async def test_a_deleted_photo_of_the_key_is_gone_before_a_byte_is_sent(cluster, tus):
    """A key is never used for a second photo."""
    await cluster.master.delete((await cluster.master.upload(PHOTO, key=KEY)).version)
    assert (await tus.begin(len(PHOTO), {**KEYED, **PREFER}, path="/uploads")).status == 410
