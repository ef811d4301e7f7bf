"""Requests to a drill cluster, without retries, recorded in its history."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from drill.cluster.drill_cluster import DrillCluster
from drill.history import Op, Operation, Outcome, now_ns
from glassplate.client import Client
from glassplate.errors import GlassplateError, Refused
from storagemaster.wire import Receipt
from volumes.photo_path import PhotoVersion, Variant, parse_photo_version, render_path

Endpoint = tuple[str, Client]
"""A storagemaster's id and its client."""

_Response = TypeVar("_Response")


async def record_put(
    drill_cluster: DrillCluster,
    endpoint: Endpoint,
    key: str,
    data: bytes,
    *,
    is_recorded: bool = True,
) -> Operation:
    """Upload a photo, and return the operation; record it unless `is_recorded` is false."""
    master, client = endpoint
    drill_cluster.sent[key] = data
    begun, digest = now_ns(), hashlib.sha256(data).hexdigest()
    response, result = await _outcome_of(lambda: client.put(data, idempotency_key=key))
    operation = Operation(
        op=Op.PUT,
        invoke_ns=begun,
        complete_ns=now_ns(),
        key=key,
        photo=response.reference if response else "",
        path=_path_of_original(response) if response else "",
        digest=digest,
        bytes=len(data),
        edge=master,
        durability=response.durability if response else "",
        **{"status": 201 if response else 0, **result},
    )
    if is_recorded:
        drill_cluster.history.add(operation)
    if response:
        drill_cluster.urls[operation.path] = urlsplit(response.urls["o"]).path
    return operation


async def record_sizes(drill_cluster: DrillCluster, endpoint: Endpoint, put: Operation) -> bool:
    """Record each size that the info document names. Return True if the photo is processed."""
    master, client = endpoint
    begun = now_ns()
    response, _ = await _outcome_of(lambda: client.info(put.photo))
    if response is None or response.info is None:
        return response is not None and response.state == "failed"
    photo_version = parse_photo_version(put.photo)
    for variant in response.info["variants"]:
        if variant["sha256"] is None or variant["size"] not in response.urls:
            continue
        path = render_path(Variant(photo_version, variant["size"], variant["ext"]))
        if urlsplit(response.urls[variant["size"]]).path.endswith(f".{variant['ext']}"):
            drill_cluster.urls[path] = urlsplit(response.urls[variant["size"]]).path
            drill_cluster.history.add(
                Operation(
                    op=Op.SIZES,
                    outcome=Outcome.OK,
                    invoke_ns=begun,
                    complete_ns=now_ns(),
                    key=put.key,
                    photo=put.photo,
                    path=path,
                    digest=variant["sha256"],
                    bytes=variant["bytes"],
                    edge=master,
                    status=200,
                )
            )
    return True


async def record_delete(
    drill_cluster: DrillCluster, endpoint: Endpoint, put: Operation
) -> Operation:
    """Delete a photo with all its versions, and record the operation."""
    master, client = endpoint
    photo = put.photo.rpartition("/")[0]
    begun = now_ns()
    response, result = await _outcome_of(lambda: client.delete(photo))
    operation = Operation(
        op=Op.DELETE,
        invoke_ns=begun,
        complete_ns=now_ns(),
        key=put.key,
        photo=photo,
        edge=master,
        pending_mirrors=response.pending_mirrors if response else (),
        purge_pending=response.purge_pending if response else (),
        **{"status": 200, **result},
    )
    drill_cluster.history.add(operation)
    return operation


async def record_revoke(
    drill_cluster: DrillCluster, endpoint: Endpoint, put: Operation
) -> Operation:
    """Revoke a photo version, and record the operation."""
    master, client = endpoint
    begun = now_ns()
    response, result = await _outcome_of(lambda: client.revoke(put.photo))
    operation = Operation(
        op=Op.REVOKE,
        invoke_ns=begun,
        complete_ns=now_ns(),
        key=put.key,
        photo=put.photo,
        new_photo=response.reference if response else "",
        path=_path_like(put.path, parse_photo_version(response.reference)) if response else "",
        digest=put.digest,
        edge=master,
        pending_mirrors=response.pending_mirrors if response else (),
        purge_pending=response.purge_pending if response else (),
        **{"status": 200, **result},
    )
    drill_cluster.history.add(operation)
    return operation


async def record_get(
    drill_cluster: DrillCluster,
    session: aiohttp.ClientSession,
    edge: str,
    *,
    path: str,
    url: str,
    permitted: bool = True,
) -> Operation:
    """Read a photo or size through an edge, and record the operation."""
    begun = now_ns()
    result: dict[str, object] = {"outcome": Outcome.INFO}
    try:
        async with session.get(drill_cluster.edge_url(edge) + url) as response:
            body = await response.read()
            result = {
                "outcome": Outcome.OK if response.status == 200 else Outcome.FAIL,
                "status": response.status,
                "digest": hashlib.sha256(body).hexdigest() if response.status == 200 else "",
                "bytes": len(body),
            }
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        result["error"] = type(error).__name__
    operation = Operation(
        op=Op.GET,
        invoke_ns=begun,
        complete_ns=now_ns(),
        path=path,
        edge=edge,
        permitted=permitted,
        **result,  # type: ignore[arg-type]  # field names
    )
    drill_cluster.history.add(operation)
    return operation


async def _outcome_of(
    request: Callable[[], Awaitable[_Response]],
) -> tuple[_Response | None, dict[str, Any]]:
    """Return the response, or None, with the fields of the operation that the result determines.

    Only a rejected request certainly did not happen.
    """
    try:
        return await request(), {"outcome": Outcome.OK}
    except Refused as error:
        status = error.problem.status if error.problem else 400
        return None, {"outcome": Outcome.FAIL, "status": status, "error": str(error)[:200]}
    except (GlassplateError, aiohttp.ClientError, TimeoutError, OSError) as error:
        text = f"{type(error).__name__}: {error}"[:200]
        return None, {"outcome": Outcome.INFO, "status": 0, "error": text}


def _path_of_original(receipt: Receipt) -> str:
    ext = urlsplit(receipt.urls["o"]).path.rpartition(".")[2]
    return render_path(Variant(parse_photo_version(receipt.reference), "o", ext))


def _path_like(path: str, photo_version: PhotoVersion) -> str:
    return render_path(Variant(photo_version, "o", path.rpartition(".")[2]))
