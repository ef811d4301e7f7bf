"""Pages of the gallery, from templates. URLs of photos are signed here, without a network."""

from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from store import Album, Photo

from glassplate import Client, Html

TEMPLATES = Path(__file__).parent / "templates"
SIZES = "(min-width: 60rem) 30vw, (min-width: 40rem) 45vw, 100vw"


class Pages:
    """The templates, and the signed URLs in them."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
        self._templates.globals.update(address=address, picture=self._picture, url=self._url)
        self._templates.filters["rfc822"] = formatdate

    def render(self, name: str, **values: object) -> str:
        """Return a page."""
        return self._templates.get_template(name).render(**values)

    def _picture(self, photo: Photo, album: Album, sizes: str = SIZES) -> Html:
        alt, ends = photo.title or f"Photo in {album.title}", _lifetime(album)
        return self._client.picture(photo.reference, photo.info, alt=alt, sizes=sizes, expires=ends)

    def _url(self, photo: Photo, album: Album, width_max: int = 9999) -> str:
        fitting = [each for each in (photo.info or {})["variants"] if each["width"] <= width_max]
        size = max(fitting, key=lambda each: int(each["width"]))["size"]
        return self._client.url(photo.reference, size, expires=_lifetime(album))


def _lifetime(album: Album) -> timedelta | None:
    return timedelta(hours=1) if album.private else None
