"""The client for code that is not asynchronous: the same surface, over an event loop of its own.

>>> from pathlib import Path
>>> from glassplate import blocking
>>> with blocking.Client.from_cluster("cluster.toml") as client:
...     receipt = client.put(Path("cat.jpg"))
...     client.info(receipt.reference).state
'pending'
"""

import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from glassplate import client as asynchronous
from glassplate.session.retries import Retries, Timeouts
from storagemaster.wire import Deletion, PhotoStatus, Receipt, Revocation
from volumes.photo_path import PhotoVersion
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, Size

if TYPE_CHECKING:
    import asyncio

    from glassplate.session.downloads import Downloaded
    from glassplate.session.exchange import Progress
    from permission_urls import KeyRing

_Result = TypeVar("_Result")


class Client:
    """A cluster, as an application uses it; a context manager, for any number of threads at once.

    Arguments, methods and errors are those of `glassplate.Client`, whose documentation holds here
    too. `on_progress` is called in the client's own thread, and pieces of bytes are asked for
    outside of the caller's. Closing it ends what other threads have under way.
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
        self._client = asynchronous.Client(
            masters,
            token=token,
            keys=keys,
            edges=edges,
            sizes=sizes,
            retries=retries,
            timeouts=timeouts,
        )
        self._loop: _LoopThread | None = None

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
        """A client of the cluster that a `cluster.toml` describes."""
        client = cls.__new__(cls)
        client._client = asynchronous.Client.from_cluster(  # noqa: SLF001  # a constructor too
            path, masters=masters, token=token, retries=retries, timeouts=timeouts
        )
        client._loop = None  # noqa: SLF001  # a constructor too
        return client

    def __enter__(self) -> Self:
        self._loop = _LoopThread()
        self._call(self._client.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop, self._loop = self._loop, None
        assert loop is not None
        try:
            loop.run(self._client.__aexit__(kind, error, trace))
        finally:
            loop.stop()

    def put(
        self,
        source: Path | str | bytes | Iterable[bytes],
        *,
        length: int | None = None,
        volume: int | None = None,
        durability: Literal["strict", "degraded"] | None = None,
        idempotency_key: str | None = None,
        on_progress: "Progress | None" = None,
    ) -> Receipt:
        """Upload a photo: a path, bytes, or pieces of bytes that have `length` bytes in all."""
        return self._call(
            self._client.put(
                source if isinstance(source, Path | str | bytes) else _chunks(iter(source)),
                length=length,
                volume=volume,
                durability=durability,
                idempotency_key=idempotency_key,
                on_progress=on_progress,
            )
        )

    def get(
        self,
        photo: str | PhotoVersion,
        size: str = ORIGINAL_LETTER,
        *,
        on_progress: "Progress | None" = None,
    ) -> bytes:
        """The bytes of a photo, by its URL, or by its reference and a size."""
        return self._call(self._client.get(photo, size, on_progress=on_progress))

    def download(
        self,
        photo: str | PhotoVersion,
        path: Path | str,
        size: str = ORIGINAL_LETTER,
        *,
        overwrite: bool = False,
        on_progress: "Progress | None" = None,
    ) -> "Downloaded":
        """Write a photo to a file, which has its name only when it is whole and checked."""
        return self._call(
            self._client.download(photo, path, size, overwrite=overwrite, on_progress=on_progress)
        )

    def info(self, reference: str | PhotoVersion) -> PhotoStatus:
        """What has become of a photo version: pending, ready or failed, with its URLs."""
        return self._call(self._client.info(reference))

    def infos(self, references: Sequence[str | PhotoVersion]) -> list[PhotoStatus]:
        """What has become of many, in order; one that is `gone` or `unknown` fails no other."""
        return self._call(self._client.infos(references))

    def wait_until_ready(
        self, reference: str | PhotoVersion, timeout_seconds: float = 60
    ) -> PhotoStatus:
        """Wait until every size of a photo version is made."""
        return self._call(self._client.wait_until_ready(reference, timeout_seconds))

    def delete(self, reference: str | PhotoVersion) -> Deletion:
        """Make VOLUME/PHOTO/VERSION, or with VOLUME/PHOTO all versions, gone for ever."""
        return self._call(self._client.delete(reference))

    def revoke(self, reference: str | PhotoVersion) -> Revocation:
        """Give a photo a new version, whose URLs are the only good ones: all old ones are dead."""
        return self._call(self._client.revoke(reference))

    def status(self) -> dict[str, Any]:
        """The cluster as one storagemaster sees it: nodes, volumes, owed work, queue and edges."""
        return self._call(self._client.status())

    def diff(self, volume: int) -> dict[str, Any]:
        """What would make the mirrors of a volume equal; nothing is changed."""
        return self._call(self._client.diff(volume))

    def repair(self, volume: int) -> dict[str, Any]:
        """Make the mirrors of a volume equal; what was done, and what was not and why."""
        return self._call(self._client.repair(volume))

    def undelete(self, reference: str | PhotoVersion) -> Receipt:
        """Bring the photo that VOLUME/PHOTO names back from the trash, as a new photo."""
        return self._call(self._client.undelete(reference))

    def find(self, photo: str) -> dict[str, Any]:
        """Every path of a photo on every node: at home, owed, in the trash, in quarantine."""
        return self._call(self._client.find(photo))

    def explain(self, photo: str | PhotoVersion) -> dict[str, Any]:
        """All there is to know of a photo, and what a GET of its URL would be answered, and why."""
        return self._call(self._client.explain(photo))

    def scrubs(self, node: str | None = None) -> dict[str, Any]:
        """How far the scrub of a node is, or of all: bytes read again, and what was corrupt."""
        return self._call(self._client.scrubs(node))

    def scrub(self, node: str | None = None) -> dict[str, Any]:
        """Have another pass begin as soon as the present one has ended."""
        return self._call(self._client.scrub(node))

    def url(
        self,
        reference: str | PhotoVersion,
        size: str,
        *,
        ext: str | None = None,
        expires: timedelta | None = None,
    ) -> str:
        """The permission URL of one size, made without any network."""
        return self._client.url(reference, size, ext=ext, expires=expires)

    def sign_token(self, scopes: Iterable[str], *, expires: timedelta | None = None) -> str:
        """An API token for some of "upload", "read", "delete" and "admin", made without network."""
        return self._client.sign_token(scopes, expires=expires)

    def find_url(self, photo: str | PhotoVersion, size: str) -> str:
        """The permission URL of one size: signed here with keys, asked for without."""
        return self._call(self._client.find_url(photo, size))

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("a client is used inside its `with` block")
        return loop.run(work)


class _LoopThread:
    """An event loop in a thread of its own, which ends with the program at the latest."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name="glassplate", daemon=True)
        self._thread.start()
        self._started.wait()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the loop, and wait for its result."""
        import asyncio

        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            # Ctrl-C ends the waiting, and is to end the work as well.
            future.cancel()

    def stop(self) -> None:
        """End the loop and everything in it."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _main(self) -> None:
        import asyncio

        asyncio.run(self._serve())

    async def _serve(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._started.set()
        await self._stopped.wait()


async def _chunks(source: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a source that may wait for each of them."""
    import asyncio

    while (chunk := await asyncio.to_thread(next, source, None)) is not None:
        yield chunk
