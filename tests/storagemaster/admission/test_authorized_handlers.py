"""The check before a handler: tokens, tickets, signatures, quotas, queries; without a server."""

import asyncio
import dataclasses
import hashlib
from unittest import mock

import pytest
from aiohttp import StreamReader
from aiohttp.test_utils import make_mocked_request

from glassplate.session.new_tokens import new_token
from permission_urls import (
    InternalSigner,
    Scope,
    Ticket,
    TokenLimits,
    VolumeRange,
    sign_ticket,
    sign_token,
    ticket_key_of,
)
from runtime.request_scope import RequestScope, request_scope
from storagemaster.admission.authorization import BODY, CALLER, URLS, Authorization
from storagemaster.console.session import COOKIE
from storagemaster.errors import (
    BadArgument,
    NotAllowed,
    NotAuthorized,
    QuotaExceeded,
    UnknownVolume,
)
from storagemaster.wire import SIGNATURE_HEADER, SIGNED_DIGEST_HEADER, Access, Route
from storagenode.protocol.errors import InvalidSignature
from tests.storagemaster.small_cluster import KEYS
from volumes.cluster import Application

NOW = 1_700_000_000.0
UPLOAD = Route("POST", "/photos", Scope.UPLOAD, has_urls=True, query=("volume",), act="upload")
READ = Route("GET", "/photos/{volume}", Scope.READ, has_urls=True)
SIGNED = Route("POST", "/bundles", Access.SIGNED, body_bytes_max=1000)
OPEN = Route("GET", "/healthz", Access.OPEN)
PREFLIGHT = Route("OPTIONS", "/photos", Access.OPEN)
BODY_SENT = b"sizes"
DIGEST = hashlib.sha256(BODY_SENT).hexdigest()
TICKET = Ticket(application="shop", id="0123456789abc", expiry=int(NOW) + 60, bytes_max=1000)


@pytest.fixture(name="authorization")
def _authorization():
    shop = Application(name="shop", origins=("https://shop.example",), formats=("jpg", "png"))
    return Authorization(
        KEYS,
        master="m1",
        revoked_tokens={"revoked0"},
        applications={"shop": shop},
        now_seconds=lambda: NOW,
    )


async def send(authorization, route, *, path=None, body=b"", match=None, **headers):
    """Send a request to a handler; return the request as the handler got it."""
    handled = []

    async def handle(request):
        handled.append(request)

    content = StreamReader(mock.Mock(), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(body)
    content.feed_eof()
    request = make_mocked_request(
        route.method,
        path or route.template,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        match_info=match or {},
        payload=content,
    )
    await authorization.authorized(route, handle)(request)
    (got,) = handled
    return got


def bearer(*scopes, **options):
    """Return the header with a token of the shop."""
    token = new_token(scopes, application="shop", **options)
    return f"Bearer {sign_token(KEYS, token)}"


def ticket(**changes):
    """Return the header with a ticket of the shop."""
    text = sign_ticket(ticket_key_of(KEYS, "shop"), dataclasses.replace(TICKET, **changes))
    return f"Bearer {text}"


def signature(**changes):
    """Return the headers of a signed request."""
    signed = {"receiver": "m1", "method": "POST", "path": "/bundles", "digest": DIGEST} | changes
    text = InternalSigner(KEYS).sign_request(**signed, expiry_seconds=int(NOW) + 60)
    return {SIGNATURE_HEADER: text, SIGNED_DIGEST_HEADER: DIGEST}


async def test_a_page_of_another_application_is_refused(authorization):
    """Its token alone is not enough."""
    own, other = "https://shop.example", "https://other.example"
    token = bearer(Scope.UPLOAD)
    assert await send(authorization, UPLOAD, Authorization=token, Origin=own)
    with pytest.raises(NotAllowed, match=other):
        await send(authorization, UPLOAD, Authorization=token, Origin=other)


async def test_a_volume_of_the_path_must_be_one_of_the_token(authorization):
    """Otherwise it is unknown."""
    token = bearer(Scope.READ, volumes=(VolumeRange(2, 8),))
    assert await send(authorization, READ, match={"volume": "2"}, Authorization=token)
    with pytest.raises(UnknownVolume):
        await send(authorization, READ, match={"volume": "1"}, Authorization=token)


async def test_uploads_are_counted_and_reads_are_not(authorization):
    """The limit of a token is one of uploads."""
    limits = TokenLimits(uploads_per_minute=1)
    token = bearer(Scope.UPLOAD, Scope.READ, limits=limits)
    for _ in range(3):
        await send(authorization, READ, match={"volume": "1"}, Authorization=token)
    await send(authorization, UPLOAD, Authorization=token)
    with pytest.raises(QuotaExceeded):
        await send(authorization, UPLOAD, Authorization=token)


@pytest.mark.parametrize("header", ["Content_Length", "Upload_Length"])
async def test_an_upload_counts_with_the_length_that_it_announces(authorization, header):
    """The length of the whole photo, also if the request has a part of it."""
    token = bearer(Scope.UPLOAD, limits=TokenLimits(bytes_per_day=100))
    await send(authorization, UPLOAD, Authorization=token, **{header: "60"})
    with pytest.raises(QuotaExceeded):
        await send(authorization, UPLOAD, Authorization=token, **{header: "41"})
    await send(authorization, UPLOAD, Authorization=token, **{header: "40"})


@pytest.mark.parametrize("headers", [{}, {"Upload_Length": "x", "Content_Length": "1"}])
async def test_a_limit_of_bytes_needs_an_announced_length(authorization, headers):
    """An unreadable one is none."""
    token = bearer(Scope.UPLOAD, limits=TokenLimits(bytes_per_day=100))
    with pytest.raises(BadArgument, match="Content-Length"):
        await send(authorization, UPLOAD, Authorization=token, **headers)


async def test_a_signed_request_gets_its_body(authorization):
    """The handler finds the body whose digest was signed."""
    request = await send(authorization, SIGNED, body=BODY_SENT, **signature())
    assert request[BODY] == BODY_SENT


@pytest.mark.parametrize(
    "changes", [{"receiver": "m2"}, {"method": "PUT"}, {"path": "/x"}, {"digest": "0" * 64}]
)
async def test_a_signature_of_another_request_is_refused(authorization, changes):
    """Each part of the request is signed."""
    with pytest.raises(InvalidSignature):
        await send(authorization, SIGNED, body=BODY_SENT, **signature(**changes))


async def test_a_missing_signature_and_another_body_are_refused(authorization):
    """The digest alone proves nothing, and neither does a signature of another body."""
    digest_only = {SIGNED_DIGEST_HEADER: DIGEST}
    with pytest.raises(InvalidSignature):
        await send(authorization, SIGNED, body=BODY_SENT, **digest_only)
    with pytest.raises(InvalidSignature, match="its SHA-256 is not"):
        await send(authorization, SIGNED, body=b"others", **signature())


async def test_an_unknown_query_is_refused(authorization):
    """A typing error must not be ignored; the message has the known parameters."""
    token = bearer(Scope.UPLOAD)
    await send(authorization, UPLOAD, path="/photos?volume=1&expires=1h", Authorization=token)
    with pytest.raises(BadArgument, match="parameters: valume; known parameters: volume, expires"):
        await send(authorization, UPLOAD, path="/photos?valume=1", Authorization=token)
    with pytest.raises(BadArgument, match="known parameters: none"):
        await send(authorization, OPEN, path="/healthz?x=1")


async def test_a_ticket_uploads_and_does_nothing_else(authorization):
    """It has the volume, the limits, and the application that were signed."""
    request = await send(authorization, UPLOAD, Authorization=ticket(volume=3, formats=("png",)))
    caller = request[CALLER]
    assert (caller.application, caller.scopes) == ("shop", {Scope.UPLOAD})
    assert (caller.bytes_max, caller.formats) == (1000, ("png",))
    assert caller.volumes == (VolumeRange(3, 3),)
    assert not request[URLS].sizes
    assert (await send(authorization, UPLOAD, Authorization=ticket()))[CALLER].volumes is None
    with pytest.raises(NotAuthorized):
        await send(authorization, READ, match={"volume": "3"}, Authorization=ticket())


async def test_a_refused_ticket_has_a_reason(authorization):
    """An application makes a new ticket only if the old one has ended."""
    with pytest.raises(NotAuthorized, match="it has ended"):
        await send(authorization, UPLOAD, Authorization=ticket(expiry=int(NOW)))
    with pytest.raises(NotAuthorized, match="it is not valid"):
        await send(authorization, UPLOAD, Authorization=ticket()[:-4] + "AAAA")


@pytest.mark.parametrize(
    ("token_id", "expiry", "is_valid"),
    [
        ("0z0z0z0z", 0, True),
        ("0z0z0z0z", int(NOW) + 1, True),
        ("0z0z0z0z", int(NOW), False),
        ("revoked0", 0, False),
        ("revoked0", int(NOW) + 1, False),
    ],
)
async def test_a_caller_is_valid_until_its_token_ends_or_is_revoked(
    authorization, token_id, expiry, is_valid
):
    """A stream of events stops then."""
    request = await send(authorization, UPLOAD, Authorization=ticket())
    caller = dataclasses.replace(request[CALLER], token_id=token_id, expiry=expiry)
    assert authorization.is_valid(caller) is is_valid


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "0z0z0z0z"])
async def test_a_request_without_a_bearer_token_learns_what_it_needs(authorization, header):
    """The scope, or any token."""
    with pytest.raises(NotAuthorized, match="Authorization: Bearer with a token of scope upload"):
        await send(authorization, UPLOAD, Authorization=header)
    with pytest.raises(NotAuthorized, match=r"Bearer with a token$"):
        authorization.caller_of(header, None)


async def test_the_name_of_the_scheme_has_any_case(authorization):
    """As in RFC 9110."""
    token = bearer(Scope.UPLOAD).replace("Bearer", "bEARER")
    assert await send(authorization, UPLOAD, Authorization=token)


async def test_a_token_of_another_scope_is_refused_by_its_name(authorization):
    """It is accepted if none is needed."""
    with pytest.raises(NotAllowed, match="this needs a token of scope upload"):
        await send(authorization, UPLOAD, Authorization=bearer(Scope.READ))
    caller = authorization.caller_of(bearer(Scope.READ), None)
    assert caller.scopes == {Scope.READ}


async def test_a_ticket_is_no_token(authorization):
    """Only routes of uploads take tickets, and no other caller of these methods does."""
    with pytest.raises(NotAuthorized, match="the token was refused"):
        authorization.caller_of(ticket(), Scope.UPLOAD)
    request = make_mocked_request("POST", "/", headers={"Authorization": ticket()})
    with pytest.raises(NotAuthorized, match="the token was refused"):
        authorization.sender_of(request, Scope.UPLOAD)


@pytest.fixture(name="cookie")
def _cookie(authorization):
    """Return the cookie of a session with scope read."""
    token = new_token({Scope.READ}, application="shop")
    text, _ = authorization.sessions.begin(token)
    return f"{COOKIE}={text}"


async def test_the_cookie_of_the_console_stands_for_its_token(authorization, cookie):
    """It has the scopes of the token, and no other."""
    request = await send(authorization, READ, match={"volume": "1"}, Cookie=cookie)
    assert (request[CALLER].application, request[CALLER].scopes) == ("shop", {Scope.READ})
    found = make_mocked_request("GET", "/", headers={"Cookie": cookie})
    assert authorization.sender_of(found, None).scopes == {Scope.READ}
    with pytest.raises(NotAllowed, match="this needs a token of scope status"):
        authorization.sender_of(found, Scope.STATUS)


async def test_a_token_in_the_header_wins_over_a_cookie(authorization, cookie):
    """Also if it is not valid."""
    headers = {"match": {"volume": "1"}, "Cookie": cookie}
    token = bearer(Scope.READ, Scope.DELETE)
    request = await send(authorization, READ, Authorization=token, **headers)
    assert request[CALLER].scopes == {Scope.READ, Scope.DELETE}
    with pytest.raises(NotAuthorized):
        await send(authorization, READ, Authorization="Bearer x", **headers)


async def test_the_log_lines_of_a_request_have_its_caller(authorization):
    """The id of the token, never its text."""
    with request_scope(RequestScope("id")) as scope:
        request = await send(authorization, UPLOAD, Authorization=bearer(Scope.UPLOAD))
    assert scope.caller == request[CALLER].name


async def test_an_application_restricts_its_tokens_and_no_others(authorization):
    """A token can be older than the table of its application."""
    request = await send(authorization, UPLOAD, Authorization=bearer(Scope.UPLOAD))
    assert request[CALLER].formats == ("jpg", "png")
    other = sign_token(KEYS, new_token({Scope.UPLOAD}, application="other"))
    request = await send(authorization, UPLOAD, Authorization=f"Bearer {other}")
    assert request[CALLER].formats is None


async def test_an_invalid_lifetime_of_urls_is_a_bad_argument(authorization):
    """Before anything is stored."""
    with pytest.raises(BadArgument, match="invalid expires"):
        await send(authorization, UPLOAD, path="/photos?expires=x", Authorization=bearer("upload"))


async def test_a_preflight_has_the_query_of_the_request_after_it(authorization):
    """The table has those parameters for that route only."""
    assert await send(authorization, PREFLIGHT, path="/photos?volume=1")
