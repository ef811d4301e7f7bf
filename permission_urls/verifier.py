"""Verifier of permission URLs. A node uses it before it reads its disk."""

from collections.abc import Mapping
from functools import lru_cache
from hmac import compare_digest

from permission_urls.errors import BadMac, BeyondRestriction, Expired, UnknownSize
from permission_urls.expiry import is_expired, render_expiry
from permission_urls.key_source import KeySource
from permission_urls.permission import PermittedPath, parse_permission_url, signed_bytes
from permission_urls.purposes import Purpose
from permission_urls.restrictions import restriction_in
from permission_urls.signing import KeyedMac, PurposeVerifier

# Size of the cache of verified URLs; clients often request a new photo several times.
CACHE_ENTRIES_MAX = 4096


class Verifier:
    """Verifier of request targets by the table in `permission_urls.permission`.

    `keys` are a source, which it follows, or derived read keys by id. `size_classes` has the class
    of every size letter.

    Raises:
        InvalidKeys: A derived key is not 32 bytes.
    """

    __slots__ = ("_keys", "_open", "_size_classes")

    def __init__(
        self, keys: KeySource | Mapping[str, bytes], size_classes: Mapping[str, str]
    ) -> None:
        self._keys = PurposeVerifier.of(keys, Purpose.READ)
        self._size_classes = dict(size_classes)
        # Only valid permissions are cached. The expiry is checked at every call.
        self._open = lru_cache(CACHE_ENTRIES_MAX)(self._check)

    def verify(self, raw: str | bytes, now_seconds: float) -> PermittedPath:
        """Return the photo path that a raw, undecoded request target permits to read now.

        Raises:
            MalformedUrl: Row 1 of the table; respond with 400.
            Forbidden: Rows 2 to 7; respond with the constant 403. The subclass has the reason, for
                logs only.
        """
        if self._keys.follow():
            self._open.cache_clear()
        permitted = self._open(raw)
        key_id, expiry, _ = permitted.permission
        if "-" in key_id and not restriction_in(key_id).permits_expiry(expiry, now_seconds):
            raise BeyondRestriction
        if is_expired(expiry, now_seconds):
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
        if not compare_digest(self._mac_of(permission.key_id)(message), permission.mac):
            raise BadMac
        if not restriction_in(permission.key_id).permits_class(size_class):
            raise BeyondRestriction
        return permitted

    def _mac_of(self, url_key: str) -> KeyedMac:
        key_id, _, restriction = url_key.partition("-")
        keyed_mac = self._keys.mac_of(key_id)
        if not restriction:
            return keyed_mac
        return KeyedMac(keyed_mac(restriction.encode()).encode())
