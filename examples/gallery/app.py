"""A photo site: albums, uploads from the browser, private photos, and a feed.

`python app.py FOLDER PORT` runs it. The folder has `gallery.toml`, the application's file.
"""

import asyncio
import contextlib
import hmac
import secrets
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from pages import Pages
from store import Album, Store

from glassplate import Client, GlassplateError, InvalidWebhook

COOKIE = "owner"


class Gallery:
    """The routes of the site, for its owner and for visitors."""

    def __init__(self, store: Store, client: Client, pages: Pages, owner_secret: str) -> None:
        self._store, self._client, self._pages, self._secret = store, client, pages, owner_secret

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return all routes."""
        return [
            web.get("/", self.home),
            web.get("/sign-in/{secret}", self.sign_in),
            web.get("/feed.xml", self.feed),
            web.post("/albums", self.add_album),
            web.get("/albums/{album}", self.show_album),
            web.post("/albums/{album}/tickets", self.ticket),
            web.post("/albums/{album}/photos", self.report),
            web.post("/delete", self.delete),
            web.post("/photo-events", self.photo_events),
            web.static("/static", Path(__file__).parent / "static"),
        ]

    async def home(self, request: web.Request) -> web.Response:
        """Show the albums, each with its newest photo."""
        albums = self._store.albums("true" if self._is_owner(request) else "not private")
        photos = {each.id: self._store.photos("album = ?", each.id) for each in albums}
        return self._page(request, "home.html", albums=albums, photos=photos)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Remember the owner, who has the secret link."""
        _require(_is_equal(request.match_info["secret"], self._secret))
        response = web.HTTPSeeOther("/")
        response.set_cookie(COOKIE, self._secret, httponly=True, samesite="Strict")
        raise response

    async def show_album(self, request: web.Request) -> web.Response:
        """Show an album. A private one needs its key, and its URLs end after an hour."""
        album = self._album(request)
        has_key = _is_equal(request.query.get("key", ""), album.secret)
        _require(not album.private or has_key or self._is_owner(request))
        shown = {"album": album, "photos": self._store.photos("album = ?", album.id)}
        return self._page(request, "album.html", **shown)

    async def add_album(self, request: web.Request) -> web.Response:
        """Add an album."""
        _require(self._is_owner(request))
        fields = await request.post()
        title = str(fields.get("title", ""))[:100] or "Untitled"
        album = self._store.add_album(title, private="private" in fields)
        raise web.HTTPSeeOther(f"/albums/{album}")

    async def ticket(self, request: web.Request) -> web.Response:
        """Sign a ticket, with which the owner's browser uploads to the cluster directly."""
        _require(self._is_owner(request))
        count, ref = int((await request.json())["count"]), str(self._album(request).id)
        ticket = self._client.ticket(count=count, ref=ref, expires=timedelta(hours=6))
        url = f"{self._client.upload_urls[0]}/uploads"
        return web.json_response({"ticket": ticket, "url": url})

    async def report(self, request: web.Request) -> web.Response:
        """Record a photo that the owner's browser has uploaded, in case the webhook is lost."""
        _require(self._is_owner(request))
        found = await request.json()
        status = await self._client.info(found["reference"])
        album, title = self._album(request).id, Path(found["name"]).stem[:100]
        self._store.add_photo(status.reference, album, title)
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a photo permanently."""
        _require(self._is_owner(request))
        reference = str((await request.post()).get("reference"))
        _require(photos := self._store.photos("reference = ?", reference))
        await self._client.delete(reference)
        self._store.remove_photo(reference)
        raise web.HTTPSeeOther(f"/albums/{photos[0].album}")

    async def photo_events(self, request: web.Request) -> web.Response:
        """Take a webhook: a ticket was used, or a photo is ready, has failed, or was deleted."""
        signature, body = request.headers.get("Glassplate-Signature"), await request.read()
        try:
            event = self._client.verify_webhook(signature, body)
        except InvalidWebhook as error:
            raise web.HTTPForbidden from error
        if event.state == "uploaded" and self._store.albums("id = ?", event.ref):
            self._store.add_photo(event.reference, int(event.ref))
        elif event.state == "deleted":
            self._store.remove_photo(event.reference)
        elif self._store.photos("reference = ?", event.reference):
            await self._update([event.reference])
        return web.Response(status=204)

    async def feed(self, _: web.Request) -> web.Response:
        """Return the newest public photos as RSS, for feed readers."""
        photos = self._store.photos("state = 'ready' and not private")[:50]
        albums = {album.id: album for album in self._store.albums()}
        feed = self._pages.render("feed.xml", photos=photos, albums=albums)
        return web.Response(text=feed, content_type="application/rss+xml")

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Hold the client open, and follow pending photos, while the site runs."""
        async with self._client:
            following = asyncio.create_task(self._follow())
            yield
            following.cancel()

    async def _follow(self) -> None:
        """Request the states of pending photos again and again, because a webhook can be lost."""
        while True:
            pending = self._store.photos("state = 'pending'")
            with contextlib.suppress(GlassplateError):
                await self._update([photo.reference for photo in pending])
            await asyncio.sleep(5)

    async def _update(self, references: list[str]) -> None:
        for status in await self._client.infos(references):
            if status.state == "gone":
                self._store.remove_photo(status.reference)
            elif status.state in {"ready", "failed"}:
                self._store.set_state(status.reference, status.state, status.info)

    def _is_owner(self, request: web.Request) -> bool:
        return _is_equal(request.cookies.get(COOKIE, ""), self._secret)

    def _album(self, request: web.Request) -> Album:
        _require(albums := self._store.albums("id = ?", request.match_info["album"]))
        return albums[0]

    def _page(self, request: web.Request, name: str, **values: object) -> web.Response:
        text = self._pages.render(name, is_owner=self._is_owner(request), **values)
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
        return web.Response(text=text, content_type="text/html", headers=headers)


def _is_equal(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode(), secret.encode())


def _require(found: object) -> None:
    if not found:
        raise web.HTTPNotFound


def _owner_secret(folder: Path) -> str:
    """Return the secret of the owner's link, which is created once."""
    path = folder / "owner-secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe())
    return path.read_text()


if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    address, secret = f"http://127.0.0.1:{port}", _owner_secret(folder)
    client = Client.from_application(folder / "gallery.toml")
    gallery = Gallery(Store(folder / "db.sqlite"), client, Pages(client, address), secret)
    (app := web.Application()).add_routes(gallery.routes())
    app.cleanup_ctx.append(gallery.running)
    print(f"Gallery: {address}\nOwner:   {address}/sign-in/{secret}", flush=True)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)
