"""An operator who moves volumes while clients and faults run."""

import asyncio
from dataclasses import replace
from random import Random

from storagemaster.errors import MasterError
from storagenode.protocol.errors import NodeError
from tests.simulation.clients import Clients, NoResponse
from tests.simulation.response_checks import durable_copies
from tests.simulation.simulated_master import SimulatedMaster
from tests.simulation.world import World
from volumes.cluster import Volume
from volumes.config.map_tables import MapTables
from volumes.map.map_text import render_map
from volumes.map.volume_map import map_of, tables_of

COPIES_PAUSE_SECONDS = 0.25


class MapClient:
    """Moves of volumes that begin or are cancelled, each by the map of a random storagemaster."""

    def __init__(self, clients: Clients, random: Random) -> None:
        self._clients = clients
        self._world = clients.world
        self._random = random

    async def change(self) -> None:
        """Begin or cancel a move of a volume."""
        ledger = self._clients.ledger
        try:
            version = await self._clients.request(self._apply)
        except (NoResponse, MasterError, NodeError) as error:
            ledger.log(f"no map: {type(error).__name__}")
            return
        ledger.log(f"map {version} is in force")

    async def _apply(self, master: SimulatedMaster) -> int:
        in_force = map_of(master.mirrors.cluster)
        wanted = self._edited(in_force.tables)
        text = render_map(replace(in_force, tables=wanted))
        proposal = await master.proposing.plan(text, after_version=in_force.version, why="")
        if proposal.changes:
            await master.proposing.apply(proposal)
        return proposal.volume_map.version

    def _edited(self, tables: MapTables) -> MapTables:
        volume = self._random.choice([tables.volumes[number] for number in sorted(tables.volumes)])
        edited = self._cancelled(volume) if volume.joining or volume.leaving else None
        changed = edited or self._moved(volume, tables)
        return replace(tables, volumes={**tables.volumes, volume.number: changed})

    def _cancelled(self, volume: Volume) -> Volume:
        return replace(volume, joining=(), leaving=())

    def _moved(self, volume: Volume, tables: MapTables) -> Volume:
        old = self._random.choice(volume.mirrors)
        (new,) = (
            id_
            for id_, node in tables.nodes.items()
            if id_ != old and node.colo == tables.nodes[old].colo
        )
        if new in volume.mirrors:
            return replace(volume, leaving=(old,))
        stays = self._random.random() < 0.2
        return replace(volume, joining=(new,), leaving=() if stays else (old,))


async def watch_copies(world: World) -> None:
    """Check all the time that each acknowledged photo is on two disks, whatever moves."""
    while True:
        await asyncio.sleep(COPIES_PAUSE_SECONDS)
        if any(node.damaged_at >= 0 for node in world.nodes.values()):
            continue
        for photo in world.ledger.photos:
            copies = durable_copies(world, photo.original)
            is_gone = world.ledger.is_removal_requested(photo.photo_version)
            if len(copies) < 2 and not is_gone:
                world.ledger.add_violation(f"C16: {photo.photo_version} is on {copies} only")


def find_unfinished_moves(world: World) -> list[str]:
    """Return the moves that have not ended, and the volumes that nodes still hold without them."""
    volumes = tables_of(world.cluster).volumes
    return [
        f"volume {number} is still {what}"
        for number, volume in volumes.items()
        for what in (
            *(f"joined by {node}" for node in volume.joining),
            *(f"left by {node}" for node in volume.leaving),
            *(
                f"held by {node.name}"
                for node in world.nodes.values()
                if number in node.store.volumes and node.name not in volume.homes
            ),
        )
    ]
