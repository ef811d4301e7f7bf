"""Bugs of the steps of moves, on nodes and on storagemasters."""

from storagemaster.moves import copies_proof, moves
from storagemaster.moves.moves import Moves
from storagemaster.repair.hinted_handoff import HintedHandoff
from storagemaster.repair.volume_plan import VolumePlanner
from storagenode.disk.store import DiskStore
from storagenode.disk.volume_contents import VolumeContents
from storagenode.upkeep import node_maps
from tests.planted.finders import Tests
from tests.planted.planted_bug import PlantedBug

MOVES = Tests("tests/storagemaster/moves/test_moves.py")
NODE_MAPS = Tests("tests/storagenode/upkeep/test_node_maps.py")


def proves_by_names(patch):
    """Compare the names of files only."""

    def lacking_names(_volume, *, wanted, files):
        return sorted({each.name for each in wanted} - {each.name for each in files})

    patch.setattr(copies_proof, "lacking_names", lacking_names)


def proves_without_the_absent(patch):
    """Take a node that does not respond for one that has everything."""
    patch.setattr(Moves, "_follows", lambda *_: True)
    shown = copies_proof.have_all

    async def have_all(comparison, volume, *, of, nodes):
        up = [node for node in nodes if comparison._fleet.is_up(node)]
        return await shown(comparison, volume, of=of, nodes=up)

    patch.setattr(moves, "have_all", have_all)


def drops_at_the_first_proof(patch):
    """Drop a stray as soon as one comparison has proven it."""
    prove = Moves._prove_stray

    async def proven(self, volume, node):
        digest = await prove(self, volume, node)
        self._proven[volume.number, node] = digest
        return digest

    patch.setattr(Moves, "_prove_stray", proven)


def ignores_strays(patch):
    """Compare the mirrors only."""
    patch.setattr(VolumePlanner, "_strays_of", lambda *_: [])


def takes_files_of_left_volumes(patch):
    """Take new files of every volume that a node holds."""
    patch.setattr(VolumeContents, "take_only", lambda *_: None)


def drops_whatever_it_holds(patch):
    """Drop a volume without a look at its digest."""

    def drop(self, volume, _digest):
        self._volumes.discard(volume)
        self._deletes.drop_volume(volume)

    patch.setattr(DiskStore, "drop_volume", drop)


def keeps_hints_of_a_node_that_left(patch):
    """Deliver each hint to the node that it was for."""
    patch.setattr(HintedHandoff, "_receiver", lambda _self, _files, node, _holder: node)


def serves_joining_volumes(patch):
    """Guard a volume that the node joins like one that it mirrors."""

    def follow_map(store, fence, maps):
        def follow(cluster):
            held = cluster.volumes_on(maps.node)
            store.create_volumes(held)
            store.take_only(held)
            fence.follow(held)

        maps.subscribe(follow)
        return fence

    patch.setattr(node_maps, "follow_map", follow_map)


BUGS_OF_MOVED_VOLUMES = tuple(
    PlantedBug(what=what, plant=plant, found_by=found_by)
    for what, plant, found_by in (
        (
            "originals with other bytes prove a copy",
            proves_by_names,
            Tests("tests/storagemaster/moves/test_copies_proof.py"),
        ),
        ("a stray is dropped while a mirror is down", proves_without_the_absent, MOVES),
        ("one comparison drops a stray", drops_at_the_first_proof, MOVES),
        ("a stray is not merged", ignores_strays, MOVES),
        ("a node takes uploads to a volume that left it", takes_files_of_left_volumes, MOVES),
        (
            "a node drops a volume that has changed since its proof",
            drops_whatever_it_holds,
            Tests("tests/storagenode/disk/test_store_contract.py"),
        ),
        ("hints for a node that left are kept", keeps_hints_of_a_node_that_left, MOVES),
        ("a joining node serves photos that were deleted", serves_joining_volumes, NODE_MAPS),
    )
)
