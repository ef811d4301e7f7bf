"""A volume moves to another node, and each step waits for the proof that no good copy is lost."""

import shutil

import pytest

from storagemaster.moves import moves
from tests.storagemaster.maps.test_map_changes import change, edited, follow
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, MIRRORS, NODES
from volumes.address import Address
from volumes.cluster import Colo, Master
from volumes.photo_path import VolumeId

OLD, STAYS = MIRRORS[1]
NEW = "east-2"


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with, monkeypatch):
    """Return a small cluster whose nodes follow the storagemasters' map. Steps follow at once."""
    monkeypatch.setattr(moves, "PAUSE_SECONDS", 0.0)
    yield (cluster := runner.run(start_following(cluster_with)))
    restore_roots(cluster)


async def start_following(cluster_with, **options):
    """Return a small cluster whose nodes follow the storagemasters' map."""
    master = Master(id="m1", colo=Colo("east"), address=Address(HOST, 1))
    cluster = await cluster_with(masters={"m1": master}, **options)
    await cluster.stop(*NODES)
    cluster.node_map = cluster.config
    await cluster.start_and_notice(*NODES)
    return cluster


def restore_roots(cluster):
    """Give each root the volumes back that it has at the start."""
    for node, store in cluster.stores.items():
        for number, mirrors in MIRRORS.items():
            # The roots are for all tests, which have these volumes on these mirrors.
            if node in mirrors and number not in store.volumes:
                store.create_volumes([VolumeId(number)])
            elif node not in mirrors:
                shutil.rmtree(cluster.root(node) / str(number), ignore_errors=True)


async def begin(cluster, **changes):
    """Put a map in force that moves volume 1 from one node to another."""
    changes = changes or {"joining": (NEW,), "leaving": (OLD,)}
    version = cluster.master.maps.in_force.version
    answer = await change(cluster.master, edited(cluster.master, **changes), after_version=version)
    assert answer.status == 200, answer.document


async def upload(cluster, number=1):
    """Upload a photo to volume 1; return the path of its original."""
    answer = await cluster.master.request("POST", "/photos?volume=1", data=picture(number=number))
    assert answer.status == 201, answer.document
    return answer.original


async def run_passes(cluster, *, repairs=True):
    """Run the passes that a move needs once: fences, reconcile, and the move."""
    await follow(cluster.master)
    await cluster.master.fence_lifter.lift_fences()
    if repairs:
        await cluster.master.reconcile.reconcile(1)
    await cluster.poll()
    await cluster.master.moves.advance_all()
    await cluster.poll()


def volume(cluster):
    """Return volume 1 as the map in force has it."""
    return cluster.master.maps.in_force.tables.volumes[1]


def state(cluster):
    """Return the mirrors, and the joining and the leaving nodes."""
    return volume(cluster).mirrors, volume(cluster).joining, volume(cluster).leaving


def held_by(cluster):
    """Return the nodes that hold volume 1."""
    return {node for node in NODES if 1 in cluster.stores[node].volumes}


async def test_a_move_goes_through_all_states_and_frees_the_old_node(cluster):
    """It takes uploads and deletes in each of them, and every photo has two copies at any time."""
    path, deleted = await upload(cluster), await upload(cluster, 2)
    await begin(cluster)
    seen = [state(cluster)]
    for number in range(3, 13):
        await upload(cluster, number)
        await run_passes(cluster)
        if state(cluster) != seen[-1]:
            seen.append(state(cluster))
        assert len(cluster.holders(path)) >= 2
        if number == 4:
            _, photo = deleted.split("/")[1:]
            answer = await cluster.master.request("DELETE", f"/photos/1/{photo[:16]}")
            assert answer.status == 200
    assert seen == [
        ((OLD, STAYS), (NEW,), (OLD,)),
        ((OLD, STAYS, NEW), (), (OLD,)),
        ((STAYS, NEW), (), ()),
    ]
    assert held_by(cluster) == {STAYS, NEW}
    assert set(cluster.holders(path)) == {STAYS, NEW}
    assert not set(cluster.holders(deleted)) & {STAYS, NEW}
    assert cluster.hidden(OLD, ".trash")


async def test_a_joining_node_is_no_mirror_before_it_has_every_file(cluster):
    """Nor while it is down."""
    await upload(cluster)
    await begin(cluster)
    await run_passes(cluster, repairs=False)
    assert volume(cluster).joining == (NEW,)
    await cluster.stop_and_notice(NEW)
    await run_passes(cluster)
    assert volume(cluster).joining == (NEW,)


async def test_uploads_without_a_pause_hold_up_no_move(cluster):
    """The joining node lacks the newest photo in every pass, and gets it when it is a mirror."""
    await upload(cluster)
    await begin(cluster)
    for number in (2, 3):
        await cluster.master.reconcile.reconcile(1)
        latest = await upload(cluster, number)
        await run_passes(cluster, repairs=False)
        assert volume(cluster).joining == ((NEW,) if number == 2 else ())
        assert NEW not in cluster.holders(latest)
    assert volume(cluster).mirrors == (OLD, STAYS, NEW)
    await cluster.master.reconcile.reconcile(1)
    assert NEW in cluster.holders(latest)


async def test_a_mirror_leaves_only_when_the_others_serve_all_of_its_files(cluster):
    """A file that only it has keeps it, and so does a mirror that is down."""
    await upload(cluster)
    await begin(cluster, joining=(NEW,))
    for _ in range(2):
        await run_passes(cluster)
    assert volume(cluster).mirrors == (OLD, STAYS, NEW)
    await begin(cluster, leaving=(OLD,))
    path = await upload(cluster, 2)
    (cluster.path(NEW, path)).unlink()
    await run_passes(cluster, repairs=False)
    assert volume(cluster).leaving == (OLD,)
    await cluster.stop_and_notice(STAYS)
    await run_passes(cluster)
    assert volume(cluster).leaving == (OLD,)
    await cluster.start_and_notice(STAYS)
    for _ in range(2):
        await run_passes(cluster)
    assert volume(cluster).mirrors == (STAYS, NEW)


async def test_another_storagemaster_continues_a_move(cluster):
    """All of its state is in the map and on the disks."""
    await upload(cluster)
    await begin(cluster)
    await run_passes(cluster)
    other = await cluster.another_master()
    for _ in range(6):
        await follow(other)
        await other.fence_lifter.lift_fences()
        await other.reconcile.reconcile(1)
        await other.fleet.poll()
        await other.moves.advance_all()
    assert held_by(cluster) == {STAYS, NEW}


async def test_a_cancelled_move_leaves_nothing_behind(cluster):
    """The files of the joining node move to its trash."""
    path = await upload(cluster)
    await begin(cluster)
    await cluster.master.reconcile.reconcile(1)
    assert path in cluster.visible(NEW)
    await begin(cluster, joining=(), leaving=())
    for _ in range(3):
        await run_passes(cluster)
    assert state(cluster) == ((OLD, STAYS), (), ())
    assert held_by(cluster) == {OLD, STAYS}
    assert set(cluster.holders(path)) == {OLD, STAYS}


async def test_joining_nodes_are_filled_apart_from_repairs(cluster):
    """A repair goes first, and equal mirrors are equal while a node joins them."""
    path = await upload(cluster)
    await begin(cluster)
    await cluster.master.reconcile.reconcile_next()
    assert path not in cluster.visible(NEW)
    cluster.master.reconcile.progress.begin_volume(now_seconds=0.0)
    await cluster.master.filling.fill_all()
    assert path not in cluster.visible(NEW)
    cluster.master.reconcile.progress.end_volume()
    await cluster.master.filling.fill_all()
    assert path in cluster.visible(NEW)


async def test_the_status_shows_each_move_and_what_it_waits_for(cluster):
    """Bytes, and the bytes that the joining node has."""
    await upload(cluster)
    await begin(cluster)
    await cluster.master.reconcile.reconcile_next()
    total = (await shown_move(cluster))["bytes"]
    assert total > 0
    expected = {"volume": 1, "state": "joining", "joining": [NEW], "leaving": [OLD]}
    move = await shown_move(cluster)
    assert move | expected == move
    assert (move["copied_bytes"], move["waits_for"]) == (0, "copies")
    await cluster.master.filling.fill_all()
    move = await shown_move(cluster)
    assert (move["copied_bytes"], move["waits_for"]) == (total, "proof of equal files")
    await cluster.stop_and_notice(NEW)
    assert (await shown_move(cluster))["waits_for"] == f"{NEW}, down"


async def shown_move(cluster):
    """Return the only move of the status."""
    await cluster.poll()
    await cluster.master.move_rates.observe()
    (move,) = (await cluster.master.request("GET", "/status")).document["moves"]
    return move


async def stray_with_a_photo(cluster):
    """Return the path of a photo on a node that was a mirror, and on no other."""
    await begin(cluster, mirrors=(OLD, STAYS, NEW))
    path = await upload(cluster)
    await begin(cluster, mirrors=(STAYS, NEW))
    for node in (STAYS, NEW):
        cluster.path(node, path).unlink()
    await follow(cluster.master)
    return path


async def test_a_stray_is_merged_before_it_is_dropped(cluster):
    """It can have the only copies, as a disk from a backup does."""
    path = await stray_with_a_photo(cluster)
    for _ in range(3):
        await run_passes(cluster, repairs=False)
    assert OLD in held_by(cluster)
    for _ in range(3):
        await run_passes(cluster)
    assert held_by(cluster) == {STAYS, NEW}
    assert set(cluster.holders(path)) == {STAYS, NEW}


async def test_a_stray_stays_while_a_mirror_is_down(cluster):
    """One copy in one colo proves nothing about two."""
    await stray_with_a_photo(cluster)
    await cluster.master.reconcile.reconcile(1)
    await cluster.stop_and_notice(STAYS)
    for _ in range(3):
        await run_passes(cluster)
    assert OLD in held_by(cluster)


async def test_one_proof_alone_drops_nothing(cluster):
    """A name can be seen before a power failure takes it back."""
    await stray_with_a_photo(cluster)
    await cluster.master.reconcile.reconcile(1)
    await cluster.master.fence_lifter.lift_fences()
    await cluster.poll()
    await cluster.master.moves.advance_all()
    assert OLD in held_by(cluster)
    await cluster.master.moves.advance_all()
    assert OLD not in held_by(cluster)


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_upload_by_an_old_map_reaches_the_present_mirrors(cluster, streamed):
    """A node that has left refuses it, and the storagemaster follows the map and writes again."""
    other = await cluster.another_master()
    await begin(cluster, mirrors=(OLD, STAYS, NEW))
    await begin(cluster, mirrors=(STAYS, NEW))
    assert other.maps.in_force.version == 1
    data = chunks_of(picture()) if streamed else picture()
    answer = await other.request("POST", "/photos?volume=1", data=data)
    assert (answer.status, answer.nodes) == (201, sorted((STAYS, NEW)))
    assert (answer.document["durability"], answer.document["pending_mirrors"]) == ("mirrored", [])
    assert other.maps.in_force.version == 3
    assert set(cluster.holders(answer.original)) == {STAYS, NEW}


async def test_a_hint_for_a_node_that_left_reaches_a_mirror(cluster):
    """Its mirror was down when the photo was stored, and left before it was back."""
    await cluster.stop_and_notice(OLD)
    path = await upload(cluster)
    assert hint_holders(cluster)
    await begin(cluster, mirrors=(OLD, STAYS, NEW))
    await begin(cluster, mirrors=(STAYS, NEW))
    await cluster.start_and_notice(OLD)
    await follow(cluster.master)
    await cluster.master.hinted_handoff.deliver_all()
    await run_passes(cluster)
    assert hint_holders(cluster) == []
    assert set(cluster.holders(path)) == {STAYS, NEW}


async def test_an_upload_that_all_of_its_mirrors_refuse_is_placed_again(cluster):
    """The map is two versions old: the volume has no node in common with it."""
    other = await cluster.another_master()
    await begin(cluster, mirrors=(OLD, STAYS, NEW, "west-2"))
    await begin(cluster, mirrors=(NEW, "west-2"))
    answer = await other.request("POST", "/photos?volume=1", data=picture())
    assert (answer.status, answer.nodes) == (201, sorted((NEW, "west-2")))
    assert set(cluster.holders(answer.original)) == {NEW, "west-2"}


def hint_holders(cluster):
    """Return the nodes that store a hint."""
    return [node for node in NODES if node != OLD and cluster.hidden(node, ".hints")]


async def chunks_of(data):
    """Yield data in two chunks, whose length a storagemaster does not know."""
    yield data[:100]
    yield data[100:]
