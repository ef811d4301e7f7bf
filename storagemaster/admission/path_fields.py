"""Fields of a request's path and query. A malformed one raises an error that becomes a 400."""

from aiohttp import web

from runtime.request_scope import describe_request
from storagemaster.errors import BadArgument
from volumes.json_text import parse_whole_number
from volumes.photo_id import PhotoId, Version, parse_photo_id, parse_version
from volumes.photo_path import SHARDS, PhotoVersion, VolumeId, parse_volume


def volume_in(request: web.Request) -> VolumeId:
    """Return the volume."""
    return parse_volume(request.match_info["volume"])


def photo_in(request: web.Request) -> PhotoId:
    """Return the photo."""
    return parse_photo_id(request.match_info["photo"])


def version_in(request: web.Request) -> Version | None:
    """Return the version, or None if the route has none."""
    text = request.match_info.get("version")
    return None if text is None else parse_version(text)


def photo_version_in(request: web.Request) -> PhotoVersion:
    """Return volume, photo, and version of a route that has all three."""
    version = parse_version(request.match_info["version"])
    photo_version = PhotoVersion(volume_in(request), photo_in(request), version)
    describe_request(reference=str(photo_version))
    return photo_version


def limit_in(request: web.Request, *, usual: int, most: int) -> int:
    """Return the number of entries that a response can have, from its query."""
    try:
        limit = parse_whole_number(request.query.get("limit", str(usual)))
    except ValueError as error:
        raise BadArgument(f"invalid limit: {error}") from error
    if not 1 <= limit <= most:
        raise BadArgument(f"invalid limit {limit}: must be 1 to {most}")
    return limit


def shard_in(request: web.Request) -> str:
    """Return the shard."""
    shard = request.match_info["shard"]
    if shard not in SHARDS:
        raise BadArgument(f"unknown shard {shard!r}")
    return shard
