"""Uploads in parts, which continue at any storagemaster after a lost connection (tus 1.0).

The storagemaster that responds says at which byte the upload continues, so a failure costs only the
bytes that were under way.
"""

from collections.abc import Mapping
from dataclasses import replace

from glassplate.errors import InvalidResponse, NotFound, PhotoGone, error_of
from glassplate.session.exchange import NoResponse, Request, Response
from glassplate.session.masters import Failures, Masters, is_temporary
from glassplate.session.sources import Body
from storagemaster import upload_wire, wire
from storagemaster.upload_wire import UploadState
from storagemaster.wire import Receipt

_TUS = {"Tus-Resumable": "1.0.0", upload_wire.PREFER_HEADER: upload_wire.PREFER_STATE}
_PART_TYPE = "application/offset+octet-stream"
# The upload has ended without a photo. It begins again.
_ENDED = ("/unknown-upload", "/upload-expired")


class PartUpload:
    """One photo that is sent in parts."""

    def __init__(self, masters: Masters, whole: Request, body: Body) -> None:
        """`whole` is the request that would send the body at once."""
        self._masters = masters
        self._whole = whole
        self._body = body
        self._path: Mapping[str, object] = {}

    async def send(self) -> Receipt:
        """Upload the photo, and return its receipt.

        Raises:
            Refused: The cluster rejected the photo.
            ClusterError: Repeated attempts stored no further byte.
            UnusableSource: The body cannot be read.
        """
        state = await self._begin()
        if state.receipt is not None and self._whole.on_progress is not None:
            self._whole.on_progress(state.offset, state.bytes)
        try:
            return state.receipt or await self._send_parts(state)
        finally:
            self._body.close()

    async def _send_parts(self, state: UploadState) -> Receipt:
        failures = Failures()
        while state.receipt is None:
            before, server = state.offset, self._masters.current
            outcome = await self._masters.send_once(self._part(state.offset))
            if isinstance(outcome, Response) and outcome.status < 300:
                state = _state_of(outcome)
            else:
                _refuse_permanent(outcome)
                failures.record(server, outcome)
                await self._masters.pause(failures, outcome)
                state = await self._continue()
            if state.offset > before:
                failures = Failures()
        return state.receipt

    async def _begin(self) -> UploadState:
        """Begin the upload. It is complete at once if the photo is stored with its key and digest.

        A second upload stores no second photo: only one of the two is completed.
        """
        headers = {**self._whole.headers, **_TUS, "Upload-Length": str(self._body.length)}
        headers.pop("Content-Type")
        response = await self._masters.send(
            replace(
                self._whole,
                route=wire.BEGIN_UPLOAD,
                headers=headers,
                body=None,
                is_repeatable=True,
            )
        )
        self._path = {"upload": response.location.rpartition("/")[2]}
        return _state_of(response)

    async def _continue(self) -> UploadState:
        """Return where the upload continues. It begins again if all its bytes were lost."""
        try:
            return _state_of(
                await self._masters.send(Request(route=wire.UPLOAD_STATE, fields=self._path))
            )
        except (NotFound, PhotoGone) as error:
            if error.problem is None or not error.problem.type.endswith(_ENDED):
                raise
            return await self._begin()

    def _part(self, offset: int) -> Request:
        return Request(
            route=wire.APPEND_TO_UPLOAD,
            fields=self._path,
            headers={**_TUS, "Upload-Offset": str(offset), "Content-Type": _PART_TYPE},
            body=self._body,
            start=offset,
            digest=self._whole.digest,
            on_progress=self._whole.on_progress,
        )


def _state_of(response: Response) -> UploadState:
    try:
        return upload_wire.parse_upload_state(response.document())
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidResponse(
            f"invalid response of a storagemaster: {error!r}; compare the versions"
        ) from error


def _refuse_permanent(outcome: Response | NoResponse) -> None:
    """Raise unless the upload can continue after the failure of a part."""
    if isinstance(outcome, NoResponse) or is_temporary(outcome):
        return
    problem = outcome.problem()
    if problem.type.endswith(("/offset-mismatch", *_ENDED)):
        return
    raise error_of(problem)
