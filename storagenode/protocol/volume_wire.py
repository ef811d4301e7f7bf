"""JSON bodies of requests about many volumes, and the rows of their responses by volume.

A row is null if another request has to continue the listing of the volume.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from storagenode.protocol.errors import BadRequest
from storagenode.protocol.files import UnfinishedPhotos, VolumeSummary
from volumes.json_text import parse_json
from volumes.photo_path import VolumeId, parse_volume
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


def parse_summary(row: list[Any] | None) -> VolumeSummary | None:
    """Parse what `render_summary` returns, or None."""
    return VolumeSummary(str(row[0]), int(row[1]), int(row[2])) if row else None


def render_unfinished(found: UnfinishedPhotos, *, known_digest: str) -> list[Any]:
    """Return unfinished photos as a row, only the digest if it is known."""
    if found.digest == known_digest:
        return [found.digest]
    return [found.digest, found.pending, found.doubtful]


def parse_unfinished(row: list[Any]) -> UnfinishedPhotos | None:
    """Parse what `render_unfinished` returns; None if the digest is known."""
    return UnfinishedPhotos(row[0], tuple(row[1]), row[2]) if len(row) > 1 else None
