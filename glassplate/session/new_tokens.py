"""New API tokens, signed without a network."""

import os
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

from glassplate.errors import UsageError
from permission_urls import (
    DEFAULT_APPLICATION,
    NO_EXPIRY,
    KeySource,
    SessionSigner,
    Token,
    TokenLimits,
    Unsignable,
    VolumeRange,
    generate_token_id,
    parse_scopes,
    sign_token,
)
from volumes.cluster import Cluster

LIFETIME = timedelta(days=30)


def new_token(
    scopes: Iterable[str],
    *,
    expires: timedelta | None = LIFETIME,
    application: str = DEFAULT_APPLICATION,
    volumes: Sequence[tuple[int, int]] | None = None,
    limits: TokenLimits | None = None,
) -> Token:
    """Return a token with a new id. It never expires if `expires` is None.

    Raises:
        UsageError: A value is invalid.
    """
    if expires is not None and expires <= timedelta(0):
        raise UsageError(f"invalid expiry {expires}: must be positive")
    try:
        return Token(
            id=generate_token_id(os.urandom),
            application=application,
            scopes=parse_scopes(scopes),
            expiry=int(time.time() + expires.total_seconds()) if expires else NO_EXPIRY,
            volumes=None if volumes is None else tuple(VolumeRange(*each) for each in volumes),
            limits=limits or TokenLimits(),
        )
    except Unsignable as error:
        raise UsageError(str(error)) from error


def sign_new_token(
    keys: KeySource, scopes: Iterable[str], *, expires: timedelta | None = LIFETIME
) -> str:
    """Return the text of a new token of the application `default`."""
    return sign_token(keys, new_token(scopes, expires=expires))


def sign_in_link(cluster: Cluster, keys: KeySource) -> str:
    """Return an address that signs in one browser to the console, once, within some minutes."""
    master = next(iter(cluster.masters.values()))
    link = SessionSigner(keys).sign_link(generate_token_id(os.urandom), master=master.id)
    return f"http://{master.address}/console/sign-in#{link}"
