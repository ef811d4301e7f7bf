"""A tus client that sends exactly what a test says."""

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping

from tests.storagemaster.manual_master import Answer, ManualMaster

PATCH_TYPE = "application/offset+octet-stream"


def metadata_of(**values: str) -> str:
    """Return the value of `Upload-Metadata`."""
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())


def checksum_of(data: bytes, *, algorithm: str = "sha1") -> str:
    """Return the value of `Upload-Checksum`."""
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return f"{algorithm} {base64.b64encode(digest).decode()}"


class TusClient:
    """Requests of the protocol to one storagemaster."""

    def __init__(self, master: ManualMaster) -> None:
        self._master = master

    async def begin(
        self,
        length: int | str,
        headers: Mapping[str, str] | None = None,
        *,
        data: bytes = b"",
        path: str = "/uploads?volume=1",
    ) -> Answer:
        """Begin an upload, into volume 1 by default."""
        return await self._send(
            "POST",
            path,
            {"Upload-Length": str(length), **(headers or {})},
            data=data,
        )

    async def append(
        self,
        path: str,
        data: bytes | AsyncIterator[bytes],
        *,
        offset: int,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Append bytes at an offset."""
        sent = {"Upload-Offset": str(offset), "Content-Type": PATCH_TYPE, **(headers or {})}
        return await self._send("PATCH", path, sent, data=data)

    async def offset(self, path: str) -> Answer:
        """Request the offset of an upload."""
        return await self._send("HEAD", path)

    async def end(self, path: str) -> Answer:
        """End an upload."""
        return await self._send("DELETE", path)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        data: bytes | AsyncIterator[bytes] = b"",
    ) -> Answer:
        sent = {"Tus-Resumable": "1.0.0", **(headers or {})}
        return await self._master.request(method, path, data=data or None, headers=sent)
