"""No request to a storagemaster is served without a token of its scope, or a valid signature."""

import hashlib
import http.client
import json
import os
import random
import time

import pytest

from glassplate.session.new_tokens import new_token, sign_new_token
from permission_urls import (
    InternalSigner,
    Key,
    KeyRing,
    KeyState,
    Purpose,
    Scope,
    Ticket,
    Token,
    generate_ticket_id,
    sign_ticket,
    sign_token,
    ticket_key_of,
)
from permission_urls.signed_claims import sign_claims
from storagemaster import wire
from storagemaster.resumable.upload_url import UPLOAD_URL
from storagenode.protocol.wire import DIGEST_HEADER, SIGNATURE_HEADER
from tests.attacks.test_signed_requests import ATTACKS as SIGNATURES

FIELDS = {
    "volume": 1,
    "photo": "01jd3x8m2c9qp4k7",
    "version": "3fz8qd",
    "shard": "k7",
    "node": "east-1",
    "upload": "u1.a.eyJhIjoxfQ.AAAAAAAAAAAAAAAAAAAAAAAA",
}
ROUTES = [each for each in vars(wire).values() if isinstance(each, wire.Route)]
OF_TOKENS = [each for each in ROUTES if isinstance(each.access, Scope)]
OF_UPLOADS = [each for each in ROUTES if "{upload}" in each.template and each.method != "OPTIONS"]
SCOPES = tuple(Scope)
EXPIRED = Token(id="k3v9q2mf", application="shop", scopes=frozenset(SCOPES), expiry=1_700_000_000)
STRANGE = KeyRing(
    keys=(Key(key_id="a", secret=random.Random(9).randbytes(32), state=KeyState.SIGNING),)
)
OTHERS = [purpose for purpose in Purpose if purpose is not Purpose.TOKEN]
ANSWER_SECONDS = 20


def all_scopes(keys):
    """Return a token that permits everything."""
    return sign_new_token(keys, SCOPES)


def ticket(keys):
    """Return a ticket, which permits uploads only."""
    claims = Ticket(
        id=generate_ticket_id(os.urandom),
        application="default",
        expiry=int(time.time()) + 600,
        bytes_max=1_000_000,
    )
    return sign_ticket(ticket_key_of(keys, "default"), claims)


TOKENS = {
    "without a token": lambda *_: None,
    "with an empty token": lambda *_: "Bearer ",
    "with another scheme": lambda keys, _: f"Basic {all_scopes(keys)}",
    "with two tokens": lambda keys, _: f"Bearer {all_scopes(keys)} {all_scopes(keys)}",
    "with a changed token": lambda keys, _: f"Bearer {all_scopes(keys)[:-1]}!",
    "with the claims of another token": lambda keys, _: (
        "Bearer "
        + ".".join((*all_scopes(keys).split(".")[:-1], all_scopes(STRANGE).split(".")[-1]))
    ),
    "after its end": lambda keys, _: f"Bearer {sign_token(keys, EXPIRED)}",
    "of another cluster": lambda *_: f"Bearer {all_scopes(STRANGE)}",
    "with all other scopes": lambda keys, scope: (
        "Bearer " + sign_new_token(keys, [each for each in SCOPES if each is not scope])
    ),
    **{
        f"by a key for {purpose}": lambda keys, _, purpose=purpose: (
            "Bearer " + sign_token(keys.ring(purpose), new_token(SCOPES))
        )
        for purpose in OTHERS
    },
}


def send(cluster, method, path, headers, body=b""):
    """Send a request to a storagemaster; return the status and the problem."""
    address = next(iter(cluster.cluster.masters.values())).address
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text[:1] == b"{" else {}
    finally:
        connection.close()


@pytest.mark.parametrize("attack", TOKENS)
@pytest.mark.parametrize("route", OF_TOKENS, ids=lambda r: f"{r.method} {r.template}")
def test_no_route_is_served_without_its_token(cluster, route, attack):
    """The response is 401, or 403 to a token without the scope."""
    authorization = TOKENS[attack](cluster.keys, route.access)
    headers = {} if authorization is None else {"Authorization": authorization}
    status, problem = send(cluster, route.method, route.path(FIELDS), headers)
    expected = (403, "not-allowed") if "scopes" in attack else (401, "not-authorized")
    assert (status, problem["type"].rpartition("/")[2]) == expected


@pytest.mark.parametrize("route", OF_TOKENS, ids=lambda r: f"{r.method} {r.template}")
def test_a_ticket_permits_nothing_but_an_upload(cluster, route):
    """It is given to browsers and devices."""
    headers = {"Authorization": f"Bearer {ticket(cluster.keys)}"}
    status, _ = send(cluster, route.method, route.path(FIELDS), headers)
    assert status in ({412, 415} if route.is_upload else {401})


@pytest.mark.parametrize("route", OF_TOKENS, ids=lambda r: f"{r.method} {r.template}")
def test_no_token_counts_in_a_query_or_a_cookie(cluster, route):
    """They end in logs and in the requests of other pages."""
    token = all_scopes(cluster.keys)
    headers = {"Cookie": f"glassplate_session={token}; token={token}", "X-Authorization": token}
    status, _ = send(cluster, route.method, f"{route.path(FIELDS)}?token={token}", headers)
    assert status == 401


@pytest.mark.parametrize("attack", SIGNATURES)
def test_no_sizes_are_taken_without_a_signature(cluster, attack):
    """A bundle needs one for this storagemaster and for these bytes."""
    path, body = wire.BUNDLE.path(FIELDS, [("mtime", "1")]), b"bundle"
    digest = hashlib.sha256(body).hexdigest()
    receiver = next(iter(cluster.cluster.masters))

    def sign(keys, *request, **changed):
        facts = dict(zip(("method", "path", "digest"), request, strict=True))
        expiry = int(time.time()) + 60
        return InternalSigner(keys).sign_request(
            **({"receiver": receiver, "expiry_seconds": expiry} | facts | changed)
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.attacks.test_signed_requests.signature", sign)
        header = SIGNATURES[attack](cluster.keys, "POST", path, digest)
    headers = {DIGEST_HEADER: digest} | ({} if header is None else {SIGNATURE_HEADER: header})
    assert send(cluster, "POST", path, headers, body)[0] == 403


UPLOADS = {
    "with a made-up address": lambda _: FIELDS["upload"],
    "with a token": all_scopes,
    "with a ticket": ticket,
    **{
        f"by a key for {purpose}": lambda keys, purpose=purpose: sign_claims(
            keys.ring(purpose), UPLOAD_URL, {"photo": "1/01jd3x8m2c9qp4k7/3fz8qd"}
        )
        for purpose in Purpose
        if purpose is not Purpose.PARTIAL_UPLOAD
    },
}


@pytest.mark.parametrize("attack", UPLOADS)
@pytest.mark.parametrize("route", OF_UPLOADS, ids=lambda r: f"{r.method} {r.template}")
def test_no_upload_continues_at_a_forged_address(cluster, route, attack):
    """The address of an upload is its permission."""
    path = route.path(FIELDS | {"upload": UPLOADS[attack](cluster.keys)})
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    headers["Content-Type"] = "application/offset+octet-stream"
    if route.method == "POST":
        headers["X-HTTP-Method-Override"] = "PATCH"
    status, _ = send(cluster, route.method, path, headers)
    assert status in {401, 403, 404, 405}


def test_enough_requests_are_tried():
    """At every route with a token."""
    assert len(OF_TOKENS) * (len(TOKENS) + 2) + len(OF_UPLOADS) * len(UPLOADS) >= 600
