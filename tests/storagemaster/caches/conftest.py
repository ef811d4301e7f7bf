"""Fixtures of the tests of edges' caches: a client session, and an edge of each kind."""

import contextlib

import aiohttp
import pytest

from tests.storagemaster.purged_edges import PurgedEdge


@pytest.fixture(name="session")
def _session(runner):
    """Return a client session."""

    async def new_session():
        return aiohttp.ClientSession()

    session = runner.run(new_session())
    yield session
    runner.run(session.close())


@pytest.fixture(name="edges")
def _edges(runner):
    """Return an edge of each kind, both running."""
    stack = contextlib.AsyncExitStack()

    async def start():
        edges = [PurgedEdge("east-edge", "nginx"), PurgedEdge("east-varnish", "varnish")]
        return [await stack.enter_async_context(edge.running()) for edge in edges]

    yield runner.run(start())
    runner.run(stack.aclose())
