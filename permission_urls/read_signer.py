"""Signer of permission URLs, for the links of a page."""

from collections.abc import Iterable, Mapping

from permission_urls.errors import Unsignable
from permission_urls.expiry import NO_EXPIRY, render_expiry
from permission_urls.key_source import KeySource
from permission_urls.permission import is_stem, join_url, parse_photo_path, signed_bytes
from permission_urls.purposes import Purpose
from permission_urls.restrictions import Restriction, restriction_in
from permission_urls.signing import DerivedKey, PurposeSigner


class ReadSigner:
    """Signer of permission URLs with the signing key of a source, or with a derived key.

    With a restricted key, a verifier refuses a URL beyond `restriction`.
    """

    __slots__ = ("_signer",)

    def __init__(self, keys: KeySource | DerivedKey) -> None:
        self._signer = PurposeSigner(keys, Purpose.READ)

    @property
    def restriction(self) -> Restriction:
        """The limits of the signing key."""
        return restriction_in(self._signer.current()[0])

    def url(self, path: str, *, size_class: str, expiry_seconds: int = NO_EXPIRY) -> str:
        """Return the permission URL of one photo path, with a leading slash.

        `size_class` is the class of the size in the path; `expiry_seconds` counts from the epoch.

        Raises:
            Unsignable: The path is not a variant's, or the expiry is out of range.
        """
        name = parse_photo_path(path)
        permission = self._permission(name.stem, size_class, render_expiry(expiry_seconds))
        return join_url(name.stem, size=name.size, permission=permission, ext=name.ext)

    def sign_sizes(
        self,
        stem: str,
        *,
        exts: Mapping[str, str],
        size_classes: Mapping[str, str],
        expiry_seconds: int = NO_EXPIRY,
    ) -> dict[str, str]:
        """Return the permission URLs of several sizes of one photo version, by size letter.

        `exts` has the ext of each wanted size, such as {"m": "jpg", "o": "png"}. All sizes of one
        class share a MAC.

        Raises:
            Unsignable: The stem is invalid, a size has no class, or the expiry is out of range.
        """
        unknown = sorted(exts.keys() - size_classes.keys())
        if unknown:
            raise Unsignable(f"sizes {unknown} have no class")
        permissions = self.permissions(
            stem, {size_classes[size] for size in exts}, expiry_seconds=expiry_seconds
        )
        return {
            size: join_url(stem, size=size, permission=permissions[size_classes[size]], ext=ext)
            for size, ext in exts.items()
        }

    def permissions(
        self, stem: str, size_classes: Iterable[str], *, expiry_seconds: int = NO_EXPIRY
    ) -> dict[str, str]:
        """Return the permission of one photo version for each size class, as in a URL.

        Raises:
            Unsignable: The stem is invalid, or the expiry is out of range.
        """
        if not is_stem(stem):
            raise Unsignable(f"{stem!r} is not the stem of a photo version")
        expiry_text = render_expiry(expiry_seconds)
        return {
            size_class: self._permission(stem, size_class, expiry_text)
            for size_class in size_classes
        }

    def _permission(self, stem: str, size_class: str, expiry_text: str) -> str:
        message = signed_bytes(stem, expiry_text=expiry_text, size_class=size_class)
        key_id, mac = self._signer.current()
        return f"{key_id}.{expiry_text}.{mac(message)}"
