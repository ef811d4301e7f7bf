"""Why a GET would answer what it answers: a pure reading of what is known of a photo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glassplate.errors import BadReference
from glassplate.urls.references import parse_reference
from permission_urls import Forbidden, MalformedUrl, parse_permission_url, strip_permission
from volumes.photo_id import InvalidPhotoId, PhotoId, Version, parse_photo_id, parse_version
from volumes.photo_path import (
    InvalidPath,
    PhotoTombstone,
    PhotoVersion,
    VolumeId,
    parse_volume,
    render_path,
    render_stem,
    tombstone_paths,
)
from volumes.sizes import ORIGINAL_LETTER

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainTarget:
    """What is asked about: a URL, whose `target` is as it would be sent, or a reference."""

    shown: str
    target: str = ""
    volume: VolumeId | None = None
    """None for a URL that names no photo."""
    photo: PhotoId | None = None
    version: Version | None = None
    size: str = ORIGINAL_LETTER
    ext: str = ""
    """Empty where any will do."""


@dataclass(frozen=True, slots=True)
class Response:
    """The status a GET would be answered with, None where that cannot be told, and why."""

    status: int | None
    reason: str


def parse_target(text: str | PhotoVersion) -> ExplainTarget:
    """What a URL, its path, VOLUME/PHOTO/VERSION or VOLUME/PHOTO asks about.

    Raises:
        BadReference: It is none of those.
    """
    if isinstance(text, PhotoVersion) or not ("://" in text or text.startswith("/")):
        named = parse_reference(text)
        return ExplainTarget(
            shown=str(named), volume=named.volume, photo=named.photo, version=named.version
        )
    target = "/" + text.partition("://")[2].partition("/")[2] if "://" in text else text
    shown = strip_permission(target)
    try:
        permitted = parse_permission_url(target)
        return ExplainTarget(
            shown=shown,
            target=target,
            volume=parse_volume(str(permitted.volume)),
            photo=parse_photo_id(permitted.photo),
            version=parse_version(permitted.version),
            size=permitted.size,
            ext=permitted.ext,
        )
    except (MalformedUrl, Forbidden):
        return ExplainTarget(shown=shown, target=target)
    except (InvalidPath, InvalidPhotoId) as error:
        raise BadReference(f"{shown} names no photo: {error}") from error


def explain(
    asked: ExplainTarget, found: Document | None, permission: Document | None
) -> dict[str, Any]:
    """The whole explanation as a document; `found` is what a storagemaster knows of the photo."""
    answer = predict_response(asked, found, permission)
    copies = found["copies"] if found else []
    return {
        "target": asked.shown,
        "answer": {"status": answer.status, "reason": answer.reason},
        "permission": permission,
        **(found or {}),
        "tombstones": [
            c for c in copies if c["path"].endswith(".gone") and c["location"] == "live"
        ],
        "hints": [c for c in copies if c["location"] == "hint"],
    }


def predict_response(
    asked: ExplainTarget, found: Document | None, permission: Document | None
) -> Response:
    """What a GET would be answered, and why, in one sentence."""
    if permission is not None and permission["status"] in {400, 403}:
        return Response(
            permission["status"], f"its permission does not open it: {_why(permission)}."
        )
    assert found is not None, "a URL with a good permission names a photo"
    answer = _of_tombstones(asked, found) or _of_version(asked, found)
    if permission is not None and permission["status"] is None:
        return Response(
            None, f"if its permission is good, {answer.status or 'unsure'}: {answer.reason}"
        )
    return answer


def _why(permission: Document) -> str:
    expired = permission["expires"] if permission["verdict"] == "expired" else ""
    return f"{permission['verdict']}{f' at {expired}' if expired else ''}"


def _of_tombstones(asked: ExplainTarget, found: Document) -> Response | None:
    assert asked.volume is not None
    assert asked.photo is not None
    names = {render_path(PhotoTombstone(asked.volume, asked.photo)): "the photo"}
    if asked.version is not None:
        photo_version = PhotoVersion(asked.volume, asked.photo, asked.version)
        names[tombstone_paths(photo_version)[1]] = "this version"
    for path, what in names.items():
        holders = [copy["node"] for copy in _mirror(found) if copy["path"] == path]
        if holders:
            return Response(410, f"{what} was deleted: its tombstone is on {', '.join(holders)}.")
    return None


def _of_version(asked: ExplainTarget, found: Document) -> Response:
    if asked.version is None:
        names = ", ".join(version["version"] for version in found["versions"]) or "none"
        return Response(None, f"no version is named, and a URL is of one; there are: {names}.")
    assert asked.volume is not None
    assert asked.photo is not None
    stem = render_stem(PhotoVersion(asked.volume, asked.photo, asked.version))
    begin = f"{stem}_{asked.size}.{asked.ext}"
    held = [c for c in found["copies"] if c["path"].rpartition(stem)[1] and begin in c["path"]]
    mirror = [copy for copy in held if copy["location"] == "live"]
    if mirror:
        return _of_copies(mirror)
    return _of_absence(asked, found, held)


def _of_copies(mirror: Sequence[Document]) -> Response:
    noted = [copy for copy in mirror if copy["sha256"]]
    if not noted:
        nodes = _nodes(mirror)
        return Response(
            502, f"{nodes} has it without a digest, so that its bytes are not believed."
        )
    if len({copy["sha256"] for copy in noted}) > 1:
        return Response(
            200, f"{_nodes(noted)} have it, but different bytes: see `glassplate diff`."
        )
    return Response(200, f"it is at home on {_nodes(noted)}.")


def _of_absence(asked: ExplainTarget, found: Document, held: Sequence[Document]) -> Response:
    silent = [
        mirror["node"] for mirror in found["mirrors"] if mirror["node"] in found["unreachable"]
    ]
    if len(silent) == len(found["mirrors"]):
        return Response(502, f"no mirror of volume {found['volume']} answers: {', '.join(silent)}.")
    if silent:
        return Response(
            None,
            f"the mirrors that answer do not have it, and {', '.join(silent)} does not answer.",
        )
    if held:
        where = ", ".join(f"{copy['location']} of {copy['node']}" for copy in held)
        return Response(404, f"it is in places that are never served: {where}.")
    return Response(404, _why_not_made(asked, found))


def _why_not_made(asked: ExplainTarget, found: Document) -> str:
    version = next((v for v in found["versions"] if v["version"] == asked.version), None)
    if version is None or version["state"] in {"missing", "unknown"}:
        return "no mirror has this version of the photo, nor a tombstone of it."
    if version["state"] == "failed":
        return f"its sizes could not be made: {version['reason']}."
    if version["state"] == "pending":
        return f"its sizes are not made yet; {describe_job(version)}."
    return "its sizes are made, and this is none of them: the photo is no larger, or not so kept."


def describe_job(version: Document) -> str:
    """What is known of the job of a version's sizes, in words."""
    if version["job"] is None:
        return "the queue cannot be asked for its job"
    if not version["job"]:
        return "it has no job, and the sweep will ask for one"
    if version["position"] is not None:
        return f"its job is {version['job']}, with {version['position']} before it"
    return f"its job is {version['job']}"


def _mirror(found: Document) -> list[Document]:
    return [copy for copy in found["copies"] if copy["location"] == "live"]


def _nodes(copies: Sequence[Document]) -> str:
    return ", ".join(copy["node"] for copy in copies)
