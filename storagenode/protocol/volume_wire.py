"""JSON bodies of requests about many volumes, and the rows of their responses by volume.

A row is null if another request has to continue the listing of the volume.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from storagenode.protocol.errors import BadRequest
from storagenode.protocol.files import UnfinishedPhotos, VolumeSummary
from volumes.json_text import parse_json
from volumes.photo_path import SHARDS, VolumeId, parse_volume
from volumes.photo_shapes import ShapeRule


def render_volumes(volumes: Iterable[VolumeId]) -> bytes:
    """Return volumes as a list of numbers."""
    return json.dumps(list(volumes)).encode()


def parse_volumes(body: bytes) -> tuple[VolumeId, ...]:
    """Parse what `render_volumes` returns.

    Raises:
        BadRequest: The body is not such a list.
    """
    try:
        return tuple(parse_volume(str(number)) for number in parse_json(body))
    except (ValueError, TypeError) as error:
        raise BadRequest(f"invalid list of volumes: {error}") from error


def render_shards(shards: Mapping[VolumeId, Sequence[str]]) -> bytes:
    """Return some shards of volumes."""
    return json.dumps(shards).encode()


def parse_shards(body: bytes) -> dict[VolumeId, list[str]]:
    """Parse what `render_shards` returns.

    Raises:
        BadRequest: The body has another form, or a shard does not exist.
    """
    try:
        fields = parse_json(body).items()
        return {
            parse_volume(each): [parse_shard(some) for some in shards] for each, shards in fields
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise BadRequest(f"invalid shards of volumes: {error}") from error


def parse_shard_list(body: bytes) -> list[str]:
    """Parse a list of shards; raise as `parse_shards`."""
    try:
        return [parse_shard(each) for each in parse_json(body)]
    except (ValueError, TypeError) as error:
        raise BadRequest(f"invalid list of shards: {error}") from error


def parse_shard(text: str) -> str:
    """Return a shard; raise as `parse_shards`."""
    if text not in SHARDS:
        raise BadRequest(f"invalid shard {text!r}")
    return text


def render_known(known: Mapping[VolumeId, str], rule: ShapeRule) -> bytes:
    """Return the known digests of volumes, and the rule for the shapes of photos."""
    return json.dumps({"known": known, "rule": asdict(rule)}).encode()


def parse_known(body: bytes) -> tuple[dict[VolumeId, str], ShapeRule]:
    """Parse what `render_known` returns.

    Raises:
        BadRequest: The body has another form.
    """
    try:
        fields = parse_json(body)
        known = {parse_volume(str(each)): str(text) for each, text in fields["known"].items()}
        return known, ShapeRule(**fields["rule"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadRequest(f"invalid digests of volumes: {error}") from error


def render_summary(summary: VolumeSummary) -> list[Any]:
    """Return a summary as a row."""
    return [summary.digest, summary.photos, summary.bytes]


def parse_summary(row: list[Any]) -> VolumeSummary:
    """Parse what `render_summary` returns."""
    return VolumeSummary(str(row[0]), int(row[1]), int(row[2]))


def render_unfinished(found: UnfinishedPhotos, *, known_digest: str) -> list[Any]:
    """Return unfinished photos as a row, only the digest if it is known."""
    if found.digest == known_digest:
        return [found.digest]
    return [found.digest, found.pending, found.doubtful]


def parse_unfinished(row: list[Any]) -> UnfinishedPhotos | None:
    """Parse what `render_unfinished` returns; None if the digest is known."""
    return UnfinishedPhotos(row[0], tuple(row[1]), row[2]) if len(row) > 1 else None
