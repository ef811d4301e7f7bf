"""The route of the audit log."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from aiohttp import web

from storagemaster import wire
from storagemaster.admission.auditing import Auditing
from storagemaster.admission.authorization import CALLER, Handler
from storagemaster.admission.path_fields import limit_in
from storagemaster.audit.audit_log import AuditLog
from storagemaster.audit.log_reader import AuditQuery, LogReader
from storagemaster.errors import BadArgument, NotAllowed
from storagenode.protocol.audit_log import EntryKind

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class AuditApi:
    """Handler for auditors, and the recorder of the other handlers."""

    def __init__(self, log: AuditLog, reader: LogReader) -> None:
        self.auditing = Auditing(log)
        self._reader = reader
        self.handlers: Mapping[wire.Route, Handler] = {wire.AUDIT: self.audit}

    async def audit(self, request: web.Request) -> web.Response:
        """Return entries of the audit log."""
        if request[CALLER].volumes is not None:
            raise NotAllowed("this reads the log of all volumes, and needs a token for all of them")
        page = await self._reader.page(self._query(request))
        return web.json_response(asdict(page), headers={"Cache-Control": "no-store"})

    def _query(self, request: web.Request) -> AuditQuery:
        given = request.query
        until = _day(given, "until", self._reader.today())
        kind: Any = given.get("kind", "acts")
        if kind not in get_args(EntryKind):
            raise BadArgument(f"invalid kind {kind!r}: must be {' or '.join(get_args(EntryKind))}")
        if (verify := given.get("verify", "0")) not in {"0", "1"}:
            raise BadArgument(f"invalid verify {verify!r}: must be 0 or 1")
        return AuditQuery(
            since=_day(given, "since", until),
            until=until,
            kind=kind,
            act=given.get("act", ""),
            caller=given.get("caller", ""),
            photo=given.get("photo", ""),
            limit=limit_in(request, usual=wire.AUDIT_ENTRIES, most=wire.AUDIT_ENTRIES_MAX),
            is_verifying=verify == "1",
        )


def _day(given: Mapping[str, str], name: str, default: str) -> str:
    text = given.get(name, default)
    if not _DAY.fullmatch(text):
        raise BadArgument(f"invalid {name} {text!r}: must be a day, YYYY-MM-DD")
    return text
