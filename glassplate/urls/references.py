"""References to photos, as text: VOLUME/PHOTO/VERSION or VOLUME/PHOTO."""

from dataclasses import dataclass

from glassplate.errors import BadReference
from volumes.photo_id import InvalidPhotoId, PhotoId, Version, parse_photo_id, parse_version
from volumes.photo_path import InvalidPath, PhotoVersion, VolumeId, parse_volume


@dataclass(frozen=True, slots=True)
class PhotoReference:
    """A photo, or one version of it. `version` is None for all versions.

    >>> str(PhotoReference(VolumeId(42), PhotoId("01jd3x8m2c9qp4k7"), None))
    '42/01jd3x8m2c9qp4k7'
    """

    volume: VolumeId
    photo: PhotoId
    version: Version | None

    def __str__(self) -> str:
        return "/".join(filter(None, (str(self.volume), self.photo, self.version)))


def parse_version_reference(text: str | PhotoVersion) -> PhotoVersion:
    """Parse VOLUME/PHOTO/VERSION.

    >>> parse_version_reference("42/01jd3x8m2c9qp4k7/3fz8qd").version
    '3fz8qd'

    Raises:
        BadReference: The text has another form.
    """
    if isinstance(text, PhotoVersion):
        return text
    reference = parse_reference(text)
    if reference.version is None:
        raise BadReference(f"{text!r} lacks the version: must be VOLUME/PHOTO/VERSION")
    return PhotoVersion(reference.volume, reference.photo, reference.version)


def parse_photo(text: str) -> PhotoId:
    """Parse the photo of an id, VOLUME/PHOTO, or VOLUME/PHOTO/VERSION.

    Raises:
        BadReference: The text has another form.
    """
    if "/" in text:
        return parse_reference(text).photo
    try:
        return parse_photo_id(text)
    except InvalidPhotoId as error:
        raise BadReference(f"invalid photo id {text!r}: {error}") from error


def parse_reference(text: str | PhotoVersion) -> PhotoReference:
    """Parse VOLUME/PHOTO or VOLUME/PHOTO/VERSION.

    Raises:
        BadReference: The text has another form.
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
