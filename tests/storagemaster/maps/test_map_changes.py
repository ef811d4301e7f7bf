"""The volume map changes while nodes and storagemasters run, and every one of them follows."""

import dataclasses
import json

import pytest

from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import MIRRORS, NODES
from volumes.map.map_text import render_map
from volumes.map.volume_map import map_of, with_map
from volumes.volume_state import VolumeState

NEW_MIRROR = "west-2"
ALL = (*MIRRORS[1], NEW_MIRROR)


def edited(master, *, number=1, **changes):
    """Return the text of the master's map with changes of a volume, such as other mirrors."""
    volumes = dict(master.maps.in_force.tables.volumes)
    volumes[number] = dataclasses.replace(volumes[number], **(changes or {"mirrors": ALL}))
    tables = dataclasses.replace(master.maps.in_force.tables, volumes=volumes)
    return render_map(dataclasses.replace(master.maps.in_force, tables=tables))


async def change(master, text, *, after_version=1, apply=True):
    """Send an edited map to a storagemaster; return its answer."""
    body = {"tables": text, "after_version": after_version, "why": "test", "apply": apply}
    return await master.request("POST", "/map", data=json.dumps(body).encode())


async def versions(cluster):
    """Return the map that each node follows."""
    return {
        node: (await cluster.master.fleet._nodes[node].status(timeout_seconds=10)).map_version
        for node in NODES
    }


async def follow(*masters):
    """Run the passes with which storagemasters follow the map."""
    for master in masters:
        await master.fleet.poll()
        await master.maps.follow()


async def test_a_changed_map_is_in_force_at_every_node_and_storagemaster(cluster):
    """The other storagemaster learns it from the nodes; nothing restarts."""
    other = await cluster.another_master()
    answer = await change(cluster.master, edited(cluster.master))
    assert (answer.status, answer.document["applied"]) == (200, True)
    assert answer.document["changes"] == [
        {
            "what": "volumes 1",
            "before": "east-1, west-1; open",
            "after": "east-1, west-1, west-2; open",
        }
    ]
    assert await versions(cluster) == dict.fromkeys(NODES, 2)
    assert other.maps.in_force.version == 1
    await follow(other)
    assert other.maps.in_force.id == cluster.master.maps.in_force.id
    shown = (await other.request("GET", "/map")).document
    assert (shown["version"], shown["why"], shown["lagging"]) == (2, "test", [])


async def test_a_new_mirror_is_fenced_then_filled_and_gets_uploads(cluster):
    """Its node did not restart."""
    stored = await cluster.master.upload(picture())
    volume = stored.version.volume
    mirrors = (*MIRRORS[volume], "west-2" if volume == 1 else "west-1")
    text = edited(cluster.master, number=volume, mirrors=mirrors)
    assert (await change(cluster.master, text)).status == 200
    await cluster.poll()
    added = cluster.master.fleet.view()[mirrors[-1]].status
    assert list(added.fenced).count(volume) == 1
    await cluster.master.fence_lifter.lift_fences()
    await cluster.master.reconcile.reconcile(volume)
    assert stored.original in cluster.visible(mirrors[-1])
    await cluster.poll()
    assert volume not in cluster.master.fleet.view()[mirrors[-1]].status.fenced
    later = await cluster.master.request("POST", f"/photos?volume={volume}", data=picture(number=7))
    assert (later.status, later.nodes) == (201, sorted(mirrors))


async def test_the_log_has_every_version_and_what_it_changed(cluster):
    """Nodes keep them: also a storagemaster that began with the last one has all."""
    for version, state in ((1, "closed"), (2, "open")):
        text = edited(cluster.master, number=2, state=VolumeState(state))
        body = {"tables": text, "after_version": version, "why": state, "by": "ann", "apply": True}
        answer = await cluster.master.request("POST", "/map", data=json.dumps(body).encode())
        assert answer.status == 200
    late = await cluster.another_master()
    for master in (cluster.master, cluster.master, late):
        log = (await master.request("GET", "/map/log")).document
        assert log["is_complete"] is True
        found = [(each["version"], each["by"], each["why"]) for each in log["versions"]]
        assert found == [(3, "ann", "open"), (2, "ann", "closed"), (1, "", "")]
        assert [each["at"][-1:] for each in log["versions"]] == ["Z", "Z", ""]
        opened, closed, first = (each["changes"] for each in log["versions"])
        mirrors = ", ".join(MIRRORS[2])
        assert closed == [
            {"what": "volumes 2", "before": f"{mirrors}; open", "after": f"{mirrors}; closed"}
        ]
        assert (opened[0]["after"], first) == (f"{mirrors}; open", [])
    last = (await late.request("GET", "/map/log?limit=1")).document
    assert [each["version"] for each in last["versions"]] == [3]
    assert (await late.request("GET", "/map/log?limit=0")).status == 400


async def test_the_log_says_where_it_ends(cluster):
    """No node that responds has an older version."""
    for version in (1, 2):
        text = edited(cluster.master, mirrors=ALL if version == 1 else MIRRORS[1])
        assert (await change(cluster.master, text, after_version=version)).status == 200
    for node in NODES:
        for path in cluster.root(node).glob(".maps/00000002.*"):
            path.unlink()
    log = (await cluster.master.request("GET", "/map/log")).document
    assert ([each["version"] for each in log["versions"]], log["is_complete"]) == ([3], False)
    assert log["versions"][0]["changes"] is None
    assert log["versions"][0]["by"].startswith("default/")


async def test_a_plan_changes_nothing(cluster):
    """It has the changes."""
    answer = await change(cluster.master, edited(cluster.master), apply=False)
    assert (answer.status, answer.document["applied"]) == (200, False)
    assert len(answer.document["changes"]) == 1
    await cluster.poll()
    assert cluster.master.maps.election().votes == {}


async def test_too_few_nodes_put_no_map_in_force(cluster):
    """It is in force as soon as more than half of the nodes keep it."""
    await cluster.stop_and_notice("west-1", "west-2")
    text = edited(cluster.master)
    answer = await change(cluster.master, text)
    assert answer.status == 503
    assert "kept by 2 of 4 nodes, and 3 are needed" in answer.document["detail"]
    assert cluster.master.maps.in_force.version == 1
    other = await cluster.another_master()
    await cluster.start_and_notice("west-1", "west-2")
    for _ in range(3):
        await follow(other)
    assert await versions(cluster) == dict.fromkeys(NODES, 2)
    assert other.maps.in_force.version == 2


async def test_of_two_maps_with_half_of_the_votes_each_one_is_in_force(cluster):
    """Each half of the nodes was cut off when its operator applied a map."""
    other = await cluster.another_master()
    first, second = edited(cluster.master), edited(other, mirrors=(*MIRRORS[1], "east-2"))
    for master, text, absent in (
        (cluster.master, first, ("west-1", "west-2")),
        (other, second, ("east-1", "east-2")),
    ):
        await cluster.stop(*absent)
        await master.fleet.poll()
        assert (await change(master, text)).status == 503
        await cluster.start(*absent)
    for _ in range(2):
        await follow(cluster.master, other)
    assert other.maps.in_force.id == cluster.master.maps.in_force.id
    assert await versions(cluster) == dict.fromkeys(NODES, 2)


async def test_of_two_maps_at_once_one_is_refused(cluster):
    """The first map is in force, and the second operator gets the reason."""
    other = await cluster.another_master()
    first, second = edited(cluster.master), edited(other, mirrors=(*MIRRORS[1], "east-2"))
    assert (await change(cluster.master, first)).status == 200
    answer = await change(other, second)
    assert (answer.status, answer.document["title"]) == (412, "Another volume map")
    await follow(other)
    assert other.maps.in_force.id == cluster.master.maps.in_force.id
    assert (await change(other, second)).status == 412
    assert (await change(other, second, after_version=2)).status == 200


async def test_a_node_that_was_down_follows_when_it_is_back(cluster):
    """A storagemaster sends it the map, also one that did not put it in force."""
    other = await cluster.another_master()
    await cluster.stop_and_notice("west-2")
    assert (await change(cluster.master, edited(cluster.master))).status == 200
    await cluster.start("west-2")
    assert (await versions(cluster))["west-2"] == 1
    await follow(other)
    await follow(other)
    assert await versions(cluster) == dict.fromkeys(NODES, 2)


async def test_a_node_that_lags_behind_follows_while_votes_for_the_next_map_are_open(cluster):
    """Its vote decides, and the only storagemaster has begun with the map of its machine."""
    await cluster.stop_and_notice("west-2")
    assert (await change(cluster.master, edited(cluster.master))).status == 200
    in_force = cluster.master.maps.in_force
    await cluster.stop_and_notice("west-1")
    text = edited(cluster.master, state=VolumeState.CLOSED)
    assert (await change(cluster.master, text, after_version=2)).status == 503
    await cluster.start("west-2")
    late = await cluster.another_master(config=with_map(cluster.config, in_force))
    for _ in range(3):
        await follow(late)
    assert late.maps.in_force.version == 3
    assert (await late.fleet._nodes["west-2"].status(timeout_seconds=10)).map_version == 3
    await cluster.start("west-1")


async def test_a_restarted_node_keeps_its_map(cluster):
    """`cluster.toml` is still version 1."""
    assert (await change(cluster.master, edited(cluster.master))).status == 200
    await cluster.stop(*NODES)
    await cluster.start_and_notice(*NODES)
    assert await versions(cluster) == dict.fromkeys(NODES, 2)


async def test_a_storagemaster_that_starts_follows_before_it_serves(cluster):
    """Its config is version 1."""
    assert (await change(cluster.master, edited(cluster.master))).status == 200
    late = await cluster.another_master()
    assert late.maps.in_force.version == 2
    assert (await late.request("GET", "/map")).document["version"] == 2


@pytest.mark.parametrize(
    ("mirrors", "words"),
    [
        (("east-2", "west-2"), "keep none of their mirrors"),
        (("east-1", "east-2"), "must be in at least 2 colos"),
        (("east-1", "nowhere"), "unknown node 'nowhere'"),
    ],
)
async def test_a_map_that_loses_sight_of_photos_is_refused(cluster, mirrors, words):
    """Nothing is kept by any node."""
    answer = await change(cluster.master, edited(cluster.master, mirrors=mirrors))
    assert answer.status == 400
    assert words in answer.document["detail"]
    await cluster.poll()
    assert cluster.master.maps.election().votes == {}


async def test_an_edit_of_an_older_map_is_refused(cluster):
    """It would take back a change that its editor has not seen."""
    text = edited(cluster.master)
    assert (await change(cluster.master, text)).status == 200
    answer = await change(cluster.master, text)
    assert answer.status == 412
    assert "map 2 is in force" in answer.document["detail"]


async def test_an_unchanged_map_is_not_a_new_version(cluster):
    """Applying it does nothing."""
    text = render_map(map_of(cluster.config))
    answer = await change(cluster.master, text)
    assert (answer.status, answer.document["applied"], answer.document["changes"]) == (
        200,
        False,
        [],
    )
    assert cluster.master.maps.in_force.version == 1


async def test_a_delete_by_an_old_map_reaches_the_new_mirror(cluster):
    """A mirror refuses its tombstone, and the storagemaster follows the map and repeats it."""
    stored = (await cluster.master.upload(picture())).version
    mirrors = (*MIRRORS[stored.volume], "west-2" if stored.volume == 1 else "west-1")
    other = await cluster.another_master()
    text = edited(cluster.master, number=stored.volume, mirrors=mirrors)
    assert (await change(cluster.master, text)).status == 200
    assert other.maps.in_force.version == 1
    answer = await other.request("DELETE", f"/photos/{stored.volume}/{stored.photo}")
    assert (answer.status, answer.nodes) == (200, sorted(mirrors))
    tombstone = f"{stored.volume}/{stored.shard}/{stored.photo}.gone"
    assert set(cluster.holders(tombstone)) == set(mirrors)


async def test_no_fence_is_lifted_before_the_mirrors_follow_the_map(cluster):
    """A mirror with the old map could take a delete that the new mirror never gets."""
    await cluster.stop_and_notice("west-1")
    assert (await change(cluster.master, edited(cluster.master))).status == 200
    await cluster.start_and_notice("west-1")
    for is_fenced in (True, False):
        await cluster.master.fence_lifter.lift_fences()
        await cluster.poll()
        assert (1 in cluster.master.fleet.view()[NEW_MIRROR].status.fenced) is is_fenced
        await follow(cluster.master)
        await cluster.poll()
