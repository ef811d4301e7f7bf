"""Requests to one node for the audit log."""

from storagenode.protocol import routes
from storagenode.protocol.audit_log import AuditFile, parse_audit_file
from storagenode.transport.signed_requests import CALL_SECONDS, SignedRequests


class AuditRequests(SignedRequests):
    """Sender of requests for the audit log. They raise as `AuditFiles` does."""

    async def append_audit(self, file: AuditFile, lines: bytes) -> None:
        """Append complete lines, which are durable on return."""
        await self._call(routes.APPEND_AUDIT.target(file=file.name), lines)

    async def read_audit(self, file: AuditFile, *, offset: int) -> bytes:
        """Return up to a mebibyte from an offset on, none at the end."""
        target = routes.READ_AUDIT.target({"offset": offset}, file=file.name)
        async with self._streaming(target, timeout_seconds=CALL_SECONDS) as response:
            return await response.read()

    async def list_audit(self) -> list[AuditFile]:
        """Return all files of the audit log on the node, the oldest first."""
        names = await self._call(routes.LIST_AUDIT.target())
        return [parse_audit_file(name) for name in names]
