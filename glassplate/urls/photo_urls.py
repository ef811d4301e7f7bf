"""Permission URLs made without any network: keys, a size table, and where photos are read."""

from collections.abc import Sequence
from datetime import timedelta

from glassplate.errors import UnknownSize, UsageError
from permission_urls import NO_EXPIRY, KeyRing, ReadSigner, Unsignable, round_up_expiry
from volumes.photo_path import EXTENSIONS, PhotoVersion, Variant, render_path
from volumes.sizes import ORIGINAL_LETTER, Size, size_classes

SIZE_EXT = "jpg"
"""Every size is there as JPEG, whatever else is beside it."""


def sign_url(
    keys: KeyRing,
    sizes: Sequence[Size],
    photo_version: PhotoVersion,
    size: str,
    *,
    ext: str | None,
    expires: timedelta | None,
    now_seconds: float,
) -> str:
    """The path and permission of one size of a photo version, with its leading slash.

    Raises:
        UnknownSize: There is no such size or format, or the original's format is not told.
        Mistake: It would have expired before it was made.
    """
    classes = size_classes(tuple(sizes))
    if size not in classes:
        raise UnknownSize(f"there is no size {size!r}; there are {', '.join(classes)}")
    variant = Variant(photo_version, size, _ext_of(size, ext))
    expiry = NO_EXPIRY
    if expires is not None:
        if expires <= timedelta(0):
            raise UsageError(f"a URL that expires after {expires} would never open anything")
        lifetime = int(expires.total_seconds())
        expiry = round_up_expiry(now_seconds, lifetime_seconds=lifetime)
    try:
        path = render_path(variant)
        return ReadSigner(keys).url(path, size_class=classes[size], expiry_seconds=expiry)
    except Unsignable as error:
        raise UsageError(str(error)) from error


def _ext_of(size: str, ext: str | None) -> str:
    if ext is None:
        if size == ORIGINAL_LETTER:
            raise UnknownSize(
                "the format of an original must be told, as its ext: its receipt has it, and so "
                "has `glassplate info`"
            )
        return SIZE_EXT
    if ext not in EXTENSIONS:
        raise UnknownSize(f"there is no format {ext!r}; there are {', '.join(EXTENSIONS)}")
    return ext
