"""Photo paths: the one name a file has on disk, in URLs and in S3, made and parsed.

`render_path` and `parse_path` are inverses. Nothing else joins or splits these names.

    42/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg     Variant: one size of one version
    42/k7/01jd3x8m2c9qp4k7_3fz8qd.json      Info: all sizes are made, and what they are
    42/k7/01jd3x8m2c9qp4k7_3fz8qd_1.try     Attempt: making the sizes failed once, and why
    42/k7/01jd3x8m2c9qp4k7_3fz8qd.fail      Failure: why sizes could not be made
    42/k7/01jd3x8m2c9qp4k7_3fz8qd.gone      VersionTombstone: this version is gone for ever
    42/k7/01jd3x8m2c9qp4k7.gone             PhotoTombstone: every version is gone for ever
"""

import re
from dataclasses import dataclass
from typing import NewType

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
EXTENSIONS = ("jpg", "png", "gif", "webp", "avif", "heic", "tif")
ATTEMPT_NUMBERS = (1, 2)
"""Failed attempts that have a note each; the one after them is noted as the `Failure`."""

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
    """One version of one photo: all that an application has to remember.

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
        """The directory the photo's files are in."""
        return shard_of(self.photo)


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of pixels: a size of a version in a format. Size `o` is the original."""

    photo_version: PhotoVersion
    size: str
    ext: str

    @property
    def is_original(self) -> bool:
        """Whether these are the bytes as uploaded."""
        return self.size == ORIGINAL_LETTER


@dataclass(frozen=True, slots=True)
class Info:
    """The info document. Its presence says that all sizes are made."""

    photo_version: PhotoVersion


@dataclass(frozen=True, slots=True)
class Failure:
    """The note that says why sizes could not be made. A later info overrules it."""

    photo_version: PhotoVersion


@dataclass(frozen=True, slots=True)
class Attempt:
    """The note that making sizes was tried in vain for the first or the second time, and why."""

    photo_version: PhotoVersion
    number: int


@dataclass(frozen=True, slots=True)
class VersionTombstone:
    """Says that one version is gone for ever."""

    photo_version: PhotoVersion


@dataclass(frozen=True, slots=True)
class PhotoTombstone:
    """Says that every version of a photo is gone for ever."""

    volume: VolumeId
    photo: PhotoId


PhotoFile = Variant | Info | Attempt | Failure | VersionTombstone | PhotoTombstone
"""Anything that has a photo path."""


def shard_of(photo: PhotoId) -> str:
    """The photo's shard: the last two characters of its id, which are random."""
    return photo[-_SHARD_LENGTH:]


def render_path(file: PhotoFile) -> str:
    """The path below a node's root, which is also the S3 key and the URL without its permission.

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
    """The volume that a file is in."""
    return file.volume if isinstance(file, PhotoTombstone) else file.photo_version.volume


def render_stem(photo_version: PhotoVersion) -> str:
    """What all paths of one version begin with."""
    name = f"{photo_version.photo}_{photo_version.version}"
    return f"{photo_version.volume}/{photo_version.shard}/{name}"


def tombstone_paths(photo_version: PhotoVersion) -> tuple[str, str]:
    """The paths of the two tombstones either of which makes a version gone: photo's, version's.

    As `render_path` has them; asked for at every read, so made at once.
    """
    directory = f"{photo_version.volume}/{shard_of(photo_version.photo)}/{photo_version.photo}"
    return f"{directory}.gone", f"{directory}_{photo_version.version}.gone"


def parse_path(text: str) -> PhotoFile:
    """The file a path names; the inverse of `render_path`.

    >>> parse_path("42/k7/01jd3x8m2c9qp4k7.gone")
    PhotoTombstone(volume=42, photo='01jd3x8m2c9qp4k7')

    Raises:
        InvalidPath: No photo file has this path.
    """
    volume_text, _, rest = text.partition("/")
    shard, _, name = rest.partition("/")
    volume = parse_volume(volume_text)
    file = parse_name(volume, name)
    if (
        shard_of(file.photo if isinstance(file, PhotoTombstone) else file.photo_version.photo)
        != shard
    ):
        raise InvalidPath(f"{text!r} names a photo that is not of shard {shard!r}")
    return file


def parse_name(volume: VolumeId, name: str) -> PhotoFile:
    """The file a name stands for in one of the volume's shard directories.

    Raises:
        InvalidPath: No photo file has this name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidPath(f"{name!r} is not the name of a photo file")
    photo = PhotoId(match["photo"])
    if match["version"] is None:
        if match["suffix"] == "gone":
            return PhotoTombstone(volume, photo)
        raise InvalidPath(f"{name!r} has no version, and only a tombstone may lack one")
    photo_version = PhotoVersion(volume, photo, Version(match["version"]))
    if match["attempt"] is not None:
        if match["suffix"] == "try":
            return Attempt(photo_version, int(match["attempt"]))
        raise InvalidPath(f"{name!r} has the number of an attempt and is no note of one")
    return _parse_suffix(photo_version, match["size"], match["suffix"])


def _parse_suffix(photo_version: PhotoVersion, size: str | None, suffix: str) -> PhotoFile:
    if size is not None:
        if suffix in EXTENSIONS:
            return Variant(photo_version, size, suffix)
        raise InvalidPath(f"{suffix!r} is not a format a variant can have")
    match suffix:
        case "json":
            return Info(photo_version)
        case "fail":
            return Failure(photo_version)
        case "gone":
            return VersionTombstone(photo_version)
        case _:
            raise InvalidPath(f"{suffix!r} without a size names nothing")


def parse_volume(text: str) -> VolumeId:
    """The text as a volume number, 1 to 65535 with no leading zero.

    Raises:
        InvalidPath: It is not one.
    """
    if not _VOLUME.fullmatch(text) or int(text) > VOLUME_MAX:
        raise InvalidPath(f"{text!r} is not a volume: 1 to {VOLUME_MAX}, no leading zero")
    return VolumeId(int(text))


def parse_photo_version(text: str) -> PhotoVersion:
    """The inverse of `str(PhotoVersion)`: what a person types as VOLUME/PHOTO/VERSION.

    Raises:
        InvalidPath: The volume is not one, or there are not three parts.
        InvalidPhotoId: The photo or the version is not one.
    """
    parts = text.split("/")
    if len(parts) != 3:
        raise InvalidPath(f"{text!r} is not VOLUME/PHOTO/VERSION")
    return PhotoVersion(parse_volume(parts[0]), parse_photo_id(parts[1]), parse_version(parts[2]))
