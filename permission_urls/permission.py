r"""Permission URLs: their grammar, their parsed values, and their form in logs.

    /{volume}/{shard}/{photo}_{version}_{size}.{key}.{expiry}.{mac}.{ext}
    /42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg

The MAC covers `{expiry}/{volume}/{shard}/{photo}_{version}/{class}`, but not the size letter and
the ext. One permission therefore opens every size and format of its class.

Every verifier, in any language, checks the raw request target before any decoding. The first row
that applies decides:

    | row | the request target                                          | verdict          |
    | --- | ----------------------------------------------------------- | ---------------- |
    | 1   | contains a match of MALFORMED_REGEX                         | 400              |
    | 2   | does not match PERMISSION_URL_REGEX                         | 403 NoPermission |
    | 3   | has a size letter that is not in the size table             | 403 UnknownSize  |
    | 4   | has the id of no key, or of a retired key                   | 403 UnknownKey,  |
    |     |                                                             |     RetiredKey   |
    | 5   | has a MAC that does not match that key                      | 403 BadMac       |
    | 6   | has a class or an expiry beyond the restriction of its key  | 403 Beyond-      |
    |     |                                                             |     Restriction  |
    | 7   | has an expiry that is not 0 and has passed                  | 403 Expired      |
    | 8   | is any other                                                | ok: its path     |

Row 1: it does not begin with `/`, contains `%`, `;`, `?`, `//`, `/.`, or a byte above 0x7f, or is
longer than 512 bytes. Row 2: every other target that is not a permission URL, such as a bare photo
path. A target that matches PERMISSION_URL_REGEX never matches row 1, so a fast verifier can try
row 2 first. The client gets one constant 403; the row is for logs.

Both regular expressions mean the same in Python, in PCRE2 (nginx, Varnish), and in JavaScript: no
named groups, no flags, at most nine groups, and `$(?!\n)`, because `$` alone matches before a
newline. Groups: 1 stem, 2 volume, 3 shard, 4 photo, 5 size, 6 key, 7 expiry, 8 MAC, 9 ext.
"""

import re
from typing import NamedTuple

from permission_urls.errors import MalformedUrl, NoPermission, Unsignable
from permission_urls.expiry import EXPIRY_PATTERN, parse_expiry, render_expiry
from permission_urls.restrictions import URL_KEY_PATTERN
from permission_urls.signing import MAC_PATTERN

TARGET_BYTES_MAX = 512
EXTENSIONS = ("jpg", "png", "gif", "webp", "avif", "heic", "tif")

_CHARACTER = "[0-9a-hjkmnp-tv-z]"
_VOLUME = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_STEM = rf"(({_VOLUME})/({_CHARACTER}{{2}})/({_CHARACTER}{{14}}\3)_{_CHARACTER}{{6}})"
_SIZE = "([a-z])"
_EXT = f"({'|'.join(EXTENSIONS)})"

MALFORMED_REGEX = rf"^(?!/)|[%;?]|/[/.]|[^\x00-\x7f]|^[\s\S]{{{TARGET_BYTES_MAX + 1}}}"
PERMISSION_URL_REGEX = (
    rf"^/{_STEM}_{_SIZE}\.({URL_KEY_PATTERN})\.({EXPIRY_PATTERN})\.({MAC_PATTERN})\.{_EXT}$(?!\n)"
)

_MALFORMED = re.compile(MALFORMED_REGEX)
_PERMISSION_URL = re.compile(PERMISSION_URL_REGEX)
_PHOTO_PATH = re.compile(rf"^{_STEM}_{_SIZE}\.{_EXT}$(?!\n)")
_PHOTO_STEM = re.compile(rf"^{_STEM}$(?!\n)")
_LOGGABLE_PREFIX = re.compile("[/0-9a-z_]{0,64}")


class Permission(NamedTuple):
    """An unverified permission: key, expiry in seconds (0 never expires), and MAC.

    `key_id` includes the restriction of a restricted key: "a-w168".
    """

    key_id: str
    expiry: int
    mac: str

    def __repr__(self) -> str:
        """Omit the MAC, which would open the URL for any reader of a log."""
        return f"Permission(key_id={self.key_id!r}, expiry={self.expiry!r})"


class PermittedPath(NamedTuple):
    """A parsed permission URL. Only a `Verifier` checks the permission.

    This and `Permission` are named tuples because a node creates them for every read, and frozen
    dataclasses are slower.

    `stem` is the common prefix of all sizes of the version: "42/k7/01jd3x8m2c9qp4k7_3fz8qd".
    """

    stem: str
    size: str
    ext: str
    permission: Permission

    @property
    def path(self) -> str:
        """Photo path: "42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"."""
        return f"{self.stem}_{self.size}.{self.ext}"

    @property
    def volume(self) -> int:
        """Number of the volume."""
        return int(self.stem.partition("/")[0])

    @property
    def shard(self) -> str:
        """Directory below the volume."""
        return self.stem.split("/")[1]

    @property
    def photo(self) -> str:
        """Photo id."""
        return self.stem.split("/")[2].partition("_")[0]

    @property
    def version(self) -> str:
        """Version of the photo."""
        return self.stem.rpartition("_")[2]


class PhotoName(NamedTuple):
    """Parts of a photo path in its permission URL.

    A named tuple, because creating a frozen dataclass takes as long as signing a URL.
    """

    stem: str
    size: str
    ext: str


def parse_permission_url(raw: str | bytes) -> PermittedPath:
    """Parse a raw, undecoded request target: what `render_permission_url` returns.

    Raises:
        MalformedUrl: Row 1 of the table.
        NoPermission: Row 2 of the table.
    """
    # In Latin-1 every byte is one character, and bytes above 0x7f stay above it.
    target = raw.decode("latin-1") if isinstance(raw, bytes) else raw
    match = _PERMISSION_URL.match(target)
    if match is None:
        raise MalformedUrl if _MALFORMED.search(target) else NoPermission
    stem, _, _, _, size, key_id, expiry_text, mac, ext = match.groups()
    permission = Permission(key_id=key_id, expiry=parse_expiry(expiry_text), mac=mac)
    return PermittedPath(stem=stem, size=size, ext=ext, permission=permission)


def render_permission_url(permitted: PermittedPath) -> str:
    """Render the only spelling of a permission URL.

    Raises:
        Unsignable: The expiry is out of range.
    """
    permission = permitted.permission
    text = f"{permission.key_id}.{render_expiry(permission.expiry)}.{permission.mac}"
    return join_url(permitted.stem, size=permitted.size, permission=text, ext=permitted.ext)


def join_url(stem: str, *, size: str, permission: str, ext: str) -> str:
    """Join valid parts to a URL; `permission` is `{key}.{expiry}.{mac}`."""
    return f"/{stem}_{size}.{permission}.{ext}"


def signed_bytes(stem: str, *, expiry_text: str, size_class: str) -> bytes:
    """Return the bytes that the MAC of a permission covers."""
    return f"{expiry_text}/{stem}/{size_class}".encode()


def parse_photo_path(path: str) -> PhotoName:
    """Parse the photo path of a variant.

    Raises:
        Unsignable: The path is not a variant's, so no URL can open it.
    """
    match = _PHOTO_PATH.match(path)
    if match is None:
        raise Unsignable(f"{path!r} is not the photo path of a variant")
    return PhotoName(match[1], match[5], match[6])


def is_stem(text: str) -> bool:
    """Return True if the text is `{volume}/{shard}/{photo}_{version}`."""
    return _PHOTO_STEM.match(text) is not None


def strip_permission(url: str | bytes) -> str:
    """Return a request target that is safe to log: without a MAC.

    A permission URL keeps its key id and expiry. Any other target is cut to a prefix that can begin
    a photo path, because a valid MAC or a line end can be anywhere in it.

    >>> strip_permission("/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg")
    '/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.*.jpg'
    """
    target = url.decode("latin-1") if isinstance(url, bytes) else url
    match = _PERMISSION_URL.match(target)
    if match is None:
        prefix = _LOGGABLE_PREFIX.match(target)
        return f"{prefix[0] if prefix else ''}*"
    return f"{target[: match.start(8)]}*{target[match.end(8) :]}"
