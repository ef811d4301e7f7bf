"""The files of the console, as the package has them: no build step, and no other host."""

import gzip
import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from aiohttp import web

PAGES = ("photos", "photo", "upload", "cluster", "volumes", "work", "audit", "sign-in")
INDEX = "index.html"

_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


class StaticFiles:
    """The console's files, read once. Browsers check on each use whether one has changed."""

    def __init__(self, *, photo_url: str) -> None:
        """`photo_url` is the address of the photos in the pages."""
        folder = files("storagemaster.console") / "static"
        self._files = {
            each.name: each.read_bytes()
            for each in folder.iterdir()
            if each.name.rpartition(".")[2] in _TYPES
        }
        self._compressed = {
            name: gzip.compress(body, mtime=0)
            for name, body in self._files.items()
            if not name.endswith(".jpg")
        }
        self._samples = sample_photos()
        self._headers = security_headers(photo_url)

    def response(self, name: str, request: web.Request) -> web.Response:
        """Return a file, or 304 if the browser has it.

        Raises:
            HTTPNotFound: The console has no such file.
        """
        if name in self._files:
            body = self._files[name]
        elif name in self._samples:
            body = self._samples[name].read_bytes()
        else:
            raise web.HTTPNotFound
        etag = hashlib.sha256(body).hexdigest()[:32]
        headers = {
            **self._headers,
            "Cache-Control": "no-cache",
            "ETag": f'W/"{etag}"',
            "Vary": "Accept-Encoding",
        }
        if any(each.value in {etag, "*"} for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        if name in self._compressed and "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = self._compressed[name]
        media_type = _TYPES[name.rpartition(".")[2]]
        charset = None if media_type == "image/jpeg" else "utf-8"
        return web.Response(body=body, content_type=media_type, charset=charset, headers=headers)


def sample_photos() -> dict[str, Traversable]:
    """Return the files of the sample photos by name."""
    folder = files("storagemaster.console") / "sample_photos"
    return {each.name: each for each in folder.iterdir() if each.name.endswith(".jpg")}


def security_headers(photo_url: str) -> dict[str, str]:
    """Return headers that keep the pages to their own scripts, and photos to the edge."""
    edge = urlsplit(photo_url)
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        f"img-src 'self' blob: {edge.scheme}://{edge.netloc}",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
