"""A storagemaster is killed during a pass, and another one completes the work."""

import asyncio
import contextlib
import os
import signal
import sys

import aiohttp
import pytest

from glassplate.session.new_tokens import sign_new_token
from permission_urls import save_keys
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, paths_of, sizes_of
from tests.storagemaster.manual_master import ALL_SCOPES
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, KEYS

NODES = ("east-1", "west-1")
STEM = "1/k7/01jd3x8m2c9qp4k7_3fz8qd"
SIZES = {f"{STEM}_m.jpg", f"{STEM}_h.jpg", f"{STEM}.json"}
HINT_POINTS = ("hint_delivered", "hint_delivered:2", "hint_removed", "hint_removed:3")
REPAIR_POINTS = ("sizes_verified", "size_replaced", "size_replaced:2", "size_replaced:3")
PASS_POINTS = (*HINT_POINTS, *REPAIR_POINTS)


@pytest.fixture(name="doomed")
def _doomed(cluster, tmp_path):
    """Run a storagemaster in its own process until it dies at a crash point: doomed(point)."""

    async def run_until_dead(point, *, post=None):
        address = f"{HOST}:{free_port()}"
        log = tmp_path / "crash"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "storagemaster", "--master", "doomed"),
            *("--config", str(written_config(cluster.config, address, tmp_path))),
            env=os.environ | {"GLASSPLATE_CRASH_AT": point, "GLASSPLATE_CRASH_LOG": str(log)},
        )
        try:
            async with asyncio.timeout(60):
                if post is not None:
                    await post_when_up(f"http://{address}{post}", process)
                assert await process.wait() == -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        assert log.read_text() == point.partition(":")[0]

    return run_until_dead


def written_config(cluster, address, folder):
    """Write the config with one more storagemaster, and its keys beside it."""
    save_keys(folder / "keys.toml", KEYS)
    tables = [
        f'[nodes.{node.id}]\ncolo = "{node.colo}"\nstore = "{node.store}"\n'
        f'read = "{node.read}"\nwrite = "{node.write}"\n'
        for node in cluster.nodes.values()
    ]
    for volume in cluster.volumes.values():
        mirrors = ", ".join(f'"{node}"' for node in volume.mirrors)
        tables.append(f'[[volumes]]\nnumbers = "{volume.number}"\nmirrors = [{mirrors}]\n')
    tables.append(f'[masters.doomed]\ncolo = "west"\naddress = "{address}"\n')
    config = folder / "cluster.toml"
    config.write_text(
        f'name = "small"\npublic_url = "{cluster.public_url}"\nkeys_file = "keys.toml"\n'
        f'queue_url = "{cluster.queue_url}"\n' + "".join(tables)
    )
    return config


async def post_when_up(url, process):
    """Send a POST as soon as the process accepts it; the process dies while handling it."""
    token = sign_new_token(KEYS, ALL_SCOPES)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                await (await session.post(url)).read()
            await asyncio.sleep(0.05)


async def complete_work(cluster):
    """Run the passes of another storagemaster, which knows nothing of the first one."""
    successor = await cluster.another_master()
    for _ in range(2):
        await successor.fleet.poll()
        await successor.fence_lifter.lift_fences()
        await successor.hinted_handoff.deliver_all()
    for number in (1, 2):
        response = await successor.request("POST", f"/repairs/{number}")
        assert not response.document["failed"]


@pytest.mark.parametrize("point", HINT_POINTS)
async def test_hints_are_delivered_although_a_master_dies(cluster, doomed, point):
    """The mirror gets every file, and no hint is left."""
    photo = picture()
    await cluster.stop_and_notice("west-1")
    uploaded = await cluster.master.upload(photo)
    sizes = sizes_of(uploaded.version)
    await cluster.master.worker.put_bundle(uploaded.version, body_of(sizes), mtime_seconds=1)
    await cluster.start("west-1")
    await doomed(point)
    await complete_work(cluster)
    assert cluster.holders(uploaded.original) == dict.fromkeys(NODES, photo)
    for size in sizes:
        assert cluster.holders(size.path) == dict.fromkeys(NODES, size.data)
    assert cluster.visible("west-1") == {uploaded.original, *paths_of(sizes)}
    assert cluster.hidden("west-2", ".hints") == set()


@pytest.mark.parametrize("point", REPAIR_POINTS)
async def test_sizes_are_not_mixed_although_a_master_dies(cluster, doomed, point):
    """The other storagemaster completes the replacement in the same way."""
    for node in NODES:
        for path in SIZES:
            cluster.write(node, path, f"{path} by {node}".encode())
    await cluster.poll()
    await doomed(point, post="/repairs/1")
    await complete_work(cluster)
    assert cluster.mirrors_are_equal(1)
    assert cluster.visible("east-1") == SIZES
    assert len({cluster.files("east-1")[path].rpartition(b" ")[2] for path in SIZES}) == 1
