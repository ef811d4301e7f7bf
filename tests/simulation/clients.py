"""Clients of a simulated cluster: upload, retry, delete, revoke, undelete, and read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

from drill.history import Op
from storagemaster.errors import MasterError
from storagemaster.photos.photo_urls import UrlGrant
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import UploadRequest
from storagemaster.wire import Receipt
from storagenode.protocol.errors import NodeError
from tests.simulation.ledger import StoredPhoto, version_of
from tests.simulation.network import Machine
from tests.simulation.response_checks import (
    check_audit_log,
    check_read,
    check_receipt,
    check_removal,
    mirrors_with,
    tombstone_of,
)
from tests.simulation.simulated_master import SimulatedMaster
from tests.simulation.world import World
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, Variant, VolumeId, render_path
from volumes.sizes import ORIGINAL_LETTER

WAIT_SECONDS_MAX = 12.0
UPLOAD_BYTES_MAX = 10_000
READ_SECONDS = 2.0

ALL_URLS = UrlGrant(sizes=True, original=True)


class NoResponse(Exception):
    """No response came: the result is unknown."""


class Clients:
    """The clients of one history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._random: Random = world.random
        self.ledger = world.ledger
        self._machine = Machine("client")
        self._numbers = iter(range(1_000_000))

    async def upload(self) -> None:
        """Upload a photo, with retries if it has an Idempotency-Key."""
        random = self._random
        number = next(self._numbers)
        body = photo_body(random, number)
        self.ledger.send_body(body)
        key = f"key {number}" if random.random() < 0.7 else None
        is_in_volume = key is None and random.random() < 0.6
        volume = random.choice(sorted(self.world.cluster.volumes)) if is_in_volume else None
        for _ in range(4 if key else 1):
            request = UploadRequest(
                declared=DeclaredBody(),
                urls=ALL_URLS,
                volume=volume,
                idempotency_key=key,
                strict=random.random() < 0.1,
                is_waiting=random.random() < 0.1,
            )
            if await self._try_upload(body, request):
                break
            await asyncio.sleep(random.random() * 1.5)
        if key is not None and random.random() < 0.1:
            await self._try_upload(
                body, UploadRequest(declared=DeclaredBody(), urls=ALL_URLS, idempotency_key=key)
            )

    async def race(self) -> None:
        """Upload with one key several times at once: one photo, or several in different formats."""
        random = self._random
        number = next(self._numbers)
        key = f"race {number}"
        bodies = [photo_body(random, number), *([_png(number)] if random.random() < 0.6 else [])]
        for body in bodies:
            self.ledger.send_body(body)

        async def attempt() -> None:
            await asyncio.sleep(random.choice((0.0, random.random() * 0.1, random.random())))
            body = random.choice(bodies)
            volume = VolumeId(1) if random.random() < 0.1 else None
            request = UploadRequest(
                declared=DeclaredBody(), urls=ALL_URLS, volume=volume, idempotency_key=key
            )
            for _ in range(2):
                if await self._try_upload(body, request, is_race=len(bodies) > 1):
                    break
                await asyncio.sleep(random.random())

        await asyncio.gather(*(attempt() for _ in range(random.randint(2, 4))))

    async def _try_upload(
        self, body: bytes, request: UploadRequest, *, is_race: bool = False
    ) -> bool:
        started = self.ledger.now()
        try:
            receipt, _ = await self.request(
                lambda master: master.uploads.take(
                    UploadBody(self.chunks(body), DeclaredBody(), bytes_max=UPLOAD_BYTES_MAX),
                    request,
                )
            )
        except (NoResponse, MasterError, NodeError, ConnectionResetError) as error:
            self.ledger.log(f"not uploaded: {type(error).__name__}")
            return False
        check_receipt(self.world, receipt, body, request, started)
        if is_race and request.idempotency_key is not None:
            self.ledger.acknowledge_race(request.idempotency_key, receipt)
            return True
        self.acknowledge_upload(receipt, body, started)
        if request.idempotency_key is None:
            self.ledger.sent_once.add(PhotoId(receipt.photo))
        return True

    async def delete(self) -> None:
        """Delete a photo or one version, with retries."""
        stored = self._any_photo()
        if stored is None:
            return
        whole = self._random.random() >= 0.4
        removal = self.ledger.request_removal(Op.DELETE, stored.photo_version, whole=whole)
        for _ in range(3):
            started = self.ledger.now()
            try:
                deletion, logged = await self.request(
                    lambda master: master.audited(
                        "delete",
                        str(removal),
                        master.deletes.delete(removal.volume, removal.photo, removal.version),
                    )
                )
            except (NoResponse, MasterError, NodeError) as error:
                self.ledger.log(f"not deleted: {type(error).__name__}")
                await asyncio.sleep(self._random.random() * 1.5)
                continue
            check_removal(self.world, removal, started)
            check_audit_log(self.world, str(removal), logged, started)
            mirrors = mirrors_with(self.world, tombstone_of(removal), deletion.copies, started)
            self.ledger.acknowledge_delete(removal, mirrors)
            return

    async def revoke(self) -> None:
        """Revoke a photo version, with retries."""
        stored = self._any_photo()
        if stored is None:
            return
        removal = self.ledger.request_removal(Op.REVOKE, stored.photo_version, whole=False)
        for _ in range(3):
            started = self.ledger.now()
            try:
                revoked, logged = await self.request(
                    lambda master: master.audited(
                        "revoke",
                        str(removal),
                        master.revokes.revoke(stored.photo_version, ALL_URLS),
                    )
                )
            except (NoResponse, MasterError, NodeError) as error:
                self.ledger.log(f"not revoked: {type(error).__name__}")
                await asyncio.sleep(self._random.random() * 1.5)
                continue
            check_removal(self.world, removal, started)
            check_audit_log(self.world, str(removal), logged, started)
            new = PhotoVersion(
                VolumeId(revoked.volume), PhotoId(revoked.photo), Version(revoked.version)
            )
            self.ledger.acknowledge_revocation(removal, new, stored, revoked.urls)
            return

    async def undelete(self) -> None:
        """Undelete a photo."""
        gone = [each for each in self.ledger.photos if self.ledger.acknowledged_removals(each)]
        if not gone:
            return
        stored = self._random.choice(gone)
        started = self.ledger.now()
        try:
            receipt, _ = await self.request(
                lambda master: master.undeletes.undelete(
                    stored.photo_version.volume, stored.photo_version.photo, urls=ALL_URLS
                )
            )
        except (NoResponse, MasterError, NodeError) as error:
            self.ledger.log(f"not undeleted: {type(error).__name__}")
            return
        body = self.ledger.bodies.get(receipt.sha256, b"")
        check_receipt(self.world, receipt, body, None, started)
        self.acknowledge_upload(receipt, body, started)

    def acknowledge_upload(self, receipt: Receipt, body: bytes, started: float) -> None:
        """Record an acknowledged upload."""
        original = Variant(version_of(receipt), ORIGINAL_LETTER, receipt.format)
        mirrors = mirrors_with(self.world, original, receipt.copies, started)
        self.ledger.acknowledge_upload(receipt, body, mirrors)

    async def read(self) -> None:
        """Read a photo from one of its mirrors, directly or through an edge."""
        stored = self._any_photo(even_if_deleted=True)
        if stored is None:
            return
        if self.ledger.removals and self._random.random() < 0.5:
            # Where an answer can be wrong is soon after a delete.
            last = self.ledger.removals[-1]
            stored = next(
                (each for each in self.ledger.photos if last.covers(each.photo_version)), stored
            )
        node = self._random.choice(self.world.mirrors_of(stored.photo_version.volume))
        edge = self._random.choice([*self.world.edges.values(), None])
        path = render_path(stored.original)
        if edge is not None and path in edge.cache:
            self.ledger.record_read(stored, edge.name, edge.cache[path])
            return
        link = self.world.links_of(edge or self._machine)[node.node.id]
        started = self.ledger.now()
        try:
            response = await link.read(stored.url_path, timeout_seconds=READ_SECONDS)
        except NodeError:
            return
        if edge is not None and response.status == 200:
            edge.cache[path] = bytes(response.body)
        self.ledger.log(f"read {stored.photo_version} at {node.name}: {response.status}")
        check_read(self.world, stored, node, response, started)

    def _any_photo(self, *, even_if_deleted: bool = False) -> StoredPhoto | None:
        found = [
            each
            for each in self.ledger.photos
            if even_if_deleted or not self.ledger.acknowledged_removals(each)
        ]
        return self._random.choice(found) if found else None

    async def request(self, work: Callable[[SimulatedMaster], Awaitable[Any]]) -> Any:
        """Send a request to a storagemaster, and wait for the response.

        Raises:
            NoResponse: No response came in time. The storagemaster may still process the request.
        """
        master = self._random.choice(self.world.masters)
        if not master.is_up:
            await asyncio.sleep(0.01)
            raise NoResponse
        task = master.run_task(work(master))
        wait_seconds = 0.3 if self._random.random() < 0.05 else WAIT_SECONDS_MAX
        await asyncio.wait((task,), timeout=wait_seconds)
        if not task.done():
            task.add_done_callback(_ignore_result)
            raise NoResponse
        if task.cancelled() or self._random.random() < 0.05:
            _ignore_result(task)
            raise NoResponse
        try:
            return task.result()
        except (MasterError, NodeError, ConnectionResetError):
            raise
        except Exception as error:
            self.ledger.add_violation(f"{master.name} raised {error!r}")
            raise NoResponse from error

    async def chunks(self, body: bytes) -> AsyncIterator[bytes]:
        """Yield a body in chunks. Sometimes the client disconnects."""
        random = self._random
        count = random.choice((1, 1, 2, 3, 12))
        step = -(-len(body) // count)
        breaks_at = random.randrange(count) if random.random() < 0.04 else None
        for number in range(count):
            if number == breaks_at:
                raise ConnectionResetError("the client disconnected")
            if random.random() < 0.1:
                await asyncio.sleep(random.random() * 0.4)
            yield body[number * step : (number + 1) * step]


def photo_body(random: Random, number: int) -> bytes:
    """Return a unique body with the header of a GIF and of its frame."""
    size = (1000).to_bytes(2, "little") * 2
    head = b"GIF89a" + size + bytes(3) + b"," + bytes(4) + size + bytes(1)
    return head + number.to_bytes(3, "big") + random.randbytes(random.randrange(4, 40))


def _png(number: int) -> bytes:
    """Return a unique body with the header of a PNG."""
    head = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR"
    return head + (1000).to_bytes(4, "big") * 2 + b"\x08\x06" + bytes(7) + number.to_bytes(3, "big")


def _ignore_result(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of an abandoned task, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
