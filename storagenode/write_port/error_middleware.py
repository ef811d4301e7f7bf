"""Middleware that turns errors of the write port into responses."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from runtime.http_server import BodyRefused, stop_reading
from storagenode.protocol.errors import BadRequest, NodeError, render_error
from storagenode.protocol.wire import ERROR_HEADER
from volumes.address import InvalidAddress
from volumes.photo_id import InvalidPhotoId
from volumes.photo_path import InvalidPath


@web.middleware
async def error_middleware(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Return the response to a handler's error, with its status and name on the wire."""
    try:
        return await handler(request)
    except (BodyRefused, InvalidPath, InvalidPhotoId, InvalidAddress) as error:
        status, name, text = render_error(BadRequest(str(error)))
    except NodeError as error:
        status, name, text = render_error(error)
    except ConnectionError:
        raise  # The client has disconnected.
    except OSError as error:
        status, name, text = render_error(NodeError(f"cannot read the disk: {error}"))
    response = web.Response(status=status, text=text, headers={ERROR_HEADER: name})
    if status in {400, 403}:
        # The unread part of a refused body must not be parsed as the next request.
        response.force_close()
        stop_reading(request)
    return response
