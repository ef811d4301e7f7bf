"""A storagemaster with TLS takes sizes from workers only, at an address of their own."""

import asyncio
import contextlib
import dataclasses

import aiohttp
import pytest

from permission_urls import InternalSigner
from runtime.tls.machine_name import MachineName, Role
from storagemaster.client import MasterClient, MasterRefused, NoMasterAvailable
from tests.certificates import certificate, save
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, sizes_of
from tests.storagemaster.manual_master import running_manually
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, KEYS, NODES, SmallCluster, node_cluster
from volumes.address import Address
from volumes.cluster import Colo, Master, Tls
from volumes.map.volume_map import VolumeMap

M1, M2 = (
    Master(id=id_, colo=Colo(colo), address=Address(HOST, free_port()))
    for id_, colo in (("m1", "east"), ("m2", "west"))
)
WORKER = MachineName(Role.WORKER, "east")


@contextlib.asynccontextmanager
async def running(roots, folder):
    """Run nodes and a storagemaster with TLS, then another one with a port for workers."""
    for machine in [MachineName(Role.NODE, node) for node in NODES]:
        save(folder, machine)
    for master in (M1, M2):
        save(folder, MachineName(Role.MASTER, master.id))
    config = dataclasses.replace(
        node_cluster(roots),
        tls=Tls(internal=True, folder=str(folder)),
        masters={each.id: each for each in (M1, M2)},
    )
    cluster = await SmallCluster(config, roots).open()
    try:
        master = dataclasses.replace(M2, internal=Address(HOST, free_port()))
        async with (
            running_manually(cluster.config, master, KEYS) as running_master,
            aiohttp.ClientSession() as session,
        ):
            yield running_master, master, session
    finally:
        await cluster.close()


async def test_workers_deliver_sizes_to_a_port_of_their_own(roots, tmp_path):
    """Other machines of the cluster are refused there, and so is everybody at the public port."""
    folder = tmp_path / "tls"
    async with running(roots, folder) as (running_master, master, session):
        receipt = await running_master.upload(picture())
        assert receipt.document["durability"] == "mirrored"
        bundle = body_of(sizes_of(receipt.version))

        async def deliver(own, to=master):
            client = MasterClient([to], session, InternalSigner(KEYS), own)
            await client.put_bundle(receipt.version, bundle, mtime_seconds=1)

        await deliver(certificate(folder, WORKER, days=10))
        for own in (
            None,
            certificate(folder, MachineName(Role.MASTER, "m1")),
            certificate(folder, MachineName(Role.WORKER, "north")),
            certificate(tmp_path / "other", WORKER, by="impostor"),
        ):
            with pytest.raises(NoMasterAvailable):
                await deliver(own)
        with pytest.raises(MasterRefused, match="404"):
            await deliver(None, dataclasses.replace(master, internal=None))
        status = (await running_master.request("GET", "/status")).document
        assert status["tls"]["internal"] is True
        days = {
            (each["role"], each["id"]): each["days_left"] for each in status["tls"]["certificates"]
        }
        assert days == {
            **{("node", node): 364 for node in NODES},
            ("master", "m2"): 364,
            ("worker", "east"): 9,
        }
        (alert,) = [each for each in status["alerts"] if "certificate" in each]
        assert alert.startswith("the certificate of worker east ends in 9 days: renew it with")


async def test_workers_of_a_colo_are_accepted_while_the_volume_map_has_it(roots, tmp_path):
    """Nothing restarts, and a connection from before is refused as well."""
    folder = tmp_path / "tls"
    async with running(roots, folder) as (running_master, master, session):
        receipt = await running_master.upload(picture())
        bundle = body_of(sizes_of(receipt.version))
        own = certificate(folder, MachineName(Role.WORKER, "north"))
        worker = MasterClient([master], session, InternalSigner(KEYS), own)
        maps = running_master.maps
        north = Master(id="m3", colo=Colo("north"), address=Address(HOST, free_port()))
        before = maps.in_force.tables.masters

        async def put_in_force(masters):
            tables = dataclasses.replace(maps.in_force.tables, masters=masters)
            version = maps.in_force.version + 1
            await maps.use(VolumeMap(version=version, after="", why="", tables=tables), b"")

        async def deliver():
            await worker.put_bundle(receipt.version, bundle, mtime_seconds=1)

        with pytest.raises(NoMasterAvailable):
            await deliver()
        await put_in_force({**before, "m3": north})
        await deliver()
        await put_in_force(before)
        with pytest.raises(NoMasterAvailable):
            await repeat(deliver)


async def repeat(deliver):
    """Deliver until it fails: the connection from before ends at its next check."""
    async with asyncio.timeout(20):
        while True:
            await deliver()
            await asyncio.sleep(0.1)


async def test_without_tls_the_status_says_so(cluster):
    """For those who have a tunnel."""
    status = (await cluster.master.request("GET", "/status")).document
    assert status["tls"] == {"internal": False, "certificates": []}
