"""Asking a drilled cluster, once, with what came of it written into the history."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from drill.cluster.drill_cluster import Drilled
from drill.history import Op, Operation, Outcome, now_ns
from glassplate.client import Client
from glassplate.errors import GlassplateError, Refused
from storagemaster.wire import Receipt
from volumes.photo_path import PhotoVersion, Variant, parse_photo_version, render_path

Asked = tuple[str, Client]
"""A storagemaster's id, and a client that asks it alone."""

_Answer = TypeVar("_Answer")


async def ask_to_put(
    drilled: Drilled, asked: Asked, key: str, data: bytes, *, is_recorded: bool = True
) -> Operation:
    """Upload a photo."""
    master, client = asked
    drilled.sent[key] = data
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
        drilled.history.add(operation)
    if answer:
        drilled.urls[operation.path] = urlsplit(answer.urls["o"]).path
    return operation


async def ask_for_sizes(drilled: Drilled, asked: Asked, put: Operation) -> bool:
    """Ask what became of a photo's sizes, and note each; whether they are made."""
    master, client = asked
    begun = now_ns()
    answer, _ = await _answer_of(lambda: client.info(put.photo))
    if answer is None or answer.info is None:
        return answer is not None and answer.state == "failed"
    of = parse_photo_version(put.photo)
    for variant in answer.info["variants"]:
        if variant["sha256"] is None or variant["size"] not in answer.urls:
            continue
        path = render_path(Variant(of, variant["size"], variant["ext"]))
        if urlsplit(answer.urls[variant["size"]]).path.endswith(f".{variant['ext']}"):
            drilled.urls[path] = urlsplit(answer.urls[variant["size"]]).path
            drilled.history.add(
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


async def ask_to_delete(drilled: Drilled, asked: Asked, put: Operation) -> Operation:
    """Delete a photo with all its versions."""
    master, client = asked
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
        owed=answer.owed if answer else (),
        unpurged=answer.unpurged if answer else (),
        **{"status": 200, **said},
    )
    drilled.history.add(operation)
    return operation


async def ask_to_revoke(drilled: Drilled, asked: Asked, put: Operation) -> Operation:
    """Give a photo a new version."""
    master, client = asked
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
        owed=answer.owed if answer else (),
        unpurged=answer.unpurged if answer else (),
        **{"status": 200, **said},
    )
    drilled.history.add(operation)
    return operation


async def ask_to_get(
    drilled: Drilled,
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
        async with session.get(drilled.edge_url(edge) + url) as response:
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
    drilled.history.add(operation)
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


def _path_like(path: str, of: PhotoVersion) -> str:
    return render_path(Variant(of, "o", path.rpartition(".")[2]))
