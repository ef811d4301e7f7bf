"""Handlers of the write port for the audit log."""

from aiohttp import web

from storagenode.disk.audit_files import AuditFiles
from storagenode.protocol import routes
from storagenode.protocol.audit_log import AuditFile, parse_audit_file
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.routes import AUDIT_READ_BYTES_MAX, Route
from storagenode.write_port.repair_api import Handler
from storagenode.write_port.store_threads import StoreThreads
from volumes.json_text import parse_whole_number


class AuditApi:
    """Handlers for storagemasters that keep an audit log. A bucket stores none."""

    def __init__(self, files: AuditFiles | None, threads: StoreThreads) -> None:
        self._given_files = files
        self._threads = threads

    def handlers(self) -> dict[Route, Handler]:
        """Return the handlers by route."""
        return {
            routes.LIST_AUDIT: self.list,
            routes.READ_AUDIT: self.read,
            routes.APPEND_AUDIT: self.append,
        }

    async def list(self, _: web.Request, __: bytes) -> web.Response:
        """Return the names of all files."""
        files = await self._threads.run(self._files.files)
        return web.json_response([file.name for file in files])

    async def read(self, request: web.Request, _: bytes) -> web.Response:
        """Send bytes of a file from an offset on."""
        try:
            offset = parse_whole_number(request.query.get("offset", ""))
        except ValueError as error:
            raise BadRequest(f"invalid offset: {error}") from error
        data = await self._threads.run(
            self._files.read, _file(request), offset=offset, bytes_max=AUDIT_READ_BYTES_MAX
        )
        return web.Response(body=data)

    async def append(self, request: web.Request, body: bytes) -> web.Response:
        """Append lines to a file."""
        await self._threads.run(self._files.append, _file(request), body)
        return web.json_response({})

    @property
    def _files(self) -> AuditFiles:
        if self._given_files is None:
            raise BadRequest("a bucket stores no audit log")
        return self._given_files


def _file(request: web.Request) -> AuditFile:
    return parse_audit_file(request.match_info["file"])
