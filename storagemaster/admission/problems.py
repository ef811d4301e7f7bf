"""Errors as RFC 9457 problems, rendered by a middleware, so that handlers only raise."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from runtime.http_server import BodyRefused, stop_reading
from runtime.plain_server import SERVER_NAME
from runtime.request_scope import HEADER, current_request_id
from storagemaster.errors import (
    PROBLEM_TYPES,
    BadArgument,
    LengthMismatch,
    MasterError,
    NotAllowed,
    TooLarge,
)
from storagemaster.wire import PROBLEM_TYPE
from storagenode.protocol.errors import BadRequest, InvalidSignature
from volumes.photo_id import InvalidPhotoId
from volumes.photo_path import InvalidPath

log = logging.getLogger(__name__)

MALFORMED = (InvalidPath, InvalidPhotoId, BadRequest)
"""Errors of parsers of requests."""


@web.middleware
async def problem_middleware(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Respond with a problem to every error of a handler."""
    try:
        return await handler(request)
    except MasterError as error:
        return problem_of(error)
    except MALFORMED as error:
        return problem_of(BadArgument(str(error)))
    except BodyRefused as error:
        stop_reading(request)
        return problem_of((TooLarge if error.is_too_long else BadArgument)(str(error)))
    except InvalidSignature as error:
        stop_reading(request)
        response = problem_of(NotAllowed(str(error)))
        response.force_close()
        return response
    except web.HTTPRequestEntityTooLarge as error:
        return problem_of(TooLarge(str(error)))
    except (ConnectionResetError, web.RequestPayloadError) as error:
        return problem_of(LengthMismatch(f"the connection was lost within the body: {error}"))
    except web.HTTPException as error:
        return _problem(
            error.status, error.reason, error.reason, slug="http", headers=error.headers
        )
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return problem_of(MasterError("internal error; see the log of the storagemaster"))


def malformed_request_response(status: int) -> web.Response:
    """Return the response to malformed HTTP or a server error, without data of the request."""
    response = problem_of(
        BadArgument("malformed HTTP/1.1 request")
        if status < 500
        else MasterError("internal error; see the log of the storagemaster")
    )
    response.headers["Server"] = SERVER_NAME
    response.headers[HEADER] = current_request_id()
    return response


def problem_of(error: MasterError) -> web.Response:
    """Return an error as a response."""
    response = _problem(
        error.status, error.title, str(error), slug=error.slug, headers=error.headers
    )
    if error.status in {400, 413, 415, 422}:
        # Unread bytes of the body must not be parsed as the next request.
        response.force_close()
    return response


def _problem(status: int, title: str, detail: str, *, slug: str, headers: object) -> web.Response:
    kept = {
        name: value
        for name, value in dict(headers).items()  # type: ignore[call-overload]  # a mapping of either kind
        if name.lower() not in {"content-type", "content-length"}
    }
    body = {
        "type": PROBLEM_TYPES + slug,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": current_request_id(),
    }
    return web.json_response(body, status=status, headers=kept, content_type=PROBLEM_TYPE)
