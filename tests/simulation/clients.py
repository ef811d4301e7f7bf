"""Those who use a simulated cluster: they upload, try again, delete, revoke, undelete and read."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

from storagemaster.errors import MasterError
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import UploadRequest
from storagenode.protocol.errors import NodeError
from tests.simulation.ledger import Kept
from tests.simulation.network import Machine
from tests.simulation.response_checks import check_read, check_receipt, check_removal
from tests.simulation.simulated_master import SimulatedMaster
from tests.simulation.world import World
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, VolumeId, render_path

PATIENCE_SECONDS = 12.0
UPLOAD_BYTES_MAX = 10_000
READ_SECONDS = 2.0


class NoAnswer(Exception):
    """The storagemaster is down, or was lost, or took too long: nothing is known."""


class Clients:
    """All clients of one history."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random: Random = world.random
        self._ledger = world.ledger
        self._machine = Machine("client")
        self._numbers = iter(range(1_000_000))

    async def upload(self) -> None:
        """Upload a photo; with an Idempotency-Key, as often as it takes."""
        random = self._random
        number = next(self._numbers)
        body = _photo(random, number)
        self._ledger.bodies[hashlib.sha256(body).hexdigest()] = body
        key = f"key {number}" if random.random() < 0.7 else None
        volume = (
            random.choice(sorted(self._world.cluster.volumes)) if random.random() < 0.2 else None
        )
        for attempt in range(4 if key else 1):
            request = UploadRequest(
                declared=DeclaredBody(),
                volume=volume,
                idempotency_key=key,
                first_attempt=attempt == 0 and random.random() < 0.5,
                strict=random.random() < 0.1,
                is_waiting=random.random() < 0.1,
            )
            if await self._try_upload(body, request):
                break
            await asyncio.sleep(random.random() * 1.5)
        if key is not None and random.random() < 0.1:
            await self._try_upload(
                body, UploadRequest(declared=DeclaredBody(), idempotency_key=key)
            )

    async def upload_twice_at_once(self) -> None:
        """Upload with one key at two storagemasters at the same time."""
        number = next(self._numbers)
        body = _photo(self._random, number)
        self._ledger.bodies[hashlib.sha256(body).hexdigest()] = body
        request = UploadRequest(declared=DeclaredBody(), idempotency_key=f"key {number}")
        await asyncio.gather(*(self._try_upload(body, request) for _ in range(2)))

    async def _try_upload(self, body: bytes, request: UploadRequest) -> bool:
        started = self._ledger.now()
        try:
            receipt, _ = await self._ask(
                lambda master: master.uploads.take(
                    UploadBody(self._chunks(body), DeclaredBody(), bytes_max=UPLOAD_BYTES_MAX),
                    request,
                )
            )
        except (NoAnswer, MasterError, NodeError, ConnectionResetError) as error:
            self._ledger.note(f"not uploaded: {type(error).__name__}")
            return False
        check_receipt(self._world, receipt, body, request, started)
        self._ledger.keep(receipt, body)
        if request.idempotency_key is None:
            self._ledger.asked_once.add(PhotoId(receipt.photo))
        return True

    async def delete(self) -> None:
        """Delete a photo, or one version of it, as often as it takes."""
        kept = self._any_kept()
        if kept is None:
            return
        version = kept.photo_version.version if self._random.random() < 0.4 else None
        removal = self._ledger.ask_removal(kept.photo_version, version)
        for _ in range(3):
            started = self._ledger.now()
            try:
                deletion = await self._ask(
                    lambda master: master.deletes.delete(
                        kept.photo_version.volume, kept.photo_version.photo, version
                    )
                )
            except (NoAnswer, MasterError, NodeError) as error:
                self._ledger.note(f"not deleted: {type(error).__name__}")
                await asyncio.sleep(self._random.random() * 1.5)
                continue
            check_removal(self._world, removal, started)
            self._ledger.confirm(removal, deletion)
            return

    async def revoke(self) -> None:
        """Revoke a photo's URLs."""
        kept = self._any_kept()
        if kept is None:
            return
        removal = self._ledger.ask_removal(kept.photo_version, kept.photo_version.version)
        for _ in range(3):
            started = self._ledger.now()
            try:
                said = await self._ask(lambda master: master.revokes.revoke(kept.photo_version))
            except (NoAnswer, MasterError, NodeError) as error:
                self._ledger.note(f"not revoked: {type(error).__name__}")
                await asyncio.sleep(self._random.random() * 1.5)
                continue
            check_removal(self._world, removal, started)
            self._ledger.confirm(removal, None)
            new = PhotoVersion(VolumeId(said.volume), PhotoId(said.photo), Version(said.version))
            self._ledger.keep_revoked(new, kept.body, said.urls)
            return

    async def undelete(self) -> None:
        """Bring back a photo that was deleted."""
        gone = [k for k in self._ledger.kept if self._ledger.removals_told(k.photo_version)]
        if not gone:
            return
        kept = self._random.choice(gone)
        started = self._ledger.now()
        try:
            receipt, _ = await self._ask(
                lambda master: master.undeletes.undelete(
                    kept.photo_version.volume, kept.photo_version.photo
                )
            )
        except (NoAnswer, MasterError, NodeError) as error:
            self._ledger.note(f"not undeleted: {type(error).__name__}")
            return
        body = self._ledger.bodies.get(receipt.sha256, b"")
        check_receipt(self._world, receipt, body, None, started)
        self._ledger.keep(receipt, body)

    async def read(self) -> None:
        """Read a photo by its URL, from any of its homes."""
        kept = self._any_kept(even_if_gone=True)
        if kept is None:
            return
        if self._ledger.removals and self._random.random() < 0.5:
            # Where an answer can be wrong is soon after a delete.
            last = self._ledger.removals[-1]
            kept = next((k for k in self._ledger.kept if last.covers(k.photo_version)), kept)
        node = self._random.choice(self._world.mirrors_of(kept.photo_version.volume))
        edge = self._random.choice([*self._world.edges.values(), None])
        path = render_path(kept.original)
        if edge is not None and path in edge.cache:
            if edge.cache[path] != kept.body:
                self._ledger.violation(f"C1: {edge.name} sent other bytes for {kept.photo_version}")
            return
        link = self._world.links_of(edge or self._machine)[node.node.id]
        started = self._ledger.now()
        try:
            response = await link.read(kept.url_path, timeout_seconds=READ_SECONDS)
        except NodeError:
            return
        if edge is not None and response.status == 200:
            edge.cache[path] = bytes(response.body)
        self._ledger.note(f"read {kept.photo_version} at {node.name}: {response.status}")
        check_read(self._world, kept, node, response, started)

    def _any_kept(self, *, even_if_gone: bool = False) -> Kept | None:
        found = [
            k
            for k in self._ledger.kept
            if even_if_gone or not self._ledger.removals_told(k.photo_version)
        ]
        return self._random.choice(found) if found else None

    async def _ask(self, work: Callable[[SimulatedMaster], Awaitable[Any]]) -> Any:
        """Have a storagemaster do something, and wait for its answer with a person's patience.

        Raises:
            NoAnswer: As it says. The storagemaster may go on with it.
        """
        master = self._random.choice(self._world.masters)
        if not master.is_up:
            await asyncio.sleep(0.01)
            raise NoAnswer
        task = master.go_on_with(work(master))
        patience = 0.3 if self._random.random() < 0.05 else PATIENCE_SECONDS
        await asyncio.wait((task,), timeout=patience)
        if not task.done():
            task.add_done_callback(_look_at)
            raise NoAnswer
        if task.cancelled() or self._random.random() < 0.05:
            _look_at(task)
            raise NoAnswer
        try:
            return task.result()
        except (MasterError, NodeError, ConnectionResetError):
            raise
        except Exception as error:
            self._ledger.violation(f"{master.name} broke: {error!r}")
            raise NoAnswer from error

    async def _chunks(self, body: bytes) -> AsyncIterator[bytes]:
        """The body as it comes from the client, who may go away in the middle."""
        random = self._random
        count = random.choice((1, 1, 2, 3, 12))
        step = -(-len(body) // count)
        breaks_at = random.randrange(count) if random.random() < 0.04 else None
        for number in range(count):
            if number == breaks_at:
                raise ConnectionResetError("the client is gone")
            if random.random() < 0.1:
                await asyncio.sleep(random.random() * 0.4)
            yield body[number * step : (number + 1) * step]


def _photo(random: Random, number: int) -> bytes:
    """A body that begins as a GIF does, and that no other has."""
    size = (1000).to_bytes(2, "little") * 2
    return b"GIF89a" + size + number.to_bytes(3, "big") + random.randbytes(random.randrange(4, 40))


def _look_at(task: "asyncio.Task[Any]") -> None:
    """Take note of how a task ended that nobody waits for."""
    if not task.cancelled():
        task.exception()
