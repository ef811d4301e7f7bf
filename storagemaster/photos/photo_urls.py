"""Permission URLs of a photo, which are known before its sizes are made."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from permission_urls import NO_EXPIRY, ReadSigner
from permission_urls.permission import join_url
from volumes.cluster import Cluster
from volumes.photo_path import PhotoVersion, render_stem
from volumes.sizes import ORIGINAL_LETTER, size_classes, sizes_of

SIZE_EXT = "jpg"
"""Format of the URLs: every size exists as JPEG, whatever other formats it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlGrant:
    """The URLs that a response can have, and the second at which they end; 0 never ends."""

    sizes: bool
    original: bool
    expiry_seconds: int = NO_EXPIRY


NO_URLS = UrlGrant(sizes=False, original=False)


class PhotoUrls:
    """Signer of the URLs in receipts and status documents."""

    def __init__(self, cluster: Cluster, signer: ReadSigner) -> None:
        self._cluster = cluster
        self._signer = signer
        self._classes = {k: str(v) for k, v in size_classes(cluster.sizes).items()}
        # One for each set of sizes and format of originals: few.
        self._templates: dict[tuple[tuple[str, str], ...], tuple[str, tuple[str, ...]]] = {}

    def all_sizes(
        self,
        photo_version: PhotoVersion,
        *,
        width: int,
        height: int,
        original_ext: str,
        grant: UrlGrant,
    ) -> dict[str, str]:
        """Return a URL by size letter, for every size that a photo of these dimensions gets."""
        if not (grant.sizes or grant.original):
            return {}
        sizes = sizes_of(self._cluster.sizes, width=width, height=height)
        letters = [size.letter for size in sizes]
        return self.of_letters(photo_version, letters, original_ext=original_ext, grant=grant)

    def of_letters(
        self, photo_version: PhotoVersion, letters: list[str], *, original_ext: str, grant: UrlGrant
    ) -> dict[str, str]:
        """Return a URL by size letter, for these sizes and the original, if granted."""
        exts = _granted_exts(letters, original_ext, grant)
        paths = self._signer.sign_sizes(
            render_stem(photo_version),
            exts=exts,
            size_classes=self._classes,
            expiry_seconds=grant.expiry_seconds,
        )
        return {letter: self._cluster.public_url + path for letter, path in paths.items()}

    def json_of_letters(
        self, photo_version: PhotoVersion, letters: str, *, original_ext: str, grant: UrlGrant
    ) -> str:
        """Return the JSON of `of_letters` faster.

        Raises:
            KeyError: A size is not in the config.
        """
        exts = _granted_exts(letters, original_ext, grant)
        template, size_classes = self._template(tuple(exts.items()))
        stem = render_stem(photo_version)
        permissions = self._signer.permissions(
            stem, size_classes, expiry_seconds=grant.expiry_seconds
        )
        return template % {"stem": stem, **permissions}

    def _template(self, exts: tuple[tuple[str, str], ...]) -> tuple[str, tuple[str, ...]]:
        """Return the JSON of the URLs of any photo with these sizes, and the classes in it."""
        template = self._templates.get(exts)
        if template is None:
            public_url = self._cluster.public_url.replace("%", "%%")
            permissions = {letter: f"%({self._classes[letter]})s" for letter, _ in exts}
            urls = {
                letter: public_url
                + join_url("%(stem)s", size=letter, permission=permissions[letter], ext=ext)
                for letter, ext in exts
            }
            classes = dict.fromkeys(self._classes[letter] for letter, _ in exts)
            template = json.dumps(urls), tuple(classes)
            self._templates[exts] = template
        return template


def _granted_exts(letters: Iterable[str], original_ext: str, grant: UrlGrant) -> dict[str, str]:
    """Return the ext of each size that has a URL."""
    exts = dict.fromkeys(letters, SIZE_EXT) if grant.sizes else {}
    return exts | ({ORIGINAL_LETTER: original_ext} if grant.original else {})
