"""An HTTP server that says nothing of its own: what cannot be parsed has a constant answer too.

aiohttp would quote the request in its answer, permission and all, and name its own version.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

log = logging.getLogger(__name__)

Refuse = Callable[[int], web.StreamResponse]
"""The answer, by its status, to a request that no handler got or that one failed at."""


class OpaqueErrorServer(web.Server):
    """A `web.Server` whose own errors are answered by `refuse`."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        refuse: Refuse,
        *,
        request_factory: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(handler, request_factory=request_factory)
        self._refuse = refuse
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """The protocol of one new connection."""
        return OpaqueErrorHandler(self, self._refuse, self._options)


class OpaqueErrorRunner(web.AppRunner):
    """A `web.AppRunner` whose server is a `OpaqueErrorServer`."""

    def __init__(self, application: web.Application, refuse: Refuse, **options: Any) -> None:
        super().__init__(application, **options)
        self._refuse = refuse
        self._options = options

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return OpaqueErrorServer(
            made.request_handler,
            self._refuse,
            request_factory=made.request_factory,
            **self._options,
        )


class OpaqueErrorHandler(web.RequestHandler):
    """The protocol of one connection of a `OpaqueErrorServer`."""

    __slots__ = ("_refuse",)

    def __init__(self, server: web.Server, refuse: Refuse, options: dict[str, Any]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._refuse = refuse

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to an error that nobody caught; the connection ends with it."""
        del message
        if status >= 500:
            log.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of another answer has left already")
        response = self._refuse(status)
        response.force_close()
        return response
