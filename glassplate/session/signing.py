"""Signatures of a client with keys: permission URLs and API tokens, without a network."""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from glassplate.errors import BadConfig, NoKeys
from glassplate.urls.references import parse_version_reference
from volumes.photo_path import PhotoVersion
from volumes.sizes import Size

if TYPE_CHECKING:
    from permission_urls import KeySource


class Signing:
    """The part of a client that signs."""

    _keys: "KeySource | None"
    _url_keys: "KeySource | None"
    """The keys that sign URLs: a signing key, or `_keys`."""
    _keys_error: str
    """The reason for having no keys."""
    _edges: tuple[str, ...]
    _sizes: tuple[Size, ...]

    def url(
        self,
        reference: str | PhotoVersion,
        size: str,
        *,
        ext: str | None = None,
        expires: timedelta | None = None,
    ) -> str:
        """Return the permission URL of one size, signed without a network.

        The URL never expires unless `expires` is given. An expiry is rounded up to five minutes,
        so that URLs repeat and caches can reuse them. Every size has the format "jpg"; an original
        requires `ext`.

        Raises:
            NoKeys: The client has no keys.
            UnknownSize: The size or format does not exist.
        """
        from glassplate.urls.photo_urls import sign_url

        photo_version = parse_version_reference(reference)
        if self._url_keys is None:
            raise NoKeys(f"cannot sign a URL without keys: {self._keys_error}")
        if not self._edges:
            raise BadConfig("cannot make a URL without edges: use Client(..., edges=[...])")
        path = sign_url(
            self._url_keys,
            self._sizes,
            photo_version,
            size,
            ext=ext,
            expires=expires,
            now_seconds=time.time(),
        )
        return self._edges[0] + path

    def sign_token(
        self,
        scopes: Iterable[str],
        *,
        expires: timedelta | None = timedelta(days=30),
        application: str = "default",
        volumes: Sequence[tuple[int, int]] | None = None,
    ) -> str:
        """Sign an API token for an application. It never expires if `expires` is None.

        Scopes are "upload", "read", "original", "delete", "admin", "status", and "audit". `volumes`
        are ranges such as [(1, 8)]; the token opens no other volume.

        Raises:
            NoKeys: The client has no keys.
            UsageError: A scope, the expiry, or the application is invalid.
        """
        from glassplate.session.new_tokens import new_token
        from permission_urls import KeyRingError, sign_token

        if self._keys is None:
            raise NoKeys(f"cannot sign a token without keys: {self._keys_error}")
        token = new_token(scopes, expires=expires, application=application, volumes=volumes)
        try:
            return sign_token(self._keys, token)
        except KeyRingError as error:
            raise NoKeys(f"cannot sign a token: {error}") from error

    def _check_permission(self, target: str) -> dict[str, Any] | None:
        """Check the permission of a request target; None if `target` is empty."""
        from glassplate.urls.permissions import check_permission

        return check_permission(target, self._url_keys, self._sizes, now_seconds=time.time())
