"""The photo of an Idempotency-Key: its id, its version, and its volumes follow from the key."""

from dataclasses import dataclass
from functools import lru_cache

from permission_urls import VolumeRanges
from storagemaster.errors import UnknownVolume
from storagemaster.mirrors.key_volumes import KeyVolumes
from storagemaster.mirrors.mirrors import Mirrors
from volumes.cluster import Volume
from volumes.photo_id import PhotoId, Version, derive_photo_id

# Tokens that are limited to volumes name few different sets of them.
VOLUME_SETS_MAX = 64


@dataclass(frozen=True, slots=True)
class KeyedPhoto:
    """The photo that all uploads with one key are."""

    photo: PhotoId
    version: Version
    volumes: tuple[Volume, ...]
    """The volumes that can have it, the key's own volume last."""


class KeyedPhotos:
    """The photos of all keys. Each application has its own."""

    def __init__(self, mirrors: Mirrors, *, secret: bytes) -> None:
        self._mirrors = mirrors
        self._secret = secret
        self._key_volumes = lru_cache(VOLUME_SETS_MAX)(self._volumes_of_map)
        # No upload waits while the ring of a large cluster is made.
        self._key_volumes(mirrors.cluster.map_version, None)

    def of(self, key: str, *, application: str, own_volumes: VolumeRanges | None) -> KeyedPhoto:
        """Return the photo of an application's key.

        Raises:
            UnknownVolume: The cluster has none of the application's volumes.
        """
        photo, version = derive_photo_id(key, application=application, secret=self._secret)
        version_of_map = self._mirrors.cluster.map_version
        volumes = self._key_volumes(version_of_map, own_volumes).of(photo)
        if not volumes:
            raise UnknownVolume("the cluster has none of the volumes of this token")
        return KeyedPhoto(photo, version, volumes)

    def _volumes_of_map(self, _map_version: int, ranges: VolumeRanges | None) -> KeyVolumes:
        return KeyVolumes(self._mirrors.cluster, ranges)
