"""A page of photos whose URLs are good for an hour, signed here with no network.

`python write_gallery.py cluster.toml REFERENCE... > gallery.html`, each reference as an upload gave
it: VOLUME/PHOTO/VERSION.
"""

import sys
from collections.abc import Iterable
from datetime import timedelta
from html import escape

from glassplate import Client

LASTS = timedelta(hours=1)


def gallery(config: str, references: Iterable[str]) -> str:
    """The page: small photos, each a link to its large one."""
    client = Client.from_cluster(config)
    photos = []
    for reference in references:
        small, large = (escape(client.url(reference, size, expires=LASTS)) for size in "qb")
        photos.append(f'<a href="{large}"><img src="{small}" alt="{escape(reference)}"></a>')
    return "\n".join(["<!doctype html>", "<title>Photos</title>", *photos, ""])


if __name__ == "__main__":
    sys.stdout.write(gallery(sys.argv[1], sys.argv[2:]))
