"""Cache of info documents in memcached. A missing or wrong entry only costs a read from disk."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial

from pymemcache import HashClient

from volumes.address import Address
from volumes.photo_path import PhotoVersion

log = logging.getLogger(__name__)

# A cache slower than this is slower than the disk.
RESPONSE_SECONDS = 0.1
KEEP_SECONDS = 24 * 3600
# Connections to one server.
POOL_MAX = 8
_DIGEST_BYTES = 32


class InfoCache:
    """Info documents by photo version. Every value from memcached is verified before use."""

    def __init__(self, servers: Sequence[Address]) -> None:
        self._client = (
            HashClient(
                [(server.host, server.port) for server in servers],
                connect_timeout=RESPONSE_SECONDS,
                timeout=RESPONSE_SECONDS,
                ignore_exc=True,
                use_pooling=True,
                max_pool_size=POOL_MAX,
            )
            if servers
            else None
        )

    async def get(self, photo_version: PhotoVersion) -> bytes | None:
        """Return the document of a version, or None without a valid entry."""
        return (await self.get_many([photo_version])).get(photo_version)

    async def get_many(self, versions: Sequence[PhotoVersion]) -> dict[PhotoVersion, bytes]:
        """Return the documents with valid entries, with one request per server."""
        if self._client is None or not versions:
            return {}
        keys = {_key(photo_version): photo_version for photo_version in versions}
        found = await self._run(partial(self._client.get_many, list(keys)))
        values = found if isinstance(found, dict) else {}
        documents = {
            photo_version: decode_entry(photo_version, values.get(key))
            for key, photo_version in keys.items()
        }
        return {
            photo_version: document
            for photo_version, document in documents.items()
            if document is not None
        }

    async def put(self, photo_version: PhotoVersion, document: bytes) -> None:
        """Store a document."""
        await self.put_many({photo_version: document})

    async def put_many(self, documents: Mapping[PhotoVersion, bytes]) -> None:
        """Store documents."""
        if self._client is not None and documents:
            values = {
                _key(photo_version): encode_entry(photo_version, document)
                for photo_version, document in documents.items()
            }
            await self._run(partial(self._client.set_many, values, expire=KEEP_SECONDS))

    async def drop(self, photo_version: PhotoVersion) -> None:
        """Remove a document."""
        if self._client is not None:
            await self._run(partial(self._client.delete, _key(photo_version)))

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    async def _run(self, command: "partial[object]") -> object:
        try:
            return await asyncio.to_thread(command)
        except Exception as error:  # noqa: BLE001  # the caller reads from disk instead
            log.debug("memcached failed: %s", error)
            return None


def encode_entry(photo_version: PhotoVersion, document: bytes) -> bytes:
    """Return a cache entry: a digest of the version and the document, then the document."""
    return _digest(photo_version, document) + document


def decode_entry(photo_version: PhotoVersion, value: object) -> bytes | None:
    """Parse what `encode_entry` returns, or return None if the digest does not match."""
    if not isinstance(value, bytes):
        return None
    digest, document = value[:_DIGEST_BYTES], value[_DIGEST_BYTES:]
    return document if digest == _digest(photo_version, document) else None


def _digest(photo_version: PhotoVersion, document: bytes) -> bytes:
    return hashlib.sha256(f"{photo_version}\n".encode() + document).digest()


def _key(photo_version: PhotoVersion) -> str:
    """Return a key of fixed length and alphabet, so that no request can inject into it."""
    return hashlib.sha256(f"info\n{photo_version}".encode()).hexdigest()
