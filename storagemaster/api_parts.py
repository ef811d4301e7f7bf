"""Handlers that are made of several parts of the write path."""

import time
from collections.abc import Container

import aiohttp

from permission_urls import KeySource, Purpose, ReadSigner
from storagemaster.admission.authorization import Authorization
from storagemaster.handlers.map_api import MapApi
from storagemaster.handlers.operator_api import OperatorApi
from storagemaster.handlers.regenerate_api import RegenerateApi
from storagemaster.handlers.tus_api import TusApi
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.erasures import Erasures
from storagemaster.lifecycle.regeneration import Regeneration
from storagemaster.lifecycle.relinking import Relinking
from storagemaster.lifecycle.revokes import Revokes
from storagemaster.lifecycle.undeletes import Undeletes
from storagemaster.maps.following import MapFollowing
from storagemaster.maps.history import MapHistory
from storagemaster.maps.proposing import MapProposing
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoReader
from storagemaster.operations.scrubs import Scrubs
from storagemaster.operations.unfencing import Unfencing
from storagemaster.photos.explanations import Explanations
from storagemaster.photos.photo_search import PhotoSearch
from storagemaster.photos.photos import Photos
from storagemaster.photos.viewer_responses import ViewerResponses
from storagemaster.resumable.completion import Completion
from storagemaster.resumable.partial_copies import PartialCopies
from storagemaster.resumable.resumable_uploads import ResumableUploads
from storagemaster.uploads.uploads import Uploads


def operator_api(
    mirrors: Mirrors,
    uploads: Uploads,
    photos: Photos,
    deletes: Deletes,
    queue: SizesQueue,
    keys: KeySource,
    session: aiohttp.ClientSession,
    following: MapFollowing,
) -> OperatorApi:
    """Return the routes of operators."""
    responses = ViewerResponses(mirrors, ReadSigner(keys), session)
    explanations = Explanations(mirrors, photos, queue, responses)
    undeletes, search = Undeletes(mirrors, uploads), PhotoSearch(mirrors)
    erasures, unfencing = Erasures(mirrors, deletes, keys), Unfencing(mirrors)
    proposing, history = (
        MapProposing(mirrors, following, keys),
        MapHistory(mirrors, following, keys),
    )
    maps = MapApi(following, proposing, history)
    scrubs = Scrubs(mirrors)
    return OperatorApi(undeletes, search, explanations, scrubs, unfencing, erasures, maps)


def revokes(
    mirrors: Mirrors,
    reads: PhotoReader,
    mirroring: Mirroring,
    photos: Photos,
    deletes: Deletes,
    queue: SizesQueue,
    keys: KeySource,
) -> Revokes:
    """Return the revocations."""
    relinking = Relinking(mirrors, reads, mirroring)
    secret = keys.ring(Purpose.PHOTO_ID).idempotency_secret
    return Revokes(mirrors, reads, photos, relinking, deletes, queue, key_secret=secret)


def regenerate_api(
    mirrors: Mirrors,
    reads: PhotoReader,
    mirroring: Mirroring,
    queue: SizesQueue,
    keys: KeySource,
) -> RegenerateApi:
    """Return the routes of regenerations."""
    relinking = Relinking(mirrors, reads, mirroring)
    secret = keys.ring(Purpose.PHOTO_ID).idempotency_secret
    return RegenerateApi(Regeneration(mirrors, reads, relinking, queue, key_secret=secret))


def resumable_api(
    mirrors: Mirrors,
    mirroring: Mirroring,
    uploads: Uploads,
    keys: KeySource,
    authorization: Authorization,
    revoked_tokens: Container[str],
) -> TusApi:
    """Return the routes of resumable uploads."""
    copies, completion = PartialCopies(mirrors), Completion(mirrors, mirroring)
    resumable = ResumableUploads(
        uploads, mirrors, copies, completion, PhotoReader(mirrors), keys, now_seconds=time.time
    )
    bytes_max = mirrors.cluster.limits.upload_bytes_max
    return TusApi(resumable, authorization, bytes_max=bytes_max, revoked_tokens=revoked_tokens)
