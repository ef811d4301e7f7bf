"""The blocking client: the same API, from any thread."""

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import glassplate
from glassplate import blocking
from tests.glassplate.live_cluster import jpeg

DIFFERENT = {("put", "source")}
"""Parameters that differ by design: asynchronous or synchronous chunks."""


def api(kind):
    """Return the public methods of a client with their parameters."""
    return {
        name: {
            parameter.name: (parameter.kind, parameter.default, str(parameter.annotation))
            for parameter in inspect.signature(method).parameters.values()
            if (name, parameter.name) not in DIFFERENT
        }
        for name, method in inspect.getmembers(kind, callable)
        if not name.startswith("_") or name == "__init__"
    }


def test_api_is_the_same():
    """Both clients have the same methods, parameters, defaults, and types."""
    assert api(blocking.Client) == api(glassplate.Client)


def test_many_threads_share_one_client(client, seeds):
    """Each thread gets its own result."""
    photos = [jpeg(next(seeds)) for _ in range(12)]
    with ThreadPoolExecutor(6) as threads:
        receipts = list(threads.map(client.put, photos))
        assert list(threads.map(lambda r: client.get(r.reference), receipts)) == photos


def test_chunks_can_come_from_a_generator(client, photo):
    """A generator is read outside the event loop."""
    data = photo + bytes(2_000_000)
    chunks = (data[start : start + 300_000] for start in range(0, len(data), 300_000))
    assert client.put(chunks, length=len(data)).bytes == len(data)


def test_thread_ends_with_the_block(cluster):
    """No thread is left, and further calls fail."""
    before = threading.active_count()
    with blocking.Client(cluster.masters, keys=cluster.keys) as client:
        client.status()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        client.status()
