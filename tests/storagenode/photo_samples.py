"""Photos for tests: places, bytes, and digests by number."""

import hashlib

from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.photo_id import ALPHABET, PhotoId, Version
from volumes.photo_path import Info, PhotoVersion, Variant, VolumeId

VOLUME = VolumeId(42)
OTHER_VOLUME = VolumeId(43)
MTIME = 1_700_000_000
SIZES = "sqtmnwdzcbhk"

Bundle = list[tuple[Place, bytes, str]]


def version_of(number: int, *, version: int = 0, volume: VolumeId = VOLUME) -> PhotoVersion:
    """Return the photo with this number. Up to 1024, each has its own shard."""
    shard = ALPHABET[number // 32 % 32] + ALPHABET[number % 32]
    photo = PhotoId(f"01jd3x8m2c{number:04d}{shard}")
    return PhotoVersion(volume, photo, Version(f"{version:06d}"))


def variant_of(
    photo_version: PhotoVersion, size: str = "o", *, hint_for: str | None = None
) -> Place:
    """Return one JPEG of a version."""
    return Place(Variant(photo_version, size, "jpg"), NodeId(hint_for) if hint_for else None)


def bytes_of(name: object, *, size: int = 100) -> bytes:
    """Return bytes that look random and depend only on the name."""
    block = hashlib.sha512(str(name).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def digest_of(data: bytes) -> str:
    """Return the SHA-256 as the node records it."""
    return hashlib.sha256(data).hexdigest()


def bundle_of(
    photo_version: PhotoVersion, *, sizes: str = SIZES, hint_for: str | None = None
) -> Bundle:
    """Return all sizes of a version and then its info."""
    node = NodeId(hint_for) if hint_for else None
    places = [Place(Variant(photo_version, size, "jpg"), node) for size in sizes]
    places.append(Place(Info(photo_version), node))
    return [(place, data, digest_of(data)) for place in places for data in [bytes_of(place)]]
