"""Photos by their keys: which of them an application has stored.

The names of a photo's files follow from its key. A photo that is uploaded with the key of its
digest is found by the digest, and one that is uploaded with a ticket by the ticket. So no table of
digests or tickets is needed, and the photos of another application have other names.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from permission_urls import VolumeRanges
from storagemaster.known_wire import KnownPhoto, digest_key
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.uploads.keyed_photos import KeyedPhoto, KeyedPhotos
from volumes.cluster import NodeId
from volumes.photo_path import PhotoFile, PhotoVersion
from volumes.version_files import VersionFiles, possible_originals, tombstones_of

# A key has one volume, and before it the volumes that were its own until they were closed. A photo
# in a volume that is not queried is not called absent.
VOLUMES_MAX = 3
# The names of one request are in as many directories, which a disk that is busy reads for seconds.
PATIENCE_SECONDS = 5.0

DigestsOf = Mapping[PhotoFile, frozenset[str]]
"""The digests that mirrors have recorded for each existing file."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """State of the photo of a key, with the reference of a stored one."""

    state: str
    reference: str | None = None


class KnownPhotos:
    """Searches for up to `known_wire.KNOWN_PHOTOS_MAX` photos at once."""

    def __init__(self, mirrors: Mirrors, keyed_photos: KeyedPhotos) -> None:
        self._mirrors = mirrors
        self._keyed_photos = keyed_photos

    async def find(
        self, digests: Sequence[str], *, application: str, own_volumes: VolumeRanges | None
    ) -> list[KnownPhoto]:
        """Return the photo of each digest, in order.

        Raises:
            UnknownVolume: The cluster has none of the application's volumes.
        """
        keys = {digest_key(sha256): sha256 for sha256 in digests}
        states = await self._states(keys, application=application, own_volumes=own_volumes)
        found = {keys[key]: state for key, state in states.items()}
        return [
            KnownPhoto(sha256=each, state=found[each].state, reference=found[each].reference)
            for each in digests
        ]

    async def states_of(
        self, keys: Sequence[str], *, application: str, own_volumes: VolumeRanges | None
    ) -> list[KeyState]:
        """Return the state of each key, whatever the digest of its photo.

        Raises:
            UnknownVolume: The cluster has none of the application's volumes.
        """
        states = await self._states(
            dict.fromkeys(keys), application=application, own_volumes=own_volumes
        )
        return [states[key] for key in keys]

    async def _states(
        self,
        digest_of: Mapping[str, str | None],
        *,
        application: str,
        own_volumes: VolumeRanges | None,
    ) -> dict[str, KeyState]:
        photos = {
            key: self._keyed_photos.of(key, application=application, own_volumes=own_volumes)
            for key in digest_of
        }
        requested: dict[NodeId, list[PhotoFile]] = defaultdict(list)
        for photo in photos.values():
            for volume in photo.volumes[-VOLUMES_MAX:]:
                version = PhotoVersion(volume.number, photo.photo, photo.version)
                for node in volume.mirrors:
                    requested[node] += (*tombstones_of(version), *possible_originals(version))
        found = await self._mirrors.query(
            requested,
            lambda id_, node: node.digests(requested[id_]),
            patience_seconds=PATIENCE_SECONDS,
        )
        files: dict[PhotoFile, frozenset[str]] = {}
        for listed in found.results.values():
            for file, digest in listed.items():
                files[file] = files.get(file, frozenset()) | {digest}
        has_no_hints = self._has_no_hints()

        def is_complete(photo: KeyedPhoto) -> bool:
            mirrors = {node for volume in photo.volumes for node in volume.mirrors}
            return has_no_hints and mirrors <= found.results.keys()

        return {
            key: key_state(photo, files, sha256=digest_of[key], is_complete=is_complete(photo))
            for key, photo in photos.items()
        }

    def _has_no_hints(self) -> bool:
        """Return True if no node can have a photo that its mirrors lack."""
        views = self._mirrors.fleet.view().values()
        return all(view.status is not None and not view.status.hints for view in views)


def key_state(
    photo: KeyedPhoto, files: DigestsOf, *, sha256: str | None, is_complete: bool
) -> KeyState:
    """Return the state that the files of a key's photo prove; other bytes than `sha256` are absent.

    With `is_complete`, no other file of the photo exists anywhere.
    """
    versions = [PhotoVersion(v.number, photo.photo, photo.version) for v in photo.volumes]
    found = [VersionFiles(each, files) for each in versions]
    # Tombstones first: a mirror that has not received one may still have a copy.
    if any(version.is_gone for version in found):
        return KeyState("gone")
    originals = [version.original for version in found if version.original is not None]
    for original in originals:
        if sha256 is None or sha256 in files[original]:
            return KeyState("stored", str(original.photo_version))
    # A copy that has lost its digest can be the photo. Other bytes under the key are not.
    is_absent = is_complete and not any("" in files[original] for original in originals)
    return KeyState("absent" if is_absent else "unavailable")
