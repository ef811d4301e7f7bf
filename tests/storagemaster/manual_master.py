"""A real storagemaster over HTTP, whose background passes run when a test calls them."""

import contextlib
import dataclasses
import hashlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from glassplate.session.new_tokens import sign_new_token
from permission_urls import InternalSigner, KeyRing
from storagemaster import app
from storagemaster.audit.audit_log import AuditLog
from storagemaster.client import MasterClient
from storagemaster.console.stream import StatusFeed
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.jobs.sweep import Sweep
from storagemaster.maps.following import MapFollowing
from storagemaster.maps.volume_states import VolumeStates
from storagemaster.mirrors.fleet import Fleet
from storagemaster.moves.filling import Filling
from storagemaster.moves.move_rates import MoveRates
from storagemaster.moves.moves import Moves
from storagemaster.operations.port_health import PortHealth
from storagemaster.repair.fence_lifting import FenceLifter
from storagemaster.repair.hinted_handoff import HintedHandoff
from storagemaster.repair.reconcile import Reconciler
from storagemaster.wire import SIGNATURE_HEADER, SIGNED_DIGEST_HEADER
from volumes.cluster import Cluster, Master
from volumes.photo_path import PhotoVersion, parse_photo_version, render_stem

DEFAULT = "default"
ALL_SCOPES = ("admin", "audit", "delete", "original", "read", "status", "upload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response of a storagemaster."""

    status: int
    headers: Mapping[str, str]
    document: Any

    @property
    def version(self) -> PhotoVersion:
        """The photo version that a receipt is for."""
        d = self.document
        return parse_photo_version(f"{d['volume']}/{d['photo']}/{d['version']}")

    @property
    def original(self) -> str:
        """The photo path of the original that a receipt is for."""
        return f"{render_stem(self.version)}_o.{self.document['format']}"

    @property
    def nodes(self) -> list[str]:
        """The nodes that a receipt names, sorted."""
        return sorted(copy["node"] for copy in self.document["copies"])


class Passes:
    """Records of the background passes, which the test runs itself."""

    def __init__(self) -> None:
        self._works: dict[type[Any], Any] = {}

    @contextlib.asynccontextmanager
    async def repeating_by_hand(
        self, work: Callable[[], Awaitable[object]], *, pause_seconds: float
    ) -> AsyncIterator[None]:
        """Replace `storagemaster.background.repeating`: record the pass instead of running it."""
        assert pause_seconds >= 0
        owner = getattr(work, "__self__", None)
        self._works[type(owner)] = owner
        yield

    def owner(self, kind: type[Any]) -> Any:
        """Return the object of this class whose method is a background pass."""
        return self._works[kind]


class ManualMaster:
    """One storagemaster: its passes, and a client of it."""

    def __init__(
        self, master: Master, keys: KeyRing, passes: Passes, session: aiohttp.ClientSession
    ) -> None:
        self.fleet: Fleet = passes.owner(Fleet)
        self.queue: SizesQueue = passes.owner(SizesQueue)
        self.hinted_handoff: HintedHandoff = passes.owner(HintedHandoff)
        self.fence_lifter: FenceLifter = passes.owner(FenceLifter)
        self.reconcile: Reconciler = passes.owner(Reconciler)
        self.sweep: Sweep = passes.owner(Sweep)
        self.status_feed: StatusFeed = passes.owner(StatusFeed)
        self.audit: AuditLog = passes.owner(AuditLog)
        self.maps: MapFollowing = passes.owner(MapFollowing)
        self.moves: Moves = passes.owner(Moves)
        self.move_rates: MoveRates = passes.owner(MoveRates)
        self.filling: Filling = passes.owner(Filling)
        self.volume_states: VolumeStates = passes.owner(VolumeStates)
        self.ports: PortHealth = passes.owner(PortHealth)
        self.worker = MasterClient([master], session, InternalSigner(keys))
        self._master = master
        self.url = f"http://{master.address}"
        self.address = master.address
        self._token = sign_new_token(keys, ALL_SCOPES)
        self._session = session

    @property
    def followed(self) -> Cluster:
        """The cluster by the map that it follows."""
        return self.moves._mirrors.cluster

    async def request(
        self, method: str, path: str, *, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request with a token of all scopes, unless `headers` has another one."""
        async with self._session.request(
            method,
            self.url + path,
            data=io.BytesIO(data) if isinstance(data, bytes) else data,
            headers={"Authorization": f"Bearer {self._token}", **(headers or {})},
        ) as response:
            text = await response.text()
            return Answer(
                status=response.status,
                headers=response.headers,
                document=json.loads(text) if text and "json" in response.content_type else text,
            )

    def bundle_headers(self, path: str, body: bytes, *, receiver: str = "") -> dict[str, str]:
        """Return the headers with which a worker signs a bundle for this storagemaster."""
        master = dataclasses.replace(self._master, id=receiver or self._master.id)
        digest = hashlib.sha256(body).hexdigest()
        signature = self.worker._sign(master, path, digest)
        return {SIGNATURE_HEADER: signature, SIGNED_DIGEST_HEADER: digest}

    def upload_head(self, *, content_length: int) -> bytes:
        """Return the head of an upload into volume 1, for tests that write the body themselves."""
        return (
            "POST /photos?volume=1 HTTP/1.1\r\nHost: master\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Length: {content_length}\r\n\r\n"
        ).encode()

    async def upload(
        self,
        data: Any,
        *,
        volume: int | str | None = DEFAULT,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Upload a photo, into volume 1 by default, or into the volume of a key."""
        if volume == DEFAULT:
            volume = 1 if key is None else None
        path = "/photos" if volume is None else f"/photos?volume={volume}"
        keyed = {"Idempotency-Key": key} if key is not None else {}
        return await self.request("POST", path, data=data, headers={**keyed, **(headers or {})})

    async def photo(self, photo_version: PhotoVersion) -> Answer:
        """Request the status of a photo version."""
        return await self.request("GET", f"/photos/{photo_version}")

    async def delete(self, photo_version: PhotoVersion) -> Answer:
        """Delete a photo with all its versions."""
        return await self.request("DELETE", f"/photos/{photo_version.volume}/{photo_version.photo}")

    async def delete_version(self, photo_version: PhotoVersion) -> Answer:
        """Delete one version of a photo."""
        return await self.request("DELETE", f"/photos/{photo_version}")

    async def revoke(self, photo_version: PhotoVersion) -> Answer:
        """Revoke the URLs of a photo version."""
        return await self.request("POST", f"/photos/{photo_version}/revoke")

    async def deliver_hints(self) -> None:
        """Poll the nodes, then deliver all hints."""
        await self.fleet.poll()
        await self.hinted_handoff.deliver_all()


@contextlib.asynccontextmanager
async def running_manually(
    cluster: Cluster, master: Master, keys: KeyRing
) -> AsyncIterator[ManualMaster]:
    """Run a storagemaster until the block exits, after one poll of the nodes."""
    passes = Passes()
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app, "repeating", passes.repeating_by_hand)
            await stack.enter_async_context(app.running_master(cluster, master, keys))
        yield ManualMaster(master, keys, passes, session)
