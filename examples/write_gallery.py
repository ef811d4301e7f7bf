"""Write a page of photos with URLs that expire after an hour, signed without a network.

Usage: `python write_gallery.py cluster.toml REFERENCE... > gallery.html`. A reference is
VOLUME/PHOTO/VERSION, from the receipt of an upload.
"""

import sys
from collections.abc import Iterable
from datetime import timedelta
from html import escape

from glassplate import Client

LIFETIME = timedelta(hours=1)


def gallery(config: str, references: Iterable[str]) -> str:
    """Return the page: small photos that link to large ones."""
    client = Client.from_cluster(config)
    photos = []
    for reference in references:
        small, large = (escape(client.url(reference, size, expires=LIFETIME)) for size in "qb")
        photos.append(f'<a href="{large}"><img src="{small}" alt="{escape(reference)}"></a>')
    return "\n".join(["<!doctype html>", "<title>Photos</title>", *photos, ""])


if __name__ == "__main__":
    sys.stdout.write(gallery(sys.argv[1], sys.argv[2:]))
