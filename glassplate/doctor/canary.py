"""The canary: one photo through upload, sizes, every edge, and its delete."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from struct import pack

import aiohttp

from glassplate.client import Client
from glassplate.doctor.finding import Finding, fail, ok
from glassplate.errors import GlassplateError
from runtime.quantities import quantity
from volumes.cluster import Cluster

READY_SECONDS_MAX = 60.0
DELETED_SECONDS_MAX = 10.0
_EDGE_PIXELS = 64


async def run_canary(
    cluster: Cluster, client: Client, session: aiohttp.ClientSession, *, now_seconds: float
) -> AsyncIterator[Finding]:
    """Yield the finding of each step. The photo is deleted whatever fails."""
    what = "an upload is stored in two colos"
    try:
        receipt = await client.put(render_png(int(now_seconds)))
    except GlassplateError as error:
        yield fail("canary/upload", what, str(error), "see UploadErrors in docs/runbook.md")
        return
    nodes = ", ".join(copy.node for copy in receipt.copies)
    if receipt.durability == "mirrored":
        yield ok("canary/upload", what, f"on {nodes}")
    else:
        do = "bring the nodes of the other colo back"
        yield fail("canary/upload", what, f"only {receipt.durability}, on {nodes}", do)
    try:
        async for finding in _read_everywhere(cluster, client, session, receipt.reference):
            yield finding
    finally:
        deleted = await _delete(cluster, client, session, receipt.reference)
    for finding in deleted:
        yield finding


async def _read_everywhere(
    cluster: Cluster, client: Client, session: aiohttp.ClientSession, reference: str
) -> AsyncIterator[Finding]:
    what = "its sizes are made"
    started = time.monotonic()
    try:
        status = await client.wait_until_ready(reference, timeout_seconds=READY_SECONDS_MAX)
    except GlassplateError as error:
        yield fail("canary/sizes", what, str(error), "see OldestJob in docs/runbook.md")
        return
    yield ok("canary/sizes", what, f"in {time.monotonic() - started:.1f} s")
    for edge in cluster.edges.values():
        what = f"edge {edge.id} serves every size"
        refused = []
        for size, url in status.urls.items():
            code = await _code(session, f"http://{edge.listen}/{url.split('/', 3)[3]}")
            refused += [f"{size}: {code}"] if code != 200 else []
        if refused:
            found = f"not {', '.join(refused)}"
            yield fail(f"canary/read/{edge.id}", what, found, "see ReadErrors in docs/runbook.md")
        else:
            yield ok(f"canary/read/{edge.id}", what, quantity(len(status.urls), "size"))


async def _delete(
    cluster: Cluster, client: Client, session: aiohttp.ClientSession, reference: str
) -> list[Finding]:
    what = "its delete is complete"
    do = f"run glassplate rm {reference}"
    try:
        url = await client.find_url(reference, "o")
        await client.delete(reference)
    except GlassplateError as error:
        return [fail("canary/delete", what, str(error), do)]
    findings = [ok("canary/delete", what)]
    for edge in cluster.edges.values():
        what = f"edge {edge.id} serves the deleted photo no longer"
        deadline = time.monotonic() + DELETED_SECONDS_MAX
        while (code := await _code(session, f"http://{edge.listen}/{url.split('/', 3)[3]}")) == 200:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        if code == 200:
            do = "drop its cache: POST /drop to its purge port"
            findings.append(fail(f"canary/gone/{edge.id}", what, "it still does", do))
        else:
            findings.append(ok(f"canary/gone/{edge.id}", what, f"status {code}"))
    return findings


async def _code(session: aiohttp.ClientSession, url: str) -> int | str:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=10)) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return type(error).__name__


def render_png(seed: int) -> bytes:
    """Return a small PNG whose pixels depend on the seed, without a library for images."""
    row = b"\x00" + bytes((seed >> shift) & 0xFF for shift in (0, 8, 16)) * _EDGE_PIXELS
    parts = (
        (b"IHDR", pack(">IIBBBBB", _EDGE_PIXELS, _EDGE_PIXELS, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * _EDGE_PIXELS)),
        (b"IEND", b""),
    )
    chunks = (
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
