"""The asynchronous client of a cluster; `glassplate.blocking.Client` is the same for other code.

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

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from glassplate.errors import BadConfig, NoKeys, NotFound, NotReadyInTime, SizesFailed, UsageError
from glassplate.session.operations import Operations
from glassplate.session.retries import Retries, Timeouts
from glassplate.urls.references import parse_reference, parse_version_reference
from storagemaster.wire import Deletion, PhotoStatus, Receipt, Revocation
from volumes.photo_path import PhotoVersion
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, Size

if TYPE_CHECKING:
    # Imported when they are needed, so that the command line starts without them.
    from glassplate.session.cluster_session import ClusterSession
    from glassplate.session.downloads import Downloaded
    from glassplate.session.exchange import Progress
    from glassplate.session.regeneration import Regeneration
    from glassplate.session.sinks import Sink
    from glassplate.session.sources import Source
    from permission_urls import KeyRing

READY_PAUSE_SECONDS_MIN = 0.1
READY_PAUSE_SECONDS_MAX = 1.0


class Client(Operations):
    """A cluster, as an application uses it; an asynchronous context manager.

    `masters` are URLs of storagemasters, as in "http://127.0.0.1:8090": any of them will do, and
    the next is asked when one does not answer. `token` is an API token. Without one, `keys` (a key
    ring, or the path of a key file) sign one for each request, with the one scope it needs.
    `keys` also sign permission URLs, without any network. `edges` are the URLs where photos are
    read, the public one first; `sizes` is the size table of the cluster.

    Every method may raise `ClusterError`, which may pass, and `Refused`, which will not. Requests
    that are safe to repeat are retried, as `retries` say.

    >>> client = Client("http://127.0.0.1:8090", token="gp1.a.read.0.VHvGwY3dJ7gqkB1cKJ5yQf0x")
    """

    def __init__(
        self,
        masters: str | Sequence[str],
        *,
        token: str | None = None,
        keys: "KeyRing | Path | str | None" = None,
        edges: Sequence[str] = (),
        sizes: Sequence[Size] = DEFAULT_SIZES,
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._servers = (masters,) if isinstance(masters, str) else tuple(masters)
        if not self._servers:
            raise BadConfig("no storagemaster is named: a client needs at least one")
        self._token = token
        self._keys = _load_keys(keys) if isinstance(keys, Path | str) else keys
        self._why_no_keys = "this client has neither a token nor keys"
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
        """A client of the cluster that a `cluster.toml` describes.

        The keys are those of the config's `keys_file`. Where it cannot be read, the client works
        with a token, and signs nothing. `masters` replace those of the config.

        Raises:
            BadConfig: The config has mistakes, or cannot be read.
        """
        from volumes.cluster_file import load_cluster
        from volumes.config_reader import InvalidConfig

        try:
            cluster = load_cluster(Path(path))
        except InvalidConfig as error:
            raise BadConfig(f"{path}: {error}") from error
        except OSError as error:
            raise BadConfig(f"{path} cannot be read: {error.strerror}") from error
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
            client._keys = _load_keys(cluster.keys_file)
        except BadConfig as error:
            client._why_no_keys = str(error)
        return client

    async def __aenter__(self) -> Self:
        from glassplate.session.cluster_session import ClusterSession
        from glassplate.session.masters import Credentials

        credentials = Credentials(self._token, self._keys, why_no_keys=self._why_no_keys)
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
        on_progress: "Progress | None" = None,
    ) -> Receipt:
        """Upload a photo: a path, bytes, or pieces of bytes that have `length` bytes in all.

        On return it is fsynced on two nodes; the receipt says where, and under which URLs its
        sizes will be. "strict" durability is two colos or nothing. `on_progress` hears how many
        bytes of how many have been sent, from the first again when they are sent again.

        Trying again never makes a second photo: each upload carries a key, a fresh one unless
        `idempotency_key` is given, and all uploads with one key are one photo. What comes in
        pieces and is larger than 1 MiB cannot be sent again once a part of it has been.

        Raises:
            UnusableSource: It cannot be read, is empty, or has not `length` bytes.
            NotAPhoto, TooLarge, IdempotencyKeyReused, NotFound: As their names say.
            ClusterError: Its `idempotency_key` makes trying again safe.
        """
        return await self._opened().upload(
            source,
            length=length,
            volume=volume,
            durability=durability,
            idempotency_key=idempotency_key,
            on_progress=on_progress,
        )

    async def get(
        self,
        photo: str | PhotoVersion,
        size: str = ORIGINAL_LETTER,
        *,
        on_progress: "Progress | None" = None,
    ) -> bytes:
        """The bytes of a photo, by its URL, or by its reference and a size.

        They are checked against the digest that the cluster tells, and continued where a
        connection broke. `size` is not looked at when a URL is given.

        Raises:
            NotFound: There is no such photo, or this size of it is not made.
            NotAllowed: The permission of the URL is not good, or is over.
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
        """Write a photo to a file, which has its name only when it is whole and checked.

        Raises:
            UnusableTarget: The file is there already, or cannot be written.
            NotFound, NotAllowed: As for `get`.
        """
        from glassplate.session.sinks import FileSink

        sink = FileSink(Path(path), overwrite=overwrite)
        try:
            downloaded = await self._download(photo, size, sink, on_progress)
            sink.publish()
        finally:
            sink.discard()
        return downloaded

    async def info(self, reference: str | PhotoVersion) -> PhotoStatus:
        """What has become of a photo version: pending, ready or failed, with its URLs.

        Raises:
            NotFound, PhotoGone: As their names say.
        """
        return await self._opened().photo(parse_version_reference(reference))

    async def infos(self, references: Sequence[str | PhotoVersion]) -> list[PhotoStatus]:
        """What has become of many, in order; one that is `gone` or `unknown` fails no other."""
        return await self._opened().photos([parse_version_reference(each) for each in references])

    async def wait_until_ready(
        self, reference: str | PhotoVersion, timeout_seconds: float = 60
    ) -> PhotoStatus:
        """Wait until every size of a photo version is made.

        Raises:
            SizesFailed: They cannot be made; its `reason` says why. The original is kept.
            NotReadyInTime: They are not made yet.
        """
        import asyncio

        ends_seconds = time.monotonic() + timeout_seconds
        pause_seconds = READY_PAUSE_SECONDS_MIN
        while True:
            status = await self.info(reference)
            if status.state == "ready":
                return status
            if status.state == "failed":
                raise SizesFailed(
                    f"sizes of {reference} cannot be made: {status.reason}", reason=status.reason
                )
            if time.monotonic() + pause_seconds > ends_seconds:
                raise NotReadyInTime(
                    f"the sizes of {reference} were not made within {timeout_seconds:g} s"
                )
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, READY_PAUSE_SECONDS_MAX)

    async def delete(self, reference: str | PhotoVersion) -> Deletion:
        """Make VOLUME/PHOTO/VERSION, or with VOLUME/PHOTO all versions, gone for ever.

        Doing it again is harmless.

        Raises:
            NotFound: There is no such photo.
        """
        return await self._opened().delete(parse_reference(reference))

    async def revoke(self, reference: str | PhotoVersion) -> Revocation:
        """Give a photo a new version, whose URLs are the only good ones: all old ones are dead.

        No bytes are copied. Doing it again is harmless, and is answered with the same new version.

        Raises:
            NotFound, PhotoGone: As their names say.
        """
        return await self._opened().revoke(parse_version_reference(reference))

    async def status(self) -> dict[str, Any]:
        """The cluster as one storagemaster sees it: nodes, volumes, owed work, queue and edges."""
        return await self._opened().status()

    @property
    def regeneration(self) -> "Regeneration":
        """Regeneration of sizes."""
        return self._opened().regeneration

    def url(
        self,
        reference: str | PhotoVersion,
        size: str,
        *,
        ext: str | None = None,
        expires: timedelta | None = None,
    ) -> str:
        """The permission URL of one size, made without any network; for ever unless it `expires`.

        An expiry is rounded up to five minutes, so that URLs repeat and caches know them. Every
        size is there as "jpg"; the format of an original must be told.

        Raises:
            NoKeys: The client has none.
            UnknownSize: There is no such size or format.
        """
        from glassplate.urls.photo_urls import sign_url

        photo_version = parse_version_reference(reference)
        if self._keys is None:
            raise NoKeys(f"a URL is signed with keys: {self._why_no_keys}")
        if not self._edges:
            raise BadConfig("where photos are read is not known: Client(..., edges=[...])")
        path = sign_url(
            self._keys,
            self._sizes,
            photo_version,
            size,
            ext=ext,
            expires=expires,
            now_seconds=time.time(),
        )
        return self._edges[0] + path

    def sign_token(self, scopes: Iterable[str], *, expires: timedelta | None = None) -> str:
        """An API token for some of "upload", "read", "delete" and "admin", made without network.

        Raises:
            NoKeys: The client has none.
        """
        from permission_urls import NO_EXPIRY, Unsignable, sign_token

        if self._keys is None:
            raise NoKeys(f"a token is signed with keys: {self._why_no_keys}")
        expiry = int(time.time() + expires.total_seconds()) if expires else NO_EXPIRY
        try:
            return sign_token(self._keys, scopes, expiry_seconds=expiry)
        except Unsignable as error:
            raise UsageError(str(error)) from error

    async def find_url(self, photo: str | PhotoVersion, size: str) -> str:
        """The permission URL of one size: signed here with keys, asked for without.

        A URL is its own. Unlike `url`, this knows the format of an original.

        Raises:
            NotFound: There is no such photo, or this size of it is not made.
        """
        if isinstance(photo, str) and photo.startswith(("http://", "https://")):
            return photo
        photo_version = parse_version_reference(photo)
        if self._keys and self._edges and size != ORIGINAL_LETTER:
            return self.url(photo_version, size)
        urls = (await self.info(photo_version)).urls
        if size not in urls:
            raise NotFound(
                f"size {size} of {photo_version} is not made; there are {', '.join(urls)}"
            )
        return urls[size]

    def _judge(self, target: str) -> dict[str, Any] | None:
        from glassplate.urls.permissions import check_permission

        return check_permission(target, self._keys, self._sizes, now_seconds=time.time())

    async def _download(
        self,
        photo: str | PhotoVersion,
        size: str,
        sink: "Sink",
        on_progress: "Progress | None",
    ) -> "Downloaded":
        urls = self._everywhere(await self.find_url(photo, size))
        return await self._opened().download(urls, sink, on_progress)

    def _everywhere(self, url: str) -> list[str]:
        """The URL and, if it is one of an edge, that of the same photo at every other."""
        mirror = next((edge for edge in self._edges if url.startswith(f"{edge}/")), None)
        if mirror is None:
            return [url]
        others = [edge for edge in self._edges if edge != mirror]
        return [url, *(edge + url.removeprefix(mirror) for edge in others)]

    def _opened(self) -> "ClusterSession":
        if self._session is None:
            raise RuntimeError("a client is used inside its `with` block")
        return self._session


def _load_keys(path: Path | str) -> "KeyRing":
    from permission_urls import KeyRingError, load_keys

    try:
        return load_keys(Path(path))
    except KeyRingError as error:
        raise BadConfig(str(error)) from error
