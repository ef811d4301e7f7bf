"""Routes of the volume map: the one in force, and the next one."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from storagemaster import wire
from storagemaster.admission.authorization import BODY, CALLER, Handler
from storagemaster.admission.path_fields import limit_in
from storagemaster.errors import BadArgument, NotAllowed
from storagemaster.maps.documents import MapRequest, MapState, NextMap
from storagemaster.maps.following import MapFollowing
from storagemaster.maps.history import MapHistory
from storagemaster.maps.proposing import MapProposing
from volumes.json_text import parse_json, parse_whole_number
from volumes.map.votes import lagging

_FIELDS: Mapping[str, type] = {"tables": str, "after_version": int, "why": str, "apply": bool}


class MapApi:
    """Handlers for operators."""

    def __init__(
        self, following: MapFollowing, proposing: MapProposing, history: MapHistory
    ) -> None:
        self._following = following
        self._proposing = proposing
        self._history = history
        self.handlers: Mapping[wire.Route, Handler] = {
            wire.INTERNAL_MAP: self.newer_map,
            wire.MAP: self.map,
            wire.MAP_LOG: self.map_log,
            wire.NEXT_MAP: self.next_map,
        }

    async def newer_map(self, request: web.Request) -> web.Response:
        """Return the signed map in force, if it is newer than the one of the machine."""
        try:
            version = parse_whole_number(request.query.get("version", ""))
        except ValueError as error:
            raise BadArgument(f"invalid version: {error}") from error
        signed = self._following.signed
        if signed is None or self._following.in_force.version <= version:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return web.Response(text=signed)

    async def map(self, request: web.Request) -> web.Response:
        """Return the map in force, and the votes for the next one."""
        _check_all_volumes(request)
        following = self._following
        in_force = following.in_force
        election = following.election()
        behind = lagging(following.reports(), in_force=in_force.id)
        document: MapState = {
            "version": in_force.version,
            "digest": in_force.id.digest,
            "why": in_force.why,
            "text": following.signed,
            "lagging": list(behind) if in_force.version > 1 else [],
            "votes": [
                {"version": id_.version, "digest": id_.digest, "nodes": list(nodes)}
                for id_, nodes in election.votes.items()
            ],
            "is_stuck": election.is_stuck,
        }
        return web.json_response(document)

    async def map_log(self, request: web.Request) -> web.Response:
        """Return the last versions of the map, and what each changed."""
        _check_all_volumes(request)
        limit = limit_in(request, usual=wire.MAP_VERSIONS, most=wire.MAP_VERSIONS_MAX)
        return web.json_response(await self._history.page(limit))

    async def next_map(self, request: web.Request) -> web.Response:
        """Return the changes of an edited map, or put it in force."""
        _check_all_volumes(request)
        wanted = _parse_request(request[BODY])
        proposal = await self._proposing.plan(
            wanted["tables"],
            after_version=wanted["after_version"],
            why=wanted["why"],
            by=wanted.get("by") or request[CALLER].name,
        )
        applied = wanted["apply"] and bool(proposal.changes)
        if applied:
            await self._proposing.apply(proposal)
        document: NextMap = {
            "version": proposal.volume_map.version,
            "digest": proposal.volume_map.id.digest,
            "applied": applied,
            "changes": [
                {"what": each.what, "before": each.before, "after": each.after}
                for each in proposal.changes
            ],
        }
        return web.json_response(document)


def _check_all_volumes(request: web.Request) -> None:
    if request[CALLER].volumes is not None:
        raise NotAllowed("this affects all volumes, and needs a token for all of them")


def _parse_request(body: bytes) -> MapRequest:
    try:
        fields: dict[str, Any] = parse_json(body)
    except ValueError as error:
        raise BadArgument(f"invalid body: {error}") from error
    by = fields.pop("by", "") if isinstance(fields, dict) else None
    if (
        not isinstance(fields, dict)
        or not isinstance(by, str)
        or {n: type(v) for n, v in fields.items()} != dict(_FIELDS)
    ):
        known = ", ".join(f"{name} ({kind.__name__})" for name, kind in _FIELDS.items())
        raise BadArgument(f"invalid body: must be a JSON object with {known}")
    return {
        "tables": fields["tables"],
        "after_version": fields["after_version"],
        "why": fields["why"],
        "by": by,
        "apply": fields["apply"],
    }
