"""A storagemaster: the real write path and repairs, wired as in `storagemaster.app`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, TypeVar

from permission_urls import KeyRing, ReadSigner
from storagemaster.audit.audit_log import PASS_SECONDS as AUDIT_PASS_SECONDS
from storagemaster.audit.audit_log import AuditLog
from storagemaster.audit.copies import Durability
from storagemaster.audit.entries import Act
from storagemaster.caches.info_cache import InfoCache
from storagemaster.caches.purge_sessions import PASS_SECONDS as SESSIONS_PASS_SECONDS
from storagemaster.caches.purge_sessions import PurgeSessions
from storagemaster.caches.purging import REPEAT_PASS_SECONDS, EdgePurger
from storagemaster.events.events import Events
from storagemaster.jobs.bundles import Bundles
from storagemaster.jobs.sweep import TOUCHED_PASS_SECONDS, Sweep
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.relinking import Relinking
from storagemaster.lifecycle.revokes import Revokes
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.lifecycle.undeletes import Undeletes
from storagemaster.maps.following import MapFollowing
from storagemaster.maps.proposing import MapProposing
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoReader
from storagemaster.mirrors.settling import Settling
from storagemaster.mirrors.volume_owners import VolumeOwners
from storagemaster.moves.filling import PASS_SECONDS as FILLING_PASS_SECONDS
from storagemaster.moves.filling import Filling
from storagemaster.moves.moves import Moves
from storagemaster.photos.photo_urls import PhotoUrls
from storagemaster.photos.photos import Photos
from storagemaster.repair.fence_lifting import PASS_SECONDS as FENCE_PASS_SECONDS
from storagemaster.repair.fence_lifting import FenceLifter
from storagemaster.repair.hinted_handoff import HintedHandoff
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.settlement import Settlements
from storagemaster.resumable.completion import Completion
from storagemaster.resumable.partial_copies import PartialCopies
from storagemaster.resumable.resumable_uploads import ResumableUploads
from storagemaster.uploads.keyed_photos import KeyedPhotos
from storagemaster.uploads.uploads import Uploads
from tests.simulation.fake_services import ForgetfulQueue
from tests.simulation.network import Machine
from tests.simulation.sparse_shards import RandomInFewShards
from volumes.cluster import Cluster, Colo, NodeId
from volumes.map.map_text import parse_map
from volumes.map.volume_map import with_map

_Result = TypeVar("_Result")

# Shorter than the real intervals, so that a history is short.
POLL_SECONDS = 1.0
HINTS_SECONDS = 1.0
RECONCILE_SECONDS = 0.6
SWEEP_SECONDS = 2.0
MAP_PASS_SECONDS = 0.5
MOVES_PASS_SECONDS = 0.5


def _ignore(_: Cluster) -> None:
    """Do nothing: every machine of a history is known from its start."""


class SimulatedMaster(Machine):
    """A storagemaster without state across restarts."""

    def __init__(
        self,
        name: str,
        colo: str,
        cluster: Cluster,
        keys: KeyRing,
        random: Random,
        *,
        now_seconds: Callable[[], float],
        nodes: Callable[[Machine], Mapping[NodeId, Any]],
        masters: Mapping[str, "SimulatedMaster"],
        queue: ForgetfulQueue,
        edge_session: Callable[[Machine], Any],
        report: Callable[[str], None],
    ) -> None:
        super().__init__(name)
        self.colo = Colo(colo)
        self._cluster = cluster
        self._keys = keys
        self._random = random
        self._now_seconds = now_seconds
        self._nodes = nodes(self)
        self._masters = masters
        self._queue: Any = queue
        self._edge_session = edge_session(self)
        self._report = report
        self._saved_map: str | None = None

    def start(self) -> None:
        """Start the process with its background tasks, by the map that its machine has."""
        cluster, nodes = self._saved_cluster(), self._nodes
        secret = self._keys.idempotency_secret
        fleet = Fleet(nodes)
        self.mirrors = mirrors = Mirrors(cluster, nodes, fleet, self.colo, self._share())
        mirroring = Mirroring(mirrors)
        urls = PhotoUrls(cluster, ReadSigner(self._keys))
        purging = self._start_purging()
        tombstone_delivery = TombstoneDelivery(mirrors, purging)
        cache, events = InfoCache((), self._keys, confirmed_seconds=0), Events(str(self.boot))
        self.reads = PhotoReader(mirrors)
        photos = Photos(self.reads, urls, cache, self._queue)
        self.deletes = deletes = Deletes(
            mirrors,
            self.reads,
            mirroring,
            purging,
            tombstone_delivery,
            cache,
            events,
            now_seconds=self._now_seconds,
        )
        boot = f"{self.boot:x}"
        self.audit = AuditLog(mirrors, master=self.name, boot=boot, now_seconds=self._now_seconds)
        self._repeat(self.audit.store, AUDIT_PASS_SECONDS)
        self.bundles = Bundles(mirrors, mirroring, cache, events, self._queue)
        self.uploads = Uploads(
            mirrors,
            mirroring,
            urls,
            self._queue,
            events,
            KeyedPhotos(mirrors, secret=secret),
            now_seconds=self._now_seconds,
            randomness=RandomInFewShards(self._random.random()),
        )
        self.revokes = Revokes(
            mirrors,
            self.reads,
            photos,
            Relinking(mirrors, self.reads, mirroring),
            deletes,
            self._queue,
            key_secret=secret,
        )
        self.undeletes = Undeletes(mirrors, self.uploads)
        self.resumable = self._resumable_uploads(mirrors, mirroring)
        self.settling = Settling(fleet)
        self.reconcile = Reconciler(
            mirrors,
            tombstone_delivery,
            Settlements(mirrors, tombstone_delivery, record=self.audit.record),
            settling=self.settling,
            now_seconds=self._now_seconds,
            shuffle=self._random.shuffle,
        )
        self.fleet = fleet
        self.is_up = True
        self._repeat(fleet.poll, POLL_SECONDS, unthrottled=True)
        self._follow_map(mirrors)
        clock = asyncio.get_running_loop().time
        handoff = HintedHandoff(mirrors, purging, tombstone_delivery, clock=clock)
        self._repeat(handoff.deliver_all, HINTS_SECONDS)
        fence_lifter = FenceLifter(mirrors, tombstone_delivery, now_seconds=clock)
        self._repeat(fence_lifter.lift_fences, FENCE_PASS_SECONDS)
        self._repeat(self.reconcile.reconcile_next, RECONCILE_SECONDS)
        sweep = Sweep(mirrors, self._queue, self.settling)
        self._repeat(sweep.sweep_all, SWEEP_SECONDS)
        self._repeat(sweep.sweep_touched, TOUCHED_PASS_SECONDS)

    def _saved_cluster(self) -> Cluster:
        if self._saved_map is None:
            return self._cluster
        return with_map(self._cluster, parse_map(self._saved_map))

    def _follow_map(self, mirrors: Mirrors) -> None:
        following = MapFollowing(mirrors, self._keys, _ignore, _ignore)
        following.save = self._save_map
        self.proposing = MapProposing(mirrors, following, self._keys)
        clock = asyncio.get_running_loop().time
        comparison = self.reconcile.comparison
        moves = Moves(mirrors, comparison, following, self.proposing, clock=clock)
        self._repeat(following.follow, MAP_PASS_SECONDS)
        self._repeat(moves.advance_all, MOVES_PASS_SECONDS)
        self._repeat(Filling(mirrors, self.reconcile, clock=clock).fill_all, FILLING_PASS_SECONDS)

    def _save_map(self, signed: str) -> None:
        self._saved_map = signed

    def _resumable_uploads(self, mirrors: Mirrors, mirroring: Mirroring) -> ResumableUploads:
        return ResumableUploads(
            self.uploads,
            mirrors,
            PartialCopies(mirrors),
            Completion(mirrors, mirroring),
            self.reads,
            self._keys,
            now_seconds=self._now_seconds,
        )

    def _share(self) -> VolumeOwners:
        masters = self._masters
        return VolumeOwners(masters, own=self.name, is_up=lambda other: masters[other].is_up)

    def _start_purging(self) -> EdgePurger:
        edges, session = self._cluster.edges, self._edge_session
        purging = EdgePurger(edges, session, clock=asyncio.get_running_loop().time)
        boot = f"{self.boot:x}"
        sessions = PurgeSessions(edges, session, purging, master=self.name, boot=boot)
        self._repeat(purging.repeat_due, REPEAT_PASS_SECONDS)
        self._repeat(sessions.settle, SESSIONS_PASS_SECONDS)
        return purging

    async def audited(
        self, act: str, target: str, work: Awaitable[_Result]
    ) -> tuple[_Result, Durability]:
        """Return the result of an act, and how durable its entry in the audit log is."""
        result = await work
        return result, await self.audit.record(Act(act=act, target=target, result="done"))

    def crash(self) -> None:
        """Kill the process."""
        self.end_process()

    def _repeat(
        self,
        work: Callable[[], Awaitable[object]],
        pause_seconds: float,
        *,
        unthrottled: bool = False,
    ) -> None:
        async def repeat() -> None:
            if not unthrottled:
                await asyncio.sleep(self._random.random() * pause_seconds)
            while True:
                try:
                    await work()
                except Exception as error:  # noqa: BLE001 - reported as a violation
                    self._report(f"{self.name}: {work.__qualname__} raised {error!r}")  # type: ignore[attr-defined]
                await asyncio.sleep(pause_seconds)

        self.run_task(repeat())
