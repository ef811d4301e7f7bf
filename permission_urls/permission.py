r"""Permission URLs: their grammar, the values they stand for, and how they are written in logs.

    /{volume}/{shard}/{photo}_{version}_{size}.{key}.{expiry}.{mac}.{ext}
    /42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg

The MAC is made of `{expiry}/{volume}/{shard}/{photo}_{version}/{class}`. It covers neither the size
letter nor the ext: one permission opens every size and format of its class.

Every verifier, in whatever language, looks at the raw request target before any decoding, and
judges it by the first row that applies:

    | row | the request target                                          | verdict          |
    | --- | ----------------------------------------------------------- | ---------------- |
    | 1   | MALFORMED_REGEX is found in it                              | 400              |
    | 2   | PERMISSION_URL_REGEX does not match it                      | 403 NoPermission |
    | 3   | its size letter has no class in the size table              | 403 UnknownSize  |
    | 4   | its key id is not that of a key that verifies               | 403 UnknownKey,  |
    |     |                                                             |     RetiredKey   |
    | 5   | its MAC is not the one made with that key                   | 403 BadMac       |
    | 6   | its expiry is not 0, and the clock has reached it           | 403 Expired      |
    | 7   | anything else                                               | ok: its path     |

Row 1 is: does not begin with `/`, holds `%`, `;`, `?`, `//`, `/.` or a byte above 0x7f, or is over
512 bytes. Row 2 is everything else that is not a permission URL, a bare photo path among it: that
a permission is missing and that it is garbled are the same answer. What matches row 2 never
matches row 1, so a fast verifier may try row 2 first. The client sees one constant 403; which row
it was is for logs.

Both regular expressions mean the same in Python, in PCRE2 (nginx, Varnish) and in JavaScript: no
named groups, no flags, nine groups at most, and `$(?!\n)` because `$` alone may let a newline by.
Groups: 1 stem, 2 volume, 3 shard, 4 photo, 5 size, 6 key, 7 expiry, 8 MAC, 9 ext.
"""

import re
from typing import NamedTuple

from permission_urls.errors import MalformedUrl, NoPermission, Unsignable
from permission_urls.expiry import EXPIRY_PATTERN, parse_expiry, render_expiry
from permission_urls.keys import KEY_ID_PATTERN
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
    rf"^/{_STEM}_{_SIZE}\.({KEY_ID_PATTERN})\.({EXPIRY_PATTERN})\.({MAC_PATTERN})\.{_EXT}$(?!\n)"
)

_MALFORMED = re.compile(MALFORMED_REGEX)
_PERMISSION_URL = re.compile(PERMISSION_URL_REGEX)
_PHOTO_PATH = re.compile(rf"^{_STEM}_{_SIZE}\.{_EXT}$(?!\n)")
_PHOTO_STEM = re.compile(rf"^{_STEM}$(?!\n)")
_LOGGABLE_PREFIX = re.compile("[/0-9a-z_]{0,64}")


class Permission(NamedTuple):
    """What opens a URL, not yet checked: key id, expiry in seconds (0 = for ever) and MAC."""

    key_id: str
    expiry: int
    mac: str

    def __repr__(self) -> str:
        """Without the MAC, which would open the URL for whoever reads a log."""
        return f"Permission(key_id={self.key_id!r}, expiry={self.expiry!r})"


class PermittedPath(NamedTuple):
    """A permission URL taken apart. Only a `Verifier` says whether the permission is good.

    Named tuples, these two, because a node makes them for every read, and dataclasses are slower.

    `stem` is what all sizes of the version begin with: "42/k7/01jd3x8m2c9qp4k7_3fz8qd".
    """

    stem: str
    size: str
    ext: str
    permission: Permission

    @property
    def path(self) -> str:
        """The photo path: "42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"."""
        return f"{self.stem}_{self.size}.{self.ext}"

    @property
    def volume(self) -> int:
        """The number of the volume."""
        return int(self.stem.partition("/")[0])

    @property
    def shard(self) -> str:
        """The directory below the volume."""
        return self.stem.split("/")[1]

    @property
    def photo(self) -> str:
        """The photo id."""
        return self.stem.split("/")[2].partition("_")[0]

    @property
    def version(self) -> str:
        """The version of the photo."""
        return self.stem.rpartition("_")[2]


class PhotoName(NamedTuple):
    """The parts of a photo path that its permission URL is made from.

    A named tuple, because signing a URL is as short as making a frozen dataclass is long.
    """

    stem: str
    size: str
    ext: str


def parse_permission_url(raw: str | bytes) -> PermittedPath:
    """Take a raw, undecoded request target apart; the inverse of `render_permission_url`.

    Raises:
        MalformedUrl: Row 1 of the table.
        NoPermission: Row 2 of the table.
    """
    # In Latin-1 every byte is one character, and those above 0x7f stay above it.
    target = raw.decode("latin-1") if isinstance(raw, bytes) else raw
    match = _PERMISSION_URL.match(target)
    if match is None:
        raise MalformedUrl if _MALFORMED.search(target) else NoPermission
    stem, _, _, _, size, key_id, expiry_text, mac, ext = match.groups()
    permission = Permission(key_id=key_id, expiry=parse_expiry(expiry_text), mac=mac)
    return PermittedPath(stem=stem, size=size, ext=ext, permission=permission)


def render_permission_url(permitted: PermittedPath) -> str:
    """The one spelling of a permission URL.

    Raises:
        Unsignable: The expiry cannot be written.
    """
    permission = permitted.permission
    text = f"{permission.key_id}.{render_expiry(permission.expiry)}.{permission.mac}"
    return join_url(permitted.stem, size=permitted.size, permission=text, ext=permitted.ext)


def join_url(stem: str, *, size: str, permission: str, ext: str) -> str:
    """A URL of parts that are known to be good; `permission` is `{key}.{expiry}.{mac}`."""
    return f"/{stem}_{size}.{permission}.{ext}"


def signed_bytes(stem: str, *, expiry_text: str, size_class: str) -> bytes:
    """What the MAC of a permission is made of."""
    return f"{expiry_text}/{stem}/{size_class}".encode()


def parse_photo_path(path: str) -> PhotoName:
    """Take the photo path of a variant apart.

    Raises:
        Unsignable: It is none, so no URL could ever open it.
    """
    match = _PHOTO_PATH.match(path)
    if match is None:
        raise Unsignable(f"{path!r} is not the photo path of a variant")
    return PhotoName(match[1], match[5], match[6])


def is_stem(text: str) -> bool:
    """Whether the text is `{volume}/{shard}/{photo}_{version}`."""
    return _PHOTO_STEM.match(text) is not None


def strip_permission(url: str | bytes) -> str:
    """The request target as it may stand in a log: without a MAC, whatever else it holds.

    A permission URL keeps its key id and expiry. Of anything else only what could begin a photo
    path is kept, because a live MAC may be anywhere in it, and line ends too.

    >>> strip_permission("/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLNocbT8gzOmeI_boBpbaO.jpg")
    '/42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.*.jpg'
    """
    target = url.decode("latin-1") if isinstance(url, bytes) else url
    match = _PERMISSION_URL.match(target)
    if match is None:
        prefix = _LOGGABLE_PREFIX.match(target)
        return f"{prefix[0] if prefix else ''}*"
    return f"{target[: match.start(8)]}*{target[match.end(8) :]}"
