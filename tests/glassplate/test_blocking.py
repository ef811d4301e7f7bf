"""The blocking client: the same surface, from any thread."""

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import glassplate
from glassplate import blocking
from tests.glassplate.live_cluster import jpeg

DIFFERENT = {("put", "source")}
"""Parameters that are not the same by design: pieces that are waited for, or not."""


def surface(kind):
    """The public methods of a client, each with its parameters."""
    return {
        name: {
            parameter.name: (parameter.kind, parameter.default, str(parameter.annotation))
            for parameter in inspect.signature(method).parameters.values()
            if (name, parameter.name) not in DIFFERENT
        }
        for name, method in inspect.getmembers(kind, callable)
        if not name.startswith("_") or name == "__init__"
    }


def test_surface_is_the_same():
    """Every method, every parameter, every default, every type."""
    assert surface(blocking.Client) == surface(glassplate.Client)


def test_many_threads_share_one_client(client, seeds):
    """Each gets its own answer."""
    photos = [jpeg(next(seeds)) for _ in range(12)]
    with ThreadPoolExecutor(6) as threads:
        receipts = list(threads.map(client.put, photos))
        assert list(threads.map(lambda r: client.get(r.reference), receipts)) == photos


def test_pieces_may_come_from_a_generator(client, photo):
    """An ordinary generator is read outside of the event loop."""
    data = photo + bytes(2_000_000)
    pieces = (data[start : start + 300_000] for start in range(0, len(data), 300_000))
    assert client.put(pieces, length=len(data)).bytes == len(data)


def test_thread_ends_with_the_block(cluster):
    """Nothing is left running, and nothing can be asked any more."""
    before = threading.active_count()
    with blocking.Client(cluster.masters, keys=cluster.keys) as client:
        client.status()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        client.status()
