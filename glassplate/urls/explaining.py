"""The predicted response to a GET, and its reason, from the facts about a photo."""

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
    """The URL or reference to explain."""

    shown: str
    """The target without a MAC."""
    request_target: str = ""
    """The request target of a URL; empty for a reference."""
    volume: VolumeId | None = None
    """None for a URL that is not a photo's."""
    photo: PhotoId | None = None
    version: Version | None = None
    size: str = ORIGINAL_LETTER
    ext: str = ""
    """Empty for any format."""


@dataclass(frozen=True, slots=True)
class Response:
    """The predicted status, or None if it is uncertain, and the reason."""

    status: int | None
    reason: str


def parse_target(text: str | PhotoVersion) -> ExplainTarget:
    """Parse a URL, its path, VOLUME/PHOTO/VERSION, or VOLUME/PHOTO.

    Raises:
        BadReference: The text has another form.
    """
    if isinstance(text, PhotoVersion) or not ("://" in text or text.startswith("/")):
        named = parse_reference(text)
        return ExplainTarget(
            shown=str(named), volume=named.volume, photo=named.photo, version=named.version
        )
    request_target = "/" + text.partition("://")[2].partition("/")[2] if "://" in text else text
    shown = strip_permission(request_target)
    try:
        permitted = parse_permission_url(request_target)
        return ExplainTarget(
            shown=shown,
            request_target=request_target,
            volume=parse_volume(str(permitted.volume)),
            photo=parse_photo_id(permitted.photo),
            version=parse_version(permitted.version),
            size=permitted.size,
            ext=permitted.ext,
        )
    except (MalformedUrl, Forbidden):
        return ExplainTarget(shown=shown, request_target=request_target)
    except (InvalidPath, InvalidPhotoId) as error:
        raise BadReference(f"{shown} is not the URL of a photo: {error}") from error


def explain(
    target: ExplainTarget,
    found: Document | None,
    permission: Document | None,
    edges: Sequence[Document] = (),
) -> dict[str, Any]:
    """Return the whole explanation.

    `found` are the facts that a storagemaster reported, and `edges` the responses to a GET of the
    URL. The storagemaster signs its own URL for the edges, so what they respond to that counts only
    if no edge responded to the URL of the target, and its permission is not known to be invalid.
    """
    mirrors: Sequence[Document] = ()
    if found and (permission is None or permission["status"] == 200):
        mirrors = found["mirrors"]
        if all(edge["status"] is None for edge in edges):
            edges = [*edges, *found["edges"]]
    response = confirm_response(predict_response(target, found, permission), edges, mirrors)
    copies = found["copies"] if found else []
    return {
        "target": target.shown,
        "answer": {"status": response.status, "reason": response.reason},
        "permission": permission,
        **(found or {}),
        "edges": list(edges),
        "tombstones": [
            c for c in copies if c["path"].endswith(".gone") and c["location"] == "live"
        ],
        "hints": [c for c in copies if c["location"] == "hint"],
    }


def confirm_response(
    predicted: Response, edges: Sequence[Document], mirrors: Sequence[Document] = ()
) -> Response:
    """Return the prediction if all edges that respond agree, and what they respond otherwise.

    An edge can have older keys, an older volume map, or a cached copy. Without a response of an
    edge, a mirror has to serve what is predicted as 200: it can be fenced, or have older keys.
    """
    statuses = {edge["status"] for edge in edges if edge["status"] is not None}
    if not statuses and predicted.status == 200:
        return _confirm_by_mirrors(predicted, mirrors)
    if statuses <= {predicted.status}:
        return predicted
    responses = ", ".join(
        f"{edge['edge']} responds {edge['status']}" for edge in edges if edge["status"] is not None
    )
    status = statuses.pop() if len(statuses) == 1 else None
    if predicted.status is None:
        return Response(status, f"{responses}; {predicted.reason}")
    return Response(status, f"{responses}, but {predicted.status} is expected: {predicted.reason}")


def _confirm_by_mirrors(predicted: Response, mirrors: Sequence[Document]) -> Response:
    responses = {each["node"]: each["response"] for each in mirrors if each["response"]}
    if not responses or any(each["status"] == 200 for each in responses.values()):
        return predicted
    shown = ", ".join(
        f"{node} responds {each['status'] or 'nothing: ' + each['reason']}"
        for node, each in responses.items()
    )
    return Response(None, f"no mirror serves it ({shown}), although {predicted.reason}")


def predict_response(
    target: ExplainTarget, found: Document | None, permission: Document | None
) -> Response:
    """Predict the response to a GET, with the reason in one sentence."""
    if permission is not None and permission["status"] in {400, 403}:
        expired = f" at {permission['expires']}" if permission["verdict"] == "expired" else ""
        return Response(
            permission["status"], f"the permission is invalid: {permission['verdict']}{expired}."
        )
    assert found is not None, "a URL with a valid permission names a photo"
    response = _of_tombstones(target, found) or _of_version(target, found)
    if permission is not None and permission["status"] is None:
        status = response.status or "an unknown status"
        return Response(None, f"if the permission is valid, {status}: {response.reason}")
    return response


def _of_tombstones(target: ExplainTarget, found: Document) -> Response | None:
    assert target.volume is not None
    assert target.photo is not None
    tombstones = {render_path(PhotoTombstone(target.volume, target.photo)): "the photo"}
    if target.version is not None:
        photo_version = PhotoVersion(target.volume, target.photo, target.version)
        tombstones[tombstone_paths(photo_version)[1]] = "this version"
    for path, subject in tombstones.items():
        holders = [
            copy["node"]
            for copy in found["copies"]
            if copy["location"] == "live" and copy["path"] == path
        ]
        if holders:
            return Response(
                410, f"{subject} was deleted: its tombstone is on {', '.join(holders)}."
            )
    return None


def _of_version(target: ExplainTarget, found: Document) -> Response:
    if target.version is None:
        names = ", ".join(version["version"] for version in found["versions"]) or "none"
        return Response(None, f"a URL names one version; known versions: {names}.")
    assert target.volume is not None
    assert target.photo is not None
    stem = render_stem(PhotoVersion(target.volume, target.photo, target.version))
    begin = f"{stem}_{target.size}.{target.ext}"
    copies = [c for c in found["copies"] if c["path"].rpartition(stem)[1] and begin in c["path"]]
    mirrors = {mirror["node"] for mirror in found["mirrors"]}
    live = [copy for copy in copies if copy["location"] == "live" and copy["node"] in mirrors]
    if live:
        return _of_live_copies(live)
    return _of_absence(target, found, copies)


def _of_live_copies(live: Sequence[Document]) -> Response:
    verified = [copy for copy in live if copy["sha256"]]
    if not verified:
        return Response(502, f"the copy on {_nodes(live)} has no digest, so it is not served.")
    if len({copy["sha256"] for copy in verified}) > 1:
        return Response(200, f"the copies on {_nodes(verified)} differ: see `glassplate diff`.")
    return Response(200, f"it is on {_nodes(verified)}.")


def _of_absence(target: ExplainTarget, found: Document, copies: Sequence[Document]) -> Response:
    unreachable = [
        mirror["node"] for mirror in found["mirrors"] if mirror["node"] in found["unreachable"]
    ]
    names = ", ".join(unreachable)
    if len(unreachable) == len(found["mirrors"]):
        return Response(502, f"every mirror of volume {found['volume']} is unreachable: {names}.")
    if unreachable:
        return Response(
            None, f"the reachable mirrors do not have it, and others are unreachable: {names}."
        )
    if copies:
        places = ", ".join(
            f"{copy['node']}, which is not a mirror"
            if copy["location"] == "live"
            else f"{copy['location']} of {copy['node']}"
            for copy in copies
        )
        return Response(404, f"its only copies are where they are never served: {places}.")
    return Response(404, _absence_reason(target, found))


def _absence_reason(target: ExplainTarget, found: Document) -> str:
    version = next((v for v in found["versions"] if v["version"] == target.version), None)
    if version is None or version["state"] in {"missing", "unknown"}:
        return "no mirror has this version of the photo, or a tombstone of it."
    if version["state"] == "failed":
        return f"its sizes could not be made: {version['reason']}."
    if version["state"] == "pending":
        return f"its sizes are not made yet; {describe_job(version)}."
    return "the photo does not have this size: it is smaller, or its format is another."


def describe_job(version: Document) -> str:
    """Return the state of the job that makes a version's sizes, in words."""
    if version["job"] is None:
        return "the queue server is unreachable, so its job is unknown"
    if not version["job"]:
        return "it has no job; the sweep will enqueue one"
    if version["position"] is not None:
        return f"its job is {version['job']}, with {version['position']} ahead of it"
    return f"its job is {version['job']}"


def _nodes(copies: Sequence[Document]) -> str:
    return ", ".join(copy["node"] for copy in copies)
