"""The photo of an Idempotency-Key: its id, its version, and its volumes follow from the key."""

from dataclasses import dataclass
from functools import lru_cache, partial

from permission_urls import VolumeRanges
from storagemaster.errors import UnknownVolume
from storagemaster.mirrors.key_volumes import KeyVolumes
from volumes.cluster import Cluster, Volume
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

    def __init__(self, cluster: Cluster, *, secret: bytes) -> None:
        self._secret = secret
        self._key_volumes = lru_cache(VOLUME_SETS_MAX)(partial(KeyVolumes, cluster))
        self._key_volumes(None)  # no upload waits while the ring of a large cluster is made

    def of(self, key: str, *, application: str, own_volumes: VolumeRanges | None) -> KeyedPhoto:
        """Return the photo of an application's key.

        Raises:
            UnknownVolume: The cluster has none of the application's volumes.
        """
        photo, version = derive_photo_id(key, application=application, secret=self._secret)
        volumes = self._key_volumes(own_volumes).of(photo)
        if not volumes:
            raise UnknownVolume("the cluster has none of the volumes of this token")
        return KeyedPhoto(photo, version, volumes)
