"""Reference verifier of permission URLs, written from the design, one byte at a time.

It shares no code and no regular expression with the package, so that both rarely have the same
mistake. It is deliberately slow and simple. The secrets here are only for tests.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

Verdict = tuple[str, str | None]
"""("ok", photo path), ("400", None), or ("403", None)."""

DIGITS = b"0123456789"
HEX_DIGITS = b"0123456789abcdef"
LOWER = b"abcdefghijklmnopqrstuvwxyz"
UPPER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CROCKFORD = b"0123456789abcdefghjkmnpqrstvwxyz"
BASE64URL = UPPER + LOWER + DIGITS + b"-_"
FORBIDDEN = frozenset(b"%;?") | frozenset(range(0x80, 0x100))
EXTS = (b"jpg", b"png", b"gif", b"webp", b"avif", b"heic", b"tif")

MALFORMED: Verdict = ("400", None)
REFUSED: Verdict = ("403", None)


class NotInGrammar(Exception):
    """The bytes are not a permission URL."""


def derive_read_key(secret: bytes) -> bytes:
    """Derive the key of an edge."""
    return hmac.new(secret, b"read", hashlib.sha256).digest()


def make_mac(read_key: bytes, *, expiry: str, stem: str, size_class: str) -> str:
    """Return the MAC of a permission."""
    message = f"{expiry}/{stem}/{size_class}".encode()
    digest = hmac.digest(read_key, message, "sha256")
    return base64.urlsafe_b64encode(digest[:18]).decode()


def restrict(read_key: bytes, restriction: str) -> bytes:
    """Derive a restricted key."""
    digest = hmac.digest(read_key, restriction.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:18])


def judge(
    raw: bytes, *, now: int, read_keys: Mapping[str, bytes], size_classes: Mapping[str, str]
) -> Verdict:
    """Return the verdict on this request target at this time."""
    if not is_well_formed(raw):
        return MALFORMED
    try:
        fields = read_fields(raw)
    except NotInGrammar:
        return REFUSED
    stem, size, key_id, expiry, mac, ext = fields
    name, _, restriction = key_id.partition("-")
    if size not in size_classes or name not in read_keys:
        return REFUSED
    read_key = restrict(read_keys[name], restriction) if restriction else read_keys[name]
    made = make_mac(read_key, expiry=expiry, stem=stem, size_class=size_classes[size])
    if not hmac.compare_digest(made, mac):
        return REFUSED
    if expiry != "0" and int(expiry, 16) <= now:
        return REFUSED
    letters, hours = restriction.rstrip("0123456789"), restriction.lstrip("wlo")
    if letters and size_classes[size][0] not in letters:
        return REFUSED
    if hours and (expiry == "0" or int(expiry, 16) > now + int(hours) * 3600 + 600):
        return REFUSED
    return "ok", f"{stem}_{size}.{ext}"


def is_well_formed(raw: bytes) -> bool:
    """Return True if the target is not a 400."""
    if len(raw) > 512 or raw[:1] != b"/":
        return False
    return FORBIDDEN.isdisjoint(raw) and b"//" not in raw and b"/." not in raw


def read_fields(raw: bytes) -> tuple[str, str, str, str, str, str]:
    """Return stem, size, key id, expiry, MAC, and ext.

    Raises:
    NotInGrammar: A byte is invalid.
    """
    at = expect(raw, 0, b"/")
    volume, at = take(raw, at, DIGITS, 5)
    if not volume or volume[:1] == b"0" or int(volume) > 65535:
        raise NotInGrammar
    at = expect(raw, at, b"/")
    shard, at = take(raw, at, CROCKFORD, 2)
    at = expect(raw, at, b"/")
    photo, at = take(raw, at, CROCKFORD, 16)
    at = expect(raw, at, b"_")
    version, at = take(raw, at, CROCKFORD, 6)
    at = expect(raw, at, b"_")
    size, at = take(raw, at, LOWER, 1)
    at = expect(raw, at, b".")
    if len(photo) != 16 or len(version) != 6 or not size or shard != photo[14:]:
        raise NotInGrammar
    key_id, at = take(raw, at, LOWER + DIGITS, 4)
    restriction = b""
    if raw[at : at + 1] == b"-":
        restriction, at = take_restriction(raw, at)
    at = expect(raw, at, b".")
    expiry, at = take(raw, at, HEX_DIGITS, 10)
    at = expect(raw, at, b".")
    mac, at = take(raw, at, BASE64URL, 24)
    at = expect(raw, at, b".")
    if not key_id or not expiry or len(mac) != 24 or raw[at:] not in EXTS:
        raise NotInGrammar
    if expiry[:1] == b"0" and expiry != b"0":
        raise NotInGrammar
    stem = b"%b/%b/%b_%b" % (volume, shard, photo, version)
    return (
        stem.decode(), size.decode(), (key_id + restriction).decode(), expiry.decode(),
        mac.decode(), raw[at:].decode(),
    )  # fmt: skip


def take_restriction(raw: bytes, begin: int) -> tuple[bytes, int]:
    """Return a restriction with its hyphen, and the position after it.

    Raises:
    NotInGrammar: It is empty, has a class twice or in another order, or all classes.
    """
    letters, at = take(raw, begin + 1, b"wlo", 3)
    hours, at = take(raw, at, DIGITS, 4)
    if letters not in {b"", b"w", b"l", b"o", b"wl", b"wo", b"lo"} or hours[:1] == b"0":
        raise NotInGrammar
    if not letters and not hours:
        raise NotInGrammar
    return raw[begin:at], at


def expect(raw: bytes, at: int, byte: bytes) -> int:
    """Return the position after this required byte."""
    if raw[at : at + 1] != byte:
        raise NotInGrammar
    return at + 1


def take(raw: bytes, at: int, allowed: bytes, count_max: int) -> tuple[bytes, int]:
    """Return the allowed bytes up to a limit, and the position after them."""
    chunk = raw[at : at + count_max]
    for count, byte in enumerate(chunk):
        if byte not in allowed:
            return chunk[:count], at + count
    return chunk, at + len(chunk)
