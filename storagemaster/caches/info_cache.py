r"""Cache of info documents in memcached. A missing or wrong entry only costs requests to nodes.

An entry has a MAC over the photo version, its time, and the document. For `cached_info_seconds`
after a node confirmed it, an entry proves that its photo is ready. Later it is only a copy of the
document, which counts if a node reports its digest.

    {key}.{mac} {seconds} {letters} {ext}\n{document}

A delete replaces the entry by a marker, for as long as an entry from before the delete could count.
Entries are only written where none was, or where nothing changed since it was read: a lookup that
was under way during the delete therefore cannot undo it.
"""

import asyncio
import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from permission_urls import Forbidden, KeySource
from permission_urls.purposes import Purpose
from permission_urls.signing import PurposeSigner, PurposeVerifier
from runtime.tls.certificate import Certificate
from storagemaster.caches.memcached import MemcachedServer
from volumes.address import Address
from volumes.json_text import parse_json
from volumes.photo_path import EXTENSIONS, PhotoVersion

_LETTERS = re.compile("[a-z]+")
KEEP_SECONDS = 24 * 3600
DELETED = b"deleted"
# Longer than an entry counts, by more than the clocks of two storagemasters may differ.
_MARKER_EXTRA_SECONDS = 30


@dataclass(frozen=True, slots=True)
class CachedInfo:
    """An info document, with the fields that a response needs apart."""

    document: bytes
    letters: str
    """Letters of the sizes that exist."""
    original_ext: str


@dataclass(frozen=True, slots=True)
class CachedInfos:
    """Infos of a lookup in the cache."""

    confirmed: Mapping[PhotoVersion, CachedInfo] = field(default_factory=dict)
    """Infos of photos that are ready: a node confirmed them less than the bound ago."""
    older: Mapping[PhotoVersion, CachedInfo] = field(default_factory=dict)
    """Infos that count only if a node reports their digest."""
    tokens: Mapping[str, bytes] = field(default_factory=dict)
    deleted: frozenset[PhotoVersion] = frozenset()


class InfoCache:
    """CachedInfo documents by photo version. Every value from memcached is verified before use."""

    def __init__(
        self,
        servers: Sequence[Address],
        keys: KeySource,
        certificate: Certificate | None = None,
        *,
        confirmed_seconds: int,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._servers = [MemcachedServer(address, certificate) for address in servers]
        self._signer = PurposeSigner(keys, Purpose.CACHE)
        self._verifier = PurposeVerifier.of(keys, Purpose.CACHE)
        self._confirmed_seconds = confirmed_seconds
        self._now_seconds = now_seconds

    def now(self) -> int:
        """Return the time for entries that nodes confirm from now on."""
        return int(self._now_seconds())

    async def get_many(self, versions: Iterable[PhotoVersion]) -> CachedInfos:
        """Return the infos with valid entries, with one request per server."""
        versions = list(versions)
        if not self._servers or not versions:
            return CachedInfos()
        versions_by_key = {key_of(photo_version): photo_version for photo_version in versions}
        found = await asyncio.gather(
            *(server.get(keys) for server, keys in self._by_server(versions_by_key))
        )
        confirmed: dict[PhotoVersion, CachedInfo] = {}
        older: dict[PhotoVersion, CachedInfo] = {}
        tokens, deleted = {}, set()
        oldest = self._now_seconds() - self._confirmed_seconds
        for key, value in ((key, value) for values in found for key, value in values.items()):
            photo_version = versions_by_key.get(key)
            if photo_version is None:
                continue
            if value.data == DELETED:
                deleted.add(photo_version)
                continue
            tokens[key] = value.token
            entry = self._decode(photo_version, value.data)
            if entry is not None:
                seconds, info = entry
                is_confirmed = oldest < seconds <= oldest + self._confirmed_seconds
                (confirmed if is_confirmed else older)[photo_version] = info
        return CachedInfos(confirmed, older, tokens, frozenset(deleted))

    async def put_many(
        self,
        infos: Mapping[PhotoVersion, CachedInfo],
        *,
        confirmed_seconds: int,
        found: CachedInfos = CachedInfos(),  # immutable
    ) -> None:
        """Store infos, which nodes confirmed at this time or later.

        `found` is the result of the lookup before nodes confirmed them. An entry that changed since
        then, or a marker of a delete, is kept.
        """
        entries = {
            key_of(photo_version): self.encode(photo_version, info, confirmed_seconds)
            for photo_version, info in infos.items()
            if photo_version not in found.deleted
        }
        await asyncio.gather(
            *(
                server.put(
                    {key: entries[key] for key in keys}, found.tokens, ttl_seconds=KEEP_SECONDS
                )
                for server, keys in self._by_server(entries)
            )
        )

    async def drop(self, versions: Iterable[PhotoVersion]) -> None:
        """Replace the entries of deleted versions by markers, on every server."""
        keys = [key_of(photo_version) for photo_version in versions]
        ttl_seconds = self._confirmed_seconds + _MARKER_EXTRA_SECONDS
        if keys:
            await asyncio.gather(
                *(
                    server.replace(keys, DELETED, ttl_seconds=ttl_seconds)
                    for server in self._servers
                )
            )

    def close(self) -> None:
        """Close the connections."""
        for server in self._servers:
            server.close()

    def encode(
        self, photo_version: PhotoVersion, info: CachedInfo, confirmed_seconds: int
    ) -> bytes:
        """Return the entry of an info."""
        signed = (
            f"{confirmed_seconds} {info.letters} {info.original_ext}\n".encode() + info.document
        )
        key_id, mac = self._signer.current()
        return f"{key_id}.{mac(_message(photo_version, signed))} ".encode() + signed

    def _decode(self, photo_version: PhotoVersion, value: bytes) -> tuple[int, CachedInfo] | None:
        """Return the time and the info of an entry, or None if it is invalid for this version."""
        signature, _, signed = value.partition(b" ")
        key_id, _, mac = signature.partition(b".")
        try:
            self._verifier.check(
                _message(photo_version, signed), key_id=key_id.decode(), mac=mac.decode("ascii")
            )
        except (Forbidden, UnicodeDecodeError):
            return None
        head, _, document = signed.partition(b"\n")
        seconds, letters, ext = head.decode().split(" ")
        return int(seconds), CachedInfo(document, letters, ext)

    def _by_server(self, keys: Iterable[str]) -> list[tuple[MemcachedServer, list[str]]]:
        by_server: dict[int, list[str]] = defaultdict(list)
        for key in keys if self._servers else ():
            by_server[int(key[:8], 16) % len(self._servers)].append(key)
        return [(self._servers[index], of_server) for index, of_server in by_server.items()]


def info_of(document: bytes) -> CachedInfo | None:
    """Return the info of a document, or None if it is incomplete."""
    try:
        info = parse_json(document)
        letters = "".join(letters_of(info))
        ext = info["original"]["ext"]
        is_complete = _LETTERS.fullmatch(letters) and ext in EXTENSIONS
        return CachedInfo(document, letters, ext) if is_complete else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def key_of(photo_version: PhotoVersion) -> str:
    """Return a key of fixed length and alphabet, so that no request can inject into it."""
    return hashlib.sha256(f"info\n{photo_version}".encode()).hexdigest()


def _message(photo_version: PhotoVersion, signed: bytes) -> bytes:
    return f"{photo_version}\n".encode() + signed


def letters_of(info: dict[str, Any]) -> list[str]:
    """Return the sizes in an info document that exist in JPEG, now or after the second pass."""
    later = [made for made in info.get("second_pass", ()) if made["ext"] == "jpg"]
    return list(dict.fromkeys(made["size"] for made in (*info["variants"], *later)))
