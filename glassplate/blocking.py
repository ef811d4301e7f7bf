"""The client for synchronous code, over an event loop of its own.

>>> from pathlib import Path
>>> from glassplate import blocking
>>> with blocking.Client.from_cluster("cluster.toml") as client:
...     receipt = client.put(Path("cat.jpg"))
...     client.info(receipt.reference).state
'pending'
"""

import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from glassplate import client as asynchronous
from glassplate.markup.html import Html
from glassplate.markup.info import Info
from glassplate.session.retries import Retries, Timeouts
from storagemaster.wire import (
    PAGE_PHOTOS_MAX,
    Deletion,
    PhotoPage,
    PhotoStatus,
    Receipt,
    Revocation,
)
from volumes.photo_path import PhotoVersion
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, Size

if TYPE_CHECKING:
    import asyncio

    from glassplate.session.downloads import Downloaded
    from glassplate.session.exchange import Progress
    from permission_urls import KeySource

_Result = TypeVar("_Result")


class Client:
    """A client of a cluster, for applications. A context manager that is thread-safe.

    It has the arguments, methods, and errors of `glassplate.Client`, whose docstrings apply. It
    calls `on_progress` in its own thread, and reads chunks in worker threads. Closing the client
    cancels the calls of other threads.
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
        self._client = asynchronous.Client(
            masters,
            token=token,
            keys=keys,
            signing_key=signing_key,
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
        """Return a client of the cluster that a `cluster.toml` describes."""
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
        sha256: str | None = None,
        on_progress: "Progress | None" = None,
    ) -> Receipt:
        """Upload a photo: a path, bytes, or chunks of `length` bytes in total."""
        return self._call(
            self._client.put(
                source if isinstance(source, Path | str | bytes) else _chunks(iter(source)),
                length=length,
                volume=volume,
                durability=durability,
                idempotency_key=idempotency_key,
                sha256=sha256,
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
        """Return the bytes of a photo, by its URL, or by its reference and a size."""
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
        """Write a photo to a file. The file appears only when it is complete and checked."""
        return self._call(
            self._client.download(photo, path, size, overwrite=overwrite, on_progress=on_progress)
        )

    def info(self, reference: str | PhotoVersion) -> PhotoStatus:
        """Return the state of a photo version (pending, ready, or failed) and its URLs."""
        return self._call(self._client.info(reference))

    def infos(self, references: Sequence[str | PhotoVersion]) -> list[PhotoStatus]:
        """Return the states of many photo versions, in order, including `gone` and `unknown`."""
        return self._call(self._client.infos(references))

    def list_photos(
        self, volume: int, *, after: str | None = None, limit: int = PAGE_PHOTOS_MAX
    ) -> PhotoPage:
        """Return up to `limit` photo versions of a volume that are stored and not deleted."""
        return self._call(self._client.list_photos(volume, after=after, limit=limit))

    def pages(self, volume: int) -> Iterator[PhotoPage]:
        """Yield all pages of a volume's photos."""
        after: str | None = None
        while True:
            page = self.list_photos(volume, after=after)
            yield page
            after = page.after
            if after is None:
                return

    def wait_until_ready(
        self, reference: str | PhotoVersion, timeout_seconds: float = 60
    ) -> PhotoStatus:
        """Wait until every size of a photo version is made."""
        return self._call(self._client.wait_until_ready(reference, timeout_seconds))

    def delete(self, reference: str | PhotoVersion) -> Deletion:
        """Delete VOLUME/PHOTO/VERSION, or all versions of VOLUME/PHOTO, permanently."""
        return self._call(self._client.delete(reference))

    def revoke(self, reference: str | PhotoVersion) -> Revocation:
        """Give a photo a new version with new URLs, and invalidate the old ones."""
        return self._call(self._client.revoke(reference))

    def status(self) -> dict[str, Any]:
        """Return the state of the cluster, as reported by one storagemaster."""
        return self._call(self._client.status())

    def diff(self, volume: int) -> dict[str, Any]:
        """Return the steps that would make the mirrors of a volume equal."""
        return self._call(self._client.diff(volume))

    def repair(self, volume: int) -> dict[str, Any]:
        """Make the mirrors of a volume equal, and return the result."""
        return self._call(self._client.repair(volume))

    def undelete(self, reference: str | PhotoVersion) -> Receipt:
        """Restore the deleted photo VOLUME/PHOTO from the trash, as a new photo."""
        return self._call(self._client.undelete(reference))

    def find(self, photo: str) -> dict[str, Any]:
        """Return every file of a photo on every node: live, hints, trash, and quarantine."""
        return self._call(self._client.find(photo))

    def explain(self, photo: str | PhotoVersion) -> dict[str, Any]:
        """Return all facts about a photo, and the response to a GET of its URL."""
        return self._call(self._client.explain(photo))

    def scrubs(self, node: str | None = None) -> dict[str, Any]:
        """Return the scrub progress of a node, or of all nodes."""
        return self._call(self._client.scrubs(node))

    def scrub(self, node: str | None = None) -> dict[str, Any]:
        """Start another scrub pass after the current one."""
        return self._call(self._client.scrub(node))

    def url(
        self,
        reference: str | PhotoVersion,
        size: str,
        *,
        ext: str | None = None,
        expires: timedelta | None = None,
    ) -> str:
        """Return the permission URL of one size, signed without a network."""
        return self._client.url(reference, size, ext=ext, expires=expires)

    def srcset(
        self,
        photo: str | PhotoVersion | PhotoStatus,
        info: Info | Mapping[str, Any] | None = None,
        *,
        sizes: str = "100vw",
        width_max: int | None = None,
        expires: timedelta | None = None,
    ) -> Html:
        """Return `src`, `srcset`, `sizes`, `width`, and `height` of an `<img>`, as safe HTML."""
        return self._client.srcset(photo, info, sizes=sizes, width_max=width_max, expires=expires)

    def picture(
        self,
        photo: str | PhotoVersion | PhotoStatus,
        info: Info | Mapping[str, Any] | None = None,
        *,
        alt: str,
        sizes: str = "100vw",
        width_max: int | None = None,
        loading: str = "lazy",
        second_pass: bool = False,
        extra: Mapping[str, str] | None = None,
        expires: timedelta | None = None,
    ) -> Html:
        """Return a `<picture>` with the sizes and formats of a photo, as safe HTML."""
        return self._client.picture(
            photo,
            info,
            alt=alt,
            sizes=sizes,
            width_max=width_max,
            loading=loading,
            second_pass=second_pass,
            extra=extra,
            expires=expires,
        )

    def sign_token(
        self,
        scopes: Iterable[str],
        *,
        expires: timedelta | None = timedelta(days=30),
        application: str = "default",
        volumes: Sequence[tuple[int, int]] | None = None,
    ) -> str:
        """Sign an API token for some of "upload", "read", "delete", and "admin"."""
        return self._client.sign_token(
            scopes, expires=expires, application=application, volumes=volumes
        )

    def find_url(self, photo: str | PhotoVersion, size: str) -> str:
        """Return the permission URL of one size: signed locally, or requested from the cluster."""
        return self._call(self._client.find_url(photo, size))

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("the client is not open: use it inside its `with` block")
        return loop.run(work)


class _LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name="glassplate", daemon=True)
        self._thread.start()
        self._started.wait()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the loop, and return its result."""
        import asyncio

        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            # Ctrl-C interrupts only the waiting thread, so cancel the work as well.
            future.cancel()

    def stop(self) -> None:
        """Stop the loop, and cancel everything in it."""
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
    """Yield the chunks of an iterator that can block."""
    import asyncio

    while (chunk := await asyncio.to_thread(next, source, None)) is not None:
        yield chunk
