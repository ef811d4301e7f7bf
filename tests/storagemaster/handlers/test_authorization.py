"""Authorization: each route accepts only a token of its scope."""

import time
from dataclasses import asdict

import pytest

from permission_urls import Key, KeyRing, KeyState, Scope, sign_token
from storagemaster import wire
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_nothing_is_left, assert_problem

OTHER_KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32, 64)), state=KeyState.SIGNING),))
FIELDS = {"volume": 1, "photo": "01jd3x8m2c9qp4k7", "version": "3fz8qd", "shard": "k7"}
ROUTES = {name: value for name, value in vars(wire).items() if isinstance(value, wire.Route)}
WITH_TOKEN = [name for name, route in ROUTES.items() if isinstance(route.access, Scope)]
SCOPES = ("admin", "delete", "read", "upload")

BAD_TOKENS = {
    "no scheme": sign_token(KEYS, SCOPES),
    "another scheme": f"Basic {sign_token(KEYS, SCOPES)}",
    "no token": "Bearer",
    "an empty token": "Bearer ",
    "garbage": "Bearer gp1.a.upload.0.AAAA",
    "another cluster's": f"Bearer {sign_token(OTHER_KEYS, SCOPES)}",
    "an expired one": f"Bearer {sign_token(KEYS, SCOPES, expiry_seconds=int(time.time()) - 1)}",
    "one with another scope written in": "Bearer "
    + sign_token(KEYS, ["read"]).replace("read", "admin+delete+read+upload"),
    "two": f"Bearer {sign_token(KEYS, SCOPES)} {sign_token(KEYS, SCOPES)}",
}


@pytest.mark.parametrize("name", WITH_TOKEN)
async def test_route_accepts_only_a_token_of_its_scope(cluster, name):
    """A token with all other scopes gets 403, and a request without a token 401."""
    method, scope = ROUTES[name].method, ROUTES[name].access
    path = ROUTES[name].path(FIELDS)
    others = [other for other in SCOPES if other != scope]
    refused = await send(cluster, method, path, f"Bearer {sign_token(KEYS, others)}")
    assert_problem(refused, 403, "not-allowed")
    assert scope in refused.document["detail"]
    missing = await send(cluster, method, path, "")
    assert_problem(missing, 401, "not-authorized")
    if ROUTES[name] is not wire.EVENTS:  # a stream without end
        accepted = await send(cluster, method, path, f"Bearer {sign_token(KEYS, [scope])}")
        assert accepted.status not in {401, 403}


@pytest.mark.parametrize(("scopes", "gets_urls"), [(["delete"], False), (["delete", "read"], True)])
async def test_a_token_that_only_deletes_gets_no_urls(cluster, photo, scopes, gets_urls):
    """Neither of a revoked photo's new version, nor of an undeleted photo: they open photos."""
    authorization = f"Bearer {sign_token(KEYS, scopes)}"
    path = wire.REVOKE.path(asdict(photo))
    revoked = await send(cluster, "POST", path, authorization)
    assert (revoked.status, bool(revoked.document["urls"])) == (200, gets_urls)
    await cluster.master.delete(photo)
    path = wire.UNDELETE.path(asdict(photo))
    undeleted = await send(cluster, "POST", path, authorization)
    assert (undeleted.status, bool(undeleted.document["urls"])) == (201, gets_urls)


async def test_bundle_without_a_signature_is_rejected(cluster):
    """A token does not open a route for machines of the cluster."""
    path = wire.BUNDLE.path(FIELDS)
    refused = await send(cluster, "POST", path, f"Bearer {sign_token(KEYS, SCOPES)}")
    assert_problem(refused, 403, "not-allowed")


async def send(cluster, method, path, authorization):
    """Send a request with this header, and a photo if it is an upload."""
    data = picture() if path == "/photos" else None
    headers = {"Authorization": authorization}
    return await cluster.master.request(method, path, data=data, headers=headers)


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
        assert "gp1." not in answer.document["detail"], name


async def test_token_with_an_expiry_is_accepted_until_then(cluster):
    """The name of the scheme can have any case."""
    token = sign_token(KEYS, ["upload"], expiry_seconds=int(time.time()) + 60)
    assert (await send(cluster, "POST", "/photos", f"bearer {token}")).status == 201


async def test_health_needs_no_token(cluster):
    """A load balancer has none."""
    answer = await cluster.master.request("GET", "/healthz", headers={"Authorization": ""})
    assert (answer.status, answer.document) == (200, "ok\n")
