"""Jobs of an image worker: make the sizes of an original, and upload them to a storagemaster."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imageworker.made_sizes import MadeSizes, MadeVariant
from imageworker.processing_errors import TransientFailure, UnprocessablePhoto
from imageworker.recipe import Recipe
from imageworker.sandbox.child import SizesMaker
from permission_urls import KeySource, verify_job
from runtime.crashpoint import crashpoint
from runtime.request_scope import describe_request
from storagemaster.client import MasterClient, MasterRefused
from storagemaster.job_wire import JobKind, fields_to_sign
from storagenode.client import NodeClient
from storagenode.protocol.errors import Gone, NodeError
from storagenode.protocol.files import FetchedFile
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, render_bundle
from volumes.attempts import next_failure_record
from volumes.cluster import Cluster, Colo, Node, NodeId
from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    PhotoFile,
    PhotoVersion,
    Variant,
    parse_name,
    parse_path,
    render_path,
)
from volumes.version_files import VersionFiles, VersionState

log = logging.getLogger(__name__)


class OriginalUnavailable(Exception):
    """No mirror returned the original."""


class AttemptFailed(Exception):
    """A transient failure while making the sizes; the attempt is recorded beside the original."""


@dataclass(frozen=True, slots=True)
class _Work:
    kind: JobKind
    original: Variant
    files: frozenset[PhotoFile]
    """Files of the photo on the mirrors that responded."""

    @property
    def photo_version(self) -> PhotoVersion:
        return self.original.photo_version


class SizesJob:
    """Handler of the sizes jobs of one worker."""

    def __init__(
        self,
        cluster: Cluster,
        keys: KeySource,
        nodes: Mapping[NodeId, NodeClient],
        masters: MasterClient,
        maker: SizesMaker,
        *,
        colo: Colo,
        recipe: Recipe,
    ) -> None:
        self._cluster = cluster
        self._keys = keys
        self._nodes = nodes
        self._masters = masters
        self._maker = maker
        self._colo = colo
        self._recipe = recipe

    async def run(self, path: str, signature: str, *, kind: JobKind = JobKind.SIZES) -> str:
        """Make the sizes of the original at `path`, and store them on its mirrors.

        Idempotent: a photo that already has its sizes or its failure is skipped.

        Returns:
            `ready`, `failed`, `gone`, `already_done`, or `already_failed`.

        Raises:
            Forbidden: The job has no valid signature of a storagemaster.
            OriginalUnavailable: No mirror returned the original; retry later.
            NoMasterAvailable: No storagemaster responded; retry later.
            AttemptFailed: A transient failure; retry later.
        """
        verify_job(self._keys, signature, fields_to_sign(kind, path))
        original = parse_path(path)
        assert isinstance(original, Variant), "a storagemaster signs originals only"
        describe_request(reference=str(original.photo_version))
        crashpoint("job_taken")
        work = _Work(kind, original, await self._files_of(original.photo_version))
        outcome = _earlier_outcome(work)
        if outcome is None:
            outcome = await self._process(work)
        crashpoint("before_job_done")
        return outcome

    async def _process(self, work: _Work) -> str:
        try:
            fetched = await self._fetch(work.original)
        except Gone:
            return "gone"
        crashpoint("fetched")
        try:
            files = await asyncio.to_thread(self._make, work, fetched.data)
        except UnprocessablePhoto as error:
            log.info("%s cannot be processed: %s", render_path(work.original), error.reason)
            return await self._record_failure(work, error, fetched)
        crashpoint("made")
        return (
            await self._upload(work.photo_version, files, fetched, "ready")
            if files
            else "already_done"
        )

    def _make(self, work: _Work, original: bytes) -> list[BundledFile]:
        if work.kind is JobKind.SECOND_PASS:
            return _variants(
                work.photo_version, self._maker.make_second_pass(original, self._recipe)
            )
        return _bundle(work.photo_version, self._maker.make(original, self._recipe))

    async def _record_failure(
        self, work: _Work, error: UnprocessablePhoto, fetched: FetchedFile
    ) -> str:
        """Store the reason beside the original: permanently, or as one failed attempt."""
        if work.kind is JobKind.SECOND_PASS or Failure(work.photo_version) in work.files:
            return "already_failed"
        failure: Attempt | Failure = Failure(work.photo_version)
        if isinstance(error, TransientFailure):
            failure = next_failure_record(work.photo_version, work.files)
        outcome = await self._upload(
            work.photo_version, [_failure_document(failure, error)], fetched, "failed"
        )
        if outcome == "failed" and isinstance(failure, Attempt):
            raise AttemptFailed(f"attempt {failure.number}: {error.reason}") from error
        return outcome

    async def _upload(
        self,
        photo_version: PhotoVersion,
        files: Sequence[BundledFile],
        fetched: FetchedFile,
        outcome: str,
    ) -> str:
        # The sizes get the mtime of their original, so that all mirrors and retries agree.
        mtime = fetched.metadata.mtime_seconds
        crashpoint("before_put")
        try:
            await self._masters.put_bundle(photo_version, render_bundle(files), mtime_seconds=mtime)
        except MasterRefused as error:
            log.info("a storagemaster rejected the sizes of %s: %s", photo_version, error)
            return "gone"
        crashpoint("after_put")
        return outcome

    async def _files_of(self, photo_version: PhotoVersion) -> frozenset[PhotoFile]:
        listings = await asyncio.gather(
            *(
                self._nodes[n.id].list_photo(photo_version.volume, photo_version.photo)
                for n in self._mirrors(photo_version)
            ),
            return_exceptions=True,
        )
        files = set()
        for listing in listings:
            if isinstance(listing, BaseException):
                if not isinstance(listing, NodeError):
                    raise listing
                continue
            files |= {parse_name(photo_version.volume, listed.name) for listed in listing}
        return frozenset(files)

    async def _fetch(self, original: Variant) -> FetchedFile:
        failures = []
        for node in self._mirrors(original.photo_version):
            try:
                return await self._nodes[node.id].fetch(Place(original))
            except Gone:
                raise
            except NodeError as error:
                failures.append(f"{node.id}: {error}")
        raise OriginalUnavailable("; ".join(failures))

    def _mirrors(self, photo_version: PhotoVersion) -> list[Node]:
        mirrors = self._cluster.mirrors_of(photo_version.volume)
        return sorted(mirrors, key=lambda node: node.colo != self._colo)


def _earlier_outcome(work: _Work) -> str | None:
    """Return the outcome if the photo needs no work, otherwise None."""
    match VersionFiles(work.photo_version, work.files).state, work.kind:
        case VersionState.GONE, _:
            return "gone"
        case VersionState.READY, JobKind.SIZES | JobKind.AGAIN:
            return "already_done"
        case VersionState.FAILED, JobKind.SIZES:
            return "already_failed"
        case _:
            return None


def _bundle(photo_version: PhotoVersion, made: MadeSizes) -> list[BundledFile]:
    return [*_variants(photo_version, made.variants), _bundled(Info(photo_version), made.info)]


def _variants(photo_version: PhotoVersion, made: Sequence[MadeVariant]) -> list[BundledFile]:
    return [_bundled(Variant(photo_version, v.letter, v.ext), v.data) for v in made]


def _failure_document(failure: Attempt | Failure, error: UnprocessablePhoto) -> BundledFile:
    document = {"reason": error.reason, "kind": error.kind}
    return _bundled(failure, json.dumps(document, sort_keys=True).encode())


def _bundled(file: PhotoFile, data: bytes) -> BundledFile:
    return BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)
