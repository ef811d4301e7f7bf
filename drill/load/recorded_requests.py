"""Asking a drilled cluster, once, with what came of it written into the history."""

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
"""A storagemaster's id, and a client that asks it alone."""

_Answer = TypeVar("_Answer")


async def record_put(
    drill_cluster: DrillCluster,
    endpoint: Endpoint,
    key: str,
    data: bytes,
    *,
    is_recorded: bool = True,
) -> Operation:
    """Upload a photo."""
    master, client = endpoint
    drill_cluster.sent[key] = data
    begun, digest = now_ns(), hashlib.sha256(data).hexdigest()
    answer, said = await _answer_of(lambda: client.put(data, idempotency_key=key))
    operation = Operation(
        op=Op.PUT,
        invoke_ns=begun,
        complete_ns=now_ns(),
        key=key,
        photo=answer.reference if answer else "",
        path=_path_of_original(answer) if answer else "",
        digest=digest,
        bytes=len(data),
        edge=master,
        durability=answer.durability if answer else "",
        **{"status": 201 if answer else 0, **said},
    )
    if is_recorded:
        drill_cluster.history.add(operation)
    if answer:
        drill_cluster.urls[operation.path] = urlsplit(answer.urls["o"]).path
    return operation


async def record_sizes(drill_cluster: DrillCluster, endpoint: Endpoint, put: Operation) -> bool:
    """Ask what became of a photo's sizes, and note each; whether they are made."""
    master, client = endpoint
    begun = now_ns()
    answer, _ = await _answer_of(lambda: client.info(put.photo))
    if answer is None or answer.info is None:
        return answer is not None and answer.state == "failed"
    photo_version = parse_photo_version(put.photo)
    for variant in answer.info["variants"]:
        if variant["sha256"] is None or variant["size"] not in answer.urls:
            continue
        path = render_path(Variant(photo_version, variant["size"], variant["ext"]))
        if urlsplit(answer.urls[variant["size"]]).path.endswith(f".{variant['ext']}"):
            drill_cluster.urls[path] = urlsplit(answer.urls[variant["size"]]).path
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
    """Delete a photo with all its versions."""
    master, client = endpoint
    photo = put.photo.rpartition("/")[0]
    begun = now_ns()
    answer, said = await _answer_of(lambda: client.delete(photo))
    operation = Operation(
        op=Op.DELETE,
        invoke_ns=begun,
        complete_ns=now_ns(),
        key=put.key,
        photo=photo,
        edge=master,
        pending_mirrors=answer.pending_mirrors if answer else (),
        purge_pending=answer.purge_pending if answer else (),
        **{"status": 200, **said},
    )
    drill_cluster.history.add(operation)
    return operation


async def record_revoke(
    drill_cluster: DrillCluster, endpoint: Endpoint, put: Operation
) -> Operation:
    """Give a photo a new version."""
    master, client = endpoint
    begun = now_ns()
    answer, said = await _answer_of(lambda: client.revoke(put.photo))
    operation = Operation(
        op=Op.REVOKE,
        invoke_ns=begun,
        complete_ns=now_ns(),
        key=put.key,
        photo=put.photo,
        new_photo=answer.reference if answer else "",
        path=_path_like(put.path, parse_photo_version(answer.reference)) if answer else "",
        digest=put.digest,
        edge=master,
        pending_mirrors=answer.pending_mirrors if answer else (),
        purge_pending=answer.purge_pending if answer else (),
        **{"status": 200, **said},
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
    """Read a photo through an edge, whole."""
    begun = now_ns()
    said: dict[str, object] = {"outcome": Outcome.INFO}
    try:
        async with session.get(drill_cluster.edge_url(edge) + url) as response:
            body = await response.read()
            said = {
                "outcome": Outcome.OK if response.status == 200 else Outcome.FAIL,
                "status": response.status,
                "digest": hashlib.sha256(body).hexdigest() if response.status == 200 else "",
                "bytes": len(body),
            }
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        said["error"] = type(error).__name__
    operation = Operation(
        op=Op.GET,
        invoke_ns=begun,
        complete_ns=now_ns(),
        path=path,
        edge=edge,
        permitted=permitted,
        **said,  # type: ignore[arg-type]  # the names of its fields
    )
    drill_cluster.history.add(operation)
    return operation


async def _answer_of(
    ask: Callable[[], Awaitable[_Answer]],
) -> tuple[_Answer | None, dict[str, Any]]:
    """An answer, and what of an operation it settles: only a plain no is surely not done."""
    try:
        return await ask(), {"outcome": Outcome.OK}
    except Refused as error:
        status = error.problem.status if error.problem else 400
        return None, {"outcome": Outcome.FAIL, "status": status, "error": str(error)[:200]}
    except (GlassplateError, aiohttp.ClientError, TimeoutError, OSError) as error:
        said = f"{type(error).__name__}: {error}"[:200]
        return None, {"outcome": Outcome.INFO, "status": 0, "error": said}


def _path_of_original(receipt: Receipt) -> str:
    ext = urlsplit(receipt.urls["o"]).path.rpartition(".")[2]
    return render_path(Variant(parse_photo_version(receipt.reference), "o", ext))


def _path_like(path: str, photo_version: PhotoVersion) -> str:
    return render_path(Variant(photo_version, "o", path.rpartition(".")[2]))
