"""Authorization: each route accepts only a token of its scope, and a token reveals only its own."""

import asyncio
import time
from dataclasses import asdict, replace
from datetime import timedelta

import aiohttp
import pytest

from glassplate.session.new_tokens import new_token, sign_new_token
from permission_urls import (
    Key,
    KeyRing,
    KeyState,
    RevokedTokens,
    Scope,
    Token,
    VolumeRange,
    parse_permission_url,
    record_of,
    save_tokens,
    sign_token,
)
from storagemaster import app, wire
from tests.free_ports import free_port
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_nothing_is_left, assert_problem
from volumes.address import Address
from volumes.cluster import Colo, Master
from volumes.photo_path import parse_photo_version

OTHER_KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32, 64)), state=KeyState.SIGNING),))
FIELDS = {
    "volume": 1,
    "photo": "01jd3x8m2c9qp4k7",
    "version": "3fz8qd",
    "shard": "k7",
    "node": "east-1",
}
ROUTES = {name: value for name, value in vars(wire).items() if isinstance(value, wire.Route)}
WITH_TOKEN = [name for name, route in ROUTES.items() if isinstance(route.access, Scope)]
SCOPES = tuple(Scope)
EXPIRED = Token(id="k3v9q2mf", application="shop", scopes=frozenset(SCOPES), expiry=1_700_000_000)

BAD_TOKENS = {
    "no scheme": sign_new_token(KEYS, SCOPES),
    "another scheme": f"Basic {sign_new_token(KEYS, SCOPES)}",
    "no token": "Bearer",
    "an empty token": "Bearer ",
    "garbage": "Bearer gp2.a.eyJpZCI6InEzOGo1d3IyIn0.AAAA",
    "another cluster's": f"Bearer {sign_new_token(OTHER_KEYS, SCOPES)}",
    "an expired one": f"Bearer {sign_token(KEYS, EXPIRED)}",
    "two": f"Bearer {sign_new_token(KEYS, SCOPES)} {sign_new_token(KEYS, SCOPES)}",
}


@pytest.mark.parametrize("name", WITH_TOKEN)
async def test_route_accepts_only_a_token_of_its_scope(cluster, name):
    """A token with all other scopes gets 403, and a request without a token 401."""
    method, scope = ROUTES[name].method, ROUTES[name].access
    path = ROUTES[name].path(FIELDS)
    others = [other for other in SCOPES if other != scope]
    refused = await send(cluster, method, path, bearer(others))
    assert_problem(refused, 403, "not-allowed")
    assert scope in refused.document["detail"]
    missing = await send(cluster, method, path, "")
    assert_problem(missing, 401, "not-authorized")
    if ROUTES[name] is not wire.EVENTS:  # a stream without end
        accepted = await send(cluster, method, path, bearer([scope]))
        assert accepted.status not in {401, 403}


URLS_OF = [([], ""), (["read"], "sqtmx"), (["read", "original"], "sqtmxo"), (["original"], "")]


@pytest.mark.parametrize(("more", "letters"), URLS_OF)
async def test_responses_have_only_the_urls_that_the_scopes_allow(cluster, more, letters):
    """No URL without `read`, and none of the original without `original`, on every route."""
    stored = await send(cluster, "POST", "/photos?volume=1", bearer(["upload", *more]))
    receipt = stored.document
    photo = parse_photo_version("{volume}/{photo}/{version}".format(**receipt))
    assert set(receipt["urls"]) == set(letters)
    path = wire.REVOKE.path(asdict(photo))
    revoked = await send(cluster, "POST", path, bearer(["delete", *more]))
    assert (revoked.status, set(revoked.document["urls"])) == (200, set(letters) & {"o"})
    await cluster.master.delete(photo)
    path = wire.UNDELETE.path(asdict(photo))
    undeleted = await send(cluster, "POST", path, bearer(["delete", *more]))
    assert (undeleted.status, set(undeleted.document["urls"])) == (201, set(letters))


@pytest.mark.parametrize("more", [[], ["original"]])
async def test_status_and_lookup_have_no_original_without_its_scope(cluster, photo, more):
    """A token that reads sizes cannot read the state of a photo and get its original."""
    status = await send(cluster, "GET", f"/photos/{photo}", bearer(["read", *more]))
    assert set(status.document["urls"]) == {*"sqt", *("o" if more else "")}
    body = wire.render_batch_request([photo])
    looked_up = await send(cluster, "POST", "/photos/info", bearer(["read", *more]), body)
    assert looked_up.document["photos"][0]["urls"] == status.document["urls"]


async def test_urls_end_when_the_request_asks_for_it(cluster):
    """`?expires=1h` limits every URL of a receipt; the others never end."""
    for query, lifetime_seconds in (("", None), ("&expires=1h", 3600)):
        path = f"/photos?volume=1{query}"
        stored = await send(cluster, "POST", path, bearer(["upload", "read", "original"]))
        urls = stored.document["urls"].values()
        expiries = {parse_permission_url(url.removeprefix("http://photos.example")).permission.expiry
                    for url in urls}  # fmt: skip
        expiry = expiries.pop()
        assert not expiries
        if lifetime_seconds is None:
            assert expiry == 0
        else:
            assert lifetime_seconds - 5 <= expiry - time.time() <= lifetime_seconds + 300


@pytest.mark.parametrize("text", ["0", "1", "-1h", "1y", "never", ""])
async def test_an_invalid_expiry_of_urls_is_rejected(cluster, text):
    """A typing error must not give URLs that never end."""
    answer = await send(cluster, "POST", f"/photos?expires={text}", bearer(["upload"]))
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


async def test_a_token_opens_only_its_volumes(cluster, photo):
    """Other volumes do not exist for it: the error is that of an unknown volume."""
    token = new_token(SCOPES, volumes=(VolumeRange(2, 8),))
    own = f"Bearer {sign_token(KEYS, token)}"
    for name in WITH_TOKEN:
        route = ROUTES[name]
        if "{volume}" in route.template:
            fields = {**FIELDS, **asdict(photo)}
            answer = await send(cluster, route.method, route.path(fields), own)
            assert_problem(answer, 404, "unknown-volume")
    stored = await send(cluster, "POST", "/photos?volume=1", own)
    assert_problem(stored, 404, "unknown-volume")
    body = wire.render_batch_request([photo])
    found = await send(cluster, "POST", "/photos/info", own, body)
    assert [entry["state"] for entry in found.document["photos"]] == ["unknown"]
    placed = [await send(cluster, "POST", "/photos", own) for _ in range(6)]
    assert {answer.document["volume"] for answer in placed} == {2}
    assert_problem(await send(cluster, "GET", "/find/01jd3x8m2c9qp4k7", own), 403, "not-allowed")
    regenerated = await send(
        cluster, "POST", "/regenerations", own, f'{{"photo": "{photo}"}}'.encode()
    )
    assert_problem(regenerated, 404, "unknown-volume")


async def test_bundle_without_a_signature_is_rejected(cluster):
    """A token does not open a route for machines of the cluster."""
    path = wire.BUNDLE.path(FIELDS)
    refused = await send(cluster, "POST", path, bearer(SCOPES))
    assert_problem(refused, 403, "not-allowed")


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_invalid_token_is_rejected(cluster, name):
    """The response is 401 with WWW-Authenticate, and nothing is stored."""
    answer = await send(cluster, "POST", "/photos", BAD_TOKENS[name])
    assert_problem(answer, 401, "not-authorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="glassplate"'
    await assert_nothing_is_left(cluster)


async def test_rejection_does_not_repeat_the_token(cluster):
    """A response can end up in a log."""
    for name, authorization in BAD_TOKENS.items():
        answer = await send(cluster, "POST", "/photos", authorization)
        assert "gp2." not in answer.document["detail"], name


async def test_token_with_an_expiry_is_accepted_until_then(cluster):
    """The name of the scheme can have any case."""
    token = sign_new_token(KEYS, ["upload"], expires=timedelta(minutes=1))
    assert (await send(cluster, "POST", "/photos", f"bearer {token}")).status == 201


async def test_health_needs_no_token(cluster):
    """A load balancer has none."""
    answer = await cluster.master.request("GET", "/healthz", headers={"Authorization": ""})
    assert (answer.status, answer.document) == (200, "ok\n")


def bearer(scopes):
    """Return the header with a new token of these scopes."""
    return f"Bearer {sign_new_token(KEYS, scopes)}"


async def send(cluster, method, path, authorization, body=None):
    """Send a request with this header, and a photo if it is an upload."""
    data = picture(width=320, height=200) if path.partition("?")[0] == "/photos" else body
    headers = {"Authorization": authorization}
    return await cluster.master.request(method, path, data=data, headers=headers)


async def test_a_revoked_token_is_refused_by_a_running_storagemaster(cluster, tmp_path):
    """Its next request gets 401, and its event stream ends before the next event."""
    clock = [0.0]
    path = tmp_path / "tokens.toml"
    revoked = RevokedTokens(path, monotonic_seconds=lambda: clock[0])
    token = new_token(["upload", "read"])
    master = Master(id="m9", colo=Colo("east"), address=Address("127.0.0.1", free_port()))
    headers = {"Authorization": f"Bearer {sign_token(KEYS, token)}"}
    async with (
        app.running_master(cluster.config, master, KEYS, revoked),
        aiohttp.ClientSession(f"http://{master.address}", headers=headers) as session,
        session.get("/events") as stream,
    ):
        assert (await stream.content.readline()).startswith(b"retry")
        async with session.post("/photos?volume=1", data=picture()) as stored:
            assert stored.status == 201
            receipt = await stored.json()
        save_tokens(path, [replace(record_of(token), revoked=True)], now_seconds=0)
        clock[0] += 1
        async with session.post("/photos?volume=1", data=picture()) as refused:
            assert refused.status == 401
            assert "was revoked" in (await refused.json())["detail"]
        other = {"Authorization": bearer(["delete"])}
        deleted = "/photos/{volume}/{photo}".format(**receipt)
        async with session.delete(deleted, headers=other) as done:
            assert done.status == 200
        assert b"deleted" not in await asyncio.wait_for(stream.content.read(), 20)


class Revocations(set):
    """Ids of revoked tokens that tell when one was looked up."""

    def __init__(self):
        super().__init__()
        self.looked_up = asyncio.Event()

    def __contains__(self, token_id):
        self.looked_up.set()
        return super().__contains__(token_id)


@pytest.mark.parametrize("how", ["POST", "PATCH"])
async def test_an_upload_under_way_is_refused_once_its_token_is_revoked(cluster, how):
    """Nothing is stored, however slowly the body arrives."""
    revoked, token, photo = Revocations(), new_token(["upload"]), picture()
    master = Master(id="m9", colo=Colo("east"), address=Address("127.0.0.1", free_port()))

    async def body():
        yield photo[:1000]
        await revoked.looked_up.wait()
        revoked.add(token.id)
        yield photo[1000:]

    authorization = {"Authorization": f"Bearer {sign_token(KEYS, token)}"}
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(photo))}
    patch = {**headers, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with (
        app.running_master(cluster.config, master, KEYS, revoked),
        aiohttp.ClientSession(f"http://{master.address}") as session,
    ):
        url = "/photos?volume=1"
        if how == "PATCH":
            begin = authorization | headers
            async with session.post("/uploads?volume=1", headers=begin) as begun:
                assert begun.status == 201
                url = begun.headers["Location"]
        revoked.looked_up.clear()
        sent = authorization if how == "POST" else patch
        async with session.request(how, url, data=body(), headers=sent) as refused:
            assert refused.status == 401
            assert "was revoked during the upload" in (await refused.json())["detail"]
        if how == "PATCH":
            async with session.head(url, headers=headers) as gone:
                assert gone.status == 404
    assert not any("_o." in path for node in cluster.config.nodes for path in cluster.files(node))
