"""Lookups of photos: their states, the lists of volumes, and the wait for sizes."""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from glassplate.errors import NotReadyInTime, SizesFailed
from glassplate.urls.references import parse_version_reference
from storagemaster import wire
from storagemaster.known_wire import KnownPhoto, TicketUse
from storagemaster.wire import PhotoPage, PhotoStatus
from volumes.photo_path import PhotoVersion

if TYPE_CHECKING:
    from glassplate.session.cluster_session import ClusterSession

READY_PAUSE_SECONDS_MIN = 0.1
READY_PAUSE_SECONDS_MAX = 1.0
# A page lists several shards, each on the disks of all mirrors.
LIST_SECONDS = 120.0


class Lookups(ABC):
    """The part of a client that looks photos up."""

    async def info(self, reference: str | PhotoVersion) -> PhotoStatus:
        """Return the state of a photo version (pending, ready, or failed) and its URLs.

        Raises:
            NotFound: The photo version does not exist.
            PhotoGone: The photo version was deleted.
        """
        fields = asdict(parse_version_reference(reference))
        return await self._opened().request(wire.PHOTO, wire.parse_status, fields)

    async def infos(self, references: Sequence[str | PhotoVersion]) -> list[PhotoStatus]:
        """Return the states of many photo versions, in order, including `gone` and `unknown`."""
        return await self._opened().photos([parse_version_reference(each) for each in references])

    async def known(self, digests: Sequence[str]) -> list[KnownPhoto]:
        """Return the photo of each SHA-256 in hex, in order, so that it need not be sent again.

        Only photos of this application are found, and of them only photos that were uploaded with
        `glassplate.digest_key(sha256)` as `idempotency_key`. An upload with this key is safe in any
        state.
        """
        return await self._opened().known(digests)

    async def ticket_uses(self, ticket: str) -> list[TicketUse]:
        """Return the photos that a ticket permits, in the order of their index.

        An application that can have lost events finds what was uploaded with its tickets, also with
        one that has ended.

        Raises:
            NotFound: It is not a ticket of this application.
        """
        return await self._opened().ticket_uses(ticket)

    async def list_photos(
        self, volume: int, *, after: str | None = None, limit: int = wire.PAGE_PHOTOS_MAX
    ) -> PhotoPage:
        """Return up to `limit` photo versions of a volume that are stored and not deleted.

        Pass the page's `after` to get the next page; it is None on the last. The list is complete
        if no page has `unreachable` mirrors.

        Raises:
            NotFound: The volume does not exist.
        """
        query = [("volume", str(volume)), ("limit", str(limit))]
        query += [("after", after)] if after is not None else []
        return await self._opened().request(
            wire.PHOTOS_OF_VOLUME, wire.parse_page, query=query, response_seconds_min=LIST_SECONDS
        )

    async def pages(self, volume: int) -> AsyncIterator[PhotoPage]:
        """Yield all pages of a volume's photos."""
        after: str | None = None
        while True:
            page = await self.list_photos(volume, after=after)
            yield page
            after = page.after
            if after is None:
                return

    async def wait_until_ready(
        self, reference: str | PhotoVersion, timeout_seconds: float = 60
    ) -> PhotoStatus:
        """Wait until every size of a photo version is made.

        Raises:
            SizesFailed: The sizes cannot be made, for its `reason`. The original is stored.
            NotReadyInTime: The timeout expired.
        """
        import asyncio

        ends_seconds = time.monotonic() + timeout_seconds
        pause_seconds = READY_PAUSE_SECONDS_MIN
        while True:
            status = await self.info(reference)
            if status.state == "ready":
                return status
            if status.state == "failed":
                raise SizesFailed(
                    f"sizes of {reference} cannot be made: {status.reason}", reason=status.reason
                )
            if time.monotonic() + pause_seconds > ends_seconds:
                raise NotReadyInTime(
                    f"the sizes of {reference} were not made within {timeout_seconds:g} s"
                )
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, READY_PAUSE_SECONDS_MAX)

    @abstractmethod
    def _opened(self) -> "ClusterSession":
        """Return the open session."""
