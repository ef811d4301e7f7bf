"""Errors of the write port as answers, by the table in `wire`."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from storagenode.protocol import wire
from storagenode.protocol.errors import BadRequest, NodeError
from volumes.address import InvalidAddress
from volumes.photo_id import InvalidPhotoId
from volumes.photo_path import InvalidPath


@web.middleware
async def error_middleware(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Answer this package's errors by the table in `wire`."""
    try:
        return await handler(request)
    except (InvalidPath, InvalidPhotoId, InvalidAddress) as error:
        answer = wire.render_error(BadRequest(str(error)))
    except NodeError as error:
        answer = wire.render_error(error)
    except ConnectionError:
        raise  # there is nobody left to answer
    except OSError as error:
        answer = wire.render_error(NodeError(f"the disk could not be read: {error}"))
    status, name, text = answer
    response = web.Response(status=status, text=text, headers={wire.ERROR_HEADER: name})
    if status in {400, 403}:
        # What is left of a refused body must not be read as the next request.
        response.force_close()
    return response
