"""The client for synchronous code, over an event loop of its own.

>>> from glassplate import blocking
>>> with blocking.Client.from_cluster("cluster.toml") as client:
...     client.info(client.put("cat.jpg").reference).state
'pending'
"""

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from glassplate import client as asynchronous
from glassplate.markup.html import Html
from glassplate.markup.info import Info
from glassplate.session.loop_thread import LoopThread, chunks_of
from glassplate.session.retries import Retries, Timeouts
from glassplate.session.signing import TICKET_BYTES_MAX
from storagemaster import wire
from storagemaster.known_wire import KnownPhoto, TicketUse
from volumes.photo_path import PhotoVersion
from volumes.sizes import DEFAULT_SIZES, ORIGINAL_LETTER, Size

if TYPE_CHECKING:
    from glassplate.session.downloads import Downloaded
    from glassplate.session.exchange import Progress
    from glassplate.session.webhook_events import PhotoEvent
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
        self._loop: LoopThread | None = None

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
        return cls._of(
            asynchronous.Client.from_cluster(
                path, masters=masters, token=token, retries=retries, timeouts=timeouts
            )
        )

    @classmethod
    def from_application(
        cls,
        path: Path | str,
        *,
        masters: Sequence[str] = (),
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
    ) -> Self:
        """Return a client with an application's file, as `glassplate application export` writes."""
        return cls._of(
            asynchronous.Client.from_application(
                path, masters=masters, retries=retries, timeouts=timeouts
            )
        )

    @classmethod
    def _of(cls, client: asynchronous.Client) -> Self:
        made = cls.__new__(cls)
        made._client, made._loop = client, None  # noqa: SLF001  # a constructor too
        return made

    def __enter__(self) -> Self:
        self._loop = LoopThread()
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
        known: bool = False,
        on_progress: "Progress | None" = None,
    ) -> wire.Receipt:
        """Upload a photo: a path, bytes, or chunks of `length` bytes in total."""
        return self._call(
            self._client.put(
                source if isinstance(source, Path | str | bytes) else chunks_of(iter(source)),
                length=length,
                volume=volume,
                durability=durability,
                idempotency_key=idempotency_key,
                sha256=sha256,
                known=known,
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

    def info(self, reference: str | PhotoVersion) -> wire.PhotoStatus:
        """Return the state of a photo version (pending, ready, or failed) and its URLs."""
        return self._call(self._client.info(reference))

    def infos(self, references: Sequence[str | PhotoVersion]) -> list[wire.PhotoStatus]:
        """Return the states of many photo versions, in order, including `gone` and `unknown`."""
        return self._call(self._client.infos(references))

    def known(self, digests: Sequence[str]) -> list[KnownPhoto]:
        """Return the photo of each SHA-256 in hex, in order, so that it need not be sent again."""
        return self._call(self._client.known(digests))

    def ticket_uses(self, ticket: str) -> list[TicketUse]:
        """Return the photos that a ticket permits, in the order of their index."""
        return self._call(self._client.ticket_uses(ticket))

    def list_photos(
        self, volume: int, *, after: str | None = None, limit: int = wire.PAGE_PHOTOS_MAX
    ) -> wire.PhotoPage:
        """Return up to `limit` photo versions of a volume that are stored and not deleted."""
        return self._call(self._client.list_photos(volume, after=after, limit=limit))

    def pages(self, volume: int) -> Iterator[wire.PhotoPage]:
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
    ) -> wire.PhotoStatus:
        """Wait until every size of a photo version is made."""
        return self._call(self._client.wait_until_ready(reference, timeout_seconds))

    def delete(self, reference: str | PhotoVersion) -> wire.Deletion:
        """Delete VOLUME/PHOTO/VERSION, or all versions of VOLUME/PHOTO, permanently."""
        return self._call(self._client.delete(reference))

    def erase(self, reference: str | PhotoVersion) -> dict[str, Any]:
        """Delete as `delete` does, and remove the bytes from the trash of every node."""
        return self._call(self._client.erase(reference))

    def revoke(self, reference: str | PhotoVersion) -> wire.Revocation:
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

    def undelete(self, reference: str | PhotoVersion) -> wire.Receipt:
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

    def unfence(self, node: str) -> dict[str, Any]:
        """Make a node serve its photos although it may have missed deletes."""
        return self._call(self._client.unfence(node))

    def volume_map(self, change: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the volume map in force or, with a change, the next one."""
        return self._call(self._client.volume_map(change))

    def map_log(self, limit: int | None = None) -> dict[str, Any]:
        """Return the last versions of the volume map, the newest first."""
        return self._call(self._client.map_log(limit))

    def scrub(self, node: str | None = None) -> dict[str, Any]:
        """Start another scrub pass after the current one."""
        return self._call(self._client.scrub(node))

    def audit(
        self,
        *,
        since: str | None = None,
        until: str | None = None,
        kind: Literal["acts", "uploads"] = "acts",
        act: str | None = None,
        caller: str | None = None,
        photo: str | None = None,
        limit: int = wire.AUDIT_ENTRIES,
        verify: bool = False,
    ) -> dict[str, Any]:
        """Return entries of the audit log, the latest first; days are YYYY-MM-DD, in UTC."""
        entries = self._client.audit(
            since=since,
            until=until,
            kind=kind,
            act=act,
            caller=caller,
            photo=photo,
            limit=limit,
            verify=verify,
        )
        return self._call(entries)

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
        photo: str | PhotoVersion | wire.PhotoStatus,
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
        photo: str | PhotoVersion | wire.PhotoStatus,
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

    def ticket(
        self,
        *,
        count: int = 1,
        bytes_max: int = TICKET_BYTES_MAX,
        expires: timedelta = timedelta(hours=1),
        formats: Sequence[str] | None = None,
        sha256: str | None = None,
        volume: int | None = None,
        strict: bool = False,
        to: str | None = None,
        ref: str | None = None,
    ) -> str:
        """Sign a ticket, with which a browser or a device uploads photos, without a network."""
        return self._client.ticket(
            count=count,
            bytes_max=bytes_max,
            expires=expires,
            formats=formats,
            sha256=sha256,
            volume=volume,
            strict=strict,
            to=to,
            ref=ref,
        )

    def verify_webhook(self, signature: str | None, body: bytes) -> "PhotoEvent":
        """Return the event of a webhook, from its Glassplate-Signature header and its body."""
        return self._client.verify_webhook(signature, body)

    @property
    def upload_urls(self) -> tuple[str, ...]:
        """The addresses that browsers and devices upload to; empty without an application file."""
        return self._client.upload_urls

    def find_url(self, photo: str | PhotoVersion, size: str) -> str:
        """Return the permission URL of one size: signed locally, or requested from the cluster."""
        return self._call(self._client.find_url(photo, size))

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("the client is not open: use it inside its `with` block")
        return loop.run(work)
