"""What an application remembers of a photo, as text: VOLUME/PHOTO/VERSION."""

from dataclasses import dataclass

from glassplate.errors import BadReference
from volumes.photo_id import InvalidPhotoId, PhotoId, Version, parse_photo_id, parse_version
from volumes.photo_path import InvalidPath, PhotoVersion, VolumeId, parse_volume


@dataclass(frozen=True, slots=True)
class PhotoReference:
    """A photo, or one version of it; `version` is None for all of them.

    >>> str(PhotoReference(VolumeId(42), PhotoId("01jd3x8m2c9qp4k7"), None))
    '42/01jd3x8m2c9qp4k7'
    """

    volume: VolumeId
    photo: PhotoId
    version: Version | None

    def __str__(self) -> str:
        return "/".join(filter(None, (str(self.volume), self.photo, self.version)))


def parse_version_reference(text: str | PhotoVersion) -> PhotoVersion:
    """The photo version that VOLUME/PHOTO/VERSION names.

    >>> parse_version_reference("42/01jd3x8m2c9qp4k7/3fz8qd").version
    '3fz8qd'

    Raises:
        BadReference: It names none.
    """
    if isinstance(text, PhotoVersion):
        return text
    reference = parse_reference(text)
    if reference.version is None:
        raise BadReference(f"{text!r} lacks the version: it must be VOLUME/PHOTO/VERSION")
    return PhotoVersion(reference.volume, reference.photo, reference.version)


def parse_photo(text: str) -> PhotoId:
    """The photo that an id, VOLUME/PHOTO or VOLUME/PHOTO/VERSION names.

    Raises:
        BadReference: It names none.
    """
    if "/" in text:
        return parse_reference(text).photo
    try:
        return parse_photo_id(text)
    except InvalidPhotoId as error:
        raise BadReference(f"{text!r} is not a photo: {error}") from error


def parse_reference(text: str | PhotoVersion) -> PhotoReference:
    """The photo that VOLUME/PHOTO names, or the version of it that VOLUME/PHOTO/VERSION names.

    Raises:
        BadReference: It names none.
    """
    if isinstance(text, PhotoVersion):
        return PhotoReference(text.volume, text.photo, text.version)
    parts = text.split("/")
    if len(parts) not in {2, 3}:
        raise BadReference(f"{text!r} is not VOLUME/PHOTO/VERSION")
    try:
        version = parse_version(parts[2]) if len(parts) == 3 else None
        return PhotoReference(parse_volume(parts[0]), parse_photo_id(parts[1]), version)
    except (InvalidPath, InvalidPhotoId) as error:
        raise BadReference(f"{text!r} is not VOLUME/PHOTO/VERSION: {error}") from error
