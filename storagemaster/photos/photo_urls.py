"""Permission URLs of a photo, which are known before its sizes are made."""

from dataclasses import dataclass

from permission_urls import NO_EXPIRY, ReadSigner
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
        sizes = sizes_of(self._cluster.sizes, width=width, height=height)
        letters = [size.letter for size in sizes]
        return self.of_letters(photo_version, letters, original_ext=original_ext, grant=grant)

    def of_letters(
        self, photo_version: PhotoVersion, letters: list[str], *, original_ext: str, grant: UrlGrant
    ) -> dict[str, str]:
        """Return a URL by size letter, for these sizes and the original, if granted."""
        exts = dict.fromkeys(letters, SIZE_EXT) if grant.sizes else {}
        if grant.original:
            exts[ORIGINAL_LETTER] = original_ext
        paths = self._signer.sign_sizes(
            render_stem(photo_version),
            exts=exts,
            size_classes=self._classes,
            expiry_seconds=grant.expiry_seconds,
        )
        return {letter: self._cluster.public_url + path for letter, path in paths.items()}
