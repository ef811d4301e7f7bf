"""Photo paths: the single name of a file on disk, in URLs, and in S3.

`render_path` and `parse_path` are inverses. No other code joins or splits these names.

    42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg     Variant: one size of one version
    42/k7/01jd3x8m2c9qp4k7_3fz8qd.json      Info: all sizes are made; their list
    42/k7/01jd3x8m2c9qp4k7_3fz8qd_1.try     Attempt: the reason of one failed attempt
        42/k7/01jd3x8m2c9qp4k7_3fz8qd.fail      Failure: sizes cannot be made; the reason
    42/k7/01jd3x8m2c9qp4k7_3fz8qd.gone      VersionTombstone: this version is deleted permanently
    42/k7/01jd3x8m2c9qp4k7.gone             PhotoTombstone: every version is deleted permanently
"""

import re
from dataclasses import dataclass
from typing import NewType

from volumes.formats import FILE_SUFFIXES
from volumes.photo_id import (
    ALPHABET,
    CHARACTER_PATTERN,
    PhotoId,
    Version,
    parse_photo_id,
    parse_version,
)
from volumes.sizes import ORIGINAL_LETTER

VolumeId = NewType("VolumeId", int)

VOLUME_MAX = 65535
SHARDS = tuple(first + second for first in ALPHABET for second in ALPHABET)
EXTENSIONS = tuple(FILE_SUFFIXES)
ATTEMPT_NUMBERS = (1, 2)
"""Numbers of the failed attempts with a file of their own. The next one is the `Failure`."""

_SHARD_LENGTH = 2
_VOLUME = re.compile(r"[1-9][0-9]{0,4}")
_NAME = re.compile(
    rf"(?P<photo>{CHARACTER_PATTERN}{{16}})"
    rf"(?:_(?P<version>{CHARACTER_PATTERN}{{6}})(?:_(?P<size>[a-z])|_(?P<attempt>[12]))?)?"
    r"\.(?P<suffix>[a-z]{3,4})"
)


class InvalidPath(ValueError):
    """The text is not a photo path."""


@dataclass(frozen=True, slots=True)
class PhotoVersion:
    """One version of one photo: the only id that an application has to store.

    >>> str(PhotoVersion(VolumeId(42), PhotoId("01jd3x8m2c9qp4k7"), Version("3fz8qd")))
    '42/01jd3x8m2c9qp4k7/3fz8qd'
    """

    volume: VolumeId
    photo: PhotoId
    version: Version

    def __str__(self) -> str:
        return f"{self.volume}/{self.photo}/{self.version}"

    @property
    def shard(self) -> str:
        """Directory of the photo's files."""
        return shard_of(self.photo)


@dataclass(frozen=True, slots=True)
class Variant:
    """One image file: a size of a version in a format. Size `o` is the original."""

    photo_version: PhotoVersion
    size: str
    ext: str

    @property
    def is_original(self) -> bool:
        """True if these are the bytes as uploaded."""
        return self.size == ORIGINAL_LETTER


@dataclass(frozen=True, slots=True)
class Info:
    """The info document. It exists only if all sizes are made."""

    photo_version: PhotoVersion


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why the sizes cannot be made. A later info supersedes it."""

    photo_version: PhotoVersion


@dataclass(frozen=True, slots=True)
class Attempt:
    """The reason of the first or second failed attempt to make the sizes."""

    photo_version: PhotoVersion
    number: int


@dataclass(frozen=True, slots=True)
class VersionTombstone:
    """Marker that one version is deleted permanently."""

    photo_version: PhotoVersion


@dataclass(frozen=True, slots=True)
class PhotoTombstone:
    """Marker that every version of a photo is deleted permanently."""

    volume: VolumeId
    photo: PhotoId


PhotoFile = Variant | Info | Attempt | Failure | VersionTombstone | PhotoTombstone
"""Every kind of file with a photo path."""


def shard_of(photo: PhotoId) -> str:
    """Return the photo's shard: the last two characters of its id, which are random."""
    return photo[-_SHARD_LENGTH:]


def render_path(file: PhotoFile) -> str:
    """Render the path below a node's root, which is also the S3 key and the URL without permission.

    >>> photo_version = PhotoVersion(VolumeId(42), PhotoId("01jd3x8m2c9qp4k7"), Version("3fz8qd"))
    >>> render_path(Variant(photo_version, "m", "jpg"))
    '42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg'
    """
    match file:
        case Variant(photo_version, size, ext):
            return f"{render_stem(photo_version)}_{size}.{ext}"
        case Info(photo_version):
            return f"{render_stem(photo_version)}.json"
        case Attempt(photo_version, number):
            return f"{render_stem(photo_version)}_{number}.try"
        case Failure(photo_version):
            return f"{render_stem(photo_version)}.fail"
        case VersionTombstone(photo_version):
            return f"{render_stem(photo_version)}.gone"
        case PhotoTombstone(volume, photo):
            return f"{volume}/{shard_of(photo)}/{photo}.gone"


def volume_of(file: PhotoFile) -> VolumeId:
    """Return the volume of a file."""
    return file.volume if isinstance(file, PhotoTombstone) else file.photo_version.volume


def render_stem(photo_version: PhotoVersion) -> str:
    """Render the common prefix of all paths of one version."""
    name = f"{photo_version.photo}_{photo_version.version}"
    return f"{photo_version.volume}/{photo_version.shard}/{name}"


def tombstone_paths(photo_version: PhotoVersion) -> tuple[str, str]:
    """Return the paths of the photo's and the version's tombstone; either deletes the version.

    Equal to what `render_path` returns, but cheaper, because every read needs them.
    """
    directory = f"{photo_version.volume}/{shard_of(photo_version.photo)}/{photo_version.photo}"
    return f"{directory}.gone", f"{directory}_{photo_version.version}.gone"


def parse_path(text: str) -> PhotoFile:
    """Parse what `render_path` returns.

    >>> parse_path("42/k7/01jd3x8m2c9qp4k7.gone")
    PhotoTombstone(volume=42, photo='01jd3x8m2c9qp4k7')

    Raises:
        InvalidPath: The text is not a photo path.
    """
    volume_text, _, shard_and_name = text.partition("/")
    shard, _, name = shard_and_name.partition("/")
    volume = parse_volume(volume_text)
    file = parse_name(volume, name)
    if (
        shard_of(file.photo if isinstance(file, PhotoTombstone) else file.photo_version.photo)
        != shard
    ):
        raise InvalidPath(f"{text!r} names a photo of another shard than {shard!r}")
    return file


def parse_name(volume: VolumeId, name: str) -> PhotoFile:
    """Parse the name of a file in one of the volume's shard directories.

    Raises:
        InvalidPath: The text is not the name of a photo file.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidPath(f"{name!r} is not the name of a photo file")
    photo = PhotoId(match["photo"])
    if match["version"] is None:
        if match["suffix"] == "gone":
            return PhotoTombstone(volume, photo)
        raise InvalidPath(f"{name!r} has no version; only a tombstone can lack one")
    photo_version = PhotoVersion(volume, photo, Version(match["version"]))
    if match["attempt"] is not None:
        if match["suffix"] == "try":
            return Attempt(photo_version, int(match["attempt"]))
        raise InvalidPath(f"{name!r} has the number of an attempt but not its suffix")
    return _parse_suffix(photo_version, match["size"], match["suffix"])


def _parse_suffix(photo_version: PhotoVersion, size: str | None, suffix: str) -> PhotoFile:
    if size is not None:
        if suffix in EXTENSIONS:
            return Variant(photo_version, size, suffix)
        raise InvalidPath(f"{suffix!r} is not the suffix of a variant")
    match suffix:
        case "json":
            return Info(photo_version)
        case "fail":
            return Failure(photo_version)
        case "gone":
            return VersionTombstone(photo_version)
        case _:
            raise InvalidPath(f"suffix {suffix!r} needs a size")


def parse_volume(text: str) -> VolumeId:
    """Parse a volume number: 1 to 65535 without a leading zero.

    Raises:
        InvalidPath: The text is not a volume number.
    """
    if not _VOLUME.fullmatch(text) or int(text) > VOLUME_MAX:
        raise InvalidPath(f"{text!r} is not a volume: 1 to {VOLUME_MAX}, no leading zero")
    return VolumeId(int(text))


def parse_photo_version(text: str) -> PhotoVersion:
    """Parse VOLUME/PHOTO/VERSION, which `str(PhotoVersion)` returns.

    Raises:
        InvalidPath: The volume is invalid, or the text does not have three parts.
        InvalidPhotoId: The photo id or the version is invalid.
    """
    parts = text.split("/")
    if len(parts) != 3:
        raise InvalidPath(f"{text!r} is not VOLUME/PHOTO/VERSION")
    return PhotoVersion(parse_volume(parts[0]), parse_photo_id(parts[1]), parse_version(parts[2]))
