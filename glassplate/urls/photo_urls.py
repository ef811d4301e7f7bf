"""Signing of permission URLs with keys and a size table."""

from collections.abc import Sequence
from datetime import timedelta

from glassplate.errors import NoKeys, UnknownSize, UsageError
from permission_urls import (
    NO_EXPIRY,
    DerivedKey,
    KeyRingError,
    KeySource,
    ReadSigner,
    Restriction,
    Unsignable,
    round_up_expiry,
)
from volumes.photo_path import EXTENSIONS, PhotoVersion, Variant, render_path
from volumes.sizes import ORIGINAL_LETTER, Size, size_classes

SIZE_EXT = "jpg"
"""Every size is available as JPEG, and possibly in more formats."""


def sign_url(
    keys: KeySource | DerivedKey,
    sizes: Sequence[Size],
    photo_version: PhotoVersion,
    size: str,
    *,
    ext: str | None,
    expires: timedelta | None,
    now_seconds: float,
) -> str:
    """Return the request target of one size of a photo version: its path and permission.

    Raises:
        UnknownSize: The size or format does not exist, or an original has no `ext`.
        UsageError: `expires` is not positive, or the URL is beyond the restriction of the key.
    """
    classes = size_classes(tuple(sizes))
    if size not in classes:
        raise UnknownSize(f"unknown size {size!r}; known sizes: {', '.join(classes)}")
    variant = Variant(photo_version, size, _ext_of(size, ext))
    expiry = NO_EXPIRY
    if expires is not None:
        if expires <= timedelta(0):
            raise UsageError(f"invalid expiry {expires}: must be positive")
        lifetime = int(expires.total_seconds())
        expiry = round_up_expiry(now_seconds, lifetime_seconds=lifetime)
    try:
        path, signer = render_path(variant), ReadSigner(keys)
        restriction = signer.restriction
        if not (
            restriction.permits_class(classes[size])
            and restriction.permits_expiry(expiry, now_seconds)
        ):
            raise UsageError(_beyond(restriction, size, classes[size], expires))
        return signer.url(path, size_class=classes[size], expiry_seconds=expiry)
    except Unsignable as error:
        raise UsageError(str(error)) from error
    except KeyRingError as error:
        raise NoKeys(f"cannot sign a URL: {error}") from error


def signable_sizes(keys: KeySource | DerivedKey, sizes: Sequence[Size]) -> tuple[Size, ...]:
    """Return the sizes whose class the signing key may sign."""
    restriction = ReadSigner(keys).restriction
    return tuple(size for size in sizes if restriction.permits_class(size.size_class))


def _beyond(restriction: Restriction, size: str, size_class: str, expires: timedelta | None) -> str:
    if not restriction.permits_class(size_class):
        classes = " and ".join(sorted(restriction.size_classes))
        return (
            f"cannot sign size {size!r} of class {size_class}: the key is restricted to {classes}; "
            "get the URL from a storagemaster, or use a key that permits it"
        )
    lifetime = "that never expires" if expires is None else f"for {expires}"
    return (
        f"cannot sign a URL {lifetime}: the key is restricted to {restriction.hours_max} hours; "
        "pass a shorter `expires`"
    )


def _ext_of(size: str, ext: str | None) -> str:
    if ext is None:
        if size == ORIGINAL_LETTER:
            raise UnknownSize(
                "an original requires its format as ext; it is in the receipt, and "
                "`glassplate info` shows it"
            )
        return SIZE_EXT
    if ext not in EXTENSIONS:
        raise UnknownSize(f"unknown format {ext!r}; known formats: {', '.join(EXTENSIONS)}")
    return ext
