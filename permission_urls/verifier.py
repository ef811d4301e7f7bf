"""The verifier of permission URLs: what a node uses before it touches a disk."""

from collections.abc import Mapping
from functools import lru_cache

from permission_urls.errors import Expired, UnknownSize
from permission_urls.expiry import is_expired, render_expiry
from permission_urls.keys import KeyRing
from permission_urls.permission import PermittedPath, parse_permission_url, signed_bytes
from permission_urls.signing import Purpose, PurposeVerifier

# What is asked for once is often asked for again: a photo that is new, or a page of photos.
CACHE_ENTRIES_MAX = 4096


class Verifier:
    """Judges request targets by the table in `permission_urls.permission`.

    `keys` is a whole ring or, where only reads are checked, derived read keys by id.
    `size_classes` has the class of every size letter there is.

    Raises:
        InvalidKeys: A derived key is not 32 bytes.
    """

    __slots__ = ("_keys", "_open", "_size_classes")

    def __init__(
        self, keys: KeyRing | Mapping[str, bytes], size_classes: Mapping[str, str]
    ) -> None:
        self._keys = (
            PurposeVerifier.of_ring(keys, Purpose.READ)
            if isinstance(keys, KeyRing)
            else PurposeVerifier(keys)
        )
        self._size_classes = dict(size_classes)
        # Only what was found good is remembered, and not for how long it is.
        self._open = lru_cache(CACHE_ENTRIES_MAX)(self._check)

    def verify(self, raw: str | bytes, now_seconds: float) -> PermittedPath:
        """The photo path a raw, undecoded request target opens at this time.

        Raises:
            MalformedUrl: Answer 400.
            Forbidden: Answer the constant 403; the subclass says why, for logs only.
        """
        permitted = self._open(raw)
        if is_expired(permitted.permission.expiry, now_seconds):
            raise Expired
        return permitted

    def _check(self, raw: str | bytes) -> PermittedPath:
        permitted = parse_permission_url(raw)
        size_class = self._size_classes.get(permitted.size)
        if size_class is None:
            raise UnknownSize
        permission = permitted.permission
        message = signed_bytes(
            permitted.stem, expiry_text=render_expiry(permission.expiry), size_class=size_class
        )
        self._keys.check(message, key_id=permission.key_id, mac=permission.mac)
        return permitted
