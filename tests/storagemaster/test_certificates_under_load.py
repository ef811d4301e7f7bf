"""Certificates are renewed and end while a cluster runs; nothing is restarted."""

import asyncio
import contextlib
import dataclasses
import time

import pytest

from runtime.tls.machine_name import MachineName, Role
from tests.certificates import save
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import NODES, SmallCluster, node_cluster
from tests.storagemaster.test_tls import M1
from volumes.cluster import Tls

MACHINES = [MachineName(Role.NODE, node) for node in NODES] + [MachineName(Role.MASTER, M1.id)]
EAST = MachineName(Role.NODE, "east-1")
YEAR_SECONDS = 365 * 86_400
CERTIFICATE_SECONDS = 6
# Twice the time after which a process uses a changed file.
FOLLOW_SECONDS = 2.0


@pytest.fixture(name="folder")
def _folder(tmp_path):
    for machine in MACHINES:
        save(tmp_path / "tls", machine)
    return tmp_path / "tls"


@contextlib.asynccontextmanager
async def running(roots, folder):
    """Run nodes and a storagemaster with TLS."""
    tls = Tls(internal=True, folder=str(folder))
    config = dataclasses.replace(node_cluster(roots), tls=tls, masters={M1.id: M1})
    cluster = await SmallCluster(config, roots).open()
    try:
        yield cluster
    finally:
        await cluster.close()


def certificates_of(status):
    """Return the days left by machine."""
    return {each["id"]: each["days_left"] for each in status["tls"]["certificates"]}


async def test_no_upload_fails_while_all_certificates_are_renewed(roots, folder):
    """Open connections continue with the former certificates, and later ones use the new."""
    async with running(roots, folder) as cluster:
        outcomes, ended = [], asyncio.Event()

        async def load():
            while not ended.is_set():
                answer = await cluster.master.upload(picture(number=len(outcomes)))
                outcomes.append((answer.status, answer.document.get("durability")))

        loading = asyncio.create_task(load())
        for days in (300, 200):
            for machine in MACHINES:
                save(folder, machine, days=days)
            await asyncio.sleep(FOLLOW_SECONDS)
        ended.set()
        await loading
        await cluster.poll()
        status = (await cluster.master.request("GET", "/status")).document
    assert outcomes
    assert set(outcomes) == {(201, "mirrored")}
    assert set(certificates_of(status).values()) == {199}


async def test_a_node_whose_certificate_has_ended_is_down_until_it_is_renewed(roots, folder):
    """Open connections end with it, photos go to other nodes, and an alert names the node."""
    save(folder, EAST, now_seconds=time.time() - YEAR_SECONDS + CERTIFICATE_SECONDS)
    async with running(roots, folder) as cluster:
        first = await cluster.master.upload(picture(number=1))
        assert first.document["durability"] == "mirrored"
        await cluster.poll()
        status = (await cluster.master.request("GET", "/status")).document
        assert certificates_of(status)["east-1"] == 0
        async with asyncio.timeout(20):
            while cluster.master.fleet.is_up("east-1"):
                await asyncio.sleep(0.1)
                await cluster.poll()
        status = (await cluster.master.request("GET", "/status")).document
        (alert,) = [each for each in status["alerts"] if "certificate of node east-1" in each]
        assert "has ended" in alert
        second = await cluster.master.upload(picture(number=2))
        assert (second.status, second.document["pending_mirrors"]) == (201, ["east-1"])
        save(folder, EAST)
        await asyncio.sleep(FOLLOW_SECONDS)
        await cluster.poll()
        third = await cluster.master.upload(picture(number=3))
        assert (third.status, third.document["pending_mirrors"]) == (201, [])
