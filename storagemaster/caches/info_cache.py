"""Info documents beside the disk, in memcached: faster when it is there, right when it is not."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial

from pymemcache import HashClient

from volumes.address import Address
from volumes.photo_path import PhotoVersion

log = logging.getLogger(__name__)

# A sideline that is slower than the disk is no help.
ANSWER_SECONDS = 0.1
KEEP_SECONDS = 24 * 3600
# Connections to one server.
POOL_MAX = 8
_DIGEST_BYTES = 32


class InfoCache:
    """Info documents by photo version. Whatever memcached says is checked before it is believed."""

    def __init__(self, servers: Sequence[Address]) -> None:
        self._client = (
            HashClient(
                [(server.host, server.port) for server in servers],
                connect_timeout=ANSWER_SECONDS,
                timeout=ANSWER_SECONDS,
                ignore_exc=True,
                use_pooling=True,
                max_pool_size=POOL_MAX,
            )
            if servers
            else None
        )

    async def get(self, photo_version: PhotoVersion) -> bytes | None:
        """The document, or None when there is none, or what is there is not it."""
        return (await self.get_many([photo_version])).get(photo_version)

    async def get_many(self, versions: Sequence[PhotoVersion]) -> dict[PhotoVersion, bytes]:
        """The documents that are there and are what they should be, in one question a server."""
        if self._client is None or not versions:
            return {}
        keys = {_key(photo_version): photo_version for photo_version in versions}
        answer = await self._ask(partial(self._client.get_many, list(keys)))
        values = answer if isinstance(answer, dict) else {}
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
        """Remember a document."""
        await self.put_many({photo_version: document})

    async def put_many(self, documents: Mapping[PhotoVersion, bytes]) -> None:
        """Remember documents."""
        if self._client is not None and documents:
            values = {
                _key(photo_version): encode_entry(photo_version, document)
                for photo_version, document in documents.items()
            }
            await self._ask(partial(self._client.set_many, values, expire=KEEP_SECONDS))

    async def drop(self, photo_version: PhotoVersion) -> None:
        """Forget a document."""
        if self._client is not None:
            await self._ask(partial(self._client.delete, _key(photo_version)))

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()

    async def _ask(self, work: "partial[object]") -> object:
        try:
            return await asyncio.to_thread(work)
        except Exception as error:  # noqa: BLE001  # whatever fails here, the disk has the answer
            log.debug("memcached did not answer: %s", error)
            return None


def encode_entry(photo_version: PhotoVersion, document: bytes) -> bytes:
    """A document as it is stored: after a digest of itself and of what it belongs to."""
    return _digest(photo_version, document) + document


def decode_entry(photo_version: PhotoVersion, value: object) -> bytes | None:
    """The document in a stored value; None if it is none, damaged, or another photo's."""
    if not isinstance(value, bytes):
        return None
    digest, document = value[:_DIGEST_BYTES], value[_DIGEST_BYTES:]
    return document if digest == _digest(photo_version, document) else None


def _digest(photo_version: PhotoVersion, document: bytes) -> bytes:
    return hashlib.sha256(f"{photo_version}\n".encode() + document).digest()


def _key(photo_version: PhotoVersion) -> str:
    """A key of fixed length and alphabet, in which nothing of a request can stand."""
    return hashlib.sha256(f"info\n{photo_version}".encode()).hexdigest()
