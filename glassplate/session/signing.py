"""Signatures of a client with keys: permission URLs and API tokens, without a network."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from glassplate.errors import BadConfig, NoKeys, UsageError
from glassplate.markup.html import Html
from glassplate.markup.info import Info
from glassplate.markup.picture import Choice, image_attributes, picture
from glassplate.urls.references import parse_version_reference
from storagemaster.wire import PhotoStatus
from volumes.photo_path import PhotoVersion
from volumes.sizes import Size

if TYPE_CHECKING:
    from glassplate.session.application_file import ApplicationFile
    from glassplate.session.webhook_events import PhotoEvent
    from permission_urls import DerivedKey, KeySource


TICKET_BYTES_MAX = 50 * 1024 * 1024
"""Default longest photo of a ticket: more than the file of a phone."""


class Signing:
    """The part of a client that signs."""

    _keys: "KeySource | None"
    _url_keys: "KeySource | DerivedKey | None"
    """The keys that sign URLs: a signing key, or `_keys`."""
    _application: "ApplicationFile | None"
    """The file of the application, if the client has one."""
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
            UsageError: The key is restricted, and its restriction excludes the size or `expires`.
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

    def srcset(
        self,
        photo: str | PhotoVersion | PhotoStatus,
        info: Info | Mapping[str, Any] | None = None,
        *,
        sizes: str = "100vw",
        width_max: int | None = None,
        expires: timedelta | None = None,
    ) -> Html:
        """Return `src`, `srcset`, `sizes`, `width`, and `height` of an `<img>`, as safe HTML.

        `photo` is the status of a ready photo, or a reference with its `info`. `sizes` is the
        attribute of that name: how wide the page shows the photo. `width_max` leaves out wider
        sizes. A client with keys signs the URLs without a network, for `expires`, and leaves out
        sizes that a restricted key may not sign; one without takes the URLs of the status.

        Raises:
            UsageError: The photo is not ready, or has no size to show.
            NoKeys: The client has no keys, and got no status.
        """
        parsed, urls = self._shown(photo, info, expires)
        return image_attributes(parsed, urls, Choice(sizes=sizes, width_max=width_max))

    def picture(
        self,
        photo: str | PhotoVersion | PhotoStatus,
        info: Info | Mapping[str, Any] | None = None,
        *,
        alt: str,
        sizes: str = "100vw",
        width_max: int | None = None,
        loading: str = "lazy",
        second_pass: bool = False,
        extra: Mapping[str, str] | None = None,
        expires: timedelta | None = None,
    ) -> Html:
        """Return a `<picture>` with the sizes and formats of a photo, as safe HTML.

        `alt` describes the photo for those who do not see it; it is "" for a decoration.
        `second_pass` also offers variants that may not be made yet, such as AVIF. `extra` are more
        attributes of the `<img>`. The other arguments and the errors are as in `srcset`.
        """
        parsed, urls = self._shown(photo, info, expires)
        choice = Choice(
            sizes=sizes,
            width_max=width_max,
            loading=loading,
            second_pass=second_pass,
            extra=extra or {},
        )
        return picture(parsed, urls, alt=alt, choice=choice)

    def _shown(
        self,
        photo: str | PhotoVersion | PhotoStatus,
        info: Info | Mapping[str, Any] | None,
        expires: timedelta | None,
    ) -> tuple[Info, Mapping[str, str]]:
        """Return the info of a photo, and the URLs of its sizes in JPEG."""
        status = photo if isinstance(photo, PhotoStatus) else None
        found = info if info is not None or status is None else status.info
        if found is None:
            state = f"it is {status.state}" if status else "no info was given"
            raise UsageError(f"a photo without an info document cannot be shown: {state}")
        parsed = found if isinstance(found, Info) else Info.parse(found)
        if status and self._url_keys is None:
            return parsed, status.urls
        reference = photo.reference if isinstance(photo, PhotoStatus) else photo
        letters = dict.fromkeys(each.size for each in (*parsed.variants, *parsed.second_pass))
        # A size that is no longer in the config has no class, so no URL opens it.
        known = [size.letter for size in self._signable_sizes() if size.letter in letters]
        return parsed, {each: self.url(reference, each, expires=expires) for each in known}

    def _signable_sizes(self) -> tuple[Size, ...]:
        """Return the sizes of the table whose URLs the key may sign."""
        from glassplate.urls.photo_urls import signable_sizes

        return signable_sizes(self._url_keys, self._sizes) if self._url_keys else self._sizes

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

    def ticket(
        self,
        *,
        count: int = 1,
        bytes_max: int = TICKET_BYTES_MAX,
        expires: timedelta = timedelta(hours=1),
        formats: Sequence[str] | None = None,
        sha256: str | None = None,
        volume: int | None = None,
        strict: bool = False,
        to: str | None = None,
        ref: str | None = None,
    ) -> str:
        """Sign a ticket, with which a browser or a device uploads photos, without a network.

        It permits `count` photos of at most `bytes_max` bytes and, if given, of these `formats`,
        with this `sha256`, in this `volume`. `strict` refuses an upload that cannot reach two
        colos. A form leads to `to`. Receipt and events repeat `ref`. It ends after at most 7 days.

        Raises:
            NoKeys: The client has no keys.
            UsageError: A value is invalid.
        """
        from permission_urls import Ticket, Unsignable, generate_ticket_id, sign_ticket

        key, application = self._ticket_key()
        try:
            ticket = Ticket(
                application=application,
                id=generate_ticket_id(os.urandom),
                expiry=int(time.time() + expires.total_seconds()),
                count=count,
                bytes_max=bytes_max,
                formats=None if formats is None else tuple(formats),
                sha256=sha256,
                volume=volume,
                strict=strict,
                to=to,
                ref=ref,
            )
            return sign_ticket(key, ticket)
        except Unsignable as error:
            raise UsageError(f"invalid ticket: {error}") from error

    def verify_webhook(self, signature: str | None, body: bytes) -> "PhotoEvent":
        """Return the event of a webhook, from its Glassplate-Signature header and its body.

        Raises:
            InvalidWebhook: The cluster did not send it to this application, or it is too old.
            NoKeys: The client has no keys.
        """
        from glassplate.session.webhook_events import verified_event

        keys = self._application.webhook_keys if self._application else self._keys
        if keys is None:
            raise NoKeys(f"cannot check a webhook without keys: {self._keys_error}")
        return verified_event(keys, signature, body, now_seconds=time.time())

    @property
    def upload_urls(self) -> tuple[str, ...]:
        """The addresses that browsers and devices upload to; empty without an application file."""
        return self._application.uploads if self._application else ()

    def _ticket_key(self) -> "tuple[DerivedKey, str]":
        """Return the key that signs tickets, and the application that it belongs to."""
        from permission_urls import DEFAULT_APPLICATION, KeyRingError, ticket_key_of

        if self._application is not None:
            return self._application.ticket_key, self._application.application
        if self._keys is None:
            raise NoKeys(f"cannot sign a ticket without keys: {self._keys_error}")
        try:
            return ticket_key_of(self._keys, DEFAULT_APPLICATION), DEFAULT_APPLICATION
        except KeyRingError as error:
            raise NoKeys(f"cannot sign a ticket: {error}") from error

    def _check_permission(self, target: str) -> dict[str, Any] | None:
        """Check the permission of a request target; None if `target` is empty."""
        from glassplate.urls.permissions import check_permission

        return check_permission(target, self._url_keys, self._sizes, now_seconds=time.time())
