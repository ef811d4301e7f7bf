"""The asynchronous client of a cluster. `glassplate.blocking.Client` is the synchronous one.

>>> import asyncio
>>> from pathlib import Path
>>> from glassplate import Client
>>> async def main():
...     async with Client.from_cluster("cluster.toml") as client:
...         receipt = await client.put(Path("cat.jpg"))
...         data = await client.get(receipt.reference)
...         return receipt.durability, data == Path("cat.jpg").read_bytes()
>>> asyncio.run(main())
('mirrored', True)
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from glassplate.errors import BadConfig, NotFound
from glassplate.session.config_files import load_config, load_key_file
from glassplate.session.lookups import Lookups
from glassplate.session.operations import Operations
from glassplate.session.retries import Retries, Timeouts
from glassplate.session.signing import Signing
from glassplate.urls.references import parse_reference, parse_version_reference
from storagemaster import wire
from storagemaster.wire import Deletion, Receipt, Revocation
from volumes.photo_path import PhotoVersion
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, Size

if TYPE_CHECKING:
    # Imported late, so that the command line starts without the network library.
    from glassplate.session.application_file import ApplicationFile
    from glassplate.session.cluster_session import ClusterSession
    from glassplate.session.downloads import Downloaded
    from glassplate.session.exchange import Progress
    from glassplate.session.regeneration import Regeneration
    from glassplate.session.sinks import Sink
    from glassplate.session.sources import Source
    from permission_urls import DerivedKey, KeySource


class Client(Signing, Lookups, Operations):
    """A client of a cluster, for applications. An asynchronous context manager.

    `masters` are URLs of storagemasters, such as "http://127.0.0.1:8090". If one does not respond,
    the client tries the next. `token` is an API token. Without one, `keys` (a key ring, or the path
    of a key file) sign a token for each request, with the scope that it needs. `keys` also sign
    permission URLs, without a network; so does a `signing_key`, which `glassplate keys export
    --purpose read` writes and which signs nothing else. `edges` are the URLs that serve photos, the
    public one first. `sizes` is the size table of the cluster.

    Every method can raise `ClusterError`, after which a retry can help, and `Refused`, after which
    it cannot. Requests that are safe to repeat are retried within the limits of `retries`.

    >>> client = Client("http://127.0.0.1:8090", token="gp2.a.e30.VHvGwY3dJ7gqkB1cKJ5yQf0x")
    """

    def __init__(
        self,
        masters: str | Sequence[str],
        *,
        token: str | None = None,
        keys: "KeySource | Path | str | None" = None,
        signing_key: "KeySource | Path | str | None" = None,
        edges: Sequence[str] = (),
        sizes: Sequence[Size] = DEFAULT_SIZES,
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._servers = (masters,) if isinstance(masters, str) else tuple(masters)
        if not self._servers:
            raise BadConfig("no storagemaster given: a client needs at least one URL")
        self._token = token
        self._keys = load_key_file(keys) if isinstance(keys, Path | str) else keys
        own = load_key_file(signing_key) if isinstance(signing_key, Path | str) else signing_key
        self._url_keys: KeySource | DerivedKey | None = own or self._keys
        self._application: ApplicationFile | None = None
        self._keys_error = "this client has neither a token nor keys"
        self._edges = tuple(edge.rstrip("/") for edge in edges)
        self._sizes = tuple(sizes)
        self._retries = retries or Retries()
        self._timeouts = timeouts or Timeouts()
        self._session: ClusterSession | None = None

    @classmethod
    def from_cluster(
        cls,
        path: Path | str,
        *,
        masters: Sequence[str] = (),
        token: str | None = None,
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
    ) -> Self:
        """Return a client of the cluster that a `cluster.toml` describes.

        The client reads the keys from the config's `keys_file`. If that is not readable, the client
        needs a token and signs nothing. `masters` replace the storagemasters of the config.

        Raises:
            BadConfig: The config is invalid, or cannot be read.
        """
        cluster = load_config(Path(path))
        edges = [cluster.public_url, *(f"http://{e.listen}" for e in cluster.edges.values())]
        client = cls(
            list(masters) or [f"http://{master.address}" for master in cluster.masters.values()],
            token=token,
            edges=list(dict.fromkeys(edge.rstrip("/") for edge in edges)),
            sizes=cluster.sizes,
            retries=retries,
            timeouts=timeouts,
        )
        try:
            client._keys = client._url_keys = load_key_file(cluster.keys_file)
        except BadConfig as error:
            client._keys_error = str(error)
        return client

    @classmethod
    def from_application(
        cls,
        path: Path | str,
        *,
        masters: Sequence[str] = (),
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
    ) -> Self:
        """Return a client with an application's file, which has all that the application may use.

        `glassplate application export` writes the file. `masters` replace its storagemasters.

        Raises:
            BadConfig: The file is invalid, cannot be read, or is accessible to other users.
        """
        from glassplate.session.application_file import load_application

        file = load_application(Path(path))
        client = cls(
            list(masters) or list(file.masters),
            token=file.token,
            edges=file.edges,
            sizes=file.sizes,
            retries=retries,
            timeouts=timeouts,
        )
        client._application = file
        client._url_keys = file.read_key
        client._keys_error = f"{path} has no key for it"
        return client

    async def __aenter__(self) -> Self:
        from glassplate.session.cluster_session import ClusterSession
        from glassplate.session.masters import Credentials

        credentials = Credentials(self._token, self._keys, keys_error=self._keys_error)
        self._session = ClusterSession(
            self._servers, credentials, retries=self._retries, timeouts=self._timeouts
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._session = self._session, None
        if session:
            await session.close()

    async def put(
        self,
        source: "Source",
        *,
        length: int | None = None,
        volume: int | None = None,
        durability: Literal["strict", "degraded"] | None = None,
        idempotency_key: str | None = None,
        sha256: str | None = None,
        known: bool = False,
        on_progress: "Progress | None" = None,
    ) -> Receipt:
        """Upload a photo: a path, bytes, or chunks of `length` bytes in total.

        On return, the photo is fsynced on two nodes. The receipt names them and has the URLs of the
        future sizes. "strict" durability requires two colos. `sha256` is the digest in hex, if the
        caller knows it: other bytes are not stored. `on_progress` receives the sent bytes and the
        total; a retry goes back to the byte at which it continues.

        A source of more than 8 MiB continues after a lost connection, at any storagemaster, where
        the cluster has its last byte. A shorter one is sent again as a whole. It is never stored
        twice: all uploads with one key are one photo. Each upload has a new key unless
        `idempotency_key` is given.

        With `known`, the key is the digest of the photo, so that all uploads of equal bytes are one
        photo of the application. If it is stored, no bytes are sent.

        Raises:
            UnusableSource: The source cannot be read, is empty, or does not have `length` bytes.
            PhotoGone: The photo of the key was deleted.
            UnsupportedFormat: The source is not a photo in a supported format.
            TooLarge: The source has more bytes than the cluster accepts.
            IdempotencyKeyReused: The key belongs to other bytes.
            NotFound: The volume does not exist.
            ClusterError: The upload failed. Its `idempotency_key` makes a retry safe.
        """
        return await self._opened().upload(
            source,
            length=length,
            volume=volume,
            durability=durability,
            idempotency_key=idempotency_key,
            sha256=sha256,
            known=known,
            on_progress=on_progress,
        )

    async def get(
        self,
        photo: str | PhotoVersion,
        size: str = ORIGINAL_LETTER,
        *,
        on_progress: "Progress | None" = None,
    ) -> bytes:
        """Return the bytes of a photo, by its URL, or by its reference and a size.

        The bytes are checked against the cluster's digest. A download continues where a connection
        was lost. `size` is ignored for a URL.

        Raises:
            NotFound: The photo does not exist, or this size is not made.
            NotAllowed: The permission of the URL is invalid or expired.
        """
        from glassplate.session.sinks import MemorySink

        sink = MemorySink()
        await self._download(photo, size, sink, on_progress)
        return sink.data()

    async def download(
        self,
        photo: str | PhotoVersion,
        path: Path | str,
        size: str = ORIGINAL_LETTER,
        *,
        overwrite: bool = False,
        on_progress: "Progress | None" = None,
    ) -> "Downloaded":
        """Write a photo to a file. The file appears only when it is complete and checked.

        Raises:
            UnusableTarget: The file exists already, or cannot be written.
            NotFound: The photo does not exist, or this size is not made.
            NotAllowed: The permission of the URL is invalid or expired.
        """
        from glassplate.session.sinks import FileSink

        sink = FileSink(Path(path), overwrite=overwrite)
        try:
            downloaded = await self._download(photo, size, sink, on_progress)
            sink.publish()
        finally:
            sink.discard()
        return downloaded

    async def delete(self, reference: str | PhotoVersion) -> Deletion:
        """Delete VOLUME/PHOTO/VERSION, or all versions of VOLUME/PHOTO, permanently.

        It is safe to repeat.

        Raises:
            NotFound: The photo does not exist.
        """
        target = parse_reference(reference)
        route = wire.DELETE_PHOTO if target.version is None else wire.DELETE_VERSION
        return await self._opened().request(route, wire.parse_deletion, asdict(target))

    async def erase(self, reference: str | PhotoVersion) -> dict[str, Any]:
        """Delete as `delete` does, and remove the bytes from the trash of every node.

        Return a signed proof: what was removed, and what could not be reached. It is safe to
        repeat.

        Raises:
            NotFound: The photo does not exist.
        """
        target = parse_reference(reference)
        route = wire.ERASE_PHOTO if target.version is None else wire.ERASE_VERSION
        return await self._opened().request(route, dict, asdict(target))

    async def revoke(self, reference: str | PhotoVersion) -> Revocation:
        """Give a photo a new version with new URLs, and invalidate the old ones.

        No bytes are copied. It is safe to repeat: the new version is always the same.

        Raises:
            NotFound: The photo version does not exist.
            PhotoGone: The photo was deleted.
        """
        fields = asdict(parse_version_reference(reference))
        return await self._opened().request(wire.REVOKE, wire.parse_revocation, fields)

    async def status(self) -> dict[str, Any]:
        """Return the state of the cluster, as reported by one storagemaster."""
        return await self._opened().request(wire.STATUS, dict)

    @property
    def regeneration(self) -> "Regeneration":
        """Regeneration of sizes."""
        from glassplate.session.regeneration import Regeneration

        return Regeneration(self._opened())

    async def find_url(self, photo: str | PhotoVersion, size: str) -> str:
        """Return the permission URL of one size: signed locally, or requested from the cluster.

        A URL is returned unchanged. Unlike `url`, this finds the format of an original.

        Raises:
            NotFound: The photo does not exist, or this size is not made.
        """
        if isinstance(photo, str) and photo.startswith(("http://", "https://")):
            return photo
        photo_version = parse_version_reference(photo)
        if self._url_keys and self._edges and size != ORIGINAL_LETTER:
            return self.url(photo_version, size)
        urls = (await self.info(photo_version)).urls
        if size not in urls:
            known = ", ".join(urls) or "none"
            raise NotFound(
                f"no URL of size {size!r} of {photo_version}: it is not made, or the token lacks "
                f"scope original; known sizes: {known}"
            )
        return urls[size]

    async def _download(
        self,
        photo: str | PhotoVersion,
        size: str,
        sink: "Sink",
        on_progress: "Progress | None",
    ) -> "Downloaded":
        urls = self._urls_at_edges(await self.find_url(photo, size))
        return await self._opened().download(urls, sink, on_progress)

    def _urls_at_edges(self, url: str) -> list[str]:
        """Return the URL and, if it is an edge's, the URLs of the photo at all other edges."""
        at = next((edge for edge in self._edges if url.startswith(f"{edge}/")), None)
        if at is None:
            return [url]
        return [url, *(edge + url.removeprefix(at) for edge in self._edges if edge != at)]

    def _opened(self) -> "ClusterSession":
        if self._session is None:
            raise RuntimeError("the client is not open: use it inside its `with` block")
        return self._session
