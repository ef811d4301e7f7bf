"""The console over HTTP: its pages, its sessions, and its stream."""

import asyncio
import contextlib
import json
import re
import time
from dataclasses import replace
from http.cookies import SimpleCookie
from importlib.resources import files

import aiohttp
import pytest

from glassplate.session.new_tokens import new_token
from permission_urls import (
    RevokedTokens,
    Scope,
    SessionSigner,
    record_of,
    save_tokens,
    sign_token,
)
from storagemaster import app
from storagemaster.console.session import (
    COOKIE,
    CSRF_HEADER,
    SECURE_COOKIE,
    SIGN_INS_PER_MINUTE,
    Sessions,
)
from storagemaster.console.static import PAGES, StaticFiles, sample_photos
from tests.free_ports import free_port
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from volumes.address import Address
from volumes.cluster import Colo, Master

SCOPES = ("read", "status", "delete")


@contextlib.asynccontextmanager
async def browser(cluster, *, address=None):
    """Run a client without cookies of its own, of the cluster's storagemaster or of another."""
    url = cluster.master.url if address is None else f"http://{address}"
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def sign_in(session, token, **headers):
    """Sign in with a token; return the headers of later requests, and the `Set-Cookie`."""
    body = {"token": sign_token(KEYS, token)}
    async with session.post("/console/session", json=body, headers=headers) as response:
        assert response.status == 201, await response.text()
        document = await response.json()
        cookie = response.headers["Set-Cookie"]
    return {"Cookie": cookie.partition(";")[0], CSRF_HEADER: document["csrf"]}, cookie


async def status_of(session, method, path, **headers):
    """Return the status of a request."""
    async with session.request(method, path, headers=headers) as response:
        await response.read()
        return response.status


async def test_a_session_permits_what_its_token_permits(cluster):
    """The cookie takes the place of the token on the API's own routes, with its scopes."""
    receipt = await cluster.master.upload(picture())
    async with browser(cluster) as session:
        headers, _ = await sign_in(session, new_token(SCOPES))
        async with session.get(f"/photos/{receipt.version}", headers=headers) as response:
            document = await response.json()
        assert (response.status, document["urls"]) == (200, {})
        assert await status_of(session, "GET", "/status", **headers) == 200
        assert await status_of(session, "GET", f"/find/{receipt.version.photo}", **headers) == 403
        path = f"/photos/{receipt.version.volume}/{receipt.version.photo}"
        assert await status_of(session, "DELETE", path, **headers) == 200
        async with session.get("/console/session", headers=headers) as response:
            described = await response.json()
    assert described["scopes"] == sorted(SCOPES)
    assert described["ends_seconds"] == pytest.approx(time.time() + 12 * 3600, abs=60)


async def test_sign_ins_are_in_the_audit_log(cluster):
    """Each has the id of the token, and a refused one has none."""
    token = new_token(SCOPES)
    async with browser(cluster) as session:
        await sign_in(session, token)
        async with session.post("/console/session", json={"token": "gp2.a.b.c"}) as response:
            assert response.status == 401
    log = await cluster.master.request("GET", "/audit?act=sign-in")
    [entry] = log.document["entries"]
    assert (entry["caller"], entry["target"], entry["result"]) == (token.id, "console", "done")


async def test_a_script_cannot_read_the_cookie(cluster):
    """It is for this site only, and has the prefix that only https can set behind https."""
    async with browser(cluster) as session:
        _, plain = await sign_in(session, new_token(SCOPES))
        host = cluster.master.address
        _, secure = await sign_in(session, new_token(SCOPES), Origin=f"https://{host}")
    for name, cookie in ((COOKIE, plain), (SECURE_COOKIE, secure)):
        [morsel] = SimpleCookie(cookie).values()
        assert (morsel.key, morsel["path"], morsel["domain"]) == (name, "/", "")
        assert (morsel["httponly"], morsel["samesite"]) == (True, "Strict")
        assert int(morsel["max-age"]) <= 12 * 3600
    assert "Secure" not in plain
    assert "Secure" in secure


async def test_a_page_of_another_site_cannot_use_a_session(cluster):
    """Changes need the header of the page, and no request may come from another origin."""
    async with browser(cluster) as session:
        headers, _ = await sign_in(session, new_token(("upload", "read", "delete", "status")))
        cookie = {"Cookie": headers["Cookie"]}
        path = "/photos/1/01jd3x8m2c9qp4k7"
        assert await status_of(session, "DELETE", path, **headers) == 404
        for forged in (
            cookie,
            {**cookie, CSRF_HEADER: "guessed"},
            {**headers, "Sec-Fetch-Site": "same-site"},
            {**headers, "Sec-Fetch-Site": "cross-site"},
            {**headers, "Origin": "https://evil.example"},
        ):
            assert await status_of(session, "DELETE", path, **forged) == 403
        assert await status_of(session, "GET", "/status", **cookie) == 200
        for site in ("same-site", "cross-site"):
            sent = {**cookie, "Sec-Fetch-Site": site}
            assert await status_of(session, "GET", "/status", **sent) == 403
            async with session.post(
                "/console/session", json={"token": "gp2"}, headers={"Sec-Fetch-Site": site}
            ) as refused:
                assert refused.status == 403


async def test_a_session_is_no_token(cluster):
    """Its text in an Authorization header is refused, and so is a token in the cookie."""
    async with browser(cluster) as session:
        headers, _ = await sign_in(session, new_token(SCOPES))
        text = headers["Cookie"].partition("=")[2]
        assert await status_of(session, "GET", "/status", Authorization=f"Bearer {text}") == 401
        token = sign_token(KEYS, new_token(SCOPES))
        assert await status_of(session, "GET", "/status", Cookie=f"{COOKIE}={token}") == 401
        assert await status_of(session, "GET", "/console/session") == 401


async def test_a_link_signs_in_once(cluster):
    """The second use is refused, and so are links of other storagemasters and of before."""
    now = time.time()
    signer = SessionSigner(KEYS)
    master = cluster.master._master.id
    link = signer.sign_link("k3v9q2mf", master=master)
    refused = (
        signer.sign_link("k3v9q2mg", master="another"),
        SessionSigner(KEYS, now_seconds=lambda: now - 600).sign_link("k3v9q2mh", master=master),
    )
    async with browser(cluster) as session:
        async with session.post("/console/session", json={"link": link}) as response:
            document = await response.json()
        assert response.status == 201
        assert document["scopes"] == sorted(Scope)
        for text, reason in ((link, "was used"), *((each, "did not run") for each in refused)):
            async with session.post("/console/session", json={"link": text}) as response:
                problem = await response.json()
            assert (response.status, reason in problem["detail"]) == (401, True)


async def test_attempts_to_sign_in_are_slowed(cluster):
    """After a few in a minute an address has to wait, also with a good token."""
    body = {"token": sign_token(KEYS, new_token(SCOPES))}
    async with browser(cluster) as session:
        for _ in range(SIGN_INS_PER_MINUTE):
            async with session.post("/console/session", json={"token": "gp2.a.b.c"}) as response:
                assert response.status == 401
        async with session.post("/console/session", json=body) as response:
            assert response.status == 429
            assert 0 < int(response.headers["Retry-After"]) <= 61
            assert "wait" in (await response.json())["detail"]


async def test_revoking_the_token_ends_the_session_and_its_stream(cluster, tmp_path):
    """The stream says so by itself within two seconds, and the next request gets 401."""
    path = tmp_path / "tokens.toml"
    token = new_token(SCOPES)
    master = Master(id="m9", colo=Colo("east"), address=Address("127.0.0.1", free_port()))
    async with (
        app.running_master(cluster.config, master, KEYS, RevokedTokens(path)),
        browser(cluster, address=master.address) as session,
    ):
        headers, _ = await sign_in(session, token)
        async with session.get("/console/stream", headers=headers) as stream:
            assert json.loads(await next_data(stream, "status"))["master"] == "m9"
            save_tokens(path, [replace(record_of(token), revoked=True)], now_seconds=0)
            async with asyncio.timeout(3):
                await next_data(stream, "signed-out")
                assert (await stream.content.read()).strip() == b""
        assert await status_of(session, "GET", "/status", **headers) == 401


async def test_the_stream_ends_with_the_session(cluster, monkeypatch):
    """A session of hours ends its open stream as well as its requests."""
    async with browser(cluster) as session:
        headers, _ = await sign_in(session, new_token(SCOPES))
        async with session.get("/console/stream", headers=headers) as stream:
            monkeypatch.setattr(Sessions, "is_over", lambda *_: True)
            async with asyncio.timeout(3):
                await next_data(stream, "signed-out")


async def test_the_stream_has_what_the_token_may_see(cluster):
    """The scope `status` gives the status, and `read` gives the events of photos."""
    for scopes, names in ((("read",), ["deleted"]), (("status",), ["status"])):
        async with browser(cluster) as session:
            headers, _ = await sign_in(session, new_token(scopes))
            async with session.get("/console/stream", headers=headers) as stream:
                receipt = await cluster.master.upload(picture(number=len(scopes[0])))
                await cluster.master.delete(receipt.version)
                await cluster.master.status_feed.refresh()
                assert await next_name(stream) in names


async def test_pages_run_only_their_own_scripts(cluster):
    """The policy names the edge for photos and nothing else, and browsers check for changes."""
    async with browser(cluster) as session:
        for page in (*PAGES, "photo/3/01jd3x8m2c9qp4k7/3fz8qd"):
            async with session.get(f"/console/{page}") as response:
                text = await response.text()
            assert response.status == 200
            policy = response.headers["Content-Security-Policy"]
            assert f"img-src 'self' blob: {cluster.config.public_url};" in policy
            assert policy.count("http") == 1
            assert "unsafe" not in policy
            assert "<style" not in text
            assert "style=" not in text
        async with session.get("/console/static/router.js") as response:
            etag = response.headers["ETag"]
            assert response.content_type == "text/javascript"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        same = {"If-None-Match": etag}
        assert await status_of(session, "GET", "/console/static/router.js", **same) == 304
        for missing in ("static/nothing.js", "static/..%2fsession.py", "nothing", "photosx"):
            assert await status_of(session, "GET", f"/console/{missing}") == 404


async def test_the_address_of_a_storagemaster_leads_to_the_console(cluster):
    """A person who opens it sees the photos, or the form to sign in."""
    async with browser(cluster) as session:
        for path in ("/", "/console", "/console/"):
            async with session.get(path, allow_redirects=False) as response:
                assert response.status == 303
                assert response.headers["Location"] == "/console/photos"


def test_the_console_is_small():
    """A browser gets all of it in 80 kB, and each script is short enough to read."""
    static = StaticFiles(photo_url="https://photos.example")
    sent = {**static._files, **static._compressed}
    assert sum(map(len, sent.values())) < 80_000
    lines = {n: body.count(b"\n") for n, body in static._files.items() if n.endswith(".js")}
    assert {name for name, count in lines.items() if count >= 250} == set()


async def test_the_sample_photos_that_the_page_names_are_served(cluster):
    """All of them, for the button of a cluster without photos."""
    script = (files("storagemaster.console") / "static" / "drop.js").read_text()
    named = re.search(r"const SAMPLES = \[(.*)\]", script)[1].replace('"', "").split(", ")
    assert {f"{name}.jpg" for name in named} == set(sample_photos())
    async with browser(cluster) as session:
        for name, photo in sample_photos().items():
            async with session.get(f"/console/static/{name}") as response:
                assert response.content_type == "image/jpeg"
                assert await response.read() == photo.read_bytes()


def test_no_style_sheet_changes_what_another_one_defines():
    """A class that two sheets define would look different with the page beside it."""
    static = StaticFiles(photo_url="https://photos.example")
    sheets = [body.decode() for name, body in static._files.items() if name.endswith(".css")]
    defined = [name for text in sheets for name in set(re.findall(r"(?m)^\.([a-z-]+) \{", text))]
    assert len(sheets) == 3
    assert sorted(defined) == sorted(set(defined))


async def test_files_are_compressed_for_browsers_that_accept_it(cluster):
    """Both ways the browser gets the same text."""
    async with browser(cluster) as session:
        for sent in ("gzip", "identity"):
            headers = {"Accept-Encoding": sent}
            async with session.get("/console/static/api.js", headers=headers) as response:
                assert response.headers.get("Content-Encoding", "identity") == sent
                assert b"export async function send" in await response.read()


async def next_data(stream, name):
    """Return the data of the next event of a name."""
    while await next_name(stream) != name:
        pass
    return (await stream.content.readline()).partition(b":")[2]


async def next_name(stream):
    """Return the name of the next event."""
    async for line in stream.content:
        if line.startswith(b"event: "):
            return line.removeprefix(b"event: ").decode().strip()
    raise AssertionError("the stream has ended")
